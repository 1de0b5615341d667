"""Train the model of a hundred million parameters: on a GPU half a billion tokens, without one a few thousand.

python -m benchmarks.large FOLDER                train in FOLDER, and resume there
python -m benchmarks.large FOLDER --steps 100    other than the recipe's
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fullstack_llm.experiments.m05_large import large, run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path, help="where the state of an interrupted run is kept")
    arguments.add_argument("--steps", type=int, help="other than the recipe's")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    plan = large()
    model, trained = run(options.folder, replace(plan, steps=options.steps) if options.steps else plan)
    model.save_pretrained(options.folder / plan.name)
    read = plan.batch * plan.length * len(trained.record)
    print(f"last loss {trained.record[-1]:.3f}, {read / trained.seconds:,.0f} tokens/s")


if __name__ == "__main__":
    main()
