"""Graded zones beside human readers, and whether a grade's probability is its share of right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.zones.settings import CONGESTION_ZONES, UNGRADABLE, Zones

ZONES = CONGESTION_ZONES
N = 60


def made(**columns: Any) -> PredictionTable:
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 4, (N, 6))
    predicted = np.clip(truth + rng.integers(-1, 2, (N, 6)), 0, 3)
    content: dict[str, Any] = {"subject_id": [f"p{i // 2}" for i in range(N)]}
    for z, zone in enumerate(ZONES):
        p = 0.1 * rng.dirichlet(np.ones(5), N) + 0.9 * np.eye(5)[predicted[:, z]]
        content[f"target/{zone}"] = truth[:, z].astype(str).tolist()
        content |= {f"p/{zone}/{name}": p[:, k] for k, name in enumerate(Zones().classes)}
    return PredictionTable.make(content | columns)


def test_a_reader_is_compared_pooled_and_by_zone():
    table = made()
    reader = {z: table.text(f"target/{z}").copy() for z in ZONES}
    reader["left_inf"][:] = "2"
    reader["right_sup"][:5] = ""
    for z in ZONES:
        reader[z][:3] = ""  # films that were not read
    table = table.with_columns({f"rater/r2_{z}": values for z, values in reader.items()})
    raters = scoring.evaluate(table, Zones(), draws=200)["raters"]
    assert set(raters["pairs"]) == {"model − target", "model − r2", "target − r2"}
    alike = raters["zones"]["left_mid"]["target − r2"]
    assert (alike["value"], alike["n"]) == (1.0, N - 3)
    assert raters["zones"]["left_inf"]["target − r2"]["value"] == pytest.approx(0, abs=1e-9)
    data = scoring.parse(table, Zones())
    ours = raters["zones"]["right_mid"]["model − target"]
    theirs = cohen_kappa_score(data.target[:, 2], data.prediction[:, 2], weights="quadratic", labels=range(4))
    assert ours["value"] == pytest.approx(theirs)
    assert ours["lower"] < ours["value"] < ours["upper"]
    assert raters["pairs"]["target − r2"]["mean_score_mae"]["value"] > 0


def test_columns_by_slash_are_read_too_and_a_reader_who_lacks_a_zone_is_left_out():
    table = made()
    whole = {f"rater/a/{z}": table.text(f"target/{z}") for z in ZONES}
    part = {f"rater/b/{z}": table.text(f"target/{z}") for z in ZONES[:5]}
    raters = scoring.evaluate(table.with_columns(whole | part), Zones(), draws=200)["raters"]
    assert "target − a" in raters["pairs"]
    assert not any("b" in pair.split(" − ") for pair in raters["pairs"])
    assert "raters" not in scoring.evaluate(table, Zones(), draws=200)


def test_calibration_is_given_pooled_by_zone_and_before():
    table = made()
    calibration = scoring.evaluate(
        table, Zones(), draws=200, calibrated_by={"name": "temperature", "temperature": 0.5}
    )["calibration"]
    data = scoring.parse(table, Zones())
    p, truth = data.probabilities, data.target
    true = np.take_along_axis(p, truth[..., None], axis=2)[..., 0]
    assert calibration["as_given"]["log_loss"]["value"] == pytest.approx(-np.log(true).mean())
    assert calibration["as_given"]["log_loss"]["n_subjects"] == N // 2
    hit = np.eye(5)[truth]
    assert calibration["zones"]["left_sup"]["brier"]["value"] == pytest.approx(((p - hit) ** 2)[:, 1].sum(1).mean())
    assert calibration["network"]["figures"]["log_loss"]["value"] < calibration["as_given"]["log_loss"]["value"], (
        "less sure before"
    )
    entry = calibration["as_given"]["ece"]
    assert entry["consistency_lower"] < entry["consistency_upper"]
    assert 0 < entry["p_value"] <= 1
    assert UNGRADABLE in Zones().classes
