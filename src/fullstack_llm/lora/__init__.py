"""Low-rank adaptation and its relatives: the layer, its costs, quantized bases, and many adapters at once."""
