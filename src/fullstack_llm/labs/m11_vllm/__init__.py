"""Grade lab 11: blocks handed out and shared, attention over them, a scheduler's step, prefix keys, room, a leak."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("engine",)
EXERCISES = (
    "allocate",
    "paged_attention",
    "schedule_step",
    "prefix_hashes",
    "capacity",
    "diagnose",
)
