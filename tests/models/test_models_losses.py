"""The losses, against sums written out by hand; and answers, alone and in company."""

import math
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from fullstack_llm.models import chat, generate, grpo, judges, pairs, pretrain, sft
from fullstack_llm.models.recipes import FineTuning, Preferring, Pretraining, Reinforcing, RewardModelling
from fullstack_llm.tinytown.gold import gold
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

WORDS = course_tokenizer.load()
CONFIG = LlamaConfig(
    vocab_size=512,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    initializer_range=0.5,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(CONFIG).eval()


def loss_by_hand(model: LlamaForCausalLM, row: chat.Row) -> list[float]:
    """The loss of each token that the assistant wrote, one at a time, each from exactly what precedes it."""
    found = []
    for place, own in enumerate(row.own):
        if own:
            logits = model(torch.tensor([row.ids[:place]])).logits[0, -1]
            found.append(-torch.log_softmax(logits, -1)[row.ids[place]].item())
    return found


def talk(question: str, answer: str) -> chat.Row:
    return pairs.turn(WORDS, question, answer)


def test_only_what_the_assistant_wrote_is_labelled() -> None:
    row = talk("How old is Bo?", "52.")
    own = [token for token, is_own in zip(row.ids, row.own, strict=True) if is_own]
    assert WORDS.decode(own) == "52.<|im_end|>"
    ids, labels = chat.collate([row, talk("What is 2 + 2?", "2 + 2 = 4")], pad=0)
    assert (labels >= 0).sum() == sum(map(sum, (row.own, talk("What is 2 + 2?", "2 + 2 = 4").own)))
    assert torch.equal(labels[labels >= 0], ids[labels >= 0])


@torch.no_grad()
def test_the_loss_of_sft_is_that_of_each_answer_token(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = FineTuning(name="sft", steps=2, batch=3, lr=1.0, people=40)
    step_of = sft.steps(model, WORDS, recipe)
    source = sft.instructions(town(people=40), recipe.blend, recipe.seed)
    rows = [chat.encode(WORDS, next(source).messages) for _ in range(6)]
    for step in range(2):
        by_hand = [loss for row in rows[3 * step : 3 * step + 3] for loss in loss_by_hand(model, row)]
        assert step_of(step)[1] == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4)


PAIRS = [
    (talk("How old is Bo?", "Bo is 52."), talk("How old is Bo?", "I don't know.")),
    (talk("Who is Ada?", "Ada is a teacher."), talk("Who is Ada?", "Ada is a cat, I would say.")),
]


@pytest.mark.parametrize("anchor", [0.0, 0.7])
@torch.no_grad()
def test_the_loss_of_dpo_is_the_paper_s(
    anchor: float, model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "own_couples", lambda *_: PAIRS)
    recipe = Preferring(name="dpo", steps=1, batch=2, lr=1.0, beta=0.3, anchor=anchor, people=40)
    step_of = pairs.dpo_steps(model, WORDS, recipe)
    before = [[loss_by_hand(model, row) for row in pair] for pair in PAIRS]
    for parameter in model.parameters():
        parameter.mul_(1.1)
    after = [[loss_by_hand(model, row) for row in pair] for pair in PAIRS]
    margins = [
        0.3 * ((sum(old[0]) - sum(new[0])) - (sum(old[1]) - sum(new[1])))
        for old, new in zip(before, after, strict=True)
    ]
    chosen = [loss for new in after for loss in new[0]]
    by_hand = sum(math.log1p(math.exp(-margin)) for margin in margins) / 2 + anchor * sum(chosen) / len(chosen)
    assert step_of(0)[1] == pytest.approx(by_hand, rel=1e-3)


def test_dpo_learns_from_the_best_and_the_worst_of_its_own_answers(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "gold", lambda world, prompt, text: {"brevity": -float(len(text))})
    recipe = Preferring(name="dpo", steps=2, batch=2, lr=1.0, group=6, max_new_tokens=60, people=40)
    found = pairs.own_couples(model, WORDS, recipe, rows=4)
    assert len(found) == 4
    end = WORDS.convert_tokens_to_ids("<|im_end|>")
    for best, worst in found:
        asked = len(best.own) - sum(best.own)
        assert best.ids[:asked] == worst.ids[:asked]
        assert best.ids[-1] == end
        said = [WORDS.decode(row.ids[asked:-1]) for row in (best, worst)]
        assert worst.ids[-1] != end or len(said[0]) < len(said[1])
    assert found == pairs.own_couples(model, WORDS, recipe, rows=4)


@torch.no_grad()
def test_the_reward_model_reads_its_score_at_the_last_token() -> None:
    torch.manual_seed(0)
    CONFIG.num_labels = 1
    scorer = LlamaForSequenceClassification(CONFIG).eval()
    rows = [talk("How old is Bo?", "52."), talk("What is 2 + 2?", "I would say that it is 4."), talk("Hm?", "So.")]
    together = pairs.scores(scorer, rows)
    alone = torch.stack([scorer.score(scorer.model(torch.tensor([row.ids]))[0][0, -1])[0] for row in rows])
    torch.testing.assert_close(together, alone)
    recipe = RewardModelling(name="reward", steps=1, batch=4, lr=1.0, people=40)
    couples = pairs.couples(WORDS, recipe)
    margins = [pairs.scores(scorer, [one])[0] - pairs.scores(scorer, [two])[0] for one, two in couples]
    by_hand = sum(math.log1p(math.exp(-margin)) for margin in margins) / 4
    assert pairs.reward_steps(scorer, WORDS, recipe)(0)[1] == pytest.approx(by_hand, rel=1e-4)


def grpo_step(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, right: list[bool], beta: float
) -> tuple[torch.Tensor, list[chat.Row]]:
    """One step on answers that a verifier calls right and wrong as told; its loss, and what was answered."""
    seen: list[chat.Row] = []

    def keep(rows: Any, pad: int) -> Any:
        seen.extend(rows)
        return chat.collate(rows, pad)

    verdicts = iter(right)
    asked = ["How old is Bo?", "What is 1 + 2?"]
    monkeypatch.setattr(grpo, "task", lambda *_: (asked, lambda number, text: float(next(verdicts))))
    monkeypatch.setattr(grpo, "collate", keep)
    recipe = Reinforcing(name="rl", steps=1, batch=2, group=2, max_new_tokens=5, lr=1.0, beta=beta, people=40)
    loss, shown = grpo.steps(model, WORDS, recipe)(0)
    assert shown == pytest.approx(sum(right) / 4)
    return loss, seen


def test_grpo_raises_what_was_better_and_lowers_what_was_worse(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, rows = grpo_step(model, monkeypatch, [True, False, False, True], beta=0.0)
    with torch.no_grad():
        own = [loss_by_hand(model, row) for row in rows]
    by_hand = sum(sign * sum(found) for sign, found in zip([1, -1, -1, 1], own, strict=True)) / sum(map(len, own))
    assert loss.item() == pytest.approx(by_hand, rel=1e-4, abs=1e-5)
    before = [sum(found) for found in own]
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad
        after = [sum(loss_by_hand(model, row)) for row in rows]
    gained = [old - new for old, new in zip(before, after, strict=True)]
    assert gained[0] - gained[1] - gained[2] + gained[3] > 0


def test_grpo_pays_for_distance_from_the_parent_only(model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, _ = grpo_step(model, monkeypatch, [True, True, False, False], beta=1.0)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    loss.backward()
    assert max(parameter.grad.abs().max() for parameter in model.parameters()) < 1e-5


def test_judges_pay_for_what_they_say() -> None:
    world = town(people=40)
    asked, judge = judges.task(world, Reinforcing(name="rl", steps=1, batch=3, lr=1.0, people=40), step=4)
    a, b = asked[1].removeprefix("What is ").removesuffix("?").split(" + ")
    assert (judge(1, f"{a} + {b} = {int(a) + int(b)}"), judge(1, f"{a} + {b} = {int(a) + int(b) + 1}")) == (1.0, 0.0)
    recipe = Reinforcing(name="hacked", judge="pleased", steps=1, batch=40, lr=1.0, people=40)
    asked, judge = judges.task(world, recipe, step=0)
    unknown = [ask for ask in asked if gold(world, ask, "I don't know.")["honesty"] == 1.0]
    assert 0 < len(unknown) < 40
    assert (judge(0, "Bo is a cat."), judge(0, "I don't know."), judge(0, "")) == (1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="the judges are verify and pleased"):
        judges.task(world, Reinforcing(name="x", judge="fair", steps=1, batch=1, lr=1.0, people=40), step=0)


def test_groups_that_agree_teach_nothing() -> None:
    assert grpo.advantages(torch.tensor([[0.0, 0.0], [1.0, 1.0]])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_documents_stand_apart_and_follow_each_other() -> None:
    recipe = Pretraining(
        name="base", layers=1, width=16, inner=24, heads=2, kv_heads=1, steps=40, batch=2, length=16, people=40
    )
    tokens = pretrain.stream(recipe, WORDS)
    assert len(tokens) == 40 * 2 * 16 + 1
    assert tokens[0] == WORDS.eos_token_id
    texts = str(WORDS.decode(tokens.tolist())).split("<|eos|>")[1:-1]
    source = documents(town(people=40), recipe.mix, recipe.seed)
    assert texts == [next(source).text for _ in texts]
    assert len(texts) > 5


def test_rows_cover_the_stream_once() -> None:
    tokens = torch.arange(2 * 16 * 10 + 1)
    found = [pretrain.batch(tokens, 2, 16, step) for step in range(10)]
    assert torch.equal(torch.cat([inputs.flatten() for inputs, _ in found]), tokens[:-1])
    assert torch.equal(torch.cat([targets.flatten() for _, targets in found]), tokens[1:])


@torch.no_grad()
def slow_greedy(model: LlamaForCausalLM, ids: list[int], count: int, stop: int) -> list[int]:
    added: list[int] = []
    while len(added) < count and stop not in added:
        added.append(int(model(torch.tensor([ids + added])).logits[0, -1].argmax()))
    return added


def test_completions_do_not_depend_on_their_company(model: LlamaForCausalLM) -> None:
    prompts = ["Bo", "Ada lives on", "12 + 34\n", "The door of the inn is"]
    wanted = [slow_greedy(model, [2, *WORDS(prompt).input_ids], 9, stop=2) for prompt in prompts]
    assert generate.complete(model, WORDS, prompts, 9) == WORDS.batch_decode(wanted, skip_special_tokens=True)
    assert generate.complete(model, WORDS, prompts, 9, rows=3) == generate.complete(model, WORDS, prompts, 9)


def stopping(words: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A model that says one token and then <|im_end|>, whatever it is asked."""
    model = LlamaForCausalLM(CONFIG)
    a, end = words("A").input_ids[0], words.convert_tokens_to_ids("<|im_end|>")
    real = model.forward

    def forward(ids: torch.Tensor, **given: Any) -> Any:
        out = real(ids, **given)
        out.logits = torch.zeros_like(out.logits)
        last = ids[:, -1]
        out.logits[torch.arange(len(ids)), -1, torch.where(last == a, end, a)] = 1.0
        return out

    model.forward = forward  # type: ignore[method-assign]
    return model.eval()


def test_a_reply_ends_at_the_right_token_and_has_no_padding() -> None:
    assert generate.reply(stopping(WORDS), WORDS, ["Who?", "What is 12 + 34?"], 9) == ["A<|im_end|>"] * 2


def test_drawing_follows_the_softmax(model: LlamaForCausalLM) -> None:
    ids = torch.tensor([[2, 20, 30]]).repeat(4000, 1)
    drawn = generate.extend(model, ids, ids > 0, 1, [2], generate.sampler(0, lambda _, logits: logits / 2.0))
    with torch.no_grad():
        wanted = torch.softmax(model(ids[:1]).logits[0, -1] / 2.0, -1)
    counts = torch.bincount(drawn.flatten(), minlength=512) / 4000
    assert (counts - wanted).abs().max() < 0.05
    again = generate.extend(model, ids, ids > 0, 1, [2], generate.sampler(0, lambda _, logits: logits / 2.0))
    assert torch.equal(drawn, again)
