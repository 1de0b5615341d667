"""Exercise 3 of lab 03: learn byte-pair merges whose tokens are not too long."""

import json
from itertools import pairwise

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN, draw_words, merged, variant


@exercise(minutes=20, difficulty=3, review=FORBIDDEN, uses=(merged,))
def learn_merges(words, num_merges, longest):
    spelled = [(list(word), times) for word, times in words.items()]
    size = dict.fromkeys(range(256), 1)
    merges = []
    while len(merges) < num_merges:
        counts = {}
        for ids, times in spelled:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + times
        counts = {pair: n for pair, n in counts.items() if size[pair[0]] + size[pair[1]] <= longest}
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        new_id = 256 + len(merges)
        merges.append(best)
        size[new_id] = size[best[0]] + size[best[1]]
        spelled = [(merged(ids, best, new_id), times) for ids, times in spelled]
    return merges


@learn_merges.right
def library(words, num_merges, longest):
    # The library numbers its alphabet in order, as we number bytes, and wants tokens to be shorter than its limit,
    # which it does not apply to the first pairs.
    if longest < 2:
        return []
    letters = [chr(0x100 + byte) for byte in range(256)]
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=256 + num_merges, initial_alphabet=letters, max_token_length=longest + 1, show_progress=False
    )
    stream = ("".join(letters[byte] for byte in word) for word, times in words.items() for _ in range(times))
    model.train_from_iterator(stream, trainer)
    saved = json.loads(model.to_str())["model"]
    return [(saved["vocab"][a], saved["vocab"][b]) for a, b in saved["merges"]]


def draw_without_ties(draw: Draw, alphabet: str, num: int, num_merges: int, longest: int):
    largest = variant(learn_merges, "(-counts[pair], pair) => (-counts[pair], -pair[0], -pair[1])")
    while True:
        inputs = draw_words(draw, alphabet, num, 997), num_merges, longest
        if largest(*inputs) == learn_merges(*inputs):
            return inputs


@learn_merges.part(9, "Each round: count pairs, leave out those with too long a token, merge the most frequent one.")
def without_ties(draw: Draw):
    # Each declared mistake but those about ties gives another value in one of the first two cases.
    yield {b"ada": 31, b"sa": 15, b"sddddadsdd": 8, b"sdsdsdsdsdsd": 19, b"dsdsdsdsdsdsds": 36}, 7, 5
    yield {"éé".encode(): 9, b"zzzz": 4}, 4, 2
    yield {}, 5, 9
    yield {b"a": 5, b"d": 2}, 5, 9
    yield {b"ada": 2, b"adds": 3, b"dad": 2}, 0, 9
    yield {b"ada": 2, b"adds": 3, b"dad": 2}, 3, 1
    yield {b"aaaa": 1}, 9, 9
    for shape in (("ads", 13, 5, 3), ("ado", 17, 7, 4), ("aé🙂", 11, 3, 4), ("ads", 13, 6, 99)):
        yield draw_without_ties(draw, *shape)


@learn_merges.part(
    7, "Of pairs with the highest count the smallest wins; training goes on while a pair is left.", "ties"
)
def with_ties(draw: Draw):
    # In the first case every other rule for ties takes another pair.
    yield {b"cd": 2, b"az": 2, b"zb": 2, b"ba": 2, b"de": 2}, 1, 2
    yield {b"bca": 3, b"bcxbc": 2, b"xab": 3}, 9, 3
    yield {b"dcba": 1}, 3, 3
    for alphabet in ("ads", "abcdefg", "न京é"):
        yield draw_words(draw, alphabet, 7, 3), 31, draw.randint(3, 5)


learn_merges.mistakes("""
Each word counts once here: a word that occurs 3 times brings each of its pairs 3 times.
    counts.get(pair, 0) + times => counts.get(pair, 0) + 1
The same pair wins again and again: replace it in every word before the next count.
    spelled = [(merged => _ = [(merged
The first merge makes 256, for 255 is a byte; the second one makes 257.
    new_id = 256 => new_id = 257
    new_id = 256 => new_id = 255
One merge too many: num_merges is how many there are at most.
    < num_merges => <= num_merges
Training stopped too early: a pair that occurs once is merged too, and so is the last pair that is left.
    if not counts => if max(counts.values(), default=0) < 2
No merge makes a token of more than `longest` bytes: here nothing is left out.
    if size[pair[0]] + size[pair[1]] <= longest =>
A token of exactly `longest` bytes is allowed.
    <= longest => < longest
A new token is as long, in bytes, as its two halves together, and that is what `longest` limits.
    size[new_id] = size[best[0]] + size[best[1]] => size[new_id] = 1 + max(size[best[0]], size[best[1]])
A pair that would make too long a token is passed over, and training goes on with the next.
    if size[pair[0]] + size[pair[1]] <= longest => && if not counts => if not counts or sum(size[i] for i in min(counts, key=lambda pair: (-counts[pair], pair))) > longest
Of pairs with the highest count the smallest wins: the smaller first id, and only if these are equal the smaller second.
    (-counts[pair], pair) => -counts[pair]
    (-counts[pair], pair) => (-counts[pair], -list(counts).index(pair))
    (-counts[pair], pair) => (-counts[pair], -pair[0], -pair[1])
Training ends where no pair is left: every word is one token, or every pair makes too long a token.
    if not counts => if False
""")


@learn_merges.mistake("A pair joins the end of one word to the start of the next: count word by word.")
def across_words(words, num_merges, longest):
    return learn_merges({b"".join(word * times for word, times in words.items()): 1}, num_merges, longest)
