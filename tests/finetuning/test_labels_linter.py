"""The linter finds each planted fault by its rule, and nothing in sound batches, of any of four families' templates."""

from copy import deepcopy
from itertools import islice
from pathlib import Path

import pytest
import torch
import trl

from fullstack_llm.experiments import m14_faults as planted
from fullstack_llm.finetuning import labels
from fullstack_llm.finetuning.linter import lint, lint_prompt, lint_template, turns_of
from fullstack_llm.finetuning.rows import packed
from fullstack_llm.models.chat import IGNORE, PAD, Row, collate, encode
from fullstack_llm.tinytown.instructions import instructions, message
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

TOK = course_tokenizer.load()
TALKS = [talk.messages for talk in islice(instructions(town(), seed=12), 320)]
ROWS = [encode(TOK, talk) for talk in TALKS]
ADA = encode(TOK, [message("user", "Where does Ada live?"), message("assistant", "Ada lives on Lantern Row.")])
RULES = {
    "pad is the stop token (transformers' collator)": "stop",
    "everything is trained on (TRL's default)": "others",
    "cut at the end (TRL, max_length)": "cut",
    "cut at the beginning": "head",
    "packing cuts (TRL, bfd)": "cut",
    "no stop token": "stop",
    "padding is trained on": "padding",
    "labels moved by one": "shift",
    "marks one too early": "others",
    "marks one too late": "start",
    "nothing is marked": "nothing",
    "the text begins twice": "bos",
    "a user types the markers": "marker",
    "the user is trained on too": "others",
}


def rules(*rows: Row, **options) -> set[str]:
    return {found.rule for found in lint(TOK, *collate(rows, PAD), **options)}


@pytest.mark.parametrize("which", ["assistant", "last"])
@pytest.mark.parametrize("size", [1, 5, 16])
def test_sound_batches_have_no_findings(which, size):
    kept = [labels.chosen(row, which) for row in ROWS]
    for at in range(0, len(kept), size):
        piece, many = kept[at : at + size], [len(talk) for talk in TALKS[at : at + size]]
        assert lint(TOK, *collate(piece, PAD), messages=many) == []
        in_rows = packed(piece, 256)
        assert lint(TOK, in_rows.ids, in_rows.labels) == []


@pytest.fixture(scope="module")
def faults():
    return planted.faults(TOK, TALKS[:16])


@pytest.mark.parametrize("name", RULES)
def test_each_fault_is_found_by_its_rule(faults, name):
    assert set(faults) == set(RULES)
    assert RULES[name] in {found.rule for found in lint(TOK, *faults[name])}


def test_each_rule_speaks_alone_where_it_can():
    assert rules(ADA) == set()
    assert rules(labels.chosen(ADA, stop=False)) == {"stop"}
    assert rules(Row(ADA.ids[:30], ADA.own[:30])) == {"cut"}
    assert rules(Row(ADA.ids, (*[False] * 24, *ADA.own[24:]))) == {"start"}
    assert rules(Row(ADA.ids[1:], ADA.own[1:])) == {"head"}
    assert rules(ADA, messages=[3]) == {"marker"}
    assert rules(Row(ADA.ids, (*ADA.own[:36], True))) == {"others"}
    assert rules(ADA, bounds=(0.5, 0.9)) == {"share"}


def test_labels_that_are_other_tokens_are_told_from_shifted_ones():
    ids, marks = collate([ADA], PAD)
    shifted = torch.full_like(marks, IGNORE)
    shifted[:, :-1] = marks[:, 1:]
    (found,) = [one for one in lint(TOK, ids, shifted) if one.rule == "shift"]
    assert "shifts them again" in found.text
    other = torch.where(marks == IGNORE, marks, torch.full_like(marks, 99))
    (found,) = [one for one in lint(TOK, ids, other) if one.rule == "shift"]
    assert "other tokens" in found.text


def test_shapes_must_be_equal():
    ids, marks = collate([ADA], PAD)
    with pytest.raises(ValueError, match="have labels of shape"):
        lint(TOK, ids, marks[:, 1:])


WANTED = {
    "a space after the prompt's role": "prefix",
    "a space between prompt and answer": "border",
    "no line break in the prompt": "border",
    "no generation block": "generation",
    "the stop token after the block": "stop",
    "the text begins twice": "bos",
}


@pytest.mark.parametrize("name", WANTED)
def test_faults_of_templates(name):
    assert WANTED[name] in {found.rule for found in lint_template(planted.templates(TOK)[name])}
    assert lint_template(TOK) == []


def test_a_prompt_that_ends_in_a_space():
    whole = TOK("Assistant: Lantern Row.").input_ids
    assert [found.rule for found in lint_prompt(TOK, TOK("Assistant: ").input_ids, whole)] == ["prefix"]
    assert lint_prompt(TOK, TOK("Assistant:").input_ids, whole) == []


MORE = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>"]


FAMILIES = [
    ("llama3", "<|eot_id|>", set()),
    ("gemma", "<end_of_turn>", {"after"}),
    ("qwen3_instruct_2507", "<|im_end|>", {"after"}),
    ("qwen2_5", "<|im_end|>", {"after", "border"}),
]


@pytest.mark.parametrize(("family", "stop", "remarks"), FAMILIES)
def test_templates_of_other_families(family, stop, remarks):
    """TRL's own for training; that three of them mark a line break too many is seen in the template and in a batch."""
    tokenizer = deepcopy(TOK)
    tokenizer.add_special_tokens({"additional_special_tokens": [*TOK.all_special_tokens, *MORE]})
    folder = Path(trl.__file__).parent / "chat_templates"
    tokenizer.chat_template = (folder / f"{family}_training.jinja").read_text(encoding="utf-8")
    assert tokenizer.decode([turns_of(tokenizer).stop]) == stop
    assert {found.rule for found in lint_template(tokenizer)} == remarks
    talks = [[one for one in talk if one["role"] != "system"] for talk in TALKS[:32]]
    ids, marks = collate([encode(tokenizer, talk) for talk in talks], PAD)
    assert {found.rule for found in lint(tokenizer, ids, marks)} == ({"others"} if remarks else set())
    silent = torch.where(ids == turns_of(tokenizer).stop, torch.full_like(marks, IGNORE), marks)
    assert "stop" in {found.rule for found in lint(tokenizer, ids, silent)}, "the control: without its stop tokens"


def test_a_template_without_a_prompt_or_an_end_is_refused():
    silent = deepcopy(TOK)
    silent.chat_template = TOK.chat_template.replace("add_generation_prompt", "false")
    with pytest.raises(ValueError, match="no prompt"):
        turns_of(silent)
    endless = deepcopy(TOK)
    endless.chat_template = TOK.chat_template.replace("<|im_end|>", ".")
    with pytest.raises(ValueError, match="no special token"):
        turns_of(endless)


def test_padding_may_stand_on_either_side() -> None:
    ids, marks = collate([ADA, ROWS[0]], PAD)
    turned = [
        torch.stack([row.roll(int((row_ids == PAD).sum())) for row, row_ids in zip(x, ids, strict=True)])
        for x in (ids, marks)
    ]
    assert turned[0][:, 0].eq(PAD).any() and lint(TOK, *turned) == []
    first = int(turned[0][:, 0].eq(PAD).nonzero()[0])
    turned[1][first, 0] = PAD
    assert [one.rule for one in lint(TOK, *turned)][:1] == ["padding"]
