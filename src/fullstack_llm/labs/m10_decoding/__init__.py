"""Grade lab 10: a ragged cache, a sampler's chances, a step's bytes, interpolated angles, beams, positions that slip."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("decoding", "engine", "transformer.positions", "transformer.count", "transformer.attention")
EXERCISES = ("cache_step", "sampler_distribution", "decode_bill", "interpolated_angles", "beam_texts", "diagnose")
