"""Write environment.yml (conda, Binder, JupyterHub) from requirements.lock; `--check` fails if the two differ."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# For conda, Binder and JupyterHub. Written from requirements.lock by `make lock`; postBuild installs the course itself.
name: fullstack-llm
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def render(lock: str) -> str:
    """Turn the text of the lock into the text of environment.yml."""
    lines = [line.partition("#")[0].strip() for line in lock.splitlines()]
    return HEADER + "".join(f"      - {line}\n" for line in lines if line)


def main(argv: list[str]) -> int:
    """Write the file, or with --check compare it."""
    target = ROOT / "environment.yml"
    wanted = render((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    if "--check" not in argv:
        target.write_text(wanted, encoding="utf-8")
    elif not target.exists() or target.read_text(encoding="utf-8") != wanted:
        print("environment.yml is not what requirements.lock says: run `python tools/environment.py`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
