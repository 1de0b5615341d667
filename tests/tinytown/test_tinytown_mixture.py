"""The mixture: its shares, its faults on record, and no leak from what is held out."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from fullstack_llm.tinytown import instructions, mixture, programs
from fullstack_llm.tinytown.arithmetic import draw, worked
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.faults import NOISES
from fullstack_llm.tinytown.leaks import find_leaks
from fullstack_llm.tinytown.mixture import GENERATORS, Mix, Planted, canary, documents, take, text
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement
from fullstack_llm.tinytown.twohop import QUESTIONS, hop_slots, two_hops
from fullstack_llm.tinytown.world import told, town, untold

WORLD = town()


def corpus(mix: Mix, size: int = 200_000, seed: int = 0) -> list[mixture.Document]:
    return list(take(documents(WORLD, mix, seed), size))


def test_shares_are_of_bytes() -> None:
    mix, used = Mix(), Counter[str]()
    for document in corpus(mix, 300_000):
        used[document.kind] += len(document.text)
    total = sum(getattr(mix, kind) for kind in GENERATORS)
    for kind in GENERATORS:
        assert used[kind] / used.total() == pytest.approx(getattr(mix, kind) / total, abs=0.005)


def test_one_share_leaves_the_other_kinds_alone() -> None:
    more, less = corpus(Mix(story=0.3)), corpus(Mix(story=0.0))
    assert not any(document.kind == "story" for document in less)
    for kind in ("biography", "sum_steps"):
        pairs = zip((d.text for d in more if d.kind == kind), (d.text for d in less if d.kind == kind), strict=False)
        assert all(one == other for one, other in pairs)


def test_every_fault_is_on_record() -> None:
    mix = Mix(exact_duplicates=0.1, near_duplicates=0.1, noise=0.1)
    found = corpus(mix)
    by_index = {document.meta["index"]: document for document in found}
    assert list(by_index) == list(range(len(found)))
    kinds = Counter[str]()
    for document in found:
        if "near_duplicate_of" in document.meta:
            kinds["near"] += 1
            original = by_index[document.meta["near_duplicate_of"]].text
            assert document.text != original
            assert set(original.split()) & set(document.text.split())
        elif "duplicate_of" in document.meta:
            kinds["exact"] += 1
            assert document.text == by_index[document.meta["duplicate_of"]].text
        elif "noise" in document.meta:
            kinds["noise"] += 1
            assert document.meta["noise"] in NOISES
    clean = len(found) - kinds.total()
    assert all(0.07 < kinds[kind] / clean < 0.13 for kind in ("near", "exact", "noise"))


def test_a_clean_mix_has_no_fault() -> None:
    assert not any({"duplicate_of", "near_duplicate_of", "noise", "canary"} & set(d.meta) for d in corpus(Mix()))


def test_planted_texts_stand_as_often_as_asked() -> None:
    mix = Mix(
        canaries=(canary(0, 0, count=7), canary(0, 1, count=1)),
        contaminated=(Planted("item-3", "Which street does Bo live on? Market Street.", 4),),
        span=300,
        exact_duplicates=0.3,
    )
    found = corpus(mix)
    joined = "\n\n".join(document.text for document in found)
    for item in (*mix.canaries, *mix.contaminated):
        assert joined.count(item.text) == item.count
    assert Counter(d.meta.get("canary") for d in found)["canary-0"] == 7
    assert Counter(d.meta.get("contaminated") for d in found)["item-3"] == 4


@pytest.mark.parametrize("mix", [Mix(story=-0.1), Mix(**dict.fromkeys(GENERATORS, 0.0))])
def test_impossible_shares_are_refused(mix: Mix) -> None:
    with pytest.raises(ValueError, match="Shares must not be negative"):
        next(documents(WORLD, mix))


def test_sizes() -> None:
    assert len(text(WORLD, size=5000).encode()) >= 5000
    assert sum(len(d.text.split()) for d in take(documents(WORLD), 500, lambda t: len(t.split()))) >= 500


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_held_out_is_in_documents(seed: int) -> None:
    assert find_leaks(town(seed), text(town(seed), seed=seed, size=200_000)) == []


def test_nothing_held_out_is_in_instructions() -> None:
    conversations = itertools.islice(instructions.instructions(WORLD), 4000)
    assert find_leaks(WORLD, "\n".join(m["content"] for c in conversations for m in c.messages)) == []


def planted_leaks() -> dict[str, str]:
    quiet, nobody = told(WORLD, "test")[0].name, untold(WORLD, "test")[0].name
    hop = two_hops(WORLD, "test")[0]
    filled = slots(WORLD, "Bo")
    return {
        "held-out phrasing": statement(filled, PHRASES["home"].heldout_questions[0]),
        "held-out phrasing: The pet in": statement(filled, PHRASES["pet"].heldout_statements[0]),
        "question about someone of the test split": f"Q: How old is {quiet}?",
        "question about someone of the test split: Where": f"Where does {nobody} live?",
        "fact about someone of whom nothing is told": f"{nobody} is 41 years old.",
        "test sum": worked(draw(stream(0), 2, "+", "test")),
        "test program": programs.show(programs.draw_program(stream(0), 2, "test")),
        "composed fact of the test split": QUESTIONS[0].format_map(hop_slots(hop)),
    }


@pytest.mark.parametrize("kind", planted_leaks())
def test_control_a_planted_leak_is_found(kind: str) -> None:
    clean = text(WORLD, size=20_000)
    leaky = clean + mixture.SEPARATOR + planted_leaks()[kind] + mixture.SEPARATOR + clean
    assert any(found.startswith(kind.split(": ")[0]) for found in find_leaks(WORLD, leaky))
