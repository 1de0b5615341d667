"""A small course to generate from: one notebook and one lab."""

import pytest
from myst import ANSWER, CHECK, TITLE


@pytest.fixture
def root(tmp_path):
    for folder in ("notebooks", "solutions", "labs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "_config.yml").write_text("repository: {url: 'https://example.org/course', branch: main}")
    (tmp_path / "notebooks" / "00_demo.md").write_text(TITLE + "```{code-cell} python\nprint(1)\n```\n")
    (tmp_path / "solutions" / "00_demo.md").write_text(TITLE + ANSWER + CHECK)
    return tmp_path
