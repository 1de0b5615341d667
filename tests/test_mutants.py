"""Every lab's checks: right answers earn everything, however written, and every known mistake loses and is named."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from mutant import TESTS, LabUnderTest, in_notebook, load, seen, worker

from fullstack_llm.checks import registry

TOY = TESTS / "grading" / "toy"
SOURCES = {path.stem: path for path in sorted((TESTS / "mutants").glob("[0-9]*.py"))} | {"00_toy": TOY / "mutants.py"}


@functools.cache
def lab(slug: str) -> LabUnderTest:
    toy = slug == "00_toy"
    solution = TOY / "00_toy.md" if toy else TESTS.parent / "solutions" / f"{slug}.md"
    return load(solution, SOURCES[slug], TOY if toy else registry.HERE)


def test_every_lab_has_mutants() -> None:
    assert set(registry.labs()) <= set(SOURCES)
    assert {path.stem for path in Path(TESTS.parent / "solutions").glob("[0-9]*.md")} <= set(SOURCES)


@pytest.mark.parametrize("slug", SOURCES)
class TestLab:
    def test_is_complete(self, slug: str) -> None:
        one = lab(slug)
        assert one.checks.points() == 100
        assert set(one.answers) == set(one.checks.exercises)
        assert len(one.alternatives) >= 3
        for name, answers in one.alternatives.items():
            assert set(answers) == set(one.checks.exercises), name
        for exercise in one.checks.exercises:
            assert sum(mutant.exercise == exercise for mutant in one.mutants) >= 3, exercise

    def test_reference_earns_everything(self, slug: str) -> None:
        one = lab(slug)
        verdicts = [in_notebook(one, one.reference, exercise) for exercise in one.checks.exercises]
        assert sum(verdict.earned for verdict in verdicts) == 100, "\n".join(map(str, verdicts))

    def test_alternatives_earn_everything(self, slug: str) -> None:
        one = lab(slug)
        for name, answers in one.alternatives.items():
            cells = one.given + tuple(answers.items())
            verdicts = [in_notebook(one, cells, exercise) for exercise in one.checks.exercises]
            assert sum(verdict.earned for verdict in verdicts) == 100, "\n".join([name, *map(str, verdicts)])

    def test_mutants_lose_and_are_named(self, slug: str) -> None:
        one, survivors = lab(slug), []
        for mutant in one.mutants:
            verdict = in_notebook(one, (*one.reference, ("mutant", mutant.code)), mutant.exercise)
            hints = [f"{outcome.hint} {outcome.advice}" for outcome in verdict.failures]
            if not any(mutant.hint in hint for hint in hints):
                survivors.append(f"{mutant.exercise}, {mutant.name}: wanted {mutant.hint!r} in {hints}")
        assert not survivors, "\n".join(survivors)

    @pytest.mark.attack(77)
    def test_answers_without_work_earn_nothing(self, slug: str) -> None:
        one, paid = lab(slug), []
        for mutant in one.generated:
            verdict = in_notebook(one, (*one.reference, ("mutant", mutant.code)), mutant.exercise)
            if verdict.earned:
                paid.append(f"{mutant.exercise}, {mutant.name}: earned {verdict.earned} of {verdict.points}")
        assert not paid, "\n".join(paid)

    def test_grader_gives_the_same_verdicts(self, slug: str) -> None:
        one, different = lab(slug), []
        trials = [("reference", exercise, one.reference) for exercise in one.checks.exercises]
        for name, answers in one.alternatives.items():
            trials += [(name, exercise, one.given + tuple(answers.items())) for exercise in answers]
        for mutant in [*one.mutants, *one.generated]:
            trials.append((mutant.name, mutant.exercise, (*one.reference, ("mutant", mutant.code))))
        with worker(one) as judge:
            for name, exercise, cells in trials:
                theirs, ours = judge(cells, exercise), in_notebook(one, cells, exercise)
                if seen(theirs) != seen(ours):
                    different.append(f"{exercise}, {name}: the grader says\n{theirs}\nand the notebook\n{ours}")
        assert not different, "\n".join(different)
