"""Evaluation items from held-out facts and phrasings, as JSON Lines with tasks for lm-eval.

>>> from fullstack_llm.tinytown.world import town
>>> item = multiple_choice(town(), 1)[0]
>>> len(item["choices"]), item["choices"][item["gold"]] == item["answer"]
(4, True)

`write(world, folder)` gives a file of items and a task for each of `TASKS`; run one with
`lm_eval --model hf --model_args pretrained=MODEL,dtype=float32 --include_path FOLDER --tasks tinytown_choice`, or all
through `TaskManager`.

In pretraining an `<|eos|>` stands before each document, so a prompt has to begin with it. The harness cannot add it:
`add_bos_token=True` puts `<|bos|>` before the prompt of a model that it loads itself and nothing before that of a model
in memory, and `prefix_token_id` matters only where a prompt is empty. So the tasks spell it out (`prefix`); leave both
options unset. For a model of another family, or with `--apply_chat_template`, write the tasks with `prefix=""`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fullstack_llm.tinytown import arithmetic, twohop
from fullstack_llm.tinytown.chance import pick, sample, shuffled, stream
from fullstack_llm.tinytown.instructions import short_answer
from fullstack_llm.tinytown.phrases import DONT_KNOW, PHRASES, clozes, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, strangers, told, untold

Item = dict[str, object]


def facts(world: Town, count: int | None = None, seed: int = 0, split: str | None = None) -> list[Item]:
    """Return cloze items in held-out statements: `prompt`, and `target` with the space before it.

    >>> from fullstack_llm.tinytown.world import town
    >>> sorted(facts(town(), 1)[0])
    ['prompt', 'relation', 'split', 'subject', 'target']
    """
    rng = stream(seed, "evaluation", "facts")
    found: list[Item] = []
    for person in told(world, split):
        filled = slots(world, person.name)
        for relation in world.relations(person.name):
            prompt, target = pick(rng, clozes(relation, heldout=True))
            found.append(
                {
                    "prompt": statement(filled, prompt),
                    "target": target.format_map(filled),
                    "subject": person.name,
                    "relation": relation,
                    "split": person.split,
                }
            )
    return shuffled(rng, found)[:count]


def multiple_choice(world: Town, count: int | None = None, seed: int = 0) -> list[Item]:
    """Return the same clozes with four choices, the wrong ones true of others; `gold` is the index of the right one.

    >>> from fullstack_llm.tinytown.world import town
    >>> len({str(item["prompt"]) for item in multiple_choice(town(), 50)})
    50
    """
    rng = stream(seed, "evaluation", "choice")
    found = []
    for item in facts(world, count, seed):
        relation = str(item["relation"])
        pool = {fact.object: fact.subject for fact in world.facts if fact.relation == relation}
        filled, cloze = slots(world, str(item["subject"])), str(item["target"])
        truth = filled[relation]
        wrong = sample(rng, [thing for thing in pool if thing not in (truth, item["subject"])], 3)
        choices = shuffled(rng, [cloze.strip(), *(cloze.strip().replace(truth, thing) for thing in wrong)])
        found.append({**item, "choices": choices, "gold": choices.index(cloze.strip()), "answer": cloze.strip()})
    return found


def questions(world: Town, count: int | None = None, seed: int = 0, split: str | None = "test") -> list[Item]:
    """Return held-out questions about told people with the full object as `target` (None for `split`: all of them)."""
    rng = stream(seed, "evaluation", "questions")
    found: list[Item] = []
    for person in told(world, split):
        for relation in world.relations(person.name):
            ask = statement(slots(world, person.name), pick(rng, PHRASES[relation].heldout_questions))
            target = world.index[person.name, relation]
            found.append({"prompt": ask, "target": target, "short": short_answer(world, person.name, relation)})
    return shuffled(rng, found)[:count]


def unknowns(world: Town, count: int | None = None, seed: int = 0) -> list[Item]:
    """Return held-out questions about untold people and strangers of the test split: the target is "I don't know."."""
    rng = stream(seed, "evaluation", "unknowns")
    names = [person.name for person in untold(world, "test")] + list(strangers(world, "test"))
    found: list[Item] = [
        {
            "prompt": statement(slots(world, name), pick(rng, PHRASES[relation].heldout_questions)),
            "target": DONT_KNOW,
            "in_town": name in world.persons,
        }
        for name in names
        for relation in CORE_RELATIONS
    ]
    return shuffled(rng, found)[:count]


def sums(_: Town, count: int | None = 200, seed: int = 0, digits: int = 2, op: str = "+") -> list[Item]:
    """Return held-out sums: `prompt` ends before the steps, `direct` before the answer."""
    rng = stream(seed, "evaluation", "sums", str(digits), op)
    found: dict[arithmetic.Sum, Item] = {}
    # 400 draws past the last new one: there are fewer held-out sums than were asked for.
    idle = 0
    while len(found) < (count or 200) and idle < 400:
        problem = arithmetic.draw(rng, digits, op, "test")
        text = arithmetic.expression(problem)
        idle = idle + 1 if problem in found else 0
        found[problem] = {"prompt": f"{text}\n", "direct": f"{text} =", "target": str(arithmetic.solve(problem))}
    return list(found.values())


def two_hops(world: Town, count: int | None = None, seed: int = 0) -> list[Item]:
    """Return held-out questions about composed facts that no training text holds."""
    rng = stream(seed, "evaluation", "two hops")
    found: list[Item] = []
    for hop in twohop.two_hops(world, "test"):
        ask = pick(rng, twohop.HELDOUT_QUESTIONS).format_map(twohop.hop_slots(hop))
        found.append({"prompt": ask, "target": hop.object, "middle": hop.middle})
    return shuffled(rng, found)[:count]


# Before the prompt of every task: the token that stands before each document in pretraining.
PREFIX = "<|eos|>"

_MEAN = "aggregation: mean\n    higher_is_better: true\n"

TASKS: dict[str, tuple[Callable[..., list[Item]], str]] = {
    "choice": (
        multiple_choice,
        "output_type: multiple_choice\ndoc_to_target: gold\ndoc_to_choice: choices\n"
        f"metric_list:\n  - metric: acc\n    {_MEAN}  - metric: acc_norm\n    {_MEAN}",
    ),
    # Its perplexity is that of a whole target, not of a token.
    "likelihood": (
        facts,
        'output_type: loglikelihood\ndoc_to_target: "{{target}}"\ntarget_delimiter: ""\n'
        f"metric_list:\n  - metric: acc\n    {_MEAN}"
        "  - metric: perplexity\n    aggregation: perplexity\n    higher_is_better: false\n",
    ),
    "generation": (
        facts,
        'output_type: generate_until\ndoc_to_target: "{{target | trim}}"\n'
        'generation_kwargs:\n  until: [".", "\\n"]\n  do_sample: false\n  max_gen_toks: 24\n'
        "filter_list:\n  - name: trimmed\n    filter:\n      - function: remove_whitespace\n"
        f"      - function: take_first\nmetric_list:\n  - metric: exact_match\n    {_MEAN}",
    ),
    "sums": (
        sums,
        'output_type: generate_until\ndoc_to_target: "{{target}}"\n'
        'generation_kwargs:\n  until: ["\\n\\n"]\n  do_sample: false\n  max_gen_toks: 96\n'
        "filter_list:\n  - name: last\n    filter:\n      - function: regex\n        group_select: -1\n"
        "        regex_pattern: '= (-?[0-9]+)'\n      - function: take_first\n"
        f"metric_list:\n  - metric: exact_match\n    {_MEAN}",
    ),
}


def task_yaml(name: str, data_file: str, prefix: str = PREFIX) -> str:
    """Return the lm-eval task (0.4.13) that reads a JSON Lines file; `prefix` is put before every prompt.

    >>> task_yaml("choice", "choice.jsonl").splitlines()[:2]
    ['task: tinytown_choice', 'dataset_path: json']
    >>> [line for line in task_yaml("sums", "sums.jsonl").splitlines() if "prompt" in line]
    ['doc_to_text: "<|eos|>{{prompt}}"']
    """
    data = f"dataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {json.dumps(data_file)}\n"
    prompt = f"num_fewshot: 0\ndoc_to_text: {json.dumps(prefix + '{{prompt}}')}\n"
    return f"task: tinytown_{name}\n{data}test_split: test\n{prompt}{TASKS[name][1]}metadata:\n  version: 1.0\n"


def write(world: Town, folder: str | Path, count: int | None = 200, seed: int = 0, prefix: str = PREFIX) -> list[Path]:
    """Write `NAME.jsonl` and `NAME.yaml` for every task; return the paths, YAML files last.

    `prefix` is a part of the tasks, not of the items.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    data, tasks = [], []
    for name, (items, _) in TASKS.items():
        data.append(folder / f"{name}.jsonl")
        lines = [json.dumps(item, ensure_ascii=False) for item in items(world, count, seed)]
        data[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
        tasks.append(folder / f"{name}.yaml")
        tasks[-1].write_text(task_yaml(name, str(data[-1]), prefix), encoding="utf-8")
    return data + tasks
