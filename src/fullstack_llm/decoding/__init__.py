"""From logits to text: what a decoder keeps, which token it takes, and texts longer than those of its training.

| file | what it holds |
| --- | --- |
| `cache` | the keys and values of earlier tokens, growing or in a buffer; a decoder's forward pass with them |
| `kv_bytes` | what is kept of a token, in bytes, for published models |
| `roofline` | FLOP and bytes of reading a prompt and of writing a token; what a machine can do |
| `samplers` | temperature, top-k, top-p, min-p, penalties: from logits to the distribution that is drawn from |
| `beam` | beam search |
| `batching` | prompts of different lengths in one batch: who sees whom, and all of them continued at once |
| `rope_scaling` | angles for positions beyond those of training: interpolation, NTK, YaRN |
| `needles` | known facts at known depths of a long text |
| `sinks` | attention to the first tokens and the last ones: streams without end |
"""
