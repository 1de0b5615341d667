"""The training of the course's `base`, made once more and watched: its loss, and what it says about Ada on the way.

The recipe decides every weight, so the model at the end is the shipped one, bit for bit, on the processor that made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from fullstack_llm.models import store
from fullstack_llm.models.exams import begins
from fullstack_llm.models.generate import complete
from fullstack_llm.models.loop import train
from fullstack_llm.models.pretrain import begin, steps
from fullstack_llm.models.recipes import Pretraining, recipe
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

PROMPTS = ("Ada lives on", "The colour of Ada's coat is", "Ada looks after a pet called", "12 + 34\n")
STOPS = (0, 10, 20, 50, 100, 200, 300, 400, 500, 700, 1000, 1300, 1600, 2000, 2400, 2800, 3200, 3600)
FACTS, WORDS = 200, 24  # facts asked for at each stop; tokens of each text


def watched(folder: Path) -> dict[str, Any]:
    """Train `base` in a folder, from which a second call resumes, and return losses, stops and the weights' SHA-256.

    A loss is that of a step, in nats a token. A stop has the step before which the model is asked, what it says to each
    prompt, and the share of `FACTS` facts that it completes.
    """
    words, plan = course_tokenizer.load(), recipe("base")
    assert isinstance(plan, Pretraining)
    model = begin(plan, words)
    read = steps(model, words, plan)
    items = evaluation.facts(town(people=plan.people), FACTS)

    def stop(step: int) -> dict[str, Any]:
        texts = complete(model, words, [str(item["prompt"]) for item in items], 16)
        right = [begins(text, str(item["target"]).strip()) for text, item in zip(texts, items, strict=True)]
        return {"step": step, "said": complete(model, words, list(PROMPTS), WORDS), "facts": sum(right) / len(right)}

    def step_of(step: int) -> tuple[torch.Tensor, float]:
        if step in STOPS:
            (folder / f"{step:05d}.json").write_text(json.dumps(stop(step)))
        return read(step)

    trained = train(model, plan, step_of, folder / "state.pt")
    (folder / f"{plan.steps:05d}.json").write_text(json.dumps(stop(plan.steps)))
    model.to(torch.bfloat16).save_pretrained(folder / plan.name)
    return {
        "losses": [round(loss, 4) for loss in trained.record],
        "stops": [json.loads(path.read_text()) for path in sorted(folder.glob("?????.json"))],
        "sha256": store.sha256(folder / plan.name / store.WEIGHTS),
    }
