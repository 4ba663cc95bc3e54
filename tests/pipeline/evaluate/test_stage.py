"""The evaluate stage's own refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scantune.config.evaluate import EvaluateConfig
from scantune.pipeline.evaluate.stage import write_figures
from scantune.records import ScantuneError
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import PredictionTable


def test_a_primary_metric_that_models_are_not_compared_by_is_told_before_any_file(tmp_path: Path) -> None:
    """The registry would call it undefined, and a comparison with a champion would end in an error."""
    columns = {"target": [0, 1] * 6, "p/0": [0.3, 0.6] * 6, "p/1": [0.7, 0.4] * 6, "split": ["test"] * 12}
    settings: Any = EvaluateConfig(primary="val_auroc", draws=200)
    look: Any = None
    with pytest.raises(ScantuneError, match=r"evaluate\.primary: 'val_auroc' is none of the metrics .* auroc, auprc"):
        write_figures(PredictionTable.make(columns), Classification(), settings, tmp_path, look)
    assert not list(tmp_path.iterdir())
