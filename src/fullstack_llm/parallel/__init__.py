"""Several processes on one model: the launcher, the collectives, and the ways to share out data, layers and stages.

| file | what it holds |
| --- | --- |
| `launch` | a function on several ranks, and what came of each; begin here |
| `rank` | what a rank does from its start to its end |
| `counting` | calls and bytes of each collective, and the most bytes of tensors |
| `ring` | collectives from point-to-point messages |
| `costs` | bytes and seconds of a collective by formula |
| `data_parallel` | gradients over the tokens of all ranks |
| `crossing` | collectives that backward passes through |
| `tensor` | a decoder cut by heads, columns and ids, and by tokens between its layers |
| `ring_attention` | attention over tokens that lie on different ranks |
| `experts` | a mixture whose experts lie on different ranks |
| `schedules` | the order of work in a pipeline, as data, laid out in time |
| `pipeline` | a pipeline on real ranks, with a trace |
| `plan` | what a layout of many ranks holds, sends and can reach |
| `faults` | a rank whose bits differ, found by checksums |
"""

from fullstack_llm.parallel.counting import Sent, counted
from fullstack_llm.parallel.launch import RankError, launch
from fullstack_llm.parallel.rank import Run

__all__ = ["RankError", "Run", "Sent", "counted", "launch"]
