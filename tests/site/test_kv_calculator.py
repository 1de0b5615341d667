"""The KV calculator begins with the package's shapes, and is light."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import kv  # noqa: E402

from fullstack_llm.decoding.kv_bytes import MODELS, Layers, kept  # noqa: E402


@pytest.fixture(scope="module")
def models():
    return kv.caches(ROOT)["models"]


def again(one):
    """The layers that the calculator's fields stand for."""
    heads = (one["heads"], one["kv_heads"], one["dim"])
    latent = {"latent": one["latent"], "rotated": one["rotated"]}
    found = [Layers(one["windowed"], *heads, one["window"], **latent), Layers(one["full"], *heads, **latent)]
    return [layers for layers in found if layers.count]


def test_the_fields_stand_for_the_packages_shapes(models):
    for name, layers in MODELS.items():
        for length in (1, 127, 129, 5000):
            assert kept(again(models[name]), length) == kept(layers, length), name
    assert kept(again(models["the course's base"]), 1) == 1024


def test_layers_of_different_heads_have_no_fields():
    with pytest.raises(AssertionError):
        kv.fields([Layers(1, 8, 8, 64), Layers(1, 8, 4, 64)])


def test_it_is_light_and_rests_on_its_files(models):
    source = interactive.SOURCES["kv-calculator"]
    assert len(interactive.data_block({"models": models}).encode()) < 3_000
    assert all((ROOT / path).is_file() for path in source.files)
