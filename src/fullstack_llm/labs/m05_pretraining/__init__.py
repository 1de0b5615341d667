"""Grade lab 05: what counts in a loss, rates, packed rows, near duplicates, spikes, and a loader that repeats."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("pretraining", "models.loop")
EXERCISES = ("shifted_loss", "learning_rates", "pack", "minhash", "incidents", "diagnose")
