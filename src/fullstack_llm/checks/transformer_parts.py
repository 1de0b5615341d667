"""Norms, MLPs and routers of lab 04 that are wrong as people are wrong: each value with the hint that names it."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fullstack_llm.checks import transformer_oracles as oracle

Mistakes = list[tuple[Any, str]]

IN_16_BITS = "The squares are computed in 16 bits, where they overflow or vanish: go to 32 bits first, and back after."


def rms_norm(x: Float[Tensor, "... D"], gain: Float[Tensor, " D"], eps: float) -> Mistakes:
    """Other means, other places for eps, other axes, other precision."""
    dtype, wide, g = x.dtype, x.float(), gain.float()
    square = wide.square()
    mean = square.mean(-1, keepdim=True)
    right = oracle.rms_norm(x, gain, eps)
    centred = wide - wide.mean(-1, keepdim=True)
    spread = centred.square().mean(-1, keepdim=True)
    narrow = x.square().mean(-1, keepdim=True) + eps
    sample = wide.std(-1, keepdim=True) if x.shape[-1] > 1 else spread.sqrt()
    deviation = "This divides by the standard deviation, which takes the mean off: take the mean of the squares of x."
    scaled = wide * g
    found = {
        "This is LayerNorm: RMSNorm does not take the mean off.": centred * (spread + eps).rsqrt() * g,
        "The mean is taken off before, the squares are of what came in: RMSNorm leaves the mean where it is.": (
            centred * (mean + eps).rsqrt() * g
        ),
        "eps stands inside the root, beside the mean of the squares.": wide / (mean.sqrt() + eps) * g,
        "eps is squared here: add it to the mean of the squares, under the root.": wide * (mean + eps**2).rsqrt() * g,
        "eps is missing: a row of zeros, or of tiny numbers, needs it.": wide * mean.rsqrt() * g,
        "eps is the argument, not always 1e-6.": wide * (mean + 1e-6).rsqrt() * g,
        "eps is the argument, not always 1e-5.": wide * (mean + 1e-5).rsqrt() * g,
        "The gain is missing.": wide * (mean + eps).rsqrt(),
        "The gain is multiplied, not added.": wide * (mean + eps).rsqrt() + g,
        "This multiplies by 1 + gain, as Gemma does: here the gain is the factor.": wide
        * (mean + eps).rsqrt()
        * (1 + g),
        "This is the root of the sum of squares: take their mean.": wide
        * (square.sum(-1, keepdim=True) + eps).rsqrt()
        * g,
        "The root is missing: divide by the root of the mean square.": wide / (mean + eps) * g,
        "Multiplied by the root: divide.": wide * (mean + eps).sqrt() * g,
        "The mean runs over all rows together: each row, along the last dimension, has its own.": (
            wide * (square.mean() + eps).rsqrt() * g
        ),
        "The mean runs along the first dimension: it is the last, the columns of a vector.": (
            wide * (square.mean(0, keepdim=True) + eps).rsqrt() * g
        ),
        "This divides by the mean of the absolute values: it is the root of the mean square.": (
            wide / (wide.abs().mean(-1, keepdim=True) + eps) * g
        ),
        IN_16_BITS: (x * narrow.rsqrt() * gain) if dtype != torch.float32 else wide * math.nan,
        "The gain is divided by as well: normalise, then multiply by it.": wide * (mean + eps).rsqrt() / g,
        "The gain comes after the norm: here it has changed the root mean square.": (
            scaled * (scaled.square().mean(-1, keepdim=True) + eps).rsqrt()
        ),
        "The input comes back as it was.": wide,
    }
    pairs: Mistakes = [(value.to(dtype), hint) for hint, value in found.items()]
    if dtype != torch.float32:
        # Outside the root, or squared, eps is too small beside these numbers to be told from none.
        lost = "Here eps has no effect: it is missing, squared, or stands outside the root. Inside, it counts."
        pairs.insert(0, ((wide * mean.rsqrt() * g).to(dtype), lost))
    if x.ndim == 2 and len(x) == x.shape[1]:
        flat = "Column j is divided by the size of row j: the mean has lost its dimension."
        pairs.append((wide * (mean[:, 0] + eps).rsqrt() * g, flat))
    for size in (spread.sqrt(), sample):
        roots = (size, size + eps, (size.square() + eps).sqrt())
        pairs += [((wide / root * g).to(dtype), deviation) for root in roots]
    return [
        *pairs,
        (((x * narrow.sqrt().reciprocal()) * gain).to(dtype), IN_16_BITS),
        ((x / narrow.sqrt() * gain).to(dtype), IN_16_BITS),
        *((right.to(other), f"The result has the dtype of x, {dtype}.") for other in (torch.float32, torch.float64)),
    ]


def swiglu(
    x: Float[Tensor, "T D"], gate: Float[Tensor, "I D"], up: Float[Tensor, "I D"], down: Float[Tensor, "D I"]
) -> Mistakes:
    """Other activations, other places for it, matrices turned round."""
    g, u = x @ gate.T, x @ up.T

    def out(hidden: Tensor) -> Tensor:
        return hidden @ down.T

    found: Mistakes = [
        (out(g / (1 + g.exp()) * u), "The exponent's sign: SiLU divides by 1 + e to the power of *minus* z."),
        (out(functional.silu(x) @ gate.T * u), "SiLU is for g, behind the gate's matrix, not for x."),
        (out(functional.silu(u) * g), "Gate and up have changed places: SiLU is for the gate."),
        (out(g.sigmoid() * u), "SiLU is z times sigmoid(z); this is the sigmoid alone."),
        (out(functional.relu(g) * u), "This is ReLU, which makes it ReGLU: SiLU is z times sigmoid(z)."),
        *(
            (
                out(functional.gelu(g, approximate=how) * u),
                "This is GELU, which makes it GeGLU: SiLU is z times sigmoid(z).",
            )
            for how in ("none", "tanh")
        ),
        (out(g * (1.702 * g).sigmoid() * u), "SiLU has no factor 1.702: that is an approximation of GELU."),
        (out(g.tanh() * u), "This is tanh: SiLU is z times sigmoid(z)."),
        (out(g * u), "There is no activation: SiLU is for the gate, before the product."),
        (out(functional.silu(g * u)), "SiLU is for the gate alone, before the product."),
        (out(functional.silu(g) * functional.silu(u)), "Only the gate goes through SiLU."),
        (out(functional.silu(g) + u), "Gate and up are multiplied, number by number, not added."),
        (out(functional.silu(g)), "Where is up? The gate is multiplied with it."),
        (out(functional.silu(u)), "Where is the gate? SiLU of it is multiplied with up."),
        (functional.silu(g) * u, "Where is down? It brings I numbers back to D."),
        (functional.silu(out(g * u)), "SiLU is for the gate, not for the result."),
        (
            out((g.exp() / (1 + g.exp())) * g * u),
            "exp overflows for large gates: 1 / (1 + exp(-z)) does not, nor does torch.sigmoid.",
        ),
        (
            out(g * g.exp() / (1 + g.exp()) * u),
            "exp overflows for large gates: 1 / (1 + exp(-z)) does not, nor does torch.sigmoid.",
        ),
        (x + out(functional.silu(g) * u), "The residual is the block's affair: return the MLP alone."),
    ]
    if len(gate) == x.shape[1]:
        rows = "A weight lies as nn.Linear stores it, outputs first: x @ W.T."
        found += [
            ((functional.silu(x @ gate) * (x @ up)) @ down, rows),
            ((functional.silu(x @ gate) * (x @ up)) @ down.T, rows),
            ((functional.silu(g) * u) @ down, rows),
        ]
    return found


TIES = (
    "Of experts with equal logits the one with the smaller index goes first: torch.topk promises no order, nor do "
    "sort and argsort unless they are asked to be stable."
)
SHARES = "The experts are right, their shares are not: one number for each chosen expert, and a row adds up to one."
CHOSEN = "The loss counts choices, and those are not right yet: see the other parts."
BY_P = "Sorted by probability: in 32 bits different logits may have the same one, zero for instance. Sort the logits."


def choices(logits: Float[Tensor, "N E"], k: int) -> Mistakes:
    """Wrong shares and experts, as pairs."""
    shares, experts, _ = oracle.route(logits, k)
    E = logits.shape[1]
    p = logits.softmax(-1)
    flipped = logits.flip(1).sort(dim=1, descending=True, stable=True).indices[:, :k]
    last = E - 1 - flipped
    smallest = logits.sort(dim=1, stable=True).indices[:, :k]
    ordered = experts.sort(1)
    by_index = shares.gather(1, ordered.indices), ordered.values
    raw = logits.gather(1, experts)
    squashed = logits.sigmoid().gather(1, experts)
    by_p = p.sort(dim=1, descending=True, stable=True).indices[:, :k]
    again = shares.softmax(-1)
    across = logits.softmax(0)
    among = across.sort(dim=1, descending=True, stable=True).indices[:, :k]
    over_tokens = "The softmax runs over the experts of one token, along the last dimension."
    return [
        ((p.gather(1, experts), experts), "The shares of the chosen experts must add up to one: divide by their sum."),
        ((shares.flip(1), experts.flip(1)), "The best expert comes first."),
        ((shares, experts.flip(1)), "Shares and experts are in different orders."),
        ((shares, last), TIES),
        ((_renormalised(p, last), last), TIES),
        ((_renormalised(p, by_p), by_p), BY_P),
        ((p.gather(1, by_p), by_p), f"{BY_P} And the shares must add up to one."),
        ((_renormalised(p, smallest), smallest), "These are the experts with the smallest logits."),
        (by_index, "Best first: the experts are in the order of their numbers here."),
        (
            (squashed / squashed.sum(1, keepdim=True), experts),
            "The probabilities are a softmax over the experts, not sigmoids.",
        ),
        ((raw / raw.sum(1, keepdim=True), experts), "Shares are made of probabilities, not of logits: softmax first."),
        ((raw, experts), "Shares are made of probabilities, not of logits: softmax first."),
        ((again, experts), "One softmax is enough: divide the chosen probabilities by their sum."),
        (
            (p.gather(1, experts).softmax(-1), experts),
            "Divide the chosen probabilities by their sum; a second softmax flattens them.",
        ),
        ((torch.full_like(shares, 1 / k), experts), "The chosen experts do not share equally."),
        ((p, experts), "Only the k chosen experts have a share."),
        ((shares, experts.int()), "The experts are integers of 64 bits, as topk and sort return them."),
        ((shares, experts.float()), "The experts are integers of 64 bits, as topk and sort return them."),
        *(((_renormalised(across, theirs), theirs), over_tokens) for theirs in (experts, among)),
        ((across.gather(1, experts), experts), over_tokens),
        ((experts, shares), "Shares first, then experts."),
        ((shares * math.nan, experts), "exp overflows: subtract the largest logit first, or use torch.softmax."),
    ]


def _renormalised(p: Tensor, experts: Tensor) -> Tensor:
    chosen = p.gather(1, experts)
    return chosen / chosen.sum(1, keepdim=True)


def losses(logits: Float[Tensor, "N E"], k: int) -> Mistakes:
    """Wrong balance losses."""
    shares, experts, loss = oracle.route(logits, k)
    N, E = logits.shape
    p = logits.double().softmax(-1)
    mean = p.mean(0)
    f = torch.bincount(experts.flatten(), minlength=E).double() / (N * k)
    first = torch.bincount(experts[:, 0], minlength=E).double() / N
    kept = torch.zeros(N, E, dtype=torch.float64).scatter(1, experts, shares.double())
    found: dict[str, Any] = {
        "f is a share of all N * k choices, so that its entries add up to one; this is k times as large, as "
        "in transformers' own loss.": k * loss,
        "The factor E is missing, or undone by a mean over the experts: perfect balance costs 1.": loss / E,
        "Two f were multiplied: the second factor is the mean probability, which has a gradient.": E * (f * f).sum(),
        "Two P were multiplied: one factor is the share of choices.": E * (mean * mean).sum(),
        "P is the mean of the probabilities of *all* experts, before the choice.": E * (f * kept.mean(0)).sum(),
        "P is the mean of all probabilities: here those that were not chosen are taken as zero.": (
            E * (f * (p * (kept > 0)).mean(0)).sum()
        ),
        "The factor is E, the number of experts, not k.": loss * k / E,
        "All k choices of a token count for f, not the first alone.": E * (first * mean).sum(),
        "Perfect balance costs 1 here, not 0.": loss - 1,
        "P is a mean over the tokens, not a sum.": loss * N,
        "f is a share of the choices, not their number.": loss * N * k,
        "The sign: imbalance costs more, so the loss is positive.": -loss,
    }
    wrong: Mistakes = [(float(value), hint) for hint, value in found.items()]
    number = "The loss is a plain float: .item()."
    tensors = [torch.tensor(loss, dtype=dtype) for dtype in (torch.float32, torch.float64)]
    return [*wrong, *((one, number) for one in tensors), (shares, "Shares, experts, loss: in this order.")]
