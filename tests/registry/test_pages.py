"""The addresses of MLflow's pages, and the saved view of the runs table that they open."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from scantune import tracking
from scantune.registry import pages
from scantune.registry.pages import HEADLINE, addresses, headline_of, view_of
from scantune.tracking import MODEL_ID, metric_name, open_run


def test_the_runs_table_opens_on_models_with_their_headline_metrics(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SCANTUNE_PARENT_RUN_ID", raising=False)
    with open_run("preprocess", "a", dataset="nothing_trained"):
        pass
    for stage, key in (("train", "a"), ("ensemble", "b")):
        with open_run(stage, key, dataset="knees") as run:
            run.tags({HEADLINE: "auroc,auprc,accuracy", MODEL_ID: "m-1"})
    with open_run("evaluate", "a", dataset="knees") as run:
        pass
    lines = addresses("http://127.0.0.1:5000")
    knees = tracking.client().get_experiment_by_name("knees")
    page = f"http://127.0.0.1:5000/#/experiments/{knees.experiment_id}"
    assert f"knees: models {page}/models?workflowType=machine_learning" in lines
    assert f"       runs   {page}/runs?workflowType=machine_learning&viewStateShareKey=scantune" in lines
    assert not any("viewStateShareKey" in line for line in lines if line.startswith("nothing"))
    state = json.loads(knees.tags["mlflow.sharedViewState.scantune"])
    rows = tracking.client().search_runs([knees.experiment_id], state["searchFilter"])
    assert {row.info.run_name for row in rows} == {"train a", "ensemble b"}
    assert state["orderByKey"] == "metrics.`test_auroc`"
    assert state["selectedColumns"][:5] == [
        "attributes.`Created`",
        "attributes.`Dataset`",
        "metrics.`test_auroc`",
        "metrics.`test_auroc_lower`",
        "metrics.`test_auroc_upper`",
    ]


@pytest.mark.parametrize("headlines", [[], [""]])
def test_a_view_before_anything_is_evaluated(headlines):
    state = view_of(headlines)
    assert "metrics.`val_loss`" in state["selectedColumns"]
    assert state["orderByKey"] == "attributes.start_time"


def test_the_columns_are_those_that_the_metrics_were_logged_as():
    names = ["mae/age (years)", "mae/size, mm", "mae/≥5"]
    columns = view_of([headline_of(names)])["selectedColumns"]
    assert {f"metrics.`{metric_name(f'test_{name}')}`" for name in names} <= set(columns)


def test_an_address_to_open_has_no_password_in_it(tmp_path, monkeypatch):
    service = SimpleNamespace(
        search_experiments=lambda: [SimpleNamespace(name="films", experiment_id="1")], search_runs=lambda *_, **__: []
    )
    monkeypatch.setattr(pages, "client", lambda: service)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:s3c@ret@host:5000/")
    assert pages.addresses()[0] == (
        "films: models https://host:5000/#/experiments/1/models?workflowType=machine_learning"
    )
