"""Versions and the champion: an alias moves only where one comparison, stated beforehand, allows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scantune.files import write_json
from scantune.records import ScantuneError
from scantune.tracking import Run, RunReference

PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Decision:
    """What became of a model.

    Attributes:
        name: in the registry; empty where nothing was registered.
        version: its version there.
        alias: the alias that the decision was about.
        promoted: whether it has the alias now.
        reason: why, in words.
        champion: version that had the alias before, or "".
        comparison: with the champion, on the same test subjects; empty where there was none.
    """

    name: str
    version: str
    alias: str
    promoted: bool
    reason: str
    champion: str = ""
    comparison: dict[str, Any] = field(default_factory=dict)

    def in_words(self) -> str:
        """One line for the terminal."""
        if not self.version:
            return f"not registered: {self.reason}"
        now = f"has the alias {self.alias!r}" if self.promoted else f"has not the alias {self.alias!r}"
        return f"{self.name} version {self.version} {now}: {self.reason}"

    def write(self, path: Path) -> None:
        """As JSON."""
        write_json(path, asdict(self), sort_keys=True)


def register(
    run: Run, trained: RunReference, *, name: str, alias: str, task: Any, evaluate: Any, folder: Path
) -> Decision:
    """Make a version of the model that train logged, and give it the alias where that is due.

    The first version takes it. A later one takes it where, on the same test subjects, the primary figure's paired
    comparison with the champion shows superiority, or non-inferiority where a margin was stated.

    Args:
        run: the register run.
        trained: the train run and its logged model.
        name: in the registry.
        alias: given to the best.
        task: the ``task:`` block.
        evaluate: the ``evaluate:`` block: primary figure and margin.
        folder: ``outputs/<experiment>/evaluate``, with the model's own predictions.
    """
    if not run.on or not trained.model_id:
        why = "MLflow is off" if not run.on else "train logged no model to this server; run train again with it"
        return Decision(name, "", alias, False, why)
    service = run.service
    _make_registered(service, name)
    version = _version(service, name, trained)
    service.set_model_version_tag(name, version, "scantune.train_run", trained.run_id or "")
    champion = _champion(service, name, alias)
    if champion is None or champion.version == version:
        service.set_registered_model_alias(name, alias, version)
        return Decision(name, version, alias, True, "it is the first" if champion is None else "it was it already")
    comparison, reason, allowed = _against(service, champion, task, evaluate, folder)
    if allowed:
        service.set_registered_model_alias(name, alias, version)
    return Decision(name, version, alias, allowed, reason, champion.version, comparison)


def _make_registered(service: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        service.create_registered_model(name)
    except MlflowException as error:
        if "ALREADY_EXISTS" not in str(error.error_code):
            raise


def _version(service: Any, name: str, trained: RunReference) -> str:
    """The version of this very logged model; made where there is none (a stage that runs twice makes one)."""
    for held in service.search_model_versions(f"name='{name}'"):
        if held.tags.get("scantune.model_id") == trained.model_id:
            return str(held.version)
    import mlflow

    made = mlflow.register_model(f"models:/{trained.model_id}", name, tags={"scantune.model_id": trained.model_id})
    return str(made.version)


def _champion(service: Any, name: str, alias: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return service.get_model_version_by_alias(name, alias)
    except MlflowException:
        return None


def _against(service: Any, champion: Any, task: Any, evaluate: Any, folder: Path) -> tuple[dict[str, Any], str, bool]:
    """The paired comparison with the champion: all of it, the reason in words, and whether it allows promotion."""
    from scantune.tasks.comparing import compare
    from scantune.tasks.predictions import read

    held = _predictions_of(service, champion)
    if held is None:
        return {}, f"the predictions of version {champion.version} cannot be found, so nothing can be compared", False
    try:
        result = compare(
            read(held),
            read(folder / PREDICTIONS),
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
    difference, decided = result["metrics"][name]["difference"], result["decision"]
    if difference["lower"] is None:
        return f"the difference in {name} is undefined ({difference['reason']})"
    found = f"{name} differs by {difference['value']:+.4f} ({difference['lower']:+.4f} to {difference['upper']:+.4f})"
    if margin > 0:
        return f"{found}, {'not' if decided['holds'] else 'maybe'} inferior by the stated margin of {margin:g}"
    return f"{found}, {'superior' if decided['superior'] else 'superiority not shown'}"


def _predictions_of(service: Any, champion: Any) -> Path | None:
    """The champion's own test predictions, from the evaluate run below its train run."""
    import mlflow

    run = champion.tags.get("scantune.train_run") or champion.run_id
    experiment = service.get_run(run).info.experiment_id
    found = service.search_runs(
        [experiment], f"tags.`mlflow.parentRunId` = '{run}' and tags.`scantune.stage` = 'evaluate'", max_results=20
    )
    for held in found:
        try:
            return Path(mlflow.artifacts.download_artifacts(run_id=held.info.run_id, artifact_path=PREDICTIONS))
        except Exception:  # that run has none; the next may
            continue
    return None
