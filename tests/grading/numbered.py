"""Parameters that carry the number of the attack that they are: `book/_data/attacks.yml` says what each number is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def numbered(rows: Mapping[str, Any], mark: str = "attack") -> list[Any]:
    """A parameter for each row, named as the row is, and marked with the number that the name begins with, if any."""
    found = []
    for name, values in rows.items():
        number = name.split()[0]
        marks = [getattr(pytest.mark, mark)(int(number))] if number.isdigit() else []
        found.append(pytest.param(*(values if isinstance(values, tuple) else (values,)), id=name, marks=marks))
    return found
