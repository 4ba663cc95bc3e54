"""What is logged beside a model: the packages that open it."""

from __future__ import annotations

from importlib import metadata

import pytest

from scantune.registry import log


def test_a_decoder_without_a_build_for_this_python_is_no_requirement(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {line.partition("==")[0]: line.partition("==")[2] for line in log.requirements({})}
    assert named["pydicom"] == metadata.version("pydicom")
    monkeypatch.setattr(log, "REQUIREMENTS", (*log.REQUIREMENTS, "a-package-that-is-not-there"))
    assert {line.partition("==")[0] for line in log.requirements({})} == set(named)
