"""The block manager under any order of operations: no leak, no double use, and nothing found but what was stored.

What a slot of the cache holds depends on its token and on all tokens before it. So the memory of these tests holds, in
each slot, the whole row of tokens up to there: a table is right if reading along it gives the sequence back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fullstack_llm.engine.blocks import BlockManager, Copy, Table

BLOCKS, SIZE = 7, 3
TOKENS = st.lists(st.integers(0, 1), min_size=1, max_size=13)


class Row:
    """A sequence: its tokens, and its table."""

    def __init__(self, tokens: list[int], table: Table) -> None:
        self.tokens, self.table = tokens, table


class Machine(RuleBasedStateMachine):
    """Sequences that come, grow, guess wrongly, fork, lose their blocks, come back and leave."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = BlockManager(BLOCKS, SIZE)
        self.memory: list[list[tuple[int, ...]]] = [[()] * SIZE for _ in range(BLOCKS)]
        self.rows: list[Row] = []

    def store(self, row: Row, tokens: list[int], upto: int, kept: int) -> None:
        """What a step does: reserve, copy, write up to `upto`, and keep the first `kept`."""
        for source, target in self.manager.reserve(row.table, upto):
            self.memory[target] = list(self.memory[source])
        for at in range(row.table.length, upto):
            self.memory[row.table.blocks[at // SIZE]][at % SIZE] = tuple(tokens[: at + 1])
        self.manager.commit(row.table, tokens, kept)

    def fits(self, row: Row, length: int) -> bool:
        return self.manager.needs(row.table, length) <= self.manager.room

    @rule(tokens=TOKENS, part=st.integers(1, 13))
    def come(self, tokens: list[int], part: int) -> None:
        row = Row(tokens, Table())
        assert self.manager.match(row.table, tokens) < len(tokens)
        upto = min(row.table.length + part, len(tokens))
        if self.fits(row, upto):
            self.rows.append(row)
            self.store(row, tokens, upto, upto)
        else:
            self.manager.release(row.table)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), added=st.lists(st.integers(0, 1), min_size=1, max_size=4))
    def grow(self, data: Any, added: list[int]) -> None:
        """More tokens are written than are kept, as guesses are; the tokens that are not written yet come first."""
        row = data.draw(st.sampled_from(self.rows))
        if len(row.tokens) + len(added) <= BLOCKS * SIZE and self.fits(row, len(row.tokens) + len(added)):
            tokens = row.tokens + added
            kept = data.draw(st.integers(max(row.table.length, len(row.tokens)), len(tokens)))
            self.store(row, tokens, len(tokens), kept)
            row.tokens = tokens[:kept]

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def fork(self, data: Any) -> None:
        row = data.draw(st.sampled_from(self.rows))
        self.rows.append(Row(row.tokens[: row.table.length], self.manager.fork(row.table)))

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def preempt(self, data: Any) -> None:
        """All blocks are lost; the same sequence may come back with what is still there."""
        row = data.draw(st.sampled_from(self.rows))
        self.manager.release(row.table)
        if not row.tokens or not data.draw(st.booleans()):
            self.rows.remove(row)
        else:
            self.manager.match(row.table, row.tokens)

    @invariant()
    def each_block_is_accounted_for(self) -> None:
        self.manager.check([row.table for row in self.rows])

    @invariant()
    def each_table_reads_as_its_sequence(self) -> None:
        for row in self.rows:
            read = [self.memory[row.table.blocks[at // SIZE]][at % SIZE] for at in range(row.table.length)]
            assert read == [tuple(row.tokens[: at + 1]) for at in range(row.table.length)]
            assert len(row.table.blocks) == self.manager.count(row.table.length)
            assert len(row.table.keys) <= len(row.tokens) // SIZE, "a hash of tokens that another sequence has"

    @invariant()
    def only_full_blocks_are_found_and_by_their_own_hash(self) -> None:
        for block, key in self.manager.key_of.items():
            *_, last = self.memory[block]
            assert last and len(last) % SIZE == 0, "a block that is not full can be found"
            assert key == self.manager._key(Table(), list(last), len(last) // SIZE - 1)


def check(examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            phases=phases,
            suppress_health_check=quiet,
            print_blob=False,
        ),
    )


def test_blocks_in_any_order() -> None:
    check(80)


@pytest.mark.full
def test_blocks_in_any_order_at_length() -> None:
    check(5000)


def never_shared(self: BlockManager, table: Table) -> bool:
    return False


def kept_key(self: BlockManager) -> int:
    if self.free:
        block = self.free.popleft()
    else:
        block, _ = self.idle.popitem(last=False)
    self.references[block] = 1
    return block


def uncounted(self: BlockManager, table: Table) -> Table:
    return Table(list(table.blocks), table.length, list(table.keys))


def hashes_of_what_follows(self: BlockManager, table: Table, right: Callable[..., Table] = BlockManager.fork) -> Table:
    forked = right(self, table)
    forked.keys = list(table.keys)
    return forked


def leaks(self: BlockManager, table: Table) -> None:
    table.blocks, table.length = [], 0


def early(
    self: BlockManager, table: Table, length: int, right: Callable[..., Any] = BlockManager.reserve
) -> list[Copy]:
    copies = right(self, table, length)
    for block in table.blocks[table.length // self.block_size :]:
        key = bytes(f"a guess {block}", "ascii")
        self.block_of.setdefault(key, block)
        self.key_of.setdefault(block, key)
    return copies


def whole(self: BlockManager, table: Table, tokens: list[int], right: Callable[..., int] = BlockManager.match) -> int:
    return right(self, table, [*tokens, 0])


def unchained(self: BlockManager, table: Table, tokens: list[int], index: int) -> bytes:
    while len(table.keys) <= index:
        start = len(table.keys) * self.block_size
        table.keys.append(bytes(tokens[start : start + self.block_size]))
    return table.keys[index]


FAULTS = {
    "no copy on write": ("_shared", never_shared),
    "the hash of a block that is written over": ("_take", kept_key),
    "a fork that nobody counts": ("fork", uncounted),
    "a fork that keeps hashes of what follows": ("fork", hashes_of_what_follows),
    "a release that gives nothing back": ("release", leaks),
    "a hash before the write": ("reserve", early),
    "a prompt that hits altogether": ("match", whole),
    "a hash of the block alone": ("_key", unchained),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_control_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    name, wrong = FAULTS[fault]
    monkeypatch.setattr(BlockManager, name, wrong)
    with pytest.raises((AssertionError, IndexError, KeyError, RuntimeError)):
        check(500, (Phase.generate,))


def test_the_oldest_idle_block_goes_first_and_a_sequence_loses_its_end_first() -> None:
    manager = BlockManager(4, 2)
    first, second = Table(), Table()
    for table, tokens in ((first, [1, 1, 2, 2]), (second, [3, 3, 4, 4])):
        manager.reserve(table, 4)
        manager.commit(table, tokens, 4)
    manager.release(first)
    manager.release(second)
    manager.reserve(Table(), 4)  # takes the two blocks of the first
    found = [manager.match(Table(), tokens) for tokens in ([1, 1, 2, 2, 0], [3, 3, 4, 4, 0])]
    assert found == [0, 4]
    again = BlockManager(2, 2)
    again.reserve(table := Table(), 4)
    again.commit(table, [1, 1, 2, 2], 4)
    again.release(table)
    again.reserve(Table(), 2)
    assert again.match(Table(), [1, 1, 2, 2, 0]) == 2


@pytest.mark.parametrize(("blocks", "size"), [(0, 1), (1, 0)])
def test_nothing_to_hold(blocks: int, size: int) -> None:
    with pytest.raises(ValueError, match="room"):
        BlockManager(blocks, size)


def test_without_room_is_an_error_and_changes_nothing() -> None:
    manager = BlockManager(2, 2)
    with pytest.raises(RuntimeError, match="3 blocks are needed, and 2 are left"):
        manager.reserve(table := Table(), 5)
    manager.check([table])
