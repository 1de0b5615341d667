"""`python -m fullstack_llm.checks mistakes 04_transformer`: a lab's catalogue for teachers."""

from __future__ import annotations

import sys
from pathlib import Path

from fullstack_llm.commands import Parser, in_sentences, refused

from .catalogue import catalogue
from .declared import FOLDER, find


@in_sentences
def main(arguments: list[str] | None = None) -> int:
    """Print what the command asks for; return the exit status: 0 printed, 2 there is no such lab."""
    parser = Parser(prog="python -m fullstack_llm.checks")
    commands = parser.add_subparsers(dest="command", required=True)
    does = "print each exercise of a lab with its points, its parts, and every mistake that its checks can name"
    mistakes = commands.add_parser("mistakes", help=does, description=f"{does[0].upper()}{does[1:]}, in Markdown.")
    mistakes.add_argument("lab", help="the lab's slug, such as 04_transformer")
    mistakes.add_argument("--checks", type=Path, default=FOLDER, help="folder of labs' packages, if not ours")
    options = parser.parse_args(arguments)
    try:
        lab = find(options.lab, options.checks)
    except OSError:
        raise
    except LookupError as error:
        return refused(LookupError(f"{error.args[0][:1].upper()}{error.args[0][1:]}."))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return refused(ValueError(f"The checks in {options.checks} cannot be loaded ({why})."))
    if any(one.recorded for one in lab.declarations):
        return refused(ValueError("This copy of the course was released without answers: it has no catalogue."))
    print(catalogue(lab), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
