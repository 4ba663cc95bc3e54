"""``scantune seeds``: several trainings of one experiment, beside the project."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scantune.cli import app
from scantune.config.load import parse
from scantune.pipeline.trials import kept, seeds
from scantune.records import ScantuneError
from tests.stages.conftest import ROOT, digits_params, experiment, run_stages

TASK = ["--task", "classification"]


def params() -> dict:
    made = digits_params(n=120)
    block = experiment("small_cnn", epochs=1, batch_size=16, seed=7)
    block |= {"evaluate": {"draws": 200, "saliency": False}}
    made["experiments"] = {"small": block}
    made["derived"] = {"tuned": block | {"from": "small", "use": "weights"}}
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A project that has prepared its data and trained one experiment."""
    home = tmp_path_factory.mktemp("seeds")
    for folder in ("src", "stages"):
        (home / folder).symlink_to(ROOT / folder)
    (home / "dvc.yaml").write_text("stages: {}\n")
    (home / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    run_stages(home, "demo digits", "preprocess digits", "split digits", "train small")
    return home


def digest(folder: Path) -> str:
    """Of every file's name and content, but for the projects' caches of their own."""
    result = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if (
            path.is_file()
            and "src" not in path.parts
            and "stages" not in path.parts
            and "__pycache__" not in path.parts
        ):
            result.update(str(path).encode() + path.read_bytes())
    return result.hexdigest()


@pytest.mark.slow
def test_an_experiment_and_one_that_starts_from_it_by_seed_and_the_project_stays_as_it_was(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home)
    # In this process, where Python and its libraries are loaded once; the test of a failing stage starts a real one.
    monkeypatch.setattr(seeds, "_call", lambda stage, key, seed, home: run_stages(home, f"{stage} {key}"))
    before = digest(home)
    out = tmp_path / "table.md"
    folder = tmp_path / "kept"
    command = ["seeds", "tuned", "small", "--seeds", "2", "--precision", "32", "--keep", str(folder)]
    done = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert done.exception is None, done.output
    assert digest(home) == before, "params.yaml, outputs and the state of trainings are the project's"
    assert not (home / "mlflow.db").exists()
    lines = out.read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| small", "| tuned"]
    assert "Accuracy" in lines[2]
    assert " to " in lines[2]
    assert "| 7, 8 |" in lines[2]
    assert "| random weights |" in lines[2]
    assert "| small of the same round |" in lines[3]
    assert "cpu, float32" in lines[-1]
    assert "PyTorch" in lines[-1]
    assert sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("predictions.csv")) == [
        f"{key}/seed_{seed}" for key in ("small", "tuned") for seed in (7, 8)
    ]

    resumed = tmp_path / "resumed.md"
    with monkeypatch.context() as untrained:
        untrained.setattr(seeds, "_call", lambda *_: pytest.fail("trained again"))
        again = CliRunner().invoke(app, [*command, "--out", str(resumed)])
        assert again.exception is None, again.output
        assert resumed.read_text() == out.read_text()
        changed = params()
        changed["experiments"]["small"]["train"]["learning_rate"] = 0.5
        with pytest.raises(ScantuneError, match=r"small/seed_7, .*not known to be trained with the present settings"):
            list(seeds.run_seeds(parse(changed), ["small"], 2, home, precision="32", keep=folder))
    compared = CliRunner().invoke(app, ["compare", *(str(folder / key) for key in ("small", "tuned")), *TASK])
    assert compared.exception is None, compared.output
    assert "means over 2 and 2 trainings" in compared.output


def test_a_round_trains_what_is_not_complete_and_the_model_that_it_starts_from():
    parents = {"small": "", "tuned": "small", "other": ""}
    complete = {key: seeds.SeedRun(key, 7, {}, 1, 1, 1.0, "cpu") for key in parents}
    assert not kept.to_train(parents, parents, complete) & set(parents)
    assert kept.to_train(parents, parents, complete | {"tuned": None}) & set(parents) == {"small", "tuned"}
    assert kept.to_train(parents, parents, complete | {"small": None}) & set(parents) == {"small"}


@pytest.mark.slow
def test_what_is_missing_is_named_before_anything_is_trained(home, tmp_path):
    settings = parse(params())
    with pytest.raises(ScantuneError, match=r"'nothing' is not in experiments or derived"):
        list(seeds.run_seeds(settings, ["nothing"], 2, home))
    bare = tmp_path / "bare"
    (bare / "data").mkdir(parents=True)
    with pytest.raises(ScantuneError, match=r"dvc repro preprocess@digits"):
        list(seeds.run_seeds(settings, ["small"], 2, bare))
    shutil.copytree(home / "data", bare / "data", dirs_exist_ok=True)
    with pytest.raises(ScantuneError, match=r"dvc repro train@small"):
        list(seeds.run_seeds(settings, ["tuned"], 2, bare))


@pytest.mark.slow
def test_a_stage_that_fails_is_named_with_its_seed_and_its_last_words(home):
    broken = params()
    broken["experiments"]["small"]["task"]["target"] = "lable"
    settings = parse(params())
    text = (home / "params.yaml").read_text()
    (home / "params.yaml").write_text(yaml.safe_dump(broken, sort_keys=False))
    try:
        with pytest.raises(ScantuneError, match=r"(?s)stages/train\.py small with seed 7 ended with 2:.*lable"):
            list(seeds.run_seeds(settings, ["small"], 2, home, say=lambda text: None))
    finally:
        (home / "params.yaml").write_text(text)


def test_mean_and_range_over_the_seeds_by_hand_and_an_undefined_metric_is_left_out():
    def run(seed: int, mae: float, r: float) -> seeds.SeedRun:
        return seeds.SeedRun("a", seed, {"mae": mae, "pearson_r": r}, 20, 10, 1.0, "cpu, float32")

    got = seeds.spread([run(1, 2.0, 0.5), run(2, 4.0, math.nan), run(3, 3.0, 0.6)])
    assert got == {"mae": (3.0, 2.0, 4.0)}


def test_several_members_of_a_training_take_several_seeds_each():
    made = params()
    made["experiments"]["small"]["train"]["members"] = 3
    assert seeds.seeds_of(parse(made), "small", 3) == [7, 10, 13]
    assert seeds.order(parse(made), ["tuned", "small"]) == ["small", "tuned"]
