"""Derived, external and averaged models, and looks at the test set: the stages' own functions, in this process."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from scantune.pipeline.evaluate import external
from scantune.pipeline.evaluate.across import difference
from scantune.pipeline.trials import search as searching
from scantune.records import ScantuneError
from scantune.registry.looks import LockedTestSet, look
from scantune.tasks.predictions_file import read
from scantune.tracking import Run
from tests.stages.conftest import ROOT, digits_params, grouped_params, run_stages


def weights(home: Path, name: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(home / "outputs" / name / "train" / "model" / "member_0" / "weights.safetensors")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


# --- derived


def test_no_output_is_an_empty_folder_of_which_dvc_would_warn(grouped):
    made = [folder for group in ("outputs", "ensembles") for folder in (grouped / group).glob("**/")]
    assert {folder.name for folder in made} >= {"masks", "saliency", "small_far"}
    assert not [folder for folder in made if not any(folder.iterdir())]
    why = json.loads((grouped / "outputs/external/small_far/masks/none.json").read_text())
    assert why == {"reason": "evaluate.write_masks is off"}


def test_one_that_starts_from_another_has_its_weights(grouped):
    start, tuned, other = (weights(grouped, name) for name in ("small", "tuned", "other"))
    trained = [name for name in start if "running" not in name and "num_batches" not in name]
    assert all(np.allclose(start[name], tuned[name], atol=1e-5) for name in trained)
    assert not all(np.allclose(start[name], other[name], atol=1e-5) for name in trained)


def test_a_student_learns_from_its_teacher(grouped):
    with (grouped / "outputs" / "student" / "train" / "history.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["train_distillation_loss"]) > 0
    with (grouped / "outputs" / "small" / "train" / "history.csv").open() as file:
        assert "train_distillation_loss" not in next(csv.DictReader(file))


# --- the distance from the training images


def test_the_distance_is_in_the_tables_the_metrics_and_the_report_and_stays_with_its_own_model(grouped):
    small, far = grouped / "outputs" / "small" / "evaluate", grouped / "outputs" / "external" / "small_far"
    for folder in (small, far):
        distances = np.array(read(folder / "predictions.csv").text("distance").tolist(), float)
        assert (distances >= 0).all()
        section = read_json(folder / "metrics.json")["distance"]
        assert 0 <= section["beyond"] <= 1
        assert "unlike the training images" in (folder / "report.html").read_text()
        assert "distance" not in read_json(folder / "metrics.json")["subgroups"]
    assert 0 <= read_json(far / "metrics.json")["distance"]["auroc"] <= 1
    assert "auroc" not in read_json(small / "metrics.json")["distance"]
    # one that starts from those weights has learned something else, and says nothing without the key
    assert not list((grouped / "outputs" / "tuned").rglob("reference.safetensors"))
    assert "distance" not in read(grouped / "outputs" / "other" / "evaluate" / "predictions.csv")


# --- cached samples


def test_a_flipped_bit_in_a_cached_sample_stops_training_and_every_evaluation(grouped, tmp_path, monkeypatch):
    for name in ("data", "outputs"):
        shutil.copytree(grouped / name, tmp_path / name)
    shutil.copy2(grouped / "params.yaml", tmp_path)
    tested = read(tmp_path / "outputs/small/evaluate/predictions.csv").columns["sample_id"][-1]
    with (tmp_path / "data/splits/digits/splits.csv").open() as file:
        trained = next(row["sample_id"] for row in csv.DictReader(file) if row["split"] == "train")
    for cache, name in (("digits", tested), ("digits", trained), ("far", None)):
        samples = tmp_path / "data/cache" / cache / "samples"
        path = samples / f"{name}.safetensors" if name else sorted(samples.iterdir())[0]
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.unlink()
        path.write_bytes(content)
    for call in ("train small", "evaluate small", "external small_far"):
        with pytest.raises(ScantuneError, match="1 prepared sample is damaged"):
            run_stages(tmp_path, call)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScantuneError, match=f"1 prepared sample is damaged: {trained}"):
        searching.run_search(searching.searched("small"), n_trials=1)


# --- external


def test_every_usable_sample_of_the_other_dataset_is_test_data(grouped):
    table = read(grouped / "outputs" / "external" / "small_far" / "predictions.csv")
    with (grouped / "data" / "cache" / "far" / "manifest.csv").open() as file:
        usable = [row["sample_id"] for row in csv.DictReader(file)]
    assert table.sample_id.tolist() == usable
    assert set(table.split) == {"test"}
    metrics = read_json(grouped / "outputs" / "external" / "small_far" / "metrics.json")
    assert metrics["n"] == len(usable)
    guess = np.stack([table.numbers(f"p/{k}", None) for k in range(3)], 1).argmax(1)
    accuracy = np.mean(guess == table.text("target").astype(int))
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_samples_of_the_other_dataset_that_trained_the_model_are_counted_and_told(grouped):
    cache, folder = grouped / "data" / "cache", grouped / "outputs" / "external" / "small_far"
    splits = read(grouped / "data" / "splits" / "digits" / "splits.csv")
    side = dict(zip(splits.sample_id, splits.split))
    home, far = (read(cache / name / "manifest.csv") for name in ("digits", "far"))
    trained = {digest for one, digest in zip(home.sample_id, home.text("digest")) if side[one] == "train"}
    known = sum(digest in trained for digest in far.text("digest"))
    assert 0 < known < len(far), "both are drawn from the same digits"
    assert read_json(folder / "metrics.json")["external"]["trained_on"] == known
    assert f"{known} of these samples trained the model" in (folder / "report.html").read_text()


def test_the_drop_stands_in_metrics_table_and_figure(grouped):
    folder = grouped / "outputs" / "external" / "small_far"
    home = read_json(grouped / "outputs" / "small" / "evaluate" / "metrics.json")["metrics"]["accuracy"]
    away = read_json(folder / "metrics.json")["metrics"]["accuracy"]
    result = read_json(folder / "metrics.json")["external"]["accuracy"]["difference"]
    assert result["value"] == pytest.approx(away["value"] - home["value"])
    assert result["lower"] < result["value"] < result["upper"]
    for path in (folder / "table.csv", grouped / "external" / "small_far" / "table.csv"):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        assert [row["dataset"] for row in rows] == ["digits", "far"]
        assert rows[0]["accuracy_difference"] == ""
        assert float(rows[1]["accuracy_difference"]) == pytest.approx(result["value"])
    assert (folder / "figures" / "across_datasets.svg").exists()
    assert (grouped / "external" / "small_far" / "across_datasets.png").exists()


@pytest.mark.slow
def test_a_derived_model_is_validated_elsewhere_as_any_other(grouped, tmp_path):
    home = tmp_path / "project"
    shutil.copytree(grouped, home)
    params = grouped_params()
    params["external"] = {"tuned_far": {"experiment": "tuned", "dataset": "far", "input": "far"}}
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(home, "evaluate tuned", "external tuned_far", "across tuned_far")
    folder = home / "outputs" / "external" / "tuned_far"
    small = read(grouped / "outputs" / "external" / "small_far" / "predictions.csv")
    tuned = read(folder / "predictions.csv")
    assert tuned.sample_id.tolist() == small.sample_id.tolist()
    alike = np.corrcoef(tuned.numbers("p/0", None), small.numbers("p/0", None))[0, 1]
    assert alike > 0.8, "its rate is next to 0; the statistics of its batch norms moved for an epoch"
    assert "External testing (model tuned)" in (folder / "report.html").read_text()
    assert (home / "external" / "tuned_far" / "table.csv").exists()


@pytest.fixture(scope="module")
def joined(grouped, tmp_path_factory) -> Path:
    """The ensemble on the other dataset, through the stages."""
    home = tmp_path_factory.mktemp("joined") / "project"
    shutil.copytree(grouped, home)
    params = grouped_params()
    params["external_ensembles"] = {"both_far": {"ensemble": "both", "dataset": "far", "input": "far"}}
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(home, "external both_far", "across both_far")
    return home


@pytest.mark.slow
def test_an_ensemble_is_validated_elsewhere_and_answers_the_mean_of_its_members(joined):
    import torch

    from scantune.config.load import load
    from scantune.pipeline.data.sides import sides_of
    from scantune.pipeline.predictions import open_predictors, predictions_of
    from scantune.registry.model import read_facts

    folder, model = joined / "outputs" / "external" / "both_far", joined / "ensembles" / "both" / "train" / "model"
    table = read(folder / "predictions.csv")
    metrics = read_json(folder / "metrics.json")
    assert set(table.split) == {"test"}
    assert metrics["n"] == len(table)
    home = read_json(joined / "ensembles" / "both" / "evaluate" / "metrics.json")["metrics"]["accuracy"]["value"]
    section = metrics["external"]
    assert (section["experiment"], section["dataset"]) == ("both", "far")
    assert section["accuracy"]["difference"]["value"] == pytest.approx(metrics["metrics"]["accuracy"]["value"] - home)
    with (joined / "external" / "both_far" / "table.csv").open() as file:
        assert [row["dataset"] for row in csv.DictReader(file)] == ["digits", "far"]
    assert "External testing (model both)" in (folder / "report.html").read_text()
    params, facts = load(joined / "params.yaml"), read_facts(model)
    assert facts.members == 2
    with contextlib.chdir(joined), torch.random.fork_rng():
        predictors = open_predictors(params.experiments["small"].task, facts, model, "cpu")
        again = predictions_of(
            predictors, params.experiments["small"].task, sides_of(params, "far", None), batch_size=16
        )
    for k in range(3):
        np.testing.assert_allclose(table.numbers(f"p/{k}", None), again.numbers(f"p/{k}", None), atol=1e-6)


def test_an_ensemble_among_the_external_experiments_is_told_where_it_belongs():
    from scantune.config.load import parse

    params = grouped_params()
    block = params["external"].pop("small_far")
    params["external"]["both_far"] = block | {"experiment": "both"}
    words = r"external\.both_far\.experiment: 'both' is an ensemble; .*{both_far: {ensemble: both, dataset: far, inp"
    with pytest.raises(ScantuneError, match=words):
        parse(params)
    params["external"] = {"both_far": block}
    params["external_ensembles"] = {"both_far": {"ensemble": "both", "dataset": "far", "input": "far"}}
    with pytest.raises(ScantuneError, match=r"external_ensembles\.both_far: the name is also in external"):
        parse(params)
    params["external"] = {}
    assert parse(params).externals["both_far"].experiment == "both"
    params["external_ensembles"]["both_far"]["ensemble"] = "bot"
    with pytest.raises(ScantuneError, match=r"external_ensembles\.both_far\.ensemble: .*'bot' in ensembles.*'both'"):
        parse(params)


@pytest.mark.slow
def test_what_any_member_was_trained_on_counts_as_known(joined):
    """Both members share the training side of their dataset; samples that each of them knows are counted once."""
    one, both = (
        read_json(joined / "outputs" / "external" / name / "metrics.json")["external"]["trained_on"]
        for name in ("small_far", "both_far")
    )
    assert both == one > 0


def test_the_report_of_another_dataset_shows_the_drop_its_errors_and_maps(grouped):
    folder = grouped / "outputs" / "external" / "small_far"
    page = (folder / "report.html").read_text()
    assert "<h1>small on far</h1>" in page
    assert "External testing (model small)" in page
    assert '<th scope="col">Internal test set</th>' in page
    figures = read_json(folder / "metrics.json")
    assert figures["external"]["dataset"] == "far"
    wrong = len((folder / "errors.csv").read_text().splitlines()) - 1
    guessed = round((1 - figures["metrics"]["accuracy"]["value"]) * figures["n"])
    assert wrong == guessed
    assert (folder / "figures" / "participants.svg").exists()
    assert "Demo cohort: 1,797 handwritten digits" in page
    assert read_json(grouped / "outputs/small/train/model/model.json")["synthetic"] is False, "real handwriting"
    assert "checks" not in figures["saliency"], "the maps were tested at home"
    manifest = read(grouped / "data" / "cache" / "digits" / "manifest.csv")
    splits = read(grouped / "data" / "splits" / "digits" / "splits.csv")
    side = dict(zip(splits.sample_id, splits.split))
    shares = np.bincount(
        [int(t) for s, t in zip(manifest.sample_id, manifest.text("target/label")) if side[s] == "train"]
    )
    truth = read(folder / "predictions.csv").text("target").astype(int)
    prevalence = figures["baselines"]["prevalence"]["accuracy"]["value"]
    assert prevalence == pytest.approx((truth == shares.argmax()).mean()), "of the model's own training side"


def test_averaged_models_have_a_report_too(grouped):
    page = (grouped / "ensembles" / "both" / "evaluate" / "report.html").read_text()
    assert "the averaged predictions of small, other" in page
    assert "model weights of other" in page
    assert (grouped / "ensembles" / "both" / "evaluate" / "errors.csv").exists()
    assert "small, other" in (grouped / "ensembles" / "both" / "evaluate" / "model_card.md").read_text()


def test_the_interval_of_a_difference_is_recovered_from_both():
    # two independent normal means: ±1.96·√(s₁² + s₂²), which MOVER gives exactly for symmetric intervals
    home = {"value": 5.0, "lower": 5 - 3.0, "upper": 5 + 3.0, "reason": None}
    away = {"value": 4.0, "lower": 4 - 4.0, "upper": 4 + 4.0, "reason": None}
    result = difference(home, away)
    assert (result["value"], result["lower"], result["upper"]) == (-1.0, -6.0, 4.0)
    undefined = {"value": None, "lower": None, "upper": None, "reason": "one class"}
    assert difference(home, undefined)["reason"] == "one class"
    assert difference(home, undefined)["value"] is None
    bare = away | {"lower": None}
    assert difference(home, bare)["lower"] is None
    assert difference(home, bare)["reason"]


def test_a_dataset_prepared_in_another_way_is_refused(grouped):
    from scantune.config.load import parse
    from scantune.registry.model import read_facts

    params = grouped_params()
    params["inputs"]["far"]["shape"] = [20, 20]
    facts = read_facts(grouped / "outputs" / "small" / "train" / "model")
    external.check_inputs("small_far", parse(grouped_params()), facts)
    with pytest.raises(ScantuneError, match=r"shape is \[20, 20\], the model's \[16, 16\]"):
        external.check_inputs("small_far", parse(params), facts)


# --- ensembles


def test_an_ensemble_is_the_mean_probability_calibrated_on_the_joint_validation_side(grouped):
    import torch

    from scantune.engine.data import as_input, read_cached
    from scantune.registry.model import load_networks, read_facts

    model = grouped / "ensembles" / "both" / "train" / "model"
    facts = read_facts(model)
    assert facts.members == 2
    table = read(grouped / "ensembles" / "both" / "evaluate" / "predictions.csv")
    rows = [i for i, split in enumerate(table.split) if split == "test"][:5]
    cache = grouped / "data" / "cache" / "digits" / "samples"
    inputs = torch.stack([as_input(read_cached(cache / f"{table.sample_id[i]}.safetensors")["input"]) for i in rows])
    parts = []
    for name in ("small", "other"):
        folder = grouped / "outputs" / name / "train" / "model"
        (network,) = load_networks(folder, read_facts(folder))
        with torch.inference_mode():
            parts.append(network(inputs).double().softmax(1).numpy())
    logits = np.log(np.mean(parts, axis=0)) / facts.fitted["calibration"]["temperature"]
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for k in range(3):
        assert np.allclose(table.numbers(f"p/{k}", None)[rows], expected[:, k], atol=1e-5)
    assert "set" in table, "the conformal sets are those of the mean"
    metrics = read_json(grouped / "ensembles" / "both" / "evaluate" / "metrics.json")
    assert metrics["n"] == (table.split == "test").sum()
    assert metrics["baselines"]


def test_an_ensemble_states_whose_networks_it_has(grouped):
    from scantune.registry.model import read_facts, weights_digest

    facts = read_facts(grouped / "ensembles" / "both" / "train" / "model")
    for name in ("small", "other"):
        stated = facts.training["members"][name]
        assert stated == {"model": weights_digest(grouped / "outputs" / name / "train" / "model"), "networks": 1}


def test_the_maps_of_an_ensemble_are_the_means_of_its_members(grouped):
    section = read_json(grouped / "ensembles" / "both" / "evaluate" / "metrics.json")["saliency"]
    assert "reason" not in section
    assert list((grouped / "ensembles" / "both" / "evaluate" / "saliency").glob("*.png"))


@pytest.mark.slow
def test_an_ensemble_is_logged_with_its_test_metrics_and_registered(grouped, tmp_path):
    from scantune.tracking import client

    for name in ("data", "outputs", "ensembles"):
        shutil.copytree(grouped / name, tmp_path / name)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    params = grouped_params()
    params["ensembles"]["both"]["evaluate"] = {"draws": 200, "saliency": False}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_stages(tmp_path, "ensemble both", "evaluate both", "register both", mlflow="on")
    home = tmp_path / "ensembles" / "both"
    decision = read_json(home / "register" / "registration.json")
    assert (decision["name"], decision["version"]) == ("digits", "1")
    logged = read_json(home / "train" / "run.json")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        model = client().get_logged_model(logged["model_id"])
    metrics = {metric.key: metric.value for metric in model.metrics}
    stated = read_json(home / "evaluate" / "metrics.json")["metrics"]["accuracy"]["value"]
    assert metrics["test_accuracy"] == pytest.approx(stated)
    assert model.params["backbone"] == "mean of small, other"


def test_what_cannot_be_one_model_is_refused_with_the_reason():
    def told(change) -> str:
        params = grouped_params()
        change(params)
        with pytest.raises(ScantuneError) as caught:
            parse(params)
        return str(caught.value)

    from scantune.config.load import parse

    def other(params, **blocks):
        for block, keys in blocks.items():
            place = params["experiments"]["other"]
            place[block] = {**place[block], **keys} if isinstance(keys, dict) else keys

    def wide(params):
        params["inputs"]["wide"] = params["inputs"]["digits"] | {"shape": [32, 32]}
        other(params, input="wide")

    assert "'other' has the input 'wide', and ensembles.both.input is 'digits'" in told(wide)
    assert "train.miscoverage of 'other' is 0.2" in told(lambda p: other(p, train={"miscoverage": 0.2}))
    assert "'other' and 'small' differ in train.distance: abstain" in told(
        lambda p: other(p, train={"distance": "abstain"})
    )
    assert "differ in task" in told(lambda p: other(p, task={"ordinal": True}))
    assert "answer in different forms (bce, cross_entropy)" in told(lambda p: other(p, train={"loss": "bce"}))
    taken = {"small": grouped_params()["ensembles"]["both"]}
    entries = {f"x{i}": {"ensemble": "small", "member": name} for i, name in enumerate(("small", "other"))}
    assert "rename one" in told(lambda p: p.update(ensembles=taken, ensemble_members=entries))


def test_what_an_older_ensemble_lacks_is_told_with_the_lines_to_add():
    from scantune.config.load import parse

    params = grouped_params()
    del params["ensemble_members"]
    params["ensembles"] = {"both": {"members": ["small", "other"], "evaluate": {"draws": 200}}}
    with pytest.raises(ScantuneError) as caught:
        parse(params)
    assert "add dataset: digits, input: digits, register: {}" in str(caught.value)
    lines = "{both_small: {ensemble: both, member: small}, both_other: {ensemble: both, member: other}}"
    assert f"Add to params.yaml: ensemble_members: {lines}" in str(caught.value)
    params["ensembles"]["both"] |= {"dataset": "digits", "input": "digits", "register": {}}
    params["ensemble_members"] = yaml.safe_load(lines)
    parse(params)
    params["ensemble_members"]["more"] = {"ensemble": "both", "member": "tuned"}
    with pytest.raises(ScantuneError, match=r"ensemble_members\.more\.member: 'tuned' is not in ensembles"):
        parse(params)


def test_a_model_that_is_not_there_is_named_with_the_command(tmp_path, monkeypatch):
    from scantune.config.load import parse
    from scantune.pipeline.train.ensembles import members_of

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScantuneError, match="dvc repro ensemble-member@both_small"):
        members_of(parse(grouped_params()), "both")


# --- looks at the test set


def test_each_model_that_looks_is_counted_once(grouped):
    first = read_json(grouped / "outputs" / "small" / "evaluate" / "metrics.json")["test_set"]
    second = read_json(grouped / "outputs" / "other" / "evaluate" / "metrics.json")["test_set"]
    third = read_json(grouped / "ensembles" / "both" / "evaluate" / "metrics.json")["test_set"]
    away = read_json(grouped / "outputs" / "external" / "small_far" / "metrics.json")["test_set"]
    assert [m["look"] for m in (first, second, third, away)] == [1, 2, 3, 1]
    assert first["digest"] == second["digest"] == third["digest"] != away["digest"]


def test_judging_the_same_model_again_is_no_further_look_and_changes_nothing(grouped, tmp_path):
    home = tmp_path / "again"
    shutil.copytree(grouped, home)
    path = home / "outputs" / "small" / "evaluate" / "metrics.json"
    before = path.read_bytes()
    run_stages(home, "evaluate small")
    assert path.read_bytes() == before


def test_a_locked_test_set_is_looked_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    off = Run()
    assert look(off, test="t", model="m1", key="a", locked=True).look == 1
    assert look(off, test="t", model="m1", key="a", locked=True).look == 1
    with pytest.raises(LockedTestSet, match=r"evaluated before \(by a\)"):
        look(off, test="t", model="m2", key="b", locked=True)
    assert look(off, test="t", model="m2", key="b").look == 2, "the refused look was none"
    assert look(off, test="t", model="m1", key="a", locked=True).look == 1, "the first look stays the first"
    assert look(off, test="another", model="m2", key="b", locked=True).look == 1


def test_the_stage_refuses_before_it_predicts(grouped, tmp_path):
    home = tmp_path / "locked"
    shutil.copytree(grouped, home)
    params = yaml.safe_load((home / "params.yaml").read_text())
    params["experiments"]["other"]["evaluate"]["locked"] = True
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.rmtree(home / "outputs" / "other" / "evaluate")
    with pytest.raises(LockedTestSet):
        run_stages(home, "evaluate other")
    assert not (home / "outputs" / "other" / "evaluate" / "predictions.csv").exists()
    params["experiments"]["other"]["evaluate"] = {"saliency": {"layer": "layer9"}}
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ScantuneError, match=r"experiments\.other\.evaluate\.saliency\.layer: 'layer9' is not a layer"):
        run_stages(home, "evaluate other")
    assert not (home / "outputs" / "other" / "evaluate" / "predictions.csv").exists()


class Service:
    """As much of an MLflow client as looks need: runs with tags."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, str]] = {}

    def get_run(self, run_id):
        return SimpleNamespace(info=SimpleNamespace(experiment_id="1"))

    def search_runs(self, experiments, query, max_results):
        expected = query.split("'")[1]
        tagged = [tags for tags in self.runs.values() if tags.get("scantune.test_digest") == expected]
        return [SimpleNamespace(data=SimpleNamespace(tags=tags)) for tags in tagged]

    def log_batch(self, run_id, tags=(), metrics=()):
        self.runs.setdefault(run_id, {"scantune.key": run_id}).update({tag.key: tag.value for tag in tags})


def test_looks_of_colleagues_on_the_same_server_count(tmp_path, monkeypatch):
    server = Service()
    for number, place in enumerate(("mine", "theirs"), start=1):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        assert look(Run(server, place), test="t", model=f"model of {place}", key=place).look == number
    with pytest.raises(LockedTestSet, match=r"by mine, theirs"):
        look(Run(server, "third"), test="t", model="third", key="third", locked=True)


# --- DVC


def stages_of(folder: Path, params: dict) -> set[str]:
    for file in ("dvc.yaml", ".dvcignore"):
        shutil.copy2(ROOT / file, folder / file)
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    command = [sys.executable, "-m", "dvc", "stage", "list", "--names-only"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.slow
def test_dvc_takes_empty_groups_and_full_ones(tmp_path):
    plain = stages_of(tmp_path, digits_params())
    assert "register@small" in plain
    assert not any("derived" in name or "external" in name or "ensemble" in name for name in plain)
    full = stages_of(tmp_path, grouped_params())
    both = {f"{stage}-derived@{name}" for stage in ("train", "evaluate", "register") for name in ("tuned", "student")}
    joined = {f"ensemble-member@both_{name}" for name in ("small", "other")}
    joined |= {"ensemble@both", "evaluate-ensemble@both", "register-ensemble@both"}
    assert both | joined | {"external@small_far", "across@small_far"} <= full


@pytest.mark.heavy
def test_dvc_runs_all_groups_and_then_nothing(tmp_path):
    from tests.stages.conftest import make_project

    project = make_project(tmp_path / "project", grouped_params())
    project.dvc("repro", SCANTUNE_MLFLOW="off")
    assert (project.home / "ensembles" / "both" / "evaluate" / "metrics.json").exists()
    assert (project.home / "external" / "small_far" / "table.csv").exists()
    assert (project.home / "outputs" / "tuned" / "register" / "registration.json").exists()
    assert "Running stage" not in project.dvc("repro", SCANTUNE_MLFLOW="off")
    params = project.params()
    params["derived"]["tuned"]["train"]["seed"] = 8
    project.write(params)
    text = project.dvc("repro", SCANTUNE_MLFLOW="off")
    assert "Running stage 'train-derived@tuned'" in text
    assert "Running stage 'train@small'" not in text
    assert "Running stage 'evaluate-ensemble@both'" not in text, "its members did not change"
