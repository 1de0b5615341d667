"""Serve many requests with one model: each step runs a few tokens of each through the model at once.

>>> from fullstack_llm.models import load
>>> model, tokenizer = load("base")
>>> engine = Engine(model, tokenizer, blocks=64)
>>> prompts = [[tokenizer.eos_token_id, *tokenizer(f"12 + {other}\\n").input_ids] for other in (34, 51)]
>>> [answer[0].text.splitlines()[-1] for answer in engine.generate(prompts, Settings(max_tokens=80, temperature=0))]
['12 + 34 = 46', '12 + 51 = 63']
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fullstack_llm.engine.blocks import BlockManager
from fullstack_llm.engine.lookup import accepted
from fullstack_llm.engine.paged import PagedCache, Span, arrange, forward
from fullstack_llm.engine.requests import Finish, LogProb, Piece, Sequence, Settings, join
from fullstack_llm.engine.sampling import choose, log_probabilities
from fullstack_llm.engine.scheduler import Chunk, Plan, Scheduler

# A prompt is a text, or the ids of one.
Prompt = str | Several[int]


@dataclass
class Answer:
    """Hold one finished continuation of a prompt."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[LogProb] = field(default_factory=list)
    prompt_logprobs: list[LogProb] = field(default_factory=list)
    finish: Finish | None = None


@dataclass
class Counts:
    """Count what the engine has done since it was made."""

    steps: int = 0
    tokens: int = 0  # that went through the model
    hits: int = 0  # that did not have to, as the prefix cache had their keys and values
    chosen: int = 0  # that were generated
    drafted: int = 0  # that were guessed
    accepted: int = 0  # guesses that were right
    preempted: int = 0
    copied: int = 0  # blocks


class Engine:
    """Hold a model, the blocks of its key-value cache, and the requests that are being answered.

    A step puts at most `budget` tokens through the model, for at most `rows` sequences. `drafts` is how many tokens are
    guessed ahead in a step of a greedy sequence; 0 guesses none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        blocks: int,
        block_size: int = 16,
        budget: int = 512,
        rows: int = 64,
        prefix_cache: bool = True,
        drafts: int = 0,
    ) -> None:
        rope = (getattr(model.config, "rope_parameters", None) or {}).get("rope_type", "default")
        if rope in ("dynamic", "longrope"):
            raise ValueError(f"rope of type {rope} depends on the longest sequence in a batch, so batches would differ")
        self.model, self.tokenizer = model.eval(), tokenizer
        self.manager = BlockManager(blocks, block_size, prefix_cache)
        self.scheduler = Scheduler(self.manager, budget, rows, drafts)
        self.cache = PagedCache(model.config, blocks, block_size, next(model.parameters()))
        ends = model.generation_config.eos_token_id
        self.ends = frozenset([] if ends is None else [ends] if isinstance(ends, int) else ends)
        self.counts, self.added = Counts(), 0

    @property
    def sequences(self) -> list[Sequence]:
        """Return all sequences that are not finished, in order of arrival."""
        return [*self.scheduler.running, *self.scheduler.waiting]

    def add(self, prompt: Prompt, settings: Settings) -> int:
        """Take a request, and return the number by which its pieces are known; ValueError if it can never fit."""
        tokens = list(self.tokenizer(prompt).input_ids) if isinstance(prompt, str) else list(prompt)
        size, longest = len(self.model.get_input_embeddings().weight), self.model.config.max_position_embeddings
        if not tokens:
            raise ValueError("a prompt has at least one token")
        if not all(0 <= token < size for token in tokens):
            raise ValueError(f"the ids of a prompt are from 0 to {size - 1}")
        # The last token is never put through the model.
        room = min(longest, self.manager.blocks * self.manager.block_size) + 1
        if len(tokens) + settings.max_tokens > room:
            raise ValueError(f"{len(tokens)} tokens of prompt and {settings.max_tokens} more: there is room for {room}")
        if settings.n > self.scheduler.rows:
            raise ValueError(f"n is {settings.n}, and at most {self.scheduler.rows} sequences run at once")
        self.scheduler.waiting.append(Sequence(self.added, settings, tokens, self.tokenizer, width=settings.n))
        self.added += 1
        return self.added - 1

    def cancel(self, request: int) -> None:
        """Forget a request, if it is not finished, and give its blocks back."""
        for sequence in self.sequences:
            if sequence.request == request:
                self.scheduler.remove(sequence)

    def step(self) -> list[Piece]:
        """Run one step, and return what it adds to each sequence of which all that was there has been read."""
        plan = self.scheduler.plan()
        if not plan.chunks:
            return []
        self._count(plan)
        self.cache.copy(plan.copies)
        ready = list[tuple[Sequence, list[int], torch.Tensor]]()
        for chunk, logits in zip(plan.chunks, self._forward(plan.chunks), strict=True):
            sequence = chunk.sequence
            if sequence.scoring:
                self._score(chunk, logits)
            if not chunk.complete or sequence.width > 1:
                self.manager.commit(sequence.table, sequence.tokens, chunk.end)
            if chunk.complete:
                # The prompt's blocks are stored now, and all of its continuations share them.
                siblings = self.scheduler.fork(sequence) if sequence.width > 1 else []
                ready += [(each, chunk.drafts, logits[-1 - len(chunk.drafts) :]) for each in [sequence, *siblings]]
        return self._choose(ready) if ready else []

    def stream(self, prompts: Several[Prompt], settings: Settings) -> Iterator[Piece]:
        """Answer some prompts, and yield pieces as they come; their requests are numbered in order, from 0.

        If nobody wants more pieces, the requests are cancelled.
        """
        if self.sequences:
            raise RuntimeError("other requests are being answered: call add and step")
        requests = list[int]()
        try:
            for prompt in prompts:
                requests.append(self.add(prompt, settings))
            while self.sequences:
                for piece in self.step():
                    piece.request -= requests[0]
                    yield piece
        finally:
            for request in requests:
                self.cancel(request)

    def generate(self, prompts: Several[Prompt], settings: Settings) -> list[list[Answer]]:
        """Answer some prompts, each `settings.n` times."""
        answers = [[Answer() for _ in range(settings.n)] for _ in prompts]
        for piece in self.stream(prompts, settings):
            join(answers[piece.request][piece.index], piece)
        return answers

    def _count(self, plan: Plan) -> None:
        """Count what a plan is going to do."""
        self.counts.steps += 1
        self.counts.tokens += self.scheduler.budget - plan.left
        self.counts.hits += plan.hits
        self.counts.preempted += plan.preempted
        self.counts.copied += len(plan.copies)
        self.counts.drafted += sum(len(chunk.drafts) for chunk in plan.chunks)

    def _forward(self, chunks: list[Chunk]) -> Several[torch.Tensor]:
        """Return the logits that are wanted of each chunk."""
        device = self.cache.keys.device
        spans, tokens, wanted = list[Span](), list[int](), list[int]()
        for chunk in chunks:
            spans.append(Span(chunk.sequence.table.blocks, chunk.start, len(chunk.tokens)))
            tokens += chunk.tokens
            wanted += range(len(tokens) - chunk.wanted, len(tokens))
        row = arrange(spans, self.manager.block_size, device)
        ids, places = (torch.tensor(values, dtype=torch.long, device=device) for values in (tokens, wanted))
        return forward(self.model, self.cache, ids, row, places).split([chunk.wanted for chunk in chunks])

    def _score(self, chunk: Chunk, logits: torch.Tensor) -> None:
        """Note the log-probabilities of the prompt's tokens that follow those of a chunk."""
        sequence = chunk.sequence
        next_ones = sequence.tokens[chunk.start + 1 : min(chunk.end + 1, sequence.prompt)]
        counts = [sequence.settings.prompt_logprobs] * len(next_ones)
        found = log_probabilities(logits[: len(next_ones)], next_ones, counts)
        sequence.scores |= {chunk.start + at: each for at, each in enumerate(found, 1) if each}

    def _choose(self, ready: list[tuple[Sequence, list[int], torch.Tensor]]) -> list[Piece]:
        """Choose the next tokens of sequences from the logits after their last token and after each of its drafts."""
        rows = [sequence for sequence, _, logits in ready for _ in logits]
        logits = torch.cat([logits for *_, logits in ready])
        # NaN, or nothing that is likely: this concerns the row's own sequence and no other.
        broken = ~logits.amax(-1).isfinite()
        logits = logits.masked_fill(broken[:, None], 0) if broken.any() else logits
        chosen = choose(logits, [each.settings for each in rows], [each.generator for each in rows])
        logprobs = log_probabilities(logits, chosen, [each.settings.logprobs for each in rows])
        pieces, at = [], 0
        for sequence, drafts, _ in ready:
            right, end = accepted(drafts, chosen[at:]), at + 1 + len(drafts)
            if broken[at:end].any():
                pieces.append(self._fail(sequence))
            else:
                self.counts.accepted += right
                pieces.append(self._extend(sequence, chosen[at : at + right + 1], logprobs[at : at + right + 1]))
            at = end
        return pieces

    def _fail(self, sequence: Sequence) -> Piece:
        """End a sequence whose logits are not numbers, and let nobody read keys or values of it that are not either."""
        # What another sequence holds too stays, and ends that one as well: with zeros it would give a wrong answer.
        self.cache.clear(self.manager.forget(self.cache.broken(sequence.table.blocks)))
        self.scheduler.remove(sequence)
        return Piece(sequence.request, sequence.index, finish="error")

    def _extend(self, sequence: Sequence, tokens: list[int], logprobs: list[LogProb | None]) -> Piece:
        """Add tokens to a sequence up to where it ends, note what is stored, and return what is new."""
        piece = Piece(sequence.request, sequence.index)
        if len(sequence.tokens) == sequence.prompt:
            piece.prompt_logprobs = [each for _, each in sorted(sequence.scores.items())]
        for token, logprob in zip(tokens, logprobs, strict=True):
            sequence.tokens.append(token)
            piece.tokens.append(token)
            piece.logprobs += [] if logprob is None else [logprob]
            text, piece.finish = self._read(sequence, token)
            piece.text += text
            if piece.finish:
                break
        self.counts.chosen += len(piece.tokens)
        # All but the last token have gone through the model; guesses that were wrong are behind it, and are dropped.
        self.manager.commit(sequence.table, sequence.tokens, len(sequence.tokens) - 1)
        if piece.finish:
            self.scheduler.remove(sequence)
        return piece

    def _read(self, sequence: Sequence, token: int) -> tuple[str, Finish | None]:
        """Return the text that a new token makes certain, and why the sequence ends with it, if it does."""
        settings = sequence.settings
        ended = token in settings.stop_ids or (token in self.ends and not settings.ignore_eos)
        text, found = sequence.stops.push("" if ended else sequence.detokenizer.push(token))
        if found or not (ended or sequence.room == 0):
            return text, "stop" if found else None
        rest, found = sequence.stops.push(sequence.detokenizer.flush())
        rest += "" if found else sequence.stops.flush()
        return text + rest, "stop" if ended or found else "length"
