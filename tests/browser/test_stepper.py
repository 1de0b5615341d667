"""The merge stepper gives the course tokenizer's ids, by mouse and by keyboard, from a server and from a file."""

import audit
import pytest

from fullstack_llm.tokenization import course_tokenizer

pytestmark = pytest.mark.browser

PAGE = "book/03a_bpe.html"
TEXTS = [
    "Ada adds 12 and 34.",
    " Ada adds 12 and 34.",
    "a",
    "1234567890",
    "3.14159 and 1,000,000",
    "don't we've I'll she'd they're it's I'm DON'T 'tis",
    "x  y   z    ",
    "   ",
    " \n \n\n  \n",
    "\n\n\nThe end.\n",
    "\tdef add(a, b):\n\t\treturn a + b\n",
    "def add(a, b):\n    return a + b",
    "naïve café, Ångström",
    "e\u0301 is two code points, é is one",
    "Привет, мир",
    "Γειά σου Κόσμε",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "你好，世界。",
    "こんにちは世界",
    "안녕하세요 세계",
    "👋 👩‍🚀 🇪🇺 ❤️",
    "½ ² Ⅻ ٣ 一二三 𝟙",
    "a\u00a0b\u2003c\u2028d\u3000e\u0085f\ufefff\u200bg\u001cx",
    "!\u0085!\ufeff!\u00a0!\u200b!",
    "<|im_start|>user\nHi<|im_end|>\n<|pad|><|reserved_3|>",
    "!!! ... --- ??? <<<>>> ''' \"\"\"",
    "https://example.org/a?b=c&d=e#f",
    "x^2 + y^2 = z^2; ∑ ∫ √ ≠ ∞",
    "constructor __proto__ toString hasOwnProperty",
    "The baker said that there was nothing in the other house, and then the doctor went with the clerk.",
    "ThEqUiCkBrOwN",
    "\x00\x01\x7f control",
]

WIDE = ["👩‍🚀 naïve\n" * 30, "a" * 400, "\u0301", "www" * 60, "The cafés and 12345678901234567890"]


@pytest.fixture(scope="module")
def course():
    return course_tokenizer.load()


def plain(course, text):
    """The ids of a text in which nothing counts as a special token."""
    return course(text, add_special_tokens=False, split_special_tokens=True).input_ids


def press(page, name):
    """Click a button; forced, since Playwright waits for one that is `aria-disabled` while a reader just clicks it."""
    page.locator("#bpe-stepper").get_by_role("button", name=name, exact=True).click(force=True)


def ids(page):
    return [int(text) for text in page.locator("#bpe-stepper .bpe-id").all_text_contents()]


def status(page):
    return " ".join(page.locator("#bpe-stepper .bpe-status").inner_text().split())


def position(page):
    return page.locator("#bpe-stepper input[type=range]").get_attribute("aria-valuetext")


@pytest.fixture
def stepper(look, base):
    with audit.visit(look("desktop", "light"), base, PAGE) as seen:
        yield seen.page
        assert not seen.problems, seen.problems


def test_ids_are_the_course_tokenizers(stepper, course):
    wrong = {}
    for text in TEXTS:
        stepper.fill("#bpe-text", text)
        press(stepper, "End")
        if ids(stepper) != plain(course, text):
            wrong[text] = (ids(stepper), plain(course, text))
    assert not wrong, wrong


def test_every_id_of_the_vocabulary_is_reached(stepper, course):
    """Each merge by itself: the token it makes, spelled out, comes out as that token where the tokenizer says so."""
    words = [course.decode([i]) for i in range(16 + 256, len(course))]
    for start in range(0, len(words), 60):
        text = "|".join(words[start : start + 60])
        stepper.fill("#bpe-text", text)
        press(stepper, "End")
        assert ids(stepper) == plain(course, text)


def test_the_start_shows_the_bytes_and_the_end_says_so(stepper, course):
    text = " café"
    stepper.fill("#bpe-text", text)
    press(stepper, "Start")
    assert len(ids(stepper)) == len(text.encode())
    assert [box.strip() for box in stepper.locator(".bpe-box").all_text_contents()][-2:] == ["\\xc3", "\\xa9"]
    assert "6 bytes in 1 chunk." in status(stepper)
    press(stepper, "End")
    assert "No other merge fits" in status(stepper)
    counts = stepper.locator(".bpe-counts dd").all_text_contents()
    tokens = len(plain(course, text))
    assert counts == ["5", "6", "1", str(tokens), f"{6 / tokens:.2f}"]


def test_chunks_are_the_pretokenizers(stepper, course):
    cut = course.backend_tokenizer.pre_tokenizer.pre_tokenize_str
    stepper.fill("#bpe-text", "Ada adds 12, don't")
    sources = stepper.locator(".bpe-source").all_text_contents()
    assert sources == ["Ada", "␣adds", "␣", "1", "2", ",", "␣don", "'t"]
    wrong = {}
    for text in TEXTS:
        stepper.fill("#bpe-text", text)
        press(stepper, "Start")
        sizes = stepper.eval_on_selector_all(".bpe-chunk", "all => all.map(e => e.querySelectorAll('.bpe-id').length)")
        if sizes != [len(piece) for piece, _ in cut(text)]:
            wrong[text] = (sizes, cut(text))
    assert not wrong, wrong


def test_each_step_is_one_merge_of_the_tokenizer(stepper, course):
    press(stepper, "Start")
    merges = course.backend_tokenizer.to_str()
    total = int(position(stepper).split()[-1])
    assert total > 3
    numbers = []
    for step in range(1, total + 1):
        press(stepper, "Next")
        assert position(stepper) == f"merge {step} of {total}"
        left, right, made = stepper.locator(".bpe-status .bpe-box").all_text_contents()
        assert left + right == made
        assert f'"{made.replace("␣", "Ġ")}"' in merges
        fresh = stepper.locator(".bpe-view .bpe-fresh").all_text_contents()
        assert fresh
        assert set(fresh) == {made}
        numbers.append(int(status(stepper).split("merge number ")[1].split(",")[0]))
    assert numbers == sorted(set(numbers))


def test_the_keyboard_is_enough(stepper):
    stepper.focus("#bpe-text")
    for _ in range(4):  # the three examples, then Start
        stepper.keyboard.press("Tab")
    assert stepper.evaluate("document.activeElement.textContent") == "Start"
    stepper.keyboard.press("ArrowRight")
    stepper.keyboard.press("ArrowRight")
    assert position(stepper).startswith("merge 2 of")
    stepper.keyboard.press("ArrowLeft")
    assert position(stepper).startswith("merge 1 of")
    stepper.keyboard.press("End")
    assert len(set(position(stepper).split()[1::2])) == 1
    assert stepper.evaluate("document.activeElement.textContent") == "Start"
    assert stepper.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    stepper.keyboard.press("Home")
    assert position(stepper).startswith("merge 0 of")
    for _ in range(4):
        stepper.keyboard.press("Tab")
    stepper.keyboard.press("ArrowRight")
    assert position(stepper).startswith("merge 1 of")
    assert stepper.locator(".bpe-status").get_attribute("aria-live") == "polite"


def test_typing_at_the_end_stays_at_the_end(stepper, course):
    press(stepper, "End")
    stepper.locator("#bpe-text").press_sequentially(" the")
    assert ids(stepper) == plain(course, stepper.input_value("#bpe-text"))


def test_an_empty_text_and_one_that_nothing_fits(stepper):
    stepper.fill("#bpe-text", "")
    assert ids(stepper) == []
    assert status(stepper) == "Type some text to cut it into tokens."
    press(stepper, "Next")
    assert position(stepper) == "merge 0 of 0"
    stepper.fill("#bpe-text", "77")
    assert "every byte stays a token" in status(stepper)


def test_a_long_text_is_cut_with_a_sentence_and_between_characters(stepper, course):
    stepper.fill("#bpe-text", "👋" * 500)
    assert stepper.locator(".bpe-warning").inner_text() == (
        "This text has 500 characters; only the first 400 are shown."
    )
    press(stepper, "End")
    assert ids(stepper) == plain(course, "👋" * 400)
    assert stepper.locator(".bpe-view").get_attribute("tabindex") == "0"
    stepper.fill("#bpe-text", "short")
    assert stepper.locator(".bpe-warning").inner_text() == ""


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_nothing_overflows_a_telephone_and_axe_agrees(mode, look, base):
    with audit.visit(look("phone", mode), base, PAGE) as seen:
        for text in WIDE:
            seen.page.fill("#bpe-text", text)
            press(seen.page, "End")
            assert audit.overflow(seen.page) == []
            view = seen.page.locator(".bpe-view")
            assert view.evaluate("e => e.scrollWidth <= e.clientWidth")
        press(seen.page, "Back")
        assert audit.axe(seen.page) == []


def test_it_works_from_a_file(look, site, course):
    page = look("desktop", "dark").new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site / PAGE).as_uri())
    text = "naïve café, Ada adds 12"
    page.fill("#bpe-text", text)
    press(page, "End")
    found = ids(page)
    page.close()
    assert errors == []
    assert found == plain(course, text)


def test_without_scripts_a_sentence_stands_in_its_place(browser, base):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + PAGE)
    text = page.locator("#bpe-stepper").inner_text()
    context.close()
    assert "JavaScript" in text
