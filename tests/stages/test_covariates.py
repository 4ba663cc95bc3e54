"""Covariates beside images, from the table to the report: the target follows half from the image and half from age."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scantune.pipeline.predictions import open_predictors, predictions_of
from scantune.records import ScantuneError
from scantune.registry.model import read_facts
from scantune.tasks.predictions_file import read
from tests.stages.conftest import run_stages

pytestmark = pytest.mark.slow

N = 360


def cohort(folder: Path, n: int = N, seed: int = 5) -> None:
    """Pictures whose spot is bright by half of the risk; age is the other half, and unknown in every tenth row."""
    from scantune import io

    rng = np.random.default_rng(seed)
    rows = []
    folder.mkdir(parents=True)
    for i in range(n):
        spot, age = rng.normal(size=2)
        pixels = rng.integers(20, 60, (16, 16))
        pixels[5:11, 5:11] = np.clip(110 + 40 * spot, 0, 255)
        io.write_png(folder / f"{i}.png", pixels.astype(np.uint8))
        ill = spot + age + rng.normal(0, 0.3) > 0
        site = "ab"[int(rng.uniform() < (0.65 if ill else 0.35))]
        rows.append([f"{i}.png", f"p{i}", int(ill), "" if i % 10 == 0 else round(50 + 12 * age), "fm"[i % 2], site])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "patient", "ill", "age", "sex", "site"], *rows])


def params(**model: Any) -> dict[str, Any]:
    train = {"epochs": 16, "batch_size": 32, "learning_rate": 0.01, "precision": "32", "seed": 1}
    block = {
        "dataset": "films",
        "input": "films",
        "task": {"name": "classification", "target": "ill"},
        "model": {"backbone": "small_cnn", "covariates": {"columns": ["age", "sex"], **model}},
        "train": train,
        "evaluate": {"draws": 200, "saliency": {"samples": 1}},
        "register": {},
    }
    dataset = {
        "root": "films",
        "table": "table.csv",
        "files": "{file}",
        "subject": "patient",
        "targets": {"ill": "ill"},
        "groups": ["age", "sex", "site"],
        "split": {"method": "stratified", "on": "ill", "fractions": [0.5, 0.2, 0.3]},
    }
    far = {"root": "far", "split": {"method": "random", "fractions": [0.6, 0.2, 0.2]}}
    input_ = {"modality": "image", "shape": [16, 16], "workers": 1}
    return {
        "datasets": {"films": dataset, "far": dataset | far},
        "inputs": {"films": input_ | {"dataset": "films"}, "far": input_ | {"dataset": "far"}},
        "experiments": {"both": block},
        "derived": {"film": _film(block) | {"from": "both", "use": "teacher"}},
        "external": {"away": {"experiment": "both", "dataset": "far", "input": "far"}},
    }


def _film(block: dict[str, Any]) -> dict[str, Any]:
    """A student with the same columns, fused by FiLM."""
    covariates = {"columns": ["age", "sex"], "fusion": "film"}
    settings = block["train"] | {"distillation": {}, "epochs": 2, "distance": "abstain"}
    model, evaluate = block["model"] | {"covariates": covariates}, block["evaluate"] | {"saliency": False}
    return block | {"model": model, "train": settings, "evaluate": evaluate}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("covariates")
    cohort(home / "films")
    (home / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    run_stages(home, "preprocess films", "split films", "train both", "evaluate both")
    return home


@pytest.fixture(scope="module")
def related(home: Path) -> Path:
    """The same with a student, and with a second site."""
    cohort(home / "far", 60, seed=9)
    run_stages(home, "preprocess far", "train film", "evaluate film", "external away")
    return home


def metrics(home: Path, name: str = "outputs/both/evaluate") -> dict[str, Any]:
    return json.loads((home / name / "metrics.json").read_text())


def test_image_and_covariates_together_are_better_than_each_alone(home: Path) -> None:
    result = metrics(home)
    section = result["covariates"]
    both = result["metrics"]["auroc"]["value"]
    image, alone = (section[name]["auroc"] for name in ("image", "covariates"))
    assert both > 0.9
    assert 0.7 < image["value"] < both - 0.03
    assert 0.7 < alone["value"] < both - 0.03
    for entry in (image, alone):
        assert entry["difference"]["lower"] > 0
        assert entry["difference"]["method"].startswith("paired")
        assert entry["difference"]["value"] == pytest.approx(both - entry["value"], abs=1e-6)
    assert section["columns"] == ["age (number)", "sex (category: f, m)"]
    report = (home / "outputs/both/evaluate/report.html").read_text()
    assert "Image alone" in report
    assert "Covariates alone" in report
    assert "age (number)" in (home / "outputs/both/evaluate/model_card.md").read_text()


@pytest.mark.slow
def test_samples_unlike_the_training_images_are_not_answered_and_counted(related: Path) -> None:
    out = related / "outputs/film/evaluate"
    distance, table = metrics(related, "outputs/film/evaluate")["distance"], read(out / "predictions.csv")
    silent = int(((table.text("answered") == "no") & (table.split == "test")).sum())
    assert silent
    assert distance["answered"]["n"] == distance["n"] - silent == distance["answered"]["figures"]["auroc"]["n"]
    report = (out / "report.html").read_text()
    assert f"does not answer these {silent} samples" in report
    assert "Answered samples" in report


def test_age_of_another_subject_makes_the_predictions_worse(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from scantune.config.load import load
    from scantune.pipeline.data.sides import sides_of
    from scantune.statistics.discrimination import delong

    monkeypatch.chdir(home)
    settings = load()
    block = settings.experiments["both"]
    sides, model = sides_of(settings, "films", "films"), Path("outputs/both/train/model")
    predictors = open_predictors(block.task, read_facts(model), model, "cpu")
    members = list(sides.members)
    ages = np.random.default_rng(0).permutation([m.groups["age"] for m in members])
    moved = [replace(m, groups={**m.groups, "age": str(age)}) for m, age in zip(members, ages)]

    def auroc(table: Any) -> float:
        table = table.take(table.split == "test")
        return float(delong(table.numbers("p/1", None)[None], table.text("target") == "1").auc[0])

    right = predictions_of(predictors, block.task, sides)
    assert auroc(right) == pytest.approx(metrics(home)["metrics"]["auroc"]["value"], abs=1e-6)
    assert auroc(predictions_of(predictors, block.task, replace(sides, members=tuple(moved)))) < auroc(right) - 0.15


@pytest.mark.slow
def test_elsewhere_and_from_a_teacher_they_are_taken_too(related: Path) -> None:
    away = metrics(related, "outputs/external/away")
    assert away["metrics"]["auroc"]["value"] > 0.85
    assert away["covariates"]["image"]["auroc"]["value"] < away["metrics"]["auroc"]["value"]
    assert metrics(related, "outputs/film/evaluate")["metrics"]["auroc"]["value"] > 0.8
    assert (
        read_facts(related / "outputs/film/train/model").covariates
        == read_facts(related / "outputs/both/train/model").covariates
    )


@pytest.mark.slow
def test_the_network_is_shown_with_its_covariates(
    related: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from scantune.cli import app

    monkeypatch.chdir(related)
    for name in ("both", "film"):
        shown = CliRunner().invoke(app, ["show", name, "-n", "1", "--out", str(tmp_path)], catch_exceptions=False)
        assert "fusion" in shown.output


def test_a_table_of_files_is_predicted_and_maps_are_drawn(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pandas as pd
    from typer.testing import CliRunner

    from scantune.cli import app

    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    table = pd.read_csv("films/table.csv").rename(columns={"file": "path"}).head(4)
    table["sex"] = ["f", "x", None, "m"]
    table.to_csv("films/some.csv", index=False)
    command = ["predict", "outputs/both/train/model", "--out", str(tmp_path / "a.csv")]
    done = CliRunner().invoke(app, [*command, "--table", "films/some.csv", "--maps", str(tmp_path / "maps")])
    assert done.exit_code == 0, done.output
    assert "sex: 'x' (1) not among the levels of the training set, taken for unknown" in done.output
    assert not any(read(tmp_path / "a.csv").text("reason"))
    assert len(list((tmp_path / "maps").glob("*.png"))) == 4
    for arguments, message in (
        (["films/0.png"], "age, sex beside the image"),
        (["--table", "films/bare.csv"], "no column 'sex'"),
    ):
        table[["path", "age"]].to_csv("films/bare.csv", index=False)
        done = CliRunner().invoke(app, [*command, *arguments])
        assert isinstance(done.exception, ScantuneError) or done.exit_code
        assert message in f"{done.exception} {done.output}"


def test_the_table_of_the_training_is_predicted_as_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from scantune.cli import app

    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    answers = tmp_path / "a.csv"
    command = ["predict", str(home / "outputs/both/train/model"), "--out", str(answers)]
    done = CliRunner().invoke(app, [*command, "--table", str(home / "films/table.csv")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    evaluated, predicted = read(home / "outputs/both/evaluate/predictions.csv"), read(answers)
    assert len(predicted) == N
    rows = {sample_id: row for row, sample_id in enumerate(predicted.sample_id)}
    order = [rows[sample_id] for sample_id in evaluated.sample_id]
    served = predicted.numbers("p/1", None)[order]
    np.testing.assert_allclose(served, evaluated.numbers("p/1", None), atol=1e-6)


def test_each_check_of_the_maps_sees_a_sample_with_its_covariates(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from scantune.config.load import load
    from scantune.explain import sanity
    from scantune.pipeline.data.sides import sides_of
    from scantune.pipeline.maps.checks import checks_of
    from scantune.pipeline.maps.request import MapRequest
    from scantune.pipeline.predictions import task_of
    from scantune.registry.model import load_networks
    from scantune.tasks.errors import sample_errors

    monkeypatch.chdir(home)
    settings = load()
    block, sides, model = (
        settings.experiments["both"],
        sides_of(settings, "films", "films"),
        Path("outputs/both/train/model"),
    )
    facts = read_facts(model)
    assert not isinstance(block.evaluate.saliency, bool)
    request = MapRequest(
        load_networks(model, facts), facts, task_of(block.task, facts), block.evaluate.saliency, torch.device("cpu")
    )
    explained: dict[str, tuple[sanity.Question, float]] = {}
    mapper = sanity.mapper

    def noted(*options: Any) -> sanity.Mapper:
        def run(network: Any, question: sanity.Question) -> Any:
            made = mapper(*options)(network, question)
            explained.setdefault(question.sample_id, (question, made.output))  # the first is of the trained network
            return made

        return run

    monkeypatch.setattr(sanity, "mapper", noted)
    table = read(home / "outputs/both/evaluate/predictions.csv")
    members = {member.sample_id: member for member in sides.members}
    checks_of(request, sides, sample_errors(table.take(table.split == "test"), block.task), members)
    assert len(explained) == 12
    for sample, (question, output) in explained.items():
        predicted = request.network(members[sample])(question.input[None]).detach()
        assert output == pytest.approx(float(question.target(predicted)), abs=1e-5)


def test_the_page_on_covariates_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import re

    from scantune.config.load import parse
    from scantune.config.reading import read_text

    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    page = (Path(__file__).parents[2] / "docs" / "covariates.md").read_text(encoding="utf-8")
    (blocks,), (program,) = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("yaml", "python"))
    block = parse(read_text(blocks, "covariates.md")).experiments["chest"]
    assert block.model.covariates is not None
    assert (block.model.covariates.fusion, block.model.covariates.dropout) == ("concat", 0.2)
    exec(compile(program, "covariates.md", "exec"), {})
    assert len(yaml.safe_load(capsys.readouterr().out.splitlines()[-1])) == 2


def test_other_levels_than_those_of_the_model_it_starts_from_are_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scantune.config.load import parse
    from scantune.pipeline.train import stage as recipe
    from scantune.pipeline.train.covariates import refuse_others
    from scantune.registry.model import load_networks, read_facts

    monkeypatch.chdir(home)
    plan, model = recipe.plan_of(parse(params()), "film"), Path("outputs/both/train/model")
    assert plan.covariates is not None
    (network,) = load_networks(model, read_facts(model))
    refuse_others(plan, network, "both")
    fewer = replace(plan.covariates, columns=plan.covariates.columns[:1])
    with pytest.raises(ScantuneError, match=r"derived\.film\.model\.covariates: .*'both' has age \(number\)"):
        refuse_others(replace(plan, covariates=fewer), network, "both")


def test_a_column_that_determines_the_target_is_refused_before_anything_is_prepared(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scantune.config.load import parse
    from scantune.pipeline.data.targets import read_for_tasks

    monkeypatch.chdir(home)
    rows = (home / "films/table.csv").read_text().splitlines()
    marked = [f"{row},{'sick' if row.split(',')[2] == '1' else 'well'}" for row in rows[1:]]
    (home / "films/marked.csv").write_text("\n".join([f"{rows[0]},finding", *marked]) + "\n")
    settings = params(columns=["finding"])
    settings["derived"], settings["external"] = {}, {}
    settings["datasets"]["films"] |= {"table": "marked.csv", "groups": ["finding"]}
    with pytest.raises(ScantuneError, match="'finding' is the target 'ill' in bands"):
        read_for_tasks(parse(settings), "films", Path())


def test_an_external_dataset_stands_beside_the_training_cohort(related: Path) -> None:
    section = metrics(related, "outputs/external/away")["cohort"]
    assert set(section) == {"image_mean", "image_sd", "image_min", "image_max", "age", "sex", "site"}
    assert {name: entry["n"] for name, entry in section.items()} == dict.fromkeys(section, 60) | {"age": 54}
    assert 150 < section["age"]["n_reference"] < 180  # a tenth of the training side is unknown
    assert section["sex"]["now"] == {"f": 0.5, "m": 0.5}
    assert not any(entry["shifted"] for entry in section.values())  # of the same kind
    page = (related / "outputs/external/away/report.html").read_text()
    assert "Beside the training cohort" in page
    assert "image mean" in page
