"""``scantune restore`` on names that are no experiments."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scantune.cli import app
from scantune.records import ScantuneError
from tests.stages.conftest import grouped_params


def test_ensembles_and_external_evaluations_are_told_their_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCANTUNE_MLFLOW", raising=False)
    Path("params.yaml").write_text(yaml.safe_dump(grouped_params(), sort_keys=False))
    Path("dvc.yaml").write_text("stages: {}\n")
    Path("ensembles/both").mkdir(parents=True)
    Path("outputs/external/small_far").mkdir(parents=True)
    text = CliRunner().invoke(app, ["restore", "both", "small_far"]).output
    assert "dvc repro -f --single-item ensemble@both evaluate-ensemble@both register-ensemble@both" in text
    assert "dvc repro -f --single-item external@small_far" in text
    with pytest.raises(ScantuneError, match=r"'bot'.*not in params.yaml"):
        CliRunner().invoke(app, ["restore", "bot"], catch_exceptions=False)
