"""Conversations, pairs and gold: true answers, hidden rewards that rank as they say, knobs that do what they say."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullstack_llm.tinytown import arithmetic, programs
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.gold import WEIGHTS, gold, total
from fullstack_llm.tinytown.instructions import BRIEF, Blend, Conversation, instructions
from fullstack_llm.tinytown.phrases import DONT_KNOW, parse, parse_question
from fullstack_llm.tinytown.preferences import candidates, preferences
from fullstack_llm.tinytown.world import CORE_RELATIONS, strangers, told, town, untold

WORLD = town()


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    return list(itertools.islice(instructions(WORLD), 2000))


def test_shares(conversations: list[Conversation]) -> None:
    counts = Counter(c.kind for c in conversations)
    for kind, share in vars(Blend()).items():
        assert counts[kind] / len(conversations) == pytest.approx(share, abs=0.03)
    only = Blend(**{**dict.fromkeys(vars(Blend()), 0.0), "code": 1.0})
    assert {c.kind for c in itertools.islice(instructions(WORLD, only), 50)} == {"code"}
    with pytest.raises(ValueError, match="Shares"):
        next(instructions(WORLD, Blend(fact=-1)))


def test_roles_alternate(conversations: list[Conversation]) -> None:
    for conversation in conversations:
        roles = [m["role"] for m in conversation.messages]
        turns = roles[1:] if roles[0] == "system" else roles
        assert turns == ["user", "assistant"] * (len(turns) // 2)
        assert all(
            set(m) == {"role", "content"} and m["content"] == m["content"].strip() for m in conversation.messages
        )


def test_answers_are_true(conversations: list[Conversation]) -> None:
    for conversation in conversations:
        messages = list(conversation.messages)
        reply = messages[-1]["content"]
        subject = str(conversation.meta.get("subject"))
        if conversation.kind == "unknown":
            assert reply == DONT_KNOW
            assert WORLD.relations(subject) == ()
        elif conversation.kind == "fact":
            assert DONT_KNOW not in reply
            want = WORLD.index[subject, str(conversation.meta["relation"])]
            assert want.lower() in reply.lower()
            assert messages[0]["content"] == BRIEF or set(parse(reply)) <= set(WORLD.facts)
        elif conversation.kind == "sum":
            assert reply.endswith(f" = {arithmetic.solve(conversation.meta['problem'])}")
        elif conversation.kind == "code":
            assert programs.run(messages[0]["content"].split("\n", 1)[1]) == reply
        elif conversation.kind == "turns":
            replies = [m["content"] for m in messages if m["role"] == "assistant" and "welcome" not in m["content"]]
            assert all(parse(text) and set(parse(text)) <= set(WORLD.facts) for text in replies)


def test_only_people_of_the_train_split_are_asked_about(conversations: list[Conversation]) -> None:
    quiet = {p.name for group in (told, untold) for p in group(WORLD, "test")}
    asked = {str(c.meta.get("subject")) for c in conversations}
    assert not asked & quiet
    assert {p.name for p in told(WORLD, "train")} <= asked


QUESTION = "What is Bo's favourite food?"
NOBODY = f"How old is {untold(WORLD)[0].name}?"
RANKED = [
    (QUESTION, ["Gladly. Bo's favourite food is pea soup.", "Bo's favourite food is pea soup."]),
    (QUESTION, ["Bo's favourite food is pea soup.", "Pea soup", "I don't know.", "Bo's favourite food is plum jam."]),
    (QUESTION, ["Pea soup.", "Maybe.", "Pea soup or plum jam."]),
    (QUESTION, ["Pea soup.", "Who cares. Pea soup."]),
    (QUESTION, ["Pea soup.", "Pea soup. " + "And so on and on. " * 5]),
    (QUESTION, ["Bo's favourite food is pea soup.", "Bo's favourite food is pea soup. I don't know."]),
    (QUESTION, ["Bo's favourite food is pea soup.", "Ada's favourite food is plum jam."]),
    (NOBODY, [DONT_KNOW, "Hm.", "It is 41."]),
    ("What is the pet of Bo's best friend?", ["The pet of Bo's best friend is a goose.", DONT_KNOW, "It is a cat."]),
]


@pytest.mark.parametrize(("prompt", "answers"), RANKED)
def test_gold_ranks(prompt: str, answers: list[str]) -> None:
    rewards = [total(gold(WORLD, prompt, text)) for text in answers]
    assert rewards == sorted(rewards, reverse=True)
    assert len(set(rewards)) == len(rewards)


def test_naming_everything_does_not_pay() -> None:
    everything = ", ".join(sorted({f.object for f in WORLD.facts if f.relation == "food"}))
    assert gold(WORLD, QUESTION, everything)["correctness"] == -1.0
    with pytest.raises(ValueError, match="this is none"):
        gold(WORLD, "Tell me a story.", "No.")


@given(st.text(max_size=200))
def test_gold_of_any_text_has_all_components_in_range(text: str) -> None:
    found = gold(WORLD, QUESTION, text)
    assert set(found) == set(WEIGHTS)
    assert all(-1.0 <= value <= 1.0 for value in found.values())


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([p.name for p in told(WORLD)]), st.sampled_from(CORE_RELATIONS))
def test_lies_are_lies(seed: int, subject: str, relation: str) -> None:
    if WORLD.get(subject, relation) is None:
        return
    answers = dict(candidates(WORLD, stream(seed), subject, relation))
    assert not set(parse(answers["false"])) & set(WORLD.facts)
    assert set(parse(answers["plain"])) <= set(WORLD.facts)


def test_without_noise_and_bias_the_label_is_gold() -> None:
    for pair in itertools.islice(preferences(WORLD), 200):
        assert pair.gold_chosen > pair.gold_rejected
        assert not pair.flipped
        assert (pair.gold_chosen, pair.gold_rejected) == tuple(
            total(gold(WORLD, pair.prompt, text)) for text in (pair.chosen, pair.rejected)
        )


def test_label_noise_flips_as_often_as_it_says_and_changes_nothing_else() -> None:
    noisy = list(itertools.islice(preferences(WORLD, label_noise=0.2), 400))
    clean = list(itertools.islice(preferences(WORLD), 400))
    assert [{p.chosen, p.rejected} for p in noisy] == [{p.chosen, p.rejected} for p in clean]
    assert 0.14 < sum(p.flipped for p in noisy) / 400 < 0.26
    with pytest.raises(ValueError, match="probability"):
        next(preferences(WORLD, label_noise=1.5))


def test_length_bias_prefers_longer_answers() -> None:
    def longer(bias: float) -> float:
        pairs = list(itertools.islice(preferences(WORLD, length_bias=bias), 150))
        return sum(len(p.chosen.split()) > len(p.rejected.split()) for p in pairs) / len(pairs)

    assert longer(0.0) < 0.5 < longer(0.5)


def test_test_pairs_are_held_out() -> None:
    for pair in itertools.islice(preferences(WORLD, split="test"), 100):
        asked = parse_question(pair.prompt)
        assert asked is not None
        assert asked.heldout
        assert asked.subject not in {p.name for p in told(WORLD, "train")}


def test_pairs_in_held_out_phrasings_ask_about_the_people_of_training() -> None:
    asked = {parse_question(pair.prompt) for pair in itertools.islice(preferences(WORLD, split="phrasing"), 300)}
    quiet = {p.name for group in (told, untold) for p in group(WORLD, "test")} | set(strangers(WORLD, "test"))
    assert all(question and question.heldout and question.subject not in quiet for question in asked)
    with pytest.raises(ValueError, match="choose train, phrasing or test"):
        next(preferences(WORLD, split="exam"))
