"""Form and facts: what a model says after fine-tuning, about people whom it was asked about and whom it was not.

Of the people whom documents tell of, some are never asked about; others get facts that no document tells; of others
nothing is known at all. The arms differ in which of these conversations they have, and in nothing else.
"""

from __future__ import annotations

from typing import Any

from fullstack_llm.experiments import m14_assistant as town_hall
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.pretraining.loop import State
from fullstack_llm.tinytown.instructions import Conversation
from fullstack_llm.tinytown.world import Town, town

STEPS, BATCH, LR, INVENTED = 200, 16, 1e-3, 20
STOPS = (25, 75)  # steps after which the model is examined, besides the last
SEEDS = (0, 1, 2)
# Conversations of an arm: with a known answer, with an invented one, with "I don't know.".
ARMS = {
    "facts": (800, 0, 0),
    "fewer": (600, 0, 0),
    "unknown": (600, 0, 200),
    "half unknown": (400, 0, 400),
    "invented": (600, 200, 0),
    "invented and unknown": (400, 200, 200),
}


def world_of(arm: str, seed: int) -> Town:
    """Return the town of an arm: with invented facts, if its conversations tell any."""
    return town_hall.with_invented(town(), INVENTED, seed) if ARMS[arm][1] else town()


def talks(arm: str, seed: int) -> list[Conversation]:
    """Return the conversations of an arm."""
    world, (known, invented, unknown) = world_of(arm, seed), ARMS[arm]
    new = town_hall.invented_people(town(), INVENTED, seed)
    found = town_hall.asked(world, town_hall.told_pairs(world, "train"), known, seed, "fact")
    found += town_hall.asked(world, town_hall.fact_pairs(world, new), invented, seed, "invented") if invented else []
    nobody = town_hall.unknown_pairs(world, "train", but=new)
    return found + town_hall.asked(world, nobody, unknown, seed, "unknown")


def questions(seed: int) -> dict[str, list[tuple[str, str]]]:
    """Return what the exam asks about: people asked about, never asked about, with invented facts, and unknown."""
    world = town_hall.with_invented(town(), INVENTED, seed)
    new = town_hall.fact_pairs(world, town_hall.invented_people(town(), INVENTED, seed))
    return {
        "asked": town_hall.told_pairs(world, "train")[::6],
        "never asked": town_hall.told_pairs(world, "test"),
        "invented": new,
        "unknown": town_hall.unknown_pairs(world, "test")[::6],
    }


def run(arm: str, seed: int, parent: str = "base", until: int = STEPS) -> dict[str, Any]:
    """Fine-tune on an arm's conversations; examine the model at the stops and after `until` of the planned steps."""
    world, model, groups = world_of(arm, seed), town_hall.parent(parent), questions(seed)
    if not ARMS[arm][1]:
        groups.pop("invented")
    knew = {name: town_hall.knows(model, world, groups[name]) for name in ("asked", "never asked")}
    said: dict[int, dict[str, list[town_hall.Reply]]] = {}

    def watch(state: State) -> bool:
        if state.step in STOPS or state.step == until:
            said[state.step] = {name: town_hall.ask(model, world, pairs) for name, pairs in groups.items()}
        return state.step == until

    rows = town_hall.encoded(talks(arm, seed))
    state = tune(model, rows, Plan(steps=STEPS, batch=BATCH, lr=LR, seed=seed), watch=watch)
    if until == STEPS:
        said[STEPS] = {name: town_hall.ask(model, world, pairs) for name, pairs in groups.items()}
    known = [name for name in groups if name != "unknown"]
    return {
        "arm": arm,
        "parent": parent,
        "seed": seed,
        "losses": [round(loss, 4) for loss in state.losses[:20]],
        "stops": {str(at): {name: town_hall.counts(one) for name, one in by.items()} for at, by in said.items()},
        "knew": {name: [int(one) for one in found] for name, found in knew.items()},
        "kinds": {name: [town_hall.KINDS.index(one.kind) for one in said[until][name]] for name in groups},
        "examples": {name: [one.text for one in said[until][name][:12]] for name in groups},
        "knows": {name: sum(town_hall.knows(model, world, groups[name])) for name in known},
    }


def runs() -> list[tuple[str, int, str]]:
    """Return the recorded runs as (arm, seed, parent), those of one seed together."""
    found = [(arm, seed, "base") for seed in SEEDS for arm in ARMS]
    return found + [("facts", seed, "draft") for seed in SEEDS]


SETTINGS = {"steps": STEPS, "batch": BATCH, "lr": LR, "arms": ARMS, "invented": INVENTED, "seeds": SEEDS}
