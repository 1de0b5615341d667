"""An inference engine: many requests at once through one model, with a key-value cache in blocks.

To be read in the order in which a request goes through it:

| file | what it holds |
| --- | --- |
| `requests` | how a request is answered, and the sequence of tokens that the engine works on |
| `engine` | the steps, from requests to pieces of text; begin here |
| `scheduler` | which tokens go through the model in a step, and who waits |
| `blocks` | who holds which block of the cache; shared prefixes, copies on write |
| `paged` | keys and values in blocks, attention over block tables, for any model of `transformers` |
| `sampling` | tokens from logits, log-probabilities |
| `lookup` | guesses of the next tokens, and which of them were right |
| `text` | text from tokens as they come; stop strings |
| `server` | the same over HTTP, for OpenAI's client; `python -m fullstack_llm.engine serve sft` |
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullstack_llm.engine.engine import Answer, Counts, Engine
    from fullstack_llm.engine.requests import LogProb, Piece, Settings

__all__ = ["Answer", "Counts", "Engine", "LogProb", "Piece", "Settings"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: the command line is read before torch is."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fullstack_llm.engine import engine

    return getattr(engine, name)
