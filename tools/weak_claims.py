"""List places in the notebooks where an assertion may not be able to fail, or may allow the opposite of the prose.

    python tools/weak_claims.py [notebooks/04a_attention.md ...]

A candidate is for a person to look at: a band whose ends are more than a factor of 10 apart, or lie on both sides of 1
for a ratio or of 0; and an assertion in which nothing is computed by the notebook: all its values come from a recorded
run or are constants, so that it only repeats what the record's hash already says.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fullstack_llm.commands import Parser, in_sentences

FACTOR = 10
RECORDED = ("recorded.load",)


def number(node: ast.expr) -> float | None:
    """Return the value of a literal number, `-1` and `1e-3` included."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) else None


def wide_bands(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the fault of each `expect` whose band says little.

    >>> list(wide_bands(ast.parse('expect("a", x, 5, 20_000)')))
    [(1, 'a: the band from 5 to 20000 spans a factor of 4000')]
    """
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "expect" and len(node.args) >= 4):
            continue
        name = ast.unparse(node.args[0]).strip("'\"")
        low, high = number(node.args[2]), number(node.args[3])
        unit = next((ast.unparse(k.value).strip("'\"") for k in node.keywords if k.arg == "unit"), "")
        if low is None or high is None:
            continue
        if low < 0 < high:
            yield node.lineno, f"{name}: the band from {low:g} to {high:g} holds both signs"
        elif low > 0 and high / low > FACTOR:
            yield node.lineno, f"{name}: the band from {low:g} to {high:g} spans a factor of {high / low:.0f}"
        elif low < 1 < high and unit.startswith("x"):
            yield node.lineno, f"{name}: the band from {low:g} to {high:g} holds both more and less"


def repeated(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each assertion on recorded values and constants alone.

    >>> list(repeated(ast.parse('run = recorded.load("a")\\nassert run["values"]["b"] > 1')))
    [(2, "nothing here is computed: run['values']['b'] > 1")]
    """
    known, plain = set[str](), {"np", *dir(builtins)}
    for statement in tree.body:
        if isinstance(statement, ast.Assert):
            used = {node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)}
            if used & known and used <= known | plain:
                yield statement.lineno, f"nothing here is computed: {ast.unparse(statement.test)}"
        elif isinstance(statement, ast.Assign):
            used = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
            loads = any(call in ast.unparse(statement.value) for call in RECORDED)
            targets = {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if loads or (used and used & known and used <= known | plain):
                known |= targets
            else:
                known -= targets


@in_sentences
def main(arguments: list[str] | None = None) -> int:
    """Print the candidates; return 0."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from modules import CODE

    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="sources to look at (default: all of notebooks/)")
    paths = parser.parse_args(arguments).notebooks or sorted(Path("notebooks").glob("*.md"))
    for path in paths:
        if not os.path.isfile(path):  # noqa: PTH113 (a name that is too long is no file, and no error)
            parser.error(f"There is no file {path}; sources are the .md files in notebooks/.")
        text = path.read_text(encoding="utf-8")
        code, starts = "", list[int]()
        for match in CODE.finditer(text):
            start = text.count("\n", 0, match.start(1)) + 1
            lines = match[1].splitlines()
            starts += [start + i for i in range(len(lines))]
            code += "".join(line + "\n" if not line.lstrip().startswith(("%", "!")) else "pass\n" for line in lines)
        tree = ast.parse(code)
        for line, fault in sorted([*wide_bands(tree), *repeated(tree)]):
            print(f"{path}:{starts[line - 1]}: {fault}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
