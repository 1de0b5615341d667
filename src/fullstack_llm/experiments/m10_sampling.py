"""The measurements of part 10b: truth against variety, sums and facts under a temperature, beams, and loops.

What `base` writes about a person can be read back by the phrasings of Tinytown and held against the town, so that a
drawn sentence is true, false, or no statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from fullstack_llm import models
from fullstack_llm.decoding import samplers
from fullstack_llm.decoding.batching import generate
from fullstack_llm.models.exams import PAPERS
from fullstack_llm.models.generate import Choose, likeliest, sampler
from fullstack_llm.models.padding import rectangle
from fullstack_llm.models.scores import mean, share
from fullstack_llm.tinytown.phrases import parse
from fullstack_llm.tinytown.world import Town, told, town

SEEDS = (0, 1, 2)
Settings = dict[str, Any]


@cache
def world() -> Town:
    """Return the town that the course's models know."""
    return town()


@cache
def known() -> frozenset[tuple[str, str, str]]:
    """Return the town's facts, objects in small letters."""
    return frozenset((fact.subject, fact.relation, fact.object.lower()) for fact in world().facts)


def judged(sentence: str, subject: str) -> tuple[str, frozenset[str]]:
    """Return whether a sentence is "true", "false" or "no statement", and the relations of which it tells the truth.

    >>> judged("Ada keeps a hen.", "Ada"), judged("Ada keeps a dog.", "Ada")[0], judged("Ada keeps keeps.", "Ada")[0]
    (('true', frozenset({'pet'})), 'false', 'no statement')
    """
    claims = parse(sentence, subject)
    right = [(one.subject, one.relation, one.object.lower()) in known() for one in claims]
    if not claims:
        return "no statement", frozenset()
    told_of = {one.relation for one, ok in zip(claims, right, strict=True) if ok and one.subject == subject}
    return "true" if all(right) else "false", frozenset(told_of)


def tally(found: Sequence[tuple[str, frozenset[str]]]) -> dict[str, float]:
    """Return of some judged sentences the shares that are true and false, and of how many relations the truth is told.

    >>> tally([("true", frozenset({"pet"})), ("no statement", frozenset())])
    {'true': 0.5, 'false': 0.0, 'told': 1}
    """
    shares = {kind: sum(one == kind for one, _ in found) / max(1, len(found)) for kind in ("true", "false")}
    return shares | {"told": len({relation for _, relations in found for relation in relations})}


def chooser(settings: Settings, seed: int) -> Choose:
    """Return how the next token is chosen: by the named rules, in their order or in `order`; {} is greedy."""
    if not settings:
        return likeliest
    rules = {name: value for name, value in settings.items() if name != "order"}
    return sampler(seed, lambda ids, scores: samplers.chain(scores, settings.get("order"), **rules))


# ---- truth against variety

DRAWS = 20
COLD_LAST = ["top_k", "top_p", "min_p", "typical", "temperature"]
CUTS: dict[str, Settings] = {"top-k 10": {"top_k": 10}, "top-p 0.9": {"top_p": 0.9}, "min-p 0.1": {"min_p": 0.1}}
CUTS["typical 0.9"] = {"typical": 0.9}
TEMPERATURES = (0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)
ARMS: dict[str, Settings] = {f"T {t}": {"temperature": t} for t in TEMPERATURES}
ARMS |= {f"{name}, T {t}": {"temperature": t} | cut for name, cut in CUTS.items() for t in (1.0, 1.6)}
ARMS |= {f"{name}, T 1.6 last": ARMS[f"{name}, T 1.6"] | {"order": COLD_LAST} for name in ("top-p 0.9", "min-p 0.1")}


def people(count: int | None = None) -> list[str]:
    """Return people of whom the training texts tell."""
    return [person.name for person in told(world())][:count]


def opening(name: str) -> str:
    """Return the beginning that is continued: a true sentence about a person, and the name once more.

    >>> opening("Ada")
    'Ada lives on Lantern Row. Ada'
    """
    return f"{name} lives on {world().get(name, 'home')}. {name}"


@cache
def loaded(name: str = "base") -> tuple[Any, Any]:
    """Return a checkpoint and the tokenizer."""
    return models.load(name)


def encoded(texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of texts, each after the <|eos|> that stands before every document."""
    tok = loaded()[1]
    return [[tok.eos_token_id, *ids] for ids in tok(list(texts)).input_ids]


def sentences(names: Sequence[str], settings: Settings, seed: int, draws: int = DRAWS) -> list[list[str]]:
    """Return `draws` sentences about each person, drawn with these settings."""
    model, tok = loaded()
    ends = [tok.eos_token_id, *tok.convert_tokens_to_ids([".", "Ċ"])]
    rows = encoded([opening(name) for name in names for _ in range(draws)])
    said = tok.batch_decode(generate(model, rows, 32, ends, chooser(settings, seed)), skip_special_tokens=True)
    full = [name + text for name, text in zip((n for n in names for _ in range(draws)), said, strict=True)]
    return [full[at : at + draws] for at in range(0, len(full), draws)]


def varied(settings: Settings, seed: int, count: int | None = None) -> list[dict[str, float]]:
    """Return for each person the shares of true and false sentences, and of how many relations the truth was told."""
    rows = []
    for name, said in zip(names := people(count), sentences(names, settings, seed), strict=True):
        rows.append(tally([judged(text, name) for text in said]) | {"different": len(set(said)) / len(said)})
    return rows


def over_people(found: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, dict[str, Any]]:
    """Return for each measure its mean over people with an interval, and the mean of each seed.

    `found` has a list for each seed, with a row for each person.
    """
    table = {}
    for key in found[0][0]:
        over = mean([sum(row[key] for row in person) / len(found) for person in zip(*found, strict=True)])
        each = [round(sum(row[key] for row in rows) / len(rows), 4) for rows in found]
        table[key] = {"value": over.value, "low": over.low, "high": over.high, "seeds": each}
    return table


def variety(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the means over people of what `varied` finds, for each arm and seed, with an interval over people."""
    table: dict[str, Any] = {}
    for name, settings in {"greedy": {}, **ARMS}.items():
        seeds = SEEDS if settings else SEEDS[:1]
        table[name] = over_people([varied(settings, seed) for seed in seeds])
        say(f"{name}: {[(key, row['value']) for key, row in table[name].items()]}")
    return {"settings": {"draws": DRAWS, "people": len(people()), "seeds": list(SEEDS)}, "rows": table}


# ---- one right answer, under a temperature

HEATS = (0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)
TASKS = {"facts": 528, "addition with steps": 300}


def answered(task: str, settings: Settings, seed: int, count: int | None = None) -> list[bool]:
    """Return for each item of an exam whether the drawn answer is right."""
    paper, (model, tok) = PAPERS[task], loaded()
    items = paper.items(world(), TASKS[task])[: count or TASKS[task]]
    rows = encoded([str(item[paper.prompt]) for item in items])
    found = generate(model, rows, paper.max_new_tokens, [tok.eos_token_id], chooser(settings, seed))
    texts = tok.batch_decode(found, skip_special_tokens=True)
    return [paper.right(text, str(item["target"]).strip()) for text, item in zip(texts, items, strict=True)]


def heat(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the share of right answers under each temperature, alone and with cuts."""
    cuts: dict[str, Settings] = {"alone": {}, "top-p 0.9": {"top_p": 0.9}, "min-p 0.1": {"min_p": 0.1}}
    table: dict[str, Any] = {}
    for task in TASKS:
        table[task] = {"greedy": _row([answered(task, {}, 0)])}
        for cut, more in cuts.items():
            for t in HEATS:
                found = [answered(task, {"temperature": t, **more}, seed) for seed in SEEDS]
                table[task][f"{cut}, T {t}"] = _row(found)
            say(f"{task} {cut}: {[table[task][f'{cut}, T {t}']['value'] for t in HEATS]}")
    return {"settings": {"items": TASKS, "seeds": list(SEEDS)}, "rows": table}


def _row(found: Sequence[Sequence[bool]]) -> dict[str, Any]:
    pooled = share([one for rows in found for one in rows])
    return {"value": pooled.value, "low": pooled.low, "high": pooled.high, "seeds": [share(r).value for r in found]}


# ---- beams

WIDTHS = (1, 2, 4, 8)
BEAM_TASKS = {"facts": 528, "addition at once": 200, "addition with steps": 100, "subtraction with steps": 200}


def beamed(
    name: str, task: str, width: int, count: int | None = None, **options: Any
) -> tuple[list[bool], list[float]]:
    """Return whether each answer by a beam of `transformers` is right, and the log-probability of each continuation."""
    paper, (model, tok) = PAPERS[task], loaded(name)
    items = paper.items(world(), BEAM_TASKS[task])[: count or BEAM_TASKS[task]]
    rows = encoded([str(item[paper.prompt]) for item in items])
    right, logps = [], []
    for at in range(0, len(rows), 50):
        ids, mask = rectangle(rows[at : at + 50])
        settings = {"num_beams": width, "do_sample": False, "max_new_tokens": paper.max_new_tokens}
        out = model.generate(ids, attention_mask=mask.long(), **settings, **options)[:, ids.shape[1] :]
        logps += continued(model, ids, mask, out)
        texts = tok.batch_decode(out, skip_special_tokens=True)
        right += [paper.right(t, str(i["target"]).strip()) for t, i in zip(texts, items[at : at + 50], strict=True)]
    return right, logps


@torch.inference_mode()
def continued(model: Any, ids: torch.Tensor, mask: torch.Tensor, out: torch.Tensor) -> list[float]:
    """Return the log-probability of each row's continuation, up to its <|eos|>.

    What follows is no part of it, whatever it is filled with: with a padding id of 0 the beam search of `transformers`
    5.23 fills with <|eos|>, since it asks whether the id is truthy.
    """
    end = loaded()[1].eos_token_id
    own = (out == end).cumsum(1) - (out == end).long() == 0
    whole, seen = torch.cat([ids, out], 1), torch.cat([mask, own], 1)
    logps = model(whole, attention_mask=seen.long()).logits[:, ids.shape[1] - 1 : -1].float().log_softmax(-1)
    picked = logps.gather(2, out[:, :, None])[:, :, 0] * own
    return [float(value) for value in picked.sum(1)]


def beams(say: Callable[[str], None]) -> dict[str, Any]:
    """Return for each model, task and width the share of right answers and the likelihood, beside greedy's."""
    table: dict[str, Any] = {}
    for name in ("draft", "base"):
        for task in BEAM_TASKS:
            greedy, before = beamed(name, task, 1)
            for width in WIDTHS:
                right, logps = (greedy, before) if width == 1 else beamed(name, task, width)
                row: dict[str, Any] = {k: getattr(share(right), k) for k in ("value", "low", "high")}
                row["gained"] = sum(now and not was for now, was in zip(right, greedy, strict=True))
                row["lost"] = sum(was and not now for now, was in zip(right, greedy, strict=True))
                row["logp"] = round(sum(logps) / len(logps), 4)
                row["likelier"] = round(sum(n > b + 1e-4 for n, b in zip(logps, before, strict=True)) / len(logps), 4)
                table.setdefault(name, {}).setdefault(task, {})[str(width)] = row
            say(f"{name} {task}: {[(w, r['value'], r['likelier']) for w, r in table[name][task].items()]}")
    return {"settings": {"items": BEAM_TASKS, "widths": list(WIDTHS)}, "rows": table}
