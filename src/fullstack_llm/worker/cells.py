"""Run a notebook's cell as plain Python; rules that look at one line at a time remove magics and shell lines.

IPython's own transformer is not used: thousands of `%time` lines take it minutes.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import linecache
import re
from types import CodeType
from typing import Any

# Cell magics whose body is Python; the body of any other cell magic is another language, or a file.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3"}
ASSIGNED = re.compile(r"^(\s*[\w\s,.\[\]]+=\s*)[!%]")
TIMED = re.compile(r"^(\s*)%(?:time|prun)\s+(?!-)(.*)$")
FEATURES = importlib.import_module("__future__")
FUTURE = sum(getattr(FEATURES, name).compiler_flag for name in FEATURES.all_feature_names)


def without_magics(source: str) -> str:
    """Return the cell without magics, shell lines and help lines; line numbers do not change.

    >>> without_magics("%matplotlib inline\\nx = 1\\n!ls\\n%time y = 2")
    'pass\\nx = 1\\npass\\ny = 2'
    """
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        magic = lines[first][2:].split()
        if not magic or magic[0] not in PYTHON_MAGICS:
            return ""
        lines[first] = ""
    continued = False
    for number, line in enumerate(lines):
        if continued:
            # A backslash continues a shell line.
            continued, lines[number] = line.rstrip().endswith("\\"), ""
            continue
        body = line.lstrip()
        indent = line[: len(line) - len(body)]
        if timed := TIMED.match(line):
            lines[number] = timed[1] + timed[2]
        elif body.startswith(("%", "!", "?")):
            continued, lines[number] = body.rstrip().endswith("\\"), f"{indent}pass"
        elif assigned := ASSIGNED.match(line):
            continued, lines[number] = body.rstrip().endswith("\\"), f"{assigned[1]}None"
        elif re.fullmatch(r"[\w.]+\?{1,2}", body.rstrip()):
            lines[number] = f"{indent}pass"
    return "\n".join(lines)


def compile_cell(source: str, label: str, flags: int = 0) -> CodeType:
    """Compile the cell; magics are removed only if the cell is not valid Python with them, so strings stay whole."""
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        return compile(source, f"<{label}>", "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        plain = without_magics(source)
        if plain == source:
            raise
        try:
            return compile(plain, f"<{label}>", "exec", flags, dont_inherit=True)
        except SyntaxError:
            raise error from None


def run(source: str, label: str, namespace: dict[str, Any], flags: int = 0) -> int:
    """Run a cell in the namespace; return the `from __future__` flags that the next cell inherits."""
    # With this entry, tracebacks quote the line and inspect.getsource works, as in a notebook.
    linecache.cache[f"<{label}>"] = (len(source), None, source.splitlines(keepends=True), f"<{label}>")
    code = compile_cell(source, label, flags)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, namespace))
    else:
        exec(code, namespace)
    return code.co_flags & FUTURE
