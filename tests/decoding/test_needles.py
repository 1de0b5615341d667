"""Needles are where they are said to be, and asking many at once is asking each of them alone."""

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.decoding import needles
from fullstack_llm.tinytown.world import told, town


@pytest.fixture(scope="module")
def base():
    model, tokenizer = models.load("draft")
    return model.float(), tokenizer


def test_pieces_stand_at_their_depths_and_nothing_else_is_lost():
    hay = [1, 9] * 40
    pieces = [(0.9, [7, 7]), (0.0, [5]), (0.5, [6, 6, 6])]
    text, starts = needles.spliced(hay, pieces, length=60, stop=9)
    assert len(text) == 60 and [text[at] for at in starts] == [7, 5, 6] and starts[1] < starts[2] < starts[0]
    left = [token for token in text if token in (1, 9)]
    assert left == hay[: len(left)] and all(text[at - 1] == 9 for at in starts)


def test_pieces_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not make 5"):
        needles.spliced([9] * 9, [(0.5, [1] * 6)], length=5, stop=9)
    with pytest.raises(ValueError, match="do not make 20"):
        needles.spliced([9] * 9, [(0.5, [1] * 6)], length=20, stop=9)


def test_needles_tell_of_people_of_whom_nothing_is_known():
    world = town()
    known = {person.name for person in told(world)}
    names = {}
    for split in ("train", "test"):
        words = " ".join(one.prompt for one in needles.drawn(world, 40, 3, split)).replace("'s", "").split()
        names[split] = {word for word in words if word in world.persons}
    assert len(names["test"]) == 40 and not names["test"] & (known | names["train"])


def test_questions_share_a_cache_as_if_each_were_asked_alone(base):
    model, tokenizer = base
    facts = [needles.Needle("Ada lives on", " Lantern Row"), needles.Needle("Bo is a", " teacher")]
    facts.append(needles.Needle("Ada's age is", " 41"))
    text = [tokenizer.eos_token_id, *tokenizer("Fog lay on the river. It rained.").input_ids]

    def alone(one):
        start = [*text, *tokenizer(f" {one.prompt}").input_ids]
        ids = [*text, *tokenizer(f" {one.prompt}{one.target}").input_ids]
        logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)[len(start) - 1 : -1]
        target = torch.tensor(ids[len(start) :])
        return logs.argmax(-1).tolist() == target.tolist(), logs.gather(1, target[:, None]).sum().item()

    with torch.no_grad():
        together, apart = needles.recalled(model, tokenizer, text, facts), [alone(one) for one in facts]
    assert [one.right for one in together] == [right for right, _ in apart]
    for one, (_, log) in zip(together, apart, strict=True):
        assert one.log_probability == pytest.approx(log, abs=1e-3)
