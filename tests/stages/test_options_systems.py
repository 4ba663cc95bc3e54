"""Every option of a training does something on every system it is for: what it should change is changed.

A few on one system are quick; all on all systems are heavy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from scantune import losses
from scantune.config.augment import BY_MODALITY
from scantune.config.load import ConfigError, parse
from scantune.config.model import FREEZING_PRESETS
from scantune.losses import PRESETS
from scantune.records import ScantuneError
from scantune.tasks import catalogue
from tests.stages.systems import SAME_COHORT, SYSTEMS, params_of, prepare, train, weights

TASK = {name: system.task["name"] for name, system in SYSTEMS.items()}
MODALITY = {name: system.input["modality"] for name, system in SYSTEMS.items()}
DEFAULT = {"regression": "mse", "classification": "cross_entropy", "segmentation": "default"}

#: Each augmentation so that it does nothing, by key.
STILL = {
    "rotation": 0, "translation": 0, "zoom": 0, "brightness": 0, "contrast": 0, "noise": 0,
    "flip_left_right": 0, "flip_up_down": 0, "temporal_crop": 1, "temporal_mask": 0,
}  # fmt: skip
MOVED = {
    "rotation": 20, "translation": 0.2, "zoom": 0.3, "brightness": 0.5, "contrast": 0.5, "noise": 0.3,
    "flip_left_right": 1.0, "flip_up_down": 1.0, "temporal_crop": 0.5, "temporal_mask": 0.5,
    "randaugment": {"enabled": True}, "mixup": {"enabled": True, "prob": 1.0}, "cutmix": {"enabled": True, "prob": 1.0},
}  # fmt: skip
COMMON: dict[str, dict[str, Any]] = {
    "optimizer sgd": {"optimizer": "sgd", "clip_norm": 1.0},  # it leaves for infinity on scores of 0 to 34
    "optimizer adam": {"optimizer": "adam", "weight_decay": 0.1},
    "betas": {"optimizer": {"name": "adamw", "betas": [0.5, 0.9]}},
    "eps": {"optimizer": {"name": "adamw", "eps": 0.1}},
    "nesterov": {"optimizer": {"name": "sgd", "nesterov": True}, "clip_norm": 1.0},
    "momentum": {"optimizer": {"name": "sgd", "momentum": 0.1}, "clip_norm": 1.0},
    "learning rate": {"learning_rate": 0.02},
    "weight decay": {"weight_decay": 0.5},
    "warm-up": {"warmup_epochs": 1},
    "warm-up's first rate": {"warmup_epochs": 1, "warmup_lr": 0.005},
    "onecycle": {"scheduler": "onecycle"},
    "onecycle max_lr": {"scheduler": {"name": "onecycle", "max_lr": 0.03}},
    "onecycle cycle_momentum": {"scheduler": {"name": "onecycle", "cycle_momentum": False}},
    "cosine": {"scheduler": "cosine"},
    "cosine T_max": {"scheduler": {"name": "cosine", "T_max": 1}},
    "step": {"scheduler": {"name": "step", "step_size": 1}},
    "step gamma": {"scheduler": {"name": "step", "step_size": 1, "gamma": 0.5}},
    "restarts": {"scheduler": {"name": "cosine_restarts", "T_0": 2}},
    "plateau": {"scheduler": {"name": "plateau", "patience": 0, "threshold": 10.0}, "epochs": 3},
    "accumulation": {"grad_accumulation_steps": 2},
    "batch size": {"batch_size": 2},
    "clip norm": {"clip_norm": 0.01},
    "clip value": {"clip_value": 0.001},
    "seed": {"seed": 7},
    "bf16": {"precision": "bf16"},
    "freeze ratio": {"freezing": {"freeze_ratio": 0.5}},
    "freeze layers": {"freezing": {"freeze_layers": 1}},
    "unfrozen layers": {"freezing": {"num_unfrozen_layers": 1}},
    "unfreeze epochs": {"freezing": {"freeze_ratio": 0.7, "unfreeze_epochs": [1]}},
    "backbone factor": {"freezing": {"backbone_factor": 0.1}},
    "layer decay": {"freezing": {"layer_decay": 0.5}},
    **{f"freezing {name}": {"freezing": name} for name in FREEZING_PRESETS if name != "none"},
}
OF_TASK: dict[str, dict[str, dict[str, Any]]] = {
    "regression": {
        "huber delta": {"loss": {"name": "huber", "delta": 0.1}},
        "focal gamma": {"loss": {"name": "focal", "gamma": 1.0}},
        "quantile q": {"loss": {"name": "quantile", "q": 0.9}},
        "balanced sampler": {"sampler": "balanced"},
        "partners": {"partners": {"good_above": 0.4, "margin": 5.0}},
        "partners' noise": {"partners": {"good_above": 0.4, "margin": 5.0, "noise": 1.0}},
        "partners' blur": {"partners": {"good_above": 0.4, "margin": 5.0, "blur": 1}},
        "partners' contrast": {"partners": {"good_above": 0.4, "margin": 5.0, "contrast": 1.0}},
        "scanner consistency": {"scanner_consistency": {"weight": 10.0}},
    },
    "classification": {
        "label smoothing": {"label_smoothing": 0.2},
        "class weights": {"loss": "weighted_cross_entropy", "class_weights": [1, 5]},
        "focal gamma": {"loss": {"name": "focal", "gamma": 0.5}},
        "focal_bce alpha": {"loss": {"name": "focal_bce", "alpha": 0.9}},
        "bce pos_weight": {"loss": {"name": "bce", "pos_weight": 3.0}},
        "balanced sampler": {"sampler": "balanced"},
        "partners": {"partners": {}},
        "partners' margin": {"partners": {"margin": 20.0}},
        "partners' weight": {"partners": {"weight": 5.0}},
        "scanner consistency": {"scanner_consistency": {"weight": 10.0}},
    },
    "zones": {
        "label smoothing": {"label_smoothing": 0.2},
        "class weights": {"class_weights": "balanced"},
        "balanced sampler": {"sampler": "balanced"},
        "balanced sampler by a group": {"sampler": "balanced", "sampler_by": "sex"},
        "matched training set": {"match": "sex"},
        "scanner consistency": {"scanner_consistency": {"weight": 10.0}},
        "scanner consistency by another group": {"scanner_consistency": {"weight": 10.0, "group": "sex"}},
    },
    "segmentation": {
        "scanner consistency": {"scanner_consistency": {"weight": 100.0}},
        **{f"preset {name}": {"loss": name} for name in PRESETS if name != "default"},
        "smooth": {"loss": {"name": "default", "smooth": 100.0}},
        "squared": {"loss": {"name": "default", "squared_pred": True}},
        "parts": {"loss": {"name": "combined", "dice_weight": 0.2, "bce_weight": 0.8}},
        **{
            f"weights {name}": {"loss": {"name": "default", "schedule": schedule}, "epochs": 3}
            for name, schedule in {
                "cosine": "cosine",
                "step": {"name": "step", "milestones": [1, 2]},
                "adaptive": {"name": "adaptive", "strength": 2.0},
                "performance": {"name": "performance", "patience": 1, "min_delta": 1.0},
            }.items()
        },
    },
}


def options_of(system: str) -> dict[str, dict[str, Any]]:
    """Every option that changes what is learned, as keys of ``train``."""
    task = TASK[system]
    plain = DEFAULT.get(task, "weighted_cross_entropy")
    result = {
        f"loss {name}": {"loss": name}
        for name in losses.names(catalogue.part(task, "settings").Settings.loss_targets)
        if name != plain
    }
    if task == "segmentation":  # how often each class is in the masks is not counted: weights are given
        result["loss weighted_cross_entropy"]["class_weights"] = [1, 5]
    result |= {f"augment {key}": {"augment": augment(system, key)} for key in augmented(system)}
    of_task = OF_TASK[task]
    if "targets" in SYSTEMS[system].task:  # of several targets partners are refused
        of_task = {name: settings for name, settings in of_task.items() if "partners" not in settings}
    return result | COMMON | of_task


def augmented(system: str) -> list[str]:
    """Keys of the modality's augmentation that do something."""
    return [key for key in BY_MODALITY[MODALITY[system]].model_fields if key in MOVED]


def augment(system: str, key: str = "") -> dict[str, Any]:
    """Nothing but one augmentation, always."""
    known = BY_MODALITY[MODALITY[system]].model_fields
    still = {name: value for name, value in STILL.items() if name in known}
    return {"p": 1.0, **still, **({key: MOVED[key]} if key else {})}


QUICK = {"loss focal_cross_entropy", "freezing progressive", "augment rotation", "onecycle"}


def cases() -> Iterator[Any]:
    for system in SYSTEMS:
        for option in options_of(system):
            quick = system == "csi" and option in QUICK
            yield pytest.param(system, option, marks=() if quick else pytest.mark.heavy, id=f"{system}: {option}")


Runs = Callable[..., Any]


@pytest.fixture(scope="module")
def homes(tmp_path_factory) -> Callable[[str], Any]:
    """A folder in which a system's demo, preprocess and split ran, made when it is first asked for."""
    folders: dict[str, Any] = {}

    def home(system: str) -> Any:
        key = SAME_COHORT.get(system, system)
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp(key)
            prepare(folders[key], key)
        return folders[key]

    return home


@pytest.fixture(scope="module")
def trained_plainly(homes, tmp_path_factory) -> Callable[[str, int], np.ndarray]:
    """Weights of a system's plain training of so many epochs."""
    stored: dict[tuple[str, int], np.ndarray] = {}

    def plain(system: str, epochs: int = 2) -> np.ndarray:
        if (system, epochs) not in stored:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(homes(system))
                params = params_of(system, {"epochs": epochs})
                stored[system, epochs] = weights(train(params, tmp_path_factory.mktemp("plain"))[1])
        return stored[system, epochs]

    return plain


@pytest.fixture
def runs(homes, tmp_path, monkeypatch) -> Runs:
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")

    def one(system: str, settings: dict[str, Any], name: str = "a", **blocks: Any) -> Any:
        monkeypatch.chdir(homes(system))
        return train(params_of(system, settings, **blocks), tmp_path / name)

    return one


@pytest.mark.slow
@pytest.mark.parametrize(("system", "option"), cases())
def test_an_option_changes_what_is_learned(runs, trained_plainly, system, option):
    settings = options_of(system)[option]
    got = weights(runs(system, settings)[1])
    plain = trained_plainly(system, settings.get("epochs", 2))
    assert np.isfinite(got).all()
    assert got.shape != plain.shape or not np.array_equal(got, plain), f"{option} had no effect on {system}"


@pytest.mark.heavy
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_default_loss_and_an_augmentation_that_moves_nothing_change_nothing(runs, trained_plainly, system):
    name = {"zones": "weighted_cross_entropy"}.get(TASK[system], DEFAULT.get(TASK[system]))
    again = weights(runs(system, {"loss": name})[1])
    assert np.array_equal(again, trained_plainly(system))
    still = weights(runs(system, {"augment": augment(system)}, "b")[1])
    np.testing.assert_allclose(still, trained_plainly(system), rtol=1e-6, atol=1e-7)


@pytest.mark.heavy
def test_the_weight_of_ungradable_zones_counts(runs, trained_plainly):
    got = weights(runs("csi", {}, task={"unknown_weight": 1.0})[1])
    assert not np.array_equal(got, trained_plainly("csi"))


#: An option and one of its own keys: the key must matter beside the option alone.
DETAILS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("scheduler", {"name": "onecycle"}, {"pct_start": 0.6}),
    ("scheduler", {"name": "onecycle"}, {"div_factor": 5.0}),
    ("scheduler", {"name": "onecycle"}, {"final_div_factor": 2.0}),
    ("scheduler", {"name": "cosine"}, {"eta_min": 0.005}),
    ("scheduler", {"name": "cosine_restarts", "T_0": 1}, {"T_mult": 1}),
    ("scheduler", {"name": "cosine_restarts", "T_0": 3}, {"eta_min": 0.005}),
    ("scheduler", {"name": "plateau", "patience": 0, "threshold": 10.0}, {"factor": 0.9}),
    ("scheduler", {"name": "plateau", "patience": 0, "threshold": 10.0}, {"patience": 2}),
    ("scheduler", {"name": "plateau", "patience": 0, "threshold": 10.0}, {"threshold": 0.0}),
    ("scheduler", {"name": "plateau", "patience": 0, "threshold": 10.0}, {"cooldown": 3}),
    ("scheduler", {"name": "plateau", "patience": 0, "threshold": 10.0}, {"min_lr": 0.009}),
    ("augment", {"randaugment": {"enabled": True}}, {"randaugment": {"enabled": True, "num_ops": 1}}),
    ("augment", {"randaugment": {"enabled": True}}, {"randaugment": {"enabled": True, "magnitude": 2}}),
    ("augment", {"mixup": {"enabled": True}}, {"mixup": {"enabled": True, "alpha": 5.0}}),
    ("augment", {"mixup": {"enabled": True}}, {"mixup": {"enabled": True, "prob": 1.0}}),
    ("augment", {"cutmix": {"enabled": True}}, {"cutmix": {"enabled": True, "alpha": 5.0}}),
    ("augment", {"cutmix": {"enabled": True}}, {"cutmix": {"enabled": True, "prob": 1.0}}),
    ("augment", {"rotation": 20}, {"p": 1.0}),
    ("augment", {"rotation": 20}, {"enabled": False}),
    ("freezing", {"head_epochs": 1}, {"head_epochs": 2}),
    ("freezing", {"num_unfrozen_layers": 1, "progressive_every": 1}, {"progressive_every": 2}),
    ("freezing", {"low_learning_rate": 1e-3}, {"low_learning_rate": 1e-5}),
]


@pytest.mark.heavy
@pytest.mark.parametrize(("block", "option", "detail"), DETAILS, ids=[f"{b} {list(o)} {d}" for b, o, d in DETAILS])
def test_a_key_of_an_option_matters_beside_the_option(runs, block, option, detail):
    one = weights(runs("csi", {block: option, "epochs": 4})[1])
    other = weights(runs("csi", {block: {**option, **detail}, "epochs": 4}, "b")[1])
    assert not np.array_equal(one, other)


MODEL: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": 0.5},
    "first stride": {"first_stride": 2},
    "normalization": {"normalization": {"mean": [0.3], "std": [0.2]}},
    "options": {"options": {"widths": [8, 16]}},
    "backbone": {"backbone": "custom_1"},
    "covariates": {"covariates": {"columns": {"age": "number"}, "fusion": "film"}},
}


@pytest.mark.heavy
@pytest.mark.parametrize("option", MODEL)
@pytest.mark.parametrize("system", ["loes", "csi", "echo"])
def test_a_key_of_the_network_changes_what_is_learned(runs, trained_plainly, system, option):
    got = weights(runs(system, {}, model=MODEL[option])[1])
    plain = trained_plainly(system)
    assert np.isfinite(got).all()
    assert got.shape != plain.shape or not np.array_equal(got, plain)


@pytest.mark.heavy
def test_errors_are_followed_by_range_of_the_score(runs, tmp_path):
    runs("loes", {"monitoring": {"error_ranges": [5, 15]}})
    header = (tmp_path / "a" / "out" / "history.csv").read_text().splitlines()[0]
    assert {"val_mae_below_5", "val_mae_5_to_15", "val_mae_from_15"} <= set(header.split(","))


@pytest.mark.heavy
@pytest.mark.parametrize("system", ["loes", "csi", "echo", "echo_score"])
def test_augmented_copies_change_the_prediction_and_only_it(runs, tmp_path, system):
    from scantune.pipeline.predictions import open_predictors, predictions_of
    from scantune.pipeline.train import stage as recipe
    from scantune.registry.model import save_model

    def answers(copies: int) -> tuple[np.ndarray, np.ndarray]:
        settings = {"test_time_augmentation": copies, "learning_rate": 0.001}  # answers within a score's range
        plan, trained = runs(system, settings, f"tta{copies}")
        facts, folder = recipe.model_facts(plan, trained), tmp_path / f"model{copies}"
        save_model(folder, facts, trained.networks)
        table = predictions_of(open_predictors(plan.block.task, facts, folder, "cpu"), plan.block.task, plan.sides)
        columns = [name for name in table.columns if name == "prediction" or name.startswith("p/")]
        return weights(trained), np.stack([table.numbers(name, None) for name in columns])

    (own, plain), (same, several) = answers(0), answers(3)
    assert np.array_equal(own, same)
    assert np.isfinite(several).all()
    assert not np.allclose(plain, several)


@pytest.mark.parametrize(
    ("system", "settings", "why"),
    [
        ("angio", {"sampler": "balanced"}, "train.sampler: balanced requires one target"),
        ("angio", {"partners": {}}, "train.partners: needs one target"),
        ("csi", {"partners": {}}, "train.partners: needs one target"),
        ("angio", {"calibration_fraction": 0.2, "folds": 3}, "folds calibrate out of fold"),
        ("loes", {"scanner_consistency": {"group": "scaner"}}, "did you mean 'scanner'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(system, settings, why):
    with pytest.raises(ConfigError, match=why):
        parse(params_of(system, settings))


@pytest.mark.parametrize(
    ("system", "settings", "task"),
    [
        ("angio", {}, {}),  # masks are mirrored, and their answers mirrored back
        ("echo", {"augment": {"flip_left_right": 0.5}}, {}),  # a class has no side
        ("csi", {"augment": {"flip_left_right": 0.5, "brightness": 0.1}}, {}),  # not mirrored
    ],
)
def test_copies_at_prediction_are_made_where_they_have_the_same_answer(system, settings, task):
    parse(params_of(system, {"test_time_augmentation": 3, **settings}, task=task))


def test_mirrored_copies_of_masks_of_left_and_right_are_refused():
    classes = {"classes": ["background", "left lung", "right lung"]}
    with pytest.raises(ConfigError, match="named left and right change places"):
        parse(params_of("angio", {"test_time_augmentation": 3}, task=classes))


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("system", "settings", "why"),
    [
        ("loes", {"label_smoothing": 0.1}, "label_smoothing"),
        ("loes", {"loss": "dice"}, "is for masks, not for numbers"),
        ("angio", {"loss": "weighted_cross_entropy"}, "how often a class is in the masks"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_by_name(runs, system, settings, why):
    with pytest.raises(ScantuneError, match=why):
        runs(system, settings)


@pytest.mark.heavy
@pytest.mark.parametrize("system", ["loes", "csi", "angio", "echo"])
def test_checkpoints_follow_the_figure_that_is_named(runs, tmp_path, system):
    metric = {"loes": "val_mae", "csi": "val_accuracy", "angio": "val_dice", "echo": "val_accuracy"}[system]
    every = {"strategy": "all", "interval": 1, "monitor": metric}
    settings = {"epochs": 3, "checkpoints": {**every, "save_optimizer": True}}
    runs(system, settings)
    folder = tmp_path / "a" / "out" / "checkpoints"
    summary = json.loads((folder / "checkpoints.json").read_text())
    assert metric in json.dumps(summary)
    assert len(list(folder.glob("epoch-*.safetensors"))) == 3
    with_optimizer = {path.name for path in folder.iterdir()}
    runs(system, {**settings, "checkpoints": every}, "b")
    assert {path.name for path in (tmp_path / "b" / "out" / "checkpoints").iterdir()} != with_optimizer


@pytest.mark.heavy
def test_early_stopping_ends_a_training_and_gives_the_best_weights_back(runs):
    stop = {"enabled": True, "patience": 1, "min_delta": 1e6}
    _, stopped = runs("loes", {"epochs": 6, "learning_rate": 0.05, "early_stopping": stop})
    assert stopped.results[0].epochs == 2
    last = {"enabled": True, "patience": 50, "restore_best_weights": False}
    rising = {"epochs": 4, "learning_rate": 1.0, "optimizer": {"name": "sgd", "momentum": 0.0}, "clip_norm": 0.5}
    _, final = runs("loes", {**rising, "early_stopping": last}, "b")
    _, best = runs("loes", {**rising, "early_stopping": {**last, "restore_best_weights": True}}, "c")
    assert best.results[0].best_epoch == final.results[0].best_epoch
    assert (best.results[0].best_epoch == 4) == np.array_equal(weights(best), weights(final))


@pytest.mark.heavy
@pytest.mark.parametrize("system", ["csi", "echo", "loes"])
def test_what_is_fitted_on_validation_follows_its_keys(runs, system):
    fitted = {}
    for name, settings in {
        "plain": {},
        **({} if system == "csi" else {"miscoverage": {"miscoverage": 0.4}}),
        **({} if system == "loes" else {"isotonic": {"calibration": "isotonic"}, "none": {"calibration": "none"}}),
    }.items():
        _, trained = runs(system, settings, name)
        fitted[name] = json.dumps(trained.fitted, sort_keys=True, default=str)
    assert len(set(fitted.values())) == len(fitted)


@pytest.mark.heavy
def test_a_network_for_another_range_answers_in_the_new_one(runs, homes, tmp_path, monkeypatch):
    from scantune.pipeline.predictions import open_predictors, predictions_of
    from scantune.pipeline.train import stage as recipe
    from scantune.registry.model import save_model

    plan, first = runs("loes", {})
    facts = recipe.model_facts(plan, first)
    save_model(homes("loes") / "outputs" / "x" / "train" / "model", facts, first.networks)
    params = params_of("loes", {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "freezing": "backbone"})
    params["derived"] = {
        "y": {**params["experiments"]["x"], "task": {**plan.block.task.model_dump(), "range": [0, 68]}, "from": "x"}
        | {"use": "weights"}
    }
    other, second = train(params, tmp_path / "derived", "y")

    def raw(networks: Any) -> np.ndarray:
        import torch

        from scantune.pipeline.data.datasets import samples

        side = plan.sides.side("test")
        data = samples(side, plan.task)
        with torch.inference_mode():
            return networks[0].eval()(torch.stack([data[i]["input"] for i in range(len(side))])).numpy()

    np.testing.assert_allclose(raw(second.networks), raw(first.networks) * 2, rtol=1e-4, atol=1e-4)
    facts = recipe.model_facts(other, second)
    save_model(tmp_path / "saved", facts, second.networks)
    table = predictions_of(open_predictors(other.block.task, facts, tmp_path / "saved"), other.block.task, other.sides)
    assert table.numbers("prediction", None).max() <= 68


@pytest.mark.heavy
def test_another_number_of_outputs_gets_a_new_output_layer(runs, homes, tmp_path):
    from scantune.pipeline.train import stage as recipe
    from scantune.registry.model import save_model

    plan, first = runs("csi", {})
    save_model(homes("csi") / "outputs" / "x" / "train" / "model", recipe.model_facts(plan, first), first.networks)
    params = params_of("csi", {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "freezing": "backbone"})
    task = {"name": "zones", "zones": ["right_sup", "left_sup"]}
    params["derived"] = {"y": {**params["experiments"]["x"], "task": task, "from": "x", "use": "weights"}}
    _, second = train(params, tmp_path / "derived", "y")
    old, new = (trained.networks[0].state_dict() for trained in (first, second))
    assert new["head.0.weight"].shape[0] == 10
    assert old["head.0.weight"].shape[0] == 30
    kept = [name for name in old if name.startswith("backbone.")]
    assert all(np.array_equal(old[name].numpy(), new[name].numpy()) for name in kept)
    heads = []
    for seed in (42, 7, 42):
        params["derived"]["y"]["train"]["seed"] = seed
        heads.append(train(params, tmp_path / f"again{len(heads)}", "y")[1].networks[0].state_dict()["head.0.weight"])
    assert np.allclose(heads[0], heads[2], atol=1e-6)
    assert not np.allclose(heads[0], heads[1], atol=1e-2), "the new layer follows the seed"


SPLITS: dict[str, tuple[str, dict[str, Any]]] = {
    "another seed": ("csi", {"seed": 5}),
    "fractions": ("csi", {"fractions": [0.4, 0.3, 0.3]}),
    "train_fraction": ("csi", {"train_fraction": 0.8}),
    "stratified": ("loes", {"method": "stratified", "on": "score"}),
    "stratified by a group": ("csi", {"method": "stratified", "on": ["scanner"]}),
    "sequential": ("loes", {"method": "sequential"}),
    "predefined": (
        "loes",
        {"method": "predefined", "columns": {"train": "training", "validation": "validation"}, "rest": "test"},
    ),
    "k-fold": ("csi", {"folds": 3}),
    "group-out": ("csi", {"method": "group_out", "group": "scanner", "test": ["?"]}),
    "temporal": ("echo", {"method": "temporal"}),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", SPLITS)
def test_a_split_deals_subjects_as_its_keys_say(homes, name, monkeypatch):
    from pathlib import Path

    from scantune import cohort
    from scantune.config.dataset import DatasetConfig

    system, keys = SPLITS[name]
    monkeypatch.chdir(homes(system))
    block = params_of(system)["datasets"][system]
    plain = DatasetConfig(**block)
    records = cohort.load(plain, Path("."))
    if keys.get("test") == ["?"]:
        keys = {**keys, "test": [records[0].groups["scanner"]]}
    changed = DatasetConfig(**{**block, "split": {**block["split"], **keys}})
    sides = {a.sample_id: (a.split, a.fold) for a in cohort.split(records, plain.split)}
    records = cohort.load(changed, Path("."))
    result = {a.sample_id: (a.split, a.fold) for a in cohort.split(records, changed.split)}
    assert result.keys() == sides.keys()
    assert result != sides
    by_subject: dict[str, set[Any]] = {}
    for record in records:
        by_subject.setdefault(record.subject_id, set()).add(result[record.sample_id])
    assert all(len(one) == 1 for one in by_subject.values())
    if keys.get("folds"):
        assert {fold for _, fold in result.values()} - {None} == {0, 1, 2}
    if keys.get("test"):
        tested = {r.groups["scanner"] for r in records if result[r.sample_id][0] == "test"}
        assert tested == set(keys["test"])
    if keys.get("method") == "temporal":
        newest = max(records, key=lambda r: str(r.order)).subject_id
        assert {result[r.sample_id][0] for r in records if r.subject_id == newest} == {"test"}
    if keys.get("method") == "predefined":
        assert all(result[r.sample_id][0] == (r.split or "test") for r in records)


@pytest.mark.heavy
@pytest.mark.parametrize("system", ["loes", "angio"])
def test_folds_and_members_train_several_networks(runs, homes, monkeypatch, system):
    from stages import split as stage

    params = params_of(
        system, {"folds": 2, "epochs": 1}, dataset={"split": {"method": "random", "folds": 2, "seed": 1}}
    )
    home = homes(system)
    import yaml

    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    (home / "params.yaml").write_text(yaml.safe_dump(params))
    try:
        stage.run(system)
        folded = train(params, home / "folds")[1]
        assert len(folded.networks) == 2
    finally:
        (home / "params.yaml").write_text(yaml.safe_dump(params_of(system)))
        stage.run(system)
    several = runs(system, {"members": 2, "epochs": 1})[1]
    one, other = (np.concatenate([v.numpy().ravel() for v in n.state_dict().values()]) for n in several.networks)
    assert not np.array_equal(one, other)
