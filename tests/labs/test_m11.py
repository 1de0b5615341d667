"""Hold lab 11 against the course's engine, its conservation laws, and its text against the truth."""

from random import Random
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from fullstack_llm.engine.blocks import BlockManager, Table
from fullstack_llm.engine.paged import PagedCache, Span, arrange, attend
from fullstack_llm.labs.m11_vllm.allocate import allocate, trace
from fullstack_llm.labs.m11_vllm.capacity import LLAMA_3_8B, capacity, device, model
from fullstack_llm.labs.m11_vllm.diagnose import diagnose
from fullstack_llm.labs.m11_vllm.paged_attention import batch, paged_attention
from fullstack_llm.labs.m11_vllm.prefix_hashes import ask, prefix_hashes, some
from fullstack_llm.labs.m11_vllm.schedule_step import schedule_step


@pytest.mark.parametrize("seed", range(8))
def test_blocks_are_held_as_the_engine_holds_them(seed: int) -> None:
    operations, blocks, size = trace(Random(seed), 7 + 5 * (seed % 3), 3, 29, "wwwwffce")
    manager, tables, refused = BlockManager(blocks, size, prefix_cache=False), dict[str, Table](), []
    for number, (kind, name, value) in enumerate(operations):
        if kind == "write":
            table = tables.get(name, Table())
            length = table.length + value
            if manager.needs(table, length) > manager.room:
                refused.append(number)
                continue
            manager.reserve(table, length)
            manager.commit(table, [0] * length, length)
            tables[name] = table
        elif kind == "fork":
            tables[value] = manager.fork(tables[name])
        elif kind == "cut":
            manager.commit(tables[name], [0] * value, value)
        else:
            manager.release(tables.pop(name))
    found = allocate(operations, blocks, size)
    assert found["refused"] == refused
    assert sorted(found["holders"]) == sorted(manager.references)
    assert {name: len(table) for name, table in found["tables"].items()} == {
        n: len(t.blocks) for n, t in tables.items()
    }


@pytest.mark.parametrize("window", (4, 100))
def test_attention_is_that_of_the_engine(window: int) -> None:
    q, keys, values, tables, lengths, sinks, _ = batch(Random(window), 2, 3, 5, 4, [13, 7, 22, 3], 0, window)
    spans = [Span(table.clamp(min=0).tolist(), T - 1, 1) for table, T in zip(tables, lengths.tolist(), strict=True)]
    row = arrange(spans, 4, q.device)
    stored = keys.permute(0, 3, 1, 2).contiguous(), values.permute(0, 2, 1, 3).contiguous()
    want = attend(q, *stored, row, 5**-0.5, window)
    torch.testing.assert_close(paged_attention(q, keys, values, tables, lengths, sinks, window)[0], want)
    # The control: one token more or fewer is seen.
    other = paged_attention(q, keys, values, tables, lengths, sinks, window - 1 if window < 22 else 5)[0]
    assert not torch.allclose(other, want, atol=1e-3)


def test_hits_are_those_of_the_engine() -> None:
    draw, size = Random(1), 3
    texts = [some(draw, draw.randint(5, 19)) for _ in range(4)]
    prompts = [draw.choice(texts)[: draw.randint(1, 19)] for _ in range(23)]
    manager, want = BlockManager(199, size), []
    for prompt in prompts:
        table = Table()
        want.append(manager.match(table, prompt))
        manager.reserve(table, len(prompt))
        manager.commit(table, prompt, len(prompt))
        manager.release(table)
    requests = [ask(prompt) for prompt in prompts]
    assert prefix_hashes(requests, size, 199)[1] == want and any(want)
    # The control: a smaller cache forgets.
    assert sum(prefix_hashes(requests, size, 4)[1]) < sum(want)


@pytest.mark.parametrize("seed", range(6))
def test_a_server_of_such_steps_loses_no_block_and_finishes(seed: int) -> None:
    draw, size, total, preempted = Random(seed), 3, 11, 0
    requests: list[dict[str, Any]] = []
    for number in range(9):
        prompt = draw.randint(1, 14)
        state = {"priority": draw.randrange(3), "length": prompt, "stored": 0, "running": False}
        requests.append({"name": f"r{number}", "end": prompt + draw.randint(1, 15)} | state)
    free = total
    for _ in range(2000):
        found = schedule_step(requests, free, size, 7, 5, 1)
        preempted += len(found["preempted"])
        assert sum(found["chunks"].values()) <= 7
        for one in requests:
            if one["name"] in found["preempted"]:
                one |= {"stored": 0, "running": False}
            if chunk := found["chunks"].get(one["name"]):
                one |= {"stored": one["stored"] + chunk, "running": True}
                one["length"] += one["stored"] == one["length"]
        assert found["free"] + sum(-(-one["stored"] // size) for one in requests) == total
        requests = [one for one in requests if one["length"] <= one["end"]]
        free = total - sum(-(-one["stored"] // size) for one in requests)
        if not requests:
            break
    assert not requests and preempted


def test_bytes_are_those_of_the_engine_s_cache() -> None:
    config = LlamaConfig(num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, hidden_size=48)
    cache = PagedCache(config, 5, 4, torch.zeros(1))
    held = cache.keys.nbytes + cache.values.nbytes
    found = capacity(model(3, 2, 8, 4, 1000), device(1, held + 1000, 100, 4, 20), [20], 0)
    assert (found["block_bytes"] * 5, found["blocks"], found["contiguous"]) == (held, 5, 1)


def test_what_the_text_says_of_llama() -> None:
    found = capacity(LLAMA_3_8B, device(1, 80 * 2**30, 90, 16, 8192), [1000] * 1000, 0)
    assert found["block_bytes"] == 16 * 131_072
    assert (found["blocks"], found["blocks"] * 16) == (29_205, 467_280)
    assert (found["contiguous"], found["paged"]) == (57, 463)


class Forgetful(BlockManager):
    """Forget the last block of a table that is released."""

    fault = ""

    def release(self, table: Table) -> None:
        if self.fault:
            table.blocks.pop()
        super().release(table)


@pytest.mark.parametrize("fault", ("", "last kept"))
def test_a_log_of_the_engine_s_manager_is_read_rightly(fault: str) -> None:
    manager, a, b = Forgetful(7, 2, prefix_cache=False), Table(), Table()
    log: list[Any] = []

    def note(kind: str, name: str, named: list[int]) -> None:
        log.append((kind, name, named, list(manager.references)))

    manager.reserve(a, 5)
    manager.commit(a, [0] * 5, 5)
    note("take", "a", list(a.blocks))
    b = manager.fork(a)
    note("share", "b", list(b.blocks))
    [copy] = manager.reserve(b, 6)
    note("copy", "b", [copy.source, copy.target])
    manager.fault = fault
    manager.release(a)
    note("preempt", "a", [])
    found = diagnose(log, 7)
    assert found["faults"] == ([(3, fault)] if fault else [])
    assert found["leaked"] == ([2] if fault else []) and found["exposed"] == []
    assert found["holders"] == [1, 1, 0, 1, 0, 0, 0]
