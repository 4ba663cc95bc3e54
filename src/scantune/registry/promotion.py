"""Versions and the champion: an alias moves only where one comparison, stated beforehand, allows it."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from scantune.records import ScantuneError
from scantune.registry.baseline import Rule, Verdict, against_baselines, read_metrics
from scantune.registry.decision import Decision, undo_command
from scantune.tracking import Run, RunReference, TrackingError, found, own_folder
from scantune.tracking.store import first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from scantune.config.evaluate import EvaluateConfig
    from scantune.tasks.base import TaskSettings

PREDICTIONS = "predictions.csv"
#: Characters of a description that MLflow keeps in its database.
_LONGEST = 5000


def register(
    run: Run,
    trained: RunReference,
    *,
    name: str,
    alias: str,
    task: TaskSettings,
    evaluate: EvaluateConfig,
    folder: Path,
    baseline: Rule = "interval",
    again: str = "dvc repro -f train@<experiment>",
) -> Decision:
    """Register a version of the model that train logged, and assign it the alias if it qualifies.

    No model takes it that is not better than the best simple baseline. The first one that is takes it. A later one
    takes it where, on the same test subjects, the primary metric's paired comparison with the champion shows
    superiority, or non-inferiority where a margin was stated. Two registrations in one project wait for each other.

    Args:
        run: the register run.
        trained: the train run and its logged model.
        name: in the registry.
        alias: of the best version.
        task: the ``task:`` block.
        evaluate: the ``evaluate:`` block: primary metric and margin.
        folder: ``outputs/<experiment>/evaluate``, with the model's own predictions and metrics.
        baseline: the rule for the comparison with the baselines.
        again: the command that trains the model again, for the message.

    Raises:
        ScantuneError: MLflow has no model of this training.
        TrackingError: the champion, or its predictions, cannot be fetched now: nothing is decided.
    """
    if not run.on:
        return Decision(name, "", alias, False, "MLflow is off")
    trained = trained.completed(run)
    if not trained.model_id:
        raise ScantuneError(
            f"not registered: the training logged no model to this MLflow server. Train again with it: {again}"
        )
    service = run.service
    with registry_lock():
        _make_registered(service, name)
        version = _version(service, name, trained, alias)
        service.set_model_version_tag(name, version, "scantune.train_run", trained.run_id or "")
        _describe(service, name, version, folder)
        decision = _decide(service, name, version, alias, task, evaluate, folder, baseline)
        if decision.promoted:
            service.set_registered_model_alias(name, alias, version)
    service.set_model_version_tag(name, version, "scantune.decision", decision.reason[:4000])
    return decision


def register_again(run: Run, trained: RunReference, decided: Mapping[str, Any], folder: Path) -> str:
    """Make a version of a model that was logged again, as ``registration.json`` says that it was; the version.

    Args:
        run: the register run.
        trained: the train run and its logged model.
        decided: ``registration.json``.
        folder: ``outputs/<experiment>/evaluate``.
    """
    service, name = run.service, decided["name"]
    with registry_lock():
        _make_registered(service, name)
        version = _version(service, name, trained, decided["alias"])
        service.set_model_version_tag(name, version, "scantune.train_run", trained.run_id or "")
        service.set_model_version_tag(name, version, "scantune.decision", decided["reason"][:4000])
        _describe(service, name, version, folder)
        if decided["promoted"]:
            service.set_registered_model_alias(name, decided["alias"], version)
    return version


@contextlib.contextmanager
def registry_lock() -> Iterator[None]:
    """From the look-up of the champion to the assignment of the alias, no other process of this project may assign
    it."""
    path = own_folder() / "registry.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def promote(service: MlflowClient, name: str, version: str, alias: str) -> str:
    """Assign the alias to a version by hand; returns the version that had it before, or "".

    Raises:
        ScantuneError: there is no such version.
    """
    versions = sorted(int(registered.version) for registered in _versions(service, name))
    if not versions:
        raise ScantuneError(f"{name!r}: no model of that name is registered")
    if not version.isdigit() or int(version) not in versions:
        raise ScantuneError(f"{name} has no version {version!r}; there are {', '.join(map(str, versions))}")
    with registry_lock():
        champion = _champion(service, name, alias)
        service.set_registered_model_alias(name, alias, version)
    return "" if champion is None else str(champion.version)


def _decide(
    service: MlflowClient,
    name: str,
    version: str,
    alias: str,
    task: TaskSettings,
    evaluate: EvaluateConfig,
    folder: Path,
    baseline: Rule,
) -> Decision:
    """Whether the version takes the alias, and why."""
    champion = _champion(service, name, alias)
    verdict = _baseline_verdict(task, evaluate, folder, baseline)
    former = "" if champion is None else str(champion.version)  # a number or a text, depending on MLflow's store
    comparison: dict[str, Any] = {}
    if former == version:
        allowed, reason = True, f"it already has the alias; {verdict.reason}"
    elif champion is None:
        allowed, reason = verdict.better, f"no version had it before; {verdict.reason}"
    else:
        comparison, reason, allowed = _against(service, champion, task, evaluate, folder)
        if allowed and not verdict.better:
            allowed, reason = False, f"{reason}; but {verdict.reason}"
    metrics = dict(verdict.metrics)
    if comparison:
        metrics["champion"] = comparison["metrics"][comparison["primary"]]["reference"]
    undo = undo_command(name, alias, version, former, allowed)
    return Decision(name, version, alias, allowed, reason, former, metrics, comparison, undo)


def _baseline_verdict(task: TaskSettings, evaluate: EvaluateConfig, folder: Path, rule: Rule) -> Verdict:
    from scantune.tasks.custom import metrics_of
    from scantune.tasks.directions import lower_is_better

    metrics = read_metrics(folder)
    primary = evaluate.primary or metrics["headline"][0]
    return against_baselines(metrics, primary, lower_is_better(metrics_of(task.name).ERRORS, primary), rule)


def _make_registered(service: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        service.create_registered_model(name)
    except MlflowException as error:
        if "ALREADY_EXISTS" not in str(error.error_code):
            raise


def _describe(service: MlflowClient, name: str, version: str, folder: Path) -> None:
    """The model card as the description of the version, for its page: whole lines, as many as MLflow keeps."""
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    if len(card) > _LONGEST:
        rest = "\n\n… The whole card is an artifact of the evaluate run (model_card.md)."
        card = card[: card.rindex("\n", 0, _LONGEST - len(rest))] + rest
    service.update_model_version(name, version, card)


def _version(service: MlflowClient, name: str, trained: RunReference, alias: str) -> str:
    """The version of this logged model, of several the one with the alias, else the first; registered if there is none
    (a stage that runs twice registers one)."""
    known = _versions_of(service, name, trained)
    if not known:
        import mlflow

        with contextlib.redirect_stderr(io.StringIO()):  # "already exists" is printed of a first version too
            tags = {"scantune.model_id": trained.model_id}
            created = mlflow.register_model(f"models:/{trained.model_id}", name, tags=tags)
        known = _versions_of(service, name, trained) or [str(created.version)]
        for twin in known[1:]:  # MLflow's client asks again where the answer to the first request is lost
            with contextlib.suppress(Exception):  # the version is there; not everyone may delete one
                service.delete_model_version(name, twin)
    champion = _champion(service, name, alias) if len(known) > 1 else None
    return str(champion.version) if champion is not None and str(champion.version) in known else known[0]


def _versions_of(service: MlflowClient, name: str, trained: RunReference) -> list[str]:
    """Versions of this logged model, the first one first."""
    tagged = [v for v in _versions(service, name) if v.tags.get("scantune.model_id") == trained.model_id]
    return [str(version.version) for version in sorted(tagged, key=lambda version: int(version.version))]


def _versions(service: MlflowClient, name: str) -> list[Any]:
    """All versions of a model."""
    quote = '"' if "'" in name else "'"
    return list(service.search_model_versions(f"name={quote}{name}{quote}"))


def _champion(service: MlflowClient, name: str, alias: str) -> Any:
    return found(service.get_model_version_by_alias, name, alias)


def _against(
    service: MlflowClient, champion: Any, task: TaskSettings, evaluate: EvaluateConfig, folder: Path
) -> tuple[dict[str, Any], str, bool]:
    """The paired comparison with the champion: its result, the reason as text, and whether it allows promotion."""
    from scantune.tasks.comparing import compare
    from scantune.tasks.predictions_file import read

    with tempfile.TemporaryDirectory(prefix="scantune-") as fetched:  # subjects' predictions: no copy is left there
        champion_path = _predictions_of(service, champion, fetched)
        if champion_path is None:
            return (
                {},
                f"the predictions of version {champion.version} cannot be found, so no comparison is possible",
                False,
            )
        try:
            result = compare(
                replace(read(champion_path), name=f"version {champion.version}"),
                replace(read(folder / PREDICTIONS), name="this model"),
                task,
                primary=evaluate.primary,
                margin=evaluate.margin,
                draws=evaluate.draws,
                seed=evaluate.seed,
                confidence=evaluate.confidence,
            )
        except ScantuneError as error:
            return {}, f"cannot be compared with version {champion.version}: {error}", False
    decided = result["decision"]
    allowed = decided["holds"] if evaluate.margin > 0 else decided["superior"]
    return result, f"against version {champion.version}: {_reason(result, evaluate.margin)}", bool(allowed)


def _reason(result: dict[str, Any], margin: float) -> str:
    """The comparison of the primary figure as a sentence."""
    name = result["primary"]
    entry, decided = result["metrics"][name], result["decision"]
    difference = entry["difference"]
    if difference["lower"] is None:
        return f"the difference in {name} is undefined ({difference['reason']})"
    text = (
        f"{name} {entry['challenger']['value']:.4g} instead of {entry['reference']['value']:.4g}, "
        f"{difference['value']:+.4f} ({difference['lower']:+.4f} to {difference['upper']:+.4f})"
    )
    if margin > 0:
        return f"{text}, non-inferiority {'' if decided['holds'] else 'not '}shown (margin {margin:g})"
    return f"{text}, superiority {'' if decided['superior'] else 'not '}shown"


def _predictions_of(service: MlflowClient, champion: Any, folder: str) -> Path | None:
    """The champion's own test predictions, from the evaluate run below its train run, fetched into a folder; None where
    there are none.

    Raises:
        TrackingError: there are some, or may be, and the store of the files does not give them now.
    """
    import mlflow

    run = champion.tags.get("scantune.train_run") or champion.run_id
    trained = found(service.get_run, run) if run else None  # a version from elsewhere has no run here
    if trained is None:
        return None
    runs = service.search_runs(
        [trained.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{run}' and tags.`scantune.stage` = 'evaluate'",
        max_results=20,
    )
    try:
        for run_id in (candidate.info.run_id for candidate in runs):
            if any(file.path == PREDICTIONS for file in service.list_artifacts(run_id)):
                path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=PREDICTIONS, dst_path=folder)
                return Path(path)
    except Exception as error:
        raise TrackingError(
            f"the predictions of version {champion.version} of {champion.name} cannot be fetched "
            f"({first_line(error)}), so nothing is decided: run this again when the store of MLflow's files answers, "
            "or assign the alias by 'scantune promote'"
        ) from error
    return None
