"""The page of all settings: nothing is missing on it, and it is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scantune.commands.describing import settings_text
from scantune.losses import registry

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(scope="module")
def text() -> str:
    return settings_text()


def test_the_page_is_current(text):
    assert PAGE.read_text(encoding="utf-8") == text, "run: make schema"


def test_every_key_has_a_sentence(text):
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    assert not [row for row in rows if re.split(r"(?<!\\)\|", row)[-2].strip() == ""]


@pytest.mark.parametrize(
    "key",
    [
        "| `threshold` | number ≥ 0 ≤ 1 | `0.05` |",
        "## `experiments.<name>.train.scheduler: cosine_restarts`",
        "## `experiments.<name>.train.augment: video`",
        "| `temporal_mask` |",
        "| `unknown_weight` | number > 0 ≤ 1 | `0.3` |",
        "| `dice_focused` | 0.8 dice, 0.2 bce |",
        "| `from` | text | required |",
    ],
)
def test_values_and_defaults_stand_beside_the_key(text, key):
    assert key in text


def test_losses_and_demo_cohorts_are_on_it_too(text):
    assert all(f"| `{name}` |" in text for name in registry.names())
    assert all(f"**{name}**" in text for name in ("angio", "cells", "csi", "digits", "echo", "loes"))
    assert "`confounder` | `false`" in text
