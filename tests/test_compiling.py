"""torch.compile builds code also where a folder's name has a space and an umlaut in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from fullstack_llm import compiling

PROGRAM = """
import torch
from fullstack_llm.compiling import can_compile
assert " " in torch.__file__, torch.__file__
assert {call}
assert torch.compile(lambda x: torch.tanh(x) * 2 + x)(torch.ones(8)).shape == (8,)
"""


def test_folders_are_quoted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor.cpp_builder import BuildOptionsBase

    monkeypatch.setattr(BuildOptionsBase, "get_libraries_dirs", BuildOptionsBase.get_libraries_dirs)
    for _ in range(2):
        compiling.quote_folders()
        assert "-L/a folder/lib" in shlex.split(compiling.linking("/a folder/lib"))
    assert "-L/plain/lib" in shlex.split(compiling.linking("/plain/lib"))


@pytest.mark.full
@pytest.mark.parametrize(("call", "works"), [("can_compile()", True), ("True", False)], ids=["mended", "control"])
def test_code_is_compiled_in_a_folder_with_a_space(tmp_path: Path, call: str, works: bool) -> None:
    folder = tmp_path / "OneDrive – Uni" / "Kurs Übung"
    folder.mkdir(parents=True)
    (folder / "packages").symlink_to(sysconfig.get_paths()["purelib"])
    places = f"{folder / 'packages'}{os.pathsep}{Path(compiling.__file__).parents[1]}"
    environment = os.environ | {"PYTHONPATH": places, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", PROGRAM.format(call=call)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode == 0) is works, done.stderr[-2000:]
    assert works or "cannot find" in done.stderr or "library" in done.stderr
