"""Grade lab 02: counts with backoff, perplexity with padding, an LSTM's step, cut gradients, draws, a scan, a leak."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("recurrence",)
EXERCISES = (
    "trigram_probabilities",
    "padded_perplexity",
    "lstm_step",
    "truncated_gradients",
    "drawn_tokens",
    "scan_rounds",
    "diagnose",
)
