"""Draw conversations for lab 14, and name what an answer is asked not to use."""

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("transformers", "trl", "fullstack_llm.finetuning", "fullstack_llm.pretraining", "fullstack_llm.models")

# Ids that stand for the marks of the course's template: a turn's start and end, a newline, and the parts of roles.
START, END, NEWLINE = 3, 4, 9
ROLES = {"user": [11, 12], "assistant": [21, 22], "system": [31], "tool": [21, 23]}


def header(role: str) -> list[int]:
    """Return the ids with which a turn of this role begins."""
    return [START, *ROLES[role], NEWLINE]


def words(draw: Draw, count: int) -> list[int]:
    """Draw ids of text, none of them a mark, some of them equal."""
    return [draw.randrange(50, 90) for _ in range(count)]


def turn(role: str, content: list[int]) -> list[int]:
    """Return a turn as the course's template writes it."""
    return [*header(role), *content, END, NEWLINE]


def chats_of(draw: Draw, *sizes: int, learnt: float = 0.7, first: bool = True):
    """Draw conversations of these sizes; some ids are learnt, and the first one too, as in a loss on all tokens."""
    chats = []
    for size in sizes:
        ids = words(draw, size)
        labels = [one if draw.random() < learnt else -100 for one in ids]
        if first:
            labels[0] = ids[0]
        # A conversation holds what is learnt and what is not, where it has room for both.
        labels[1:3] = [ids[1], -100][: size - 1] if size > 2 else ids[1:]
        chats.append((ids, labels))
    return chats


# A conversation as a list of strings: the role's first letter, then the content.
NAMES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
DEFAULT = "You are the clerk of Tinytown."
QUESTIONS = ["Where does Ada live?", "And Bo?", "What does Dot bake?", "  12 + 34?\n", "Who, on Lantern Row, paints?"]
ANSWERS = ["Ada lives on Lantern Row.", "\nBo does.", "Rye bread, and\n\nrolls.", "46. ", "I don't know."]


def chat(*lines: str):
    return [{"role": NAMES[line[0]], "content": line[1:]} for line in lines]


def drawn(draw: Draw, letters: str):
    """Draw a conversation with these roles; capitals think before they answer, and a dot says nothing."""
    lines = []
    for letter in letters:
        low = letter.lower()
        text = draw.choice(ANSWERS if low in "ta" else QUESTIONS) + draw.choice(["", f" ({draw.randint(10, 99)})"])
        thought = f"<think>\nIs it {draw.randint(100, 999)}?\n</think>\n\n" if letter.isupper() else ""
        lines.append(low + thought + text)
    return chat(*lines)


def log(draw: Draw, *rows: str, stop: int = END, halts: tuple[int, ...] = (1, END), padding: int = -100):
    """Draw a pipeline's log. A row has a letter for each answer, or a bar where it was cut, in or behind an answer.

    `o` is learnt with its end, `m` without it, `w` with another id for it, `t` and `b` have none from the template,
    and nothing follows `b`; `e` says nothing, and `n` nothing, without its end.
    """
    answers, rendered, lengths, tables = [], [], [], []
    for row in rows:
        ids: list[int] = []
        labels, spans, length = [], [], None
        for at, letter in enumerate(row.replace("|", "")):
            question = [*header("user"), *words(draw, draw.randint(1, 4)), END, NEWLINE, *header("assistant")]
            content = [] if letter in "en" else words(draw, draw.randint(2, 5))
            begin = len(ids) + len(question)
            spans.append((begin, begin + len(content)))
            end = {"t": [NEWLINE], "b": []}.get(letter, [stop, NEWLINE])
            ids += question + content + end
            labels += (
                [-100] * len(question)
                + content
                + [{"o": stop, "e": stop, "w": 1}.get(letter, -100), -100][2 - len(end) :]
            )
            if row.find("|") == at:
                length = begin + draw.randint(1, len(content))
        if row.endswith("|"):
            length = len(ids) - (2 if row[-2] != "t" else 1)
        answers.append(spans)
        rendered.append(ids)
        lengths.append(length or len(ids))
        tables.append(labels)
    width = max(lengths, default=0)
    batch = [row[:length] + [padding] * (width - length) for row, length in zip(tables, lengths)]
    return answers, rendered, lengths, batch, stop, list(halts)
