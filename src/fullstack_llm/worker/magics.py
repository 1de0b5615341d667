"""Read a cell as IPython does: take prompts and indents away, and put Python where magics and shell lines stand.

IPython's own transformers read the whole cell again for each line that they change, so thousands of `%time` lines take
them minutes. Here one pass finds where each statement begins, outside of strings, brackets and continued lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Cell magics whose body is Python; the body of any other cell magic is another language, or a file.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3"}
# Line magics that run the statement behind them and leave its names in the notebook.
RUNNING_MAGICS = re.compile(r"(?:time|prun)\s+(?!-)(.+)", re.DOTALL)
# A line that begins so is no Python: a magic, a shell line, help, or a call without brackets.
ESCAPES = ("%", "!", "?", ",", ";", "/")
# What IPython takes for help: a name with attributes and numbers in brackets, and a question mark or two.
HELP = re.compile(r"%{0,2}(?!\d)[\w*]+(?:\.\w+|\[-?\d+\])*\?{1,2}$")
PROMPTS = (
    (re.compile(r">>>(?: |$)"), re.compile(r"(?:>>>|\.\.\.)(?: |$)")),
    (re.compile(r"In \[\d+\]: "), re.compile(r"In \[\d+\]: |\s*\.{3,}: ?")),
)
# What decides where a statement ends: comments, strings, brackets, line ends, and a sign of equality on its own.
MARK = re.compile(r"#[^\n]*|\"\"\"|'''|[\"'()\[\]{}\n]|\\\n|(?<![=!<>:+\-*/%&|^@])=(?!=)")
# What stands from behind a quote to the end of its string, or of what the cell has of it.
ENDS = {
    '"': re.compile(r'(?:[^\\"\n]|\\.)*"?', re.DOTALL),
    "'": re.compile(r"(?:[^\\'\n]|\\.)*'?", re.DOTALL),
    '"""': re.compile(r'(?:[^\\]|\\.)*?(?:"""|\Z)', re.DOTALL),
    "'''": re.compile(r"(?:[^\\]|\\.)*?(?:'''|\Z)", re.DOTALL),
}
COMMAND = re.compile(r"(?:[^\\\n]|\\\n|\\)*\n?")
# Longer than any name that somebody asks about; it keeps the search for one short.
LONGEST_NAME = 300
INDENT = re.compile(r"[ \t]*")
ASSIGNED = re.compile(r"[ \t]*(?:(!)(?!=)|%[ \t]*(?=[^\W\d]))")


def without_magics(source: str) -> str:
    """Return the cell without prompts, magics, shell lines and help; line numbers do not change.

    >>> without_magics("%matplotlib inline\\nx = 1\\n!ls\\n%time y = 2")
    'pass\\nx = 1\\npass\\ny = 2'
    >>> without_magics('text = \"\"\"\\n%time x\\n\"\"\"\\n!ls')
    'text = \"\"\"\\n%time x\\n\"\"\"\\npass'
    """
    lines = dedented(source)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if cell_magic(source) not in PYTHON_MAGICS:
            return ""
        lines[first] = ""
    return "".join(_statements("\n".join(lines)))


def cell_magic(source: str) -> str:
    """Return the name of the magic that takes the whole cell, or an empty string.

    >>> cell_magic("%%writefile helpers.py\\nx = 1")
    'writefile'
    """
    found = re.match(r"\s*%%(\w*)", source)
    return found[1] if found else ""


def dedented(source: str) -> list[str]:
    """Return the cell's lines without the indent of the first, and without the prompts of a copied session."""
    lines = source.split("\n")
    written = [line for line in lines if line.strip()]
    indent = INDENT.match(written[0])[0] if written else ""  # type: ignore[index]
    lines = [line.removeprefix(indent) for line in lines]
    head = [line.removeprefix(indent) for line in written[:2]]
    for first, each in PROMPTS:
        if any(first.match(line) for line in head):
            lines = [each.sub("", line, count=1) if each.match(line) else line for line in lines]
    return lines


def _statements(text: str) -> Iterator[str]:
    """Yield the text piece by piece, each a statement with its line end, or what stands in its place."""
    at = 0
    while at < len(text):
        body = at + len(INDENT.match(text, at)[0])  # type: ignore[index]
        if text.startswith(ESCAPES, body):
            end = _command_end(text, body)
            yield text[at:body] + _instead(text[body:end], "pass")
        else:
            end, equal, code_end = _statement_end(text, at)
            if equal:
                command = ASSIGNED.match(text, equal)
                end = _command_end(text, equal)
                shell = command is not None and command[1]
                yield f"{text[at:equal]} " + _instead(text[equal:end].lstrip(), "[]" if shell else "None")
            elif HELP.search(text[max(at, code_end - LONGEST_NAME) : code_end].rstrip()):
                yield text[at:body] + _blank(text[at:end], "pass")
            else:
                yield text[at:end]
        at = end


def _statement_end(text: str, at: int) -> tuple[int, int, int]:
    """Return where the statement ends, its line end included; where a magic is assigned, or 0; where its code ends."""
    depth, assigned = 0, False
    while mark := MARK.search(text, at):
        at, kind = mark.end(), mark[0]
        if kind in ENDS:
            closed = ENDS[kind].match(text, at)
            at = closed.end() if closed else len(text)
        elif kind in "([{":
            depth += 1
        elif kind in ")]}":
            depth = max(0, depth - 1)
        elif kind == "\n" and depth == 0:
            return at, 0, at - 1
        elif kind[0] == "#" and depth == 0:
            # With a comment behind it, a question mark asks for nothing.
            return min(at + 1, len(text)), 0, 0
        elif kind == "=" and depth == 0 and not assigned:
            assigned = True
            if ASSIGNED.match(text, at):
                return at, at, at
    return len(text), 0, len(text)


def _command_end(text: str, at: int) -> int:
    """Return where a magic or shell line ends; a backslash at the end of a line continues it."""
    found = COMMAND.match(text, at)
    return found.end() if found else len(text)


def _instead(command: str, nothing: str) -> str:
    """Return Python in place of a magic, with as many lines: the statement that it runs, or `nothing`."""
    runs = RUNNING_MAGICS.match(re.sub(r"\\\n", "", command).strip()[1:].lstrip())
    return _blank(command, runs[1] if runs and command.startswith("%") else nothing)


def _blank(piece: str, python: str) -> str:
    return python + "\n" * piece.count("\n")
