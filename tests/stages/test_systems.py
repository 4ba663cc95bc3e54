"""Everything in the shipped ``params.yaml``, by the commands that a user types: each block reaches its figure."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path

import pytest

from tests.stages.conftest import ROOT, Project, make_project

pytestmark = pytest.mark.heavy

#: Experiment → headline figure, the least it must reach, and the baseline that it must leave behind.
REACHES = {
    "digits": ("accuracy", 0.97, "covariates"),
    "digits_small": ("accuracy", 0.97, "covariates"),
    "digits_student": ("accuracy", 0.95, "covariates"),
    "loes": ("spearman_rho", 0.85, "covariates"),
    "loes_to_b": ("spearman_rho", 0.6, "covariates"),
    "csi": ("kappa_quadratic", 0.7, "covariates"),
    "echo": ("auroc", 0.8, "covariates"),
    "cells": ("accuracy", 0.75, "covariates"),
    "angio": ("dice", 0.68, "threshold"),
}
#: Model → the same at the other hospital, where it is worse: a figure and whether lower is worse.
FALLS = {
    "angio_at_b": ("dice", True),
    "loes_at_b": ("mae", False),
    "csi_at_b": ("kappa_quadratic", True),
    "echo_at_b": ("accuracy", True),
    "cells_at_b": ("accuracy", True),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the shipped settings in which ``dvc repro`` ran once."""
    project = make_project(tmp_path_factory.mktemp("systems") / "project", {})
    shutil.copy2(ROOT / "params.yaml", project.home)
    start = time.monotonic()
    project.dvc("repro")
    print(f"dvc repro of everything: {time.monotonic() - start:.0f} s")
    return project


def figures(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("name", REACHES)
def test_a_block_reaches_its_figure_above_its_baseline_and_below_perfect(whole, name):
    figure, least, baseline = REACHES[name]
    result = figures(whole.home / "outputs" / name / "evaluate")
    estimate, simple = result["metrics"][figure], result["baselines"][baseline][figure]
    assert estimate["value"] >= least
    assert estimate["value"] < 1
    assert estimate["lower"] <= estimate["value"] <= estimate["upper"]
    assert simple["value"] is None or estimate["lower"] > simple["value"]


@pytest.mark.parametrize("name", FALLS)
def test_the_drop_at_the_other_hospital_is_reported(whole, name):
    figure, lower_is_worse = FALLS[name]
    entry = figures(whole.home / "outputs" / "external" / name)["external"][figure]
    fall = entry["difference"]
    assert fall["lower"] < fall["value"] < fall["upper"]
    assert (fall["value"] < 0) == lower_is_worse
    rows = list(csv.DictReader((whole.home / "external" / name / "table.csv").open()))
    assert len(rows) == 2


def test_fine_tuning_on_the_other_scanner_brings_the_loes_model_back(whole):
    away = figures(whole.home / "outputs" / "external" / "loes_at_b")["metrics"]["mae"]["value"]
    tuned = figures(whole.home / "outputs" / "loes_to_b" / "evaluate")["metrics"]["mae"]["value"]
    assert tuned < away


def test_every_demo_cohort_loses_its_unusable_files_by_name(whole):
    for name in ("angio", "loes", "csi", "echo", "cells"):
        rows = list(csv.DictReader((whole.home / "data" / "cache" / name / "excluded.csv").open()))
        assert rows
        assert all(row["sample_id"] and row["reason"] for row in rows)


def test_the_average_of_two_networks_is_judged_like_a_model(whole):
    result = figures(whole.home / "ensembles" / "digits_both" / "evaluate")
    assert result["metrics"]["accuracy"]["value"] >= 0.97


def test_a_second_time_nothing_is_run(whole):
    assert "Running stage" not in whole.dvc("repro")
