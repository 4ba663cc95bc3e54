"""``derived:``: what the other model decides is not stated otherwise, and what it does not fit is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from scantune.config.load import ConfigError, parse
from tests.config.test_load import GOOD


def knees(use: str, **changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with an experiment that starts from, or learns from, another one's model; ``changes`` by block."""
    params: dict[str, Any] = copy.deepcopy(GOOD)
    params["datasets"]["knees"] |= {"groups": ["age", "sex"], "masks": "{id}_mask.png"}
    params["inputs"]["colour"] = params["inputs"]["knees"] | {"channels": 3}
    first = params["experiments"]["knees"]
    first["model"] |= {"covariates": ["age"], "normalization": {"mean": [0.5], "std": [0.2]}}
    other = copy.deepcopy(first) | {"from": "knees", "use": use}
    if use == "teacher":
        other["train"]["distillation"] = {}
    for block, keys in changes.items():
        other[block] = {**other[block], **keys} if isinstance(keys, dict) else keys
    params["derived"] = {"later": other}
    return params


@pytest.mark.parametrize(
    ("use", "changes"),
    [
        ("weights", {}),
        ("weights", {"task": {"classes": ["a", "b", "c"]}, "train": {"freezing": "backbone"}}),
        ("weights", {"model": {"min_matched": 0.1}}),
        ("teacher", {"model": {"backbone": "small_cnn", "dropout": 0.3}}),
    ],
)
def test_what_fits_the_other_model_is_read(use: str, changes: dict[str, Any]) -> None:
    assert parse(knees(use, **changes)).derived["later"].from_ == "knees"


@pytest.mark.parametrize(
    ("use", "changes", "why"),
    [
        (
            "weights",
            {"model": {"backbone": "resnet50"}},
            r"model\.backbone: resnet50 would have no effect: .* resnet18",
        ),
        ("weights", {"model": {"weights": "imagenet"}}, r"model\.weights: imagenet would have no effect: .* with none"),
        ("weights", {"model": {"pretrained": True}}, r"model\.weights: published would have no effect"),
        ("weights", {"model": {"options": {"drop_rate": 0.1}}}, r"model\.options: .*drop_rate.* would have no effect"),
        ("weights", {"model": {"normalization": None}}, r"model\.normalization: none would have no effect: .*0\.5"),
        ("weights", {"task": {"name": "regression"}}, r"later\.from: .*'knees' is for classification, not for regr"),
        ("weights", {"input": "colour"}, r"later\.input: inputs\.colour has the channels 3, and the model of 'knees'"),
        ("teacher", {"input": "colour"}, r"later\.input: inputs\.colour has the channels 3"),
        (
            "weights",
            {"model": {"covariates": ["age", "sex"]}},
            r"covariates: age, sex, and the model of 'knees' has age",
        ),
        (
            "weights",
            {"model": {"covariates": {"columns": ["age"], "fusion": "film"}}},
            r"fusion: film would have no eff",
        ),
        ("teacher", {"model": {"covariates": None}}, r"covariates: none, and the model of 'knees' has age: state the"),
    ],
)
def test_what_would_have_no_effect_or_does_not_fit_is_refused(use: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse(knees(use, **changes))
