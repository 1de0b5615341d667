"""Look at a batch as the loss sees it, and say in sentences what is wrong with its labels.

>>> from fullstack_llm.finetuning.labels import chosen
>>> from fullstack_llm.models.chat import PAD, collate, encode
>>> from fullstack_llm.tokenization import course_tokenizer
>>> tokenizer = course_tokenizer.load()
>>> talk = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
>>> row = encode(tokenizer, talk)
>>> lint(tokenizer, *collate([row], PAD))
[]
>>> print(lint(tokenizer, *collate([chosen(row, stop=False)], PAD))[0])
row 0: the stop token of the answer '4<|im_end|>' is not trained on
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from fullstack_llm.finetuning.labels import spans
from fullstack_llm.models.chat import IGNORE

# Answers that begin with a word and with a digit: a space before them merges with the one and not with the other.
_PROBES = tuple(({"role": "user", "content": "Who?"}, {"role": "assistant", "content": said}) for said in ("Ada.", "4"))
_SHOWN = 60


@dataclass(frozen=True)
class Finding:
    """Hold what is wrong, where: the rule's name, the row (-1: the template or the batch), and a sentence."""

    rule: str
    row: int
    text: str

    def __str__(self) -> str:
        """Return the sentence, with its row."""
        return f"row {self.row}: {self.text}" if self.row >= 0 else self.text


class Turns(NamedTuple):
    """Hold how a template writes: its first token, the ids that open an assistant's turn, the token that ends one."""

    first: int
    opening: tuple[int, ...]
    stop: int


def turns_of(tokenizer: PreTrainedTokenizerBase) -> Turns:
    """Find in the template what a text begins with, what opens an assistant's turn, and what ends it.

    Raises ValueError where the template has no prompt for the assistant, or ends its turn with no special token.
    """
    asked, prompted, whole = (_ids(tokenizer, part, prompt) for part, prompt in _parts(_PROBES[0]))
    opening = prompted[len(asked) :]
    if prompted[: len(asked)] != asked or not opening:
        raise ValueError("The template adds no prompt for the assistant: there is nothing to answer after.")
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    same = next((at for at, (a, b) in enumerate(zip(prompted, whole, strict=False)) if a != b), len(prompted))
    ends = [token for token in whole[same:] if token in special]
    if not ends:
        raise ValueError("The template ends the assistant's turn with no special token: nothing can stop the model.")
    return Turns(whole[0], tuple(opening), ends[-1])


def _parts(messages: Sequence[Mapping[str, str]]) -> Iterator[tuple[list[dict[str, str]], bool]]:
    """Yield the messages before the last without and with the assistant's prompt, and all of them."""
    found = [dict(message) for message in messages]
    yield from ((found[:-1], False), (found[:-1], True), (found, False))


def _ids(tokenizer: Any, messages: list[dict[str, str]], prompt: bool) -> list[int]:
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=True)["input_ids"])


def lint_prompt(tokenizer: Any, prompt: Sequence[int], text: Sequence[int]) -> list[Finding]:
    """Return a finding where what the model is asked after is not what the text that it was trained on begins with."""
    if list(text[: len(prompt)]) == list(prompt):
        return []
    same = next((at for at, (a, b) in enumerate(zip(prompt, text, strict=False)) if a != b), len(text))
    asked, trained = (str(tokenizer.decode(ids[max(0, same - 3) : same + 2])) for ids in (prompt, text))
    return [Finding("prefix", -1, f"the model is asked after {asked!r} and trained on {trained!r}: no prefix of it")]


def lint_template(tokenizer: Any) -> list[Finding]:
    """Return what is wrong with the tokenizer's chat template, tried on short conversations; one finding a rule."""
    found = dict[str, Finding]()
    for probe in _PROBES:
        for one in _template(tokenizer, probe):
            found.setdefault(one.rule, one)
    return list(found.values())


def _template(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    _, prompted, whole = (_ids(tokenizer, part, prompt) for part, prompt in _parts(messages))
    yield from lint_prompt(tokenizer, prompted, whole)
    bos = tokenizer.bos_token_id
    if bos is not None and whole[:2] == [bos, bos]:
        yield Finding("bos", -1, f"the text begins with {tokenizer.bos_token!r} twice")
    out = tokenizer.apply_chat_template(
        [dict(m) for m in messages], return_dict=True, return_assistant_tokens_mask=True
    )
    own = [bool(mine) for mine in out["assistant_masks"]]
    if not any(own):
        text = "the template marks no token as the assistant's: it has no {% generation %} block"
        yield Finding("generation", -1, text)
        return
    if own.index(True) != len(prompted):
        asked, trained = prompted[-3:], whole[own.index(True) :][:3]
        text = f"the model is asked after {tokenizer.decode(asked)!r}; what it is trained on begins later or earlier, "
        yield Finding("border", -1, text + f"with {tokenizer.decode(trained)!r}")
    stop, marked = turns_of(tokenizer).stop, [token for token, mine in zip(whole, own, strict=True) if mine]
    if stop not in marked:
        text = f"{tokenizer.decode([stop])!r} stands outside of the template's generation block and is not trained on"
        yield Finding("stop", -1, text)
    elif marked[-1] != stop:
        behind = tokenizer.decode(marked[marked.index(stop) + 1 :])
        yield Finding("after", -1, f"{behind!r} is trained on too, behind the stop token, where the model has stopped")


def lint(
    tokenizer: Any,
    ids: Int[Tensor, "B T"],
    labels: Int[Tensor, "B T"],
    messages: Sequence[int] | None = None,
    bounds: tuple[float, float] = (0.02, 0.75),
) -> list[Finding]:
    """Return what is wrong with a batch, or with packed rows: labels as the library takes them, not yet shifted.

    `messages` has the number of messages of each row, where it is known: a text that spells out a marker makes more.
    `bounds` are those of the share of the batch's tokens that is trained on. Raises ValueError where shapes differ.
    """
    if ids.shape != labels.shape:
        raise ValueError(f"Ids of shape {tuple(ids.shape)} have labels of shape {tuple(labels.shape)}.")
    how, pad, found = turns_of(tokenizer), tokenizer.pad_token_id, list[Finding]()
    trained = labels != IGNORE
    for at, (row, label) in enumerate(zip(ids.tolist(), labels.tolist(), strict=True)):
        real = [k for k, token in enumerate(row) if pad is None or pad == how.stop or token != pad]
        begin, end = (real[0], real[-1] + 1) if real else (0, 0)
        if any(mark != IGNORE for mark in label[:begin] + label[end:]):
            found.append(Finding("padding", at, f"padding is trained on, outside of {begin} to {end} of {len(row)}"))
        found += [Finding(rule, at, text) for rule, text in _row(tokenizer, how, row[begin:end], label[begin:end])]
        count = sum(tuple(row[k : k + 1]) == how.opening[:1] for k in range(begin, end))
        if messages is not None and count != messages[at]:
            text = f"{messages[at]} messages have become {count}: does a text spell out a marker?"
            found.append(Finding("marker", at, text))
    tokens = (ids != pad).sum().item() if pad is not None and pad != how.stop else ids.numel()
    share = trained.sum().item() / max(tokens, 1)
    if not bounds[0] <= share <= bounds[1]:
        found.append(Finding("share", -1, f"{share:.1%} of the tokens are trained on, outside of {bounds}"))
    return found


def _row(tokenizer: Any, how: Turns, row: list[int], label: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the rule and the sentence of each fault of one row, without its padding."""

    def shown(part: slice) -> str:
        text = str(tokenizer.decode(row[part]))
        return repr(text if len(text) <= _SHOWN else text[: _SHOWN // 2] + " … " + text[-_SHOWN // 2 :])

    own = [mark != IGNORE for mark in label]
    if row and row[0] != how.first:
        yield "head", f"the row begins with {shown(slice(0, 3))}, in the middle of a conversation"
    if row[:2] == [tokenizer.bos_token_id] * 2:
        yield "bos", f"the row begins with {tokenizer.bos_token!r} twice"
    if not any(own):
        yield "nothing", "no token is trained on; alone in a batch it has a loss of 0 or of NaN"
        return
    moved = [at for at, mark in enumerate(label) if mark not in (IGNORE, row[at])]
    if moved:
        early = all(row[at + 1 : at + 2] in ([], [label[at]]) for at in moved)
        because = "they are shifted, and the library shifts them again" if early else "they are other tokens"
        yield "shift", f"{len(moved)} labels are not the token at their own place: {because}"
        return
    yield from _trained(how, row, own, shown)


def _trained(how: Turns, row: list[int], own: list[bool], shown: Callable[[slice], str]) -> Iterator[tuple[str, str]]:
    """Yield the faults of the trained spans, held against the answers that the template's tokens show."""
    answers = _answers(how, row)
    for part in spans(own):
        whose = sum(max(0, min(s.stop, part.stop) - max(s.start, part.start)) for s in answers)
        if other := part.stop - part.start - whose:
            yield "others", f"{other} tokens that the assistant did not write are trained on, in {shown(part)}"
    for answer in answers:
        if not any(own[answer]):
            continue
        if not own[answer.start]:
            yield "start", f"the answer {shown(answer)} is trained on, and its first token is not"
        if row[answer.stop - 1] != how.stop:
            yield "cut", f"the answer {shown(answer)} is cut off: no stop token follows it"
        elif not own[answer.stop - 1]:
            yield "stop", f"the stop token of the answer {shown(answer)} is not trained on"


def _answers(how: Turns, row: list[int]) -> list[slice]:
    """Return where the assistant's turns stand, each from behind its opening to its stop token, that included."""
    size, found = len(how.opening), list[slice]()
    ends = {how.stop, how.opening[0], how.first}
    for at in range(size, len(row)):
        if tuple(row[at - size : at]) == how.opening:
            stop = next((k for k in range(at, len(row)) if row[k] in ends), len(row))
            found.append(slice(at, stop + (stop < len(row) and row[stop] == how.stop)))
    return found
