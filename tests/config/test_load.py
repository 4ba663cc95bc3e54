"""params.yaml is refused by name: which key, which value, what would be right."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from scantune.config.load import SCHEMA_NAME, ConfigError, load, parse, read_text, schema_text
from scantune.tasks.directions import monitored

ROOT = Path(__file__).parents[2]
GOOD = {
    "datasets": {
        "knees": {
            "root": "data/knees",
            "table": "t.csv",
            "files": "{id}.png",
            "subject": "id",
            "targets": {"grade": "kl"},
        }
    },
    "inputs": {"knees": {"dataset": "knees", "modality": "image", "shape": [64, 64]}},
    "experiments": {
        "knees": {
            "dataset": "knees",
            "input": "knees",
            "task": {"name": "classification", "target": "grade"},
            "model": {"backbone": "resnet18"},
            "train": {"epochs": 2, "scheduler": "onecycle"},
            "evaluate": {},
            "register": {},
        }
    },
}


def changed(path: str, value: object) -> dict:
    params = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = params
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = value
    return params


def test_a_good_file_is_read_and_frozen():
    params = parse(GOOD)
    assert params.experiments["knees"].train.scheduler.name == "onecycle"
    with pytest.raises(Exception, match="frozen"):
        params.experiments["knees"].train.epochs = 3


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("experiments.knees.register.name", "knees/kl", "'knees/kl' cannot name a registered model"),
        ("experiments.knees.register.name", "it's", "without / : @, quotation marks"),
        ("experiments.knees.register.alias", "v2", "'v2' cannot be an alias"),
        ("experiments.knees.register.alias", "in use", "use letters, digits, - and _"),
        (
            "experiments.knees.train.learning_rat",
            0.1,
            "experiments.knees.train.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        ("experiments.knees.train.epochs", "many", "experiments.knees.train.epochs:"),
        (
            "inputs.knees",
            {"dataset": "knees", "modality": "volume", "shape": [8], "volume": {"index": -1}},
            "inputs.knees.shape: list should have at least 3 items",
        ),
        ("inputs.knees", {"dataset": "knees", "modality": "volume", "volume": {"indx": 1}}, "inputs.knees.volume.indx"),
        (
            "experiments.knees.model.weights",
            "kinetics",
            "experiments.knees.model.weights: there are no 'kinetics' weights for the backbone 'resnet18'; those for it",
        ),
        ("experiments.knees.train.epochs", 0, "greater than or equal to 1; got 0"),
        (
            "experiments.knees.dataset",
            "knee",
            "experiments.knees.dataset: there is no 'knee' in datasets; did you mean 'knees'?",
        ),
        ("experiments.knees.task.name", "regresion", "did you mean 'regression'?"),
        (
            "experiments.knees.task.target",
            "grad",
            "experiments.knees.task: there is no 'grad' in datasets.knees.targets; did you mean 'grade'?",
        ),
        (
            "experiments.knees.model.options",
            {"in_channels": 3},
            "experiments.knees.model.options.in_channels: a network takes it from the input and the task",
        ),
        (
            "experiments.knees.model.options",
            {"download": True},
            "experiments.knees.model.options.download: this is model.download; remove it from options",
        ),
        ("inputs.knees.modality", "vdieo", "did you mean 'video'?"),
        ("inputs.knees.shap", [3], "inputs.knees.shap: unknown key; did you mean 'shape'?"),
        ("inputs.knees.dataset", "hips", "inputs.knees.dataset: there is no 'hips' in datasets"),
        ("experimants", {}, "experimants: unknown key; did you mean 'experiments'?"),
        ("datasets.bad name!", {}, "datasets.bad name!"),
    ],
)
def test_a_fault_is_named(path, value, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(path, value))
    assert message in str(caught.value)


def test_a_contradiction_of_keys_is_told_without_the_whole_block():
    with pytest.raises(ConfigError, match=r"knees\.train: folds and members .*; keep one of them$"):
        parse(changed("experiments.knees.train", {"folds": 2, "members": 2}))


def test_all_faults_are_named_at_once():
    params = changed("experiments.knees.train.epochs", 0)
    params["inputs"]["knees"]["shape"] = [0, 64]
    params["experiments"]["knees"].pop("evaluate")
    with pytest.raises(ConfigError) as caught:
        parse(params)
    assert len(caught.value.faults) == 3
    assert any(f.startswith("experiments.knees.evaluate: required key is missing") for f in caught.value.faults)


def test_a_block_may_take_over_another_one_and_change_some_of_it(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "datasets:\n  a: &a {root: here, watch: here, table: t.csv, files: '{f}', targets: {y: y}}\n"
        "  b: {<<: *a, root: there, watch: there}\n"
        "inputs:\n  a: &i {dataset: a, modality: image, shape: [8, 8]}\n  b: {<<: *i, dataset: b}\nexperiments: {}\n"
    )
    params = load(tmp_path / "params.yaml")
    assert (params.datasets["b"].root, params.datasets["b"].table) == ("there", "t.csv")
    assert params.datasets["a"].root == "here"


def test_a_key_written_twice_is_refused(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("datasets: {}\ninputs: {}\ndatasets: {}\n")
    with pytest.raises(ConfigError, match="line 3: the key 'datasets' is already in line 1"):
        load(file)


@pytest.mark.parametrize("text", ["datasets: !!python/object/apply:os.system [echo hi]", "a: [1", "- 1"])
def test_no_code_and_no_broken_yaml(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load(file)


def test_what_each_key_is_for_stands_in_the_schema():
    assert "Passes over the training side" in schema_text()


def test_the_schema_file_is_current_and_named_in_the_first_line():
    assert (ROOT / SCHEMA_NAME).read_text() == schema_text(), "run: make schema"
    assert (ROOT / "params.yaml").read_text().startswith(f"# yaml-language-server: $schema=./{SCHEMA_NAME}\n")


def test_the_shipped_file_is_right_and_states_every_block_that_dvc_needs():
    params = load(ROOT / "params.yaml")
    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert params.experiments
    for group in ("experiments", "derived"):
        for name, block in (written.get(group) or {}).items():
            assert {"dataset", "input", "task", "model", "train", "evaluate", "register"} <= set(block), name
            assert "name" in block["task"], name
    assert all("watch" in block for block in written["datasets"].values())


def test_a_method_for_images_is_refused_for_loops_before_anything_runs():
    params = changed("inputs.knees.modality", "video")
    params["experiments"]["knees"]["evaluate"] = {"saliency": {"method": "scorecam"}}
    with pytest.raises(ConfigError, match=r"evaluate\.saliency\.method: scorecam is for images, and this is a video"):
        parse(params)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "monitor",
            "val_accurcay",
            "train.monitor: 'val_accurcay' is not a metric of this training; did you mean 'val_accuracy'?",
        ),
        ("monitor", "val_mae", "train.monitor: 'val_mae' is not a metric of this training"),
        ("checkpoints", {"monitor": "val_f1"}, "train.checkpoints.monitor: 'val_f1' is not a metric"),
        ("early_stopping", {"monitor": "val_dice"}, "train.early_stopping.monitor: 'val_dice' is not a metric"),
    ],
)
def test_a_monitor_that_will_not_be_there_is_refused_with_the_nearest_name(path, value, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(f"experiments.knees.train.{path}", value))
    assert message in str(caught.value)


def test_the_metric_that_a_schedule_of_loss_weights_watches_is_one_of_the_training():
    parts = {"name": "combined", "parts": {"cross_entropy": 0.7, "focal": 0.3}}
    ok = {"name": "performance", "monitor": "val_auroc", "mode": "max"}
    parse(changed("experiments.knees.train.loss", {**parts, "schedule": ok}))
    for schedule, why in (("performance", "'val_dice' is not a metric"), ({**ok, "mode": "min"}, "keep the worst")):
        with pytest.raises(ConfigError, match=rf"knees\.train\.loss\.schedule\.monitor: .*{why}"):
            parse(changed("experiments.knees.train.loss", {**parts, "schedule": schedule}))


def test_an_error_by_range_may_be_monitored():
    params = changed("experiments.knees.task", {"name": "regression", "target": "grade", "score_ranges": [5, 15]})
    for monitor in ("val_mae_from_15", "val_mae_from_3", "train_mae", "val_huber_loss", "val_loss"):
        params["experiments"]["knees"]["train"] = {"monitor": monitor, "monitoring": {"error_ranges": [3]}}
        assert monitored(parse(params).experiments["knees"]) == (monitor, "min")


def masks(**task: object) -> dict:
    params = changed("datasets.knees.masks", "{id}_mask.png")
    params["experiments"]["knees"]["task"] = {"name": "segmentation", "classes": ["b", "disc", "cup"], **task}
    params["experiments"]["knees"]["model"] = {"backbone": "unet"}
    return params


def test_masks_by_a_star_are_instances():
    params = masks(classes=["b", "cell"])
    params["datasets"]["knees"]["masks"] = "{id}/masks/*.png"
    with pytest.raises(ConfigError, match=r"masks: files by \* need inputs.knees.mask_instances: true"):
        parse(params)
    params["inputs"]["knees"]["mask_instances"] = True
    parse(params)
    params["inputs"]["knees"]["mask_values"] = {2: 1}
    with pytest.raises(ConfigError, match="'mask_instances' makes all values label 1"):
        parse(params)
    params["datasets"]["knees"]["masks"] = "{id}/*/a.png"
    with pytest.raises(ConfigError, match="stands for a part of a file's name, not of a folder's"):
        parse(params)


def test_labels_overlap_for_task_and_input_or_for_neither():
    with pytest.raises(ConfigError, match=r"task.overlapping: needs inputs.knees.mask_overlap: true"):
        parse(masks(overlapping=True))
    params = masks()
    params["inputs"]["knees"]["mask_overlap"] = True
    with pytest.raises(
        ConfigError, match=r"inputs.knees.mask_overlap: true, but experiments.knees.task has classes that"
    ):
        parse(params)
    params["experiments"]["knees"]["task"]["overlapping"] = True
    parse(params)
    params["experiments"]["knees"]["train"]["loss"] = "cross_entropy"
    with pytest.raises(ConfigError, match="cross_entropy"):
        parse(params)


def test_a_region_and_readers_masks_belong_to_masks_of_images_and_volumes():
    with pytest.raises(ConfigError, match="'region' and 'rater_masks' belong to 'masks'"):
        parse(changed("datasets.knees.region", "{field}"))
    params = masks()
    params["datasets"]["knees"]["rater_masks"] = {"second": "{second}"}
    assert parse(params).datasets["knees"].rater_masks == {"second": ["{second}"]}
    params["inputs"]["knees"] = {"dataset": "knees", "modality": "video"}
    with pytest.raises(ConfigError, match=r"datasets.knees.rater_masks: of images and volumes, and inputs.knees is of"):
        parse(params)


def test_a_pretrained_encoder_under_a_decoder_has_the_weights():
    """``timm_unet`` has none of its own."""
    params = masks()
    model = params["experiments"]["knees"]["model"] = {"backbone": "timm_unet", "weights": "imagenet"}
    parse(params)
    model["options"] = {"encoder": "resnet18"}
    parse(params)
    model["weights"] = "chexnet"
    with pytest.raises(
        ConfigError, match=r"model\.weights: there are no 'chexnet' weights for the backbone 'resnet18'"
    ):
        parse(params)


def test_loops_are_not_segmented():
    """Their masks would be written nowhere, and a network of 2 or 3 axes of space fails at its first step."""
    params = masks()
    params["inputs"]["knees"] = {"dataset": "knees", "modality": "video", "shape": [32, 32]}
    params["experiments"]["knees"]["evaluate"] = {"write_masks": True}
    expected = r"experiments\.knees\.task: segmentation is of images and volumes, and inputs\.knees is of loops"
    with pytest.raises(ConfigError, match=expected) as caught:
        parse(params)
    assert "write_masks" not in str(caught.value), "one message for one fault"


def test_preset_without_the_key_model_is_told_what_to_add():
    content = copy.deepcopy(GOOD)
    content["experiments"]["knees"]["train"] = {"preset": "csi"}
    del content["experiments"]["knees"]["model"]
    with pytest.raises(ConfigError, match=r"knees.model: required key is missing; train.preset csi .* add model: \{\}"):
        parse(content)
    content["experiments"]["knees"]["model"] = {}
    assert parse(content).experiments["knees"].model.backbone == "resnet50"


def test_masks_are_written_of_tasks_that_predict_them():
    with pytest.raises(ConfigError, match=r"experiments\.knees\.evaluate\.write_masks: the task .* predicts no masks"):
        parse(changed("experiments.knees.evaluate", {"write_masks": True}))


@pytest.mark.parametrize(
    ("train", "why"),
    [
        ({"class_weights": [1, 2]}, r"train\.class_weights: 2 numbers for 3 classes: 1, 2, 3"),
        ({"loss": "focal_bce"}, r"train\.loss: focal_bce is for two classes, and the task has 3"),
        ({"loss": "BCE_with_logits"}, r"train\.loss: bce is for two classes"),
    ],
)
def test_losses_and_weights_of_another_number_of_classes_are_refused(train, why):
    params = changed("experiments.knees.train", train)
    params["experiments"]["knees"]["task"]["classes"] = [1, 2, 3]
    with pytest.raises(ConfigError, match=why):
        parse(params)


@pytest.mark.parametrize("parts", [{}, None, ["cross_entropy"], {"cross_entropy": None}, {"cross_entropy": 0}])
def test_a_combination_that_cannot_be_built_is_a_fault_with_its_place(parts):
    params = changed("experiments.knees.train", {"loss": {"name": "combined", "parts": parts}})
    params["experiments"]["knees"]["task"]["classes"] = [1, 2, 3]
    with pytest.raises(
        ConfigError, match=r"experiments\.knees\.train\.loss: .*(requires parts|weight of cross_entropy)"
    ):
        parse(params)


@pytest.mark.parametrize("train", [{"class_weights": "balanced", "loss": "cross_entropy"}, {"loss": "weighted_ce"}])
def test_weights_of_the_classes_of_masks_are_numbers(train):
    params = changed("experiments.knees.train", train)
    params["experiments"]["knees"] |= {"task": {"name": "segmentation", "classes": ["no", "a", "b"]}}
    params["experiments"]["knees"]["model"]["backbone"] = "unet"
    params["datasets"]["knees"]["masks"] = "{id}_mask.png"
    with pytest.raises(ConfigError, match=r"class_weights: how often a class is in the masks is not counted"):
        parse(params)
    params["experiments"]["knees"]["train"]["class_weights"] = [1, 2, 2]
    parse(params)


def test_another_spelling_of_a_loss_is_that_loss():
    """The options that a task adds to a loss by its name are added to its other spellings too."""
    from scantune.config.names import loss_spec

    params = changed("experiments.knees.task", {"name": "zones", "zones": ["grade"]})
    for name in ("weighted_ce", "Weighted_Cross_Entropy_Loss"):
        params["experiments"]["knees"]["train"] = {"loss": name}
        block = parse(params).experiments["knees"]
        spec = loss_spec(block.task, block.train)
        assert spec == {"name": "weighted_cross_entropy", "class_weights": [1.0, 1.0, 1.0, 1.0, 0.3]}


@pytest.mark.parametrize(
    ("input_", "why"),
    [
        ({"modality": "image", "clahe": True, "intensity": "zscore"}, "clahe needs values of 0 … 1"),
        ({"modality": "image", "dtype": "uint8", "intensity": "zscore"}, "dtype: uint8 needs values of 0 … 1"),
        ({"modality": "image", "dtype": "uint8", "intensity": "none"}, "dtype: uint8 needs values of 0 … 1"),
        ({"modality": "video", "dtype": "uint8", "intensity": "zscore"}, "dtype: uint8 needs values of 0 … 1"),
        ({"modality": "image", "intensity": "white_stripe"}, "white_stripe is for volumes"),
        ({"modality": "volume", "intensity": "background"}, "background is for images"),
        ({"modality": "volume", "intensity": "window"}, "window needs center and width in volumes"),
    ],
)
def test_intensities_that_would_be_cut_or_do_nothing_are_refused(input_, why):
    with pytest.raises(ConfigError, match=why):
        parse(changed("inputs.knees", {"dataset": "knees", **input_}))


def test_a_colour_of_several_files_and_a_first_stride_of_masks_are_refused():
    params = changed("datasets.knees.files", ["{id}_a.png", "{id}_b.png"])
    params["inputs"]["knees"]["channels"] = 3
    with pytest.raises(ConfigError, match=r"inputs\.knees\.channels: 3, and datasets\.knees\.files are 2"):
        parse(params)
    params = changed("experiments.knees.model", {"backbone": "unet", "first_stride": 1})
    params["experiments"]["knees"]["task"] = "segmentation"
    params["datasets"]["knees"]["masks"] = "{id}_mask.png"
    with pytest.raises(ConfigError, match=r"model\.first_stride: networks with an output per pixel"):
        parse(params)
    params["experiments"]["knees"]["model"] = {"backbone": "unet", "dropout": 0.2}
    with pytest.raises(ConfigError, match=r"model\.dropout: networks with an output per pixel .* take options"):
        parse(params)


@pytest.mark.parametrize("text", ["010", "-010", "08", "0900", "0o17", "0x1F", "1_000", "1:30", "12:30:45", "0", "+7"])
def test_whole_numbers_are_those_that_dvc_reads(text):
    """YAML 1.1 takes 010 for 8 and 1:30 for 90; DVC, which writes dvc.lock, reads YAML 1.2."""
    from dvc.utils.serialize import parse_yaml

    assert repr(read_text(f"a: {text}\n")) == repr(parse_yaml(f"a: {text}\n", "params.yaml"))


@pytest.mark.parametrize("text", ["[1]: 2\n", "{a: b}: 2\n", "a:\n  ? [x, y]\n  : 1\n"])
def test_keys_that_are_lists_or_blocks_are_named_by_line(text):
    with pytest.raises(ConfigError, match=r"line \d: a key is a list or a block"):
        read_text(text)


@pytest.mark.parametrize("key", ["epochs", "label_smoothing", "workers", "learning_rate"])
def test_true_is_no_number(key):
    with pytest.raises(ConfigError, match=rf"experiments\.knees\.train: {key}: true is no number"):
        parse(changed(f"experiments.knees.train.{key}", True))


def test_false_is_none_of_a_number_and_true_stays_where_it_may_stand():
    assert parse(changed("experiments.knees.train.test_time_augmentation", False)).experiments["knees"].train
    assert parse(changed("inputs.knees.clahe", True)).inputs["knees"].clahe
    for short in ("ema", "swa", "test_time_augmentation"):  # for which true is short
        assert getattr(parse(changed(f"experiments.knees.train.{short}", True)).experiments["knees"].train, short)
    where = parse(changed("datasets.knees.where", {"sound": True})).datasets["knees"].where
    assert where == {"sound": True}


def test_a_date_of_yaml_is_told_to_be_quoted():
    params = copy.deepcopy(GOOD)
    params["datasets"]["knees"] |= read_text("where: {seen: 2024-03-31}\n")
    with pytest.raises(ConfigError, match=r"where\.seen: .*as a date; put it in quotes.*'2024-03-31'") as caught:
        parse(params)
    assert len(caught.value.faults) == 1


def test_an_option_that_a_demo_cohort_does_not_have_is_refused():
    params = changed("demo.a", {"cohort": "cells", "options": {"sites": "b"}})
    with pytest.raises(ConfigError, match=r"demo\.a\.options: there is no 'sites' in .*did you mean 'site'\?"):
        parse(params)


def test_degraded_copies_of_classes_without_an_order_are_refused():
    params = changed("experiments.knees.train.partners", {})
    parse(params)
    params["experiments"]["knees"]["task"]["classes"] = ["cat", "dog", "fox"]
    with pytest.raises(ConfigError, match=r"knees\.train\.partners: needs one target .* one of two classes or a grade"):
        parse(params)
    params["experiments"]["knees"]["task"]["ordinal"] = True
    parse(params)
