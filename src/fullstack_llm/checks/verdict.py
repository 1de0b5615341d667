"""A verdict: what each check of an exercise found, as data, as text, and as a card in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from fullstack_llm.worker import codec

KINDS = ("right", "wrong", "not written", "missing", "raised", "refused", "timeout", "died", "check failed")
HEADINGS = {
    "wrong": "not right yet",
    "not written": "not written yet",
    "raised": "stopped with an error",
    "refused": "returned something that cannot be judged",
    "timeout": "took too long",
    "died": "ended its process",
}


@dataclass(frozen=True)
class Outcome:
    """What one check found; all texts are plain and short, and `inputs` are the failing case as text."""

    part: str
    points: int
    earned: int
    kind: str
    hint: str
    inputs: dict[str, str]
    got: str = ""
    want: str = ""
    reason: str = ""
    trace: str = ""
    # Where the hint says what was raised: the mistake that may be behind it.
    advice: str = ""
    # The failing case whole, encoded, and the names of its values.
    request: bytes = field(default=b"", repr=False, compare=False)
    arguments: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def case(self) -> dict[str, Any]:
        """Return the failing case whole, by the names of the arguments: fresh copies of what the function was given."""
        return dict(zip(self.arguments, codec.decode(self.request), strict=True)) if self.arguments else {}

    def __getstate__(self) -> dict[str, Any]:
        # A report is made of the texts alone, and a class has many of them.
        return {**vars(self), "request": b"", "arguments": ()}

    @property
    def texts(self) -> dict[str, Any]:
        """Return all but the encoded case, as plain data."""
        return {name: value for name, value in vars(self).items() if name not in ("request", "arguments")}

    @property
    def heading(self) -> str:
        """Return the kind in a student's words."""
        return HEADINGS.get(self.kind, self.kind)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return label and text of each thing to show: the failing input, both values, and the hint."""
        rows = [("input", f"{name} = {text}" if name != "call" else text) for name, text in self.inputs.items()]
        if self.kind == "wrong":
            rows += [("got", self.got), ("wanted", self.want), ("that is", self.reason)]
        rows.append(("hint" if self.kind in ("wrong", "not written") else "why", self.hint))
        return [*rows, ("hint", self.advice)] if self.advice else rows


@dataclass(frozen=True)
class Verdict:
    """The verdict on one exercise; `total` is a line about the whole lab, empty where there is none."""

    lab: str
    exercise: str
    outcomes: tuple[Outcome, ...]
    total: str = field(default="", compare=False)

    @property
    def points(self) -> int:
        """Return the points to be earned."""
        return sum(one.points for one in self.outcomes)

    @property
    def earned(self) -> int:
        """Return the points earned."""
        return sum(one.earned for one in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """Return the outcomes that are not right; one that says the same as an earlier one is left out."""
        seen: dict[tuple[str, str], Outcome] = {}
        for one in self.outcomes:
            if one.kind != "right":
                seen.setdefault((one.kind, one.hint), one)
        return list(seen.values())

    @property
    def case(self) -> dict[str, Any]:
        """Return the first failing case, so that `f(**check(f).case)` runs it again; {} if all is right."""
        return self.failures[0].case if self.failures else {}

    def __str__(self) -> str:
        lines = [f"{self.exercise}: {self.earned} of {self.points} points"]
        for one in self.failures:
            lines.append(f"  {one.part + ': ' if one.part else ''}{one.heading}")
            # A text of several lines stays in its column, and none of them begins as a line of ours.
            lines += [f"    {label + ':':9}{text}".replace("\n", "\n" + " " * 13) for label, text in one.rows]
            lines += [f"    {line}" for line in one.trace.splitlines()]
        return "\n".join(lines + [self.total] * bool(self.total))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        done = self.earned == self.points
        color = "#2e7d32" if done else "#b26a00"
        body = "".join(map(_card, self.failures))
        total = f"<div style='margin-top:.4em;opacity:.8'>{escape(self.total)}</div>" if self.total else ""
        return (
            f"<div style='border-left:4px solid {color};padding:.3em .8em;margin:.3em 0;max-width:60em'>"
            f"<strong>{'✓ ' if done else ''}{escape(self.exercise)}: {self.earned} of {self.points} points</strong>"
            f"{body}{total}</div>"
        )


def _card(one: Outcome) -> str:
    rows = "".join(
        f"<tr><td style='text-align:left;vertical-align:top;opacity:.8'>{escape(label)}</td>"
        f"<td style='text-align:left;white-space:pre-wrap;overflow-wrap:anywhere'>"
        + (escape(text) if label in ("hint", "why", "that is") else f"<code>{escape(text)}</code>")
        + "</td></tr>"
        for label, text in one.rows
    )
    trace = f"<details><summary>traceback</summary><pre>{escape(one.trace)}</pre></details>" if one.trace else ""
    title = f"{one.part}: {one.heading}" if one.part else one.heading
    return f"<div style='margin-top:.3em'><em>{escape(title)}</em><table style='margin:0'>{rows}</table>{trace}</div>"
