"""Describe what may be asked, in the form of OpenAI's API: every field is either followed or refused.

>>> Completion(model="sft", prompt="2+2?", max_tokens=4, temperature=0).settings(ends=(), room=100).max_tokens
4
>>> Completion(model="sft", prompt="2+2?", logit_bias={"5": 1})
Traceback (most recent call last):
...
pydantic_core._pydantic_core.ValidationError: 1 validation error for Completion
  Value error, logit_bias is not supported ...
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fullstack_llm.engine.requests import Settings

# Of what the engine cannot do, these values ask nothing, and clients send them.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "metadata": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "verbosity": (),
    "web_search_options": (),
}
Short = Annotated[str, Field(min_length=1, max_length=256)]
Ids = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]


class Strict(BaseModel):
    """Refuse fields that are not known, and take null for a field that is left out, as OpenAI does."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any) -> Any:
        """Drop what is null or asks nothing; raise for what is not supported."""
        if not isinstance(given, dict):
            return given
        for name, values in NEUTRAL.items():
            if given.get(name) is not None and name not in cls.model_fields and given[name] not in values:
                raise ValueError(f"{name} is not supported")
        return {name: value for name, value in given.items() if value is not None and name not in NEUTRAL}


class StreamOptions(Strict):
    """Say what a stream has at its end; a stream is not padded, whether `include_obfuscation` is given or not."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Sampled(Strict):
    """Hold what both kinds of request have; the fields of the last group are this engine's own, by vLLM's names."""

    model: str
    max_tokens: int | None = Field(None, ge=0)
    temperature: float = Field(1.0, ge=0, le=100)
    top_p: float = Field(1.0, gt=0, le=1)
    n: int = Field(1, ge=1, le=1024)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Short | Annotated[list[Short], Field(max_length=16)] = []
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None  # which OpenAI takes to find misuse, and which changes no answer

    top_k: int = Field(0, ge=0)
    min_p: float = Field(0.0, ge=0, le=1)
    ignore_eos: bool = False
    stop_token_ids: Annotated[Ids, Field(max_length=64)] | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.stream_options and not self.stream:
            raise ValueError("stream_options is for a stream alone: set stream to true")
        return self

    def _settings(self, ends: tuple[int, ...], **others: Any) -> Settings:
        """Return the engine's settings; a ValueError says what no engine can do."""
        return Settings(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            n=self.n,
            seed=self.seed,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop),
            stop_ids=(*(self.stop_token_ids or ()), *(() if self.ignore_eos else ends)),
            ignore_eos=self.ignore_eos,
            **others,
        )


class Completion(Sampled):
    """Ask for what follows one or more prompts, each given as text or as ids."""

    prompt: str | Ids | Annotated[list[str], Field(min_length=1)] | Annotated[list[Ids], Field(min_length=1)]
    max_tokens: int = Field(16, ge=0)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """Return the prompts, which are of one kind."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else self.prompt

    def settings(self, ends: tuple[int, ...], room: int) -> Settings:
        """Return the engine's settings; it generates one token at least, and with `max_tokens` 0 nobody sees it."""
        scores = self.logprobs if self.echo else None
        return self._settings((), max_tokens=max(self.max_tokens, 1), logprobs=self.logprobs, prompt_logprobs=scores)


class Part(Strict):
    """Hold a part of a message; nothing but text can be read."""

    type: Literal["text"]
    text: str


class Function(Strict):
    """Name a function that was called, with its arguments as JSON."""

    name: str
    arguments: str


class Call(Strict):
    """Hold a call that the assistant made in an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: Function


class Message(Strict):
    """Hold one turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] = ""
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the message as chat templates read it."""
        found = self.model_dump(exclude_none=True)
        if not isinstance(self.content, str):
            found["content"] = "".join(part.text for part in self.content)
        return found


class Definition(Strict):
    """Describe a function that the model may call."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: Literal[False] = False


class Tool(Strict):
    """Offer a function."""

    type: Literal["function"]
    function: Definition


class Chat(Sampled):
    """Ask for the assistant's next turn."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[Tool] = []
    tool_choice: Literal["auto", "none"] = "auto"

    @property
    def calls(self) -> bool:
        """Return whether the answer may call tools."""
        return bool(self.tools) and self.tool_choice == "auto"

    @model_validator(mode="after")
    def _match(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: set logprobs to true")
        if self.max_tokens and self.max_completion_tokens:
            raise ValueError("max_tokens is the old name of max_completion_tokens: give one of them")
        return self

    def settings(self, ends: tuple[int, ...], room: int) -> Settings:
        """Return the engine's settings; a turn ends with one of `ends`, and by default it may fill the `room`."""
        return self._settings(
            ends,
            max_tokens=self.max_completion_tokens or self.max_tokens or max(room, 1),
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
        )
