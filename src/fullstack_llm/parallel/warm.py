"""Import and touch once, in the fork server, what each rank needs: a rank then starts in milliseconds."""

import torch

from fullstack_llm.parallel import rank  # noqa: F401 (imported so that the ranks find it)
from fullstack_llm.parallel.counting import counted

# The first operation under a dispatch mode imports much.
with counted():
    torch.zeros(1)
