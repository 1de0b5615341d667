"""Exercise 7 of lab 01, one step along a gradient: inputs, and named wrong answers."""

from typing import Any

import numpy as np
from jaxtyping import Float

from fullstack_llm.checks import Draw
from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks.frameworks_cases import normal
from fullstack_llm.checks.frameworks_oracles import State

Array = Float[np.ndarray, "..."]
Mistakes = list[tuple[Any, str]]
COUPLED = "This is Adam with the decay inside the gradient: AdamW shrinks the weights apart from it."
Step = tuple[str, Array, Array, State, dict[str, float]]


def steps(draw: Draw, rule: str) -> list[Step]:
    """The first step, the second, a late one with a gradient of zeros, and one in 32 bits."""
    cases: list[Step] = []
    for number, dtype in enumerate(("float64", "float64", "float64", "float32")):
        p, g, u = (normal(draw, 3, 5, dtype=dtype) for _ in range(3))
        if rule == "sgd":
            settings = {"lr": draw.uniform(0.1, 0.5), "momentum": draw.uniform(0.5, 0.9)}
            state: State = {"u": u} if number else {}
        else:
            settings = {
                "lr": draw.uniform(0.01, 0.1),
                "beta1": draw.uniform(0.6, 0.8),
                "beta2": draw.uniform(0.85, 0.99),
            }
            settings |= {"eps": 0.01, "decay": draw.uniform(0.1, 0.5)}
            v = normal(draw, 3, 5, dtype=dtype, scale=0.3) ** 2
            state = {"t": (0, 1, 11, 2)[number], "m": 0.3 * u, "v": v} if number else {}
        cases.append((rule, p, g * (number != 2), state, settings))
    return cases


def step_mistakes(rule: str, p: Array, g: Array, state: State, settings: dict[str, float]) -> Mistakes:
    """Steps of other optimizers, and of these with a slip."""
    want, new = oracle.optimizer_step(rule, p, g, state, settings)
    lr = settings["lr"]
    shared = [
        ((p, new), "The weights come back unchanged: return the new ones."),
        ((2 * p - want, new), "The step goes *against* the gradient: subtract."),
        (want, "Return a tuple of two: the weights and the new state."),
        ((want, state), "The state comes back as it was: return the new one."),
        ((want.astype("float64"), new), "The weights have another dtype than before."),
    ]
    if rule == "sgd":
        mu = settings["momentum"]
        u = state.get("u", np.zeros_like(p))
        damped = mu * u + (1 - mu) * g
        return [
            *shared,
            ((p - lr * g, new), "The step follows u, not g: with momentum, old gradients push too."),
            ((p - lr * g, {"u": g}), "Nothing is left of the old u: it is momentum * u + g."),
            ((p - lr * damped, {"u": damped}), "g is not multiplied by 1 - momentum here: u = momentum * u + g."),
            ((p - lr * (g + mu * new["u"]), new), "This is Nesterov's step, which looks ahead: here p - lr * u."),
            ((p - lr * u, new), "The step uses the old u: renew it first."),
            ((p - new["u"], new), "The step is times lr."),
            (
                (p - (mu * u + lr * g), {"u": mu * u + lr * g}),
                "lr belongs to the step, not into u.",
            ),
            ((p - lr * (u + g), {"u": u + g}), "The old u is multiplied by momentum before g is added."),
        ]
    return [*shared, *_adamw_mistakes(p, g, state, settings, new)]


def _adamw_mistakes(p: Array, g: Array, state: State, settings: dict[str, float], new: State) -> Mistakes:
    lr, b1, b2, eps, decay = (settings[name] for name in ("lr", "beta1", "beta2", "eps", "decay"))
    m, v, t = new["m"], new["v"], new["t"]
    old_m, old_v = state.get("m", np.zeros_like(p)), state.get("v", np.zeros_like(p))

    def step(p: Array, m: Array, v: Array, t: float, *, inside: bool = False) -> Array:
        with np.errstate(all="ignore"):
            m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
            return p - lr * m_hat / (np.sqrt(v_hat + eps) if inside else np.sqrt(v_hat) + eps)

    shrunk = p * (1 - lr * decay)
    coupled = g + decay * p
    m2, v2 = b1 * old_m + (1 - b1) * coupled, b2 * old_v + (1 - b2) * coupled**2
    v1 = b2 * old_v + (1 - b2) * g
    v_hat = v / (1 - b2**t)
    rootless = shrunk - lr * (m / (1 - b1**t)) / (v_hat + eps)
    early = shrunk - lr * (m / (1 - b1**t)) / ((np.sqrt(v) + eps) / np.sqrt(1 - b2**t))
    bare = shrunk - lr * m / (np.sqrt(v) + eps)
    hats = {"t": t, "m": m / (1 - b1**t), "v": v / (1 - b2**t)}
    other = settings | {"beta1": b2, "beta2": b1}
    return [
        ((bare, new), "The bias correction is missing: m and v start at zero, so divide them by 1 - beta**t."),
        ((step(shrunk, m, v, t - 1), new), "The first step is number 1: count before you correct."),
        ((step(shrunk, m, v, t, inside=True), new), "eps stands outside the square root."),
        ((rootless, new), "The step is divided by the *root* of the corrected v."),
        ((early, new), "eps is added here before v is corrected: correct v, take its root, then add eps."),
        (
            (step(p, m2, v2, t), {"t": t, "m": m2, "v": v2}),
            COUPLED,
        ),
        ((step(p, m, v, t), new), "The weights do not decay: multiply them by 1 - lr * decay."),
        ((step(p * (1 - decay), m, v, t), new), "The decay is times lr."),
        (
            (step(p, m, v, t) * (1 - lr * decay), new),
            "The decay takes its share of the weights from before the step.",
        ),
        ((step(shrunk, m, v1, t), {"t": t, "m": m, "v": v1}), "v averages the squares of the gradients."),
        (oracle.optimizer_step("adamw", p, g, state, other), "beta1 belongs to m, beta2 to v."),
        (
            (step(shrunk, m, v, t), hats),
            "The state keeps m and v uncorrected; correction is for this step alone.",
        ),
        ((step(shrunk, m, v, t), new | {"t": t - 1}), "t counts the steps: it grows by one."),
        ((step(shrunk, old_m, old_v, t), new), "The step uses the old m and v: renew them first."),
        ((step(shrunk, m, v, t), new | {"t": float(t)}), "t is a whole number."),
    ]
