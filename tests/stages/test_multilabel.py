"""Several findings a film through the real stages: labels as NIH and CheXpert have them, and one answer everywhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from scantune.config.load import parse
from scantune.pipeline.predictions import open_predictors, predictions_of
from scantune.records import ScantuneError
from scantune.registry.model import save_model
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.predictions_file import read
from tests.stages.conftest import run_stages
from tests.stages.test_one_predictor import agree, loaded, model_facts_of

pytestmark = pytest.mark.slow

FINDINGS = ["Effusion", "Mass", "Nodule"]
SPLIT = {"method": "random", "fractions": [0.5, 0.25, 0.25], "seed": 1}
LISTS = {"name": "multilabel", "target": "found", "findings": FINDINGS}
COLUMNS = {"name": "multilabel", "findings": FINDINGS, "uncertain": "present"}


def films(home: Path, n: int = 48) -> None:
    """PNG films with a bright corner a finding, and a table with both kinds of labels."""
    from PIL import Image

    rng = np.random.default_rng(0)
    root = home / "films"
    root.mkdir(parents=True)
    rows = []
    for number in range(n):
        present = rng.random(3) < [0.5, 0.4, 0.3]
        film = rng.integers(40, 90, (32, 32))
        for place in np.flatnonzero(present):
            film[10 * place : 10 * place + 8, 4:28] += 120
        Image.fromarray(film.astype(np.uint8)).save(root / f"{number:03}.png")
        names = "|".join(name for name, there in zip(FINDINGS, present) if there)
        cells = {name: str(int(there)) for name, there in zip(FINDINGS, present)}
        if number % 3 == 0:
            cells["Mass"] = "-1" if present[1] else ""
        rows.append({"file": f"{number:03}.png", "subject": f"s{number // 2}", "Finding Labels": names or "No Finding",
                     "sex": "FM"[number % 2], **cells})  # fmt: skip
    with (root / "films.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def params(task: dict[str, Any], targets: dict[str, Any], **train: Any) -> dict[str, Any]:
    dataset = {
        "root": "films", "watch": "films", "table": "films.csv", "files": "{file}", "sample": "{file}",
        "subject": "subject", "targets": targets, "groups": ["sex"], "split": SPLIT,
    }  # fmt: skip
    return {
        "datasets": {"films": dataset},
        "inputs": {"films": {"dataset": "films", "modality": "image", "shape": [32, 32], "workers": 1}},
        "experiments": {
            "x": {
                "dataset": "films",
                "input": "films",
                "task": task,
                "model": {"backbone": "small_cnn"},
                "train": {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "precision": "32", **train},
                "evaluate": {"draws": 200, "min_group": 5, "case_mix": {"sex": {"F": 0.3, "M": 0.7}}},
                "register": {},
            }
        },
    }


def settled(home: Path, task: dict[str, Any], targets: dict[str, Any], **train: Any) -> dict[str, Any]:
    home.mkdir(parents=True, exist_ok=True)
    films(home)
    settings = params(task, targets, **train)
    (home / "params.yaml").write_text(yaml.safe_dump(settings))
    return settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the stages ran on labels as CheXpert has them."""
    folder = tmp_path_factory.mktemp("columns")
    settled(folder, COLUMNS, {name: name for name in FINDINGS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANTUNE_ISOLATION", "off")
        run_stages(folder, "preprocess films", "split films", "train x", "evaluate x")
    return folder


def test_columns_of_findings_are_learned_and_judged(home: Path) -> None:
    out = home / "outputs" / "x" / "evaluate"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["metrics"]["auroc"]["value"] > 0.7
    assert set(metrics["headline"]) <= set(metrics["metrics"])
    assert metrics["states"]["Mass"]["unknown"] > 0
    assert metrics["operating_points"][0]["chosen_on"] == "validation"
    assert {"co_occurrence.svg", "finding_reliability.svg"} <= {p.name for p in (out / "figures").iterdir()}
    assert metrics["saliency"]["n_maps"] % len(FINDINGS) == 0
    table = read(out / "predictions.csv")
    assert set(table.text("target/Mass")) == {"", "0", "1"}
    assert set(table.text("target/Effusion")) == {"0", "1"}
    page = (out / "report.html").read_text()
    assert "Findings that occur together" in page
    assert metrics["standardised"]["case_mix"] == {"sex": {"F": 0.3, "M": 0.7}}
    assert metrics["fairness"]["sex"]["by_class"]["Effusion"]["differences"]["positive_rate"]["levels"] == ["F", "M"]
    assert "In another case mix" in page
    assert "Largest differences between groups by sex" in page
    assert metrics["baselines"]["prevalence"]["hamming_loss"]["value"] is not None


def test_the_list_says_the_same_as_columns(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    settled(tmp_path, LISTS, {"found": "Finding Labels"})
    run_stages(tmp_path, "preprocess films", "split films")
    monkeypatch.chdir(tmp_path)
    from scantune.pipeline.data.datasets import encode
    from scantune.pipeline.train import stage as recipe

    plan = recipe.plan_of(parse(yaml.safe_load(Path("params.yaml").read_text())), "x")
    listed = encode(plan.sides.all_samples, plan.task)
    with (tmp_path / "films" / "films.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    for sample, states in zip(plan.sides.all_samples, listed):  # type: ignore[arg-type]
        expected = [float(name in rows[sample.sample_id]["Finding Labels"].split("|")) for name in FINDINGS]
        assert states.tolist() == expected


def test_an_unknown_word_is_told_before_anything_is_prepared(tmp_path: Path) -> None:
    settings = settled(tmp_path, LISTS | {"findings": ["Effusion", "Nodules"]}, {"found": "Finding Labels"})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(
        ScantuneError, match=r"rows \(2, 8, .*\), column 'Finding Labels': 'Mass' is not one of the findings"
    ) as told:
        run_stages(tmp_path, "preprocess films")
    assert "did you mean 'Nodules'" in str(told.value)
    assert not (tmp_path / "data" / "cache" / "films" / "manifest.csv").exists()


@pytest.mark.parametrize("mode", [{}, {"members": 2, "test_time_augmentation": 2}], ids=["one", "members and copies"])
def test_predictions_csv_predict_and_the_mlflow_model_say_the_same(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    augment = {"augment": {"rotation": 10}} if mode else {}
    settings = parse(params(COLUMNS, {name: name for name in FINDINGS}, **mode, **augment))
    plan, facts, networks = model_facts_of(settings, mode.get("members", 1))
    save_model(tmp_path / "model", facts, networks)
    write(
        predictions_of(open_predictors(plan.block.task, facts, tmp_path / "model", "cpu"), plan.block.task, plan.sides),
        tmp_path / "p.csv",
    )
    table = read(tmp_path / "p.csv")
    table = table.take(table.split == "test")
    files = [home / "films" / sample for sample in table.sample_id]

    from scantune.commands.predicting import predict

    predict(str(tmp_path / "model"), files[::-1], out=tmp_path / "answers.csv", batch_size=3)
    answered = read(tmp_path / "answers.csv").take(np.arange(len(files))[::-1])
    columns = [name for name in answered.columns if name not in ("file", "reason")]
    assert columns == [*(f"p/{name}" for name in FINDINGS), "set"]
    agree(table, answered, columns)
    served = loaded(tmp_path, tmp_path / "model", plan, facts).predict(pd.DataFrame({"path": [str(f) for f in files]}))
    agree(table, PredictionTable.make({name: list(served[name]) for name in columns}), columns)


def test_probabilities_of_findings_are_averaged_and_not_logits() -> None:
    from scantune.prediction import mean_output
    from scantune.tasks.build import build_task
    from scantune.tasks.multilabel.settings import Multilabel

    task = build_task(Multilabel(findings=("a", "b")))
    outputs = [torch.tensor([[[4.0], [0.0]]]), torch.tensor([[[-1.0], [2.0]]])]
    mean = task.columns(mean_output(outputs, task.class_axis).numpy(), None, {})
    assert mean["p/a"] == pytest.approx((1 / (1 + np.exp(-4)) + 1 / (1 + np.exp(1))) / 2, abs=1e-6)


def test_another_experiment_with_other_findings_starts_from_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from scantune.pipeline.train import stage as recipe
    from scantune.pipeline.train.networks import start_of

    monkeypatch.chdir(home)
    settings = params(COLUMNS | {"findings": ["Mass", "Effusion"]}, {name: name for name in FINDINGS})
    plan = recipe.plan_of(parse(settings), "x")
    network = start_of(replace(plan, start=home / "outputs" / "x" / "train" / "model", use="weights"), "weights")
    assert network(torch.zeros(1, *plan.shape)).shape == (1, 2, 1)
