"""Lab 01, frameworks: a backward pass from its order to its step, without a framework."""

ANSWERS: tuple[str, ...] = ()
# fmt: off
EXERCISES = (
    "backward_order", "reverse_mode", "unbroadcast", "matmul_backward",
    "cross_entropy_with_z_loss", "gradient_check", "optimizer_step", "diagnose",
)
