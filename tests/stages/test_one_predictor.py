"""What is evaluated is what is served: predictions.csv, ``scantune predict`` and the MLflow model say the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from scantune.config.load import parse
from scantune.pipeline.answers import Answers
from scantune.pipeline.data.targets import read_for_tasks
from scantune.pipeline.maps.request import input_of, path_of
from scantune.pipeline.predictions import open_predictors, predictions_of
from scantune.pipeline.train import calibration
from scantune.pipeline.train import stage as recipe
from scantune.pipeline.train.covariates import add_covariates
from scantune.pipeline.train.network import build_network
from scantune.pipeline.train.networks import members_of
from scantune.prediction import TensorPredictor
from scantune.records import ScantuneError
from scantune.registry.model import read_facts, save_model
from scantune.registry.predictor import Predictor, Reading
from scantune.statistics.components import smaller
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.predictions_file import read
from tests.stages.conftest import ensemble
from tests.stages.systems import SAME_COHORT, SYSTEMS, params_of, prepare

MODES: dict[str, dict[str, Any]] = {
    "one": {},
    "members": {"members": 3},
    "folds": {"folds": 2},
    "copies": {"test_time_augmentation": 2},
    "members and copies": {"members": 2, "test_time_augmentation": 3},
}
CASES = [(system, mode) for system in ("loes", "loes_age", "csi", "echo", "angio") for mode in MODES]
FOLDS = {"split": {"method": "random", "fractions": [0.6, 0.2, 0.2], "seed": 1, "folds": 2}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The prepared folder of a system, made when it is first asked for."""
    folders: dict[str, Path] = {}

    def of(system: str) -> Path:
        system = SAME_COHORT.get(system, system)
        if system not in folders:
            folders[system] = tmp_path_factory.mktemp(system)
            prepare(folders[system], system)
        return folders[system]

    return of


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    monkeypatch.setenv("SCANTUNE_ISOLATION", "off")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loud(network: torch.nn.Module) -> torch.nn.Module:
    """Answers far apart, so that it matters where they are averaged; batch norm as after some training."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (torch.nn.modules.batchnorm._BatchNorm, torch.nn.InstanceNorm2d)):
                continue
            for parameter in module.parameters(recurse=False):
                parameter.mul_(1.6)
    return network.eval()


def missing_some(system: str) -> dict[str, Any]:
    """The miscoverage for so few subjects, who have no interval or set that misses fewer; none of masks."""
    return {} if system == "angio" else {"miscoverage": 0.45}


def model_of(system: str, settings: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Plan, facts and networks of random weights, calibrated by what the train stage calls."""
    from stages import split

    settings = missing_some(system) | settings
    blocks = {"dataset": FOLDS if "folds" in settings else {}}
    blocks |= {name: settings.pop(name, {}) for name in ("model", "task")}
    params = parse(params_of(system, settings, **blocks))
    Path("params.yaml").write_text(yaml_of(system, settings))
    split.run(SAME_COHORT.get(system, system))
    return model_facts_of(params, settings.get("folds") or settings.get("members", 1))


def model_facts_of(params: Any, count: int) -> tuple[Any, Any, list[Any]]:
    """The same of settings whose sides are made: experiment ``x`` with so many networks."""
    plan = recipe.plan_of(params, "x")
    networks = [
        loud(build_network(plan.task, plan.block.model, plan.input.modality, plan.shape, seed)) for seed in range(count)
    ]
    for seed, (network, member) in enumerate(zip(networks, members_of(plan)) if plan.covariates else ()):
        add_covariates(plan, network, member.train, seed)
        for parameter in (*network.fusion.parameters(), *network.head.parameters()):
            torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(seed))
        network.eval()
    unseen: list[Any] = [(networks, plan.sides.side("validation"))]
    if plan.block.train.folds:
        unseen = [([networks[fold]], plan.sides.fold(fold)[1]) for fold in plan.sides.folds]
    fit, figures = calibration.fit(plan, unseen)
    trained = type("Trained", (), {"networks": networks, "fitted": fit, "validation": figures})
    return plan, recipe.model_facts(plan, trained), networks  # type: ignore[arg-type]


def yaml_of(system: str, settings: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(params_of(system, settings, **({"dataset": FOLDS} if "folds" in settings else {})))


def files_of(plan: Any, system: str) -> dict[str, Path]:
    """Sample to its file."""
    params = parse(params_of(system))
    records = read_for_tasks(params, plan.block.dataset, Path()).records
    return {record.sample_id: Path(record.files[0]) for record in records}


def agree(table: PredictionTable, other: PredictionTable, columns: list[str]) -> None:
    for name in columns:
        one, two = table.text(name).tolist(), other.text(name).tolist()
        if name == "set" or name.startswith("set/"):
            assert one == two, name
        else:
            np.testing.assert_allclose(np.array(one, float), np.array(two, float), atol=1e-6, err_msg=name)


#: Of two systems every mode, of the loops one network and several of which copies are averaged too.
QUICK = [
    case
    for case in CASES
    if case[0] in ("loes", "angio") or (case[0] == "echo" and case[1] in ("one", "members and copies"))
]


@pytest.mark.parametrize(
    ("system", "mode"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_predictions_csv_predict_and_the_mlflow_model_say_the_same(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, mode: str
) -> None:
    monkeypatch.chdir(home(system))
    plan, facts, networks = model_of(system, MODES[mode])
    if plan.block.task.mask_classes:
        facts = cleaning(facts)
    folder = tmp_path / "model"
    save_model(folder, facts, networks)
    columns = same_everywhere(plan, facts, folder, tmp_path, system)
    if mode != "one" and "loes" in system:
        ends = [f"/{name}" for name in plan.task.labels] or [""]
        assert {f"{kind}{end}" for kind in ("prediction_sd", "lower", "upper") for end in ends} <= columns


def cleaning(facts: Any, chosen: bool = True) -> Any:
    """Facts of a model whose masks are their largest component, as the validation side of so few may not choose."""
    choices = facts.fitted["largest_component"]
    assert all(entry["dice_all"] is not None for entry in choices.values())
    return replace(facts, fitted=facts.fitted | {"largest_component": {key: {"chosen": chosen} for key in choices}})


@pytest.mark.slow
def test_so_are_masks_without_components_below_a_size(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home("angio"))
    sizes = {}
    for least in (None, 200.0):  # mm²: about twenty pixels
        plan, facts, networks = model_of("angio", {"members": 2, "task": {"min_component": least}})
        half_marked(networks, plan)
        facts, folder, out = cleaning(facts, chosen=False), tmp_path / f"model_{least}", tmp_path / str(least)
        save_model(folder, facts, networks)
        out.mkdir()
        same_everywhere(plan, facts, folder, out, "angio")
        sizes[least] = read(out / "predictions.csv").numbers("volume_prediction", None)
        for answer in Predictor.load(folder, reading=Reading(isolated=False)).predict(files_of(plan, "angio").values()):
            pixel = answer.values["volume_prediction"] / max(1, np.count_nonzero(answer.mask))
            assert least is None or not pixel or not smaller(answer.mask > 0, least / pixel).any()
    assert (sizes[200.0] < sizes[None]).any()
    assert (sizes[200.0] > 0).any()


def half_marked(networks: list[Any], plan: Any) -> None:
    """Shift the logits of random networks until each marks half of a sample: it then has components of all sizes."""
    x = input_of(path_of(plan.sides, plan.sides.members[0]))[None]
    for network in networks:
        last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
        with torch.no_grad():
            last.bias -= network(x).median()


@pytest.mark.parametrize(
    ("system", "mode"), [("echo", "members"), pytest.param("csi", "folds", marks=pytest.mark.slow)]
)
def test_so_is_the_distance_from_the_training_images(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, mode: str
) -> None:
    from scantune.pipeline.train import distance

    monkeypatch.chdir(home(system))
    plan, facts, networks = model_of(system, MODES[mode] | {"distance": True})
    for network, member in zip(networks, members_of(plan), strict=True):
        network.reference = distance.fit(plan, network, member.train, member.unseen, torch.device("cpu"))
    save_model(tmp_path / "model", facts, networks)
    assert "distance" in same_everywhere(plan, facts, tmp_path / "model", tmp_path, system)
    table = read(tmp_path / "predictions.csv")
    distances = np.array(table.text("distance").tolist(), float)
    assert (distances > 0).all()
    assert np.median(distances[table.split == "validation"]) <= 1.3
    save_model(tmp_path / "abstains", replace(facts, abstain=True), networks)
    predictors = open_predictors(plan.block.task, read_facts(tmp_path / "abstains"), tmp_path / "abstains", "cpu")
    again = predictions_of(predictors, plan.block.task, plan.sides)
    np.testing.assert_array_equal(again.text("answered") == "no", distances > 1)
    tested = np.flatnonzero(again.split == "test")
    files = [str(files_of(plan, system)[again.sample_id[row]]) for row in tested]
    served = Predictor.load(tmp_path / "abstains", reading=Reading(isolated=False)).predict(files)
    for answer, row in zip(served, tested, strict=True):
        assert answer.reason.startswith("not answered: unlike the training images") is bool(distances[row] > 1)
        assert set(answer.values) == {"distance", "answered"} or distances[row] <= 1
        assert answer.prepared is not None
    (tmp_path / "model" / "member_0" / "reference.safetensors").write_bytes(b"another")
    with pytest.raises(ScantuneError, match="damaged"):
        Predictor.load(tmp_path / "model", reading=Reading(isolated=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "model"),
    [
        *((system, {}) for system in ("loes", "csi", "echo", "angio")),
        ("csi", {"covariates": {"columns": ["age", "sex"], "fusion": "film"}}),
        ("echo", {"covariates": ["age", "sex"]}),
    ],
)
def test_so_it_is_of_an_ensemble_whose_spread_is_that_of_its_members(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, model: dict[str, Any]
) -> None:
    from scantune.pipeline.train import ensembles

    monkeypatch.chdir(home(system))
    settings = missing_some(system) | {"test_time_augmentation": 1}
    model = SYSTEMS[system].model | model
    _, facts, networks = model_of(system, settings | {"members": 3, "model": model})
    models = {"x": (tmp_path / "x", networks[:1]), "y": (tmp_path / "y", networks[1:])}
    for name, (place, own) in models.items():
        save_model(place, replace(facts, name=name, members=len(own), fitted={}), own)
    params = params_of(system, settings, model=model)
    key = params["experiments"]["x"]["dataset"]
    params["experiments"]["y"] = params["experiments"]["x"]
    params["ensembles"] = {"both": ensemble(key, ["x", "y"], params["experiments"]["x"]["evaluate"])}
    params["ensemble_members"] = {name: {"ensemble": "both", "member": name} for name in models}
    folders = {name: place for name, (place, _) in models.items()}
    joined = ensembles.plan_of(parse(params), "both", folders)
    both, trained = ensembles.join(joined, folders)
    assert both.members == 3
    assert both.fitted == facts.fitted, "fitted as one model of the same networks is"
    save_model(tmp_path / "model", both, trained.networks)
    columns = same_everywhere(joined, both, tmp_path / "model", tmp_path, system)
    assert "prediction_sd" in columns or system != "loes"
    assert (joined.covariates is not None) == ("covariates" in model)


def same_everywhere(plan: Any, facts: Any, folder: Path, tmp_path: Path, system: str) -> set[str]:
    """The columns that predictions.csv, ``scantune predict`` and the MLflow model were found to agree in."""
    answers = Answers()
    predictors = open_predictors(plan.block.task, facts, folder, "cpu")
    write(predictions_of(predictors, plan.block.task, plan.sides, answers=answers), tmp_path / "predictions.csv")
    table = read(tmp_path / "predictions.csv")
    table = table.take(table.split == "test")
    files = [files_of(plan, system)[sample] for sample in table.sample_id]

    from scantune.commands.predicting import predict

    # one file at a time and in another order: what is said of a file depends on nothing beside it
    beside = cells_of(plan, table)
    listed: dict[str, Any] = {"files": files[::-1]}
    if beside:
        rows = pd.DataFrame({"path": [f.absolute() for f in files[::-1]]} | {n: c[::-1] for n, c in beside.items()})
        rows.to_csv(tmp_path / "table.csv", index=False)
        listed = {"table": tmp_path / "table.csv"}
    predict(str(folder), **listed, out=tmp_path / "answers.csv", batch_size=3)
    answered = read(tmp_path / "answers.csv").take(np.arange(len(files))[::-1])
    assert not any(answered.text("reason"))
    columns = [name for name in answered.columns if name not in ("file", "reason", "note")]
    assert "set" in columns or system != "echo"
    agree(table, answered, columns)

    served = loaded(tmp_path, folder, plan, facts).predict(pd.DataFrame({"path": [str(f) for f in files], **beside}))
    agree(table, PredictionTable.make({name: list(served[name]) for name in columns}), columns)

    if plan.block.task.mask_classes:
        served_answers = Predictor.load(folder, reading=Reading(isolated=False)).predict(files, 3)
        for sample, answer in zip(table.sample_id, served_answers, strict=True):
            np.testing.assert_array_equal(answer.prepared_mask, answers.mask(sample))
            assert components(answer.mask) <= 1 or not cleaned(facts)
    return set(columns)


def cleaned(facts: Any) -> bool:
    return all(entry["chosen"] for entry in facts.fitted["largest_component"].values())


def components(mask: np.ndarray) -> int:
    from scipy import ndimage

    return int(ndimage.label(mask, np.ones((3,) * mask.ndim))[1])


def cells_of(plan: Any, table: PredictionTable) -> dict[str, list[str]]:
    """Cells of the covariates of each row, as in the cohort."""
    members = {member.sample_id: member for member in plan.sides.members}
    names = plan.covariates.names if plan.covariates else ()
    return {name: [members[sample].groups[name] for sample in table.sample_id] for name in names}


COVARIATES = [
    pytest.param("csi", "folds", {"covariates": {"columns": ["age", "sex"], "fusion": "film"}}, marks=pytest.mark.slow),
    pytest.param("echo", "members and copies", {"covariates": ["age", "sex"]}, marks=pytest.mark.slow),
    ("loes", "one", {"covariates": {"columns": {"age": "number", "scanner": "category"}}}),
]


@pytest.mark.parametrize(("system", "mode", "model"), COVARIATES)
def test_so_it_is_with_covariates_and_a_row_without_them_has_its_reason(
    home: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    mode: str,
    model: dict[str, Any],
) -> None:
    monkeypatch.chdir(home(system))
    model = SYSTEMS[system].model | model
    plan, facts, networks = model_of(system, MODES[mode] | {"model": model})
    folder = tmp_path / "model"
    save_model(folder, facts, networks)
    all_columns = same_everywhere(plan, facts, folder, tmp_path, system)
    columns = [name for name in all_columns if name.startswith(("p/", "prediction"))]
    table = read(tmp_path / "predictions.csv")
    table = table.take(table.split == "test")
    files = [str(files_of(plan, system)[sample]) for sample in table.sample_id]
    predictor = Predictor.load(folder, reading=Reading(isolated=False))
    names = plan.covariates.names
    cells = [dict(zip(names, row)) for row in zip(*cells_of(plan, table).values())]
    unknown = predictor.predict(files, covariates=[dict.fromkeys(names)] * len(files))
    known = predictor.predict(files, covariates=cells)
    changes = [abs(a.values[name] - b.values[name]) for a, b in zip(known, unknown) for name in columns]
    assert max(changes) > 1e-3, "they count"
    absent = predictor.predict(files[:2], covariates=[{names[0]: "40"}, cells[1]])
    assert names[1] in absent[0].reason
    assert not absent[1].reason
    served = loaded(tmp_path / "again", folder, plan, facts).predict(pd.DataFrame({"path": files, names[0]: "40"}))
    assert all(names[1] in reason for reason in served["reason"])


def loaded(home: Path, folder: Path, plan: Any, facts: Any) -> Any:
    """The model as MLflow opens it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own type hints
        import mlflow

        from scantune.registry.log import kinds
        from scantune.tracking.models import signature

        mlflow.pyfunc.save_model(
            home / "mlflow",
            loader_module="scantune.registry.pyfunc",
            data_path=str(folder),
            signature=signature(kinds(recipe.example_columns(plan, facts)), [c["name"] for c in facts.covariates]),
            pip_requirements=[],
        )
        return mlflow.pyfunc.load_model(str(home / "mlflow"))


def test_probabilities_are_averaged_and_not_logits() -> None:
    class Fixed(torch.nn.Module):
        def __init__(self, logits: list[float]) -> None:
            super().__init__()
            self.logits = torch.nn.Parameter(torch.tensor(logits))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.logits.expand(len(x), -1)

    from scantune.tasks.classification.task import ClassificationTask

    task = ClassificationTask("label", ("a", "b"))
    both = TensorPredictor([Fixed([4.0, 0.0]), Fixed([-1.0, 0.0])], task, {})
    columns = both.columns(both.output(torch.zeros(3, 1, 4, 4)))
    expected = (1 / (1 + np.exp(-4)) + 1 / (1 + np.exp(1))) / 2
    np.testing.assert_allclose(columns["p/a"], expected, atol=1e-6)  # .63; of the mean logits .82
    single = TensorPredictor([Fixed([4.0]), Fixed([-1.0])], ClassificationTask("label", ("b", "a"), sigmoid=True), {})
    np.testing.assert_allclose(single.columns(single.output(torch.zeros(3, 1, 4, 4)))["p/a"], expected, atol=1e-6)


@pytest.mark.parametrize("settings", [{"members": 3}, {"test_time_augmentation": 3}, {"precision": "bf16"}])
def test_calibration_is_fitted_on_what_is_served(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """The map applied is the best one of the mean of the networks and copies, in float32, and not of one network."""
    from scantune.statistics.calibration import fit_isotonic

    monkeypatch.chdir(home("echo"))
    plan, facts, networks = model_of("echo", settings | {"calibration": "isotonic"})
    save_model(tmp_path / "model", replace(facts, fitted={}), networks)
    opened = open_predictors(plan.block.task, read_facts(tmp_path / "model"), tmp_path / "model")
    table = predictions_of(opened, plan.block.task, plan.sides)
    table = table.take(table.split == "validation")
    classes = [c for c in table.columns if c.startswith("p/")]
    served = np.stack([table.numbers(c, None) for c in classes], axis=1)  # type: ignore[arg-type]
    best = fit_isotonic(served, np.array([classes.index(f"p/{t}") for t in table.text("target")]))
    for applied, expected in zip(facts.fitted["calibration"]["maps"], best["maps"], strict=True):
        np.testing.assert_allclose(applied["x"], expected["x"], atol=1e-6)
        np.testing.assert_allclose(applied["y"], expected["y"], atol=1e-6)


def test_folds_that_are_the_only_test_calibrate_each_other(
    home: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home("echo"))
    plan, facts, networks = model_of("echo", {"folds": 2})
    members = [replace(m, split="train", fold=m.fold if m.fold is not None else 0) for m in plan.sides.members]
    plan = replace(plan, sides=replace(plan.sides, members=tuple(members)))
    unseen = [([networks[fold]], plan.sides.fold(fold)[1]) for fold in (0, 1)]
    fit, _ = calibration.fit(plan, unseen)
    assert len(fit["out_of_fold"]) == 2
    assert fit["fitted_on"] == calibration.OTHER_FOLDS
    from scantune.pipeline.data.datasets import encode, samples

    other = plan.sides.fold(1)[1]
    answers = TensorPredictor([networks[1]], plan.task, {}).predict(samples(other, plan.task)).reduced
    alone = plan.task.fit(answers, encode(other, plan.task), other.subjects)
    assert fit["out_of_fold"][0]["calibration"] == alone["calibration"]
    save_model(tmp_path / "model", replace(facts, fitted=fit), networks)
    table = predictions_of(
        open_predictors(plan.block.task, read_facts(tmp_path / "model"), tmp_path / "model"),
        plan.block.task,
        plan.sides,
    )
    assert set(table.split) == {"test"}
    predictor = TensorPredictor([networks[0]], plan.task, fit["out_of_fold"][0])
    side = plan.sides.fold(0)[1]
    own = predictor.answers(samples(side, plan.task))
    rows = [table.sample_id.tolist().index(m.sample_id) for m in side]
    for name in (c for c in own if c.startswith("p/")):
        np.testing.assert_allclose(table.numbers(name, None)[rows], own[name], atol=1e-6)  # type: ignore[arg-type]


def test_experiments_with_and_without_folds_share_a_split(
    home: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from stages import split

    monkeypatch.chdir(home("csi"))
    params = params_of("csi", dataset=FOLDS)
    params["experiments"]["cv"] = {
        **params["experiments"]["x"],
        "train": {**params["experiments"]["x"]["train"], "folds": 2},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    split.run("csi")
    plain, folded = (recipe.plan_of(parse(params), name) for name in ("x", "cv"))
    (network,) = members_of(plain)
    assert list(network.validation) == list(plain.sides.side("validation"))
    assert plain.sides.folds == []
    assert len(list(members_of(folded))) == 2
    assert list(plain.sides.side("test")) == list(folded.sides.side("test"))
    both = {m.sample_id for side in ("train", "validation") for m in plain.sides.side(side)}
    assert {m.sample_id for m in folded.sides.side("train")} == both
    params["datasets"]["csi"]["split"] = FOLDS["split"] | {"fractions": [0.8, 0.2, 0.0]}
    with pytest.raises(ScantuneError, match=r"experiments\.x: datasets\.csi\.split has folds and no test side"):
        parse(params)


def test_no_sample_of_a_fold_chooses_its_checkpoint_where_folds_are_the_only_test(
    home: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home("csi"))
    plan, _, _ = model_of("csi", {"folds": 2})
    for member in members_of(plan):  # a test side beside the folds: what is held out is the validation side
        assert list(member.validation) == list(member.unseen)
    members = [replace(m, split="train", fold=m.fold if m.fold is not None else 0) for m in plan.sides.members]
    plan = replace(plan, sides=replace(plan.sides, members=tuple(members)))
    for member in members_of(plan):
        subjects = [set(side.subjects) for side in (member.train, member.validation, member.unseen)]
        assert all(subjects)
        assert not any(a & b for i, a in enumerate(subjects) for b in subjects[i + 1 :])
        assert len(set.union(*subjects)) == len({m.subject_id for m in members})


def test_calibration_can_have_subjects_of_its_own(home: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home("csi"))
    plan, facts, _ = model_of("csi", {"calibration_fraction": 0.5})
    (member,) = members_of(plan)
    assert facts.fitted["fitted_on"] == calibration.ON_ITS_PART
    assert set(member.validation.subjects) | set(member.unseen.subjects) == set(plan.sides.side("validation").subjects)
    assert not set(member.validation.subjects) & set(member.unseen.subjects)
    assert len(member.validation) > 0 < len(member.unseen)


def test_the_sample_systems_are_all_tasks() -> None:
    assert {SYSTEMS[system].task["name"] for system, _ in CASES} == {
        *("regression", "zones", "classification", "segmentation")
    }
