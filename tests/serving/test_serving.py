"""The load and its measurement: every way of serving answers alike, and the clock counts what it should."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from fullstack_llm.engine import Engine
from fullstack_llm.experiments import m11_features, m11_serving
from fullstack_llm.models import load
from fullstack_llm.serving import latency
from fullstack_llm.serving.arrivals import Lengths, Request, at_rate, poisson
from fullstack_llm.serving.arrivals import load as made
from fullstack_llm.serving.continuous import Ours, Theirs
from fullstack_llm.serving.drive import Counted, Server, Trace, drive, drive_closed
from fullstack_llm.serving.outside import outside
from fullstack_llm.serving.static import Static

SOURCE = Path(__file__).parents[2] / "src"
PROMPTS = [[2, *range(60 + 7 * at, 100 + 7 * at)] for at in range(9)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    return made(9, 1.0, PROMPTS, 3, Lengths(12, 0.5, 2, 30), Lengths(6, 0.8, 1, 16))


def generated(request: Request) -> list[int]:
    """What `transformers.generate` answers to a request on its own."""
    ids = torch.tensor([request.prompt])
    out = load("draft")[0].generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.answer, eos_token_id=None
    )
    return list(out[0, ids.shape[1] :].tolist())


def test_all_answer_as_transformers_does(asked: list[Request]) -> None:
    model, tokenizer = load("draft")
    servers: dict[str, Server] = {
        "naive": Static(model, 1),
        "static": Static(model, 4),
        "engine": Ours(Engine(model, tokenizer, blocks=12, block_size=8, budget=24, rows=4)),
        "transformers": Theirs(model, 32, 8, 24),
    }
    want = [generated(request) for request in asked]
    for name, server in servers.items():
        traces = drive(server, asked)
        assert [trace.tokens for trace in traces] == want, name
        assert all(len(trace.times) == trace.request.answer for trace in traces), name
        assert all(trace.times[0] > trace.request.arrival for trace in traces), name


def test_a_static_batch_waits_for_its_longest_and_the_engine_does_not(asked: list[Request]) -> None:
    model, tokenizer = load("draft")
    now = [Request(one.number, 0.0, one.prompt, one.answer) for one in asked]
    static = Counted(Static(model, 3))
    traces = drive(static, now, static.clock)
    longest = [max(one.answer for one in now[at : at + 3]) for at in range(0, 9, 3)]
    assert static.steps == sum(longest)
    assert [trace.times[0] for trace in traces[::3]] == [1, 1 + longest[0], 1 + sum(longest[:2])]
    engine = Counted(Ours(Engine(model, tokenizer, blocks=64, budget=512, rows=3)))
    drive(engine, now, engine.clock)
    assert engine.steps < static.steps


def test_times_stretch_and_requests_stay(asked: list[Request]) -> None:
    faster = at_rate(asked, 4.0)
    assert [one.arrival * 4 for one in faster] == pytest.approx([one.arrival for one in asked])
    assert [one.prompt for one in faster] == [one.prompt for one in asked]
    gaps = torch.tensor(poisson(5.0, 4000, 0)).diff()
    # The standard error of an exponential's mean is the mean over the root of the count: six of them.
    assert abs(gaps.mean().item() - 0.2) < 6 * 0.2 / 4000**0.5


def test_closed_clients_wait_for_their_answers(asked: list[Request]) -> None:
    server = Counted(Static(load("draft")[0], 1))
    traces = drive_closed(server, asked, 2, server.clock)
    assert [trace.tokens for trace in traces] == [generated(request) for request in asked]
    ends = [trace.times[-1] for trace in traces]
    assert [trace.request.arrival for trace in traces] == [0, 0, *ends[:-2]]


def test_percentiles_are_waits_that_somebody_had() -> None:
    values = [float(value) for value in range(1, 201)]
    assert [latency.percentile(values, percent) for percent in (0, 50, 95, 99, 100)] == [1, 100, 190, 198, 200]
    trace = Trace(Request(0, 2.0, (1,), 4), [7] * 4, [3.0, 3.5, 3.5, 5.0])
    assert latency.waits(trace) == (1.0, [0.5, 0.0, 1.5])
    found = latency.summary([trace])
    assert (found["tokens"], found["seconds"], found["throughput"]) == (4, 3.0, 4 / 3)


def test_the_comparison_says_who_answers_otherwise(asked: list[Request]) -> None:
    def fake(shift: int) -> m11_serving.Drive:
        return lambda some: [Trace(one, [shift] * one.answer, [1.0] * one.answer) for one in some]

    row = m11_serving.compared({"one": fake(5), "same": fake(5), "other": fake(6)}, asked)
    assert [row[name]["same"] for name in row] == [9, 9, 0]
    assert m11_serving.pooled([row, row])["other"]["same"] == 0
    assert m11_serving.pooled([row, row])["one"]["same"] == 18


def test_features_change_no_answer() -> None:
    asked = m11_serving.at_once(m11_features.alike(0, 6))
    found = {}
    for name, options in m11_features.FEATURES["prefix"][1].items():
        traces, counts = m11_features.once(options, asked)
        found[name] = [trace.tokens for trace in traces], counts["hits"]
    assert found["on"][0] == found["off"][0]
    # The first two are read in the same step, before there is anything to find.
    assert (found["on"][1], found["off"][1]) == (4 * m11_features.SHARED, 0)


FAKE = """
__version__ = "fake"
from types import SimpleNamespace as Some

class SamplingParams:
    def __init__(self, **options): self.most = options["max_tokens"]

class LLM:
    def __init__(self, folder, **options):
        print("a line that is not for us")
        self.options, self.llm_engine, self.open = options, self, {}
    def add_request(self, name, prompt, sampling): self.open[name] = [sampling.most, []]
    def has_unfinished_requests(self): return bool(self.open)
    def step(self):
        for name, (most, tokens) in list(self.open.items()):
            tokens.append(int(name))
            if len(tokens) == most: del self.open[name]
            yield Some(request_id=name, outputs=[Some(token_ids=tokens)])
"""


def test_a_process_of_another_environment_answers(asked: list[Request], tmp_path: Path) -> None:
    (tmp_path / "vllm.py").write_text(FAKE, encoding="utf-8")
    with outside(Path(sys.executable), Path(f"{SOURCE}:{tmp_path}"), tmp_path, "float32", 8, 32, 64, 4) as process:
        assert process.about["vllm"] == "fake"
        assert process.about["threads"] == 1
        for _ in range(2):
            traces = process.drive(asked)
            assert [trace.tokens for trace in traces] == [[one.number] * one.answer for one in asked]
            assert all(len(trace.times) == len(trace.tokens) for trace in traces)


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    (tmp_path / "vllm.py").write_text("raise ImportError", encoding="utf-8")
    with (
        pytest.raises(RuntimeError, match="vLLM's process ended"),
        outside(Path(sys.executable), Path(f"{SOURCE}:{tmp_path}"), tmp_path, "float32", 8, 32, 64, 4),
    ):
        pass
