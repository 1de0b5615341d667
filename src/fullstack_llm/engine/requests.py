"""Describe a request: how to sample, what comes back, and the sequence of tokens that the engine works on.

>>> Settings(max_tokens=8, top_p=1.5)
Traceback (most recent call last):
ValueError: top_p is above 0 and at most 1, not 1.5
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from fullstack_llm.engine.blocks import Table
from fullstack_llm.engine.text import Detokenizer, StopStrings

# Why a sequence ended: a stop string, a stop id or the end of the text; or all tokens that were asked for; or the model
# gave no numbers to choose by.
Finish = Literal["stop", "length", "error"]


@dataclass(frozen=True)
class Settings:
    """Hold how a request is answered.

    A temperature of 0 takes the likeliest token. Otherwise the logits are divided by the temperature, and then cut by
    `top_k`, `top_p` and `min_p` in this order; 0, 1 and 0 cut nothing. Sequence i of `n` draws from a generator that
    depends on `seed` and i alone; without a seed it differs each time. An answer ends before a string in `stop`, at an
    id in `stop_ids`, at the model's end of text unless `ignore_eos`, or after `max_tokens`. `logprobs` asks for the
    log-probability of each token, by the model before any of these settings, and for those of as many likeliest tokens;
    `prompt_logprobs` asks for the same of each token of the prompt after the first.
    """

    max_tokens: int = 16
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no engine can do."""
        bounds = {
            "max_tokens": (self.max_tokens >= 1, "at least 1"),
            "temperature": (self.temperature == 0 or 1e-5 <= self.temperature < float("inf"), "0, or at least 0.00001"),
            "top_k": (self.top_k >= 0, "at least 0"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "min_p": (0 <= self.min_p <= 1, "from 0 to 1"),
            "n": (self.n >= 1, "at least 1"),
            "seed": ((self.seed or 0) >= 0, "at least 0"),
            "stop": (not isinstance(self.stop, str) and all(self.stop), "a tuple of strings that are not empty"),
            "logprobs": ((self.logprobs or 0) >= 0, "at least 0"),
            "prompt_logprobs": ((self.prompt_logprobs or 0) >= 0, "at least 0"),
        }
        for name, (met, wanted) in bounds.items():
            if not met:
                raise ValueError(f"{name} is {wanted}, not {getattr(self, name)!r}")

    def generator(self, index: int) -> torch.Generator:
        """Return the source of random numbers of sequence `index`."""
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
            return generator
        return generator.manual_seed(int(np.random.SeedSequence([self.seed, index]).generate_state(1)[0]))


class LogProb(NamedTuple):
    """Hold a token's log-probability in nats, and the likeliest tokens with theirs, the likeliest first."""

    logprob: float
    top: list[tuple[int, float]]


@dataclass
class Piece:
    """Hold what one step adds to one sequence of a request: text, tokens, and why it ended, if it did.

    Text may come later than its tokens: it waits until a character is whole and no stop string can begin in it.
    """

    request: int
    index: int
    text: str = ""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[LogProb] = field(default_factory=list)
    prompt_logprobs: list[LogProb] = field(default_factory=list)
    finish: Finish | None = None


class Part(Protocol):
    """Say what a piece and a whole answer have in common."""

    text: str
    tokens: list[int]
    logprobs: list[LogProb]
    prompt_logprobs: list[LogProb]
    finish: Finish | None


def join(whole: Part, piece: Part) -> None:
    """Put a piece behind what there is of its sequence."""
    whole.text += piece.text
    whole.tokens += piece.tokens
    whole.logprobs += piece.logprobs
    whole.prompt_logprobs += piece.prompt_logprobs
    whole.finish = piece.finish


@dataclass(eq=False)
class Sequence:
    """Hold one continuation of a prompt: its tokens, where their keys and values lie, and what makes text of them.

    Before its prompt is read, one sequence stands for all `n` of a request: its `width`.
    """

    request: int
    settings: Settings
    tokens: list[int]
    tokenizer: PreTrainedTokenizerBase
    index: int = 0
    width: int = 1
    table: Table = field(default_factory=Table)

    def __post_init__(self) -> None:
        """Note where the prompt ends, and set up the sequence's own random numbers and text."""
        self.prompt = len(self.tokens)
        self.scores: dict[int, LogProb] = {}  # of the prompt's tokens, by position
        self.generator = self.settings.generator(self.index)
        self.detokenizer, self.stops = Detokenizer(self.tokenizer), StopStrings(self.settings.stop)

    @property
    def missing(self) -> int:
        """Return how many tokens have no keys and values yet: 1 while decoding, more while a prompt is read."""
        return len(self.tokens) - self.table.length

    @property
    def scoring(self) -> bool:
        """Return whether log-probabilities of the prompt are asked for and not there yet."""
        return self.settings.prompt_logprobs is not None and len(self.scores) < self.prompt - 1

    @property
    def room(self) -> int:
        """Return how many tokens may still be added."""
        return self.prompt + self.settings.max_tokens - len(self.tokens)

    def sibling(self, index: int, table: Table) -> Sequence:
        """Return another continuation of the same prompt, of which nothing has been generated yet."""
        sibling = Sequence(self.request, self.settings, list(self.tokens), self.tokenizer, index, table=table)
        sibling.scores = self.scores
        return sibling
