"""Manage the blocks of the key-value cache: who holds which, what may be shared, and what may be written over.

A block has room for the keys and values of `block_size` tokens. A sequence's table names its blocks in order, so that
they may lie anywhere. A block is in exactly one of three places: free, held by one table or more, or idle. An idle
block is held by nobody, but what it stores may be used again: the prefix cache finds it by a hash of its tokens and of
all tokens before them. Idle blocks are written over only when no block is free, the least recently used first.

>>> manager = BlockManager(blocks=4, block_size=2)
>>> first, second = Table(), Table()
>>> manager.reserve(first, 3), first.blocks
([], [0, 1])
>>> manager.commit(first, [5, 6, 7], 3)
>>> manager.match(second, [5, 6, 8]), second.blocks
(2, [0])
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Copy(NamedTuple):
    """Name a block whose content must be copied to another block before the next write."""

    source: int
    target: int


@dataclass
class Table:
    """Hold where a sequence's keys and values lie: its blocks in order, and how many tokens are stored in them.

    `keys` are the hashes of the sequence's whole blocks of tokens, as far as they were needed. They depend on tokens
    alone, and tokens are only ever appended: the hashes stay when the blocks are given back.
    """

    blocks: list[int] = field(default_factory=list)
    length: int = 0
    keys: list[bytes] = field(default_factory=list)


class BlockManager:
    """Hand out a fixed number of blocks, count who holds each, and find blocks by the tokens that they store."""

    def __init__(self, blocks: int, block_size: int, prefix_cache: bool = True) -> None:
        if blocks < 1 or block_size < 1:
            raise ValueError(f"there must be a block and room in it, not {blocks} blocks of {block_size} tokens")
        self.blocks, self.block_size, self.prefix_cache = blocks, block_size, prefix_cache
        self.free = deque(range(blocks))
        self.idle: OrderedDict[int, None] = OrderedDict()  # the least recently used first
        self.references = [0] * blocks
        self.key_of: dict[int, bytes] = {}
        self.block_of: dict[bytes, int] = {}

    @property
    def room(self) -> int:
        """Return how many blocks can be handed out now."""
        return len(self.free) + len(self.idle)

    def count(self, length: int) -> int:
        """Return how many blocks `length` tokens fill or begin."""
        return -(-length // self.block_size)

    def needs(self, table: Table, length: int) -> int:
        """Return how many blocks `reserve` would take to let the table hold `length` tokens."""
        return self.count(length) - len(table.blocks) + self._shared(table)

    def match(self, table: Table, tokens: Sequence[int]) -> int:
        """Give an empty table the longest stored prefix of `tokens`, and return the prefix's length.

        The last token is never part of it: its logits are wanted, so it must go through the model in any case.
        """
        if self.prefix_cache:
            for index in range((len(tokens) - 1) // self.block_size):
                block = self.block_of.get(self._key(table, tokens, index))
                if block is None:
                    break
                self.idle.pop(block, None)
                self.references[block] += 1
                table.blocks.append(block)
            table.length = len(table.blocks) * self.block_size
        return table.length

    def reserve(self, table: Table, length: int) -> list[Copy]:
        """Make room for `length` tokens in the table, and return what must be copied before they are written.

        The next write goes behind the stored tokens. If it goes into a block that another table holds too, the table
        gets a copy of its own (copy-on-write). Ask `needs` and `room` first: without room this is an error.
        """
        if (needed := self.needs(table, length)) > self.room:
            raise RuntimeError(f"{needed} blocks are needed, and {self.room} are left")
        copies = []
        if self._shared(table):
            shared = table.blocks[-1]
            table.blocks[-1] = self._take()
            self._drop(shared)
            copies.append(Copy(shared, table.blocks[-1]))
        while len(table.blocks) < self.count(length):
            table.blocks.append(self._take())
        return copies

    def commit(self, table: Table, tokens: Sequence[int], length: int) -> None:
        """Note that the first `length` of `tokens` are stored now, and give back reserved blocks that stayed empty.

        Only here, after the write, does a block that became full enter the prefix cache. If an equal block is there
        already, it stays the one that is found.
        """
        full, table.length = table.length // self.block_size, length
        while len(table.blocks) > self.count(length):
            self._drop(table.blocks.pop())
        if self.prefix_cache:
            for index in range(full, length // self.block_size):
                key, block = self._key(table, tokens, index), table.blocks[index]
                if key not in self.block_of:
                    self.block_of[key], self.key_of[block] = block, key

    def fork(self, table: Table) -> Table:
        """Return a second table of the same blocks, which both hold from now on; what follows may differ."""
        for block in table.blocks:
            self.references[block] += 1
        return Table(list(table.blocks), table.length, table.keys[: table.length // self.block_size])

    def forget(self, blocks: Iterable[int]) -> list[int]:
        """Let the prefix cache find some held blocks no more, and return those that one table alone holds."""
        for block in self.key_of.keys() & set(blocks):
            del self.block_of[self.key_of.pop(block)]
        return [block for block in blocks if self.references[block] == 1]

    def release(self, table: Table) -> None:
        """Take all blocks from a table.

        The last block goes first: without the blocks before it, a block of the prefix cache is never found.
        """
        while table.blocks:
            self._drop(table.blocks.pop())
        table.length = 0

    def check(self, tables: Iterable[Table]) -> None:
        """Raise AssertionError unless every block is accounted for by these tables, which are all that there are."""
        held = Counter(block for table in tables for block in table.blocks)
        assert self.references == [held[block] for block in range(self.blocks)], "a block's holders are miscounted"
        places = Counter([*self.free, *self.idle, *held])
        assert places == Counter(range(self.blocks)), "a block is in two places or in none"
        assert {key: block for block, key in self.key_of.items()} == self.block_of, "a hash and its block disagree"
        assert set(self.idle) <= set(self.key_of), "an idle block cannot be found"
        assert set(self.key_of).isdisjoint(self.free), "a free block can be found"

    def _shared(self, table: Table) -> bool:
        """Return whether the next write of a table would go into a block that another table holds too."""
        partial = table.length // self.block_size < len(table.blocks)
        return partial and self.references[table.blocks[table.length // self.block_size]] > 1

    def _key(self, table: Table, tokens: Sequence[int], index: int) -> bytes:
        """Return the hash of a whole block of tokens and of all tokens before it, by way of the hash before it."""
        while len(table.keys) <= index:
            start = len(table.keys) * self.block_size
            ids = array("q", tokens[start : start + self.block_size]).tobytes()
            parent = table.keys[-1] if table.keys else b""
            table.keys.append(hashlib.blake2b(parent + ids, digest_size=16).digest())
        return table.keys[index]

    def _take(self) -> int:
        """Hand out a free block, or else the idle block that was used least recently."""
        if self.free:
            block = self.free.popleft()
        else:
            block, _ = self.idle.popitem(last=False)
            del self.block_of[self.key_of.pop(block)]
        self.references[block] = 1
        return block

    def _drop(self, block: int) -> None:
        """Count one holder less; a block without holders becomes idle if it can be found, and free if not."""
        self.references[block] -= 1
        if self.references[block] == 0:
            if block in self.key_of:
                self.idle[block] = None
            else:
                self.free.append(block)
