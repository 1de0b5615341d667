"""Exercise 1 of lab 05: the loss of the next token, where rows hold documents, prompts and padding."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=2, review=LIBRARIES)
def shifted_loss(logits, ids, documents, learnt):
    z, y = logits[:, :-1].double(), ids[:, 1:]
    here, there = documents[:, :-1], documents[:, 1:]
    counted = (here == there) & (there >= 0) & learnt[:, 1:]
    number = int(counted.sum())
    z, y = z[counted], y[counted]
    losses = z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0]
    return losses.sum().item() / max(number, 1), number


@shifted_loss.right
def loops(logits, ids, documents, learnt):
    losses = []
    for row, tokens, owners, wanted in zip(logits.tolist(), ids.tolist(), documents.tolist(), learnt.tolist()):
        for t in range(1, len(tokens)):
            if wanted[t] and owners[t] == owners[t - 1] != -1:
                z = row[t - 1]
                losses.append(max(z) + math.log(sum(math.exp(a - max(z)) for a in z)) - z[tokens[t]])
    return math.fsum(losses) / len(losses) if losses else 0.0, len(losses)


@shifted_loss.right
def library(logits, ids, documents, learnt):
    targets = ids.masked_fill(~learnt | (documents < 0), -100)
    targets[:, 1:][documents[:, 1:] != documents[:, :-1]] = -100
    flat = targets[:, 1:].reshape(-1)
    number = (flat != -100).sum().item()
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), flat, reduction="sum")
    return loss.item() / number if number else 0.0, number


def rows(draw: Draw, B: int, T: int, V: int, lengths: tuple[tuple[int, ...], ...], prompt: float):
    """Draw rows of documents of these lengths, what is left of a row being padding."""
    documents = torch.full((B, T), -1)
    number = 0
    for row, sizes in enumerate(lengths):
        at = 0
        for size in sizes:
            documents[row, at : at + size] = number
            number, at = number + 1, at + size
    ids = torch.tensor([[draw.randrange(V) for _ in range(T)] for _ in range(B)])
    ids[documents < 0] = 0
    learnt = torch.tensor([[draw.random() >= prompt for _ in range(T)] for _ in range(B)])
    return normal(draw, B, T, V, scale=2.0), ids, documents, learnt


@shifted_loss.part(
    6,
    "Which tokens count? Each that is learnt and has a token of the same document before it, which predicts it.",
    "one document a row",
)
def prompts(draw: Draw):
    logits, ids, documents, learnt = rows(draw, 3, 7, 5, ((7,), (7,), (7,)), 0.5)
    # Tokens that count: another number in each row, none the number of learnt ones, of prompts or of all.
    learnt[:] = torch.tensor([[0, 0, 1, 1, 0, 1, 1], [1, 0, 0, 0, 1, 0, 0], [1, 1, 1, 0, 1, 0, 1]]) == 1
    yield logits, ids, documents, learnt
    yield torch.tensor([[[1.0, 3.0], [4.0, 1.0], [1.0, 1.0]]]).log(), *ADA
    for B, T, V in ((1, 2, 2), (2, 11, 3), (4, 4, 4)):
        yield rows(draw, B, T, V, ((T,),) * B, 0.3)


ADA = (torch.tensor([[0, 1, 0]]), torch.tensor([[0, 0, 0]]), torch.tensor([[True, True, True]]))


@shifted_loss.part(
    5,
    "A token whose predecessor belongs to another document, and padding, do not count.",
    "several documents",
)
def several(draw: Draw):
    logits, ids, documents, learnt = rows(draw, 3, 11, 7, ((4, 5), (3, 1, 7), (2, 3, 3)), 0.0)
    learnt[0, 1] = learnt[1, 5] = learnt[1, 3] = learnt[2, 7] = learnt[2, 0] = learnt[0, 6] = False
    yield logits, ids, documents, learnt
    for _ in range(3):
        yield rows(draw, 2, 13, 5, ((5, 2, 6), (1, 1, 4)), 0.3)
    # The numbers of documents need not ascend.
    logits, ids, documents, learnt = rows(draw, 2, 7, 3, ((3, 4), (2, 2)), 0.2)
    yield logits, ids, torch.where(documents >= 0, 90 - documents, documents), learnt


@shifted_loss.part(
    5,
    "Numbers that do not count must not be touched: not by a product with 0, and not by a division.",
    "edges",
)
def edges(draw: Draw):
    # What stands in padding may be no number.
    logits, ids, documents, learnt = rows(draw, 2, 7, 5, ((4,), (3, 2)), 0.0)
    logits[documents < 0] = math.nan
    yield logits, ids, documents, learnt
    logits, *others = rows(draw, 2, 5, 7, ((5,), (2, 3)), 0.2)
    yield logits + 1e4, *others
    logits, *others = rows(draw, 2, 5, 3, ((5,), (3, 2)), 0.0)
    yield 300 * logits, *others
    # Nothing counts in one row, then in none, then there is nothing to predict.
    logits, ids, documents, learnt = rows(draw, 3, 5, 3, ((5,), (5,), (5,)), 0.0)
    learnt[1] = False
    yield logits, ids, documents, learnt
    yield logits, ids, documents, learnt & False
    yield rows(draw, 3, 1, 5, ((1,), (1,), ()), 0.0)


shifted_loss.mistakes("""
Each position is asked for its own token, which it has read: position t predicts the token at t + 1.
    logits[:, :-1] => logits[:, 1:]
    logits[:, :-1].double(), ids[:, 1:] => logits.double(), ids && (here == there) & (there >= 0) & learnt[:, 1:] => (documents >= 0) & learnt
    logits[:, :-1].double(), ids[:, 1:] => logits.double(), ids && (here == there) & (there >= 0) & learnt[:, 1:] => (documents >= 0) & learnt & torch.cat([here[:, :1] < -1, here == there], 1)
The last place of a row is asked for the row's first token, as torch.roll has it: nothing follows it in its row.
    logits[:, :-1].double(), ids[:, 1:] => logits.double(), ids.roll(-1, 1) && (here == there) & (there >= 0) & learnt[:, 1:] => (documents == documents.roll(-1, 1)) & (documents >= 0) & learnt.roll(-1, 1)
    logits[:, :-1].double(), ids[:, 1:] => logits.double(), ids.roll(-1, 1) && (here == there) & (there >= 0) & learnt[:, 1:] => (documents >= 0) & learnt.roll(-1, 1)
The shift goes the wrong way: the logits at t are about the token at t + 1, not at t - 1.
    logits[:, :-1].double(), ids[:, 1:] => logits[:, 1:].double(), ids[:, :-1]
Whether a token counts is said at its own place: learnt[t + 1] goes with the logits at t.
    learnt[:, 1:] => learnt[:, :-1]
Tokens that are not learnt, those of prompts, are counted as well.
    & learnt[:, 1:] =>
It is the other way round: learnt is True where a token counts.
    learnt[:, 1:] => ~learnt[:, 1:]
Pairs inside a prompt are left out here, and with them those that lead out of it: the token decides, not its predecessor.
    learnt[:, 1:] => learnt[:, 1:] & learnt[:, :-1]
The first token of a document is counted: what stands before it belongs to another one, and cannot know it.
    (here == there) & =>
Padding is told by its document, -1, and not by its id: 0 is the id of a token, too.
    & (there >= 0) => & (ids[:, 1:] != 0)
Padding is counted: its documents are -1, and nothing there is to be learnt.
    & (there >= 0) =>
The last token of each document is missing, or the last before padding: only *its* successor does not count.
    learnt[:, 1:] => learnt[:, 1:] & (torch.cat([there[:, 1:], there[:, -1:] - 1], 1) == there)
This is the sum of the losses: divide by how many were counted.
    / max(number, 1) =>
The sum of the losses is right, and it is divided by another number than that of the tokens that count.
    / max(number, 1) => / len(ids)
    / max(number, 1) => / ids.numel()
    / max(number, 1) => / (len(ids) * (ids.shape[1] - 1))
    / max(number, 1) => / max(int(learnt.sum()), 1)
    / max(number, 1) => / max(int((documents >= 0).sum()), 1)
The mean of the rows' means: rows with few tokens that count weigh as much as the others. Add up first, divide once.
    losses.sum().item() / max(number, 1) => sum(part.mean().item() for part in losses.split(counted.sum(1).tolist()) if len(part)) / max(1, int(counted.any(1).sum()))
    losses.sum().item() / max(number, 1) => sum(part.mean().item() for part in losses.split(counted.sum(1).tolist()) if len(part)) / len(ids)
The loss is right, and the number is not: count the tokens whose loss was added up.
    max(number, 1), number => max(number, 1), int(learnt.sum())
    max(number, 1), number => max(number, 1), int(learnt[:, 1:].sum())
    max(number, 1), number => max(number, 1), ids.numel()
This is in bits: the logarithm is the natural one.
    losses.sum().item() / max(number, 1) => losses.sum().item() / max(number, 1) / math.log(2)
This is e to the loss, the perplexity: return the loss.
    losses.sum().item() / max(number, 1) => math.exp(min(losses.sum().item() / max(number, 1), 700.0))
The sign: the loss is minus the logarithm of a probability.
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => z.gather(-1, y[:, None])[:, 0] - z.logsumexp(-1)
These are the logits of the right tokens: the logarithm of the sum of exponentials is missing.
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -z.gather(-1, y[:, None])[:, 0]
The softmax came twice: F.cross_entropy takes logits, and does its own.
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => F.cross_entropy(z.softmax(-1), y, reduction="none")
The nan of padding has come in: nan times 0 is nan, and so is its loss for whatever target. Choose what counts, then add up.
    return losses => return ((logits[:, :-1].logsumexp(-1) - logits[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]) * counted).sum().item() / max(number, 1), number\\n    return losses
exp overflows, or a probability is 0: subtract the largest logit, or use logsumexp or log_softmax.
    z.logsumexp(-1) => z.exp().sum(-1).log()
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -z.float().softmax(-1).gather(-1, y[:, None])[:, 0].log()
A small number, added to a probability, caps the loss: use logsumexp or log_softmax.
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -(z.float().softmax(-1).gather(-1, y[:, None])[:, 0] + 1e-8).log()
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -(z.float().softmax(-1).gather(-1, y[:, None])[:, 0] + 1e-9).log()
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -(z.float().softmax(-1).gather(-1, y[:, None])[:, 0] + 1e-10).log()
    z.logsumexp(-1) - z.gather(-1, y[:, None])[:, 0] => -(z.float().softmax(-1).gather(-1, y[:, None])[:, 0] + 1e-12).log()
The mean of nothing is nan, in F.cross_entropy too: where no token counts the loss is 0.0.
    losses.sum().item() / max(number, 1) => losses.mean().item()
Nothing counts here, and a number is divided by 0: return 0.0 and 0.
    max(number, 1) => number
""")
