"""Exercise 4 of lab 14: the text of a conversation by a template that merges, trims and forgets, and its prefixes."""

import re
from itertools import groupby

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import ANSWERS, DEFAULT, LIBRARIES, QUESTIONS, chat, drawn


def written(messages, default):
    header, end, gap = "<|im_start|>{}\n", "<|im_end|>\n", "\n\n"
    left = [(m["role"], m["content"].strip()) for m in messages]
    left = [(role, content) for role, content in left if content]
    users = [at for at, (role, _) in enumerate(left) if role == "user"]
    turns = []
    for at, (role, content) in enumerate(left):
        if role == "assistant" and users and at < users[-1]:
            # What the model thought is forgotten as soon as a user has spoken again.
            content = content.split("</think>")[-1].strip()
        if not content:
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1] += gap + content
        else:
            turns.append([role, content])
    if default and not (turns and turns[0][0] == "system"):
        turns.insert(0, ["system", default])
    return "".join(header.format(role) + content + end for role, content in turns)


@exercise(minutes=30, difficulty=4, review=LIBRARIES, uses=(written,))
def render_turns(messages, default, to_answer):
    text = written(messages, default)
    opened = "<|im_start|>assistant\n"
    if to_answer:
        text += opened
    kept = []
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            kept.append(text.startswith(written(messages[: at + 1], default)))
    return text, kept


@render_turns.right
def backwards(messages, default, to_answer):
    def render(part):
        blocks, spoken = [], False
        for message in reversed(part):
            content = message["content"].strip()
            spoken = spoken or (message["role"] == "user" and content != "")
            if message["role"] == "assistant" and spoken:
                content = re.sub(r"(?s)^.*</think>", "", content).strip()
            if content and blocks and blocks[0][0] == message["role"]:
                blocks[0] = (message["role"], content + "\n\n" + blocks[0][1])
            elif content:
                blocks = [(message["role"], content), *blocks]
        if default != "" and [role for role, _ in blocks][:1] != ["system"]:
            blocks = [("system", default), *blocks]
        return "".join("<|im_start|>" + role + "\n" + content + "<|im_end|>\n" for role, content in blocks)

    whole = render(messages) + ("<|im_start|>assistant\n" if to_answer else "")
    ends = [n + 1 for n, message in enumerate(messages) if message["role"] == "assistant"]
    return whole, [whole[: len(render(messages[:end]))] == render(messages[:end]) for end in ends]


@render_turns.right
def grouped(messages, default, to_answer):
    texts = []
    for end in range(len(messages) + 1):
        part = [m | {"content": m["content"].strip()} for m in messages[:end] if m["content"].strip()]
        roles = [m["role"] for m in part]
        last = len(roles) - 1 - roles[::-1].index("user") if "user" in roles else -1
        for m in part[: last + 1]:
            if m["role"] == "assistant":
                m["content"] = m["content"].rpartition("</think>")[2].strip()
        part = [m for m in part if m["content"]]
        added = default and (not part or part[0]["role"] != "system")
        groups = [("system", default)] if added else []
        for role, group in groupby(part, lambda m: m["role"]):
            groups.append((role, "\n\n".join(m["content"] for m in group)))
        texts.append("".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in groups))
    text = texts[-1] + "<|im_start|>assistant\n" * to_answer
    return text, [text.startswith(texts[n + 1]) for n, m in enumerate(messages) if m["role"] == "assistant"]


@render_turns.part(
    8, "Rules 1, 3 and 4: print the list of turns, role and content, before you write the text.", "turns", items=(0,)
)
def plain(draw: Draw):
    talk = ("u" + QUESTIONS[3], "uAnd Dot?", "a" + ANSWERS[2], "t46", "t 47", "aYes.", "a" + ANSWERS[1])
    yield chat("sBe brief.", "sBe kind.", *talk), DEFAULT, False
    yield chat("sBe brief.", "uAnd Dot?", "u \n", "u  Is she well?", "a" + ANSWERS[2]), DEFAULT, False
    yield drawn(draw, "uataua"), DEFAULT, False
    yield drawn(draw, "suuau"), DEFAULT, True
    yield chat("uHm.", "sBe brief.", "sBe kind.", "u" + QUESTIONS[0]), "Speak.", True
    yield chat("uHm.", "a ", "u" + QUESTIONS[0], "aHere: ", "aon\nLantern Row."), "", False
    yield chat("s \t", "uHm.", "aYes?"), " Speak. ", False
    yield chat("s ", "sBe brief.", "uHm.", "aYes?"), DEFAULT, False
    yield drawn(draw, "".join(draw.choice("uuat") for _ in range(9)) + "u"), "", True
    yield [], DEFAULT, True


@render_turns.part(
    6, "Rule 2: who of the assistant's messages has a user's message behind it, at any distance?", "thoughts", items=(0,)
)  # fmt: skip
def thinking(draw: Draw):
    # Thoughts of a loop with a tool, before and after a user speaks; the last ones stay.
    yield drawn(draw, "AuAtAuAtAA"), DEFAULT, False
    yield drawn(draw, "uAuAtuAtA"), "", False
    yield drawn(draw, "uAtAu"), DEFAULT, True
    # Two thoughts in one message, a thought that is all, one that is said by others, one that is not closed.
    twice = "a<think>A</think> no, <think>B</think> yes."
    yield chat("uHm.", twice, "u<think>Me?</think> Well.", "a<think>C</think> D"), "", False
    yield chat("uHm.", "a<think>A</think>\n", "u" + QUESTIONS[0], "a<think>B</think>"), DEFAULT, False
    loop = ("t<think>A</think> 46", "aGo on: </think>", "aon.", "a<think>open")
    yield chat("uHm.", *loop, "uYes.", "aSo?"), DEFAULT, False
    yield chat("uHm.", "a<think>A</think> B", "u \n", "s<think>A</think> C"), DEFAULT, True


@render_turns.part(
    6, "For each message of the assistant: render what ends with it, as if it were all. Does the whole text begin so?",
    "prefixes", items=(1,),
)  # fmt: skip
def prefixes(draw: Draw):
    yield drawn(draw, "uAtauaaua"), "", False
    yield chat(*("uHm.", "a<think>C</think> A", "t46", "aYes.") * 2), "", False
    yield drawn(draw, "uaAtauAtA"), DEFAULT, True
    yield drawn(draw, "uatataAua"), "", False
    yield chat("uHm.", "aA", "a ", "uB", "a<think>C</think>", "uD", "aE"), "", False
    yield chat("a ", "sBe brief.", "uHm.", "aYes?", "uA", "aB"), DEFAULT, False
    yield chat("uHm.", "aYes?", "uA"), "", True
    yield [], DEFAULT, False


STRIP, JOIN = 'm["content"].strip()', "turns[-1][1] += gap + content"
THINK, FORGET = 'if role == "assistant" and users and at < users[-1]:', 'content.split("</think>")[-1].strip()'
LEFT, SAME = "left = [(role, content) for role, content in left if content]", "if turns and turns[-1][0] == role:"
SYSTEM, ROW = 'if default and not (turns and turns[0][0] == "system"):', "header.format(role) + content + end"
ALONE, TEST, TEXT = "written(messages[: at + 1], default)", "kept.append(text.startswith(", "return text, kept"
render_turns.mistakes(f"""
Every message of the assistant has a bool, also one that leaves no trace: go through the messages, not through the turns.
    if message["role"] == "assistant": => if message["role"] == "assistant" and message["content"].strip():
One bool for each message of the assistant: here those that follow an assistant's were left out.
    if message["role"] == "assistant": => if message["role"] == "assistant" and [m["role"] for m in messages[at + 1 : at + 2]] != ["assistant"]:
    if message["role"] == "assistant": => if message["role"] == "assistant" and [m["role"] for m in messages[:at]][-1:] != ["assistant"]:
The bools are about prompts here: what ends *with* the message is rendered, the message included.
    {ALONE} => written(messages[:at], default)
    {ALONE} => written(messages[:at], default) + opened
The default is missing from what is rendered alone: it is a conversation like any other.
    {ALONE} => written(messages[: at + 1], "")
The header of an answer stands at the end of what is rendered alone: it is rendered without.
    {ALONE} => written(messages[: at + 1], default) + opened
What is rendered alone ends with the end of its turn, <|im_end|> and a newline: here it is left open.
    {ALONE} => {ALONE}[:-11]
The bools say whether the text ends with what is rendered alone: it must begin with it.
    {TEST} => kept.append(text.endswith(
What is rendered alone stands somewhere in the text: it must stand at its beginning.
    {TEST} => kept.append(text.__contains__(
The bools are turned round: True is where the whole text begins so.
    {TEST} => kept.append(not text.startswith(
All are True here: render each beginning by itself, with the rules that it then has, and compare.
    {TEST} => kept.append(True or text.startswith(
There is one bool for each message of the assistant, not for each message.
    if message["role"] == "assistant": => if True:
One answer for all: the second value is a list, with a bool for each message of the assistant.
    {TEXT} => return text, all(kept)
A thought that is all of its message leaves an empty turn: what has nothing left leaves no trace.
    if not content: => if False:
A user's message that says nothing is no message: it makes nobody forget.
    left = [(m["role"], {STRIP}) for m in messages]\\n    {LEFT} => left = [(m["role"], {STRIP}) for m in messages]
A message may hold several thoughts: all goes up to the *last* </think>.
    {FORGET} => content.split("</think>", 1)[-1].strip()
    {FORGET} => (content.split("</think>") + [content])[content.count("</think>") > 0].strip()
Only what stands between the two marks is taken away here: all goes that stands before the last </think>.
    {FORGET} => re.sub("(?s)<think>.*?</think>", "", content).strip()
A thought without an end mark is no thought: without </think> nothing is taken away.
    {FORGET} => content.split("</think>")[-1].split("<think>")[0].strip()
The white space behind a thought is left: trim again.
    {FORGET} => content.split("</think>")[-1]
Only the assistant thinks: in what others say, </think> is text.
    {THINK} => if users and at < users[-1]:
    {THINK} => if role != "user" and users and at < users[-1]:
Without a user's message behind it, a message keeps its thought: here all thoughts go.
    {THINK} => if role == "assistant":
Thoughts are kept: those of the assistant go if a user's message comes later.
    {THINK} => if False:
What a tool says is no user's message: it makes nobody forget.
    left) if role == "user"] => left) if role != "assistant"]
Thoughts go from every message but the last one: those of a loop with a tool stay until a user speaks.
    {THINK} => if role == "assistant" and at < len(left) - 1:
    {THINK} => if role == "assistant" and at < max([n for n, (r, _) in enumerate(left) if r == "assistant"]):
Thoughts go only from messages *right before* a user's: a user who speaks later counts, too.
    {THINK} => if role == "assistant" and [r for r, _ in left[at + 1 : at + 2]] == ["user"]:
It is the last user's message that counts: thoughts before it go, here only those before the first.
    {THINK} => if role == "assistant" and users and at < users[0]:
It is the other way round: thoughts *before* the last user's message go, and those behind it stay.
    {THINK} => if role == "assistant" and not (users and at < users[-1]):
A system message that says nothing is none: the default comes in.
    {SYSTEM} => if default and not (messages and messages[0]["role"] == "system"):
The default stands there as it is: it is not trimmed.
    ["system", default] => ["system", default.strip()]
Where the default is empty, no turn is added.
    {SYSTEM} => if not (turns and turns[0][0] == "system"):
A system turn that comes later is no first one: the default comes in all the same.
    {SYSTEM} => if default and "system" not in [turn[0] for turn in turns]:
The default is added although the conversation begins with a system turn.
    {SYSTEM} => if default:
The default is missing: without a system turn at the beginning, it is the first one.
    {SYSTEM} => if False:
A system message stays where it stands: here it was moved to the beginning.
    {SYSTEM} => turns.sort(key=lambda turn: turn[0] != "system")\\n    {SYSTEM}
A message with nothing left leaves no trace, and its neighbours become one: here it parts them.
    {LEFT} => pass && if not content: => if not content:\\n            turns.append(["", ""]) && return "".join( => turns = [turn for turn in turns if turn[1]]\\n    return "".join(
A message with nothing left leaves an empty turn, or an empty piece of one: leave it out.
    {LEFT} => pass && if not content: => if False:
Contents are trimmed at both ends, before they are joined.
    {STRIP} => m["content"]
    {STRIP} => m["content"] if m["content"].strip() else ""
    {STRIP} => m["content"].rstrip()
    {STRIP} => m["content"].lstrip()
    {STRIP} => m["content"].strip(" ")
Neighbours of one role are joined by an empty line, which is two newlines.
    {JOIN} => turns[-1][1] += chr(10) + content
    {JOIN} => turns[-1][1] += " " + content
Neighbours of one role are one turn: here each message is.
    {SAME} => if False:
Only neighbours become one turn: here messages that others part were joined, too.
    {SAME} => if role in [turn[0] for turn in turns]: && {JOIN} => next(turn for turn in turns if turn[0] == role)[1] += gap + content
Neighbours of every role become one turn: the assistant's, the system's and the tool's too.
    {SAME} => if turns and turns[-1][0] == role == "user":
    {SAME} => if turns and turns[-1][0] == role != "tool":
Of neighbours of one role, both count: here the later one took the other's place.
    {JOIN} => turns[-1][1] = content
With to_answer the text ends with the header of a new turn of the assistant.
    if to_answer: => if False:
The header of an answer stands at the end only where to_answer is true.
    if to_answer: => if True:
    if to_answer: => if not to_answer:
The header of an answer ends with its newline, and nothing is closed behind it.
    text += opened => text += opened[:-1]
    text += opened => text += opened + "<|im_end|>" + chr(10)
A turn ends with <|im_end|> and one newline, the last one too.
    {ROW} => header.format(role) + content + end[:-1]
    {ROW} => header.format(role) + content + chr(10) + end
    return "".join(header.format(role) + content + end for role, content in turns) => return "".join(header.format(role) + content + end for role, content in turns)[:-1]
Between role and content stands one newline.
    {ROW} => header.format(role)[:-1] + " " + content + end
    {ROW} => header.format(role)[:-1] + content + end
""")
