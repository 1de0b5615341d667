"""Turn pieces into what OpenAI's API answers: choices, whole or in chunks, with log-probabilities and calls of tools.

>>> calls('So: <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>')
('So:', [('add', '{"a": 1}')])
>>> calls("<tool_call>{</tool_call>")
('<tool_call>{</tool_call>', [])
"""

from __future__ import annotations

import codecs
import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedTokenizerBase

from fullstack_llm.engine.requests import LogProb, Piece, join
from fullstack_llm.engine.server.protocol import Chat, Completion

# How Qwen's and other models' templates write calls, by the form of Hermes.
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
# JSON has no infinity; OpenAI's API documents this number for a token that is very unlikely.
LEAST = -9999.0
# Byte-level tokenizers write a character for each byte: printable ones as themselves, the rest behind them in order.
SHOWN = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTES = {chr(b): b for b in SHOWN} | {chr(256 + i): b for i, b in enumerate(sorted(set(range(256)) - set(SHOWN)))}


def calls(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Split an answer into text and calls, each a name and its arguments in JSON; what is no call stays text."""
    found = []
    for block in CALL.findall(text):
        try:
            call = json.loads(block)
            found.append((str(call["name"]), json.dumps(dict(call["arguments"]), ensure_ascii=False)))
        except (ValueError, TypeError, LookupError, RecursionError):
            return text, []
    return (CALL.sub("", text).strip() if found else text), found


class Spelling:
    """Spell single tokens: a token of a byte-level tokenizer may be part of a character."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.known = tokenizer, dict[int, bytes]()
        self.added, self.special = tokenizer.added_tokens_decoder, frozenset(tokenizer.all_special_ids)
        decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
        self.byte_level = "ByteLevel" in repr(decoder)

    def bytes(self, token: int) -> bytes:
        """Return the bytes that a token stands for."""
        if token not in self.known:
            name = self.tokenizer.convert_ids_to_tokens(token) or ""
            if self.byte_level and token not in self.added and all(letter in BYTES for letter in name):
                self.known[token] = bytes(BYTES[letter] for letter in name)
            else:
                self.known[token] = str(self.tokenizer.decode([token])).encode("utf-8", "replace")
        return self.known[token]

    def name(self, token: int) -> str:
        r"""Return a token as text, and if it is none as OpenAI's API does: `bytes:\xe2\x82`."""
        try:
            return self.bytes(token).decode()
        except UnicodeDecodeError as error:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in error.object)


@dataclass
class Said:
    """Hold how far the answer of one sequence has come."""

    begun: bool = False
    offset: int = 0  # how long its text is
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    held: Piece | None = None  # what is sent at the end only


@dataclass
class Writer:
    """Write the choices of one answer; `texts` are the prompts as text, for an echo."""

    asked: Completion | Chat
    prompts: Sequence[Sequence[int]]
    texts: Sequence[str]
    spelling: Spelling
    ends: frozenset[int]

    def __post_init__(self) -> None:
        """Note what is the same in all chunks of an answer."""
        self.chat = isinstance(self.asked, Chat)
        self.tools = isinstance(self.asked, Chat) and self.asked.calls
        kind = "chat.completion" if self.chat else "text_completion"
        self.head = {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-{secrets.token_hex(12)}",
            "object": kind + (".chunk" if self.chat and self.asked.stream else ""),
            "created": int(time.time()),
            "model": self.asked.model,
        }
        self.said: dict[int, Said] = {}
        self.generated = 0

    @property
    def usage(self) -> dict[str, int]:
        """Count tokens; a prompt that is answered several times is read once."""
        read = sum(map(len, self.prompts))
        return {"prompt_tokens": read, "completion_tokens": self.generated, "total_tokens": read + self.generated}

    def choice(self, piece: Piece) -> dict[str, Any] | None:
        """Return what a piece adds to an answer, or None if nothing can be said yet."""
        index = piece.request * self.asked.n + piece.index
        said = self.said.setdefault(index, Said())
        silent = isinstance(self.asked, Completion) and self.asked.max_tokens == 0
        if silent:
            piece = Piece(piece.request, piece.index, prompt_logprobs=piece.prompt_logprobs, finish="length")
        self.generated += len(piece.tokens)
        if self.tools and (said.held or not piece.finish):
            said.held = piece = merged([said.held, piece] if said.held else [piece])
            if not piece.finish:
                return None
        if not (piece.text or piece.finish or piece.logprobs or not said.begun):
            return None
        found = {"index": index, **(self._chat(said, piece) if self.chat else self._completion(said, piece))}
        said.begun = True
        return found

    def _completion(self, said: Said, piece: Piece) -> dict[str, Any]:
        """Return a choice of a completion, or a part of one."""
        assert isinstance(self.asked, Completion)
        echo = self.asked.echo and not said.begun
        text = (self.texts[piece.request] if echo else "") + piece.text
        before = list(self.prompts[piece.request]) if echo else []
        scores = [None, *piece.prompt_logprobs] if echo else []
        found = None
        if self.asked.logprobs is not None:
            found = self._scores(said, [*before, *piece.tokens], [*scores, *piece.logprobs], len(before))
        return {"text": text, "logprobs": found, "finish_reason": piece.finish}

    def _scores(self, said: Said, tokens: list[int], scores: list[LogProb | None], read: int) -> dict[str, Any]:
        """Return log-probabilities as completions have them. Of tokens with one name the likeliest is shown."""
        offsets, tops = list[int](), list[dict[str, float] | None]()
        for at, (token, score) in enumerate(zip(tokens, scores, strict=True)):
            offsets.append(said.offset)
            # Special tokens are in the text of a prompt, and not in that of an answer.
            if at < read or token not in self.spelling.special:
                said.offset += len(said.decoder.decode(self.spelling.bytes(token)))
            top = dict[str, float]()
            for other, value in [*score.top, (token, score.logprob)] if score else []:
                top.setdefault(self.spelling.name(other), finite(value))
            tops.append(top if score else None)
        return {
            "tokens": [self.spelling.name(token) for token in tokens],
            "token_logprobs": [finite(score.logprob) if score else None for score in scores],
            "top_logprobs": tops,
            "text_offset": offsets,
        }

    def _chat(self, said: Said, piece: Piece) -> dict[str, Any]:
        """Return a choice of a chat, or a part of one."""
        text, made = calls(piece.text) if self.tools else (piece.text, [])
        message: dict[str, Any] = {} if said.begun else {"role": "assistant"}
        message["content"] = None if made and not text else text
        if not self.asked.stream:
            message["refusal"] = None
        if made:
            message["tool_calls"] = [
                {
                    **({"index": at} if self.asked.stream else {}),
                    "id": f"call_{secrets.token_hex(12)}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for at, (name, arguments) in enumerate(made)
            ]
        scores = None
        if self.asked.logprobs:
            # The token that ends a turn is no part of it.
            shown = [pair for pair in zip(piece.tokens, piece.logprobs, strict=True) if pair[0] not in self.ends]
            scores = {"content": [self._score(*pair) for pair in shown], "refusal": None}
        finish = "tool_calls" if made and piece.finish == "stop" else piece.finish
        return {"delta" if self.asked.stream else "message": message, "logprobs": scores, "finish_reason": finish}

    def _score(self, token: int, score: LogProb) -> dict[str, Any]:
        """Return a token's log-probability as chats have it."""

        def named(token: int, value: float) -> dict[str, Any]:
            spelled = self.spelling
            return {"token": spelled.name(token), "logprob": finite(value), "bytes": list(spelled.bytes(token))}

        return {**named(token, score.logprob), "top_logprobs": [named(*pair) for pair in score.top]}


def finite(value: float) -> float:
    """Return a log-probability as a number that JSON has."""
    return value if value > LEAST else LEAST


def merged(pieces: Sequence[Piece]) -> Piece:
    """Return some pieces of one sequence as one."""
    whole = Piece(pieces[0].request, pieces[0].index)
    for piece in pieces:
        join(whole, piece)
    return whole
