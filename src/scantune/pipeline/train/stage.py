"""The train stage around a training: the plan from params.yaml, and the logging before and after."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import plugins
from scantune.config.augment import augment_config
from scantune.digests import SHORT, file_digest
from scantune.files import finite, without_paths, write_json
from scantune.losses.parts import in_words
from scantune.models import catalogue as backbones
from scantune.pipeline.data import training_cohort
from scantune.pipeline.data.sides import sides_of
from scantune.pipeline.project import block_of
from scantune.pipeline.train import suitability, training
from scantune.pipeline.train.augmentation import settled
from scantune.pipeline.train.networks import TrainedNetworks
from scantune.pipeline.train.training import TrainingPlan
from scantune.preprocess.settings import OF_THE_NETWORK, what_matters
from scantune.registry.log import log_model
from scantune.registry.model import ModelFacts, save_model, weights_digest
from scantune.script import is_first_process
from scantune.tasks import catalogue
from scantune.tracking import Run

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params

log = logging.getLogger(__name__)

EXAMPLE = {"image": "image.dcm", "volume": "scan.nii.gz", "video": "loop.dcm"}


def plan_of(params: Params, key: str) -> TrainingPlan:
    """The plan of an experiment from the outputs of preprocess and split."""
    block = block_of(params, key)
    sides = sides_of(params, block.input, block.dataset, folds=bool(block.train.folds))
    parent = getattr(block, "from_", None)
    start = Path("outputs") / parent / "train" / "model" if parent else None
    use = getattr(block, "use", "weights")
    return training.plan(key, block, params.inputs[block.input], sides, start=start, use=use)


def check_samples(plan: TrainingPlan) -> None:
    """Check every byte of the samples that a training reads, once before it starts (1 s a GB); of several processes the
    first checks.

    Raises:
        ScantuneError: some are damaged; with their ids and the command that prepares them again.
    """
    if is_first_process():
        samples = plan.sides.all_samples
        samples.of([one for one in samples if one.split != "test" or one.fold is not None]).check_cached()


def log_start(run: Run, plan: TrainingPlan) -> None:
    """Settings, data and warnings, before the training begins."""
    block = plan.block
    settings = {name: getattr(block, name).model_dump(mode="json") for name in ("task", "model", "train")}
    loss = settings["train"].pop("loss") or {}
    options = {f"loss.{name}": value for name, value in loss.items() if name != "name"}
    prepared = input_settings(plan)
    run.params({**settings, "dataset": block.dataset, **prepared, "loss": in_words(plan.spec["name"]), **options})
    cache = Path("data/cache") / block.input
    splits = Path("data/splits") / block.dataset / "splits.csv"
    run.tags(
        {
            "scantune.manifest": file_digest(cache / "manifest.csv", SHORT),
            "scantune.splits": file_digest(splits, SHORT),
            **({"scantune.synthetic": "true"} if plan.sides.synthetic else {}),
            **({"mlflow.note.content": block.description} if block.description else {}),
        }
    )
    for context, name in (("training", "train"), ("validation", "validation")):
        side = plan.sides.side(name)
        run.dataset(f"{block.dataset} {name}", side.digest, context=context, rows=len(side))
    starts_trained = plan.start is not None and plan.use == "weights"
    for warning in suitability.notes(block, plan.input.modality, plan.task, starts_trained=starts_trained):
        log.info("note: %s", warning)


def input_settings(plan: TrainingPlan) -> dict[str, Any]:
    """Name of the input, and by the names of the run of ``preprocess`` what its samples and networks depend on: so that
    models of two shapes are told apart."""
    modality, settings = what_matters(plan.input)
    block = plan.input.model_dump(mode="json")
    settings |= {"modality": modality, **{name: block[name] for name in OF_THE_NETWORK if name in block}}
    return {"input": plan.block.input, **{f"input.{name}": value for name, value in settings.items()}}


def finish(run: Run, plan: TrainingPlan, trained: TrainedNetworks, out: Path) -> str | None:
    """Write the model and log it with everything else; returns the logged model's id.

    Beside ``out``, ``map_checks/trained.json`` records which model the networks in that folder belong to.
    """
    facts = replace(model_facts(plan, trained), plugins=plugins.carry(out / "model", needed=_needs_plugins(plan)))
    save_model(out / "model", facts, trained.networks)
    summary = summary_of(trained)
    write_json(out / "summary.json", finite(summary), sort_keys=True)
    write_json(out.parent / "map_checks" / "trained.json", {"model": weights_digest(out / "model")})
    return log_trained(run, plan, facts, trained.validation, out)


def log_trained(
    run: Run, training_plan: TrainingPlan, facts: ModelFacts, validation: Mapping[str, float], out: Path
) -> str | None:
    """Log a finished training from its folder: metrics on validation, history, the whole model; its id."""
    run.metrics({f"validation_{name}": value for name, value in validation.items()})
    for name in ("history.csv", "steps.csv", "history.json", "summary.json"):
        run.artifact(out / name)
    params = {
        "backbone": training_plan.block.model.backbone,
        "weights": training_plan.block.model.source or "random",
        "loss": in_words(training_plan.spec["name"]),
        "input": training_plan.block.input,
        "members": facts.members,
        **{
            k: v
            for k, v in training_plan.block.train.model_dump(mode="json").items()
            if isinstance(v, (int, float, str, bool))
        },
    }
    return log_whole_model(run, training_plan, facts, params, out)


def log_whole_model(
    run: Run, plan: TrainingPlan, facts: ModelFacts, params: Mapping[str, Any], out: Path
) -> str | None:
    """Log the model in ``out / "model"``; its id, or None where MLflow is off or does not take it now.

    Args:
        run: that it belongs to.
        plan: of the training or the ensemble.
        facts: of the model.
        params: shown beside it on the Models page.
        out: folder of the stage's outputs.
    """
    return log_model(
        run,
        out / "model",
        name=plan.key,
        params={**params, "input.shape": str(plan.input.model_dump(mode="json").get("shape"))},
        columns=example_columns(plan, facts),
        example=EXAMPLE[plan.input.modality],
        inputs=facts.input,
        covariates=facts.covariates,
    )


def _needs_plugins(plan: TrainingPlan) -> bool:
    """Whether the task or the backbone is a plugin, without whose code the model cannot be opened."""
    table = plan.block.task.backbones(plan.input.modality)
    modules = catalogue.package_of(plan.task.name), backbones.origin(plan.block.model.backbone, table)
    return any(plugins.is_plugin(module) for module in modules)


def model_facts(plan: TrainingPlan, trained: TrainedNetworks) -> ModelFacts:
    """The content of ``model.json``."""
    block = plan.block
    sides = {name: plan.sides.side(name) for name in ("train", "validation")}
    return ModelFacts(
        name=plan.key,
        dataset=block.dataset,
        task=block.task.model_dump(mode="json"),
        input=plan.input.model_dump(mode="json"),
        classes=plan.classes,
        loss=plan.spec["name"],
        fitted=trained.fitted,
        members=len(trained.networks),
        folds=block.train.folds,
        augment_draws=suitability.copies(block, plan.input.modality, plan.task),
        augment=_augmentation(plan),
        training={
            name: {"samples": len(side), "subjects": len(set(side.subjects)), "digest": side.digest}
            for name, side in sides.items()
        }
        | {
            "metrics": trained.validation,
            "shape": list(plan.shape),
            "spacing": plan.spacing,
            "fit": {name: getattr(block.train, name) for name in ("calibration", "miscoverage")},
            "cohort": training_cohort.described(sides["train"]),
        },
        weights=_weights_facts(trained, block),
        synthetic=plan.sides.synthetic,
        covariates=() if plan.covariates is None else tuple(plan.covariates.described()),
        abstain=block.train.distance == "abstain",
        table=_table_layout(plan),
    )


def _table_layout(plan: TrainingPlan) -> dict[str, Any]:
    """How a row of the dataset's table becomes a sample, as the split wrote it."""
    from scantune.cohort.layout import read_layout

    covariates = () if plan.covariates is None else plan.covariates.names
    return read_layout(Path("data/splits") / plan.block.dataset, covariates)


def _augmentation(plan: TrainingPlan) -> dict[str, Any]:
    """All values of the augmentation, so that the model does not depend on later defaults."""
    block = settled(plan.block.train.augment, plan.task)
    return augment_config(plan.input.modality, block).model_dump(mode="json") if block else {}


def _weights_facts(trained: TrainedNetworks, block: ExperimentConfig) -> dict[str, Any]:
    """Source of the initial weights, what of them matched, and their licence."""
    if block.model.source is None:
        return {"source": "random", "licence": "none: the network was trained from random weights"}
    from scantune.models.weights import licence

    backbone = trained.networks[0].backbone
    report = backbone.load_report
    return {
        "source": without_paths(block.model.source),
        "licence": licence(block.model.source, backbone),
        "matched": None if report is None else str(report),
    }


def summary_of(trained: TrainedNetworks) -> dict[str, Any]:
    """Summary of the training, for ``summary.json`` and the report."""
    rows = [
        {
            "best_epoch": result.best_epoch,
            "best_value": result.best_value,
            "monitor": result.monitor,
            "epochs": result.epochs,
            "steps": result.steps,
            "skipped": result.skipped,
            "finished": result.finished,
            "precision": result.precision,
            "device": result.device,
            "processes": result.world_size,
            "trained": list(result.trained),
            "unfrozen": {str(epoch): names for epoch, names in result.unfrozen.items()},
            "notes": result.notes,
            "checkpoints": result.checkpoints,
        }
        for result in trained.results
    ]
    return {"members": rows, "validation": trained.validation}


def example_columns(plan: TrainingPlan, facts: ModelFacts) -> dict[str, Any]:
    """The columns of the model's predictions with one value each, for their names and types."""
    import numpy as np

    answer = np.zeros((1, *plan.task.output_shape), np.float32)
    compares = plan.task.class_axis is None and (facts.members > 1 or facts.augment_draws > 0)
    columns = plan.task.answers(answer, None, facts.fitted, answer if compares else None)
    if plan.block.train.distance:
        columns["distance"] = np.ones(1)
    if facts.abstain:
        columns["answered"] = ["yes"]
    return {name: values[0] for name, values in columns.items()}
