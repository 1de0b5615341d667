"""Stand in for what only a notebook has, and say where a difference between the two places explains an exception."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

# Modules that talk to a browser. Here they can be imported, and do nothing.
SILENT = ("google.colab", "ipywidgets")
# Programs of a notebook's own progress bars need a browser; those of the terminal have the same names.
PROGRESS = "tqdm.notebook"
STARTING = ("/multiprocessing/", "/subprocess.py", "/concurrent/futures/process.py", "/torch/utils/data/")


class Inert:
    """Stand in for an object that only a notebook has: every attribute and every call does nothing."""

    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function that is decorated, so that it stays what it is, or an object that does nothing."""
        return args[0] if len(args) == 1 and not kwargs and type(args[0]) is FunctionType else self


def silent(name: str) -> ModuleType:
    """Return a module in which every name stands for something that does nothing."""
    module = ModuleType(name)
    setattr(module, "__getattr__", lambda attribute: Inert().__getattr__(attribute))  # noqa: B010 (a module's own)
    module.__path__ = []
    return module


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find modules of notebooks, after all that can be found on this machine."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how to make the module, if it is one of those, or the package `google` that holds one."""
        known = name == "google" or any(name == each or name.startswith(f"{each}.") for each in SILENT)
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make the module."""
        return silent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing."""


class Progress(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find the terminal's progress bars where a notebook's are asked for; it comes before all other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how to make `tqdm.notebook`."""
        return importlib.machinery.ModuleSpec(name, self) if name == PROGRESS else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the names of the terminal's."""
        from tqdm import std

        vars(module).update(tqdm=std.tqdm, trange=std.trange, tqdm_notebook=std.tqdm, tnrange=std.trange)


def prepare() -> None:
    """Make importable what a notebook has, and this folder, in which it may write modules."""
    sys.meta_path[:0] = [Progress()]
    sys.meta_path.append(Finder())
    # Last: a file of the submission takes no library's name.
    sys.path.append("")


def difference(error: BaseException, missing: Mapping[str, str], python: str) -> str:
    """Return a remark that names the first cause of an exception, or a difference of place, or an empty string.

    `missing` says why names are missing; `python` is the version of which the file says that it was written with it.
    """
    remarks = []
    if isinstance(error, NameError) and (why := missing.get(str(error.name))):
        remarks.append(f"{error.name} is missing since {why}")
    own = "{}.{}".format(*sys.version_info)
    if isinstance(error, SyntaxError) and _newer(python, own):
        remarks.append(f"the file was written with Python {python}, and is run with {own}")
    if isinstance(error, (PermissionError, BlockingIOError)) and _starts(error):
        remarks.append("a graded file starts no processes")
    if isinstance(error, ModuleNotFoundError):
        remarks.append("the grader has the packages of the course, and no network to install more")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _newer(version: str, own: str) -> bool:
    try:
        return [int(part) for part in version.split(".")[:2]] > [int(part) for part in own.split(".")]
    except ValueError:
        return False


def _starts(error: BaseException) -> bool:
    frame = error.__traceback__
    while frame:
        if any(part in frame.tb_frame.f_code.co_filename for part in STARTING):
            return True
        frame = frame.tb_next
    return False
