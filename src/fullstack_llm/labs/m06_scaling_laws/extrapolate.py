"""Exercise 5 of lab 06: fit a law to small runs, of which some are spoiled, and predict large ones."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES, drawn_law, loss_of, optimum_of


def tried(N, D, loss, weight, alpha, beta):
    # For each pair of exponents E, A and B are those of least squares, of relative misses: column by column, each
    # without what it has of those before it.
    target, one = weight, weight / loss
    size, data = N ** -alpha[:, None], D ** -beta[:, None]

    def share(rows, column):
        return ((rows * column).sum(axis=-1) / (column * column).sum(axis=-1))[..., None]

    first = size * one
    p = share(first, one)
    first = first - p * one
    second = data * one
    q, r = share(second, one), share(second, first)
    second = second - q * one - r * first
    B = share(target, second)
    A = share(target, first) - r * B
    E = share(target, one) - q * B - p * A
    miss = (E + A * size + B * data) / loss - 1
    return np.concatenate([E, A, B], axis=1), miss


def fitted(N, D, loss, weight):
    middle, step = np.array([0.5, 0.5]), 0.08
    for _ in range(8):
        grid = np.array([(a, b) for a in range(-6, 7) for b in range(-6, 7)]) * step + middle
        grid = np.maximum(grid, 0.01)
        found, miss = tried(N, D, loss, weight, *grid.T)
        best = ((weight * miss) ** 2).sum(axis=1).argmin()
        middle, step = grid[best], step / 3
    return *middle, found[best], miss[best]


def on_a_line(u, v, new_u):
    slope = ((u - u.mean()) * v).sum() / ((u - u.mean()) ** 2).sum()
    return v.mean() + slope * (new_u - u.mean())


# `on_a_line` serves the mistakes alone: the straight line of least squares, at other places.
@exercise(minutes=35, difficulty=4, seconds=60.0, review=LIBRARIES, uses=(tried, fitted, on_a_line))
def extrapolate(N, D, loss, new_N, new_D):
    many, much = np.exp(np.log(N).mean()), np.exp(np.log(D).mean())
    weight = np.ones(len(loss))
    for scale in (0.1, 0.03, 0.01, 0.003, 0.003):
        alpha, beta, (E, A, B), miss = fitted(N / many, D / much, loss, weight)
        # What a run says counts the less, the further it is off.
        weight = 1 / np.sqrt(1 + (miss / scale) ** 2)
    weight = 1.0 * (abs(miss) < 0.02)
    alpha, beta, (E, A, B), miss = fitted(N / many, D / much, loss, weight)
    return E + A * (new_N / many) ** -alpha + B * (new_D / much) ** -beta


@extrapolate.right
def huber(N, D, loss, new_N, new_D):
    # As Hoffmann et al. do it, with few starts and a tolerance that does not stop short.
    import numpy as np
    from scipy.optimize import minimize

    n, d = np.log(N).mean(), np.log(D).mean()

    def law(p, N, D):
        return np.logaddexp(np.logaddexp(p[0], p[1] - p[3] * (np.log(N) - n)), p[2] - p[4] * (np.log(D) - d))

    def far(p):
        miss = abs(law(p, N, D) - np.log(loss))
        return np.where(miss < 1e-3, miss**2 / 2, 1e-3 * (miss - 5e-4)).sum()

    starts = [[np.log(E * loss.min()), -1.0, -1.0, 0.4, 0.4] for E in (0.3, 0.6, 0.9)]
    how = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 5_000, "maxfun": 50_000}
    found = [minimize(far, start, method="L-BFGS-B", options=how) for start in starts]
    return np.exp(law(min(found, key=lambda one: one.fun).x, new_N, new_D))


@extrapolate.right
def cauchy(N, D, loss, new_N, new_D):
    import numpy as np
    from scipy.optimize import least_squares

    N, new_N, D, new_D = N / N.min(), new_N / N.min(), D / D.min(), new_D / D.min()
    found = least_squares(
        lambda p: (p[0] + p[1] * N ** -p[2] + p[3] * D ** -p[4]) / loss - 1,
        [0.6 * loss.min(), 0.8, 0.4, 0.8, 0.4],
        bounds=(0, np.inf),
        loss="cauchy",
        f_scale=0.003,
        **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-13),
        max_nfev=4000,
    )
    E, A, alpha, B, beta = found.x
    return E + A * new_N**-alpha + B * new_D**-beta


@extrapolate.right
def one_by_one(N, D, loss, new_N, new_D):
    # Drop the run that is furthest off, fit again, until all are near.
    import numpy as np

    N, new_N, D, new_D = N / N[0], new_N / N[0], D / D[0], new_D / D[0]

    def table(N, D, alpha, beta):
        return np.stack([np.ones(len(N)), N**-alpha, D**-beta], axis=1)

    keep = np.ones(len(N), dtype=bool)
    while True:
        alpha, beta, step = 0.4, 0.4, 0.2
        while step > 1e-5:
            trials = []
            for a in (alpha - step, alpha, alpha + step):
                for b in (beta - step, beta, beta + step):
                    if min(a, b) > 0:
                        rows = table(N, D, a, b) / loss[:, None]
                        found = np.linalg.lstsq(rows[keep], np.ones(keep.sum()), rcond=None)[0]
                        miss = rows @ found - 1
                        trials.append(((miss[keep] ** 2).sum(), a, b, found, abs(miss) * keep))
            _, a, b, found, miss = min(trials, key=lambda one: one[0])
            step = step / 2 if (a, b) == (alpha, beta) else step
            alpha, beta = a, b
        if miss.max() < 0.02:
            return table(new_N, new_D, alpha, beta) @ found
        keep[miss.argmax()] = False


def runs(draw: Draw, spoiled: int, noise: float = 0.0015, far: float = 100.0):
    """Draw a law, small runs with noise, and larger ones to predict.

    The noise leans to no side: seen from the law, no change of E, A, B, alpha or beta makes the squares of the misses
    smaller. So least squares on the runs that are not spoiled finds the law itself, and so scores by the law.
    """
    C = 10 ** draw.uniform(17, 18.5)
    law = drawn_law(draw, *(np.sqrt(C / 6) * 10 ** draw.uniform(*place) for place in ((-0.6, -0.3), (0.3, 0.6))))
    sizes, tokens = [], []
    for more in (1, 3, 10, 30, 100):
        best, _ = optimum_of(law, C * more)
        for place in range(-3, 4):
            sizes.append(best * 2 ** (place + draw.uniform(-0.15, 0.15)))
            tokens.append(C * more / 6 / sizes[-1])
    order = draw.sample(range(35), 35)
    N, D = np.array(sizes)[order], np.array(tokens)[order]
    loss, good = loss_of(law, N, D), slice(spoiled, None)
    by_size, by_data = N ** -law["alpha"], D ** -law["beta"]
    changes = [np.ones(35), by_size, by_data, by_size * np.log(N), by_data * np.log(D)]
    ways = np.linalg.qr(np.stack([one / one.max() for one in changes], axis=1)[good] / loss[good, None])[0]
    miss = np.array([draw.gauss(0, noise) for _ in N])
    miss[good] -= ways @ (ways.T @ miss[good])
    miss[:spoiled] = [np.log(draw.uniform(1.1, 1.5)) for _ in range(spoiled)]
    again = draw.sample(range(35), 35)
    new = [optimum_of(law, C * 100 * more) for more in (0.1 * far, 0.3 * far, 0.3 * far, *[far] * 5)]
    new_N, new_D = np.array(new).T * np.array([(much, 1 / much) for much in (1, 0.1, 10, 1, 5, 0.2, 2, 0.5)]).T
    return N[again], D[again], (loss * np.exp(miss))[again], new_N, new_D


@extrapolate.part(
    10, "Of which runs are your misses large: small models, short runs, or the largest?", "noise", rtol=0.01
)
def clean(draw: Draw):
    for _ in range(3):
        yield runs(draw, 0)


@extrapolate.part(
    10, "Print your misses of the runs that are given, largest first: which of them should count?", "spoiled", rtol=0.01
)
def spoiled(draw: Draw):
    for count in (3, 2, 3):
        yield runs(draw, count)


extrapolate.mistakes("""
The spoiled runs pull the fit: they should count less, or not at all.
    weight = 1.0 * (abs(miss) < 0.02) => weight = np.ones(len(loss))
    weight = 1.0 * (abs(miss) < 0.02) => weight = np.ones(len(loss)) && target, one = weight, weight / loss => target, one = weight * loss, weight && B * data) / loss - 1 => B * data) - loss
    weight = 1 / np.sqrt(1 + (miss / scale) ** 2) => weight = np.sqrt(np.log1p(miss) / miss / (1 + miss)) && weight = 1.0 * (abs(miss) < 0.02) => weight = weight * 1.0
The highest losses are those of the smallest models and shortest runs: spoiled are those that lie high for their size and data.
    weight = 1.0 * (abs(miss) < 0.02) => weight = 1.0 * (loss < np.quantile(loss, 0.9))
    weight = 1.0 * (abs(miss) < 0.02) => weight = 1.0 * (loss <= np.sort(loss)[-4])
The runs that were left out are the good ones of a fit that the spoiled ones had pulled: leave out the worst, and fit again.
    for scale in (0.1, 0.03, 0.01, 0.003, 0.003): => for scale in (1e9,): && 1.0 * (abs(miss) < 0.02) => 1.0 * (abs(miss) < 3 * miss.std())
    for scale in (0.1, 0.03, 0.01, 0.003, 0.003): => for scale in (1e9,): && 1.0 * (abs(miss) < 0.02) => 1.0 * (abs(miss) < 2 * miss.std())
One exponent serves for both here: size and data have an exponent each.
    for b in range(-6, 7) => for b in (a,)
Each exponent belongs to its own: alpha to N, beta to D.
    (new_N / many) ** -alpha => (new_N / many) ** -beta && (new_D / much) ** -beta => (new_D / much) ** -alpha
This is the floor alone: the new runs are large, not infinite. Were they divided by what the others were divided by?
    (new_N / many) => new_N && (new_D / much) => new_D
    return E + A * (new_N / many) ** -alpha + B * (new_D / much) ** -beta => return E + 0 * new_N
These are logarithms of the losses: take them back with exp.
    return E + A * (new_N / many) ** -alpha + B * (new_D / much) ** -beta => return np.log(E + A * (new_N / many) ** -alpha + B * (new_D / much) ** -beta)
The part of the data is missing.
    + B * (new_D / much) ** -beta =>
The part of the size is missing.
    E + A * (new_N / many) ** -alpha + B => E + B
""")


FLOORLESS = (
    "There is no floor in this: on axes of logarithms it is straight, over N and D or over C, and the losses bend."
)


@extrapolate.mistake(FLOORLESS)
def plane(N, D, loss, new_N, new_D):
    n, d, v = np.log(N), np.log(D), np.log(loss)
    mean_n, mean_d = n.mean(), d.mean()
    n, d = n - mean_n, d - mean_d
    nn, nd, dd, nv, dv = ((a * b).sum() for a, b in ((n, n), (n, d), (d, d), (n, v), (d, v)))
    by_n, by_d = (nv * dd - dv * nd) / (nn * dd - nd * nd), (dv * nn - nv * nd) / (nn * dd - nd * nd)
    return np.exp(v.mean() + by_n * (np.log(new_N) - mean_n) + by_d * (np.log(new_D) - mean_d))


@extrapolate.mistake(FLOORLESS)
def straight(N, D, loss, new_N, new_D):
    return on_a_line(np.log(N * D), loss, np.log(new_N * new_D))


@extrapolate.mistake(FLOORLESS)
def of_compute(N, D, loss, new_N, new_D):
    return np.exp(on_a_line(np.log(N * D), np.log(loss), np.log(new_N * new_D)))


@extrapolate.mistake(FLOORLESS)
def of_the_best(N, D, loss, new_N, new_D):
    C = np.round(np.log(N * D), 6)
    u = np.unique(C)
    return np.exp(on_a_line(u, np.log([loss[budget == C].min() for budget in u]), np.log(new_N * new_D)))


@extrapolate.mistake("The floor is below the losses that were reached: the best of the small runs is not it.")
def reached(N, D, loss, new_N, new_D):
    return np.full(len(new_N), loss.min())


@extrapolate.mistake(
    "This is a law of C alone, with a floor: size and tokens count each for itself, off the best size too."
)
def envelope(N, D, loss, new_N, new_D):
    C = np.round(np.log(N * D), 6)
    u = np.unique(C)
    best = np.array([loss[budget == C].min() for budget in u])
    floors = np.linspace(0, 0.999, 1000) * best.min()
    E = min(floors, key=lambda E: ((E + np.exp(on_a_line(u, np.log(best - E), u)) - best) ** 2).sum())
    return E + np.exp(on_a_line(u, np.log(best - E), np.log(new_N * new_D)))
