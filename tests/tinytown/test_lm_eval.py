"""The tasks for lm-eval, run by lm-eval itself: its numbers are those that plain PyTorch gives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import lm_eval
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.tinytown import arithmetic, evaluation
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer as course

COUNT = 6
Sample = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory):
    """No network, and no files of a test in the cache at home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return course.load()


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A tiny model that has learned a third of the items by heart: right in some places, wrong in others."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    texts = [f"{item['prompt']}{item['target']}." for item in evaluation.facts(town(), COUNT)[: COUNT // 3]]
    for item in evaluation.sums(town(), COUNT)[: COUNT // 3]:
        a, op, b = str(item["prompt"]).split()
        texts.append(arithmetic.worked(arithmetic.Sum(int(a), op, int(b))))
    batch = tokenizer([f"<|eos|>{text}<|eos|>" for text in texts], padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def run(lm: LM, folder: Path, prefix: str = evaluation.PREFIX, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write the tasks, run them in the harness, and return its results and samples without "tinytown_"."""
    evaluation.write(town(), folder, COUNT, prefix=prefix)
    manager = TaskManager(include_defaults=False, include_path=str(folder))
    tasks = [f"tinytown_{name}" for name in names or evaluation.TASKS]
    found = lm_eval.simple_evaluate(lm, tasks=tasks, task_manager=manager, bootstrap_iters=0, log_samples=True)
    return {
        part: {name.removeprefix("tinytown_"): value for name, value in found[part].items()}
        for part in ("results", "samples")
    }


def wrap(model: LlamaForCausalLM | str, tokenizer: PreTrainedTokenizerFast | None, **options: Any) -> HFLM:
    return HFLM(pretrained=model, tokenizer=tokenizer, device="cpu", dtype="float32", batch_size=4, **options)


@pytest.fixture(scope="module")
def found(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return run(wrap(model, tokenizer), tmp_path_factory.mktemp("tasks"))


def items(name: str) -> list[evaluation.Item]:
    return evaluation.TASKS[name][0](town(), COUNT)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@torch.no_grad()
def log_likelihood(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, target: str, before: list[int]
) -> tuple[float, bool]:
    """Sum the log-probabilities of the target's tokens; say whether each of them is the most likely one."""
    given, wanted = before + tokenizer(prompt).input_ids, tokenizer(target).input_ids
    scores = model(torch.tensor([given + wanted])).logits[0, len(given) - 1 : -1].log_softmax(-1)
    picked = scores[torch.arange(len(wanted)), torch.tensor(wanted)]
    return picked.sum().item(), scores.argmax(-1).tolist() == wanted


@torch.no_grad()
def greedy(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, stops: list[str], limit: int
) -> str:
    """Take the most likely token again and again, until the end of the document, a stop, or the limit."""
    ids, start = [tokenizer.eos_token_id, *tokenizer(prompt).input_ids], len(tokenizer(prompt).input_ids) + 1
    for _ in range(limit):
        following = model(torch.tensor([ids])).logits[0, -1].argmax().item()
        if following == tokenizer.eos_token_id:
            break
        ids.append(following)
        if any(stop in tokenizer.decode(ids[start:]) for stop in stops):
            break
    said = tokenizer.decode(ids[start:], skip_special_tokens=True)
    return min((said.partition(stop)[0] for stop in stops), key=len)


def test_choice(found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    samples = found["samples"]["choice"]
    right, right_by_length = [], []
    for item, sample in zip(items("choice"), samples, strict=True):
        choices, eos = item["choices"], [tokenizer.eos_token_id]
        assert isinstance(choices, list)
        ours = [log_likelihood(model, tokenizer, str(item["prompt"]), f" {text}", eos)[0] for text in choices]
        assert [score for score, _ in sample["filtered_resps"]] == pytest.approx(ours, abs=1e-3)
        right.append(float(ours.index(max(ours)) == item["gold"]))
        by_length = [score / len(text) for score, text in zip(ours, choices, strict=True)]
        right_by_length.append(float(by_length.index(max(by_length)) == item["gold"]))
    assert [sample["acc"] for sample in samples] == right
    assert [sample["acc_norm"] for sample in samples] == right_by_length
    assert found["results"]["choice"]["acc,none"] == pytest.approx(mean(right))
    assert found["results"]["choice"]["acc_norm,none"] == pytest.approx(mean(right_by_length))
    assert 0 < mean(right) < 1


def test_likelihood(found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    samples, eos = found["samples"]["likelihood"], [tokenizer.eos_token_id]
    ours = [
        log_likelihood(model, tokenizer, str(item["prompt"]), str(item["target"]), eos) for item in items("likelihood")
    ]
    assert [sample["perplexity"] for sample in samples] == pytest.approx([score for score, _ in ours], abs=1e-3)
    assert [bool(sample["acc"]) for sample in samples] == [is_greedy for _, is_greedy in ours]
    results = found["results"]["likelihood"]
    assert results["perplexity,none"] == pytest.approx(math.exp(-mean([score for score, _ in ours])), rel=1e-3)
    assert results["acc,none"] == pytest.approx(mean([is_greedy for _, is_greedy in ours]))
    assert 0 < results["acc,none"] < 1


def test_generation(found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    samples = found["samples"]["generation"]
    said = [greedy(model, tokenizer, str(item["prompt"]), [".", "\n"], 24) for item in items("generation")]
    assert [sample["resps"][0][0] for sample in samples] == said
    right = [
        float(text.strip() == str(item["target"]).strip()) for text, item in zip(said, items("generation"), strict=True)
    ]
    assert [sample["exact_match"] for sample in samples] == right
    assert found["results"]["generation"]["exact_match,trimmed"] == pytest.approx(mean(right))
    assert 0 < mean(right) < 1


def test_sums(found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    samples = found["samples"]["sums"]
    said = [greedy(model, tokenizer, str(item["prompt"]), ["\n\n"], 96) for item in items("sums")]
    assert [sample["resps"][0][0] for sample in samples] == said
    right = [
        float(re.findall(r"= (-?[0-9]+)", text)[-1:] == [item["target"]])
        for text, item in zip(said, items("sums"), strict=True)
    ]
    assert [sample["exact_match"] for sample in samples] == right
    assert found["results"]["sums"]["exact_match,last"] == pytest.approx(mean(right))
    assert 0 < mean(right) < 1


def test_worked_sums_fit_into_what_may_be_generated(tokenizer: PreTrainedTokenizerFast) -> None:
    for item in evaluation.sums(town(), 10_000):
        a, op, b = str(item["prompt"]).split()
        worked = arithmetic.worked(arithmetic.Sum(int(a), op, int(b)))
        assert worked.startswith(str(item["prompt"]))
        assert len(tokenizer(worked.removeprefix(str(item["prompt"]))).input_ids) < 96
    assert max(len(tokenizer(str(item["target"])).input_ids) for item in evaluation.facts(town())) < 24


def test_a_model_that_the_harness_loads_scores_the_same(
    found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    loaded = run(wrap(str(tmp_path / "model"), None), tmp_path / "tasks")
    for name, results in found["results"].items():
        numbers = {key: value for key, value in results.items() if isinstance(value, float)}
        assert numbers == pytest.approx({key: loaded["results"][name][key] for key in numbers}, rel=1e-5)


def test_the_prefix_matters_and_only_the_task_can_set_it(
    found: dict[str, Any], model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    eos = tokenizer.eos_token_id
    lm = wrap(model, tokenizer, add_bos_token=True, prefix_token_id=eos)
    assert lm.tok_encode("Ada") == tokenizer("Ada").input_ids
    assert lm.tok_encode(f"{evaluation.PREFIX}Ada") == [eos, *tokenizer("Ada").input_ids]

    bare = run(lm, tmp_path / "tasks", prefix="", names=("likelihood",))
    ours = [
        log_likelihood(model, tokenizer, str(item["prompt"]), str(item["target"]), [])[0]
        for item in items("likelihood")
    ]
    without = [sample["perplexity"] for sample in bare["samples"]["likelihood"]]
    assert without == pytest.approx(ours, abs=1e-3)
    with_eos = [sample["perplexity"] for sample in found["samples"]["likelihood"]]
    assert max(abs(one - other) for one, other in zip(with_eos, without, strict=True)) > 0.1

    # A model that the harness loads gets <|bos|>, which no document of ours begins with.
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    loaded = wrap(str(tmp_path / "model"), None, add_bos_token=True)
    assert loaded.tok_encode("Ada") == [tokenizer.bos_token_id, *tokenizer("Ada").input_ids]


class Rigged(LM):
    """Knows every answer, and gives it or never does."""

    def __init__(self, knows: Callable[[Instance], bool]) -> None:
        super().__init__()
        self.knows = knows

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        found = []
        for request in requests:
            is_answer = request.args[1].strip() == request.doc.get("answer", request.doc["target"].strip())
            likely = is_answer == self.knows(request)
            found.append((-0.5 if likely else -50.0, likely))
        return found

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        raise NotImplementedError

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        said = []
        for request in requests:
            target = request.doc["target"].strip() if self.knows(request) else "7"
            said.append(f"1 + 1 = 2\n2 + 2 = {target}" if "direct" in request.doc else f" {target} ")
        return said


METRICS = [
    ("choice", "acc,none"),
    ("choice", "acc_norm,none"),
    ("likelihood", "acc,none"),
    ("generation", "exact_match,trimmed"),
    ("sums", "exact_match,last"),
]


@pytest.mark.parametrize(("knows", "expected"), [(True, 1.0), (False, 0.0)])
def test_control_a_rigged_model_gets_everything_or_nothing(knows: bool, expected: float, tmp_path: Path) -> None:
    results = run(Rigged(lambda _: knows), tmp_path)["results"]
    assert {metric: results[metric[0]][metric[1]] for metric in METRICS} == dict.fromkeys(METRICS, expected)
    assert results["likelihood"]["perplexity,none"] == pytest.approx(math.exp(0.5 if knows else 50.0))
