"""Measure servers of language models: requests that arrive when they like, and how long each waits.

| file | what it holds |
| --- | --- |
| `arrivals` | requests: when they arrive, how long they are |
| `drive` | what a server is, and how requests are sent to one, on a clock of CPU seconds |
| `latency` | throughput, and percentiles of waiting |
| `static` | the naive loop and static batches |
| `continuous` | the course's engine, and continuous batching of `transformers` |
| `outside` | vLLM, in a process of its own environment |
"""
