"""Grade lab 06: fits of power laws, what a budget buys, what it costs, and the diagnosis of a wrong exponent."""

# Modules of the package that would solve an exercise: no worker of the lab can read them.
ANSWERS = ("scaling", "transformer.count")
EXERCISES = (
    "fit_power_law",
    "compute_optimal",
    "training_bill",
    "break_even",
    "extrapolate",
    "diagnose",
)
