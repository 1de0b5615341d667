"""Draw laws for lab 06, and name what an answer is asked not to use."""

from fullstack_llm.checks import Draw

# The lab's text says: neither of the two in any answer.
LIBRARIES = ("fullstack_llm.scaling", "fullstack_llm.transformer")

Law = dict[str, float]


def loss_of(law: Law, N, D):
    """Return the loss of a law, of numbers or arrays."""
    return law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"]


def optimum_of(law: Law, C: float) -> tuple[float, float]:
    """Return the parameters and tokens of the lowest loss with 6 N D = C."""
    total = law["alpha"] + law["beta"]
    N = (law["alpha"] * law["A"] / (law["beta"] * law["B"])) ** (1 / total) * (C / 6) ** (law["beta"] / total)
    return N, C / (6 * N)


def drawn_law(draw: Draw, N: float, D: float) -> Law:
    """Draw a law in which a model of N parameters that has read D tokens loses about as much by its size as by its data."""
    alpha, beta = draw.uniform(0.28, 0.34), draw.uniform(0.36, 0.45)
    if draw.random() < 0.5:
        alpha, beta = beta, alpha
    A, B = draw.uniform(0.5, 1.0) * N**alpha, draw.uniform(0.5, 1.0) * D**beta
    return {"E": draw.uniform(1.2, 2.0), "A": A, "B": B, "alpha": alpha, "beta": beta}
