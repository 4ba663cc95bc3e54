"""Agreement between model and readers of the same zones: agreement pooled, zone by zone, and of the mean score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from scantune.class_names import label
from scantune.tasks.context import Context
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.zones.metrics import Data, aliases, plan

POOLED = (
    *("kappa_quadratic", "kappa_linear", "accuracy", "mean_score_mae", "mean_score_spearman_rho"),
    *("mean_score_icc_2_1", "mean_score_bland_altman_bias"),
)
BY_ZONE = "kappa_quadratic"
FEWEST = 3
"""Fewest samples that two sides must both have read."""


def readers(data: Data, context: Context) -> dict[str, Any]:
    """Each pair of model, target and readers on the samples that both have read; empty where nobody has.

    Returns:
        ``pairs``: figures over all zones and of the mean score; ``zones``: by zone and pair the quadratic κ.
    """
    read = read_by(context.table, data)
    if not read:
        return {}
    sides = {"model": data.prediction, "target": data.target, **read}
    pairs: dict[str, Any] = {}
    zones: dict[str, dict[str, Any]] = {zone: {} for zone in data.settings.zones}
    for first, second in combinations(sides, 2):
        name = f"{first} − {second}"
        known = (sides[first][context.rows] >= 0).all(1) & (sides[second][context.rows] >= 0).all(1)
        both = context.rows[known]
        if len(both) < FEWEST:
            continue
        probabilities = np.eye(data.settings.grades + 1)[np.maximum(sides[first], 0)]  # [N, Z, K]
        pair = Data(np.maximum(sides[second], 0), probabilities, data.subjects, data.settings)
        estimates = context.figures(plan(pair, both, confidence=context.confidence))
        pairs[name] = {figure: estimates[figure] for figure in POOLED if figure in estimates}
        for zone in zones:
            zones[zone][name] = estimates[f"{BY_ZONE}/{zone}"]
    return {"difference": "first − second", "pairs": pairs, "zones": zones}


def read_by(table: PredictionTable, data: Data) -> dict[str, np.ndarray]:
    """Reader to grades, int64 [N, Z], from columns ``rater/<reader>/<zone>`` or ``rater/<reader>_<zone>``.

    A sample of which a reader has left all zones empty was not read: −1. Readers that lack a zone are left out.
    """
    by_reader: dict[str, dict[str, str]] = {}
    for column in table.columns:
        name = column.removeprefix("rater/")
        zone = next((z for z in data.settings.zones if name != column and name.endswith((f"_{z}", f"/{z}"))), None)
        if zone is not None:
            by_reader.setdefault(name[: -len(zone) - 1], {})[zone] = column
    codes = aliases(data.settings)
    complete = {name: columns for name, columns in by_reader.items() if set(columns) == set(data.settings.zones)}
    return {name: _codes(table, [columns[z] for z in data.settings.zones], codes) for name, columns in complete.items()}


def _codes(table: PredictionTable, columns: Sequence[str], codes: dict[str, int]) -> np.ndarray:
    texts = [[label(text) for text in table.text(column)] for column in columns]
    grades = np.array([[codes.get(text, -1) for text in zone] for zone in texts], np.int64).T  # [N, Z]
    unread = np.array([[text == "" for text in zone] for zone in texts]).all(0)
    grades[unread] = -1
    return grades
