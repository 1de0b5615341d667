"""The course's own models: small Llamas that know Tinytown, with the recipe that rebuilds each.

| file | what it holds |
| --- | --- |
| `recipes` | sizes, data and steps of each checkpoint |
| `loop` | the one training loop, resumable |
| `pretrain`, `sft`, `pairs`, `grpo` | the loss of each stage |
| `judges` | what reinforcement learning asks, and what it pays for |
| `chat`, `generate` | conversations as ids; answers from a model |
| `scores`, `exams` | values with intervals; what each kind of checkpoint is asked |
| `store` | the checkpoints on disk and their cards |
| `building` | from a recipe to a checkpoint with a card |

>>> model, tokenizer = load("base")
>>> f"{model.num_parameters():,} parameters, {len(tokenizer)} ids"
'803,968 parameters, 512 ids'

On the command line: `python -m fullstack_llm.models build base` and `python -m fullstack_llm.models evaluate base`.
"""

from fullstack_llm.models.store import Card, card, load, names

__all__ = ["Card", "card", "load", "names"]
