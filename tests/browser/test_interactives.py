"""The viewer shows the model's own weights, the calculator and the painter count as the package does."""

import json
import sys
from pathlib import Path

import audit
import pytest
import torch

from fullstack_llm import models, recorded
from fullstack_llm.parallel import schedules
from fullstack_llm.transformer import Shape, count, from_llama

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import label_painter  # noqa: E402

pytestmark = pytest.mark.browser

VIEWER, CALCULATOR = "book/04a_attention.html", "book/04b_decoder.html"
FIELDS = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads")


@pytest.fixture
def viewer(look, base):
    with audit.visit(look("desktop", "light"), base, VIEWER) as seen:
        yield seen.page.locator("#attention-viewer")
        assert not seen.problems, seen.problems


@pytest.fixture
def calculator(look, base):
    with audit.visit(look("desktop", "light"), base, CALCULATOR) as seen:
        yield seen.page.locator("#shape-calculator")
        assert not seen.problems, seen.problems


def shares(viewer):
    """What the page says of each key that the query sees."""
    labels = [token.get_attribute("aria-label") for token in viewer.locator(".av-token").all()]
    return [int(label.rsplit(", ", 1)[1].removesuffix(" %")) for label in labels if not label.endswith("not seen")]


@pytest.mark.parametrize("layer, head", [(2, 1), (1, 1), (0, 0), (3, 3)])
def test_the_viewer_shows_the_models_weights(viewer, layer, head):
    text = "Ada is a teacher and Dot is a doctor. Ada lives on Lantern Row."
    llama, tokenizer = models.load("base")
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text).input_ids]])
    record = {"attention": []}
    with torch.no_grad():
        logits = from_llama(llama)(ids, record=record)
    viewer.locator("select").select_option(label=text)
    viewer.get_by_role("button", name=f"head {layer}.{head}", exact=True).click()
    for query in (ids[0].tolist().index(tokenizer(" on").input_ids[0]), 0, ids.shape[1] - 1):
        viewer.locator(".av-token").nth(query).click()
        wanted = 100 * record["attention"][layer][0, head, query, : query + 1]
        assert (torch.tensor(shares(viewer)) - wanted).abs().max() <= 0.75
        best = tokenizer.decode([int(logits[0, query].argmax())]).replace(" ", "␣")
        assert best in viewer.locator(".av-next").inner_text()


def test_the_viewer_moves_by_keyboard(viewer):
    tokens = viewer.locator(".av-token")
    chosen = viewer.locator('.av-token[aria-pressed="true"]')
    before = len(shares(viewer))
    chosen.focus()
    chosen.page.keyboard.press("ArrowLeft")
    assert len(shares(viewer)) == before - 1
    chosen.page.keyboard.press("Home")
    assert shares(viewer) == [100]
    chosen.page.keyboard.press("End")
    assert len(shares(viewer)) == tokens.count()
    viewer.locator('.av-head[aria-pressed="true"]').focus()
    chosen.page.keyboard.press("ArrowDown")
    assert viewer.locator(".av-status").inner_text().startswith("Head 3.1")


def numbers(calculator):
    """The table's parameters by place."""
    rows = [row.locator("th, td").all_inner_texts() for row in calculator.locator("table").first.locator("tr").all()]
    return {row[0].strip().lower(): int(row[1].replace(",", "")) for row in rows[1:]}


def shown(calculator):
    data = json.loads(calculator.locator(".interactive-data").text_content())
    return data["shapes"]


def test_the_calculator_counts_as_the_package(calculator):
    for name, sizes in shown(calculator).items():
        calculator.locator("#shape-preset").select_option(name)
        wanted = count.parameters(Shape(**sizes))
        found = numbers(calculator)
        assert found.pop("all") == sum(wanted.values()), name
        assert found == {place: number for place, number in wanted.items() if number}, name


def test_a_shape_of_ones_own(calculator):
    own = Shape(
        vocab_size=1009,
        hidden_size=96,
        intermediate_size=211,
        num_layers=5,
        num_heads=6,
        num_kv_heads=3,
        activation="gelu",
        tied=False,
    )
    for field in FIELDS:
        calculator.locator(f"#shape-{field}").fill(str(getattr(own, field)))
    calculator.locator("#shape-gated").select_option("no")
    calculator.locator("#shape-tied").select_option("no")
    calculator.locator("#shape-length").fill("777")
    assert numbers(calculator)["all"] == sum(count.parameters(own).values())
    results = dict(
        zip(
            calculator.locator(".sc-results dt").all_inner_texts(),
            calculator.locator(".sc-results dd").all_inner_texts(),
            strict=True,
        )
    )
    assert results["FLOPs a token, forward"] == f"{sum(count.flops(own, 777).values()) / 1e6:.3g} M"
    assert results["of the whole context"] == f"{count.kv_bytes(own, 777) / 2**10:.0f} KiB"
    assert results["training with AdamW"] == f"{sum(count.training_bytes(own).values()) / 2**20:.3g} MiB"


def test_a_shape_that_cannot_be_is_a_sentence(calculator):
    before = numbers(calculator)
    calculator.locator("#shape-num_heads").fill("5")
    assert "multiple" in calculator.locator(".sc-warning").inner_text()
    assert numbers(calculator) == before


def test_the_scrubber_moves_by_keyboard_and_says_what_the_record_has(look, base):
    stops = recorded.load("pretraining-base")["values"]["stops"]
    with audit.visit(look("desktop", "light"), base, "book/05b_training.html") as seen:
        scrubber = seen.page.locator("#loss-scrubber")
        status, slider = scrubber.locator(".ls-status"), scrubber.locator("input[type=range]")
        assert status.inner_text().startswith("Step 4,000: loss 0.4")
        assert "Lantern Row" in scrubber.locator("dd").first.inner_text()
        slider.focus()
        for key, stop in (("Home", stops[0]), ("ArrowRight", stops[1]), ("End", stops[-1])):
            seen.page.keyboard.press(key)
            assert status.inner_text().startswith(f"Step {stop['step']:,}: loss ")
            assert f"{round(200 * stop['facts'])} of 200 facts" in status.inner_text()
            assert slider.get_attribute("aria-valuetext") == status.inner_text()
        assert not seen.problems, seen.problems


def test_the_painter_counts_what_the_labels_count(look, base):
    talks = label_painter.conversations(ROOT)["talks"]
    total = sum(len(talk) for talk in talks)
    own, last = (sum(token[at] for talk in talks for token in talk) for at in (2, 3))
    with audit.visit(look("desktop", "light"), base, "book/14a_labels.html") as seen:
        painter = seen.page.locator("#label-painter")
        status, warning = painter.locator(".lp-status"), painter.locator(".lp-warning")
        assert status.inner_text().startswith(f"Trained on {own} of {total} tokens; 3 of 3 answers end")
        assert painter.locator(".lp-on").count() == own and warning.inner_text() == ""
        seen.page.get_by_label("stop tokens have labels").uncheck()
        assert status.inner_text().startswith(f"Trained on {own - 3} of {total} tokens; 0 of 3")
        assert "stop" in warning.inner_text()
        seen.page.get_by_label("stop tokens have labels").check()
        seen.page.get_by_label("The loss is taken on").select_option("last")
        assert status.inner_text().startswith(f"Trained on {last} of {total} tokens; 2 of 3")
        seen.page.get_by_label("The loss is taken on").select_option("all")
        assert status.inner_text().startswith(f"Trained on {total - 2} of {total} tokens"), "first tokens have no label"
        seen.page.get_by_label("Rows", exact=True).select_option("packed")
        assert painter.locator(".lp-row").count() == 1 and painter.locator(".lp-pad").count() == 0
        slider = painter.locator("input[type=range]")
        slider.focus()
        seen.page.keyboard.press("ArrowLeft")
        assert status.inner_text().startswith(f"Trained on {total - 3} of {total - 1} tokens")
        seen.page.keyboard.press("Home")
        assert "cut off" in warning.inner_text() and slider.get_attribute("aria-valuetext") == "8 tokens"
        assert not seen.problems, seen.problems


def test_the_spectrum_is_cut_by_keyboard_and_says_what_the_records_have(look, base):
    cuts, merges = (recorded.load(f"lora-{name}")["values"] for name in ("cuts", "merges"))
    with audit.visit(look("desktop", "light"), base, "book/15a_update.html") as seen:
        tool = seen.page.locator("#update-spectrum")
        status, slider = tool.locator(".us-status"), tool.locator("#spectrum-rank")
        slider.focus()
        for key, rank in (("Home", 0), ("ArrowRight", 1), ("End", 128), ("ArrowLeft", 64)):
            seen.page.keyboard.press(key)
            row = cuts["rows"]["change"][str(rank)]
            assert status.inner_text().startswith(f"Rank {rank}: ")
            assert f"loss {row['loss']:.2f}; of 600 answers {100 * row['form']:.1f} % in form" in status.inner_text()
            assert slider.get_attribute("aria-valuetext") == status.inner_text()
        assert f"loss {merges['rows']['64']['merged']:.4f} where" in tool.locator(".us-merge").inner_text()
        whole = status.inner_text()
        tool.locator("#spectrum-matrix").select_option("2")
        assert status.inner_text() != whole, "the share that is kept is that of another matrix"
        assert not seen.problems, seen.problems


def test_the_block_table_is_stepped_by_keyboard_and_played(look, base):
    record = recorded.load("paging-trace")["values"]
    last = len(record["steps"])
    with audit.visit(look("desktop", "light"), base, "book/11a_paging.html") as seen:
        tool = seen.page.locator("#block-table")
        status, slider = tool.locator(".bt-status"), tool.locator("#block-table-step")
        slider.focus()
        for key, number in (("End", last), ("Home", 1), ("ArrowRight", 2)):
            seen.page.keyboard.press(key)
            assert status.inner_text().startswith(f"Step {number} of {last}: ")
            assert slider.get_attribute("aria-valuetext") in status.inner_text().replace("\n", " ")
        tool.get_by_role("button", name="Step", exact=True).click()
        rows = record["steps"][2]["rows"]
        assert tool.locator("tbody tr").count() == len(rows)
        assert tool.locator("tbody tr").first.locator("td").nth(1).inner_text() == " ".join(map(str, rows[0][5]))
        held = {block for row in rows for block in row[5]}
        assert tool.locator(".bt-block").count() == record["blocks"]
        assert tool.locator(".bt-names", has_text="free").count() == record["blocks"] - len(held)
        tool.get_by_role("button", name="Play").click()
        tool.get_by_role("button", name="Pause").wait_for()
        seen.page.wait_for_function("document.querySelector('.bt-status').textContent.startsWith('Step 5 ')")
        tool.get_by_role("button", name="Pause").click()
        assert not seen.problems, seen.problems


def test_the_pipelines_timeline_is_that_of_the_package(look, base):
    with audit.visit(look("phone", "dark"), base, "book/07c_pipelines.html") as seen:
        tool = seen.page.locator("#pipeline-timeline")
        status, ranks, micros = (
            tool.locator(".pt-status"),
            tool.locator("#timeline-ranks"),
            tool.locator("#timeline-micros"),
        )
        assert status.inner_text().startswith("GPipe, 4 ranks, 4 micro-batches: 42.9 % of all time is idle")
        assert tool.locator("rect").count() == 4 * 8
        tool.locator("#timeline-kind").select_option("1F1B")
        micros.focus()
        seen.page.keyboard.press("End")
        share = 100 * schedules.bubble(4, 12)
        assert f"12 micro-batches: {share:.1f} % of all time" in status.inner_text()
        assert tool.locator(".pt-kept").inner_text().endswith("4, 3, 2, 1.")
        tool.locator("#timeline-kind").select_option("interleaved 1F1B")
        assert (
            f"{100 * schedules.bubble(4, 12, 2):.1f} %" in status.inner_text() and "each of half" in tool.inner_text()
        )
        ranks.focus()
        seen.page.keyboard.press("End")
        assert "12 do not make whole rounds of 8" in status.inner_text() and tool.locator("rect").count() == 0
        assert ranks.get_attribute("aria-valuetext") == "8 ranks"
        assert not seen.problems, seen.problems
