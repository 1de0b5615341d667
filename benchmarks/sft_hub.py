"""Fine-tune an open model on the real instructions of Dolly: all weights, for a GPU.

    python -m benchmarks.sft_hub --download                      fetch model and data (1.2 GB), and train
    python -m benchmarks.sft_hub --model smollm2-135m --steps 50
    python -m benchmarks.sft_hub --folder MODEL --data dolly.jsonl  from files on this machine

The defaults need about 16 GB of a GPU's memory: 16 bytes for each of 0.6 billion parameters, and the activations.
"""

import argparse
import sys
from pathlib import Path

from fullstack_llm import hub
from fullstack_llm.commands import refused
from fullstack_llm.finetuning.open_model import fine_tuned
from fullstack_llm.finetuning.tune import Plan
from fullstack_llm.presets import preset


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen3-0.6b-base", help="a model of fullstack_llm.hub")
    parser.add_argument("--folder", type=Path, help="a folder with that model, in place of the hub's cache")
    parser.add_argument("--data", type=Path, help="a file or folder with rows in Dolly's format")
    parser.add_argument("--download", action="store_true", help="fetch what is not on this machine")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-5)
    parser.add_argument("--count", type=int, default=4000, help="conversations to train on")
    parser.add_argument("--held-out", type=int, default=100, help="conversations to test with")
    parser.add_argument("--longest", type=int, default=512, help="ids of the longest conversation")
    options = parser.parse_args(arguments)
    try:
        talks = hub.load_instructions("dolly", options.data, download=options.download)
        model, tokenizer = hub.load_model(
            options.model, options.folder, download=options.download, device=preset().device
        )
        plan = Plan(steps=options.steps, batch=options.batch, lr=options.lr, warmup=max(1, options.steps // 20))
        sizes = {"count": options.count, "held_out": options.held_out, "longest": options.longest}
        found = fine_tuned(model, tokenizer, talks, plan, **sizes, say=lambda line: print(line, flush=True))
    except (hub.Unavailable, hub.BadData, ValueError) as error:
        return refused(error)
    for before, after in list(zip(found["before"]["said"], found["after"]["said"], strict=True))[:3]:
        print(f"\nbefore: {before}\nafter:  {after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
