"""Survival from films to the report: brighter films, earlier events; Cox and discrete hazards; what is served."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from scantune.records import ScantuneError
from tests.stages.conftest import ensemble, run_stages

pytestmark = pytest.mark.slow

N = 120
HORIZONS = [1, 2, 4]


def films(folder: Path) -> None:
    """Pictures whose spot is the brighter the higher the risk, and a table of their follow-up."""
    from scantune import io

    rng = np.random.default_rng(4)
    rows = []
    folder.mkdir(parents=True)
    for i in range(N):
        risk = rng.uniform(-1.5, 1.5)
        pixels = rng.integers(20, 60, (24, 24))
        pixels[8:16, 8:16] += int(60 * (risk + 1.5))
        io.write_png(folder / f"{i}.png", pixels.astype(np.uint8))
        time, censored = rng.exponential(2.5 * np.exp(-1.5 * risk)), rng.uniform(0.3, 8)
        follow_up, died = round(min(time, censored) + 0.01, 2), int(time <= censored)
        rows.append([f"{i}.png", f"p{i}", follow_up, died, "fm"[i % 2], 50 + i % 30])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "patient", "years", "died", "sex", "age"], *rows])


def params() -> dict:
    task = {"name": "survival", "time": "follow_up", "event": "death", "horizons": HORIZONS}
    train = {"epochs": 6, "batch_size": 32, "learning_rate": 0.01, "precision": "32", "seed": 1}
    block = {
        "dataset": "films",
        "input": "films",
        "task": task,
        "model": {"backbone": "small_cnn"},
        "train": train | {"monitor": "val_concordance_harrell", "early_stopping": {"patience": 50}},
        "evaluate": {"draws": 200, "saliency": {"checks": False}},
        "register": {},
    }
    hazards = block | {"train": block["train"] | {"loss": "discrete_hazard", "epochs": 4, "members": 2}}
    hazards |= {"evaluate": {"draws": 200, "saliency": False}}
    again = hazards | {"task": task | {"cuts": [1, 2, 3, 4]}, "train": hazards["train"] | {"epochs": 1, "members": 1}}
    further = block | {"train": block["train"] | {"epochs": 1, "seed": 2, "learning_rate": 0.001}}
    members = ("cox", "further")
    return {
        "datasets": {
            "films": {
                "root": "data/raw/films",
                "watch": "data/raw/films",
                "table": "table.csv",
                "files": "{file}",
                "subject": "patient",
                "targets": {"follow_up": "years", "death": "died"},
                "groups": ["sex", "age"],
                "split": {"method": "stratified", "on": "death", "fractions": [0.5, 0.25, 0.25], "seed": 1},
            }
        },
        "inputs": {"films": {"dataset": "films", "modality": "image", "shape": [24, 24], "workers": 1}},
        "experiments": {"cox": block, "hazards": hazards},
        "derived": {
            "finer": again | {"from": "hazards", "use": "weights"},
            "further": further | {"from": "cox", "use": "weights"},
        },
        "ensembles": {"both": ensemble("films", list(members), {"draws": 200, "saliency": False})},
        "ensemble_members": {f"both_{name}": {"ensemble": "both", "member": name} for name in members},
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("survival")
    films(home / "data" / "raw" / "films")
    (home / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    trained = [f"{stage} {name}" for name in ("cox", "hazards") for stage in ("train", "evaluate")]
    joined = ("ensemble_member both_cox", "ensemble_member both_further", "ensemble both", "evaluate both")
    run_stages(home, "preprocess films", "split films", *trained)
    run_stages(home, "train finer", "train further", *joined)
    return home


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def metrics(home: Path, name: str) -> dict:
    return json.loads((home / "outputs" / name / "evaluate" / "metrics.json").read_text())


@pytest.mark.parametrize("name", ["cox", "hazards"])
def test_a_network_learns_who_has_the_event_first(home: Path, name: str) -> None:
    result = metrics(home, name)
    assert result["metrics"]["concordance_harrell"]["value"] > 0.7
    everyone = result["baselines"]["kaplan_meier"]["integrated_brier"]
    assert result["metrics"]["integrated_brier"]["value"] < everyone["value"]
    assert set(result["baselines"]) == {"kaplan_meier", "covariates"}
    assert set(result["subgroups"]) >= {"sex", "age"}
    history = rows_of(home / "outputs" / name / "train" / "history.csv")
    assert all(float(row["val_concordance_harrell"]) > 0 for row in history)


def test_the_report_and_figures_are_there(home: Path) -> None:
    out = home / "outputs" / "cox" / "evaluate"
    report = (out / "report.html").read_text()
    assert "the time to an event" in report
    for name in ("kaplan_meier", "calibration_at_horizons", "auroc_at_horizons"):
        assert (out / "figures" / f"{name}.svg").exists()
    assert "Kaplan–Meier by predicted risk" in report
    assert "Concordance (Harrell)" in report
    assert "probability of the event by each horizon" in report
    assert "time to an event" in (out / "model_card.md").read_text()
    assert (out / "errors.csv").read_text().count("years") > 10


def test_the_table_s_times_stand_in_predictions_csv(home: Path) -> None:
    by_subject = {row["patient"]: row for row in rows_of(home / "data" / "raw" / "films" / "table.csv")}
    for row in rows_of(home / "outputs" / "cox" / "evaluate" / "predictions.csv"):
        assert float(row["target/follow_up"]) == float(by_subject[row["subject_id"]]["years"])
        p = [float(row[f"p/{h}/event"]) for h in HORIZONS]
        assert p == sorted(p)


@pytest.mark.parametrize("name", ["cox", "hazards"])
def test_what_is_served_is_what_is_evaluated(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from scantune.registry.predictor import Predictor, Reading

    monkeypatch.chdir(home)
    rows = rows_of(Path(f"outputs/{name}/evaluate/predictions.csv"))[:12]
    paths = [Path("data/raw/films") / f"{row['subject_id'][1:]}.png" for row in rows]
    predictor = Predictor.load(f"outputs/{name}/train/model", reading=Reading(isolated=False))
    for row, answer in zip(rows, predictor.predict(paths, 5), strict=True):
        assert not answer.reason
        for column, value in answer.values.items():
            assert value == pytest.approx(float(row[column]), abs=1e-6), column


def test_the_mlflow_model_says_the_same(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scantune.config.load import load
    from scantune.pipeline.train import stage as recipe
    from scantune.registry.model import read_facts
    from tests.stages.test_one_predictor import loaded

    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    model = Path("outputs/cox/train/model").resolve()
    plan = recipe.plan_of(load(), "cox")
    rows = rows_of(Path("outputs/cox/evaluate/predictions.csv"))[:5]
    paths = [str(Path("data/raw/films").resolve() / f"{row['subject_id'][1:]}.png") for row in rows]
    served = loaded(tmp_path, model, plan, read_facts(model)).predict(pd.DataFrame({"path": paths}))
    for column in ("prediction", *(f"p/{h}/event" for h in HORIZONS)):
        np.testing.assert_allclose(list(served[column]), [float(row[column]) for row in rows], atol=1e-6)


def test_other_intervals_start_from_the_trained_backbone(home: Path) -> None:
    facts = json.loads((home / "outputs" / "finer" / "train" / "model" / "model.json").read_text())
    assert facts["loss"] == "discrete_hazard"
    weights = json.loads((home / "outputs" / "finer" / "train" / "summary.json").read_text())["validation"]
    assert weights["concordance_harrell"] > 0.5


def test_an_ensemble_of_two_cox_models_has_a_baseline_hazard_of_its_own(home: Path) -> None:
    facts = [
        json.loads((home / place / "train" / "model" / "model.json").read_text())
        for place in ("outputs/cox", "outputs/further", "ensembles/both")
    ]
    assert facts[2]["members"] == 2
    assert facts[2]["fitted"] not in (facts[0]["fitted"], facts[1]["fitted"])
    content = json.loads((home / "ensembles" / "both" / "evaluate" / "metrics.json").read_text())
    assert content["metrics"]["concordance_harrell"]["value"] > 0.7


def test_a_cox_model_and_one_of_hazards_are_no_ensemble() -> None:
    from scantune.config.load import parse

    settings = params()
    settings["ensembles"]["both"]["members"] = ["cox", "hazards"]
    settings["ensemble_members"]["both_further"]["member"] = "hazards"
    with pytest.raises(ScantuneError, match=r"answer in different forms \(discrete_hazard, cox\)"):
        parse(settings)


def test_a_wrong_event_is_told_before_anything_is_prepared(home: Path, tmp_path: Path) -> None:
    from scantune.cohort.load import CohortError

    films(tmp_path / "data" / "raw" / "films")
    table = tmp_path / "data" / "raw" / "films" / "table.csv"
    table.write_text(table.read_text().replace(",0,f", ",2,f", 1))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    with pytest.raises(CohortError, match="died"):
        run_stages(tmp_path, "preprocess films")
