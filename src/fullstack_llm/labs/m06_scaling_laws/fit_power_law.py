"""Exercise 1 of lab 06: a power law with a floor, which is given or to be found."""

import math

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES


def line(u, v):
    du, dv = u - u.mean(), v - v.mean()
    slope = (du * dv).sum() / (du * du).sum()
    return slope, v.mean() - slope * u.mean()


def above(x, loss, E):
    over = loss > E
    slope, start = line(np.log(x[over]), np.log(loss[over] - E))
    return E, np.exp(start), -slope


def miss(x, loss, E):
    E, A, alpha = above(x, loss, E)
    return ((np.log(E + A * x**-alpha) - np.log(loss)) ** 2).sum()


@exercise(minutes=20, difficulty=2, review=LIBRARIES, uses=(line, above, miss))
def fit_power_law(x, loss, floor):
    if floor is not None:
        return above(x, loss, floor)
    low, high = 0.0, loss.min()
    for _ in range(8):
        grid = np.linspace(low, high, 42)
        best = np.argmin([miss(x, loss, E) for E in grid[:-1]])
        low, high = grid[max(best - 1, 0)], grid[best + 1]
    return above(x, loss, grid[best])


@fit_power_law.right
def search(x, loss, floor):
    # One number is looked for, the exponent: floor and height are then a straight line in x^-alpha.
    import numpy as np

    if floor is not None:
        keep = loss > floor
        slope, start = np.polyfit(np.log(x[keep]), np.log(loss[keep] - floor), 1)
        return floor, float(np.exp(start)), float(-slope)

    def fitted(alpha):
        size = (x / x.min()) ** -alpha
        table = np.stack([np.ones(len(x)), size], axis=1)
        (E, A), *_ = np.linalg.lstsq(table, loss, rcond=None)
        return ((table @ [E, A] - loss) ** 2).sum(), float(E), float(A * x.min() ** alpha), alpha

    a, b = 0.01, 3.0
    for _ in range(120):
        c, d = a + 0.382 * (b - a), a + 0.618 * (b - a)
        a, b = (a, d) if fitted(c)[0] < fitted(d)[0] else (c, b)
    return fitted(a)[1:]


@fit_power_law.right
def library(x, loss, floor):
    import numpy as np
    from scipy.optimize import least_squares

    size = np.exp(np.log(x).mean())
    if floor is not None:
        u, v = np.log(x[loss > floor] / size), np.log(loss[loss > floor] - floor)
        p = least_squares(lambda p: p[0] - p[1] * u - v, [0.0, 0.5]).x
        return float(floor), float(np.exp(p[0] + p[1] * np.log(size))), float(p[1])
    u = np.log(x / size)
    fits = [
        least_squares(
            lambda p: np.log(p[0] + np.exp(p[1] - p[2] * u)) - np.log(loss),
            [share * loss.min(), np.log(loss.mean()), alpha],
            bounds=([0, -50, 0], [np.inf, 50, 5]),
            **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15),
            max_nfev=4000,
        )
        for share in (0.1, 0.5, 0.9)
        for alpha in (0.1, 0.5)
    ]
    E, A, alpha = min(fits, key=lambda fit: fit.cost).x
    return float(E), float(np.exp(A + alpha * np.log(size))), float(alpha)


def numbers(value, x, loss, floor):
    """Return floor, logarithm of the height, and exponent: a percent of A is a small step of its logarithm."""
    E, A, alpha = (float(one) for one in value)
    return [E, math.log(A), alpha]


def drawn(draw: Draw, count: int, first: float, last: float, noise: float = 0.0, floor: float = 1.0):
    """Draw runs over a range, in no order, whose smallest one is 0.8 to 1.6 nats above the floor."""
    places = [(i + draw.uniform(-0.3, 0.3)) / max(1, count - 1) for i in range(count)]
    x = np.array([first * (last / first) ** place for place in draw.sample(places, count)])
    E, alpha, top = floor * draw.uniform(0.8, 1.8), draw.uniform(0.2, 0.5), draw.uniform(0.8, 1.6)
    over = top * (x / first) ** -alpha * np.exp([draw.gauss(0, noise) for _ in x])
    return x, E + over, E


# Ada's town by hand: the loss above the floor halves from run to run.
HALVES = np.array([1.0, 4.0, 16.0]), np.array([3.0, 2.0, 1.5])


@fit_power_law.part(
    6, "Plot ln(loss - E) over ln x: slope and start of the straight line are wanted.", "floor given", view=numbers
)
def given(draw: Draw):
    yield drawn(draw, 11, 3e4, 5e6, noise=0.1)
    yield *HALVES, 1.0
    yield drawn(draw, 23, 1e18, 1e22, noise=0.2)
    yield drawn(draw, 2, 1e4, 1e6)
    x, loss, _ = drawn(draw, 13, 1e6, 1e9, noise=0.05)
    yield x, loss, 0.0


@fit_power_law.part(
    3, "Which of these losses are not above the floor? They have no logarithm.", "under the floor", view=numbers
)
def under(draw: Draw):
    for count, low in ((13, 3), (7, 1)):
        x, loss, E = drawn(draw, count, 2e4, 7e6, noise=0.1)
        for place in draw.sample(range(count), low):
            loss[place] = E - draw.uniform(0.001, 0.02)
        yield x, loss, E
    x, loss, E = drawn(draw, 9, 2e4, 7e6, noise=0.1)
    loss[draw.randrange(9)] = E
    yield x, loss, E


@fit_power_law.part(
    7, "Put E, A and alpha into E + A / x^alpha: how far is it from each loss?", "floor unknown", view=numbers,
    rtol=1e-3, atol=1e-3,
)  # fmt: skip
def unknown(draw: Draw):
    yield *drawn(draw, 11, 3e4, 5e6)[:2], None
    yield *HALVES, None
    yield *drawn(draw, 23, 1e18, 1e22)[:2], None
    yield *drawn(draw, 3, 1e4, 1e6)[:2], None
    # No floor at all, and one close to the last loss.
    yield *drawn(draw, 7, 2e4, 7e6, floor=0.0)[:2], None
    yield *drawn(draw, 9, 1e3, 1e9, floor=2.0)[:2], None


fit_power_law.mistakes("""
The exponent is wanted as a positive number: the loss falls as x^-alpha, so alpha is minus the slope.
    np.exp(start), -slope => np.exp(start), slope
The start of the line is ln A: take it back with exp.
    np.exp(start), -slope => start, -slope
    return above(x, loss, grid[best]) => E, A, alpha = above(x, loss, grid[best])\\n    return E, np.log(A), alpha
np.polyfit returns the slope first and then the start: here they have changed places.
    np.exp(start), -slope => np.exp(slope), -start
Taken back with another base: use one logarithm throughout.
    np.exp(start), -slope => 10**start, -slope
    np.exp(start), -slope => 2**start, -slope
    np.exp(start), -slope => np.exp(start / np.log(10)), -slope
A belongs to x as it came in: where x was divided by a size first, A is still to be multiplied by that size to the power alpha.
    np.exp(start), -slope => np.exp(start + slope * np.log(x).mean()), -slope
    np.exp(start), -slope => np.exp(start + slope * np.log(x.min())), -slope
    np.exp(start), -slope => np.exp(start + slope * np.log(x.max())), -slope
    np.exp(start), -slope => np.exp(start + slope * np.log(x.mean())), -slope
The floor is 0 here. If you looked for it: compare misses of the loss; those of ln(loss - E) are small where it hardly varies.
    return above(x, loss, grid[best]) => return above(x, loss, 0.0)
    (np.log(E + A * x**-alpha) - np.log(loss)) => (np.log(A * x**-alpha) - np.log(loss - E))
The floor was not subtracted: what falls as a power of x is loss - E.
    np.log(loss[over] - E) => np.log(loss[over]) && return above(x, loss, floor) => return (floor, *above(x, loss, floor)[1:])
Height and exponent have changed places: the order is E, A, alpha.
    np.exp(start), -slope => -slope, np.exp(start)
The line goes through the first and the last run as they stand: all runs count, and they come in no order.
    slope = (du * dv).sum() / (du * du).sum() => slope = (v[-1] - v[0]) / (u[-1] - u[0])
The line was fitted the other way round, x over loss: the misses that are to be small are those of the loss.
    (du * dv).sum() / (du * du).sum() => (dv * dv).sum() / (du * dv).sum()
The line goes through the origin here: it has a start as well as a slope.
    slope = (du * dv).sum() / (du * du).sum() => slope = (u * v).sum() / (u * u).sum() && v.mean() - slope * u.mean() => 0.0
The logarithm of x is missing: on the axes of this line both are logarithms.
    line(np.log(x[over]), => line(x[over],
A loss that is not above the floor has no logarithm: leave that run out, x and loss.
    over = loss > E => over = loss == loss
Such a run was given a tiny height instead of being left out: the logarithm of that pulls the line down.
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-9))
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-12))
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-6))
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-3))
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-10))
    over = loss > E => over = loss == loss && np.log(loss[over] - E) => np.log(np.maximum(loss - E, 1e-8))
Absolute heights: a run under the floor was turned up above it. Leave it out.
    over = loss > E => over = loss != E && np.log(loss[over] - E) => np.log(np.abs(loss[over] - E))
The floor is taken to be the lowest loss, or just below it: larger models would still go lower.
    return above(x, loss, grid[best]) => return above(x, loss, 0.999 * loss.min())
    return above(x, loss, grid[best]) => return above(x, loss, 0.99 * loss.min())
    return above(x, loss, grid[best]) => return above(x, loss, loss.min() - 1e-6)
    return above(x, loss, grid[best]) => return above(x, loss, loss.min())
A grid of this step finds E to that step only: search again, finer, around the best, and then again.
    range(8) => range(1)
    range(8) => range(1) && high, 42) => high, 102)
    range(8) => range(1) && high, 42) => high, 11)
A floor of None is to be looked for: here it meets arithmetic.
    if floor is not None: => if floor or True:
""")
