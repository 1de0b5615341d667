"""What the spectrum interactive shows: the real change of `sft`, direction by direction, and its answers when cut."""

from pathlib import Path
from typing import Any

RECORDS = tuple(f"src/fullstack_llm/data/recorded/lora-{name}.json" for name in ("cuts", "merges"))
# The last block's, and one that is not square.
SHOWN = {
    "queries of block 3": "model.layers.3.self_attn.q_proj.weight",
    "output of attention, block 0": "model.layers.0.self_attn.o_proj.weight",
    "down-projection of block 3": "model.layers.3.mlp.down_proj.weight",
}


def spectrum(_: Path) -> dict[str, Any]:
    """Return some matrices' singular values and those of noise, and for each rank an exam, answers, and a merge."""
    from fullstack_llm import recorded

    cuts, merges = (recorded.load(f"lora-{name}")["values"] for name in ("cuts", "merges"))
    matrices = [
        {"name": name, "values": cuts["singular"][key], "noise": cuts["noise"][key]} for name, key in SHOWN.items()
    ]
    stops = []
    for rank, said in zip(cuts["settings"]["ranks"], cuts["answers"], strict=True):
        row, merged = cuts["rows"]["change"][str(rank)], merges["rows"].get(str(rank))
        stop = {"rank": rank, "loss": row["loss"], "form": row["form"], "right": row["right"]}
        stop["said"] = [readable(text) for text in said]
        if merged is not None:
            kept = ("apart", "merged", "logits", "unmoved", "lost")
            stop["merged"] = {key: merged[key] for key in kept} | {
                "said": [readable(text) for text in merged["answers"]]
            }
        stops.append(stop)
    return {
        "matrices": matrices,
        "stops": stops,
        "asked": cuts["settings"]["asked"],
        "questions": cuts["settings"]["questions"],
    }


def readable(text: str) -> str:
    """Return a text on one line, with a dot for each character that no font draws, and a square for the stop token.

    >>> readable("1\\x07\\n2⏹")
    '1· 2■'
    """
    shown = "".join("·" if c == "\ufffd" or not (c.isprintable() or c == "\n") else c for c in text)
    return shown.replace("\n", " ").replace("⏹", "■")
