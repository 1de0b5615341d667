"""Checks compare with `require` only: no `==`, no `allclose`, nothing else on what a student's function returned.

Plain comparisons pass empty arrays, broadcasts and NaN that `same` refuses. The rule follows values by name: what
`student(...)` returns, what is made of it, and what a helper of the module gets or gives when `student` goes into it.
Such a value may be taken apart and put into `require`; it may not be computed with, asked whether it is true, or given
to a function that is not followed. `x is None` and `len(x)` are allowed.

Every module is read that takes part in judging: those of the labs and all that they import from the checks. A student's
function goes by the name `student` in all of them, or by that of a function within that calls it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from fullstack_llm.checks import registry

# What may be done with a value of the student's: put it into `require`, take it apart, ask for its type and length.
ALLOWED = {"require", "same", "len", "isinstance", "type", "zip", "enumerate", "dict", "list", "tuple"}
# Functions of helper modules that take such a value, and why no points can come of it.
EXCUSED = {
    "chat.first_difference": "what it finds is a known mistake, which brings a hint",
    "np.asarray": "it makes an array of a number, and looks at nothing",
    "probes.tensors": "it makes tensors of arrays, and looks at nothing",
}
# Functions that do look at such values, by module, and why no points can come of it.
EXEMPT = {
    "judging.require": "the comparison itself",
    "judging._outcome": "here `student` makes the function that has this name elsewhere",
    "judging.judge_check": "it holds outcomes",
    "transformer_probes.tensors": "it makes tensors of arrays",
    "transformer_probes._probed": "what it gives is a hint",
    "transformer_probes.moves": "what it gives is a hint",
    "transformer_probes.stretches": "what it gives is a hint",
    "transformer_count.first_wrong": "what it gives is a hint",
}
STUDENT = "student"


class Taint:
    """Names in one function that hold something of the student's."""

    def __init__(self, function: ast.FunctionDef, functions: dict[str, ast.FunctionDef], parameters: set[str]) -> None:
        self.function, self.functions, self.names = function, functions, set(parameters)
        self.values = set(parameters)
        for _ in range(4):
            for node in ast.walk(function):
                self.follow(node)

    def holds(self, node: ast.AST | None) -> bool:
        match node:
            case None | ast.Constant() | ast.Lambda():
                return False
            case ast.Name(id=name):
                return name in self.names
            case ast.Call(func=ast.Name(id="len" | "isinstance" | "type" | "same")):
                return False
            case ast.Call(func=ast.Name(id=name)) if name in self.functions and is_hint(self.functions[name]):
                return False
            case ast.Call(func=ast.Name(id=name)) if name == STUDENT or name in closures(self.functions):
                return True
            case ast.Call(func=ast.Name(id=name), args=args) if name in self.functions and has_student(args):
                return True
        return any(self.holds(child) for child in ast.iter_child_nodes(node))

    def bare(self, node: ast.AST) -> bool:
        """Whether the node itself is of the student's making: a comparison or a call within it is looked at apart."""
        match node:
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return False
            case ast.Name(id=name):
                return name in self.values
        return self.holds(node)

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
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id=name)) if self.holds(value) and self.parts(name):
                for number, one in enumerate(targets):
                    if any(inner.holds(parts[number]) for inner, parts in self.parts(name) if number < len(parts)):
                        self.values |= {node.id for node in ast.walk(one) if isinstance(node, ast.Name)}
                        self.names |= {node.id for node in ast.walk(one) if isinstance(node, ast.Name)}
            case ast.Name(id=name), _ if self.holds(value):
                self.names.add(name)
                # Whether a list is empty that the check itself has written says nothing of what is in it.
                if not isinstance(value, ast.List):
                    self.values.add(name)
            case _ if self.holds(value):
                self.values |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
                self.names |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}

    def parts(self, name: str) -> list[tuple[Taint, list[ast.expr]]]:
        """The tuples that a helper yields or returns, itself or by way of another, with what is tainted there."""
        if name not in self.functions or name == self.function.name:
            return []
        inner, found = Taint(self.functions[name], self.functions, set()), []
        for node in ast.walk(self.functions[name]):
            match node:
                case ast.Yield(value=ast.Tuple(elts=parts)) | ast.Return(value=ast.Tuple(elts=parts)):
                    found.append((inner, parts))
                case ast.Return(value=ast.Call(func=ast.Name(id=other))):
                    found += inner.parts(other)
        return found

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


def closures(functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Functions within others that call the student's function without being given it."""
    return {
        name
        for name, function in functions.items()
        if all(arg.arg != STUDENT for arg in function.args.args + function.args.kwonlyargs)
        and any(isinstance(node, ast.Call) and is_student(node.func) for node in ast.walk(function))
    }


def is_hint(function: ast.FunctionDef) -> bool:
    """Whether it is exempt as one that makes a sentence: what it returns is text of the check's own."""
    named = any(name.endswith(f".{function.name}") and "a hint" in why for name, why in EXEMPT.items())
    return named and isinstance(function.returns, ast.Name) and function.returns.id == "str"


def has_student(args: list[ast.expr]) -> bool:
    return any(isinstance(arg, ast.Name) and arg.id == STUDENT for arg in args)


def violations(source: str, module: str = "") -> list[str]:
    """Lines of a check module that compare a student's value with anything but `same`."""
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    tainted: dict[str, set[str]] = {name: set() for name in functions}
    found: set[str] = set()
    for _ in range(3):
        for name, function in functions.items():
            taint = Taint(function, functions, tainted[name])
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                    parameters = [arg.arg for arg in functions[node.func.id].args.args]
                    held = [p for p, arg in zip(parameters, node.args, strict=False) if taint.holds(arg)]
                    tainted[node.func.id] |= set(held)
                if compares(node, taint) and f"{module}.{name}" not in EXEMPT:
                    place = node.target if isinstance(node, ast.comprehension) else node
                    found.add(f"line {place.lineno}: {ast.unparse(node)}")
    return sorted(found)


def compares(node: ast.AST, taint: Taint) -> bool:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            to_none = all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and all(
                isinstance(other, ast.Constant) and other.value is None for other in others
            )
            return not to_none and any(map(taint.holds, [left, *others]))
        case ast.Call(func=ast.Name(id=name)) if name in ALLOWED | set(taint.functions):
            return False
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if f"{module}.{name}" in EXCUSED:
            return False
        case ast.Call(func=ast.Attribute(value=value), args=args, keywords=more):
            return any(map(taint.holds, [value, *args, *(one.value for one in more)]))
        case ast.Call(func=function, args=args, keywords=more):
            return any(map(taint.holds, [*args, *(one.value for one in more)])) and not is_student(function)
        case ast.Match(subject=subject):
            return taint.holds(subject)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return taint.bare(test)
        case ast.comprehension(ifs=tests):
            return any(map(taint.bare, tests))
        case ast.BoolOp(values=tests):
            return any(map(taint.bare, tests))
        case ast.UnaryOp(operand=value) | ast.Subscript(slice=value):
            return taint.bare(value)
        case ast.BinOp(left=left, right=right):
            return taint.holds(left) or taint.holds(right)
    return False


def is_student(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == STUDENT


LABS = sorted({*registry.labs().values(), *registry.labs(Path(__file__).parent / "grading" / "toy").values()})
# What a run of the grader signs as its checks: a lab's module, those that judge by it, and all that they import.
MODULES = sorted({path for lab in LABS for path in settings.sources(lab)})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_checks_compare_with_require_only(path: Path) -> None:
    assert not violations(path.read_text("utf-8"), path.stem)


def test_a_module_that_takes_no_part_knows_no_student() -> None:
    for path in set(registry.HERE.glob("*.py")) - set(MODULES):
        named = {node.arg for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.arg)}
        assert STUDENT not in named, path.name


def test_lint_reads_what_a_lab_imports(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text("from .judge import judge\ndef f(student, draw):\n    judge(student, 2)")
    (tmp_path / "judge.py").write_text("from . import deep\ndef judge(student, want):\n    deep.agree(student, want)")
    (tmp_path / "deep.py").write_text("def agree(student, want):\n    assert student(1) == want")
    read = [path for path in settings.sources(tmp_path / "lab.py") if path.parent == tmp_path]
    assert {path.stem: bool(violations(path.read_text("utf-8"), path.stem)) for path in read} == {
        "lab": False,
        "judge": False,
        "deep": True,
    }


def renamed(sources: Iterable[str]) -> list[str]:
    """Calls that hand a student's function on to a function that knows it by another name, and so is not followed."""
    trees = [ast.parse(source) for source in sources]
    defined: dict[str, list[list[str]]] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            defined.setdefault(node.name, []).append([arg.arg for arg in node.args.posonlyargs + node.args.args])
    found = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if has_student(args):
                at = next(i for i, arg in enumerate(args) if isinstance(arg, ast.Name) and arg.id == STUDENT)
                # A name may stand for functions of several modules; one of them must be meant.
                known = defined.get(name, [])
                if known and all(names[at : at + 1] != [STUDENT] for names in known):
                    found.append(ast.unparse(node))
    return found


def test_a_student_s_function_is_called_student_everywhere() -> None:
    assert renamed(path.read_text("utf-8") for path in MODULES) == []
    planted = "def f(student, draw):\n    helper.agree(2, student)", "def agree(want, function):\n    pass"
    assert renamed(planted) == ["helper.agree(2, student)"]


def test_what_is_exempt_is_there_and_needs_it() -> None:
    sources = {path.stem: path.read_text("utf-8") for path in MODULES}
    for name, why in EXEMPT.items():
        module, function = name.split(".")
        found = [
            node
            for node in ast.walk(ast.parse(sources[module]))
            if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        assert len(found) == 1
        assert "a hint" not in why or is_hint(found[0])
        assert violations(sources[module]), "without exemptions something is found in this module"


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
    "operator": "def f(student, draw):\n    assert operator.eq(student(1), 2)",
    "array_equal": "def f(student, draw):\n    assert np.array_equal(student(1), 2)",
    "torch.equal": "def f(student, draw):\n    assert torch.equal(student(1), want)",
    "a keyword": "def f(student, draw):\n    assert np.allclose(b=2, a=student(1))",
    "a function that is handed on": "def f(student, draw):\n    assert all(map(operator.eq, student(1), want))",
    "found by name": "def f(student, draw):\n    assert getattr(np, 'all' + 'close')(student(1), 2)",
    "its own method": "def f(student, draw):\n    assert student(1).__eq__(2)",
    "the other's method": "def f(student, draw):\n    assert want.equals(student(1))",
    "a helper module": "def f(student, draw):\n    assert helpers.agree(student(1), 2)",
    "an imported helper": "def f(student, draw):\n    assert agree(student(1), 2)",
    "a set": "def f(student, draw):\n    assert not set(student(1)) - {1}",
    "sorted": "def f(student, draw):\n    got = sorted(student(1))",
    "a difference": "def f(student, draw):\n    got = student(1)\n    require(abs(got - 2), 0, case={}, hint='')",
    "truth": "def f(student, draw):\n    got = student(1)\n    if got: return\n    require(got, 1, case={}, hint='')",
    "no truth": "def f(student, draw):\n    if not student(1): raise Wrong()",
    "truth in between": "def f(student, draw):\n    got = student(1) or 2\n    require(got, 2, case={}, hint='')",
    "a key": "def f(student, draw):\n    require({2: True}[student(1)], True, case={}, hint='')",
    "a filter": "def f(student, draw):\n    require([x for x in student(1) if x], [1], case={}, hint='')",
    "a lambda": "def f(student, draw):\n    got = student(1)\n    g(lambda want: got is want)",
    "identity": "def f(student, draw):\n    assert student(1) is True",
    "text": "def f(student, draw):\n    assert f'{student(1)}' == '2'",
    "a closure": "def f(student, draw):\n    def g(x):\n        return student(x)\n    assert g(1) == 2",
    "in a closure": "def f(student, draw):\n    def g(x):\n        return student(x) == 2\n    assert g(1)",
    "match": "def f(student, draw):\n    match student(1):\n        case 1: pass",
}
FINE = """
def two(student):
    for values in cases():
        yield {"a": values}, student(*values)
def parts(student):
    return two(student)
def g(student, draw):
    for case, got in parts(student):
        wrong = () if same(got, 1) else mistakes.of(*case.values())
        require(got, 1, case=case, hint="", wrong=wrong)
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


def test_what_is_excused_is_used() -> None:
    text = "".join(path.read_text("utf-8") for path in LABS)
    assert [name for name in EXCUSED if f"{name}(" not in text] == []


def test_lint_accepts_what_is_fine() -> None:
    assert violations(FINE) == []
