"""The examples of ``plugins/README.md`` in a project: named, trained, evaluated, carried, and opened elsewhere."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.stages.conftest import ROOT, Project, digits_params

PAGE = ROOT / "plugins" / "README.md"
STAGES = """
import importlib, sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
for call in sys.argv[2:]:
    stage, key = call.split()
    importlib.import_module(f"stages.{stage}").run(key)
"""
SERVED = """
import pathlib, sys, pandas
from scantune.registry.pyfunc import _load_pyfunc
model = _load_pyfunc(sys.argv[1])
print(model.predict(pandas.DataFrame({"path": sys.argv[2:]}))["prediction"].tolist())
"""


def write_examples(home: Path) -> None:
    """The files of the page, under the names that they begin with."""
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        path = home / re.match(r"# (\S+)\n", code)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)


def plugin_params() -> dict:
    params = digits_params(90)
    stated = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    small = params["experiments"].pop("small") | yaml.safe_load(stated)
    small["train"] |= {"learning_rate": 0.01, "precision": "32"}
    small["evaluate"] = {"draws": 200}
    params["experiments"] = {"small": small}
    return params


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Project:
    """A project with the examples, whose stages ran in one process."""
    home = tmp_path_factory.mktemp("plugins") / "project"
    home.mkdir()
    (home / "src").symlink_to(ROOT / "src")
    write_examples(home)
    project = Project(home)
    project.write(plugin_params())
    calls = [f"{stage} digits" for stage in ("demo", "preprocess", "split")] + ["train small", "evaluate small"]
    project.python("-c", STAGES, str(ROOT), *calls, SCANTUNE_MLFLOW="off")
    return project


def predictions(project: Project) -> tuple[list[str], list[float]]:
    """Files and predictions of three test samples."""
    with (project.home / "outputs/small/evaluate/predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"][:3]
    with (project.home / "data/demo/digits/cohort.csv").open() as file:
        files = {row["sample_id"]: row["file"] for row in csv.DictReader(file)}
    paths = [str(project.home / "data/demo/digits" / files[row["sample_id"]]) for row in rows]
    return paths, [float(row["prediction"]) for row in rows]


@pytest.fixture
def elsewhere(ran, tmp_path) -> Project:
    """A folder that has the model alone, and knows scantune."""
    shutil.copytree(ran.home / "outputs/small/train/model", tmp_path / "model")
    (tmp_path / "src").symlink_to(ROOT / "src")
    return Project(tmp_path)


@pytest.mark.slow
def test_the_metric_is_monitored_and_evaluated(ran):
    with (ran.home / "outputs/small/train/history.csv").open() as file:
        history = [float(row["val_within_one"]) for row in csv.DictReader(file)]
    summary = json.loads((ran.home / "outputs/small/train/summary.json").read_text())["members"][0]
    assert (summary["monitor"], summary["best_value"]) == ("val_within_one", max(history))
    metrics = json.loads((ran.home / "outputs/small/evaluate/metrics.json").read_text())
    result = metrics["metrics"]["within_one"]
    assert 0 <= result["lower"] <= result["value"] <= result["upper"] <= 1
    assert result["method"]
    assert "within_one" in metrics["baselines"]["mean"]
    assert "within_one" in json.loads((ran.home / "outputs/small/evaluate/summary.json").read_text())


@pytest.mark.slow
def test_predictions_are_counts(ran):
    _, counts = predictions(ran)
    assert all(-1 < count < 20 for count in counts)
    assert max(counts) > 2.5  # log(1 + 9) is 2.3


@pytest.mark.slow
def test_where_the_model_alone_is_its_code_runs_only_if_trusted(ran, elsewhere):
    files, expected = predictions(ran)
    command = ("-m", "scantune.cli", "predict", "model", *files, "--out", "answers.csv")
    refused = elsewhere.python(*command, check=False)
    assert "brings code of its own" in refused
    assert "--trust" in refused
    assert not (elsewhere.home / "answers.csv").exists()
    elsewhere.python(*command, "--trust")
    with (elsewhere.home / "answers.csv").open() as file:
        assert [float(row["prediction"]) for row in csv.DictReader(file)] == pytest.approx(expected, abs=1e-6)
    assert not list((elsewhere.home / "model").rglob("__pycache__"))


@pytest.mark.slow
def test_the_project_itself_needs_no_trust(ran):
    files, expected = predictions(ran)
    ran.python("-m", "scantune.cli", "predict", "outputs/small/train/model", *files)
    with (ran.home / "answers.csv").open() as file:
        assert [float(row["prediction"]) for row in csv.DictReader(file)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_whoever_serves_it_trusts_the_digest(ran, elsewhere):
    files, expected = predictions(ran)
    digest = json.loads((elsewhere.home / "model/model.json").read_text())["plugins"]["digest"]
    refused = elsewhere.python("-c", SERVED, "model", *files, check=False)
    assert f"SCANTUNE_TRUSTED_PLUGINS={digest}" in refused
    printed = elsewhere.python("-c", SERVED, "model", *files, SCANTUNE_TRUSTED_PLUGINS=digest)
    assert json.loads(printed.strip().splitlines()[-1]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_code_that_was_changed_is_not_run_though_trusted(ran, elsewhere):
    files, _ = predictions(ran)
    with (elsewhere.home / "model/plugins/two_layers.py").open("a") as file:
        file.write("\nprint('ran')\n")
    printed = elsewhere.python("-m", "scantune.cli", "predict", "model", *files, "--trust", check=False)
    assert "not what the model was written with" in printed
    assert "ran\n" not in printed


@pytest.mark.slow
def test_a_misspelt_name_of_a_plugin_is_told_without_torch(ran):
    code = (
        "import sys\nfrom scantune.config.edit import Change, edited\n"
        "from scantune.config.load import parse, read_text\n"
        "text = open('params.yaml').read()\n"
        "for change in sys.argv[1:]:\n"
        "    try: parse(read_text(edited(text, [Change.read(change)])))\n"
        "    except Exception as error: print(error)\n"
        "print('torch' in sys.modules)"
    )
    block = "experiments.small"
    changes = [f"{block}.train.loss.name=log_cosch", f"{block}.train.loss.scal=2", f"{block}.model.backbone=two_layer"]
    changes += [f"{block}.train.monitor=val_within_on", f"{block}.task.name=cout", f"{block}.task.targe=label"]
    completed = ran.run(sys.executable, "-c", code, *changes)
    for near in ("log_cosh", "scale", "two_layers", "val_within_one", "count", "target"):
        assert f"did you mean {near!r}?" in completed or f"did you mean {near}?" in completed, (near, completed)
    assert completed.strip().endswith("False")


def test_a_fault_in_a_plugin_is_named_with_its_line(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/mine.py").write_text("import math\nmath.floor('a')\n")
    done = subprocess.run(
        [sys.executable, "-c", "from scantune.plugins import load_plugins; load_plugins()"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert (
        "plugins/mine: cannot be imported (TypeError: must be real number, not str, line 2 of mine.py)" in done.stderr
    )


def test_compiled_code_beside_the_sources_is_not_run(tmp_path):
    """It has no digest."""
    import importlib.util
    import py_compile

    folder = tmp_path / "plugins"
    folder.mkdir()
    source = folder / "mine.py"
    source.write_text("print('bad!!')\n")
    stat = source.stat()
    py_compile.compile(str(source), importlib.util.cache_from_source(str(source)))
    source.write_text("print('good!')\n")
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = subprocess.run(
        [sys.executable, "-c", "from scantune.plugins import load_plugins; load_plugins()"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "good!\n", done.stderr
