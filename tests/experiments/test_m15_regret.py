import math
from dataclasses import replace

import pytest
import torch

from fullstack_llm import models, recorded
from fullstack_llm.experiments import m15_claims as claims
from fullstack_llm.experiments import m15_regret as regret
from fullstack_llm.experiments.m15_regret import Cell
from fullstack_llm.tinytown.world import told, town


def test_no_question_that_is_asked_in_the_end_was_trained_on():
    tok = models.load("base")[1]
    trained = {tok.decode(row.ids) for row in regret.rows()}
    asked = [tok.decode(row.ids) for row in regret.held_out()]
    assert len(set(asked)) == len(asked) and not trained & set(asked)
    people = [p.name for p in told(town(), "test")]
    assert all(any(name in text for name in people) for text in asked[: regret.KNOWN])
    assert all("don't know" in text for text in asked[regret.KNOWN :])
    assert not any("don't know" in text for text in asked[: regret.KNOWN])


def test_a_perfect_model_scores_full_marks_and_the_base_none():
    class Oracle(torch.nn.Module):
        """Answer each row with its own next token; of what is no row, know nothing."""

        def forward(self, ids, use_cache=False):
            following = torch.cat([ids[:, 1:], ids[:, :1]], 1)
            logits = 50 * torch.nn.functional.one_hot(following, 600).float()
            return type("Out", (), {"logits": logits})

    found = regret.score(Oracle())
    assert (found["loss"], found["known"], found["unknown"]) == (0.0, 1.0, 1.0)
    base = regret.score(models.load("base")[0])
    assert (base["known"], base["unknown"]) == (0.0, 0.0) and base["loss"] > 1


def test_the_start_differs_from_base_in_the_rows_of_the_markers_alone():
    (base, tok), begun = models.load("base"), regret.start()
    rows = tok.convert_tokens_to_ids(list(regret.MARKERS))
    for (name, before), (_, after) in zip(base.named_parameters(), begun.named_parameters(), strict=True):
        changed = (before != after).flatten(1).any(1).nonzero().flatten().tolist() if before.ndim > 1 else []
        assert changed == (sorted(rows) if "embed_tokens" in name else []), name
        assert before.ndim > 1 or torch.equal(before, after)


def test_only_the_seed_the_rate_and_the_method_make_two_runs_differ():
    cell = Cell(rank=2, lr=3e-3, examples=32)
    (one, again, other), wanted = (regret.run(c) for c in (cell, cell, replace(cell, seed=1))), ("loss", "first")
    assert [one[key] for key in wanted] == [again[key] for key in wanted] != [other[key] for key in wanted]


@pytest.mark.parametrize(("best", "end"), [(1e-2, 3e-2), (1e-4, 3e-5)])
def test_a_sweep_goes_on_until_its_best_rate_lies_inside(best, end):
    def look(cell):
        return {"lr": cell.lr, "seed": cell.seed, "loss": abs(math.log(cell.lr / best))}

    found = regret.swept(lambda rate, seed: Cell(rank=1, lr=rate, seed=seed), (3e-4, 1e-3, 3e-3), look=look)
    rates = {row["lr"] for row in found}
    assert end in (min(rates), max(rates))
    assert sorted(row["lr"] for row in found if row["seed"] == 2) == sorted(
        [best, regret.beyond(best, 1), regret.beyond(best, -1)]
    )


def test_the_interval_is_students():
    # Student's sleep data (1908), the difference between two drugs: 1.58 hours, 0.70 to 2.46.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = claims.apart(second, first)
    assert (found.value, round(found.low, 2), round(found.high, 2), found.items) == (1.58, 0.70, 2.46, 10)
    with pytest.raises(ValueError):
        claims.apart(first, second[:-1])


def test_the_bottom_of_a_parabola_is_found_and_not_invented():
    rates = [1e-3, 3e-3, 1e-2]

    def losses(bottom):
        return [0.2 + math.log(rate / bottom) ** 2 / 10 for rate in rates]

    assert claims.vertex(rates, losses(2e-3)) == pytest.approx(2e-3)
    assert claims.vertex(rates, losses(5e-4)) is None, "outside the rates that were tried"
    assert claims.vertex(rates, [0.3, 0.4, 0.3]) is None, "a hill has no bottom"
    assert claims.vertex(rates, [0.3, 0.2, 4.0]) is None, "a run that was lost says nothing of the best rate"


def test_what_is_kept_is_read_at_equal_loss():
    runs = {rate: [{"loss": loss, "kept": kept, "seed": 0}] for rate, loss, kept in ((1, 0.3, 1.0), (2, 0.1, 2.0))}
    assert claims.kept_at(runs, 0, 0.25) == pytest.approx(1.25)
    assert claims.kept_at(runs, 0, 0.05) is None and claims.kept_at(runs, 1, 0.25) is None


@pytest.mark.parametrize("name", ["rates", "coverage", "batches"])
def test_every_line_of_a_recorded_sweep_has_its_best_rate_inside(name):
    rows = recorded.load(f"lora-{name}")["values"]["rows"]
    for settings in {tuple((key, row[key]) for key in ("rank", "targets", "alpha", "batch")) for row in rows}:
        runs = claims.line(rows, **dict(settings))
        least = min(runs, key=lambda rate: runs[rate][0]["loss"])
        assert min(runs) < least < max(runs) and len(runs) >= 5
        assert len(claims.tried(runs)) == 3 and all(len(runs[rate]) == 3 for rate in claims.tried(runs))
    with pytest.raises(ValueError, match="No run has the settings"):
        claims.line(rows, rank=3)
