"""Several processes on one model: the launcher, the collectives, and the ways to share out data, layers and stages.

| file | what it holds |
| --- | --- |
| `launch` | a function on several ranks, and what came of each; begin here |
| `rank` | what a rank does from its start to its end |
| `counting` | calls and bytes of each collective, and the most bytes of tensors |
"""

from fullstack_llm.parallel.counting import Sent, counted
from fullstack_llm.parallel.launch import RankError, launch
from fullstack_llm.parallel.rank import Run

__all__ = ["RankError", "Run", "Sent", "counted", "launch"]
