"""Grade lab 07: a turn of a ring, a layer on ranks, a pipeline's schedule, groups on nodes, unequal shares, a diagnosis."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("parallel",)
EXERCISES = (
    "ring_turn",
    "tp_block",
    "schedule",
    "map_ranks",
    "ddp_step",
    "diagnose",
)
