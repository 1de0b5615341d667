"""Exercise 7 of lab 01: one step of SGD with momentum, and one of AdamW."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS, normal


@exercise(minutes=20, difficulty=3, review=FRAMEWORKS)
def optimizer_step(rule, p, g, state, settings):
    lr = settings["lr"]
    if rule == "sgd":
        u = settings["momentum"] * state["u"] + g if state else g
        return p - lr * u, {"u": u}
    beta1, beta2, eps = (settings[name] for name in ("beta1", "beta2", "eps"))
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", np.zeros_like(p)) + (1 - beta1) * g
    v = beta2 * state.get("v", np.zeros_like(p)) + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    decay = settings["decay"] if p.ndim > 1 else 0.0
    return p * (1 - lr * decay) - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}


@optimizer_step.right
def library(rule, p, g, state, settings):
    import torch

    w = torch.nn.Parameter(torch.tensor(p))
    w.grad = torch.tensor(g)
    if rule == "sgd":
        sgd = torch.optim.SGD([w], lr=settings["lr"], momentum=settings["momentum"])
        if state:
            sgd.state[w]["momentum_buffer"] = torch.tensor(state["u"])
        sgd.step()
        return w.detach().numpy(), {"u": sgd.state[w]["momentum_buffer"].numpy()}
    betas, decay = (settings["beta1"], settings["beta2"]), settings["decay"] * (p.ndim > 1)
    adamw = torch.optim.AdamW([w], lr=settings["lr"], betas=betas, eps=settings["eps"], weight_decay=decay)
    if state:
        moments = {"exp_avg": torch.tensor(state["m"]), "exp_avg_sq": torch.tensor(state["v"])}
        adamw.state[w].update(step=torch.tensor(float(state["t"])), **moments)
    adamw.step()
    new = adamw.state[w]
    return w.detach().numpy(), {"t": int(new["step"]), "m": new["exp_avg"].numpy(), "v": new["exp_avg_sq"].numpy()}


def with_any_state(value, rule, p, g, state, settings):
    """Let the arrays of the state be of the weights' dtype or a wider one."""
    weights, new = value
    if isinstance(new, dict):
        wide = [name for name in new if isinstance(new[name], np.ndarray) and new[name].dtype in (p.dtype, "float64")]
        new = new | {name: new[name].astype("float64") for name in wide}
    return weights, new


SHAPES = (((3, 5), "float64"), ((3, 5), "float64"), ((7,), "float64"), ((3, 5), "float32"), ((2, 3, 5), "float64"))


@optimizer_step.part(5, "u = momentum * u + g, at first g; return p - lr * u and u.", "sgd", view=with_any_state)
def sgd(draw: Draw):
    for number, (shape, dtype) in enumerate((*SHAPES, ((3, 5), "float32"))):
        p, g, u = (normal(draw, *shape, dtype=dtype) for _ in range(3))
        settings = {"lr": draw.uniform(0.1, 0.5), "momentum": draw.uniform(0.5, 0.9)}
        yield "sgd", p, g * (number != 2), {"u": u} if number % 3 else {}, settings


@optimizer_step.part(7, "Count, renew m and v, correct copies of them, decay, step.", "adamw", view=with_any_state)
def adamw(draw: Draw):
    for (shape, dtype), t in zip((*SHAPES, ((1, 5), "float64"), ((3, 5), "float32")), (0, 1, 11, 0, 5, 3, 2)):
        p, g, m = (normal(draw, *shape, dtype=dtype) for _ in range(3))
        v = normal(draw, *shape, dtype=dtype, scale=0.3) ** 2
        settings = {"lr": draw.uniform(0.05, 0.1), "beta1": draw.uniform(0.6, 0.8), "beta2": draw.uniform(0.85, 0.99)}
        settings |= {"eps": 0.01, "decay": draw.uniform(0.2, 0.5)}
        yield "adamw", p, g * (t != 11), {"t": t, "m": 0.3 * m, "v": v} if t else {}, settings


U = 'settings["momentum"] * state["u"] + g if state else g'
STEP, SHRINK = "lr * m_hat / (np.sqrt(v_hat) + eps)", "p * (1 - lr * decay)"
optimizer_step.mistakes(f"""
Before the first step the state is an empty dict: nothing is in it yet.
    {U} => {U[:-16]}
    state.get("t", 0) => state["t"]
The step goes *against* the gradient: subtract.
    p - lr * u => p + lr * u
    - {STEP} => + {STEP}
The weights have another dtype than before: what is float64 beside them, such as np.zeros(p.shape), drags them along.
    {U} => {U[:-16].replace('state["u"]', 'state.get("u", np.zeros(p.shape))')}
    state.get("m", np.zeros_like(p)) => state.get("m", np.zeros(p.shape))
The step follows u, not g: with momentum, old gradients push too.
    p - lr * u => p - lr * g
g is not multiplied by 1 - momentum here: u = momentum * u + g.
    {U} => {U[:-16].replace('state["u"] + g', 'state.get("u", 0 * g) + (1 - settings["momentum"]) * g')}
This is Nesterov's step, which looks ahead: here it is p - lr * u.
    p - lr * u => p - lr * (g + settings["momentum"] * u)
lr belongs to the step, not into u: the state is {{'u': momentum * u + g}}.
    {U} => settings["momentum"] * state["u"] + lr * g if state else lr * g && p - lr * u => p - u
A bias correction is missing: m and v start at zero, so both are divided, each by its 1 - beta**t.
    m / (1 - beta1**t), v / (1 - beta2**t) => m, v
    v / (1 - beta2**t) => v
The first step is number 1: count before you correct.
    beta1**t), v / (1 - beta2**t) => beta1 ** (t - 1)), v / (1 - beta2 ** (t - 1))
eps stands outside the square root.
    (np.sqrt(v_hat) + eps) => np.sqrt(v_hat + eps)
The step is divided by the *root* of the corrected v.
    np.sqrt(v_hat) => v_hat
    np.sqrt(v_hat) => np.sqrt(v) / (1 - beta2**t)
This is Adam with the decay inside the gradient: AdamW shrinks the weights apart from it.
    decay = settings["decay"] if p.ndim > 1 else 0.0 => decay = 0.0 && t = state.get => g = g + settings["decay"] * p * (p.ndim > 1)\\n    t = state.get
The decay is multiplied by lr.
    {SHRINK} => p * (1 - decay)
The decay takes its share of the weights from before the step.
    {SHRINK} - {STEP} => (p - {STEP}) * (1 - lr * decay)
An array with one dimension does not decay: biases and the gains of norms are such arrays.
    decay = settings["decay"] if p.ndim > 1 else 0.0 => decay = settings["decay"]
An array with three dimensions decays too: it is a stack of matrices.
    p.ndim > 1 => p.ndim == 2
The state keeps m and v uncorrected; the correction is for this step alone.
    "m": m, "v": v => "m": m_hat, "v": v_hat
t counts the steps: it grows by one.
    {{"t": t, => {{"t": t - 1,
""")
