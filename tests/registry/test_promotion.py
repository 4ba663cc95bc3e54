"""Which version takes the alias: against the baselines, against the champion, twice, at once; on a real store."""

from __future__ import annotations

import atexit
import contextlib
import json
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from scantune.config.evaluate import EvaluateConfig
from scantune.config.params import RegisterConfig
from scantune.files import write_json
from scantune.records import ScantuneError
from scantune.registry import opening, promotion
from scantune.registry.baseline import against_baselines
from scantune.registry.decision import Decision, undo_command
from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.regression.settings import Regression
from scantune.tracking import RunReference, TrackingError, client, open_run

TASK = Regression(name="regression", target="score")
N = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, mlflow_tables: None) -> Iterator[Path]:
    """A project folder with its own SQLite store, for all tests of this file."""
    home = tmp_path_factory.mktemp("registry")
    (home / "dvc.yaml").write_text("stages: {}\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(home)
        patched.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its own children
        yield home


class Lab:
    """Models of one registered name, each with predictions whose error is chosen."""

    def __init__(self, home: Path, name: str) -> None:
        self.home, self.name, self.made = home, name, 0

    def model(self, error: float, *, seed: int = 0, shift: int = 0, baselines: bool = True) -> SimpleNamespace:
        """A trained and evaluated model.

        Args:
            error: mean absolute error of its predictions; the mean of the training side has about 2.5.
            seed: of the errors.
            shift: of the numbers of the test subjects.
            baselines: whether ``metrics.json`` has any.
        """
        self.made += 1
        folder = self.home / self.name / str(self.made)
        folder.mkdir(parents=True)
        table = predictions(error, seed, shift)
        write(table, folder / "predictions.csv")
        metrics = scoring.evaluate(table, TASK, draws=200)
        write_json(folder / "metrics.json", metrics if baselines else metrics | {"baselines": {}})
        (folder / "model_card.md").write_text(f"# Model card: {self.name}\n\n- **Name**: {self.made}\n")
        with open_run("train", self.name, dataset=self.name) as train:
            pass
        service = client()
        logged = service.create_logged_model(
            service.get_run(train.run_id).info.experiment_id, name="model", source_run_id=train.run_id
        )
        (folder / "MLmodel").write_text("flavors: {}\n")
        service.log_model_artifact(logged.model_id, str(folder / "MLmodel"))
        service.finalize_logged_model(logged.model_id, "READY")
        with open_run("evaluate", self.name, dataset=self.name, parent=train.run_id) as evaluated:
            evaluated.artifact(folder / "predictions.csv")
        return SimpleNamespace(folder=folder, trained=RunReference(train.run_id, logged.model_id))

    def register(self, model: SimpleNamespace, *, baseline: str = "interval", **evaluate: object) -> Decision:
        with open_run("register", self.name, dataset=self.name, parent=model.trained.run_id) as run:
            return promotion.register(
                run,
                model.trained,
                name=self.name,
                alias="champion",
                task=TASK,
                evaluate=EvaluateConfig(draws=200, **evaluate),
                folder=model.folder,
                baseline=baseline,
            )

    @property
    def champion(self) -> str:
        return str(client().get_model_version_by_alias(self.name, "champion").version)


def predictions(error: float, seed: int, shift: int) -> PredictionTable:
    """Forty test and forty validation subjects with scores 0 … 10, and predictions that miss them by ``error``."""
    target = np.linspace(0, 10, N)
    off = np.random.default_rng(seed).normal(0, error * np.sqrt(np.pi / 2), 2 * N)
    return PredictionTable.make(
        {
            "sample_id": [f"s{i + shift}" for i in range(2 * N)],
            "subject_id": [f"p{i + shift}" for i in range(2 * N)],
            "split": ["test"] * N + ["validation"] * N,
            "target": np.concatenate([target, target]),
            "prediction": np.concatenate([target, target]) + off,
        },
        "predictions.csv",
    )


@pytest.fixture
def lab(store: Path, request: pytest.FixtureRequest) -> Lab:
    return Lab(store, request.node.name.removeprefix("test_")[:60])


def test_first_model_that_is_no_better_than_the_mean_does_not_take_the_alias(lab: Lab) -> None:
    decision = lab.register(lab.model(error=4))
    assert decision.version == "1"
    assert not decision.promoted
    mean = json.loads((lab.home / lab.name / "1" / "metrics.json").read_text())["baselines"]["mean"]["mae"]["value"]
    own = decision.metrics["model"]["value"]
    assert f"mae {own:.4g} is not shown to be better than the baseline 'mean' ({mean:.4g}; paired" in decision.reason
    assert decision.metrics["baseline"]["value"] == mean
    with pytest.raises(mlflow.exceptions.MlflowException):
        _ = lab.champion
    assert "did not take the alias 'champion'" in decision.in_words()
    assert decision.undo == f"scantune promote {lab.name} 1"
    tagged = client().get_model_version(lab.name, "1").tags["scantune.decision"]
    assert tagged == decision.reason


def test_the_card_is_the_description_of_its_version_cut_at_a_line_where_mlflow_keeps_no_more(lab: Lab) -> None:
    lab.register(lab.model(error=4))
    assert client().get_model_version(lab.name, "1").description == f"# Model card: {lab.name}\n\n- **Name**: 1\n"
    long = lab.model(error=3)
    lines = [f"- **Limitation {number}**: Größe unbekannt" for number in range(300)]
    (long.folder / "model_card.md").write_text("\n".join(lines), encoding="utf-8")
    lab.register(long)
    kept = client().get_model_version(lab.name, "2").description
    *whole, empty, end = kept.split("\n")
    assert 4900 < len(kept) <= 5000
    assert whole == lines[: len(whole)]
    assert (empty, end) == ("", "… The whole card is an artifact of the evaluate run (model_card.md).")


def test_first_model_takes_the_alias_where_it_beats_the_mean_or_a_key_waives_it(lab: Lab) -> None:
    decision = lab.register(lab.model(error=4), baseline="ignore")
    assert decision.promoted
    assert "not shown to be better than the baseline 'mean'" in decision.reason
    good = lab.register(lab.model(error=0.5))
    assert good.promoted
    assert good.champion == "1"


def test_better_by_value_alone_is_enough_only_where_the_key_says_so(lab: Lab) -> None:
    model = lab.model(error=2.3, seed=3)
    metrics = json.loads((model.folder / "metrics.json").read_text())
    mean = metrics["baselines"]["mean"]["mae"]
    assert metrics["metrics"]["mae"]["value"] < mean["value"]
    assert mean["difference"]["lower"] < 0 < mean["difference"]["upper"]
    assert mean["difference"]["value"] == pytest.approx(metrics["metrics"]["mae"]["value"] - mean["value"])
    assert not lab.register(model).promoted
    decision = lab.register(model, baseline="value")
    assert decision.promoted
    assert "by value alone" in decision.reason


def test_metrics_without_baselines_or_without_the_primary_metric(lab: Lab) -> None:
    assert "no baseline has this metric" in lab.register(lab.model(error=4, baselines=False)).reason
    undefined = {"value": None, "reason": "all targets are equal"}
    metrics = {"metrics": {"r2": undefined}, "baselines": {"mean": {"r2": undefined}}}
    verdict = against_baselines(metrics, "r2", False, "interval")
    assert not verdict.better
    assert "all targets are equal" in verdict.reason
    assert against_baselines(metrics, "r2", False, "ignore").better


def test_best_of_several_baselines_decides() -> None:
    def beside(value: float, lower: float, upper: float) -> dict:
        return {"value": value, "difference": {"value": 0, "lower": lower, "upper": upper}}

    baselines = {"mean": {"auc": beside(0.5, 0.2, 0.4)}, "covariates": {"auc": beside(0.78, -0.05, 0.09)}}
    metrics = {"metrics": {"auc": {"value": 0.8}}, "baselines": baselines}
    verdict = against_baselines(metrics, "auc", False, "interval")
    assert not verdict.better
    assert "'covariates' (0.78; paired difference -0.05 to +0.09)" in verdict.reason
    assert against_baselines(metrics, "auc", False, "value").better
    tie = {"metrics": {"auc": {"value": 0.5}}, "baselines": {"mean": {"auc": {"value": 0.5}}}}
    assert not against_baselines(tie, "auc", False, "interval").better


def test_challenger_takes_the_alias_only_where_it_is_shown_to_be_superior(lab: Lab) -> None:
    lab.register(lab.model(error=1, seed=1))
    equal = lab.register(lab.model(error=1.05, seed=2))
    assert not equal.promoted
    assert "superiority not shown" in equal.reason
    assert lab.champion == "1"
    better = lab.register(lab.model(error=0.3, seed=3))
    assert better.promoted
    assert lab.champion == "3"
    old, new = better.metrics["champion"]["value"], better.metrics["model"]["value"]
    assert f"against version 1: mae {new:.4g} instead of {old:.4g}" in better.reason
    assert better.undo == f"scantune promote {lab.name} 1"
    assert f"To go back to version 1: scantune promote {lab.name} 1" in better.in_words()


def test_margin_allows_a_challenger_that_is_not_inferior(lab: Lab) -> None:
    lab.register(lab.model(error=1, seed=1))
    challenger = lab.model(error=1.02, seed=2)
    assert not lab.register(challenger, margin=0.05).promoted
    decision = lab.register(challenger, margin=1.0, locked=True)
    assert decision.promoted
    assert "non-inferiority shown (margin 1)" in decision.reason


def test_challenger_with_the_same_predictions_is_a_tie(lab: Lab) -> None:
    lab.register(lab.model(error=1, seed=1))
    decision = lab.register(lab.model(error=1, seed=1))
    assert not decision.promoted
    assert decision.champion == "1"
    assert "+0.0000 (+0.0000 to +0.0000), superiority not shown" in decision.reason


def test_challenger_that_beats_the_champion_but_not_the_mean_does_not_take_the_alias(lab: Lab) -> None:
    lab.register(lab.model(error=9, seed=1), baseline="ignore")
    decision = lab.register(lab.model(error=3, seed=2))
    assert not decision.promoted
    assert "superiority shown; but mae" in decision.reason


def test_a_version_whose_first_answer_was_lost_is_there_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    register = mlflow.register_model
    monkeypatch.setattr(mlflow, "register_model", lambda *a, **k: (register(*a, **k), register(*a, **k))[1])
    decision = lab.register(lab.model(error=1))
    assert decision.version == "1"
    assert [str(one.version) for one in client().search_model_versions(f"name='{lab.name}'")] == ["1"]

    def refused(*_: object) -> None:
        raise MlflowException("Permission denied")

    monkeypatch.setattr(MlflowClient, "delete_model_version", refused)
    assert lab.register(lab.model(error=0.1)).version == "3", "who may register may not always delete"


def test_other_test_subjects_cannot_be_compared(lab: Lab) -> None:
    lab.register(lab.model(error=1))
    decision = lab.register(lab.model(error=0.1, shift=7))
    assert not decision.promoted
    assert "cannot be compared with version 1: the files contain different test samples" in decision.reason
    assert "of version 1 " in decision.reason
    assert "not in this model" in decision.reason, "both files are called predictions.csv"


def test_a_server_that_does_not_answer_has_not_said_that_there_is_no_champion(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.register(lab.model(error=0.3))
    challenger = lab.model(error=1)

    def down(*_: object) -> None:
        raise MlflowException("API request failed with 503")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "get_model_version_by_alias", down)
        with pytest.raises(TrackingError, match="503"):
            lab.register(challenger)
    assert lab.champion == "1"


def test_no_copy_of_the_champions_predictions_is_left_and_nothing_is_decided_where_they_cannot_be_fetched(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab.register(lab.model(error=1))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert lab.register(lab.model(error=0.3)).promoted
    assert not list(tmp_path.iterdir())

    def refused(**_: object) -> str:
        raise PermissionError("no credentials for the bucket")

    challenger = lab.model(error=0.1)
    with monkeypatch.context() as patched:
        patched.setattr(mlflow.artifacts, "download_artifacts", refused)
        with pytest.raises(TrackingError, match=r"version 2 .* \(no credentials .*\), so nothing is decided"):
            lab.register(challenger)
    assert lab.champion == "2"
    assert lab.register(challenger).version == "3", "the next run decides on the same version"
    assert lab.champion == "3"


def test_a_champion_without_predictions_cannot_be_compared(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.register(lab.model(error=1))
    monkeypatch.setattr(promotion, "PREDICTIONS", "others.csv")
    decision = lab.register(lab.model(error=0.1))
    assert not decision.promoted
    assert "predictions of version 1 cannot be found, so no comparison is possible" in decision.reason


def test_of_two_versions_of_one_model_the_champion_is_the_version(lab: Lab) -> None:
    model = lab.model(error=1)
    lab.register(model, baseline="ignore")
    id_ = model.trained.model_id
    mlflow.register_model(f"models:/{id_}", lab.name, tags={"scantune.model_id": id_})
    promotion.promote(client(), lab.name, "2", "champion")
    again = lab.register(model)
    assert (again.version, again.promoted) == ("2", True)
    assert "it already has the alias" in again.reason


def test_files_of_a_model_from_the_store_are_there_while_the_process_lasts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    at_exit = []
    monkeypatch.setattr(atexit, "register", lambda what, *_: at_exit.append(what))
    folder = opening._fetched(f"models:/{lab.model(error=1).trained.model_id}")
    assert (folder / "MLmodel").is_file()
    assert folder.is_relative_to(tmp_path)
    for what in at_exit:
        what()
    assert not list(tmp_path.iterdir())


def test_champion_registered_again_stays_champion_and_makes_no_version(lab: Lab) -> None:
    model = lab.model(error=1)
    assert lab.register(model).promoted
    again = lab.register(model)
    assert again.promoted
    assert again.version == "1"
    assert "has the alias 'champion': it already has the alias" in again.in_words()
    assert not again.undo
    assert not again.comparison
    assert len(client().search_model_versions(f"name='{lab.name}'")) == 1


def test_two_registrations_at_once_are_one_first_and_one_compared(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [lab.model(error=1, seed=1), lab.model(error=1.01, seed=2)]
    barrier, look = threading.Barrier(2), promotion._champion

    def slow(*arguments: object) -> object:
        result = look(*arguments)
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(1.5)  # both have looked before either gives the alias, if they can
        return result

    monkeypatch.setattr(promotion, "_champion", slow)
    decisions: list[Decision] = []
    threads = [threading.Thread(target=lambda m=m: decisions.append(lab.register(m))) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(d.promoted for d in decisions) == [False, True]
    first, second = sorted(decisions, key=lambda d: not d.promoted)
    assert "no version had it before" in first.reason
    assert f"against version {first.version}" in second.reason


@pytest.mark.parametrize("run", [None, "0" * 32])
def test_a_champion_from_elsewhere_has_no_predictions_and_stays(lab: Lab, run: str | None) -> None:
    service = client()
    service.create_registered_model(lab.name)
    foreign = service.create_model_version(lab.name, source=str(lab.home), run_id=None)
    if run:
        service.set_model_version_tag(lab.name, foreign.version, "scantune.train_run", run)
    service.set_registered_model_alias(lab.name, "champion", foreign.version)
    decision = lab.register(lab.model(error=0.1))
    assert not decision.promoted
    assert f"the predictions of version {foreign.version} cannot be found" in decision.reason
    assert decision.undo.endswith(f" {decision.version}")


def test_names_with_signs_find_their_versions(lab: Lab) -> None:
    service = client()
    service.create_registered_model("it's mine")
    service.create_model_version("it's mine", source=str(lab.home))
    assert promotion.promote(service, "it's mine", "1", "champion") == ""
    assert undo_command("it's mine", "champion", "2", "1", True) == """scantune promote 'it'"'"'s mine' 1"""


def test_alias_given_by_hand_and_taken_back(lab: Lab) -> None:
    from scantune.cli import app

    for seed in (1, 2):
        lab.register(lab.model(error=1, seed=seed))
    runner = CliRunner()
    told = runner.invoke(app, ["promote", lab.name, "2"]).stdout
    assert lab.champion == "2"
    assert f"To go back to version 1: scantune promote {lab.name} 1" in told
    assert "version 2 had it" in runner.invoke(app, ["promote", lab.name, "1"]).stdout
    assert lab.champion == "1"
    with pytest.raises(ScantuneError, match="has no version '7'; there are 1, 2"):
        runner.invoke(app, ["promote", lab.name, "7"], catch_exceptions=False)
    with pytest.raises(ScantuneError, match="no model of that name"):
        runner.invoke(app, ["promote", "nowhere", "1"], catch_exceptions=False)


def test_decision_is_written_with_its_numbers(lab: Lab, tmp_path: Path) -> None:
    lab.register(lab.model(error=1, seed=1))
    lab.register(lab.model(error=0.3, seed=3)).write(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["metrics"]["name"] == "mae"
    assert {"model", "champion", "baseline"} <= set(content["metrics"])
    assert content["undo"] == f"scantune promote {lab.name} 1"
    assert RegisterConfig().baseline == "interval"
