"""After the figures of an evaluation: errors with their pictures, maps, the report and the model card."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from scantune.digests import SHORT, file_digest
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


def finish(given: Evaluation) -> None:
    """Write ``errors.csv``, ``saliency/``, ``report.html``, ``model_card.md``; ``saliency`` goes into the metrics."""
    from scantune import report
    from scantune.files import write_json

    samples = errors_of.sample_errors(given.table, given.block.task)
    sized = errors_of.of_task(given.block.task.name).SIZED
    wrong = errors_of.worst(samples, at_least=errors_of.SHOWN if sized else 0)
    explained = _explained(given, samples, [said.sample_id for said in wrong[: errors_of.SHOWN]])
    given.metrics["saliency"] = explained.section
    write_json(given.out / "metrics.json", given.metrics)
    errors_of.write_errors(wrong, given.out / "errors.csv")
    facts = facts_of(given, samples, wrong, explained)
    report.build(facts, given.out / "report.html")
    if given.card:
        report.model_card(facts, given.out / "model_card.md")


def _explained(given: Evaluation, samples: Sequence[SampleError], errors: Sequence[str]) -> MapResults:
    """Maps of the test side, of the ``errors`` too; the folder is an output of the stage and there in any case."""
    folder = given.out / "saliency"
    folder.mkdir(parents=True, exist_ok=True)
    settings, opened = given.block.evaluate.saliency, given.predictors
    others = others_of(given.params, given.key, weights_digest(given.model)) if settings.checks else {}
    request = MapRequest(opened.networks, given.facts, opened.task, settings, opened.device, others, given.answers)
    outlined = errors_of.of_task(given.block.task.name).OUTLINED
    return explain_test(request, given.sides, samples, folder, () if outlined else errors)


def facts_of(
    given: Evaluation, samples: Sequence[SampleError], wrong: Sequence[SampleError], explained: MapResults
) -> RunFacts:
    """All facts of the run."""
    from scantune.report import RunFacts
    from scantune.report.environment import environment
    from scantune.report.figures import titled

    flow = _json(given.sides.cache / "flow.json")
    audit = _audit(given)
    cohort = flow.get("cohort") or {}
    drawn = {path.stem: titled(path.stem, path.read_bytes()) for path in _in_order(given)}
    return RunFacts(
        name=given.name or given.key,
        dataset=given.data,
        metrics=given.metrics,
        description=given.block.description,
        task=given.block.task.model_dump(mode="json"),
        cohort=cohort.get("description", ""),
        demo=cohort.get("demo", False),
        synthetic=given.sides.synthetic,
        flow=flow,
        audit=audit,
        model=_model(given),
        training=_json(given.train / "summary.json"),
        settings=_settings(given),
        environment=environment(),
        digests=_digests(given),
        figures=drawn,
        flow_figure=_flow_figure(flow, audit, given),
        curves=_curves(given, given.train / "history.csv"),
        mistakes=[_mistake(said) for said in wrong],
        mistakes_of=errors_of.in_words(samples, given.block.task.name),
        mistake_pictures=error_sheet(given, wrong[: errors_of.SHOWN], explained),
        saliency_pictures=_saved(explained, given.out / "saliency"),
        looks=(given.metrics.get("test_set") or {}).get("look"),
    )


def _audit(given: Evaluation) -> dict[str, Any]:
    """``audit.json`` with the partitions of this model: the sides, or the folds and the test side beside them."""
    if given.dataset:
        return {}
    audit = _json(Path("data/splits") / given.data / "audit.json")
    folds = audit.pop("folds", {})
    if given.block.train.folds and folds:
        audit["sides"] = folds | {name: side for name, side in audit["sides"].items() if name == "test"}
    return audit


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _in_order(given: Evaluation) -> list[Path]:
    """Figures as they were drawn: the task's own first, subgroups last."""
    from scantune.report.figures import captions
    from scantune.tasks.figures import PART

    order = list(captions())
    found = [p for p in sorted((given.out / "figures").glob("*.svg")) if p.stem != "participants"]
    drawn = {p: p.stem.partition(PART)[0] for p in found}
    return sorted(found, key=lambda p: (order.index(drawn[p]) if drawn[p] in order else len(order), p.stem))


def _mistake(said: SampleError) -> Mistake:
    from scantune.report import Mistake

    return Mistake(said.sample_id, said.kind, said.target, said.answer, said.error, said.group)


def _model(given: Evaluation) -> dict[str, Any]:
    from scantune.report.facts import SYNTHETIC

    facts, model = given.facts, given.block.model
    members = _json(given.train / "summary.json").get("members") or []
    trained = (members[0].get("trained") or []) if members else []
    held: dict[str, Any] = {
        "backbone": f"the averaged predictions of {', '.join(given.members)}" if given.members else model.backbone,
        "parameters": f"{trained[-1]:,}" if trained else None,
        "of_these_trained": f"{trained[0]:,}" if trained else None,
        "members": facts.members,
        "weights": facts.weights.get("source"),
        "licence": facts.weights.get("licence"),
        "matched": facts.weights.get("matched"),
        "classes": list(facts.classes) if facts.classes else None,
        "loss": facts.loss,
        "calibration": (facts.fitted.get("calibration") or {}).get("name"),
        "calibrated_on": facts.fitted.get("fitted_on"),
        "test_time_augmentation": facts.augment_draws or None,
        "trained_on": SYNTHETIC if facts.synthetic else None,
    }
    return without_paths({name: value for name, value in held.items() if value is not None})


def _settings(given: Evaluation) -> dict[str, Any]:
    dataset = given.params.datasets[given.data].model_dump(mode="json", exclude_defaults=True)
    dataset["split"] = given.params.datasets[given.data].split.model_dump(mode="json", exclude_none=True)
    named = ("task", "evaluate") if given.members else ("task", "model", "train", "evaluate")
    blocks = {
        "dataset": {name: value for name, value in dataset.items() if name not in {"root", "watch", "table"}},
        "input": given.facts.input,
        **{name: getattr(given.block, name).model_dump(mode="json") for name in named},
    }
    return without_paths(blocks)


def without_paths(value: Any) -> Any:
    """Settings as they may leave: of absolute paths and addresses the last part alone."""
    if isinstance(value, Mapping):
        return {key: without_paths(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(held) for held in value]
    if isinstance(value, str) and _leads_outside(value):
        return "…/" + value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return value


def _leads_outside(text: str) -> bool:
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return absolute or text.startswith(("~", "..", "\\\\")) or "://" in text


def _digests(given: Evaluation) -> dict[str, str]:
    sides = {name: given.sides.side(name) for name in ("train", "validation", "test")}
    held = {f"{name} samples": side.digest for name, side in sides.items() if len(side)}
    files = {"manifest.csv": given.sides.cache / "manifest.csv"}
    if not given.dataset:
        files["splits.csv"] = Path("data/splits") / given.data / "splits.csv"
    held |= {name: file_digest(path, SHORT) for name, path in files.items() if path.exists()}
    members = given.facts.training.get("members") or {}
    held |= {f"model weights of {name}": member["model"] for name, member in members.items()}
    return held | {"model weights": weights_digest(given.model)}


def _flow_figure(flow: Mapping[str, Any], audit: Mapping[str, Any], given: Evaluation) -> Picture | None:
    from scantune import plots
    from scantune.report.figures import titled

    if not flow.get("steps"):
        return None
    sides = {name: {k: side[k] for k in ("samples", "subjects")} for name, side in (audit.get("sides") or {}).items()}
    if given.dataset:
        sides = {"tested": {"samples": given.metrics["n"], "subjects": given.metrics["n_subjects"]}}
    figure = plots.participants(flow["steps"], sides)
    path, _ = plots.save(figure, given.out / "figures" / "participants")
    return titled("participants", path.read_bytes())


def _curves(given: Evaluation, history: Path) -> Picture | None:
    """Learning curves of the first member."""
    from scantune import plots
    from scantune.report.figures import titled

    if not history.exists():
        return None
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row.get("member") == rows[0].get("member")]
    monitor, mode = monitored(given.block)
    return titled("learning_curves", plots.render(plots.learning_curves(rows, monitor=monitor, mode=mode), "svg"))


def _saved(explained: MapResults, folder: Path) -> list[Picture]:
    """The maps' figures, written to the folder, for the report."""
    from scantune import plots
    from scantune.report.figures import titled

    found = []
    for name, figure in explained.figures.items():
        (path,) = plots.save(figure, folder / name, ("png",))
        found.append(titled(name, path.read_bytes()))
    return found
