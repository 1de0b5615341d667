"""Code on a chapter's page, from its one source: a tagged cell of the notebook with its output, or the package.

    ```{from-notebook} bpe-train
    :only: get_pairs, merge
    ```

shows the cell of the chapter's own notebook whose tags hold `page:bpe-train`; `:only:` keeps those of its top-level
statements that define or assign the names, `:doc:` takes another notebook, `:output:` is `yes` (the default) or `no`.

    ```{from-package} fullstack_llm.tokenization.bpe.merge
    ```

shows one function or class of the package; of its docstring, the first line.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

CACHE = "_build/.jupyter_cache"
SOURCES = "src"


def names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a top-level statement defines or assigns."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    for target in targets:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def segment(source: str, statement: ast.stmt) -> str:
    """Return a statement's lines, its decorators and its trailing comments included."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(node.lineno for node in decorators)])
    return "\n".join(source.splitlines()[first - 1 : statement.end_lineno])


def only(source: str, wanted: list[str]) -> str:
    """Return those top-level statements of a cell that define or assign one of the names, in the cell's order.

    >>> only("a = 1\\nb = 2\\ndef f(): pass", ["f", "a"])
    'a = 1\\ndef f(): pass'
    """
    kept = [(node, set(names(node)) & set(wanted)) for node in ast.parse(source).body]
    if missing := set(wanted) - {name for _, found in kept for name in found}:
        raise ValueError(f"The cell defines no {', '.join(sorted(missing))}.")
    parts, before = list[str](), None
    for node, found in kept:
        if found:
            block = isinstance(node, ast.FunctionDef | ast.ClassDef)
            parts += ["", ""] if before is not None and (block or before) else []
            parts.append(segment(source, node))
            before = block
    return "\n".join(parts)


def first_line(source: str) -> str:
    """Return a function's or class's source with no more of each docstring than its first line.

    >>> print(first_line('def f():\\n    \\"\\"\\"Say it.\\n\\n    >>> f()\\n    \\"\\"\\"\\n    return 1'))
    def f():
        \"\"\"Say it.\"\"\"
        return 1
    """
    lines = source.splitlines()
    for node in reversed(list(ast.walk(ast.parse(source)))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or (text := ast.get_docstring(node)) is None:
            continue
        doc = node.body[0]
        assert doc.end_lineno is not None
        first = text.splitlines()[0]
        lines[doc.lineno - 1 : doc.end_lineno] = [" " * doc.col_offset + f'"""{first}"""']
    return "\n".join(lines)


def from_package(root: Path, dotted: str) -> tuple[Path, str]:
    """Return the file and the source of one function, class or method of the package, by its dotted name."""
    module, parts = dotted.split("."), list[str]()
    while module and not (path := root / SOURCES / Path(*module).with_suffix(".py")).is_file():
        parts.insert(0, module.pop())
    if not module or not parts:
        raise ValueError(f"{dotted} names no function or class of the package; write it as package.module.function.")
    source = path.read_text(encoding="utf-8")
    scope: Any = ast.parse(source)
    for part in parts:
        inner = [node for node in scope.body if getattr(node, "name", None) == part]
        if not inner:
            raise ValueError(f"{path.name} defines no {part}.")
        scope = inner[0]
    text = segment(source, scope)
    indent = len(text) - len(text.lstrip())
    return path, first_line("\n".join(line[indent:] for line in text.splitlines()))


def printed(outputs: list[Any]) -> str:
    """Return what a cell printed or returned as text; cards of expected ranges and figures are not text."""
    parts = []
    for output in outputs:
        if output.get("output_type") == "stream" and output.get("name") == "stdout":
            parts.append(output["text"])
        elif "text/plain" in (data := output.get("data", {})) and "fullstack_llm" not in output.get("metadata", {}):
            parts += [] if {"image/svg+xml", "image/png", "text/html"} & set(data) else [data["text/plain"] + "\n"]
    return "".join(parts).rstrip("\n")


def tagged(path: Path, label: str) -> tuple[Any, int]:
    """Return a notebook as its source describes it, and the index of the one cell tagged `page:label`."""
    from myst_nb.core.read import read_myst_markdown_notebook

    nb = read_myst_markdown_notebook(path.read_text(encoding="utf-8"), path=str(path))
    found = [i for i, cell in enumerate(nb.cells) if f"page:{label}" in cell.metadata.get("tags", [])]
    if len(found) != 1:
        raise ValueError(f"{path.name} has {len(found)} cells tagged page:{label}; it needs exactly one.")
    return nb, found[0]


def outputs(root: Path, nb: Any, index: int) -> list[Any]:
    """Return a cell's outputs from the last run of the notebook, in the cache that the site is built from."""
    from jupyter_cache import get_cache

    cache = get_cache(str(root / CACHE))
    try:
        run = cache.get_cache_bundle(cache.match_cache_notebook(nb).pk)
    except KeyError:
        raise ValueError(
            "The notebook has not been run as it is now: python -m fullstack_llm.lessons.execute"
        ) from None
    code = [i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    ran = [cell for cell in run.nb.cells if cell.cell_type == "code"]
    return list(ran[code.index(index)].get("outputs", []))


def block(text: str, language: str, kind: str) -> nodes.literal_block:
    node = nodes.literal_block(text, text, classes=[kind])
    node["language"] = language
    return node


class FromNotebook(SphinxDirective):
    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "doc": directives.unchanged_required,
        "only": directives.unchanged_required,
        "output": lambda value: directives.choice(value, ("yes", "no")),
    }

    def run(self) -> list[nodes.Node]:
        root, slug = Path(self.env.srcdir), Path(self.env.docname).name
        path = root / "notebooks" / Path(self.options.get("doc", slug)).with_suffix(".md").name
        self.env.note_dependency(str(path))
        try:
            nb, index = tagged(path, self.arguments[0])
            source = nb.cells[index].source
            if "only" in self.options:
                source = only(source, [name.strip() for name in self.options["only"].split(",")])
            text = printed(outputs(root, nb, index)) if self.options.get("output", "yes") == "yes" else ""
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        shown: list[nodes.Node] = [block(source, "python", "fsllm-shown-code")]
        return [*shown, block(text, "text", "fsllm-shown-output")] if text else shown


class FromPackage(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            path, source = from_package(Path(self.env.srcdir), self.arguments[0])
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        self.env.note_dependency(str(path))
        return [block(source, "python", "fsllm-shown-code")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("from-notebook", FromNotebook)
    app.add_directive("from-package", FromPackage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
