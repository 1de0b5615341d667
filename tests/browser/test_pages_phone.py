"""Every page on a telephone, light and dark."""

import audit
import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", audit.pages())
def test_page(path, look, base):
    wrong = []
    for mode in ("light", "dark"):
        with audit.visit(look("phone", mode), base, path) as seen:
            assert seen.page.evaluate("document.documentElement.dataset.theme") == mode
            wrong += [f"{mode}: {problem}" for problem in audit.problems(seen)]
            if mode == "dark":
                wrong += [f"{mode}: {problem}" for problem in audit.axe(seen.page)]
    assert not wrong, "\n".join([path, *wrong])
