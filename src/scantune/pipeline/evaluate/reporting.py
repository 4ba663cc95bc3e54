"""Outputs after the metrics of an evaluation: errors with their pictures, maps, the report and the model card."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.digests import SHORT, file_digest
from scantune.files import without_paths
from scantune.pipeline.evaluate import cases, folders
from scantune.pipeline.evaluate.error_sheet import error_sheet
from scantune.pipeline.evaluate.evaluation import Evaluation
from scantune.pipeline.maps.others import others_of
from scantune.pipeline.maps.request import MapRequest
from scantune.pipeline.maps.saliency import MapResults, explain_test
from scantune.registry.model import weights_digest
from scantune.tasks import errors as errors_of
from scantune.tasks.directions import monitored
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from scantune.report.facts import Mistake, Picture, RunFacts


def finish(evaluation: Evaluation) -> None:
    """Write ``errors.csv``, ``saliency/``, ``cases.html``, ``report.html`` and ``model_card.md``.

    Adds ``saliency`` to the metrics.
    """
    from scantune import report
    from scantune.files import write_json

    samples = errors_of.sample_errors(evaluation.table, evaluation.block.task)
    sized = errors_of.of_task(evaluation.block.task.name).SIZED
    wrong = errors_of.worst(samples, at_least=errors_of.SHOWN if sized else 0)
    explained = _explained(evaluation, samples, [error.sample_id for error in wrong[: errors_of.SHOWN]])
    evaluation.metrics["saliency"] = explained.section
    write_json(evaluation.out / "metrics.json", evaluation.metrics)
    errors_of.write_errors(wrong, evaluation.out / "errors.csv")
    facts = facts_of(evaluation, samples, wrong, explained)
    cases.write(evaluation, samples, report.banners(facts))
    report.build(facts, evaluation.out / "report.html")
    if evaluation.card:
        report.model_card(facts, evaluation.out / "model_card.md")


def _explained(evaluation: Evaluation, samples: Sequence[SampleError], errors: Sequence[str]) -> MapResults:
    """Maps of test samples, including ``errors``; the folder is an output of the stage and is always created."""
    folder = folders.opened(evaluation.out / "saliency")
    stated, opened = evaluation.block.evaluate, evaluation.predictors
    settings = stated.saliency
    others = others_of(evaluation.params, evaluation.key, weights_digest(evaluation.model)) if settings.checks else {}
    request = MapRequest(
        opened.networks,
        evaluation.facts,
        opened.task,
        settings,
        opened.device,
        others,
        evaluation.answers,
        stated.confidence,
    )
    outlined = errors_of.of_task(evaluation.block.task.name).OUTLINED
    return explain_test(request, evaluation.sides, samples, folder, () if outlined else errors)


def facts_of(
    evaluation: Evaluation, samples: Sequence[SampleError], wrong: Sequence[SampleError], explained: MapResults
) -> RunFacts:
    """All facts of the run."""
    from scantune.report import RunFacts
    from scantune.report.environment import environment
    from scantune.report.figures import titled

    flow = _json(evaluation.sides.cache / "flow.json")
    audit = _audit(evaluation)
    cohort = flow.get("cohort") or {}
    drawn = {path.stem: titled(path.stem, path.read_bytes()) for path in _in_order(evaluation)}
    return RunFacts(
        name=evaluation.name or evaluation.key,
        dataset=evaluation.data,
        metrics=evaluation.metrics,
        description=evaluation.block.description,
        task=evaluation.block.task.model_dump(mode="json"),
        cohort=cohort.get("description", ""),
        demo=cohort.get("demo", False),
        synthetic=evaluation.sides.synthetic,
        flow=flow,
        audit=audit,
        model=_model(evaluation),
        training=_json(evaluation.train / "summary.json"),
        settings=_settings(evaluation),
        environment=environment(),
        digests=_digests(evaluation),
        figures=drawn,
        flow_figure=_flow_figure(flow, audit, evaluation),
        curves=_curves(evaluation, evaluation.train / "history.csv"),
        mistakes=[_mistake(error) for error in wrong],
        mistakes_of=errors_of.in_words(samples, evaluation.block.task),
        doubts=errors_of.doubts_in_words(samples),
        mistake_pictures=error_sheet(evaluation, wrong[: errors_of.SHOWN], explained),
        saliency_pictures=_saved(explained, evaluation.out / "saliency"),
        cases=cases.NAME if evaluation.block.evaluate.cases else "",
        looks=(evaluation.metrics.get("test_set") or {}).get("look"),
    )


def _audit(evaluation: Evaluation) -> dict[str, Any]:
    """``audit.json`` with the partitions of this model: the sides, or the folds and the test side beside them."""
    if evaluation.dataset:
        return {}
    audit = _json(Path("data/splits") / evaluation.data / "audit.json")
    folds = audit.pop("folds", {})
    if evaluation.block.train.folds and folds:
        audit["sides"] = folds | {name: side for name, side in audit["sides"].items() if name == "test"}
    return audit


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _in_order(evaluation: Evaluation) -> list[Path]:
    """Figures in the report's order: the task's own first, subgroups last."""
    from scantune.report.figures import captions
    from scantune.tasks.figures import PART

    order = list(captions())
    paths = [p for p in sorted((evaluation.out / "figures").glob("*.svg")) if p.stem != "participants"]
    drawn = {p: p.stem.partition(PART)[0] for p in paths}
    return sorted(paths, key=lambda p: (order.index(drawn[p]) if drawn[p] in order else len(order), p.stem))


def _mistake(error: SampleError) -> Mistake:
    from scantune.report import Mistake

    return Mistake(error.sample_id, error.kind, error.target, error.answer, error.error, error.group)


def _model(evaluation: Evaluation) -> dict[str, Any]:
    from scantune.report.facts import SYNTHETIC

    facts, model = evaluation.facts, evaluation.block.model
    covariates = evaluation.predictors.served.covariates
    members = _json(evaluation.train / "summary.json").get("members") or []
    trained = (members[0].get("trained") or []) if members else []
    entries: dict[str, Any] = {
        "backbone": f"the averaged predictions of {', '.join(evaluation.members)}"
        if evaluation.members
        else model.backbone,
        "parameters": f"{trained[-1]:,}" if trained else None,
        "of_these_trained": f"{trained[0]:,}" if trained else None,
        "members": facts.members,
        "weights": facts.weights.get("source"),
        "licence": facts.weights.get("licence"),
        "matched": facts.weights.get("matched"),
        "classes": list(facts.classes) if facts.classes else None,
        "loss": facts.loss,
        "calibration": (facts.fitted.get("calibration") or {}).get("name"),
        "calibrated_on": None if evaluation.block.task.mask_classes else facts.fitted.get("fitted_on"),
        "test_time_augmentation": facts.augment_draws or None,
        "trained_on": SYNTHETIC if facts.synthetic else None,
        "covariates": "; ".join(c.describe() for c in covariates.columns) if covariates else None,
    }
    return without_paths({name: value for name, value in entries.items() if value is not None})


def _settings(evaluation: Evaluation) -> dict[str, Any]:
    dataset = evaluation.params.datasets[evaluation.data].model_dump(mode="json", exclude_defaults=True)
    dataset["split"] = evaluation.params.datasets[evaluation.data].split.model_dump(mode="json", exclude_none=True)
    named = ("task", "evaluate") if evaluation.members else ("task", "model", "train", "evaluate")
    blocks = {
        "dataset": {name: value for name, value in dataset.items() if name not in {"root", "watch", "table"}},
        "input": evaluation.facts.input,
        **{name: getattr(evaluation.block, name).model_dump(mode="json") for name in named},
    }
    return without_paths(blocks)


def _digests(evaluation: Evaluation) -> dict[str, str]:
    sides = {name: evaluation.sides.side(name) for name in ("train", "validation", "test")}
    digests = {f"{name} samples": side.digest for name, side in sides.items() if len(side)}
    files = {"manifest.csv": evaluation.sides.cache / "manifest.csv"}
    if not evaluation.dataset:
        files["splits.csv"] = Path("data/splits") / evaluation.data / "splits.csv"
    digests |= {name: file_digest(path, SHORT) for name, path in files.items() if path.exists()}
    members = evaluation.facts.training.get("members") or {}
    digests |= {f"model weights of {name}": member["model"] for name, member in members.items()}
    return digests | {"model weights": weights_digest(evaluation.model)}


def _flow_figure(flow: Mapping[str, Any], audit: Mapping[str, Any], evaluation: Evaluation) -> Picture | None:
    from scantune import plots
    from scantune.report.figures import titled

    if not flow.get("steps"):
        return None
    sides = {name: {k: side[k] for k in ("samples", "subjects")} for name, side in (audit.get("sides") or {}).items()}
    if evaluation.dataset:
        sides = {"tested": {"samples": evaluation.metrics["n"], "subjects": evaluation.metrics["n_subjects"]}}
    figure = plots.participants(flow["steps"], sides)
    path, _ = plots.save(figure, evaluation.out / "figures" / "participants")
    return titled("participants", path.read_bytes())


def _curves(evaluation: Evaluation, history: Path) -> Picture | None:
    """Learning curves of the first member."""
    from scantune import plots
    from scantune.report.figures import titled

    if not history.exists():
        return None
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row.get("member") == rows[0].get("member")]
    monitor, mode = monitored(evaluation.block)
    return titled("learning_curves", plots.render(plots.learning_curves(rows, monitor=monitor, mode=mode), "svg"))


def _saved(explained: MapResults, folder: Path) -> list[Picture]:
    """The maps' figures, written to the folder, for the report."""
    from scantune import plots
    from scantune.report.figures import titled

    pictures = []
    for name, figure in explained.figures.items():
        (path,) = plots.save(figure, folder / name, ("png",))
        pictures.append(titled(name, path.read_bytes()))
    return pictures
