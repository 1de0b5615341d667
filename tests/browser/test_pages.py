"""Every page, on a desktop and on a telephone, light and dark; loaded once."""

import audit
import pytest

pytestmark = pytest.mark.browser

# Each step changes one thing. Axe comes last, once for each theme, since it thins the page out.
LOOKS = [("desktop", "light"), ("desktop", "dark"), ("phone", "dark"), ("phone", "light")]
AXE = [("phone", "dark"), ("desktop", "light")]


@pytest.mark.parametrize("path", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in audit.pages()])
def test_page(path, look, base):
    wrong = []
    with audit.visit(look("desktop", "auto"), base, path) as seen:
        for size, theme in LOOKS:
            found = audit.turn(seen.page, size, theme) + audit.laid_out(seen.page)
            wrong += [f"{size}, {theme}: {problem}" for problem in found]
        wrong += audit.maths(seen.page)
        wrong += seen.problems  # before axe, which fetches style sheets itself
        for size, theme in AXE if path in audit.audited() else []:
            found = audit.turn(seen.page, size, theme) + audit.axe(seen.page)
            wrong += [f"{size}, {theme}: {problem}" for problem in found]
    assert not wrong, "\n".join([path, *wrong])
