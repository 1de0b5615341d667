"""Exercise 3 of lab 07: a pipeline's order of work from one rule, for any placement of stages and any limits."""

import heapq

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def schedule(places, micros, most, forward, backward):
    S, devices = len(places), max(places) + 1
    ends, busy, now = {}, [0] * devices, 0
    orders, peak = [[] for _ in range(devices)], [0] * devices

    def done(kind, stage, micro):
        return ends.get((kind, stage, micro), now + 1) <= now

    def flight(stage):
        return sum(("F", stage, m) in ends and not done("B", stage, m) for m in range(micros))

    while len(ends) < 2 * S * micros or now < max(ends.values()):
        for device in range(devices):
            ready = []
            for stage in (s for s in range(S) if places[s] == device):
                for m in range(micros):
                    if ("F", stage, m) not in ends:
                        if (stage == 0 or done("F", stage - 1, m)) and flight(stage) < most[stage]:
                            ready.append((1, m, stage))
                    elif ("B", stage, m) not in ends and done("F", stage, m):  # noqa: SIM102
                        if stage == S - 1 or done("B", stage + 1, m):
                            ready.append((0, m, stage))
            if ready and busy[device] <= now:
                late, m, stage = min(ready)
                ends["BF"[late], stage, m] = busy[device] = now + (forward if late else backward)
                orders[device].append((stage, m, "BF"[late]))
            peak[device] = max(peak[device], sum(flight(s) for s in range(S) if places[s] == device))
        now += 1
    idle = 1 - S * micros * (forward + backward) / (devices * now)
    return {"orders": orders, "ticks": now, "idle": idle, "peak": peak}


@schedule.right
def by_events(places, micros, most, forward, backward):
    # Counters for each stage, and a heap of what ends next; micro-batches pass each stage in their order.
    S = len(places)
    begun, over = {kind: [0] * S for kind in "FB"}, {kind: [0] * S for kind in "FB"}
    devices = sorted(set(places))
    running, orders, peak, heap, now = set(), {d: [] for d in devices}, dict.fromkeys(devices, 0), [], 0
    while True:
        for d in devices:
            if d in running:
                continue
            choices = []
            for s in [s for s, place in enumerate(places) if place == d]:
                b, f = begun["B"][s], begun["F"][s]
                if b < micros and b < over["F"][s] and (s + 1 == S or b < over["B"][s + 1]):
                    choices.append((0, b, s))
                if f < micros and (s == 0 or f < over["F"][s - 1]) and f - over["B"][s] < most[s]:
                    choices.append((1, f, s))
            if choices:
                kind, m, s = min(choices)
                begun["BF"[kind]][s] += 1
                running.add(d)
                orders[d].append((s, m, "BF"[kind]))
                heapq.heappush(heap, (now + (backward, forward)[kind], "BF"[kind], s))
                held = sum(begun["F"][s] - over["B"][s] for s, place in enumerate(places) if place == d)
                peak[d] = max(peak[d], held)
        if not heap:
            break
        now = heap[0][0]
        while heap and heap[0][0] == now:
            _, kind, s = heapq.heappop(heap)
            over[kind][s] += 1
            running.discard(places[s])
    work = S * micros * (forward + backward)
    return {"orders": list(orders.values()), "ticks": now, "idle": (len(devices) * now - work) / (len(devices) * now),
            "peak": list(peak.values())}  # fmt: skip


@schedule.part(
    4, "In flight is what has begun its forward pass and not ended its backward pass; add up a device's stages.", "peak",
    items=("peak",), whole=True,
)  # fmt: skip
@schedule.part(
    5, "Idle is the share of all devices' ticks, from the first to the last, in which nothing is done.", "idle",
    items=("ticks", "idle"), whole=True,
)  # fmt: skip
@schedule.part(
    8, "Go through the ticks by hand: what may begin, and which of that comes first?", "orders", items=("orders",)
)
def pipelines(draw: Draw):
    yield [0, 1, 2, 3], 7, [4, 3, 2, 1], 1, 2
    yield [0, 1, 2, 0, 1, 2], 5, [5, 4, 3, 3, 2, 1], 2, 3
    yield [0, 1, 2, 2, 1, 0], 7, [3, 3, 2, 2, 3, 3], 1, 2
    yield [0, 1, 0, 1], 6, [2, 3, 2, 2], 3, 2
    yield [0, 1, 2, 3], 4, [4, 3, 2, 1], 1, 1
    # Limits that leave no room, and limits that bind nobody.
    yield [0, 1, 2], 5, [1, 1, 1], 1, 2
    yield [0, 1, 2], 5, [2, 2, 2], 2, 1
    yield [0, 1, 2], 5, [9, 9, 9], 1, 1
    yield [0, 1], 1, [2, 1], 3, 4
    yield [0], 3, [1], 2, 3
    yield [1, 0, 1, 0, 0], 5, [draw.randint(1, 4) for _ in range(5)], draw.randint(1, 3), draw.randint(1, 5)
    yield (
        [0, 1, 2, 3],
        draw.randint(5, 9),
        [draw.randint(1, 4) for _ in range(4)],
        draw.randint(1, 3),
        draw.randint(1, 5),
    )


LIMIT, IDLE = "and flight(stage) < most[stage]", "1 - S * micros * (forward + backward) / (devices * now)"
FLIGHT = 'sum(("F", stage, m) in ends and not done("B", stage, m) for m in range(micros))'
PEAK = "sum(flight(s) for s in range(S) if places[s] == device)"
schedule.mistakes(f"""
A backward pass that may begin comes before any forward pass.
    min(ready) => min(ready, key=lambda one: (-one[0], one[1:]))
Of several forward passes, and of several backward ones, the smallest micro-batch comes first, at whichever stage it is.
    min(ready) => min(ready, key=lambda one: (one[0], one[2], one[1]))
    min(ready) => min(ready, key=lambda one: (one[0], -one[2], one[1]))
    min(ready) => min(ready, key=lambda one: (one[0], -one[1], one[2]))
    min(ready) => min(ready, key=lambda one: (one[0], one[2] if one[0] else -one[2], one[1]))
Backward passes begin as soon as they may: here they wait for all forward passes, as GPipe's do.
    {LIMIT} => && elif ("B", stage, m) not in ends and => elif ("B", stage, m) not in ends and all(("F", stage, other) in ends for other in range(micros)) and
A stage that has most[stage] micro-batches in flight begins no other: here the limit does not hold, or not exactly.
    {LIMIT} =>
    {LIMIT} => and flight(stage) <= most[stage]
    {LIMIT} => and flight(stage) < max(1, most[stage] - 1)
    {LIMIT} => and flight(stage) < most[0]
    {LIMIT} => and flight(stage) < max(most)
    {LIMIT} => and flight(stage) < S - stage
    {LIMIT} => and flight(stage) < devices - device
The limit is each stage's own, not that of all stages of a device together.
    {LIMIT} => and {PEAK} < sum(most[s] for s in range(S) if places[s] == device)
A micro-batch is in flight from the beginning of its forward pass to the end of its backward pass.
    {FLIGHT} => sum(done("F", stage, m) and ("B", stage, m) not in ends for m in range(micros))
    {FLIGHT} => sum(("F", stage, m) in ends and not done("F", S - 1, m) for m in range(micros))
A forward pass needs that of the stage before to have ended.
    stage == 0 or done("F", stage - 1, m) => True
    done("F", stage - 1, m) => ("F", stage - 1, m) in ends
A backward pass needs that of the stage after to have ended.
    stage == S - 1 or done("B", stage + 1, m) => True
    done("B", stage + 1, m) => ("B", stage + 1, m) in ends
    stage == S - 1 or done("B", stage + 1, m) => stage == 0 or done("B", stage - 1, m)
A device does one thing at a time, whatever the number of its stages.
    busy[device] <= now: => True:
Forward passes take `forward` ticks, backward ones `backward`: here they take the same, or each other's.
    (forward if late else backward) => (backward if late else forward)
    (forward if late else backward) => forward
    (forward if late else backward) => 1
    (forward if late else backward) => backward
Stages are on the devices that places names: here they were dealt out in another way.
    S, devices = len(places), max(places) + 1 => S, devices = len(places), max(places) + 1\\n    places = [s % devices for s in range(S)]
    S, devices = len(places), max(places) + 1 => S, devices = len(places), max(places) + 1\\n    places = [s * devices // S for s in range(S)]
    S, devices = len(places), max(places) + 1 => S, devices = len(places), len(places)\\n    places = list(range(S))
Each entry of an order is (stage, micro-batch, "F" or "B").
    append((stage, m, "BF"[late])) => append((m, stage, "BF"[late]))
    append((stage, m, "BF"[late])) => append(("BF"[late], stage, m))
    append((stage, m, "BF"[late])) => append(("BF"[late], m, stage))
    append((stage, m, "BF"[late])) => append((device, m, "BF"[late]))
    append((stage, m, "BF"[late])) => append([stage, m, "BF"[late]])
Idle is a share of all ticks of all devices: here it is idle time over busy time.
    {IDLE} => devices * now / (S * micros * (forward + backward)) - 1
This is the share of ticks in which devices are busy.
    {IDLE} => S * micros * (forward + backward) / (devices * now)
The formula (p - 1) / (m + p - 1) holds for one stage a device and limits that do not bind: here idle ticks have to be counted.
    {IDLE} => (devices - 1) / (micros + devices - 1)
    {IDLE} => (S - 1) / (micros + S - 1)
    {IDLE} => (devices - 1) / (S // devices * micros + devices - 1)
Ticks are added up over devices, not over stages, and each job takes its own number of them.
    {IDLE} => 1 - micros * (forward + backward) / now
    {IDLE} => 1 - S * micros * (forward + backward) / (S * now)
    {IDLE} => 1 - 2 * S * micros / (devices * now)
Idle is a share of the ticks, as a float: here it is a number of ticks.
    {IDLE} => devices * now - S * micros * (forward + backward)
ticks is when the last job has ended: here it is a tick, or a job, less or more.
    "ticks": now => "ticks": now - 1
    "ticks": now => "ticks": now + 1
    "ticks": now => "ticks": max(map(len, orders))
    or now < max(ends.values()) =>
A device's peak is that of all its stages together, at one time.
    {PEAK} => max(flight(s) for s in range(S) if places[s] == device)
    "peak": peak => "peak": [sum(most[s] for s in range(S) if places[s] == d) for d in range(devices)]
    "peak": peak => "peak": [min(micros * places.count(d), sum(most[s] for s in range(S) if places[s] == d)) for d in range(devices)]
The peak is what was in flight, which may stay below the limit: here the limits were returned.
    "peak": peak => "peak": most
    "peak": peak => "peak": [min(micros, one) for one in most]
The peak is asked for each device.
    "peak": peak => "peak": max(peak)
The peaks of a device's stages may come at different times: add up first, and look for the largest then.
    peak[device] = max(peak[device], {PEAK}) => pass && "peak": peak => "peak": [sum(high.get(s, 0) for s in range(S) if places[s] == d) for d in range(devices)] && now += 1 => high = {{s: max(high.get(s, 0), flight(s)) for s in range(S)}}\\n        now += 1 && ends, busy, now = => high = {{}}\\n    ends, busy, now =
""")
