"""Answers to lab 14 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

LABELS = """
def turn_labels(ids, header, end, weights):
    labels = []
    inside, speaker, count, pos = False, None, 0, 0
    n = len(header)
    for i, tok in enumerate(ids):
        if not inside:
            labels.append(-100)
            if tok == header[0]:
                inside = True
                pos = 1
                speaker = "other"
                if ids[i : i + n] == header:
                    speaker = "skip" if weights[count] == 0 else "bot"
                    count += 1
            continue
        labels.append(tok if speaker == "bot" and pos >= n else -100)
        pos += 1
        if tok == end:
            inside = False
    return labels
"""
PACK = """
def pack_chats(chats, length, most_open, pad):
    class Row:
        def __init__(self, number):
            self.number, self.ids, self.targets, self.positions, self.sizes = number, [], [], [], []

    rows, live, left_out = [], [], []
    for c, (ids, labels) in enumerate(chats):
        n = len(ids)
        if n > length:
            left_out.append(c)
            continue
        best = None
        for row in live:
            if len(row.ids) + n <= length:
                if best is None or len(row.ids) > len(best.ids):
                    best = row
        if best is None:
            if len(live) >= most_open:
                fullest = live[0]
                for row in live:
                    if len(row.ids) > len(fullest.ids):
                        fullest = row
                live.remove(fullest)
            best = Row(len(rows))
            rows.append(best)
            live.append(best)
        best.ids.extend(ids)
        best.targets.extend(labels[1:] + [-100])
        best.positions.extend(range(n))
        best.sizes.append(n)
    bounds, at = [0], 0
    for row in rows:
        rest = length - len(row.ids)
        row.ids += [pad] * rest
        row.targets += [-100] * rest
        row.positions += [0] * rest
        if rest:
            row.sizes.append(rest)
        for size in row.sizes:
            at += size
            bounds.append(at)
    B = len(rows)
    return {
        "ids": torch.tensor([r.ids for r in rows], dtype=torch.long).view(B, length),
        "targets": torch.tensor([r.targets for r in rows], dtype=torch.long).view(B, length),
        "positions": torch.tensor([r.positions for r in rows], dtype=torch.long).view(B, length),
        "boundaries": bounds,
        "left_out": left_out,
    }
"""
STOPS = """
def restore_stops(ids, labels, real, stop):
    out = labels.clone()
    out[~real] = -100
    n_restored = 0
    n_open = 0
    B, T = ids.shape
    for b in range(B):
        for t in range(1, T):
            if real[b, t] and ids[b, t] == stop and out[b, t] == -100:
                if real[b, t - 1] and labels[b, t - 1] != -100 and ids[b, t - 1] != stop:
                    out[b, t] = stop
                    n_restored += 1
        t = 0
        while t < T:
            if out[b, t] == -100:
                t += 1
                continue
            while t < T and out[b, t] != -100:
                t += 1
            if ids[b, t - 1] != stop:
                n_open += 1
    return out, n_restored, n_open
"""
RENDER = """
def render_turns(messages, default, to_answer):
    def render(msgs):
        cleaned = []
        for m in msgs:
            text = m["content"].strip()
            if text:
                cleaned.append({"role": m["role"], "content": text})
        last_user = -1
        for i, m in enumerate(cleaned):
            if m["role"] == "user":
                last_user = i
        forgotten = []
        for i, m in enumerate(cleaned):
            text = m["content"]
            if m["role"] == "assistant" and i < last_user and "</think>" in text:
                text = text.rsplit("</think>", 1)[1].strip()
            if text:
                forgotten.append([m["role"], text])
        merged = []
        for role, text in forgotten:
            if merged and merged[-1][0] == role:
                merged[-1][1] = merged[-1][1] + "\\n\\n" + text
            else:
                merged.append([role, text])
        if default and (len(merged) == 0 or merged[0][0] != "system"):
            merged.insert(0, ["system", default])
        s = ""
        for role, text in merged:
            s += f"<|im_start|>{role}\\n{text}<|im_end|>\\n"
        return s

    full = render(messages)
    if to_answer:
        full += "<|im_start|>assistant\\n"
    flags = []
    for i, m in enumerate(messages):
        if m["role"] == "assistant":
            prefix = render(messages[: i + 1])
            flags.append(full[: len(prefix)] == prefix)
    return full, flags
"""
BUDGET = """
def fit_budget(turns, closing, budget):
    users = [i for i, t in enumerate(turns) if t[0] == "user"]

    def length(ts):
        return sum(len(h) + len(c) + len(closing) for _, h, c in ts)

    def render(ts):
        ids, labels = [], []
        for role, h, c in ts:
            ids += h + c + closing
            if role == "assistant":
                labels += [-100] * len(h) + c + [closing[0]] + [-100] * (len(closing) - 1)
            else:
                labels += [-100] * (len(h) + len(c) + len(closing))
        return ids, labels

    if length(turns) <= budget:
        return render(turns)
    if not users:
        return [], []
    head = turns[: users[0]]
    while len(users) > 1 and length(head) + length(turns[users[0] :]) > budget:
        users.pop(0)
    kept = turns[users[0] :]
    too_much = length(head) + length(kept) - budget
    if too_much > 0:
        role, h, c = kept[0]
        if too_much > len(c):
            return [], []
        kept = [(role, h, c[too_much:])] + kept[1:]
    return render(head + kept)
"""
FOUND = """
def diagnose(answers, rendered, lengths, labels, stop, halts):
    causes = []
    fixed = []
    counts = {"template": 0, "cut": 0, "labels": 0, "decoding": 0}
    before = after = 0
    for r in range(len(rendered)):
        row = list(labels[r])
        for i in range(lengths[r], len(row)):
            row[i] = -100
        mine = []
        for begin, end in answers[r]:
            if end >= len(rendered[r]) or rendered[r][end] != stop:
                cause = "template"
            elif end >= lengths[r]:
                cause = "cut"
                for i in range(begin, lengths[r]):
                    row[i] = -100
            elif labels[r][end] != stop:
                cause = "labels"
                row[end] = stop
                after += 1
            else:
                before += 1
                after += 1
                cause = "" if stop in halts else "decoding"
            mine.append(cause)
            if cause:
                counts[cause] += 1
        causes.append(mine)
        fixed.append(row)
    stage = ""
    for name, count in counts.items():
        if count > 0 and (stage == "" or count > counts[stage]):
            stage = name
    return {"causes": causes, "stage": stage, "learnt": (before, after), "labels": fixed}
"""
RIGHT = [
    ("turn_labels", LABELS),
    ("pack_chats", PACK),
    ("restore_stops", STOPS),
    ("render_turns", RENDER),
    ("fit_budget", BUDGET),
    ("diagnose", FOUND),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (LABELS, "if tok == header[0]:", "if ids[i : i + n] == header:", "There are more turns than weights here"),
    (LABELS, "pos = 1\n", "pos = 0\n", "A part of the header is learnt"),
    (LABELS, "            inside = False", "            inside, labels[-1] = False, -100", "never be taught to stop"),
    (LABELS, "continue\n", "continue\n        inside = inside and tok != header[0]\n", "a turn ends at its end mark"),
    (LABELS, 'weights[count] == 0 else "bot"', '[*weights, 1][count + 1] == 0 else "bot"', "a weight of its own"),
    (LABELS, "return labels", "return labels if end in ids else [-100] * len(ids)", "learnt as far as it stands there"),
    (LABELS, "count, pos = False", "count, pos = True", "one that stands at place 0 was not seen"),
    (LABELS, "labels = []\n", "labels = []\n    ids = ids[: ids.index(end) + 1] if end in ids else ids\n", ""),
    (PACK, "labels[1:] + [-100]", "labels[1:] + [ids[-1]]", ""),
    (PACK, "labels[1:] + [-100]", "labels", "These are the labels as they came in"),
    (PACK, "if len(row.ids) > len(fullest.ids)", "if len(row.ids) < len(fullest.ids)", "The emptiest row is closed"),
    (PACK, "len(row.ids) > len(best.ids)", "len(row.ids) >= len(best.ids)", "the one that was opened first is taken"),
    (PACK, "extend(range(n))", "extend(range(len(best.ids) - n, len(best.ids)))", "Positions count from the beginning"),
    (PACK, "row.positions += [0] * rest", "row.positions += list(range(rest))", "The padding's positions are 0"),
    (PACK, "        if rest:\n            row.sizes.append(rest)\n", "", "The padding at the end of a row is a piece"),
    (PACK, "left_out.append(c)", "left_out.append(n)", ""),
    (STOPS, "labels[b, t - 1] != -100 and ids[b, t - 1] != stop", "out[b, t - 1] != -100", "follows a stop"),
    (STOPS, "real[b, t] and ids[b, t] == stop", "ids[b, t] == stop", "A stop was put where the padding begins"),
    (STOPS, "out[~real] = -100", "out[ids == stop] = -100", "count those that you put back"),
    (STOPS, "out[~real] = -100", "pass", "The padding keeps its labels"),
    (STOPS, "n_restored += 1", "n_restored = 1", ""),
    (STOPS, "labels[b, t - 1] != -100 and", "(labels[b, :t] != -100).any() and", ""),
    (RENDER, "i < last_user and", "i < len(cleaned) - 1 and", "stay until a user speaks"),
    (RENDER, 'rsplit("</think>", 1)[1]', 'split("</think>")[1]', "up to the *last* </think>"),
    (RENDER, 'if m["role"] == "user":', 'if m["role"] != "assistant":', "What a tool says is no user's message"),
    (RENDER, "[-1][0] == role", '[-1][0] == role != "tool"', "the assistant's, the system's and the tool's too"),
    (RENDER, "render(messages[: i + 1])", 'render(messages[:i]) + "<|im_start|>assistant\\n"', "the message included"),
    (RENDER, "render(messages[: i + 1])", "render(messages[: i + 1])[:-11]", "here it is left open"),
    (RENDER, "full[: len(prefix)] == prefix", "prefix in full", "it must stand at its beginning"),
    (RENDER, "if text:\n                forgotten", "if True:\n                forgotten", "leaves an empty turn"),
    (RENDER, 'merged[0][0] != "system"', 'all(r != "system" for r, _ in merged)', "A system turn that comes later"),
    (RENDER, "<|im_end|>\\n", "<|im_end|>\\n\\n", ""),
    (BUDGET, "> budget:\n        users.pop(0)", ">= budget:\n        users.pop(0)", "exactly `budget` ids fits"),
    (BUDGET, "length(turns) <= budget", "length(turns) < budget", "what fits stays whole"),
    (BUDGET, "c[too_much:]", "c[:-too_much]", "The question loses ids from its *beginning*"),
    (BUDGET, "if too_much > len(c)", "if too_much >= len(c)", "may be lost altogether"),
    (BUDGET, "users:\n        return [], []", "users:\n        return render(turns[:1])", "Without a user's turn"),
    (BUDGET, "length(head) + length(turns[users[0] :])", "length(turns[users[0] :])", ""),
    (BUDGET, "c + [closing[0]] + [-100] * (len(closing) - 1)", "c + closing", "All of closing is learnt"),
    (BUDGET, "sum(len(h) + len(c) + len(closing) for", "sum(len(h) + len(c) for", "take room as its content does"),
    (FOUND, "elif end >= lengths[r]", "elif end > lengths[r]", "has the places 0 to length - 1"),
    (FOUND, "elif end >= lengths[r]", "elif begin >= lengths[r]", "look at `end`, not at `begin`"),
    (FOUND, "end >= len(rendered[r]) or ", "", "IndexError"),
    (FOUND, "range(begin, lengths[r])", "range(lengths[r])", "All of the row was given up"),
    (FOUND, '"" if stop in halts else', '"" if stop == halts[0] else', ""),
    (FOUND, "count > counts[stage]", "count >= counts[stage]", "the earlier one counts"),
    (FOUND, "elif labels[r][end] != stop:", "elif labels[r][end] == -100:", "as lost as one with -100"),
    (FOUND, "row = list(labels[r])", "row = list(labels[r][: lengths[r]])", "The padding is gone"),
    (FOUND, "(before, after)", "(before, after - before)", "not those that were mended"),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
