"""Tinytown: a small world whose facts are all known, and the generators of the course's data about that world.

| file | what it holds |
| --- | --- |
| `world`, `households`, `lore` | people, places, facts; families, friends and bosses; names, streets and jobs |
| `templates`, `templates_ties`, `phrases` | phrasings for training and held-out ones; facts to sentences and back |
| `documents`, `talk`, `stories`, `lists`, `twohop` | pretraining documents about the town |
| `arithmetic`, `toylang`, `programs` | sums with and without steps; the toy language and programs in it |
| `mixture`, `faults` | the pretraining mixture, and the faults that are put into it on purpose |
| `instructions`, `preferences`, `gold` | conversations, pairs of answers, the hidden reward |
| `problems`, `verifiers` | problems with exact and with weak checks |
| `evaluation` | held-out items for every model, and tasks for lm-eval |

>>> t = town()
>>> t.get("Bo", "friend"), t.get("Milo", "friend")
('Milo', 'Bo')
>>> text(t, size=100)[:48]
'Dot feeds a dog every morning. You can meet Dot '
"""

from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.mixture import Mix, Planted, canary, take, text
from fullstack_llm.tinytown.world import Fact, Person, Town, told, town, untold

__all__ = [
    "Document",
    "Fact",
    "Mix",
    "Person",
    "Planted",
    "Town",
    "canary",
    "take",
    "text",
    "told",
    "town",
    "untold",
]
