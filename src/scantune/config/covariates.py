"""``model.covariates`` beside other blocks: columns that do not exist, are a target, or do not go with a setting."""

from __future__ import annotations

from collections.abc import Iterator

from scantune.config.params import ExperimentConfig, Params
from scantune.spelling import did_you_mean


def faults(params: Params) -> Iterator[str]:
    """Covariates that are no columns, that are a target, or that do not go with another setting."""
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    for key, block in blocks.items():
        if block.model.covariates is not None:
            yield from _of_block(f"{key}.model.covariates", block, params)
    known_blocks = {**params.experiments, **params.derived}
    first = {name: ensemble.members[0] for name, ensemble in params.ensembles.items()}
    for name, external in params.externals.items():
        group = "external" if name in params.external else "external_ensembles"
        key = external.experiment if group == "external" else first.get(external.experiment, "")
        experiment, dataset = known_blocks.get(key), params.datasets.get(external.dataset)
        if experiment is None or dataset is None or experiment.model.covariates is None:
            continue
        known = ", ".join(dataset.groups) or "there are none"
        for column in experiment.model.covariates.columns:
            if column not in dataset.groups:
                yield (
                    f"{group}.{name}.dataset: the model of {external.experiment!r} uses the covariate {column!r}, "
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
            hint = did_you_mean(name, dataset.groups, ".")
            known = ", ".join(dataset.groups) or "none"
            yield f"{key}: {name!r} is not in datasets.{block.dataset}.groups{hint} There are: {known}"
        elif dataset.groups[name] in targets:
            yield f"{key}: {name!r} is the column of the target {targets[dataset.groups[name]]!r}; remove it"
        elif name in dataset.bands:
            yield (
                f"{key}: {name!r} is cut by datasets.{block.dataset}.bands, which files to be predicted are not; add "
                f"the column to the groups under a second name without bands: {name}_exact: {dataset.groups[name]}"
            )
