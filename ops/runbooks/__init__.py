"""The manual procedures, filled in with the names of one environment."""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def fill(name: str, values: Mapping[str, str]) -> str:
    """Return a runbook with its `$names` replaced.

    Args:
        name: The file in this package, without `.md`.
        values: Every name that the runbook uses.

    Raises:
        KeyError: A name of the runbook has no value.
    """
    text = resources.files("ops.runbooks").joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values)
