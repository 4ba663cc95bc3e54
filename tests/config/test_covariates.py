"""``model.covariates``: what is refused when params.yaml is read."""

from __future__ import annotations

from typing import Any

import pytest

from scantune.config.load import parse
from scantune.config.model import CovariatesConfig
from scantune.records import ScantuneError


def params(covariates: Any, **changes: dict[str, Any]) -> dict[str, Any]:
    dataset: dict[str, Any] = {
        "root": "data",
        "table": "t.csv",
        "files": "{file}",
        "targets": ["label"],
        "groups": {"age": "age", "sex": "sex", "grade": "label"},
    }
    experiment: dict[str, Any] = {
        "dataset": "d",
        "input": "d",
        "task": {"name": "classification", "target": "label", "classes": ["a", "b"]},
        "model": {"backbone": "small_cnn", "covariates": covariates},
        "train": {},
        "evaluate": {},
        "register": {},
    }
    return {
        "datasets": {"d": dataset | changes.get("dataset", {})},
        "inputs": {"d": {"dataset": "d", "modality": "image", "shape": [16, 16]}},
        "experiments": {"x": experiment | changes.get("experiment", {})},
    }


def test_a_list_is_short_for_columns_of_any_kind() -> None:
    known = parse(params(["age", "sex"])).experiments["x"].model.covariates
    assert known == CovariatesConfig(columns={"age": "auto", "sex": "auto"})
    full = {"columns": {"age": "number"}, "fusion": "film", "dropout": 0}
    assert parse(params(full)).experiments["x"].model.covariates == CovariatesConfig.model_validate(full)
    assert parse(params(None)).experiments["x"].model.covariates is None


MASKS = {"task": {"name": "segmentation", "classes": ["background", "vessel"]}}


@pytest.mark.parametrize(
    ("covariates", "changes", "message"),
    [
        (["agee"], {}, r"experiments\.x\.model\.covariates: 'agee' is not in .*did you mean 'age'\?"),
        (["grade"], {}, "'grade' is the column of the target 'label'"),
        (["age"], {"dataset": {"bands": {"age": [40]}}}, "'age' is cut by .*age_exact: age"),
        (["age"], {"experiment": {"train": {"augment": {"mixup": True}}}}, "remove train.augment.mixup"),
        (["age"], {"experiment": MASKS, "dataset": {"masks": "{mask}"}}, "a segmentation predicts each pixel"),
        ({"columns": {"age": "text"}}, {}, "covariates.columns.age"),
        ([], {}, "columns"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(covariates: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScantuneError, match=message):
        parse(params(covariates, **changes))


def test_an_external_dataset_needs_the_columns() -> None:
    settings = params(["age", "sex"])
    settings["datasets"]["far"] = settings["datasets"]["d"] | {"groups": ["age"]}
    settings["inputs"]["far"] = settings["inputs"]["d"] | {"dataset": "far"}
    settings["external"] = {"there": {"experiment": "x", "dataset": "far", "input": "far"}}
    with pytest.raises(ScantuneError, match=r"external\.there\.dataset: .*'sex', which is not one of datasets\.far"):
        parse(settings)
