"""Exercise 6 of lab 14: a model that never stops, and the stage of its pipeline at which each answer lost its end."""

from collections import Counter

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import END, LIBRARIES, log


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def diagnose(answers, rendered, lengths, labels, stop, halts):
    stages = ("template", "cut", "labels", "decoding")
    causes = []
    repaired = [row[:length] + [-100] * (len(row) - length) for row, length in zip(labels, lengths)]
    for r, spans in enumerate(answers):
        found = []
        for begin, end in spans:
            cause = ""
            if rendered[r][end : end + 1] != [stop]:
                cause = "template"
            elif end >= lengths[r]:
                cause = "cut"
                for place in range(begin, lengths[r]):
                    repaired[r][place] = -100
            elif labels[r][end] != stop:
                cause = "labels"
                repaired[r][end] = stop
            elif stop not in halts:
                cause = "decoding"
            found.append(cause)
        causes.append(found)
    counts = Counter(cause for found in causes for cause in found)
    worst = max(stages, key=lambda stage: counts[stage])
    before = counts[""] + counts["decoding"]
    return {
        "causes": causes,
        "stage": worst if counts[worst] else "",
        "learnt": (before, before + counts["labels"]),
        "labels": repaired,
    }


@diagnose.right
def stage_by_stage(answers, rendered, lengths, labels, stop, halts):
    new, causes = [], []
    tally = {"template": 0, "cut": 0, "labels": 0, "decoding": 0, "": 0}
    for spans, ids, length, row in zip(answers, rendered, lengths, labels):
        out = [label if at < length else -100 for at, label in enumerate(row)]
        mine = []
        for begin, end in spans:
            written = end < len(ids) and ids[end] == stop
            there = written and end < length
            learnt = there and row[end] == stop
            if learnt:
                name = "" if stop in halts else "decoding"
            elif there:
                name, out[end] = "labels", stop
            elif written:
                name = "cut"
                out[begin:length] = [-100 for _ in out[begin:length]]
            else:
                name = "template"
            tally[name] += 1
            mine.append(name)
        causes.append(mine)
        new.append(out)
    most = max(number for name, number in tally.items() if name)
    stage = next((name for name, number in tally.items() if name and number == most > 0), "")
    good = tally[""] + tally["decoding"]
    return {"causes": causes, "stage": stage, "learnt": (good, good + tally["labels"]), "labels": new}


@diagnose.right
def by_answer(answers, rendered, lengths, labels, stop, halts):
    def cause(r, end):
        if len(rendered[r]) <= end or rendered[r][end] != stop:
            return "template"
        if lengths[r] <= end:
            return "cut"
        if labels[r][end] == stop:
            return "decoding" * (stop not in halts)
        return "labels"

    causes = [[cause(r, end) for _, end in spans] for r, spans in enumerate(answers)]
    new = [list(row) for row in labels]
    for r, spans in enumerate(answers):
        for at in range(len(new[r])):
            for (begin, end), why in zip(spans, causes[r]):
                if why == "cut" and begin <= at < end:
                    new[r][at] = -100
                if why == "labels" and at == end:
                    new[r][at] = stop
            if at >= lengths[r]:
                new[r][at] = -100
    names = [why for row in causes for why in row]
    order = sorted(["template", "cut", "labels", "decoding"], key=names.count, reverse=True)
    good = [sum(why in kinds for why in names) for kinds in (("", "decoding"), ("", "decoding", "labels"))]
    return {"causes": causes, "stage": order[0] if names.count(order[0]) else "", "learnt": tuple(good), "labels": new}


@diagnose.part(
    4, "Which labels change? The padding's, a stop that was lost at this stage, and an answer that the cut left without end.",
    "labels", items=("labels",), whole=True,
)  # fmt: skip
@diagnose.part(
    5, "For each answer, go through the stages in order: the first that has lost its end is the cause.", "causes",
    items=("causes",),
)  # fmt: skip
def faults(draw: Draw):
    # A cut within an answer, one that leaves its end out, one before an answer without end; then stops as padding.
    yield log(draw, "oom", "o|ooooo", "tmo", "oomm", "mo|", "o|to")
    yield log(draw, "om", "o|ooooo", "tmo", "oomm", "mo|", padding=END)
    yield log(draw, "mm", "mo", "m|oo", "oto", "mmm")
    yield log(draw, "oo", "om", "ot", "o|o", halts=(1,))
    yield log(draw, "oeon", "et", "omo|", "o|mo", padding=END)
    yield log(draw, "ow", "wm", "o|w", "oo")


@diagnose.part(
    3, "Count the causes of all answers. Which stage has most, and how many ends are learnt, before and after?", "counts",
    items=("stage", "learnt"), whole=True,
)  # fmt: skip
def counts(draw: Draw):
    yield log(draw, "om", "o|oo", "tmo", "oom", "mo|", padding=END)
    yield log(draw, "tt", "mo", "o|o", "to", padding=END)
    yield log(draw, "oo", "om", "ot", "o|o", halts=(1,))
    # As many at two stages.
    yield log(draw, "mo", "ot", "tm", "ooo", "o|o")


@diagnose.part(3, "Nothing may be wrong, all may be, an answer may be empty, and there may be none.", "edges")
def edges(draw: Draw):
    yield log(draw, "oo", "ooo")
    yield log(draw, "t", "tt")
    yield log(draw, "ob", "b", "oo")
    yield log(draw, "e", "n", "o", padding=END)
    yield log(draw, "o", stop=6, halts=())
    yield log(draw)
    yield log(draw, "", "o", padding=END)


BEGIN = "for place in range(begin, lengths[r]):"
TEMPLATE, CUT, LABELS = (
    "if rendered[r][end : end + 1] != [stop]:",
    "elif end >= lengths[r]:",
    "elif labels[r][end] != stop:",
)
HALT, PADDING, BEFORE = (
    "elif stop not in halts:",
    "[-100] * (len(row) - length)",
    'before = counts[""] + counts["decoding"]',
)
WORST, LEARNT = "max(stages, key=lambda stage: counts[stage])", '(before, before + counts["labels"])'
diagnose.mistakes(f"""
Where nothing is wrong, the stage is an empty string.
    "stage": worst if counts[worst] else "", => "stage": worst,
    "stage": worst if counts[worst] else "", => "stage": worst if counts[worst] else None,
    "stage": worst if counts[worst] else "", => "stage": worst if counts[worst] else "none",
An answer of which all is well has an empty string for its cause.
    cause = "" => cause = None
    cause = "" => cause = "none"
    cause = "" => cause = "ok"
A conversation without answers has an empty list of causes.
    causes.append(found) => causes += [found] if found else []
There is a list of causes for each conversation: here they stand in one list.
    "causes": causes, => "causes": [cause for found in causes for cause in found],
A stage is named for each conversation: name one for each of its answers.
    "causes": causes, => "causes": [(found + [""])[0] for found in causes],
Of stages with as many answers, the earlier one counts.
    {WORST} => max(reversed(stages), key=lambda stage: counts[stage])
    {WORST} => max(sorted(stages), key=lambda stage: counts[stage])
stage: the one at which *most* answers lost their end, not the earliest of all.
    {WORST} => next((stage for stage in stages if counts[stage]), "")
stage: the one at which most answers lost their end: those that lost nothing do not count.
    stages = ("template", => stages = ("", "template",
learnt: two numbers, before and after the repair; where the template or the cut is at fault, no label can mend it.
    {LEARNT} => (before, sum(counts.values()))
    {LEARNT} => (before, before + counts["labels"] + counts["cut"])
learnt: the second number counts all ends that are learnt after the repair, not those that were mended.
    {LEARNT} => (before, counts["labels"])
learnt: an end whose label is right is learnt, whatever happens in decoding.
    {BEFORE} => before = counts[""]
learnt: these numbers count labels with the stop, those of the padding too: count the answers whose end is learnt.
    {LEARNT} => (sum(row.count(stop) for row in labels), sum(row.count(stop) for row in repaired))
    {LEARNT} => (sum(row.count(stop) for row in labels), before + counts["labels"])
learnt: these are shares; count the answers.
    {LEARNT} => (before / max(1, sum(counts.values())), (before + counts["labels"]) / max(1, sum(counts.values())))
learnt is a tuple of two numbers.
    {LEARNT} => [before, before + counts["labels"]]
    {LEARNT} => before + counts["labels"]
    {LEARNT} => before
Nobody stopped in decoding: where the label is right and halts does not hold the stop, that is the cause.
    {HALT} => elif False:
If decoding is at fault, it is so only for answers that came to it: an earlier stage goes first.
    {TEMPLATE} => if stop not in halts:\\n                cause = "decoding"\\n            elif rendered[r][end : end + 1] != [stop]: && {HALT} => elif False:
An answer whose end was cut was taken for one whose label was lost: what lies at lengths[r] or behind it is not in the batch.
    {CUT} => elif False: && {LABELS} => elif end >= len(labels[r]) or labels[r][end] != stop: && repaired[r][end] = stop => repaired[r][end : end + 1] = [stop] * (end < len(repaired[r]))
The padding has a stop's label here and was taken for the answer's end: what lies at lengths[r] or behind it was cut.
    {CUT} => elif end >= lengths[r] and (end >= len(labels[r]) or labels[r][end] != stop):
The rows of labels are padded: whether an end was cut is told by lengths[r], and not by the length of that row.
    {CUT} => elif end >= len(labels[r]):
An answer of which a part is left has lost its end at the cut as well: look at `end`, not at `begin`.
    {CUT} => elif begin >= lengths[r]: && {LABELS} => elif end >= len(labels[r]) or labels[r][end] != stop: && repaired[r][end] = stop => repaired[r][end : end + 1] = [stop] * (end < len(repaired[r]))
    {CUT} => elif begin >= lengths[r]:
A row of `length` ids has the places 0 to length - 1: the cut took the end that stands at `length`.
    {CUT} => elif end > lengths[r]:
    {CUT} => elif end > lengths[r]: && {LABELS} => elif end >= len(labels[r]) or labels[r][end] != stop: && repaired[r][end] = stop => repaired[r][end : end + 1] = [stop] * (end < len(repaired[r]))
An end is learnt if its label is the stop: one with the label of another id is as lost as one with -100.
    {LABELS} => elif labels[r][end] == -100:
The end of an answer stands at `end`: here the last id of its content was looked at, or what follows the end.
    {TEMPLATE} => if rendered[r][end - 1 : end] != [stop]:
    {TEMPLATE} => if rendered[r][end + 1 : end + 2] != [stop]:
    {LABELS} => elif labels[r][end - 1] != stop:
    {LABELS} => elif labels[r][end] == -100 or labels[r][end + 1 : end + 2] != [stop]:
A row may end with an answer, and then nothing stands behind it: the template has written no end.
    {TEMPLATE} => if end < len(rendered[r]) and rendered[r][end] != stop:
The template comes first: an end that it did not write can be lost neither by the cut nor from the labels.
    {TEMPLATE} => if False:
The order of the stages is template, cut, labels: here an earlier one was looked at after a later one.
    {TEMPLATE} => if end < lengths[r] and rendered[r][end : end + 1] != [stop]:
An answer that the cut left without its end is learnt still: the model is taught to go on. Take its labels out.
    {BEGIN} => for place in range(0):
An answer that the cut left without its end keeps a part of its labels: it is given up from its begin on.
    {BEGIN} => for place in range(begin + 1, lengths[r]):
    {BEGIN} => for place in range(lengths[r] - 1, lengths[r]):
All of the row was given up: only the answer that the cut left without its end is.
    {BEGIN} => for place in range(lengths[r]):
An answer that the cut left without its end has a stop in its last place: the model would learn to break off in the middle.
    {BEGIN} => repaired[r][lengths[r] - 1] = stop\\n                for place in range(0):
    {BEGIN} => repaired[r][end : end + 1] = [stop] * (end < len(repaired[r]))\\n                for place in range(0):
The stop of an answer whose label was lost is put back; here it is not.
    repaired[r][end] = stop => pass
The stop is put back one place too early or too late: it stands at `end`.
    repaired[r][end] = stop => repaired[r][end - 1] = stop
    repaired[r][end] = stop => repaired[r][end + 1 : end + 2] = [stop]
The padding still has labels: nothing is to be learnt there.
    {PADDING} => row[length:]
The padding is gone, or was cut off: the rows keep their lengths, and what lies behind lengths[r] has the label -100.
    {PADDING} => []
A label was made a stop where the template has written none: the label is of an id that is not there.
    cause = "template" => cause = "template"\\n                repaired[r][end : end + 1] = [stop] * (end < lengths[r])
Where the template is at fault, labels stay as they are.
    cause = "template" => cause = "template"\\n                repaired[r][begin : min(end, lengths[r])] = [-100] * max(0, min(end, lengths[r]) - begin)
""")
