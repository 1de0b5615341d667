"""Exercise 5 of lab 02: draw tokens from a table of logits with given random numbers."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def drawn_tokens(table, start, temperature, numbers, stop):
    token, drawn = start, []
    for u in numbers:
        logits = table[token].double()
        if temperature == 0:
            token = int((logits == logits.max()).nonzero()[0])
        else:
            shares = (logits / temperature).softmax(0)
            below = shares.cumsum(0) <= u
            token = min(int(below.sum()), int(shares.nonzero()[-1]))
        drawn.append(token)
        if token == stop:
            break
    return drawn


@drawn_tokens.right
def one_at_a_time(table, start, temperature, numbers, stop):
    drawn = [start]
    for u in numbers:
        logits = table[drawn[-1]].double().tolist()
        best = max(logits)
        if temperature == 0:
            drawn.append(logits.index(best))
        else:
            weights = [float(torch.tensor((one - best) / temperature).double().exp()) for one in logits]
            left, chosen = u * sum(weights), None
            for token, weight in enumerate(weights):
                if weight > 0:
                    chosen = token
                    if left < weight:
                        break
                left -= weight
            drawn.append(chosen)
        if drawn[-1] == stop:
            break
    return drawn[1:]


def sound(table, temperature, numbers):
    # No number stands so near to a bound that the last digits of a sum decide.
    if temperature == 0:
        return True
    bounds = (table.double() / temperature).softmax(-1).cumsum(-1).flatten()
    return all((bounds - u).abs().min() > 1e-4 for u in numbers)


def walk(draw: Draw, V: int, length: int, temperature: float, stop: int, banned: float = 0.2):
    while True:
        table = normal(draw, V, V, scale=1.5)
        for row in range(V):
            for token in range(V):
                if draw.random() < banned and token != (row + 1) % V:
                    table[row, token] = -torch.inf
        numbers = [draw.random() for _ in range(length)]
        if sound(table, temperature, numbers):
            return table, draw.randrange(V), temperature, numbers, stop


@drawn_tokens.part(8, "Which token's share of the line from 0 to 1 does the number fall into?", "drawn")
def drawn(draw: Draw):
    yield walk(draw, 5, 12, 1.0, 9, 0.0)
    yield walk(draw, 6, 20, 0.5, 9)
    yield walk(draw, 4, 20, 2.5, 9)
    yield walk(draw, 8, 40, 0.8, 0)
    # 0 is a number like any other, and falls to the first token that can be drawn.
    table = torch.tensor([[-torch.inf, 0.0, 1.0], [-torch.inf, -torch.inf, 0.0], [0.0, 0.5, -torch.inf]])
    yield table, 0, 1.0, [0.0, 0.0, 0.0, 0.9999999], 9


@drawn_tokens.part(4, "At which token does it stop, and what is drawn at temperature 0?", "ends")
def ends(draw: Draw):
    table = torch.tensor(
        [[0.0, 2.0, 2.0, -1.0], [-torch.inf, -3.0, -4.0, -3.0], [0.0, 0.0, 1.0, 1.0], [5.0, 1.0, 1.0, 1.0]]
    )
    yield table, 0, 0, [0.9] * 5, 9
    yield table, 0, 0, [0.9] * 4, 0
    yield table, 2, 0, [0.1] * 3, 9
    yield table, 3, 0, [0.1] * 9, 1
    yield table, 3, 1.0, [], 1
    yield walk(draw, 5, 30, 1.0, 2)
    yield walk(draw, 5, 30, 0.7, 4)


ZERO, BELOW = "int((logits == logits.max()).nonzero()[0])", "below = shares.cumsum(0) <= u"
CLAMPED = "min(int(below.sum()), int(shares.nonzero()[-1]))"
drawn_tokens.mistakes(f"""
Temperature divides the logits.
    logits / temperature => logits * temperature
    (logits / temperature).softmax(0) => logits.softmax(0)
    (logits / temperature).softmax(0) => logits.softmax(0) / temperature
    (logits / temperature).softmax(0) => torch.nn.functional.normalize(logits.softmax(0) ** temperature, p=1, dim=0)
A token's share of the line begins where those of the tokens before it end: here it is another token's share.
    {BELOW} => below = shares.cumsum(0) - shares <= u
    {BELOW} => below = shares.flip(0).cumsum(0) <= u
    {BELOW} => below = shares.sort(descending=True).values.cumsum(0) <= u
    {BELOW} => below = shares <= u
    {BELOW} => below = shares.cumsum(0) > u
The number says where on the line to draw: the most likely token is for temperature 0 alone.
    {CLAMPED} => int(shares.argmax())
A bound belongs to the token that begins there: at u = 0 a token without any share is not drawn.
    {BELOW} => below = shares.cumsum(0) < u
Each token is drawn after the one before it: look up the row of the last token.
    table[token] => table[start]
At temperature 0 the token with the largest logit comes, and of equal ones the first.
    {ZERO} => int((logits == logits.max()).nonzero()[-1])
    {ZERO} => int((logits == logits.min()).nonzero()[0])
    if temperature == 0: => if False: && logits / temperature => logits / max(temperature, 1e-9)
The stop token is drawn, and kept, and nothing comes after it.
    drawn.append(token)\\n        if token == stop:\\n            break => if token == stop:\\n            break\\n        drawn.append(token)
    if token == stop:\\n            break => pass
The start is given, not drawn.
    return drawn => return [start, *drawn]
A start that is the stop token is no reason to stop.
    token, drawn = start, [] => token, drawn = start, []\\n    if start == stop: return []
One number is used up for one token.
    for u in numbers: => for u in numbers[1:]:
    for u in numbers: => for u in numbers[:-1]:
    for u in numbers: => for u in numbers[::2]:
""")
