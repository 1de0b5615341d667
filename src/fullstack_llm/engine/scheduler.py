"""Decide step by step which tokens of which sequences go through the model, and which sequences must wait.

A step has a budget of tokens. Sequences that decode come first, so that they never wait for a long prompt; the rest of
the budget reads prompts, a chunk at a time (Agrawal et al. 2024, arXiv 2403.02310). Sequences join and leave between
any two steps (Yu et al. 2022, Orca). When no block is left, the youngest sequence gives all of its blocks back and
waits at the front of the queue; its tokens are kept, and go through the model again later (Kwon et al. 2023, arXiv
2309.06180). So sequences run and wait in the order in which they came, and the oldest one always goes on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from fullstack_llm.engine.blocks import BlockManager, Copy
from fullstack_llm.engine.lookup import propose
from fullstack_llm.engine.requests import Sequence


@dataclass
class Chunk:
    """Name tokens that one sequence puts through the model in a step: from `start` to `end`, and guesses after them."""

    sequence: Sequence
    start: int
    end: int
    drafts: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Return whether no token of the sequence is left out, so that the logits at the end are wanted."""
        return self.end == len(self.sequence.tokens)

    @property
    def tokens(self) -> list[int]:
        """Return the ids that go through the model."""
        return self.sequence.tokens[self.start : self.end] + self.drafts

    @property
    def wanted(self) -> int:
        """Return of how many tokens, the last ones of the chunk, the logits are wanted."""
        if self.sequence.scoring:
            return len(self.tokens)
        return 1 + len(self.drafts) if self.complete else 0


@dataclass
class Plan:
    """Hold what a step does: copies of blocks, then the chunks; and what is left of its budget."""

    left: int
    chunks: list[Chunk] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    preempted: int = 0  # sequences that lost their blocks
    hits: int = 0  # tokens whose keys and values the prefix cache had


class Scheduler:
    """Keep the sequences that wait and those that run, both in order of arrival, and plan each step."""

    def __init__(self, manager: BlockManager, budget: int, rows: int, drafts: int = 0) -> None:
        if not 1 <= rows <= budget:
            raise ValueError(f"a budget of {budget} tokens a step cannot give each of {rows} sequences one")
        self.manager, self.budget, self.rows, self.drafts = manager, budget, rows, drafts
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    def plan(self) -> Plan:
        """Plan a step, and take the blocks that it needs."""
        plan = Plan(self.budget)
        # The sort is stable: those that decode, and those that read, each in order of arrival.
        for sequence in sorted(self.running, key=lambda each: each.missing > 1):
            count = min(sequence.missing, plan.left)
            if count and sequence in self.running and self._make_room(plan, sequence, sequence.table.length + count):
                self._append(plan, sequence, count)
        # What has just been preempted would take back the blocks that another sequence is about to need.
        while self.waiting and plan.left and not plan.preempted and self._admit(plan):
            sequence = self.running[-1]
            self._append(plan, sequence, min(sequence.missing, plan.left))
        if self.drafts:
            self._guess(plan)
        return plan

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, wherever it is, and its blocks from it."""
        queue = self.running if sequence in self.running else self.waiting
        queue.remove(sequence)
        self.manager.release(sequence.table)

    def restart(self) -> None:
        """Let all sequences that run wait again, in the same order and without blocks; their tokens are kept."""
        while self.running:
            self.manager.release(self.running[-1].table)
            self.waiting.appendleft(self.running.pop())

    def fork(self, sequence: Sequence) -> list[Sequence]:
        """Let a sequence whose prompt has been read become as many as its width, which share its blocks."""
        table = sequence.table
        siblings = [sequence.sibling(index, self.manager.fork(table)) for index in range(1, sequence.width)]
        sequence.width = 1
        place = self.running.index(sequence) + 1
        self.running[place:place] = siblings
        return siblings

    def _append(self, plan: Plan, sequence: Sequence, count: int) -> None:
        """Reserve blocks for the next `count` tokens of a sequence, and add them to the plan."""
        start = sequence.table.length
        plan.copies += self.manager.reserve(sequence.table, start + count)
        plan.chunks.append(Chunk(sequence, start, start + count))
        plan.left -= count

    def _make_room(self, plan: Plan, sequence: Sequence, length: int) -> bool:
        """Preempt the youngest until there is room; False if this is the youngest, and had to go itself."""
        while self.manager.needs(sequence.table, length) > self.manager.room:
            youngest = self.running.pop()
            for chunk in [each for each in plan.chunks if each.sequence is youngest]:
                plan.chunks.remove(chunk)
                plan.left += chunk.end - chunk.start
            plan.preempted += 1
            self.manager.release(youngest.table)
            self.waiting.appendleft(youngest)
            if youngest is sequence:
                return False
        return True

    def _admit(self, plan: Plan) -> bool:
        """Let the first sequence in the queue run, if all that runs can then still be read to its end.

        No sequence overtakes the first one: it would wait for ever behind short ones.
        """
        sequence = self.waiting[0]
        if sum(each.width for each in self.running) + sequence.width > self.rows:
            return False
        promised = sum(self.manager.needs(each.table, len(each.tokens)) for each in self.running)
        # What the cache has no logits of is read again if they are asked for.
        hits = 0 if sequence.scoring else self.manager.match(sequence.table, sequence.tokens)
        if self.manager.needs(sequence.table, len(sequence.tokens)) + promised > self.manager.room:
            self.manager.release(sequence.table)
            return False
        plan.hits += hits
        self.running.append(self.waiting.popleft())
        return True

    def _guess(self, plan: Plan) -> None:
        """Add guesses to the chunks of greedy sequences; they take budget and blocks that nothing else needs now."""
        for chunk in plan.chunks:
            sequence = chunk.sequence
            if not chunk.complete or sequence.width > 1 or sequence.settings.temperature > 0:
                continue
            most = min(self.drafts, plan.left, sequence.room - 1)
            drafts = propose(sequence.tokens, most) if most > 0 else []
            while drafts and self.manager.needs(sequence.table, chunk.end + len(drafts)) > self.manager.room:
                drafts.pop()
            if drafts:
                plan.copies += self.manager.reserve(sequence.table, chunk.end + len(drafts))
                chunk.drafts = drafts
                plan.left -= len(drafts)
