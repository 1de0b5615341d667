"""How fast three loops train the same model on the same batches, and what share of the processor's arithmetic they use.

The loops are the course's, one in the manner of nanoGPT, and the `Trainer` of `transformers`. Seconds are those of one
thread's CPU time, which other processes change little.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from fullstack_llm.models.pretrain import begin
from fullstack_llm.models.recipes import Pretraining, recipe
from fullstack_llm.pretraining.loop import Batches, State, advance, planned
from fullstack_llm.scaling.flops import per_token
from fullstack_llm.scaling.runs import Run, tokens
from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.transformer.shape import of_llama

ROWS, LENGTH, STEPS, ROUNDS = 8, 256, 8, 4
LR = 1e-3


def peak(size: int = 768, seconds: float = 0.5) -> float:
    """Return the FLOP/s of the fastest of many products of two square matrices, in this process with its threads."""
    a, b = torch.randn(2, size, size).unbind(0)
    best, until = float("inf"), time.process_time() + seconds
    while time.process_time() < until:
        began = time.process_time()
        a @ b
        best = min(best, time.process_time() - began)
    return 2 * size**3 / best


def fresh() -> LlamaForCausalLM:
    """Return an untrained base."""
    plan = recipe("base")
    assert isinstance(plan, Pretraining)
    return begin(plan, course_tokenizer.load()).cpu()


def batches() -> Batches:
    """Return the batches that all loops read."""
    return planned(tokens(Run(4, 128, 2 * STEPS + 2)), ROWS, LENGTH)  # one more than is trained on, to read ahead


def ours(steps: int) -> tuple[float, list[float]]:
    """Train with the course's loop, with AdamW's one kernel for all its operations; return seconds and losses."""
    model = fresh()
    state = State(model, [torch.optim.AdamW(model.parameters(), LR, (0.9, 0.95), weight_decay=0.0, fused=True)])
    read = batches()
    began = time.process_time()
    advance(state, read, lambda _: 1.0, steps)
    return time.process_time() - began, state.losses


def plain(steps: int) -> tuple[float, list[float]]:
    """Train with a loop in the manner of nanoGPT's `train.py`: accumulation (of one), clipping, AdamW in groups.

    Its AdamW is fused on a GPU only.
    """
    model = fresh()
    wide = [p for p in model.parameters() if p.dim() >= 2]
    narrow = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": wide, "weight_decay": 0.0}, {"params": narrow, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.95))
    read, losses, accumulated = batches(), [], 1
    model.train()
    began = time.process_time()
    inputs, targets = read(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LR
        for _ in range(accumulated):
            logits = model(inputs, use_cache=False).logits
            loss = cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1) / accumulated
            inputs, targets = read(step + 1)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return time.process_time() - began, losses


class Rows(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Serve the rows of the batches, in order, as `Trainer` wants them; it shifts the labels itself."""

    def __init__(self, steps: int) -> None:
        """Take the rows of the first steps, each with the id that follows it at the end."""
        found = [batches()(step) for step in range(steps)]
        self.rows = [
            torch.cat([ids, targets[-1:]])
            for inputs, wanted in found
            for ids, targets in zip(inputs, wanted, strict=True)
        ]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a row, which has one id more, since the last has no label."""
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


class InOrder(Trainer):
    """Read the rows in the order in which they are given."""

    def _get_train_sampler(self, *_: Any) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def trainer(steps: int) -> tuple[float, list[float]]:
    """Train with the `Trainer` of `transformers`; return the seconds of `train()` and the losses."""
    model = fresh()
    model.config.use_cache = False
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=ROWS,
            learning_rate=LR,
            lr_scheduler_type="constant",
            adam_beta2=0.95,
            weight_decay=0.0,
            max_grad_norm=1.0,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        run = InOrder(model=model, args=arguments, train_dataset=Rows(steps))
        run.pop_callback(next(c for c in run.callback_handler.callbacks if "Printer" in type(c).__name__))
        began = time.process_time()
        run.train()
        spent = time.process_time() - began
    return spent, [float(entry["loss"]) for entry in run.state.log_history if "loss" in entry]


LOOPS: dict[str, Callable[[int], tuple[float, list[float]]]] = {"ours": ours, "nanogpt-like": plain, "trainer": trainer}


def rounds(steps: int = STEPS, times: int = ROUNDS) -> dict[str, list[float]]:
    """Return the tokens a second of each loop in interleaved rounds, after one step of each to warm up."""
    for loop in LOOPS.values():
        loop(1)
    found: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in range(times):
        for name, loop in LOOPS.items():
            found[name].append(steps * ROWS * LENGTH / loop(steps)[0])
    return found


def measured(say: Callable[[str], None]) -> dict[str, Any]:
    """Return speeds, losses, the peak of a product of matrices, and the share of it that each loop uses."""
    losses = {name: [round(x, 5) for x in loop(5)[1]] for name, loop in LOOPS.items()}
    say(str(losses))
    speeds, high = rounds(), max(peak() for _ in range(3))
    shape = of_llama(fresh().config)
    flop = {str(scores): per_token(shape, LENGTH, scores) for scores in (True, False)}
    say(f"{ {name: median(found) for name, found in speeds.items()} } tokens/s, peak {high / 1e9:.1f} GFLOP/s")
    return {
        "settings": {
            "rows": ROWS,
            "length": LENGTH,
            "steps": STEPS,
            "rounds": ROUNDS,
            "threads": torch.get_num_threads(),
        },
        "tokens_a_second": {name: [round(x, 1) for x in found] for name, found in speeds.items()},
        "losses": losses,
        "peak": round(high),
        "flops_a_token": flop,
    }
