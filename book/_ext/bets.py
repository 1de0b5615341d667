"""What the interactive of next-token bets shows: three models' favourites after each of a few hundred beginnings."""

from pathlib import Path
from typing import Any

from sampler import readable

SIZE, SHOWN = 330, 4
FILES = (
    "src/fullstack_llm/data/models/base/card.json",
    "src/fullstack_llm/data/recurrence/lstm.safetensors",
    "src/fullstack_llm/experiments/m02_bets.py",
)


def bets(_: Path) -> dict[str, Any]:
    """Return tokens as typed and as shown, and for each beginning what it continues, its token, and the bets.

    A bet is a token and its probability in thousandths; a model's are written one after another.
    """
    from fullstack_llm.experiments import m02_bets
    from fullstack_llm.tokenization import course_tokenizer

    words, tree = course_tokenizer.load(), m02_bets.tree(SIZE)
    places: dict[int, int] = {}
    number = {one.ids: at for at, one in enumerate(tree)}

    def place(token: int) -> int:
        return places.setdefault(token, len(places))

    nodes = []
    for one in tree:
        node: list[Any] = [number[one.ids[:-1]], place(one.ids[-1])] if one.ids else [-1, -1]
        for row in one.bets:
            best = row.topk(SHOWN)
            node.append([n for p, t in zip(*best, strict=True) for n in (place(int(t)), round(1000 * p.item()))])
        nodes.append(node)
    tokens = [words.decode([token]) for token in places]
    return {
        "models": ["Table, seven tokens", "LSTM", "Transformer (base)"],
        "texts": list(m02_bets.TEXTS),
        "tokens": tokens,
        "shown": [readable(token) for token in tokens],
        "nodes": nodes,
    }
