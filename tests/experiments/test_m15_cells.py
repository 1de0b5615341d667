import pytest
import torch

from fullstack_llm import recorded
from fullstack_llm.experiments import m15_cells as cells


def test_a_split_parts_the_cells_and_keeps_the_shares_of_the_labels():
    genes, labels = cells.cells()
    assert genes.shape == (700, cells.GENES) and len(labels.unique()) == cells.CLASSES
    train, chosen, test = cells.split(3)
    assert torch.cat([train, chosen, test]).sort().values.tolist() == list(range(700))
    for part in (train, chosen, test):
        counts = torch.bincount(labels[part], minlength=cells.CLASSES) * 700 / len(part)
        assert (counts - torch.bincount(labels)).abs().max() < 8, "each label has its share"
    assert cells.split(4)[2].tolist() != test.tolist()


def test_without_scanpy_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cells, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps scanpy"):
        cells.cells.__wrapped__()


def test_the_recorded_baseline_is_found_again():
    rows = recorded.load("lora-cells")["values"]["rows"]
    for seed in (0, 7):
        assert cells.straight(seed) == next(r for r in rows if (r["method"], r["seed"]) == ("logistic", seed))


@pytest.mark.parametrize(
    ("method", "parts"), [("head", ("head",)), ("all 2", ("head", ".A", ".B")), ("attention 14", ("head", ".A", ".B"))]
)
def test_a_method_moves_what_it_says_and_nothing_else(monkeypatch, method, parts):
    torch.manual_seed(0)
    begun = cells.Encoder().state_dict()
    models = []
    monkeypatch.setattr(cells, "pretrained", lambda: begun)
    monkeypatch.setattr(cells, "Encoder", lambda encoder=cells.Encoder: models.append(encoder()) or models[-1])
    found = cells.fitted(method, 1e-2, seed=0, steps=3)
    after = {name.replace(".base.", "."): p for name, p in models[0].state_dict().items()}
    moved = {name for name, p in after.items() if name not in begun or not torch.equal(p, begun[name])}
    assert moved and all(any(part in name for part in parts) for name in moved)
    assert found.trained == sum(after[name].numel() for name in moved)


def test_attention_alone_has_as_many_parameters_as_rank_six_on_all():
    sizes = {r["method"]: r.get("trained") for r in recorded.load("lora-cells")["values"]["rows"]}
    assert abs(sizes["attention 14"] / sizes["all 6"] - 1) < 0.05 < sizes["all 16"] / sizes["all 6"] - 1
