"""Serve with continuous batching, behind the interface of `drive`: the course's engine, and that of `transformers`."""

from __future__ import annotations

from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

from fullstack_llm.engine import Engine, Settings
from fullstack_llm.serving.arrivals import Request
from fullstack_llm.serving.drive import Tokens


class Ours:
    """Answer requests with the course's engine, greedily and to the length that each asks for."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.numbers = engine, dict[int, int]()

    def add(self, request: Request) -> None:
        """Take a request."""
        settings = Settings(max_tokens=request.answer, temperature=0, ignore_eos=True)
        self.numbers[self.engine.add(request.prompt, settings)] = request.number

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""
        return bool(self.engine.sequences)

    def step(self) -> Tokens:
        """Run one step of the engine."""
        return [(self.numbers[piece.request], piece.tokens) for piece in self.engine.step()]


class Theirs:
    """Answer requests with `transformers`' continuous batching, step by step.

    Its manager runs in a thread of its own and on the wall clock. Here the body of that thread's loop is called
    instead, which `transformers` does not promise to keep: it is so in 5.23.
    """

    def __init__(
        self, model: PreTrainedModel, blocks: int, block_size: int, budget: int, prefix_cache: bool = True
    ) -> None:
        config = ContinuousBatchingConfig(
            num_blocks=blocks, page_size=block_size, max_batch_tokens=budget, allow_block_sharing=prefix_cache
        )
        greedy = GenerationConfig(do_sample=False, eos_token_id=-1)
        made: Any = model
        self.manager: Any = made.init_continuous_batching(greedy, config)
        self.manager.batch_processor = self.manager._create_batch_processor()
        self.manager.current_batch = 0
        self.known = dict[str, int]()  # tokens of each request that have been returned

    def add(self, request: Request) -> None:
        """Take a request."""
        name = str(request.number)
        self.known[name] = 0
        self.manager.add_request(list(request.prompt), name, max_new_tokens=request.answer, streaming=True)

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""
        return bool(self.known)

    def step(self) -> Tokens:
        """Run the body of the manager's loop once."""
        self.manager._generation_loop_body(self.manager.batch_processor, False)
        brought = []
        outputs = self.manager.output_router.output_queue
        while not outputs.empty():
            out = outputs.get_nowait()
            brought.append((int(out.request_id), out.generated_tokens[self.known[out.request_id] :]))
            self.known[out.request_id] = len(out.generated_tokens)
            if out.is_finished():
                del self.known[out.request_id]
        return brought
