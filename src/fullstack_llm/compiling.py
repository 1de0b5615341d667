"""Know whether torch.compile can build code on this machine, and let it do so in folders like "OneDrive – Uni"."""

import shlex
import shutil
import sys

import torch

COMPILERS = ("g++", "clang++")  # for a CPU torch.compile writes C++; for a GPU it brings its own compiler
SAMPLE = "/a folder/lib"


def can_compile(device: str = "cpu") -> bool:
    """Return whether torch.compile can build code for a device: for a CPU that takes a C++ compiler.

    >>> can_compile("cuda")
    True
    """
    if any(" " in place for place in (torch.__file__, sys.base_prefix)):
        quote_folders()
    return device == "cuda" or any(shutil.which(name) for name in COMPILERS)


def quote_folders() -> None:
    """Put quotes round the folders that torch.compile links with, unless torch does so itself.

    Its command for the linker is one string, split at spaces. In torch 2.13 folders of headers are quoted there, and
    folders of libraries are not: https://github.com/pytorch/pytorch/pull/191010.
    """
    from torch._inductor.cpp_builder import BuildOptionsBase

    if any(SAMPLE in part for part in shlex.split(linking(SAMPLE))):
        return
    folders = BuildOptionsBase.get_libraries_dirs
    BuildOptionsBase.get_libraries_dirs = lambda self: [shlex.quote(one) for one in folders(self)]  # type: ignore


def linking(folder: str) -> str:
    """Return the command with which torch.compile would link to libraries in a folder."""
    from torch._inductor.cpp_builder import BuildOptionsBase, CppBuilder

    return CppBuilder(
        "code", ["code.cpp"], BuildOptionsBase(compiler="c++", libraries_dirs=[folder])
    ).get_command_line()
