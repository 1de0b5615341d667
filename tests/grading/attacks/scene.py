"""What an attack is after: a file that is not its own, sockets of others, the grader itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

from submissions import TOY

import fullstack_llm.grading
from fullstack_llm.worker.confine.syscalls import NUMBERS

SECRET = "marks of another student"


@dataclass(frozen=True)
class Scene:
    """A file of someone else's, and the names that stand in an attack's code."""

    canary: Path
    names: dict[str, str]

    def code(self, text: str) -> str:
        """The attack's code, with the names filled in."""
        return Template(text).safe_substitute(self.names)

    @property
    def unharmed(self) -> bool:
        """Whether the file is as it was."""
        return self.canary.exists() and self.canary.read_text() == SECRET


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A scene with listening sockets, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="scene-"))
    folder.chmod(0o755)
    canary = folder / "gradebook.csv"
    canary.write_text(SECRET)
    abstract = f"scene-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        streams = [socket.create_server(("127.0.0.1", 0))]
        for address in (str(folder / "socket"), f"\0{abstract}"):
            streams.append(socket.socket(socket.AF_UNIX))
            streams[-1].bind(address)
        datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        datagrams.bind(str(folder / "datagrams"))
        for one in streams:
            one.listen(9)
        for one in [*streams, datagrams]:
            stack.callback(one.close)
        for name in ("socket", "datagrams"):
            (folder / name).chmod(0o777)
        grading = Path(fullstack_llm.grading.__file__).parent
        names = {
            "canary": repr(str(canary)),
            "folder": repr(str(folder)),
            "checks": repr(str(TOY / "toy.py")),
            "judge": repr(str(grading / "judge" / "grade.py")),
            "port": str(streams[0].getsockname()[1]),
            "socket": repr(str(folder / "socket")),
            "datagrams": repr(str(folder / "datagrams")),
            "abstract": repr(abstract),
            "grader": str(os.getpid()),
        }
        yield Scene(canary, names | {name: str(number) for name, number in NUMBERS.items() if name not in names})
