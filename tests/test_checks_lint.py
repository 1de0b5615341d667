"""Checks compare with `require` only: no `==`, no `allclose`, nothing else on what a student's function returned.

Plain comparisons pass empty arrays, broadcasts and NaN that `same` refuses. The rule follows values by name: what
`student(...)` returns, what is made of it, and what a helper of the module gets or gives when `student` goes into it.
`x is None` and `len(x)` are allowed.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fullstack_llm.checks import registry

COMPARATORS = {
    *("allclose", "isclose", "array_equal", "array_equiv", "equal", "not_equal", "assert_close", "assert_allclose"),
    *("assert_equal", "assert_array_equal", "assert_almost_equal", "assert_array_almost_equal", "eq", "ne", "compare"),
}
STUDENT = "student"


class Taint:
    """Names in one function that hold something of the student's."""

    def __init__(self, function: ast.FunctionDef, helpers: set[str], parameters: set[str]) -> None:
        self.function, self.helpers, self.names = function, helpers, set(parameters)
        for _ in range(4):
            for node in ast.walk(function):
                self.follow(node)

    def holds(self, node: ast.AST | None) -> bool:
        match node:
            case None | ast.Constant():
                return False
            case ast.Name(id=name):
                return name in self.names
            case ast.Call(func=ast.Name(id="len" | "isinstance")):
                return False
            case ast.Call(func=ast.Name(id=name)) if name == STUDENT:
                return True
            case ast.Call(func=ast.Name(id=name), args=args) if name in self.helpers and has_student(args):
                return True
        return any(self.holds(child) for child in ast.iter_child_nodes(node))

    def bind(self, target: ast.AST, value: ast.AST) -> None:
        match target, value:
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=values) if len(targets) == len(values):
                for one, part in zip(targets, values, strict=True):
                    self.bind(one, part)
            case ast.Tuple(elts=[_, second]), ast.Call(func=ast.Name(id="enumerate"), args=[value]):
                self.bind(second, value)
            case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
                for one, part in zip(targets, values, strict=True):
                    self.bind(one, part)
            case _ if self.holds(value):
                self.names |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}

    def follow(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.bind(target, value)
            case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value) if value:
                self.bind(target, value)
            case ast.NamedExpr(target=target, value=value):
                self.bind(target, value)
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                self.bind(target, value)


def has_student(args: list[ast.expr]) -> bool:
    return any(isinstance(arg, ast.Name) and arg.id == STUDENT for arg in args)


def violations(source: str) -> list[str]:
    """Lines of a check module that compare a student's value with anything but `same`."""
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    tainted: dict[str, set[str]] = {name: set() for name in functions}
    found: set[str] = set()
    for _ in range(3):
        for name, function in functions.items():
            taint = Taint(function, set(functions), tainted[name])
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                    parameters = [arg.arg for arg in functions[node.func.id].args.args]
                    held = [p for p, arg in zip(parameters, node.args, strict=False) if taint.holds(arg)]
                    tainted[node.func.id] |= set(held)
                if compares(node, taint):
                    found.add(f"line {node.lineno}: {ast.unparse(node)}")
    return sorted(found)


def compares(node: ast.AST, taint: Taint) -> bool:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            to_none = all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and all(
                isinstance(other, ast.Constant) and other.value is None for other in others
            )
            return not to_none and any(map(taint.holds, [left, *others]))
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in COMPARATORS:
            return any(map(taint.holds, args)) or (
                isinstance(node.func, ast.Attribute) and taint.holds(node.func.value)
            )
        case ast.Match(subject=subject):
            return taint.holds(subject)
    return False


MODULES = sorted({*registry.labs().values(), *registry.labs(Path(__file__).parent / "grading" / "toy").values()})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_checks_compare_with_require_only(path: Path) -> None:
    assert not violations(path.read_text("utf-8"))


PLANTED = {
    "equality": "def f(student, draw):\n    assert student(1) == 2",
    "a name": "def f(student, draw):\n    got = student(1)\n    if got != 2: raise Wrong()",
    "part of it": "def f(student, draw):\n    got = student(1)\n    assert abs(got[0] - 2).max() < 1e-3",
    "allclose": "def f(student, draw):\n    a, b = student(1)\n    assert np.allclose(a, 1)",
    "assert_close": "def f(student, draw):\n    torch.testing.assert_close(student(1), want)",
    "method": "def f(student, draw):\n    assert student(1).equal(want)",
    "comprehension": "def f(student, draw):\n    assert all(x == 1 for x in student(1))",
    "helper's parameter": "def f(student, draw):\n    g(student(1), 2)\ndef g(got, want):\n    assert got == want",
    "helper's result": "def g(student):\n    yield student(1)\ndef f(student, draw):\n    [x == 1 for x in g(student)]",
    "membership": "def f(student, draw):\n    assert student(1) in (1, 2)",
    "match": "def f(student, draw):\n    match student(1):\n        case 1: pass",
}
FINE = """
def f(student, draw):
    got = student(1)
    if got is None or len(got) != 2:
        require(got, [1, 2], case={}, hint="")
    for name, mine in zip(("a", "b"), got):
        require(mine, 1, case={}, hint="a" if name == "a" else "b")
    if draw.random() < 0.5:
        assert oracle(3) == 4
"""


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED.keys())
def test_lint_finds_a_planted_comparison(source: str) -> None:
    assert violations(source)


def test_lint_accepts_what_is_fine() -> None:
    assert violations(FINE) == []
