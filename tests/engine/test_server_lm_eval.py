"""The evaluation harness, asking the server: its numbers are those of its own backend for the same model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import engines
import lm_eval
import pytest
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager
from servers import server

from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

COUNT = 5
TASKS = ("choice", "likelihood", "generation")
Samples = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        yield


def run(lm: LM, folder: Path) -> tuple[dict[str, Any], Samples]:
    """Write the tasks and run them; results and samples by task."""
    evaluation.write(town(), folder, COUNT)
    manager = TaskManager(include_defaults=False, include_path=str(folder))
    tasks: list[Any] = [f"tinytown_{name}" for name in TASKS]
    found: Any = lm_eval.simple_evaluate(lm, tasks=tasks, task_manager=manager, bootstrap_iters=0, log_samples=True)
    return found["results"], found["samples"]


@pytest.mark.parametrize("together", [1, 4])
def test_the_harness_sees_the_same_model(together: int, tmp_path: Path) -> None:
    """Log-likelihoods, whether each token is the likeliest, and generated texts; one request at a time, and several."""
    of = engines.served("base")
    local = HFLM(pretrained=of.model, tokenizer=of.tokenizer, device="cpu", dtype="float32", batch_size=4)
    want, expected = run(local, tmp_path / "local")
    with server(engines.engine(of, blocks=400)) as found:
        remote = LocalCompletionsAPI(
            base_url=f"{found.url}/v1/completions",
            model="sft",
            tokenizer=str(course_tokenizer.FOLDER),
            tokenizer_backend="huggingface",
            num_concurrent=together,
            batch_size=together,
            max_length=512,
            max_retries=1,
        )
        got, samples = run(remote, tmp_path / "remote")
        assert found.settled()
    for task, rows in expected.items():
        for one, other in zip(rows, samples[task], strict=True):
            assert one["doc_id"] == other["doc_id"]
            ours, theirs = other["resps"], one["resps"]
            if task == "tinytown_generation":
                assert ours == theirs
            else:
                assert [each[0][1] for each in ours] == [each[0][1] for each in theirs]
                numbers = [float(each[0][0]) for each in theirs]
                assert [float(each[0][0]) for each in ours] == pytest.approx(numbers, abs=1e-4)
                assert max(numbers) - min(numbers) > 1 or len(numbers) == 1
    for task, metrics in want.items():
        values = {name: value for name, value in metrics.items() if isinstance(value, float)}
        assert {name: got[task][name] for name in values} == pytest.approx(values, rel=1e-4)
    likelihoods = [float(row["resps"][0][0][0]) for row in samples["tinytown_likelihood"]]
    assert len(set(likelihoods)) == COUNT and max(likelihoods) < 0
