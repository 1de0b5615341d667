"""Train one of the small models from whose losses module 06 predicts those of larger ones.

The recipe is that of the course's model: Muon for the matrices, AdamW for the rest, a rate that falls in a straight
line to zero at the end of this run. Only size, steps, seed, and the rate's peak (`peaks`) differ from run to run.

>>> planned(1e11, Size(2, 48)).steps
203
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from fullstack_llm.models.loop import train
from fullstack_llm.models.pretrain import batch, begin, steps_on, stream
from fullstack_llm.models.recipes import Pretraining
from fullstack_llm.scaling.exams import answered
from fullstack_llm.scaling.laws import FLOP
from fullstack_llm.tokenization import course_tokenizer

ROWS, LENGTH = 4, 256  # 1,024 tokens a step
HELD_OUT, OTHER_SEED = 64, 1_000  # rows of other documents on the same town, on which every run is measured
FEWEST = 40  # steps of a run that is worth its row


class Size(NamedTuple):
    """Name a model of the family: its layers and the width of its residual stream. The course's `base` is (4, 128)."""

    layers: int
    width: int

    def __str__(self) -> str:
        return f"{self.layers}x{self.width}"

    @property
    def parameters(self) -> dict[str, int]:
        """Return the numbers of parameters: of the embedding, which is the output matrix too, and of the layers.

        >>> Size(4, 128).parameters
        {'embedding': 65536, 'layers': 738432}
        """
        return _parameters(self)


# From twelve thousand parameters to six million.
SIZES = tuple(
    Size(*pair)
    for pair in (
        *((1, 16), (1, 24), (1, 32), (2, 32), (2, 48), (2, 64), (3, 64), (4, 64)),
        *((4, 96), (4, 128), (5, 160), (7, 192), (8, 256)),
    )
)


@dataclass(frozen=True)
class Run:
    """Describe one run. The seed decides weights and data; `epochs` is how often each token is read.

    `rate` multiplies the peaks of the learning rates that `peaks` chooses.
    """

    layers: int
    width: int
    steps: int
    seed: int = 0
    epochs: int = 1
    rate: float = 1.0

    @property
    def size(self) -> Size:
        """Return the size of the model."""
        return Size(self.layers, self.width)

    @property
    def tokens(self) -> int:
        """Return the number of tokens that the run reads."""
        return self.steps * ROWS * LENGTH

    @property
    def name(self) -> str:
        """Return a name for files.

        >>> Run(2, 48, 203).name
        '2x48-203-0-1-1.0'
        """
        return f"{self.size}-{self.steps}-{self.seed}-{self.epochs}-{self.rate}"

    @property
    def recipe(self) -> Pretraining:
        """Return the run as a recipe of the course."""
        heads, (muon_lr, lr) = max(1, self.width // 32), peaks(self.steps)
        return Pretraining(
            name=self.name,
            layers=self.layers,
            width=self.width,
            inner=8 * round(2.75 * self.width / 8),
            heads=heads,
            # The most that divide the heads, up to half of them.
            kv_heads=max(k for k in range(1, max(1, heads // 2) + 1) if heads % k == 0),
            steps=self.steps,
            batch=ROWS,
            length=LENGTH,
            warmup=max(1, min(100, self.steps // 10)),
            seed=self.seed,
            lr=lr * self.rate,
            muon_lr=muon_lr * self.rate,
        )


def peaks(steps: int) -> tuple[float, float]:
    """Return the peaks of Muon's rate and of AdamW's for a run of that many steps: a short run needs a higher one.

    Eight times those of `base` up to 250 steps, and falling with the root of the steps from there. No rule suits all
    sizes, so the recorded run `scaling-grid` has each of its longer runs at a higher rate too, and counts the better.

    >>> peaks(200), peaks(4000)
    ((0.048, 0.032), (0.012, 0.008))
    """
    times = 8 * min(1.0, (250 / steps) ** 0.5)
    return Pretraining.muon_lr * times, Pretraining.lr * times


@cache
def _parameters(size: Size) -> dict[str, int]:
    with torch.device("meta"):
        model = LlamaForCausalLM(Run(*size, 1).recipe.config(len(course_tokenizer.load())))
    embedding = model.get_input_embeddings().weight.numel()
    return {"embedding": embedding, "layers": sum(p.numel() for p in model.parameters()) - embedding}


def planned(flop: float, size: Size, seed: int = 0, epochs: int = 1, rate: float = 1.0) -> Run:
    """Return the run of that size whose compute, 6 N D with all parameters in N, comes nearest to `flop`."""
    per_step = FLOP * sum(size.parameters.values()) * ROWS * LENGTH
    return Run(*size, max(1, round(flop / per_step)), seed, epochs, rate)


@cache
def _read(seed: int, rows: int) -> Int[Tensor, " N"]:
    # A recipe's text depends on its seed and on the number of its tokens, not on the size of the model.
    plan = replace(Run(*SIZES[0], 1).recipe, seed=seed, batch=rows)
    return stream(plan, course_tokenizer.load())


def tokens(run: Run) -> Int[Tensor, " N"]:
    """Return the tokens of a run, one more than it reads; runs of one seed begin alike, however long they are."""
    unique = max(1, round(run.steps / run.epochs)) * ROWS
    # Read in powers of two, so that runs of other lengths find the same tokens in the cache.
    once = _read(run.seed, 1 << (unique - 1).bit_length())[: unique * LENGTH]
    times = -(-(run.tokens + 1) // len(once))
    return once.repeat(times)[: run.tokens + 1]


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM) -> float:
    """Return the mean loss on the held-out rows, in nats a token."""
    inputs, targets = batch(_read(OTHER_SEED, HELD_OUT), HELD_OUT, LENGTH, 0)
    total = 0.0
    for some, wanted in zip(inputs.split(8), targets.split(8), strict=True):
        logits = model(some.to(model.device), use_cache=False).logits
        total += cross_entropy(logits.flatten(0, 1), wanted.flatten().to(model.device), reduction="sum").item()
    return total / targets.numel()


def fit(run: Run, folder: Path) -> dict[str, Any]:
    """Train a run and return its row of the table; an interrupted call resumes from a file in `folder`.

    The row has what `Run` has, the number of parameters and how many of them are the embedding's, the tokens, the
    compute in FLOP (6 N D), the held-out `loss` in nats a token, `curve` (steps, and the training loss averaged over
    the last tenth before each), what the model answers (`exams.answered`), and the seconds of its steps.
    """
    recipe = run.recipe
    model = begin(recipe, course_tokenizer.load())
    step_of = steps_on(tokens(run), model, recipe)
    began = time.process_time()
    trained = train(model, recipe, step_of, folder / f"{run.name}.pt", save_every=1_000)
    total = sum(run.size.parameters.values())
    return {
        **asdict(run),
        "parameters": total,
        "embedding": run.size.parameters["embedding"],
        "tokens": run.tokens,
        "flop": FLOP * total * run.tokens,
        "loss": round(held_out_loss(model), 5),
        "curve": curve(trained.record),
        **answered(model),
        "seconds": round(trained.seconds, 1),
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def curve(losses: list[float], points: int = 24) -> list[list[float]]:
    """Return steps in a geometric series up to the last, and the mean loss of the last tenth of the steps before each.

    >>> curve([4.0, 3.0, 2.0, 2.0], points=2)
    [[2, 3.0], [4, 2.0]]
    """
    last = len(losses)
    steps = sorted({round(last * (2 / last) ** (1 - k / (points - 1))) for k in range(points)}) if last > 2 else [last]
    means = []
    for step in steps:
        some = losses[min(step - 1, int(step * 0.9)) : step]
        means.append([step, round(sum(some) / len(some), 4)])
    return means
