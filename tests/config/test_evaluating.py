"""``evaluate:`` beside other blocks: what would be told only after the training is refused when params.yaml is read."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from scantune.config.load import ConfigError, parse
from tests.config.test_load import GOOD


def knees(evaluate: dict[str, Any], model: str = "resnet18", **task: Any) -> dict[str, Any]:
    """Settings whose dataset has groups and masks, and an external validation on a dataset with fewer groups."""
    params: dict[str, Any] = copy.deepcopy(GOOD)
    dataset = params["datasets"]["knees"] | {"groups": ["sex", "site"], "masks": "{id}_mask.png"}
    params["datasets"] = {"knees": dataset, "hips": dataset | {"groups": ["sex"]}, "bare": GOOD["datasets"]["knees"]}
    params["inputs"]["hips"] = params["inputs"]["knees"] | {"dataset": "hips"}
    params["inputs"]["bare"] = params["inputs"]["knees"] | {"dataset": "bare"}
    block = params["experiments"]["knees"]
    block |= {"evaluate": evaluate, "model": {"backbone": model}, "task": {**block["task"], **task}}
    params["external"] = {"far": {"experiment": "knees", "dataset": "hips", "input": "hips"}}
    return params


def test_groups_case_mix_and_maps_that_can_be_are_read() -> None:
    parse(knees({"groups": ["site"], "saliency": {"mask_class": "2", "method": "rollout"}}, "vit_tiny_patch16_224"))
    parse(knees({"case_mix": {"sex": {"F": 0.5, "M": 0.5}}, "saliency": {"method": "attention", "layer_idx": 0}}))
    parse(knees({"saliency": {"enabled": False, "method": "attention", "layer_idx": 3}}, "small_cnn"))


@pytest.mark.parametrize(
    ("evaluate", "why"),
    [
        ({"groups": ["sexx"]}, "evaluate.groups: there is no 'sexx' in datasets.knees.groups; did you mean 'sex'?"),
        ({"case_mix": {"race": {"a": 1.0}}}, "evaluate.case_mix: there is no 'race' in datasets.knees.groups"),
        ({"case_mix": {"site": {"a": 1.0}}}, "evaluate.case_mix: there is no 'site' in datasets.hips.groups"),
        (
            {"age_bands": [18, 65]},
            "evaluate.age_bands: has no effect: the groups (sex, site) have no age; name the column",
        ),
        ({"age_bands": []}, "evaluate.age_bands: has no effect"),
        ({"groups": ["site"], "case_mix": {"sex": {"F": 1.0}}}, "'sex' is not in experiments.knees.evaluate.groups"),
        ({"saliency": {"layer_idx": 2}}, "saliency.layer_idx: of the method attention, and the method is auto"),
        ({"saliency": {"mask_class": "7"}}, "saliency.mask_class: there is no '7' in experiments.knees.task"),
    ],
)
def test_columns_and_classes_that_are_not_there_are_refused(evaluate: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse(knees(evaluate, classes=[1, 2]))


@pytest.mark.parametrize(
    ("modality", "backbone", "task"),
    [
        ("image", "small_cnn", "classification"),
        ("volume", "resnet10_3d", "classification"),
        ("video", "vit_tiny_patch16_224", "classification"),
        ("image", "timm_unet", "segmentation"),
    ],
)
@pytest.mark.parametrize("method", ["attention", "rollout"])
def test_attention_is_of_vision_transformers_for_images(modality: str, backbone: str, task: str, method: str) -> None:
    params = knees({"saliency": {"method": method}}, backbone)
    del params["external"]
    params["inputs"]["knees"] = {"dataset": "knees", "modality": modality}
    params["experiments"]["knees"]["task"] = {"name": task, "target": "grade"} if task == "classification" else task
    with pytest.raises(ConfigError, match=rf"saliency\.method: {method} reads the attention of a vision transformer"):
        parse(params)


def test_evidence_needs_masks_and_a_task_without_masks_of_its_own() -> None:
    params = knees({"saliency": {"mask_class": "2"}})
    params["experiments"]["knees"] |= {"dataset": "bare", "input": "bare"}
    with pytest.raises(ConfigError, match=r"mask_class: needs datasets\.bare\.masks"):
        parse(params)
    params = knees({"saliency": {"mask_class": "foreground"}}, "unet")
    params["experiments"]["knees"]["task"] = "segmentation"
    with pytest.raises(ConfigError, match=r"mask_class: the maps of a segmentation are compared with .* their own"):
        parse(params)


@pytest.mark.parametrize(
    ("task", "primary", "right"),
    [
        ({"name": "classification", "target": "grade"}, "aurok", "auroc"),
        ({"name": "classification", "target": "grade", "classes": [0, 1, 2]}, "f1", "f1_macro"),
        ({"name": "classification", "target": "grade", "classes": [0, 1]}, "f1_macro", "f1"),
        ({"name": "regression", "target": "grade"}, "mean_error", "mae"),
        ({"name": "regression", "targets": ["grade", "other"]}, "mae", "mae/grade"),
        ({"name": "multilabel", "findings": ["grade"]}, "exact", "exact_match"),
        ({"name": "zones", "zones": ["grade"]}, "kappa", "kappa_quadratic"),
        ({"name": "survival", "time": "grade", "event": "other", "horizons": [12]}, "concordance", "concordance_uno"),
        ({"name": "segmentation", "cldice": False}, "cldice", "dice"),
    ],
)
def test_a_primary_metric_that_the_task_does_not_have_is_refused(
    task: dict[str, Any], primary: str, right: str
) -> None:
    def of(name: str) -> dict[str, Any]:
        params = knees({"primary": name}, "unet" if task["name"] == "segmentation" else "resnet18")
        del params["external"]
        params["datasets"]["knees"]["targets"] = {"grade": "kl", "other": "kl2"}
        params["experiments"]["knees"]["task"] = task
        return params

    parse(of(right))
    message = rf"knees\.evaluate\.primary: there is no '{primary}' in the metrics .*There are: .*\b{right}\b"
    with pytest.raises(ConfigError, match=message):
        parse(of(primary))
    with pytest.raises(ConfigError, match=r"ensembles\.both\.evaluate\.primary: there is no"):
        parse(_both(of(right), {"primary": primary}))


def test_a_primary_metric_that_is_best_at_0_is_refused() -> None:
    params = knees({"primary": "bland_altman_bias"})
    params["experiments"]["knees"]["task"] = {"name": "regression", "target": "grade"}
    with pytest.raises(ConfigError, match=r"knees\.evaluate\.primary: bland_altman_bias is best at 0"):
        parse(params)


def _both(params: dict[str, Any], evaluate: dict[str, Any]) -> dict[str, Any]:
    """The same with an ensemble of two of its experiment."""
    params["experiments"]["twin"] = params["experiments"]["knees"]
    common = {"dataset": "knees", "input": "knees", "members": ["knees", "twin"]}
    params["ensembles"] = {"both": common | {"evaluate": evaluate, "register": {}}}
    params["ensemble_members"] = {one: {"ensemble": "both", "member": one} for one in ("knees", "twin")}
    return params


def test_covariates_of_the_baseline_are_columns_that_samples_have() -> None:
    parse(knees({"covariates": ["sex", "site", "mean", "sd"]}))
    parse(knees({"covariates": []}))
    with pytest.raises(ConfigError, match=r"evaluate\.covariates: there is no 'sexx' in .*did you mean 'sex'\?"):
        parse(knees({"covariates": ["sexx"]}))
    with pytest.raises(ConfigError, match=r"ensembles\.both\.evaluate\.covariates: there is no 'weight'"):
        parse(_both(knees({}), {"covariates": ["weight"]}))
    params = knees({"covariates": ["sex"]}, "unet")
    params["experiments"]["knees"]["task"] = "segmentation"
    with pytest.raises(ConfigError, match=r"evaluate\.covariates: the baselines of a segmentation are masks"):
        parse(params)


@pytest.mark.parametrize(
    ("evaluate", "why"),
    [
        ({"write_masks": True}, "ensembles.both.evaluate.write_masks: the task classification predicts no masks"),
        ({"saliency": {"animation": "mp4"}}, "ensembles.both.evaluate.saliency.animation: has no effect"),
        ({"saliency": {"method": "attention"}}, "ensembles.both.evaluate.saliency.method: attention reads"),
        ({"saliency": {"mask_class": "tumour"}}, "ensembles.both.evaluate.saliency.mask_class: there is no 'tumour'"),
        ({"age_bands": [30, 60]}, "ensembles.both.evaluate.age_bands: has no effect"),
    ],
)
def test_an_ensemble_cannot_have_what_its_members_cannot(evaluate: dict[str, Any], why: str) -> None:
    classes = ["0", "1", "2", "3", "4"]
    parse(_both(knees({}, "small_cnn", classes=classes), {"saliency": {"method": "gradcam", "mask_class": "2"}}))
    with pytest.raises(ConfigError, match=re.escape(why)) as refused:
        parse(_both(knees({}, "small_cnn", classes=classes), evaluate))
    assert str(refused.value).count(why) == 1, "two members, one fault"


def test_bands_of_an_age_need_an_age_that_is_not_cut_already() -> None:
    stated, block = knees({"age_bands": [18, 65]}), "datasets"
    stated[block]["knees"] |= {"groups": {"sex": "sex", "Patient_Age": "years"}}
    parse(stated)
    stated["experiments"]["knees"]["evaluate"]["groups"] = ["sex"]
    with pytest.raises(ConfigError, match=r"age_bands: has no effect: the groups \(sex\) have no age"):
        parse(stated)
    del stated["experiments"]["knees"]["evaluate"]["groups"]
    stated[block]["knees"]["bands"] = {"Patient_Age": [40]}
    with pytest.raises(ConfigError, match=r"datasets.knees.bands cuts Patient_Age into bands already; keep one"):
        parse(stated)
    stated["experiments"]["knees"]["evaluate"] = {}
    parse(stated)
