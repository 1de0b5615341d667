"""Call a student's function with the values in a frame, and encode its result or its exception into a frame.

The same code runs in a notebook and in the grader's worker, so both give the same verdict. Standard library only.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from . import codec

LIMIT = 4000


def unexplained(error: BaseException) -> str:
    """Return no remark on an exception: in a notebook, its traceback says all."""
    return ""


def call(function: Callable[..., Any], values: bytes, remark: Callable[[BaseException], str] = unexplained) -> bytes:
    """Return a reply frame: `("value", v)`, `("not written", hint)`, `("refused", why)` or `("raised", ...)`."""
    try:
        result = function(*codec.decode(values))
    except KeyboardInterrupt:
        raise
    except NotImplementedError as error:
        return codec.encode(("not written", _text(error), trace(error)))
    except BaseException as error:
        return codec.encode(("raised", f"{named(error)}{remark(error)}", trace(error)))
    try:
        return codec.encode(("value", result))
    except KeyboardInterrupt:
        raise
    except codec.CodecError as error:
        return codec.encode(("refused", _text(error)))
    except BaseException as error:
        # A subclass of an array may raise anything when its dtype is read.
        return codec.encode(("refused", f"the value could not be read: {_text(error)}"))


def trace(error: BaseException) -> str:
    """Return the traceback, from the first frame of the student's code on."""
    try:
        first: TracebackType | None = error.__traceback__
        while first and first.tb_next and first.tb_frame.f_code.co_filename == __file__:
            first = first.tb_next
        lines = traceback.format_exception(type(error), error, first, limit=-20, chain=False)
        return _cut("".join(lines))
    except BaseException:
        return f"{_name(error)} (its traceback cannot be printed)"


def named(error: BaseException) -> str:
    """Return the exception's name and its message."""
    return f"{_name(error)}: {_text(error)}"


def _name(error: BaseException) -> str:
    # Not `type(error).__name__`: a metaclass can override that.
    return _cut(type.__dict__["__name__"].__get__(type(error)), 100)


def _text(error: BaseException) -> str:
    try:
        return _cut(str(error), 500)
    except BaseException:
        return "(its message cannot be printed)"


def _cut(text: str, limit: int = LIMIT) -> str:
    # A traceback may quote source with lone surrogates, which the codec refuses.
    text = str.encode(text, "utf-8", "backslashreplace").decode()
    return text if len(text) <= limit else f"{text[: limit // 4]}\n[...]\n{text[-limit * 3 // 4 :]}"
