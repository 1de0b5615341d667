"""Grade lab 04: the parts of a decoder block, its size, and the diagnosis of a block that was ported wrongly."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("transformer",)
EXERCISES = (
    "causal_attention",
    "rope",
    "grouped_query_attention",
    "rms_norm",
    "swiglu",
    "route_tokens",
    "count_parameters",
    "diagnose",
)
