"""Serve an engine over HTTP, as OpenAI's API does.

In the order in which a request meets them:

| file | what it holds |
| --- | --- |
| `guard` | who is refused at the door: limits, keys, names |
| `protocol` | the fields of a request |
| `app` | the routes; begin here |
| `worker` | the engine's thread, and the way to it and back |
| `answers` | choices from pieces |
| `replies` | whole answers and streams, errors, clients that leave |
| `metrics` | what is counted and timed |
| `running` | starting and ending, from a notebook or as a process |
"""

from fullstack_llm.engine.server.guard import Limits
from fullstack_llm.engine.server.running import serving

__all__ = ["Limits", "serving"]
