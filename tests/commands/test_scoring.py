"""``scantune score`` and ``scantune compare`` as a person calls them."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from scantune import plugins
from scantune.cli import app
from scantune.tasks.predictions import PredictionsError, PredictionTable, write
from scantune.tasks.regression.settings import Regression


def called(*words):
    result = CliRunner().invoke(app, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    base = {"sample_id": [f"x{i}" for i in range(80)], "sex": ["F", "M"] * 40, "target": y}
    for name, noise in (("one", 1.0), ("two", 2.5)):
        z = 2 * y - 1 + rng.normal(0, noise, 80)
        write(PredictionTable.make(base | {"logit/1": z}), folder / f"{name}.csv")
    return folder


def test_a_file_is_scored_and_reported(files, tmp_path):
    out, page = tmp_path / "metrics.json", tmp_path / "report.html"
    output = called(
        "score",
        files / "one.csv",
        "--task",
        "classification",
        "--out",
        out,
        "--report",
        page,
        "--case-mix",
        "{sex: {F: 0.3, M: 0.7}}",
        "--set",
        "prevalences=[0.05]",
    )
    assert "80 samples of 80 subjects" in output
    assert "probabilities: the logistic function of the columns logit/…" in output
    metrics = json.loads(out.read_text())
    assert metrics["metrics"]["auroc"]["method"] == "DeLong, Student's t on the logit scale"
    text = page.read_text()
    assert "Results" in text
    assert "Subgroups" in text
    assert "data:image/svg+xml" in text
    for title in ("Fairness and transport", "At other prevalences", "In another case mix", "Equalized odds"):
        assert title in text
    assert "Reporting checklists" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_several_files_are_compared_with_the_first(files, tmp_path):
    out = tmp_path / "both.json"
    output = called("score", files / "one.csv", files / "two.csv", "--task", "classification", "--out", out)
    assert "two − one:" in output
    assert set(json.loads(out.read_text())["files"]) == {"one", "two"}
    with pytest.raises(Exception, match="a report is of one predictions file, not of 2"):
        called("score", files / "one.csv", files / "two.csv", "--task", "classification", "--report", "r.html")


def test_a_study_is_planned_from_a_pilot(files):
    words = ("plan", files / "one.csv", "--task", "classification", "--metric", "accuracy", "--studies", 5)
    output = called(*words, "--half-width", "0.09")
    assert "accuracy, median half-width of at most 0.09:" in output.splitlines()[-1]
    paired = called(*words, "--against", files / "two.csv", "--margin", "0.5")
    assert re.search(r"power of 0.8 for a margin of 0.5: \d\d subjects", paired.splitlines()[-1])
    with pytest.raises(Exception, match="state either --half-width, or --against"):
        called(*words)
    for option, value in (("--power", "0.9"), ("--margin", "0.02")):
        with pytest.raises(Exception, match=f"{option} is of a comparison, with --against FILE"):
            called(*words, "--half-width", "0.09", option, value)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("score", "--confidence", 2), "'--confidence': Input should be less than or equal to 0.9999"),
        (("score", "--draws", 0), "'--draws': Input should be greater than or equal to 1"),
        (("score", "--seed", -1), "'--seed': Input should be greater than or equal to 0"),
        (("compare", "--seed", -1), "'--seed': Input should be greater than or equal to 0"),
        (("plan", "--half-width", 0.1, "--seed", -1), "'--seed': Input should be greater than or equal to 0"),
        (("compare", "--margin", -1), "'--margin': Input should be greater than or equal to 0"),
        (("plan", "--half-width", 0.1, "--margin", -1), "'--margin': Input should be greater than or equal to 0"),
    ],
)
def test_numbers_out_of_range_are_refused(files, words, why):
    command, *options = words
    tables = [files / "one.csv", files / "two.csv"][: 2 if command == "compare" else 1]
    result = CliRunner().invoke(app, [str(w) for w in (command, *tables, "--task", "classification", *options)])
    assert result.exit_code == 2
    assert why in result.output


def test_a_metric_may_have_the_name_of_other_systems(files):
    tables = files / "one.csv", files / "two.csv"
    assert "brier, margin" not in called("compare", *tables, "--task", "classification", "--primary", "roc_auc")
    planned = called("plan", tables[0], "--task", "classification", "--metric", "AUC", "--half-width", 0.2)
    assert planned.splitlines()[-1].startswith("auroc, median half-width")


@pytest.mark.parametrize("command", [["score"], ["compare"], ["plan", "--half-width", "0.5"]])
def test_the_columns_of_a_plugins_task_are_known_before_the_file_is_read(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.csv"
    path.write_text("sample_id,target,prediction,vessels\na,1,2,#DIV/0!\nb,2,3,1\n")
    monkeypatch.setattr(plugins, "load_plugins", lambda: monkeypatch.setattr(Regression, "own_columns", ("vessels",)))
    with pytest.raises(PredictionsError, match="vessels"):
        called(*command, path, *([path] if command == ["compare"] else []), "--task", "regression")
