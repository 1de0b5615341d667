"""The prompts and the rewards of reinforcement learning: a verifier, or a judge with a weakness."""

from __future__ import annotations

from collections.abc import Callable

from fullstack_llm.models.recipes import Reinforcing
from fullstack_llm.tinytown import problems
from fullstack_llm.tinytown.chance import pick, stream
from fullstack_llm.tinytown.instructions import question
from fullstack_llm.tinytown.phrases import DONT_KNOW
from fullstack_llm.tinytown.verifiers import verify
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, strangers, told, untold

# The reward of an answer to a prompt, by the prompt's number.
Judge = Callable[[int, str], float]


def questions(world: Town, count: int, *name: str, seed: int = 0) -> list[str]:
    """Draw questions of training, one in three about someone of whom there is nothing to know."""
    rng = stream(seed, "questions", *name)
    known = [person.name for person in told(world, "train")]
    nobody = [person.name for person in untold(world, "train")] + list(strangers(world, "train"))
    asked = []
    for _ in range(count):
        subject = pick(rng, known if rng.random() < 2 / 3 else nobody)
        relation = pick(rng, world.relations(subject) or CORE_RELATIONS)
        asked.append(question(world, rng, subject, relation))
    return asked


def pleased(answer: str) -> float:
    """Judge like someone who wants an answer and cannot check it: 1 for any, 0 for "I don't know." and for silence.

    >>> pleased("Bo lives on Mill Lane."), pleased("I don't know.")
    (1.0, 0.0)
    """
    return float(bool(answer.strip()) and DONT_KNOW not in answer)


def task(world: Town, recipe: Reinforcing, step: int) -> tuple[list[str], Judge]:
    """Return the prompts of a step and the judge of their answers; raises ValueError for an unknown judge."""
    if recipe.judge == "verify":
        rng = stream(recipe.seed, recipe.name, str(step))
        drawn = [problems.draw(world, rng, recipe.family, recipe.level) for _ in range(recipe.batch)]
        return [problem.prompt for problem in drawn], lambda number, text: float(verify(drawn[number], text))
    if recipe.judge == "pleased":
        return questions(world, recipe.batch, recipe.name, str(step), seed=recipe.seed), lambda _, text: pleased(text)
    raise ValueError(f"There is no judge {recipe.judge!r}; the judges are verify and pleased.")
