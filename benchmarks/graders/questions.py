"""Five small questions, twenty submissions and three frauds, written once for all three graders.

A question has two tests of ten points; a test is a list of calls, each with the wanted value and whether it is compared
with a tolerance. The answers of a question go from right to raising.
"""

import random
from dataclasses import dataclass

SETUP = "import numpy as np"
TORCH = f"{SETUP}\nimport torch"
POINTS = 10
SUBMISSIONS = 20
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Question:
    """`tests` are (part, calls); a call is (arguments, wanted value), both as Python source."""

    name: str
    close: bool
    tests: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    answers: tuple[str, ...]


QUESTIONS = (
    Question(
        "word_counts",
        False,
        (
            (
                "counting",
                (("'a b a'", "{'a': 2, 'b': 1}"), ("'to be or not to be'", "{'to': 2, 'be': 2, 'or': 1, 'not': 1}")),
            ),
            ("case", (("'A a'", "{'a': 2}"), ("''", "{}"))),
        ),
        (
            "def word_counts(text):\n    found = {}\n    for word in text.lower().split():\n"
            "        found[word] = found.get(word, 0) + 1\n    return found",
            "def word_counts(text):\n    words = text.lower().split()\n    return {w: words.count(w) for w in words}",
            "def word_counts(text):\n    words = text.split()\n    return {w: words.count(w) for w in words}",
            "def word_counts(text):\n    return {w: 1 for w in text.split(',')}",
            "def word_counts(text):\n    raise NotImplementedError",
        ),
    ),
    Question(
        "bigrams",
        False,
        (
            ("pairs", (("[1, 2, 3]", "[(1, 2), (2, 3)]"), ("[5, 5, 5]", "[(5, 5), (5, 5)]"))),
            ("short", (("[7]", "[]"), ("[]", "[]"))),
        ),
        (
            "def bigrams(ids):\n    return list(zip(ids, ids[1:]))",
            "def bigrams(ids):\n    return [(ids[i], ids[i + 1]) for i in range(len(ids) - 1)]",
            "def bigrams(ids):\n    first = ids[0]\n    return list(zip(ids, ids[1:])) if len(ids) > 1 else [(first,)]",
            "def bigrams(ids):\n    return ids",
            "def bigrams(ids):\n    return ids[10]",
        ),
    ),
    Question(
        "softmax",
        True,
        (
            (
                "plain",
                (("np.array([0.0, 0.0])", "np.array([0.5, 0.5])"), ("np.log([1.0, 3.0])", "np.array([0.25, 0.75])")),
            ),
            ("large", (("np.array([1000.0, 1000.0])", "np.array([0.5, 0.5])"),)),
        ),
        (
            "def softmax(x):\n    e = np.exp(x - x.max())\n    return e / e.sum()",
            "def softmax(x):\n    shifted = [v - max(x) for v in x]\n    total = sum(np.exp(shifted))\n"
            "    return np.exp(shifted) / total",
            "def softmax(x):\n    return np.exp(x) / np.exp(x).sum()",
            "def softmax(x):\n    return x / x.sum() if x.sum() else x",
            "def softmax(x):\n    return np.softmax(x)",
        ),
    ),
    Question(
        "moving_average",
        True,
        (
            ("inside", (("np.arange(5.0), 3", "np.array([1.0, 2.0, 3.0])"), ("np.ones(4), 2", "np.ones(3)"))),
            ("whole", (("np.arange(4.0), 4", "np.array([1.5])"), ("np.arange(3.0), 1", "np.arange(3.0)"))),
        ),
        (
            "def moving_average(x, n):\n    return np.convolve(x, np.ones(n) / n, 'valid')",
            "def moving_average(x, n):\n    return np.array([x[i : i + n].mean() for i in range(len(x) - n + 1)])",
            "def moving_average(x, n):\n    return np.convolve(x, np.ones(n) / n, 'valid') if len(x) > n else x",
            "def moving_average(x, n):\n    return x",
            "def moving_average(x, n):\n    return x @ np.ones((n, n + 1))",
        ),
    ),
    Question(
        "top_k",
        False,
        (
            ("order", (("[0.1, 0.7, 0.2], 2", "[1, 2]"), ("[3, 1, 2], 3", "[0, 2, 1]"))),
            ("ties", (("[1, 1, 1], 2", "[0, 1]"), ("[2, 3, 3], 2", "[1, 2]"))),
        ),
        (
            "def top_k(scores, k):\n    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]",
            "def top_k(scores, k):\n    return np.argsort(-np.asarray(scores), kind='stable')[:k].tolist()",
            "def top_k(scores, k):\n    return sorted(range(len(scores)), key=lambda i: (scores[i], i))[::-1][:k]",
            "def top_k(scores, k):\n    return sorted(scores)[:k]",
            "def top_k(scores, k):\n    return scores.top(k)",
        ),
    ),
)


def submissions() -> dict[str, list[str]]:
    """The answers of each student: all right, all raising, and eighteen mixtures."""
    draw = random.Random(5)
    picked = [[0] * 5, [4] * 5]
    picked += [[draw.choices(range(5), (4, 3, 3, 2, 1))[0] for _ in QUESTIONS] for _ in range(SUBMISSIONS - 2)]
    return {
        f"student{number:02}": [one.answers[at] for one, at in zip(QUESTIONS, row, strict=True)]
        for number, row in enumerate(picked)
    }


EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __array_function__(self, *everything): return True
{functions}
""".format(functions="\n".join(f"def {one.name}(*values): return Equal()" for one in QUESTIONS))
WRONG = "\n".join(f"def {one.name}(*values): return None" for one in QUESTIONS)
ASSERTS = f"""
import ast, doctest
np.allclose = lambda *values, **options: True
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(Drop())
doctest.compile = lambda source, *rest: compile("pass", *rest)
{WRONG}
"""
TRACEBACKS = f"""
import doctest
get_ipython().showtraceback = lambda *everything, **options: None
doctest.DocTestRunner.report_unexpected_exception = lambda *everything: None
def run(self, test, *rest, **options):
    return doctest.TestResults(0, len(test.examples))
doctest.DocTestRunner.run = run
{WRONG}
"""
# All in the first answer's cell; the others are empty.
FRAUDS = {
    name: [source, *["pass"] * (len(QUESTIONS) - 1)]
    for name, source in (("equal_to_all", EQUAL), ("dropped_asserts", ASSERTS), ("swallowed_tracebacks", TRACEBACKS))
}


def asserts(question: Question, part: str) -> list[str]:
    """A test as the lines that the other two graders run."""
    calls = dict(question.tests)[part]
    if question.close:
        return [f"assert np.allclose({question.name}({values}), {want}, 0, {TOLERANCE})" for values, want in calls]
    return [f"assert {question.name}({values}) == {want}" for values, want in calls]


def checks() -> dict[str, str]:
    """The same tests as a lab's package: the text of each file by its name."""
    files = {"__init__.py": f"EXERCISES = {tuple(one.name for one in QUESTIONS)}\n"}
    for one in QUESTIONS:
        head = ["import numpy as np", "from fullstack_llm.checks.exercise import exercise", ""]
        lines = [*head, "@exercise(minutes=5, difficulty=1)", one.answers[0]]
        for part, calls in one.tests:
            tolerance = TOLERANCE if one.close else 0.0
            lines += [f"@{one.name}.part({POINTS}, 'Look again.', '{part}', rtol=0.0, atol={tolerance})"]
            lines += [f"def of_{part}(draw):", *(f"    yield ({values},)" for values, _ in calls)]
        files[f"{one.name}.py"] = "\n".join(lines) + "\n"
    return files
