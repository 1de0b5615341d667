"""Build and examine the course's checkpoints: `python -m fullstack_llm.models build base`.

Give `--folder src/fullstack_llm/data/models` to replace what is shipped; by default no shipped checkpoint changes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from fullstack_llm.commands import Parser, refused, whole
from fullstack_llm.models import building, card, names, store
from fullstack_llm.models.recipes import recipe, recipes


def parser() -> argparse.ArgumentParser:
    """Return the argument parser, with help for both commands."""
    top = Parser(prog="python -m fullstack_llm.models", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="train a checkpoint, or go on where the last attempt was interrupted")
    one.add_argument("name", choices=[*recipes(), "all"])
    one.add_argument("--folder", type=Path, default=Path("_build/models"), help="where to put it (%(default)s)")
    two = commands.add_parser("evaluate", help="examine a checkpoint on held-out items, greedily")
    two.add_argument("name", help="one of those in the folder, or all")
    two.add_argument("--folder", type=Path, default=store.FOLDER, help="where it lies (what is shipped)")
    two.add_argument("--count", type=whole(1), help="items of each kind (as many as the card counts)")
    two.add_argument("--write", action="store_true", help="write the scores on the card")
    for command in (one, two):
        command.add_argument(
            "--threads", type=whole(1, 1024), default=1, help="of torch; a build depends on it (%(default)s)"
        )
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command: `build NAME|all` or `evaluate NAME|all`; returns the exit code."""
    given = parser().parse_args(arguments)
    torch.set_num_threads(given.threads)
    try:
        if given.command == "build":
            for name in recipes() if given.name == "all" else (given.name,):
                built = building.build(recipe(name), given.folder)
                print(building.table(name, built.parameters, dict(built.scores)))
            return 0
        for name in names(given.folder) if given.name == "all" else (given.name,):
            described = card(name, given.folder)
            found = building.examine(name, given.folder, given.count)
            print(building.table(name, described.parameters, found))
            if given.write:
                store.write_card(replace(described, scores=found), given.folder)
        return 0
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        return refused(error, "error: ")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
