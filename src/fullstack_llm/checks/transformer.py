"""The checks of lab 04. Beside them: oracles, cases, probes, and mistakes, parts, count, block and diagnosis."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from fullstack_llm.checks import Draw, check, require, same
from fullstack_llm.checks import transformer_block as block
from fullstack_llm.checks import transformer_cases as cases
from fullstack_llm.checks import transformer_count as count
from fullstack_llm.checks import transformer_diagnosis as diagnosis
from fullstack_llm.checks import transformer_mistakes as mistakes
from fullstack_llm.checks import transformer_oracles as oracle
from fullstack_llm.checks import transformer_parts as parts
from fullstack_llm.checks import transformer_probes as probes
from fullstack_llm.checks.judging import hinted
from fullstack_llm.checks.transformer_errors import ERRORS
from fullstack_llm.checks.transformer_probes import ATOL, RTOL, judge

LAB = "04_transformer"
ANSWERS = ("transformer",)

LIBRARIES = ("transformers", "fullstack_llm.transformer")
ATTENTION = ("torch.nn.functional.scaled_dot_product_attention", "torch.nn.MultiheadAttention", *LIBRARIES)
NORM = ("torch.nn.functional.rms_norm", "torch.rms_norm", "torch.nn.RMSNorm", *LIBRARIES)
OTHERS = ("rope", "grouped_query_attention", "swiglu", "route", "count_parameters", "diagnose")
REVIEW = {"causal_attention": ATTENTION, "rms_norm": NORM} | dict.fromkeys(OTHERS, LIBRARIES)

Student = Callable[..., Any]

# Ten stages in a row have more roundings behind them.
DEEP = 1e-4


def _attention(student: Student, inputs: Iterable[tuple[Any, ...]], hint: str, atol: float = ATOL) -> None:
    right, mistaken = oracle.causal_attention, mistakes.causal_attention
    judge(student, "q k v", inputs, right, mistaken, hint, probe=probes.moves, atol=atol)


@check("causal_attention", points=6, minutes=20, difficulty=2)
def causal_attention(student: Student, draw: Draw) -> None:
    """As many queries as keys."""
    hint = "Print your weights for Ada: each row adds up to one, with 0 where a key comes after its query."
    _attention(student, cases.causal_attention(draw), hint)


@check("causal_attention", part="large scores", points=3)
def causal_attention_large(student: Student, draw: Draw) -> None:
    """Scores in the thousands."""
    _attention(student, cases.causal_attention_large(draw), mistakes.OVERFLOW)


@check("causal_attention", part="more keys than queries", points=5)
def causal_attention_longer(student: Student, draw: Draw) -> None:
    """The queries are the last positions."""
    _attention(student, cases.causal_attention_longer(draw), mistakes.TOP_LEFT)


def _rope(student: Student, inputs: Iterable[tuple[Any, ...]], hint: str) -> None:
    for values in inputs:
        # Angles of a few hundred keep four digits behind the point in 32 bits, and a 16-bit answer two in all.
        tolerance = {"rtol": 1e-3, "atol": 1e-4} if values[0].dtype == torch.float32 else {"rtol": 0.02, "atol": 0.05}
        names, right, mistaken = "x start theta layout", oracle.rope, mistakes.rope
        hint = hint if values[0].dtype == torch.float32 else mistakes.HALF_BITS
        judge(student, names, [values], right, mistaken, hint, probe=probes.stretches, **tolerance)


@check("rope", part="half", points=5, minutes=20, difficulty=3)
def rope_half(student: Student, draw: Draw) -> None:
    """The half layout, from position 0."""
    hint = "Pair i is columns i and i + d/2; in row t it turns by (start + t) * theta ** (-2 * i / d)."
    _rope(student, cases.rope_half(draw), hint)


@check("rope", part="interleaved", points=4)
def rope_interleaved(student: Student, draw: Draw) -> None:
    """The interleaved layout, from position 0."""
    hint = "Pair i is columns 2i and 2i + 1; in row t it turns by (start + t) * theta ** (-2 * i / d)."
    _rope(student, cases.rope_interleaved(draw), hint)


@check("rope", part="later positions", points=5)
def rope_later(student: Student, draw: Draw) -> None:
    """Positions that do not begin at 0, and 16 bits."""
    hint = "The first row stands at `start`. Compute angles in 32 bits, whatever x has, and return the dtype of x."
    _rope(student, cases.rope_later(draw), hint)


def _grouped(student: Student, inputs: Iterable[tuple[Any, ...]], hint: str) -> None:
    right, mistaken = oracle.grouped_query_attention, mistakes.grouped_query_attention
    judge(student, "q k v", inputs, right, mistaken, hint)


@check("grouped_query_attention", part="as many heads", points=4, minutes=15, difficulty=2)
def grouped_query_attention(student: Student, draw: Draw) -> None:
    """Multi-head attention: as many key-value heads as query heads."""
    hint = "Causal attention for each head; then put token t's heads side by side in row t, head 0 first."
    _grouped(student, cases.grouped_all(draw), hint)


@check("grouped_query_attention", part="shared heads", points=8)
def grouped_query_attention_shared(student: Student, draw: Draw) -> None:
    """Fewer key-value heads than query heads."""
    hint = "Query head h reads key-value head h // (H / K). If you call your causal_attention: is that one right?"
    _grouped(student, cases.grouped_shared(draw), hint)


@check("rms_norm", points=6, minutes=10, difficulty=1)
def rms_norm(student: Student, draw: Draw) -> None:
    """Vectors in 32 bits."""
    hint = "x over the root of (the mean of its squares along the last dimension, plus eps), times gain."
    judge(student, "x gain eps", cases.rms_norm(draw), oracle.rms_norm, parts.rms_norm, hint)


@check("rms_norm", part="16 bits", points=4)
def rms_norm_half(student: Student, draw: Draw) -> None:
    """Vectors in 16 bits."""
    inputs = cases.rms_norm_half(draw)
    hint = "The formula is that of 32 bits: go there first, and back to the dtype of x after."
    # One or two roundings to eight bits are right; an overflow is not near.
    judge(student, "x gain eps", inputs, oracle.rms_norm, parts.rms_norm, hint, rtol=0.02, atol=1e-3)


@check("swiglu", points=5, minutes=10, difficulty=1)
def swiglu(student: Student, draw: Draw) -> None:
    """Moderate gates."""
    hint = "Take the docstring's example apart: there g is 2 and u is 4. What are your g, SiLU(g), u and product?"
    judge(student, "x gate up down", cases.swiglu(draw), oracle.swiglu, parts.swiglu, hint)


@check("swiglu", part="large gates", points=3)
def swiglu_large(student: Student, draw: Draw) -> None:
    """Gates that overflow an exponential."""
    hint = "If moderate gates are right and these are not, an exponential of a large gate has overflowed."
    inputs = cases.swiglu_large(draw)
    # Numbers of hundreds are added with both signs.
    judge(student, "x gate up down", inputs, oracle.swiglu, parts.swiglu, hint, rtol=1e-3, atol=0.02)


Judged = tuple[dict[str, Any], Any, Any]


def _answers(
    student: Student, exercise: str, names: str, inputs: Iterable[tuple[tuple[Any, ...], tuple[Any, ...]]], hint: str
) -> Iterator[Judged]:
    # For exercises whose parts look at different items of one tuple: case, answer and what is right.
    student = hinted(student, ERRORS[exercise])
    for values, want in inputs:
        case = dict(zip(names.split(), values, strict=True))
        got = probes.tensors(student(*values))
        if not isinstance(got, tuple) or len(got) != len(want):
            require(got, want, case=case, hint=hint)
        yield case, got, want


def _routed(student: Student, inputs: cases.Cases) -> Iterator[Judged]:
    hint = "Return a tuple of three: shares (N, k), experts (N, k), and the loss, a float."
    return _answers(student, "route", "logits k", [(values, oracle.route(*values)) for values in inputs], hint)


def _chosen(student: Student, inputs: cases.Cases, hint: str) -> None:
    for case, got, want in _routed(student, inputs):
        wrong = [] if same(got[:2], want[:2], RTOL, ATOL) else parts.choices(**case)
        named = parts.SHARES if same(got[1], want[1]) else hint
        require(got[:2], want[:2], case=case, hint=named, wrong=wrong, rtol=RTOL, atol=ATOL)


@check("route", part="choices", points=6, minutes=20, difficulty=3)
def route(student: Student, draw: Draw) -> None:
    """Shares and experts."""
    hint = "Softmax over the experts; those with the k largest logits, best first; divide by their sum."
    _chosen(student, cases.route(draw), hint)


@check("route", part="ties", points=2)
def route_ties(student: Student, draw: Draw) -> None:
    """Equal logits, and probabilities that are equal where logits are not."""
    _chosen(student, cases.route_ties(draw), parts.TIES)


@check("route", part="balance loss", points=6)
def route_loss(student: Student, draw: Draw) -> None:
    """The auxiliary loss."""
    hint = "E times the sum over experts of f * P: its share of all N * k choices, times its mean probability."
    for case, got, want in _routed(student, cases.route(draw)):
        wrong = [] if same(got[2], want[2], RTOL, ATOL) else parts.losses(**case)
        named = hint if same(got[1], want[1]) else parts.CHOSEN
        require(got[2], want[2], case=case, hint=named, wrong=wrong, rtol=RTOL, atol=ATOL)


def _counted(student: Student, inputs: Iterable[tuple[Any, ...]], hint: str) -> None:
    def answer(sizes: count.Sizes) -> Any:
        got = student(sizes)
        return {**got, "kv_bytes": oracle.count_parameters(sizes)["kv_bytes"]} if isinstance(got, dict) else got

    right, mistaken = oracle.count_parameters, count.count_parameters
    judge(answer, "sizes", inputs, right, mistaken, hint, probe=count.first_wrong, rtol=0.0, atol=0.0)


@check("count_parameters", part="dense", points=6, minutes=15, difficulty=2, seconds=30)
def count_parameters(student: Student, draw: Draw) -> None:
    """Decoders with one MLP a layer."""
    hint = "Write down the shape of every matrix of one layer, multiply by the layers, add what stands outside."
    _counted(student, count.dense(draw), hint)


@check("count_parameters", part="mixtures", points=4, seconds=30)
def count_parameters_mixtures(student: Student, draw: Draw) -> None:
    """Decoders with several experts a layer."""
    hint = "All experts have weights; a token uses num_active of them. Router: hidden_size times num_experts a layer."
    _counted(student, count.mixtures(draw), hint)


@check("count_parameters", part="cache", points=2, seconds=30)
def count_parameters_cache(student: Student, draw: Draw) -> None:
    """The bytes of keys and values, whatever the other numbers are."""
    hint = "Keys and values: two, of K heads with d columns, in each layer, at two bytes a number."

    def answer(sizes: count.Sizes) -> Any:
        got, others = student(sizes), oracle.count_parameters(sizes)
        del others["kv_bytes"]
        return {**got, **others} if isinstance(got, dict) else got

    inputs = [*count.dense(draw), *count.mixtures(draw)]
    judge(answer, "sizes", inputs, oracle.count_parameters, count.count_parameters, hint, rtol=0.0, atol=0.0)


def _diagnosed(student: Student, draw: Draw) -> Iterator[Judged]:
    hint = "Return a tuple of two: the block's output (T, D), and a name."
    return _answers(student, "diagnose", "x weights config reported", block.cases(draw), hint)


@check("diagnose", part="output", points=6, minutes=30, difficulty=3)
def diagnose(student: Student, draw: Draw) -> None:
    """The block's output as it should be."""
    hint = "Compute the ten stages one after the other, each from your own earlier ones, not from the report."
    for case, got, want in _diagnosed(student, draw):
        wrong = [] if same(got[0], want[0], RTOL, DEEP) else diagnosis.out_mistakes(**case)
        require(got[0], want[0], case=case, hint=hint, wrong=wrong, rtol=RTOL, atol=DEEP)


@check("diagnose", part="culprit", points=10)
def diagnose_culprit(student: Student, draw: Draw) -> None:
    """The first stage that is wrong, for each fault, and for none."""
    hint = "In the order of the computation: the first name whose reported stage is not yours, or an empty string."
    for case, got, want in _diagnosed(student, draw):
        mine = [] if same(got[0], want[0], RTOL, DEEP) else [(got[1], diagnosis.MISLED)]
        wrong = [] if same(got[1], want[1]) else [*mine, *diagnosis.name_mistakes(**case)]
        require(got[1], want[1], case=case, hint=hint, wrong=wrong)
