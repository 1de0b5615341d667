"""How often a character occurs in a text."""

from collections import Counter

from fullstack_llm.checks.exercise import exercise


@exercise(minutes=10, difficulty=2, seconds=0.7)
def count(text, letter):
    return sum(character == letter for character in text)


@count.right
def method(text, letter):
    return text.count(letter)


@count.right
def counter(text, letter):
    return Counter(text)[letter]


@count.part(40, "Count every occurrence.")
def present(draw):
    text = "".join(draw.choice("abn") for _ in range(31)) + "bananas"
    for letter in "abn":
        yield text, letter
    yield "bananas", "s"


@count.part(20, "An absent letter occurs 0 times.", "absent")
def absent(draw):
    yield "ada", "d"
    yield "ada", "x"


count.mistakes("""
The last one counts too.
    in text => in text[:-1]
index raises where the letter is absent, and finds only the first.
    sum(character == letter for character in text) => len(text[text.index(letter)])
A whole number is wanted.
    sum(character == letter for character in text) => float(sum(character == letter for character in text))
""")
