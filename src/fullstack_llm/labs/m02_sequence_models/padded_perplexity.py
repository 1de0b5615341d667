"""Exercise 2 of lab 02: the perplexity of a padded batch, by token, by row, and in bits a character."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def padded_perplexity(logits, ids, lengths, side, characters):
    T = ids.shape[1]
    lost, rows = [], []
    for row in range(len(ids)):
        first = 0 if side == "right" else T - lengths[row]
        last = first + lengths[row]
        losses = F.cross_entropy(logits[row, first : last - 1].double(), ids[row, first + 1 : last], reduction="none")
        lost.append(losses)
        rows.append(losses.mean().exp().item() if len(losses) else None)
    every = torch.cat(lost)
    return {
        "perplexity": every.mean().exp().item(),
        "rows": rows,
        "bits": every.sum().item() / math.log(2) / sum(characters),
    }


@padded_perplexity.right
def with_a_mask(logits, ids, lengths, side, characters):
    B, T, _ = logits.shape
    place = torch.arange(T).expand(B, T)
    lengths = torch.tensor(lengths)[:, None]
    real = place < lengths if side == "right" else place >= T - lengths
    counted = real[:, 1:] & real[:, :-1]
    chosen = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    losses = torch.where(counted, -chosen, torch.zeros(()))
    per_row = (losses.sum(1) / counted.sum(1)).exp().tolist()
    return {
        "perplexity": float((losses.sum() / counted.sum()).exp()),
        "rows": [one if count else None for one, count in zip(per_row, counted.sum(1).tolist(), strict=True)],
        "bits": float(losses.sum() / torch.tensor(2.0).log() / sum(characters)),
    }


def batch(draw: Draw, lengths: list[int], T: int, side: str, scale: float = 2.0):
    """Draw a batch whose padding is id 0, which the rows use too."""
    V = 7
    ids = torch.zeros(len(lengths), T, dtype=torch.long)
    for row, length in enumerate(lengths):
        real = torch.tensor([draw.randrange(V) for _ in range(length)], dtype=torch.long)
        first = 0 if side == "right" else T - length
        ids[row, first : first + length] = real
    # What a model says in the middle of padding is anything.
    logits = normal(draw, len(lengths), T, V, scale=scale)
    return logits, ids, lengths, side, [draw.randint(1, 9) * length for length in lengths]


@padded_perplexity.part(3, "All losses together, in bits, over all characters.", "bits", items=("bits",))
@padded_perplexity.part(4, "Each row's own losses alone, and None where a row has none.", "rows", items=("rows",))
@padded_perplexity.part(5, "Which losses count? Each real token but a row's first, under the logits before it.", "perplexity", items=("perplexity",))  # fmt: skip
def batches(draw: Draw):
    for lengths, T, side in (
        ([5, 3, 2], 6, "right"),
        ([2, 6, 4], 6, "left"),
        ([4, 1, 7], 7, "right"),
        ([1, 3, 1, 5], 8, "left"),
        ([4], 4, "right"),
    ):
        yield batch(draw, lengths, T, side)
    # Logits whose exponentials are not numbers, and a token of hardly any probability.
    logits, ids, *rest = batch(draw, [6, 3], 6, "left")
    logits[0, 1, ids[0, 2]] -= 150
    yield logits + 1000, ids, *rest


LOSSES, EVERY = "logits[row, first : last - 1].double(), ids[row, first + 1 : last]", "every = torch.cat(lost)"
WHOLE, ROWS, BITS = (
    '"perplexity": every.mean().exp().item()',
    "rows.append(losses.mean().exp().item() if len(losses) else None)",
    "every.sum().item() / math.log(2) / sum(characters)",
)
padded_perplexity.mistakes(f"""
The logits at a place speak of the token *after* it.
    {LOSSES} => logits[row, first + 1 : last].double(), ids[row, first + 1 : last]
    {LOSSES} => logits[row, first : last].double(), ids[row, first : last]
    {LOSSES} => logits[row, first + 1 : last].double(), ids[row, first : last - 1]
Padding is counted too: it is no token of the text.
    last = first + lengths[row] => first, last = 0, T
    last = first + lengths[row] => last = T
    last = first + lengths[row] => last = min(T, first + lengths[row] + 1)
    first = 0 if side == "right" else T - lengths[row] => first = max(0, 0 if side == "right" else T - lengths[row] - 1)
Padding may stand on the left: then a row begins at T less its length.
    first = 0 if side == "right" else T - lengths[row] => first = 0
    first = 0 if side == "right" else T - lengths[row] => first = 0 if side == "left" else T - lengths[row]
Padding is told by the lengths, not by id 0, which is a token like any other.
    {LOSSES} => logits[row, first : last - 1].double()[ids[row, first + 1 : last] != 0], ids[row, first + 1 : last][ids[row, first + 1 : last] != 0]
Perplexity is the exponential of the mean loss over all tokens, not a mean over rows: rows have different lengths.
    {WHOLE} => "perplexity": sum(one for one in rows if one) / sum(one is not None for one in rows)
    {WHOLE} => "perplexity": torch.stack([one.mean() for one in lost if len(one)]).mean().exp().item()
Take the mean before the exponential: a mean of exponentials is another number.
    {WHOLE} => "perplexity": every.exp().mean().item()
    losses.mean().exp().item() if => losses.exp().mean().item() if
Divide by the number of losses that count: a row's first token has none.
    {WHOLE} => "perplexity": (every.sum() / sum(lengths)).exp().item()
    {WHOLE} => "perplexity": (every.sum() / ids.numel()).exp().item()
    {WHOLE} => "perplexity": (every.sum() / (ids.numel() - len(ids))).exp().item()
    {ROWS} => rows.append((losses.sum() / lengths[row]).exp().item() if len(losses) else None)
    {ROWS} => rows.append((losses.sum() / T).exp().item() if len(losses) else None)
This is the loss, and perplexity is its exponential; losses are in nats.
    {WHOLE} => "perplexity": every.mean().item()
    {WHOLE} => "perplexity": (2 ** every.mean()).item()
    {ROWS} => rows.append(losses.mean().item() if len(losses) else None)
    {ROWS} => rows.append((2 ** losses.mean()).item() if len(losses) else None)
A row of one token has no loss: its place holds None, and no number.
    {ROWS} => rows.append(losses.mean().exp().item())
    {ROWS} => rows.append(losses.mean().exp().item() if len(losses) else 0.0)
    {ROWS} => rows.append(losses.mean().exp().item() if len(losses) else 1.0)
    {ROWS} => rows.append(losses.mean().exp().item() if len(losses) else float("inf"))
    {ROWS} => rows += [losses.mean().exp().item()] if len(losses) else []
Bits are nats over ln 2: here they were left as nats, or multiplied.
    {BITS} => every.sum().item() / sum(characters)
    {BITS} => every.sum().item() * math.log(2) / sum(characters)
    {BITS} => every.sum().item() / math.log2(math.e) / sum(characters)
Bits a character: the sum of all losses over all characters, not a mean over tokens, or over rows.
    {BITS} => every.mean().item() / math.log(2)
    {BITS} => every.mean().item() / math.log(2) / sum(characters)
    {BITS} => sum(one.sum().item() / count for one, count in zip(lost, characters)) / math.log(2) / len(lost)
    {BITS} => every.mean().item() / math.log(2) * sum(lengths) / sum(characters)
    {BITS} => every.sum().item() / math.log(2) / sum(lengths)
Exponentials of large logits are infinite: take the losses of logits with log_softmax, or subtract the largest first.
    F.cross_entropy({LOSSES}, reduction="none") => -(logits[row, first : last - 1].exp() / logits[row, first : last - 1].exp().sum(-1, keepdim=True)).gather(-1, ids[row, first + 1 : last, None])[:, 0].log().double()
    F.cross_entropy({LOSSES}, reduction="none") => -logits[row, first : last - 1].softmax(-1).gather(-1, ids[row, first + 1 : last, None])[:, 0].log().double()
""")
