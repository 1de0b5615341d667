"""What the benchmarks that stand behind a recorded run share: the option --record, and one thread of a CPU."""

import argparse
import os

import torch


def parser(doc: str | None, name: str) -> argparse.ArgumentParser:
    """Return a parser with the option --record, which writes the recorded run `name`."""
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--record", action="store_true", help=f"write the recorded run {name}")
    return arguments


def one_thread() -> None:
    """Compute on the CPU with one thread, as every recorded run does: more threads give other last digits."""
    os.environ["FULLSTACK_LLM_PRESET"] = "cpu"
    torch.set_num_threads(1)
