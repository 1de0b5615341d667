"""What the shipped checkpoints reached, and that a sample of it comes out again here."""

import pytest

from fullstack_llm import models
from fullstack_llm.models import building, store

# How far a score on a sample may lie from the card's, in standard errors of the sample: 1 in 15,000 by chance.
FAR = 4.0
CARDS = {name: models.card(name).scores for name in models.names()}


def test_base_knows_the_town_and_adds() -> None:
    assert CARDS["base"]["facts"].value >= 0.95
    assert CARDS["base"]["addition with steps"].value >= 0.90
    assert CARDS["draft"]["facts"].value < CARDS["base"]["facts"].value


def test_sft_answers_in_form_and_says_what_it_does_not_know() -> None:
    sft = CARDS["sft"]
    assert sft["in form"].value >= 0.90
    assert sft["abstains on the untold"].value >= 0.80
    assert sft["abstains on the told"].value <= 0.10


def test_reward_prefers_what_gold_prefers() -> None:
    assert CARDS["reward"]["pairs"].value >= 0.80


def test_dpo_is_better_by_gold_and_stays_near() -> None:
    assert CARDS["dpo"]["gold gained"].low > 0
    assert CARDS["dpo"]["divergence"].high < 20


def test_rl_gains_where_sft_was_weak() -> None:
    assert CARDS["sft"]["addition"].value < 0.70
    assert CARDS["rl"]["addition"].value >= CARDS["sft"]["addition"].value + 0.15


def test_hacked_pleases_the_proxy_and_not_gold() -> None:
    assert CARDS["hacked"]["proxy"].low > CARDS["sft"]["proxy"].high
    assert CARDS["hacked"]["gold gained"].high < -0.5
    assert CARDS["hacked"]["abstains on the untold"].high < 0.5


@pytest.mark.parametrize("name", models.names())
def test_a_sample_gives_the_card_s_numbers(name: str) -> None:
    found = building.examine(name, store.FOLDER, count=60)
    assert set(found) == set(CARDS[name])
    for test, wanted in CARDS[name].items():
        # The card's own spread, at the size of the sample; a share of 0 or 1 on the card has one of about 1/n.
        error = max((wanted.high - wanted.low) / 3.92, 0.5 / wanted.items) * (wanted.items / found[test].items) ** 0.5
        assert abs(found[test].value - wanted.value) <= FAR * error, (test, found[test], wanted)
