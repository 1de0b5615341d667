"""Serve in static batches: what waits is taken together, padded, and answered to the last token of the longest.

A batch of one is the naive loop. Nothing here is slow on purpose: keys and values are cached, in room that is reserved
once a batch, and a batch is taken as soon as the last one is done, full or not.

>>> from fullstack_llm.models import load
>>> model, tokenizer = load("draft")
>>> server = Static(model, size=2)
>>> for number, answer in enumerate((1, 3, 2)):
...     server.add(Request(number, 0.0, (2, 60 + number), answer))
>>> [sorted(number for number, _ in server.step()) for _ in range(6)], server.busy()
([[0, 1], [1], [1], [2], [2], []], False)
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from fullstack_llm.models.padding import positions, rectangle
from fullstack_llm.serving.arrivals import Request
from fullstack_llm.serving.drive import Tokens


class Reserved(DynamicLayer):
    """Hold a layer's keys and values in room for `room` tokens, so that a step writes its own and copies nothing."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write behind what is there, and return all of it."""
        start = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            B, K, _, d = key_states.shape
            self.whole = [key_states.new_empty(B, K, self.room, d) for _ in range(2)]
        end = start + key_states.shape[2]
        for whole, new in zip(self.whole, (key_states, value_states), strict=True):
            whole[:, :, start:end] = new
        self.keys, self.values = (whole[:, :, :end] for whole in self.whole)
        return self.keys, self.values


class Static:
    """Answer requests in batches of at most `size`, greedily, in order of arrival."""

    def __init__(self, model: PreTrainedModel, size: int) -> None:
        self.model, self.size = model.eval(), size
        self.queue, self.batch = deque[Request](), list[Request]()
        self.inputs: dict[str, Any] = {}
        self.done = 0  # tokens of each answer in the batch
        self.rows = self.useful = 0  # rows that went through decoding steps, and those whose token was wanted

    def add(self, request: Request) -> None:
        """Take a request; it waits until the batch before it is finished."""
        self.queue.append(request)

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""
        return bool(self.queue or self.batch)

    @torch.inference_mode()
    def step(self) -> Tokens:
        """Read the prompts of a batch, or decode one token for each of its rows, also of those that are finished."""
        if not self.batch:
            if not self.queue:
                return []
            self._begin()
        out = self.model(**self.inputs, use_cache=True, logits_to_keep=1)
        chosen = out.logits[:, -1].argmax(-1)
        self.done += 1
        brought = [
            (one.number, [token])
            for one, token in zip(self.batch, chosen.tolist(), strict=True)
            if one.answer >= self.done
        ]
        self.rows, self.useful = self.rows + len(self.batch), self.useful + len(brought)
        mask = self.inputs["attention_mask"]
        self.inputs = {
            "input_ids": chosen[:, None],
            "attention_mask": torch.cat([mask, mask.new_ones(len(mask), 1)], 1),
            "position_ids": self.inputs["position_ids"][:, -1:] + 1,
            "past_key_values": out.past_key_values,
        }
        if self.done >= max(one.answer for one in self.batch):
            self.batch, self.inputs = [], {}
        return brought

    def _begin(self) -> None:
        """Take a batch from the queue, and pad its prompts on the left to the longest."""
        self.batch = [self.queue.popleft() for _ in range(min(self.size, len(self.queue)))]
        ids, mask = rectangle([one.prompt for one in self.batch])
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "position_ids": positions(mask)}
        self.inputs = {name: value.to(self.model.device) for name, value in inputs.items()}
        room, layers = ids.shape[1] + max(one.answer for one in self.batch), self.model.config.num_hidden_layers
        self.inputs["past_key_values"], self.done = Cache(layers=[Reserved(room) for _ in range(layers)]), 0
