"""What stands between a model's logits and a text: cache, samplers, beams, batches, longer contexts."""
