"""``model.covariates`` of an experiment: columns of the table that the network has beside the image."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from scantune.config.base import Block

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params

CovariateKind = Literal["auto", "number", "category"]
Text = Annotated[str, Field(min_length=1)]


def _columns(value: object) -> object:
    """``age`` and ``[age, sex]`` are short for ``{age: auto, sex: auto}``."""
    names = [value] if isinstance(value, str) else value
    return dict.fromkeys(names, "auto") if isinstance(names, list) else names


class CovariatesConfig(Block):
    """Columns of the table that join the features of the image. ``[age, sex]`` is short for ``{columns: [age, sex]}``.

    Numbers are standardised by the training set, categories have a number per level of the training set; a missing
    value, and a level that the training set lacks, counts as unknown.
    """

    columns: Annotated[dict[Text, CovariateKind], BeforeValidator(_columns), Field(min_length=1)]
    """Names in ``datasets.<name>.groups``, as a list or each with its kind. ``auto``: a number where the training set
    has more than ten distinct numbers and nothing else, otherwise a category."""
    fusion: Literal["concat", "film"] = "concat"
    """``concat``: 32 learned numbers beside the pooled features, before the output layer. ``film``: a scale and a shift
    of each feature (Perez et al. 2018)."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the training samples whose covariates count as unknown, drawn anew in each step: by them the network
    learns to predict from the image alone."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"columns": value} if isinstance(value, (str, list)) else value


def faults(params: Params) -> Iterator[str]:
    """Covariates that are no columns, that are a target, or that do not go with another setting."""
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    for key, block in blocks.items():
        if block.model.covariates is not None:
            yield from _of_block(f"{key}.model.covariates", block, params)
    for name, external in params.external.items():
        experiment, dataset = params.experiments.get(external.experiment), params.datasets.get(external.dataset)
        if experiment is None or dataset is None or experiment.model.covariates is None:
            continue
        known = ", ".join(dataset.groups) or "there are none"
        for column in experiment.model.covariates.columns:
            if column not in dataset.groups:
                yield (
                    f"external.{name}.dataset: the model of {external.experiment!r} uses the covariate {column!r}, "
                    f"which is not one of datasets.{external.dataset}.groups: {known}"
                )


def _of_block(key: str, block: ExperimentConfig, params: Params) -> Iterator[str]:
    dataset, covariates = params.datasets.get(block.dataset), block.model.covariates
    if dataset is None or covariates is None:
        return
    if block.task.mask_classes:
        yield f"{key}: for tasks with one prediction per sample; a {block.task.name} predicts each pixel from the image"
    for name in block.train.mixing:
        yield f"{key}: covariates of two samples cannot be mixed; remove train.augment.{name}"
    targets = {dataset.targets[t].column: t for t in block.task.target_names() if t in dataset.targets}
    for name in covariates.columns:
        if name not in dataset.groups:
            near = difflib.get_close_matches(name, dataset.groups, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(dataset.groups) or "none"
            yield f"{key}: {name!r} is not in datasets.{block.dataset}.groups{hint} There are: {known}"
        elif dataset.groups[name] in targets:
            yield f"{key}: {name!r} is the column of the target {targets[dataset.groups[name]]!r}; remove it"
        elif name in dataset.bands:
            yield (
                f"{key}: {name!r} is cut by datasets.{block.dataset}.bands, which files to be predicted are not; add "
                f"the column to the groups under a second name without bands: {name}_exact: {dataset.groups[name]}"
            )
