"""The checks of lab 03. Beside them: oracles (what is right), mistakes (known to be wrong), cases; chat, vocabulary."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fullstack_llm.checks import Draw, check, compare, require
from fullstack_llm.checks import tokenization_cases as cases
from fullstack_llm.checks import tokenization_chat as chat
from fullstack_llm.checks import tokenization_mistakes as mistakes
from fullstack_llm.checks import tokenization_oracles as oracle
from fullstack_llm.checks import tokenization_vocabulary as vocabulary
from fullstack_llm.checks.judging import hinted
from fullstack_llm.checks.tokenization_errors import ERRORS

LAB = "03_tokenization"
ANSWERS = ("tokenization.bpe",)
LIBRARIES = (
    "tokenizers",
    "transformers",
    "tiktoken",
    "sentencepiece",
    "fullstack_llm.tokenization.bpe",
    "fullstack_llm.tokenization.course_tokenizer",
)
REVIEW = {
    **dict.fromkeys(("get_pairs", "merge", "train", "encode", "decode", "viterbi"), LIBRARIES),
    "render_chat": ("transformers", "jinja2"),
    "extend_vocabulary": ("transformers", "torch"),
}

Student = Callable[..., Any]

# An exercise sees one function; what that calls may be where the mistake is.
MERGES = " If you call your merge: is that one right?"
COUNTS = " If you call your get_pairs or merge: are they right, and do they leave their arguments as they were?"


def _judge(student: Student, exercise: str, inputs: Iterable[tuple[Any, ...]], hint: str) -> None:
    student = hinted(student, ERRORS[exercise])
    compare(student, exercise, inputs, hint, oracles=oracle, mistakes=mistakes)


@check("get_pairs", points=8, minutes=5, difficulty=1)
def get_pairs(student: Student, draw: Draw) -> None:
    """Counts of neighbours."""
    hint = "n ids have n - 1 places where one stands next to another: how many of them hold (left, right)?"
    _judge(student, "get_pairs", cases.get_pairs(draw), hint)


@check("merge", points=6, minutes=10, difficulty=2)
def merge(student: Student, draw: Draw) -> None:
    """Merges of two different ids."""
    hint = "Where the next two ids are the pair, write new_id and go on behind both; else copy one id, go on behind it."
    _judge(student, "merge", cases.merge(draw), hint)


@check("merge", part="overlaps", points=4)
def merge_overlaps(student: Student, draw: Draw) -> None:
    """Merges of an id with itself."""
    hint = "In a run of one id, each id goes into one merge at most, and the merges start at the left."
    _judge(student, "merge", cases.merge_overlaps(draw), hint)


@check("train", points=11, minutes=20, difficulty=3)
def train(student: Student, draw: Draw) -> None:
    """Training where no tie decides."""
    hint = (
        "Each round: count the pairs of every word, each as often as the word occurs; take the most frequent pair; "
        "merge it in every word. The i-th merge, from 0, makes id 256 + i, which later pairs may hold." + COUNTS
    )
    _judge(student, "train", cases.train(draw), hint)


@check("train", part="ties", points=5)
def train_ties(student: Student, draw: Draw) -> None:
    """Training to the end, where pairs are equally frequent in every round."""
    hint = (
        "Among equally frequent pairs the smallest wins: first ids are compared, then second ids, as Python compares "
        "tuples. Training goes on, with pairs that occur once too, until num_merges is reached or no pair is left."
        + COUNTS
    )
    _judge(student, "train", cases.train_ties(draw), hint)


@check("encode", points=7, minutes=15, difficulty=3)
def encode(student: Student, draw: Draw) -> None:
    """Ids where the order of the merges does not matter."""
    hint = "Begin with the UTF-8 bytes of the text; then, for each merge in turn, replace its pair everywhere." + MERGES
    _judge(student, "encode", cases.encode(draw), hint)


@check("encode", part="order", points=7)
def encode_order(student: Student, draw: Draw) -> None:
    """Ids where the order of the merges decides."""
    hint = (
        "Finish a merge in the whole text before the next one starts; merges[0] first, merges[1] second, ..." + MERGES
    )
    _judge(student, "encode", cases.encode_order(draw), hint)


@check("decode", points=6, minutes=10, difficulty=2)
def decode(student: Student, draw: Draw) -> None:
    """Texts of valid UTF-8, of which characters are cut by token boundaries."""
    hint = (
        "Token 256 + i is the bytes of merges[i][0], then those of merges[i][1]; both can be merged tokens themselves."
    )
    _judge(student, "decode", cases.decode(draw), hint)


@check("decode", part="invalid bytes", points=4)
def decode_invalid(student: Student, draw: Draw) -> None:
    """Ids that a model may well emit, and that are no text."""
    hint = "Bytes that are not UTF-8 become U+FFFD: see the `errors` argument of bytes.decode."
    _judge(student, "decode", cases.decode_invalid(draw), hint)


def _two(got: Any, want: tuple[Any, Any], case: dict[str, Any], hint: str) -> tuple[Any, Any]:
    if not isinstance(got, tuple) or len(got) != 2:
        require(got, want, case=case, hint=hint)
    return got


def _rendered(student: Student, draw: Draw) -> Iterator[tuple[dict[str, Any], tuple[Any, Any], tuple[str, int]]]:
    """For each conversation: the case, and text and offset as returned and as wanted."""
    student = hinted(student, ERRORS["render_chat"])
    for messages, add, sent in chat.conversations(draw):
        case = {"messages": messages, "add_generation_prompt": add, "sent": sent}
        text = chat.render(messages, add)
        want = text, chat.first_difference(text, sent)
        yield case, _two(student(*case.values()), want, case, "Return a tuple of two: the text and the offset."), want


@check("render_chat", points=8, minutes=25, difficulty=3)
def render_chat(student: Student, draw: Draw) -> None:
    """The text: contents with white space at every edge, no message, every role, either ending."""
    hint = "A turn is its header with the role, a newline, the content as it is, the end mark, a newline: nothing else."
    for case, (got, _), (want, _) in _rendered(student, draw):
        require(got, want, case=case, hint=hint, wrong=chat.render_mistakes(*case.values()))


@check("render_chat", part="diagnosis", points=8)
def render_chat_diagnosis(student: Student, draw: Draw) -> None:
    """The offset of the first difference, for every broken renderer."""
    hint = "The offset is the number of UTF-8 bytes with which both the right text and `sent` begin."
    for case, (rendered, got), (text, want) in _rendered(student, draw):
        wrong = chat.difference_mistakes(text, case["sent"])
        if isinstance(rendered, str):
            own = "This is where `sent` departs from your text, but your text is not the right one yet: see above."
            wrong = [(chat.first_difference(rendered, case["sent"]), own), *wrong]
        require(got, want, case={**case, "right text": text}, hint=hint, wrong=wrong)


def _grown(student: Student, matrices: list[np.ndarray], spellings: list[list[int]], multiple: int, hint: str) -> None:
    """Compare both matrices; old rows must be the same bits, new ones may differ by the rounding of their dtype."""
    student = hinted(student, ERRORS["extend_vocabulary"])
    olds = [*matrices, None][:2]
    case = dict(zip(("embedding", "unembedding"), olds, strict=True)) | {"spellings": spellings, "multiple": multiple}
    wants: list[Any] = [None if old is None else vocabulary.grow(old, spellings, multiple) for old in olds]
    got = _two(
        student(*case.values()), (wants[0], wants[1]), case, "Return a tuple of two matrices, or a matrix and None."
    )
    rtol = 2e-3 if matrices[0].dtype == np.float16 else 1e-5
    for name, mine, want, old in zip(("embedding", "unembedding"), got, wants, olds, strict=True):
        if old is None:
            require(mine, None, case=case, hint="With tied matrices (unembedding is None) the second result is None.")
            continue
        wrong = vocabulary.grow_mistakes(old, spellings, multiple)
        if name == "unembedding":
            from_embedding = np.concatenate([old, wants[0][len(old) :]])
            copied = "This is the embedding once more: the second result comes from the unembedding."
            wrong = [
                (wants[0], copied),
                (from_embedding, "The new rows of the unembedding are means of its own rows."),
                *wrong,
            ]
        require(mine, want, case=case, hint=f"{name}: {hint}", wrong=wrong, rtol=rtol, atol=1e-6)
        kept = f"{name}: an old row has changed in its last bits: copy old rows, do not compute them."
        require(mine[: len(old)], old, case=case, hint=kept)


@check("extend_vocabulary", points=8, minutes=20, difficulty=3)
def extend_vocabulary(student: Student, draw: Draw) -> None:
    """New tokens that old ones spell; tied or not, three dtypes, no new token at all."""
    hint = "old rows first, as they are; then for each new token the mean of the rows of the old tokens that spell it."
    for V, D, dtype, num in ((5, 3, "float32", 2), (13, 7, "float64", 1), (11, 2, "float16", 2), (7, 1, "float32", 1)):
        matrices = [vocabulary.matrix(draw, V, D, dtype) for _ in range(num)]
        spellings = [[V - 1], [0, V - 1, V - 1], [draw.randrange(V) for _ in range(17)], [2, 1]]
        _grown(student, matrices, spellings, 1, hint)
        _grown(student, matrices, [], 1, hint)
    high = np.full((3, 2), 50_000, "float16")
    _grown(student, [high, high], [[0, 1, 2]], 1, "the sum of these rows is beyond float16, their mean is not.")


@check("extend_vocabulary", part="padding", points=3)
def extend_vocabulary_padding(student: Student, draw: Draw) -> None:
    """Rows of zeros up to a multiple: some, none where there is a multiple already, more than the vocabulary."""
    hint = "behind the new tokens come as few rows of zeros as make the number of rows a multiple of `multiple`."
    for V, num, multiple in ((5, 2, 8), (6, 2, 8), (8, 0, 8), (5, 0, 4), (13, 3, 5), (3, 1, 17), (7, 0, 7)):
        spellings = [[draw.randrange(V) for _ in range(3)] for _ in range(num)]
        _grown(student, [vocabulary.matrix(draw, V, 3) for _ in range(2)], spellings, multiple, hint)


@check("extend_vocabulary", part="unspelled", points=3)
def extend_vocabulary_unspelled(student: Student, draw: Draw) -> None:
    """Control tokens, which no old token spells, alone and among others."""
    hint = "an empty spelling makes the mean of all V old rows, of no new ones. Are the other rows right already?"
    draws: list[tuple[int, list[list[int]]]] = [(11, [[3, 4], [], [0]]), (5, [[]]), (7, [[], [6], []])]
    for V, spellings in draws:
        _grown(student, [vocabulary.matrix(draw, V, 3) for _ in range(2)], spellings, 1, hint)


VITERBI = "The best segmentation of text[:j] is the best one of some text[:i], then the piece text[i:j]: try every i."


@check("viterbi", points=5, minutes=25, difficulty=4)
def viterbi(student: Student, draw: Draw) -> None:
    """Segmentations of which one is best."""
    _judge(student, "viterbi", cases.viterbi(draw), VITERBI)


@check("viterbi", part="ties", points=3)
def viterbi_ties(student: Student, draw: Draw) -> None:
    """Segmentations of which many have the best score."""
    hint = (
        "Of the best sums the fewest pieces win; of those, the longest last piece, then the longest one before it, ..."
    )
    _judge(student, "viterbi", cases.viterbi_ties(draw), hint)


@check("viterbi", part="unknown", points=2)
def viterbi_unknown(student: Student, draw: Draw) -> None:
    """Characters that are not in the vocabulary, where their price decides."""
    hint = "A single character that is not in log_probs is a piece too; its log-probability is the lowest one minus 10."
    _judge(student, "viterbi", cases.viterbi_unknown(draw), hint)


@check("viterbi", part="long", points=2)
def viterbi_long(student: Student, draw: Draw) -> None:
    """A text of 3,001 characters."""
    hint = (
        "Mend the parts above first, if they are wrong. If this alone is: are log-probabilities added? A product of "
        "thousands of probabilities is 0 in floating point."
    )
    student = hinted(student, ERRORS["viterbi"])
    for text, log_probs in cases.viterbi_long(draw):
        case = {"text": text, "log_probs": log_probs}
        require(student(text, log_probs), oracle.viterbi(text, log_probs), case=case, hint=hint)
