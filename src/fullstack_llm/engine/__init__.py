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
"""

from fullstack_llm.engine.engine import Answer, Counts, Engine
from fullstack_llm.engine.requests import LogProb, Piece, Settings

__all__ = ["Answer", "Counts", "Engine", "LogProb", "Piece", "Settings"]
