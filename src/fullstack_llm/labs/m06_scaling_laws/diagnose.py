"""Exercise 6 of lab 06: from iso-FLOP profiles to an exponent, and where a report went wrong on the way."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES, profiles


def lowest_point(u, v):
    # Least squares by polynomials that are orthogonal on these places: 1, t, and t^2 less what it has of both.
    middle, width = u.mean(), u.max() - u.min()
    t = (u - middle) / width
    share = (t**3).sum() / (t * t).sum()
    square = t * t - share * t - (t * t).mean()
    bend = (square * v).sum() / (square * square).sum()
    tilt = (t * v).sum() / (t * t).sum() - share * bend
    return middle - width * tilt / bend / 2


def steepness(C, N):
    u, v = np.log(C), np.log(N)
    return float(((u - u.mean()) * (v - v.mean())).sum() / ((u - u.mean()) ** 2).sum())


def near(mine, theirs):
    mine, theirs = np.array(mine), np.array(theirs)
    return bool((abs(theirs - mine) <= 1e-4 * abs(mine)).all())


@exercise(minutes=30, difficulty=4, review=LIBRARIES, uses=(lowest_point, steepness, near))
def diagnose(budgets, sizes, losses, reported):
    kept, C, ways = [], [], {"": [], "argmin": [], "linear": [], "all": []}
    for budget, N, loss in zip(budgets, sizes, losses, strict=True):
        order = N.argsort()
        N, loss = N[order], loss[order]
        i = loss.argmin()
        kept.append(bool(0 < i < len(N) - 1))
        if kept[-1]:
            C.append(budget)
            three = slice(i - 1, i + 2)
            ways[""].append(float(np.exp(lowest_point(np.log(N[three]), loss[three]))))
            ways["argmin"].append(float(N[i]))
            ways["linear"].append(float(lowest_point(N[three], loss[three])))
            ways["all"].append(float(np.exp(lowest_point(np.log(N), loss))))
    best = ways[""]
    mine = {"kept": kept, "best": best, "exponent": steepness(C, best), "argmin": steepness(C, ways["argmin"])}
    if reported["kept"] != kept:
        return mine, "edge"
    cause = next((name for name, numbers in ways.items() if near(numbers, reported["best"])), "all")
    if not cause and not near(mine["exponent"], reported["exponent"]):
        return mine, "slope"
    return mine, cause


@diagnose.right
def by_formula(budgets, sizes, losses, reported):
    import math

    def fit(points):
        # The normal equations of a parabola, by elimination.
        u0 = sum(u for u, _ in points) / len(points)
        s = max(abs(u - u0) for u, _ in points)
        moments = [sum(((u - u0) / s) ** k for u, _ in points) for k in range(5)]
        rows = [[*moments[k : k + 3], sum(((u - u0) / s) ** k * v for u, v in points)] for k in range(3)]
        for k in range(3):
            rows[k] = [x / rows[k][k] for x in rows[k]]
            for j in range(3):
                if j != k:
                    rows[j] = [x - rows[j][k] * y for x, y in zip(rows[j], rows[k])]
        return u0 - s * rows[1][3] / rows[2][3] / 2

    def slope(x, y):
        a, b = sum(x) / len(x), sum(y) / len(y)
        return sum((p - a) * (q - b) for p, q in zip(x, y)) / sum((p - a) ** 2 for p in x)

    kept, x, vertex, lowest, straight, whole = [], [], [], [], [], []
    for C, N, loss in zip(budgets, sizes, losses):
        runs = sorted(zip(N.tolist(), loss.tolist()))
        i = min(range(len(runs)), key=lambda k: runs[k][1])
        kept.append(i not in (0, len(runs) - 1))
        if kept[-1]:
            x.append(math.log(C))
            in_logs = [(math.log(N), v) for N, v in runs]
            vertex.append(fit(in_logs[i - 1 : i + 2]))
            lowest.append(in_logs[i][0])
            straight.append(math.log(fit(runs[i - 1 : i + 2])))
            whole.append(fit(in_logs))
    mine = {"kept": kept, "best": [math.exp(u) for u in vertex], "exponent": slope(x, vertex)}
    mine["argmin"] = slope(x, lowest)
    if kept != reported["kept"]:
        return mine, "edge"
    theirs = [math.log(N) for N in reported["best"]]
    for name, one in (("argmin", lowest), ("linear", straight), ("all", whole)):
        off = max(abs(a - b) for a, b in zip(theirs, vertex))
        if off > 1e-4 and max(abs(a - b) for a, b in zip(theirs, one)) <= 1.0001e-4:
            return mine, name
    return mine, "slope" if abs(reported["exponent"] / mine["exponent"] - 1) > 1e-4 else ""


@diagnose.right
def interpolated(budgets, sizes, losses, reported):
    import numpy as np

    runs = [(np.sort(N), loss[np.argsort(N)]) for N, loss in zip(sizes, losses)]
    kept = np.array([0 < y.argmin() < len(N) - 1 for N, y in runs])

    def table(rule):
        return np.array([rule(N, y) for (N, y), inner in zip(runs, kept) if inner])

    def secant(x, y):
        # Where the parabola through three points is level, from its two slopes.
        i = y.argmin()
        (a, b, c), (p, q, r) = x[i - 1 : i + 2], y[i - 1 : i + 2]
        left, right = (q - p) / (b - a), (r - q) / (c - b)
        return (a + b) / 2 - left * (c - a) / 2 / (right - left)

    best = table(lambda N, y: np.exp(secant(np.log(N), y)))
    lowest = table(lambda N, y: N[y.argmin()])
    C = np.log(np.array(budgets))[kept]
    exponent, argmin = (float(np.polyfit(C, np.log(N), 1)[0]) for N in (best, lowest))
    mine = {"kept": kept.tolist(), "best": best.tolist(), "exponent": exponent, "argmin": argmin}
    if mine["kept"] != reported["kept"]:
        return mine, "edge"
    if not np.allclose(reported["best"], best, rtol=1e-4, atol=0):
        if np.allclose(reported["best"], lowest, rtol=1e-4, atol=0):
            return mine, "argmin"
        line = table(secant)
        return mine, "linear" if np.allclose(reported["best"], line, rtol=1e-4, atol=0) else "all"
    return mine, "" if np.isclose(reported["exponent"], exponent, rtol=1e-4, atol=0) else "slope"


ROUNDING = 5e-5


def report(draw: Draw, cause: str, budgets, sizes, losses):
    """Write a report on profiles in which that much is wrong."""
    blank = {"kept": [], "best": [], "exponent": 0.0}
    kept = diagnose(budgets, sizes, losses, blank)[0]["kept"]
    if cause == "edge":
        # The two whose lowest run is an end of many, or one of them; where it stands is taken for the best.
        wrong = draw.sample([i for i, one in enumerate(kept) if not one and len(sizes[i]) > 2], draw.choice((1, 2)))
        kept = [one or i in wrong for i, one in enumerate(kept)]
    best = []
    for i in np.flatnonzero(kept):
        N, loss = np.sort(sizes[i]), losses[i][sizes[i].argsort()]
        low = loss.argmin()
        runs = slice(None) if cause == "all" else slice(low - 1, low + 2)
        if cause == "argmin" or not 0 < low < len(N) - 1:
            best.append(N[low])
        elif cause == "linear":
            best.append(lowest_point(N[runs], loss[runs]))
        else:
            best.append(np.exp(lowest_point(np.log(N[runs]), loss[runs])))
    C = np.array(budgets)[kept]
    exponent = steepness(C, best)
    if cause == "rounded":
        exponent = round(exponent, 2)
    elif cause == "slope":
        ends = np.log(best[-1] / best[0]) / np.log(C[-1] / C[0])
        exponent = draw.choice((steepness(best, C), 1 - exponent, ends))
    best = [float(N * (1 + draw.choice((-1, 1)) * ROUNDING)) for N in best]
    return {"kept": kept, "best": best, "exponent": float(exponent * (1 + draw.choice((-1, 1)) * ROUNDING))}


# In this order known mistakes are told apart; the order of the rest is a class's own.
FIRST = ("", "argmin", "linear", "edge", "all", "slope", "rounded")
OTHERS = ("slope", "argmin", "edge", "linear", "all", "slope", "")


@diagnose.part(
    9, "What would the report say if it had gone wrong in this way? Try all five.", "cause", items=(1,), whole=True
)
@diagnose.part(
    9, "Budget by budget: is the lowest run an inner one, and where is the parabola level?", "profiles", items=(0,)
)
def reports(draw: Draw):
    for number, cause in enumerate([*FIRST, *draw.sample(OTHERS, len(OTHERS))]):
        while True:
            three = 0 if number % 2 else draw.randrange(7)
            made = profiles(draw, draw.choice((7, 8, 9)), three, short=cause == "edge" or number % 2 == 1)
            told = report(draw, cause, *made)
            right = report(draw, "", *made)
            if cause in ("", "edge"):
                break
            far = np.abs(np.log(np.array([*told["best"], told["exponent"]]) / [*right["best"], right["exponent"]]))
            if far.max() > 2e-3 and (cause != "rounded" or far.max() < 8e-3):
                break
        yield *made, told


diagnose.mistakes("""
The runs of a budget come in no order: sort them by size before you look for neighbours and ends.
    order = N.argsort() => order = np.arange(len(N))
Between two sizes is the best one: the lowest run is only near it. Take the lowest point of a parabola.
    mine = {"kept": kept, "best": best, => best = ways["argmin"]\\n    mine = {"kept": kept, "best": best,
The parabola is one in ln N: over N itself the three sizes stand far apart on one side.
    ways[""].append(float(np.exp(lowest_point(np.log(N[three]), loss[three])))) => ways[""].append(float(lowest_point(N[three], loss[three])))
Three runs make the parabola, the lowest and its two neighbours: a profile is no parabola further out.
    ways[""].append(float(np.exp(lowest_point(np.log(N[three]), loss[three])))) => ways[""].append(float(np.exp(lowest_point(np.log(N), loss))))
    three = slice(i - 1, i + 2) => three = slice(max(0, i - 2), i + 3)
The parabola's lowest point is a logarithm: take it back with exp.
    ways[""].append(float(np.exp(lowest_point(np.log(N[three]), loss[three])))) => ways[""].append(float(lowest_point(np.log(N[three]), loss[three])))
A budget whose lowest run is the smallest one or the largest has no best size between its runs: it is not kept.
    bool(0 < i < len(N) - 1) => bool(0 < i)
    bool(0 < i < len(N) - 1) => bool(i < len(N) - 1)
    bool(0 < i < len(N) - 1) => True && three = slice(i - 1, i + 2) => three = slice(max(0, i - 1), i + 2) if 0 < i < len(N) - 1 else slice(0, 3) if i == 0 and len(N) > 2 else slice(len(N) - 3, len(N)) if len(N) > 2 else slice(None)
    bool(0 < i < len(N) - 1) => True
The next run but one to an end has two neighbours: it is kept.
    bool(0 < i < len(N) - 1) => bool(1 < i < len(N) - 1)
    bool(0 < i < len(N) - 1) => bool(0 < i < len(N) - 2)
The exponent is the slope of ln best over ln C: here it is that of ln C over ln best.
    u, v = np.log(C), np.log(N) => u, v = np.log(N), np.log(C)
The logarithms are missing in the slope: N grows as a power of C.
    u, v = np.log(C), np.log(N) => u, v = np.array(C), np.array(N)
    u, v = np.log(C), np.log(N) => u, v = np.log(C), np.array(N)
All kept budgets make the slope, not only the first and the last.
    float(((u - u.mean()) * (v - v.mean())).sum() / ((u - u.mean()) ** 2).sum()) => float((v[-1] - v[0]) / (u[-1] - u[0]))
`argmin` is the exponent of the lowest runs: it is to be wrong by as much as theirs.
    "argmin": steepness(C, ways["argmin"]) => "argmin": steepness(C, best)
"kept" names each budget, True or False, and all of them.
    mine = {"kept": kept, => mine = {"kept": [one for one in kept if one],
    mine = {"kept": kept, => mine = {"kept": [i for i, one in enumerate(kept) if one],
"best" has a size for each budget that is kept, and none for the others.
    if kept[-1]: => if not kept[-1]:\\n            ways[""].append(float("nan"))\\n        else: && steepness(C, best), => steepness(C, [one for one in best if one == one]),
    if kept[-1]: => if not kept[-1]:\\n            ways[""].append(0.0)\\n        else: && steepness(C, best), => steepness(C, [one for one in best if one > 0]),
The parabola is one of the loss: here it is one of its logarithm.
    ways[""].append(float(np.exp(lowest_point(np.log(N[three]), loss[three])))) => ways[""].append(float(np.exp(lowest_point(np.log(N[three]), np.log(loss[three])))))
`argmin` is an exponent, that of the lowest runs: not its difference from yours.
    "argmin": steepness(C, ways["argmin"]) => "argmin": steepness(C, ways["argmin"]) - steepness(C, best)
    "argmin": steepness(C, ways["argmin"]) => "argmin": steepness(C, best) - steepness(C, ways["argmin"])
One of the ways is never tried: what the report's sizes may be stands in the table of causes.
    cause = next( => del ways["argmin"]\\n    cause = next(
    cause = next( => del ways["linear"]\\n    cause = next(
    cause = next( => del ways["all"]\\n    cause = next( && "all") => "linear")
An exact comparison: the reports are rounded, and a ten-thousandth of a number is no mistake.
    1e-4 * abs(mine) => 0 * abs(mine)
A percent is too wide: some of these mistakes are smaller. Numbers that agree do so within a ten-thousandth.
    1e-4 * abs(mine) => 1e-2 * abs(mine)
One number decides here: a way fits only where it gives every size in the report.
    .all()) => .any())
    (abs(theirs - mine) <= 1e-4 * abs(mine)).all() => abs(theirs - mine).flat[0] <= 1e-4 * abs(mine).flat[0]
Only the last step was looked at: the exponent is wrong because the sizes are. Name the first step that went wrong.
    if not cause and not near( => if cause and not near(mine["exponent"], reported["exponent"]) or not cause and not near(
The exponent was not compared: sizes may be right, and their slope wrong.
    if not cause and not near( => if False and not near(
The budgets of the report were not compared with yours: the first question is which of them it kept.
    if reported["kept"] != kept: => if False:
    if reported["kept"] != kept: => if len(reported["best"]) < len(best):
""")
