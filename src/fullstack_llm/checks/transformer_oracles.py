"""What the exercises of lab 04 want, slow and plain: loops over numbers, one formula at a time, in 64 bits."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

Rows = list[list[float]]


def weights(q: Rows, k: Rows) -> Rows:
    """Causal attention weights, row by row; the queries are the last of the keys' positions.

    >>> weights([[0.0], [math.log(2)]], [[1.0], [0.0]])[0]
    [1.0, 0.0]
    """
    ahead = len(k) - len(q)
    found = []
    for t, query in enumerate(q):
        seen = k[: t + ahead + 1]
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in seen]
        shares = [math.exp(score - max(scores)) for score in scores]
        found.append([share / sum(shares) for share in shares] + [0.0] * (len(k) - len(seen)))
    return found


def causal_attention(q: Float[Tensor, "T d"], k: Float[Tensor, "S d"], v: Float[Tensor, "S e"]) -> Tensor:
    """Each query's weighted mean of the values at its own position and before it."""
    shares, values = weights(q.tolist(), k.tolist()), v.tolist()
    mixed = [[sum(w * row[j] for w, row in zip(one, values, strict=True)) for j in range(v.shape[1])] for one in shares]
    return torch.tensor(mixed, dtype=q.dtype)


def rope(x: Float[Tensor, "T d"], start: int, theta: float, layout: str) -> Tensor:
    """Each pair as a complex number, times e to the i · position · θ^(-2p/d).

    >>> rope(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), 1, 10_000.0, "interleaved").round(decimals=2)
    tensor([[0.5400, 0.8400, 0.0000, 0.0000]])
    """
    d = x.shape[1]
    out = torch.zeros(x.shape, dtype=torch.float64)
    for t, row in enumerate(x.double()):
        for pair in range(d // 2):
            one, two = (pair, pair + d // 2) if layout == "half" else (2 * pair, 2 * pair + 1)
            angle = (start + t) * theta ** (-2 * pair / d)
            turned = complex(row[one], row[two]) * complex(math.cos(angle), math.sin(angle))
            out[t, one], out[t, two] = turned.real, turned.imag
    return out.to(x.dtype)


def grouped_query_attention(q: Float[Tensor, "H T d"], k: Float[Tensor, "K T d"], v: Float[Tensor, "K T d"]) -> Tensor:
    """One head after the other, put side by side."""
    group = len(q) // len(k)
    return torch.cat([causal_attention(q[h], k[h // group], v[h // group]) for h in range(len(q))], dim=1)


def rms_norm(x: Float[Tensor, "... D"], gain: Float[Tensor, " D"], eps: float) -> Tensor:
    """Each row of numbers divided by the root of the mean of its squares.

    >>> rms_norm(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0]), 0.0).round(decimals=2)
    tensor([0.8500, 2.2600])
    """
    rows, scale = x.reshape(-1, x.shape[-1]).tolist(), gain.tolist()
    found = []
    for row in rows:
        root = math.sqrt(sum(a * a for a in row) / len(row) + eps)
        found.append([a / root * g for a, g in zip(row, scale, strict=True)])
    return torch.tensor(found, dtype=torch.float64).reshape(x.shape).to(x.dtype)


def sigmoid(z: float) -> float:
    """1 / (1 + e^-z), on the side where nothing overflows.

    >>> sigmoid(0.0), sigmoid(-1e4)
    (0.5, 0.0)
    """
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def swiglu(
    x: Float[Tensor, "T D"], gate: Float[Tensor, "I D"], up: Float[Tensor, "I D"], down: Float[Tensor, "D I"]
) -> Tensor:
    """One token and one inner number at a time."""

    def apply(weight: Rows, row: Sequence[float]) -> list[float]:
        return [sum(w * a for w, a in zip(line, row, strict=True)) for line in weight]

    found = []
    for row in x.tolist():
        gates, ups = apply(gate.tolist(), row), apply(up.tolist(), row)
        found.append(apply(down.tolist(), [g * sigmoid(g) * u for g, u in zip(gates, ups, strict=True)]))
    return torch.tensor(found, dtype=x.dtype)


def probabilities(logits: Float[Tensor, "N E"]) -> Rows:
    """The softmax of each row."""
    shifted = [[math.exp(z - max(row)) for z in row] for row in logits.tolist()]
    return [[e / sum(row) for e in row] for row in shifted]


def ranked(logits: Float[Tensor, "N E"], k: int) -> list[list[int]]:
    """The k experts of each token: the larger logit first, of equal ones the smaller index.

    >>> ranked(torch.tensor([[1.0, 2.0, 2.0]]), 2)
    [[1, 2]]
    """
    return [sorted(range(len(row)), key=lambda e: (-row[e], e))[:k] for row in logits.tolist()]


def route(logits: Float[Tensor, "N E"], k: int) -> tuple[Float[Tensor, "N k"], Int[Tensor, "N k"], float]:
    """Shares, experts and the balance loss, counted choice by choice."""
    p, experts = probabilities(logits), ranked(logits, k)
    shares = [[row[e] / sum(row[one] for one in mine) for e in mine] for row, mine in zip(p, experts, strict=True)]
    N, E = logits.shape
    loss = 0.0
    for expert in range(E):
        chosen = sum(expert in mine for mine in experts) / (N * k)
        loss += E * chosen * sum(row[expert] for row in p) / N
    return torch.tensor(shares, dtype=logits.dtype), torch.tensor(experts), loss


def matrices(sizes: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    """Every matrix and every gain of a decoder, one by one: its place and its shape."""
    V, D, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    narrow = D // sizes["num_heads"] * sizes["num_kv_heads"]
    found: list[tuple[str, tuple[int, ...]]] = [("embedding", (V, D))]
    for _ in range(sizes["num_layers"]):
        found += [("norms", (D,)), ("attention", (D, D)), ("attention", (narrow, D)), ("attention", (narrow, D))]
        found += [("attention", (D, D)), ("norms", (D,))]
        if sizes["num_experts"]:
            found.append(("router", (sizes["num_experts"], D)))
        for expert in range(max(1, sizes["num_experts"])):
            place = "mlp" if expert < sizes["num_active"] or not sizes["num_experts"] else "idle"
            found += [(place, (inner, D))] * (2 if sizes["gated"] else 1) + [(place, (D, inner))]
    found.append(("norms", (D,)))
    return found if sizes["tied"] else [*found, ("output", (V, D))]


def count_parameters(sizes: dict[str, Any]) -> dict[str, int]:
    """Parameters by place, all of them, those that one token uses, and the bytes of its keys and values."""
    table = matrices(sizes)
    count = {
        place: sum(math.prod(shape) for where, shape in table if where == place)
        for place in ("embedding", "attention", "mlp", "router", "norms", "output", "idle")
    }
    idle = count.pop("idle")
    active = sum(count.values())
    count["mlp"] += idle
    narrow = sizes["hidden_size"] // sizes["num_heads"] * sizes["num_kv_heads"]
    return count | {"total": active + idle, "active": active, "kv_bytes": sizes["num_layers"] * 2 * narrow * 2}
