"""Several processes on one model: the launcher, the collectives, and the ways to share out data, layers and stages.

| file | what it holds |
| --- | --- |
| `launch` | a function on several ranks, and what came of each; begin here |
| `rank` | what a rank does from its start to its end |
| `counting` | calls and bytes of each collective, and the most bytes of tensors |
| `ring` | collectives from point-to-point messages |
| `costs` | bytes and seconds of a collective by formula |
| `data_parallel` | gradients over the tokens of all ranks |
| `faults` | a rank whose bits differ, found by checksums |
"""

from fullstack_llm.parallel.counting import Sent, counted
from fullstack_llm.parallel.launch import RankError, launch
from fullstack_llm.parallel.rank import Run

__all__ = ["RankError", "Run", "Sent", "counted", "launch"]
