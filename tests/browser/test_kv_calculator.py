"""The KV calculator counts as the package does, by mouse and by keyboard, and says what is wrong with a shape."""

import audit
import pytest

from fullstack_llm.decoding.kv_bytes import MODELS, Layers, as_multi_head, kept

pytestmark = pytest.mark.browser


@pytest.fixture
def tool(look, base):
    with audit.visit(look("desktop", "light"), base, "book/10a_cache.html") as seen:
        yield seen.page.locator("#kv-calculator")
        assert not seen.problems, seen.problems


def results(tool):
    terms, values = (tool.locator(f".kv-results {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(terms, values, strict=True))


def gigabytes(number):
    return f"{number / 1e9:#.3g} GB"


def test_it_counts_as_the_package(tool):
    for name in ("Llama 2 70B", "Gemma 2 2B", "DeepSeek-V3"):
        tool.locator("#kv-preset").select_option(name)
        tool.locator("#kv-length").fill("32768")
        tool.locator("#kv-batch").fill("3")
        found = results(tool)
        assert found["one text"] == gigabytes(kept(MODELS[name], 32768)), name
        assert found["all texts"] == gigabytes(kept(MODELS[name], 32768, batch=3))
        assert found["texts that fit"] == f"{int(64e9 // kept(MODELS[name], 32768)):,}"
        times = kept(as_multi_head(MODELS[name]), 32768) / kept(MODELS[name], 32768)
        assert float(found["multi-head keeps"].removesuffix(" times as much")) == pytest.approx(times, rel=5e-3)
    tool.locator("#kv-size").select_option("0.5")
    assert results(tool)["one text"] == f"{kept(MODELS['DeepSeek-V3'], 32768, size=0.5) / 1e6:.0f} MB"


def test_a_shape_of_ones_own(tool):
    tool.locator(".kv-shape summary").click()
    own = {"full": 3, "windowed": 5, "window": 1000, "heads": 12, "kv_heads": 4, "dim": 96, "latent": 0}
    for field, value in own.items():
        tool.locator(f"#kv-{field}").fill(str(value))
    layers = [Layers(5, 12, 4, 96, window=1000), Layers(3, 12, 4, 96)]
    assert results(tool)["one text"] == f"{kept(layers, 4096) / 1e6:#.3g} MB"
    before = results(tool)
    tool.locator("#kv-kv_heads").fill("5")
    assert "multiple" in tool.locator(".kv-warning").inner_text()
    assert results(tool) == before


def test_every_model_is_listed_and_the_chosen_one_is_marked(tool):
    rows = [row.locator("th, td").all_inner_texts() for row in tool.locator("tbody tr").all()]
    assert {row[0]: row[1] for row in rows}["Llama 2 70B"] == "1.34 GB"
    assert set(MODELS) < {row[0] for row in rows}
    assert tool.locator("tr.kv-chosen th").inner_text() == "Llama 2 70B"
