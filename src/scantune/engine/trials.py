"""Hyper-parameter search: trials in a file that several processes share, with pruning and resuming."""

from __future__ import annotations

import contextlib
import copy
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from scantune.engine.randomness import derive
from scantune.records import ScantuneError

if TYPE_CHECKING:
    import optuna

#: A parameter: ``{"low", "high"[, "log"][, "step"][, "int"]}`` or ``{"choices": […]}``.
Range = Mapping[str, Any]

#: ``report(epoch, value)`` reports the value of a trial; it raises where the trial is pruned.
Report = Callable[[int, float], None]

_OWNER, _ERROR = "owner", "error"


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        best_params: parameters of the best trial by dotted name.
        best_value: of the best trial.
        completed: number of completed trials.
        pruned: number of pruned trials.
        failed: number of failed trials.
    """

    best_params: dict[str, Any]
    best_value: float
    completed: int
    pruned: int
    failed: int


def search(
    objective: Callable[[int, dict[str, Any], Report], float],
    space: Mapping[str, Range],
    *,
    study_file: Path,
    n_trials: int = 100,
    mode: str = "min",
    seed: int = 42,
    prune_after: int | None = 5,
    name: str = "study",
) -> SearchResult:
    """Run trials until the study has ``n_trials``, including those of other processes.

    Suggestions are a function of the seed and of the trials so far, so that an interrupted search by one process gives
    the same result. A trial that a killed process left unfinished is repeated with the same parameters.

    Args:
        objective: ``objective(number, params, report) -> value``. An error, or NaN, makes a failed trial, which does
            not count; it is raised where no trial has succeeded before, or five in succession failed.
        space: dotted name (``train.learning_rate``) to its range.
        study_file: the journal; processes on machines with a shared disk share the study.
        n_trials: number of finished trials (complete or pruned).
        mode: ``min`` or ``max``.
        seed: of the suggestions.
        prune_after: trials after which one that is worse than the median of earlier trials at the same epoch is
            stopped; None stops none.
        name: of the study in the file.

    Raises:
        ScantuneError: an invalid range; a study in the file with another direction.
    """
    _check(space)
    study = _open_study(study_file, name, mode, prune_after)
    processes = study_file.with_suffix(".processes")
    _retry_orphans(study, processes, len(space))
    while _finished(study) < n_trials:
        study.sampler = _sampler(derive(seed, "trial", _begun(study)))
        trial = study.ask()
        with _owned(trial, processes):
            _run_trial(study, trial, objective, {key: _suggest(trial, key, range_) for key, range_ in space.items()})
    return _result(study)


def _open_study(path: Path, name: str, mode: str, prune_after: int | None) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if prune_after is not None:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=prune_after)
    direction: Any = {"min": "minimize", "max": "maximize"}[mode]
    study = optuna.create_study(
        storage=storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
    )
    if study.direction.name.lower() != direction:
        raise ScantuneError(
            f"{path.name}: its study {name!r} is to {study.direction.name.lower()} its metric; use another file"
        )
    return study


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=10, constant_liar=True)


@contextlib.contextmanager
def _owned(trial: optuna.Trial, processes: Path) -> Iterator[None]:
    """A lock on the trial, which the system frees when this process ends, however it ends."""
    owner = uuid.uuid4().hex
    processes.mkdir(parents=True, exist_ok=True)
    with FileLock(processes / f"{owner}.lock"):
        trial.set_user_attr(_OWNER, owner)
        yield
    (processes / f"{owner}.lock").unlink(missing_ok=True)


def _is_running(owner: str | None, processes: Path) -> bool:
    """Whether the process of a trial holds its lock still."""
    path = processes / f"{owner}.lock"
    if not path.exists():
        return False
    try:
        FileLock(path).acquire(timeout=0).lock.release()
    except Timeout:
        return True
    path.unlink(missing_ok=True)
    return False


def _retry_orphans(study: optuna.Study, processes: Path, size: int) -> None:
    """Mark trials of killed processes as failed, and repeat their parameters first.

    One that was killed before all its parameters were suggested is not repeated: the next trial has its seed.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_running(trial.user_attrs.get(_OWNER), processes):
            study.tell(trial.number, state=TrialState.FAIL)
            if len(trial.params) == size:
                study.enqueue_trial(trial.params)


def _begun(study: optuna.Study) -> int:
    """Number of trials so far; one of a killed process and its repetition count once, so that seeds stay the same."""
    from optuna.trial import TrialState

    return sum(
        trial.state != TrialState.WAITING and (trial.state != TrialState.FAIL or _ERROR in trial.user_attrs)
        for trial in study.get_trials(deepcopy=False)
    )


def _finished(study: optuna.Study) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _run_trial(study: optuna.Study, trial: optuna.Trial, objective: Any, params: dict[str, Any]) -> None:
    import optuna
    from optuna.trial import TrialState

    def report(epoch: int, value: float) -> None:
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = objective(trial.number, params, report)
        if math.isnan(value):  # Optuna would take it for a killed trial, and repeat its parameters for ever
            raise ScantuneError(f"trial {trial.number}: the metric of the search is undefined in every epoch")
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except Exception as error:
        trial.set_user_attr(_ERROR, type(error).__name__)
        study.tell(trial, state=TrialState.FAIL)
        last = study.get_trials(deepcopy=False)[-5:]
        if not _finished(study) or (len(last) == 5 and all(t.state == TrialState.FAIL for t in last)):
            raise
    else:
        study.tell(trial, value)


def _suggest(trial: optuna.Trial, name: str, range_: Range) -> Any:
    if "choices" in range_:
        return trial.suggest_categorical(name, list(range_["choices"]))
    low, high, log_scale = range_["low"], range_["high"], range_.get("log", False)
    if range_.get("int", isinstance(low, int) and isinstance(high, int)):
        return trial.suggest_int(name, low, high, step=range_.get("step", 1), log=log_scale)
    return trial.suggest_float(name, low, high, step=range_.get("step"), log=log_scale)


def _check(space: Mapping[str, Range]) -> None:
    if not space:
        raise ScantuneError("search.space is empty; name at least one parameter, as in train.learning_rate")
    for name, range_ in space.items():
        if not range_.get("choices") and not ("low" in range_ and "high" in range_ and range_["low"] < range_["high"]):
            raise ScantuneError(f"search.space.{name}: {dict(range_)} needs low < high, or choices")


def _result(study: optuna.Study) -> SearchResult:
    from optuna.trial import TrialState

    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    counts = {state: states.count(state) for state in TrialState}
    if not counts[TrialState.COMPLETE]:
        raise ScantuneError("no trial of the search was completed; check the errors of the first ones")
    return SearchResult(
        dict(study.best_params),
        float(study.best_value),
        counts[TrialState.COMPLETE],
        counts[TrialState.PRUNED],
        counts[TrialState.FAIL],
    )


def with_params(
    block: Mapping[str, Any], params: Mapping[str, Any], full: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A copy of an experiment's block with dotted parameters set.

    Args:
        block: as written.
        params: dotted name to value.
        full: the same block validated, what it states alone: what a shorthand (``checkpoints: all``), or a key that a
            preset adds, becomes where a parameter lies below it. None: a word is a name (``optimizer: adamw``).
    """
    result = copy.deepcopy(dict(block))
    for name, value in params.items():
        *path, last = name.split(".")
        target, stated = result, full
        for part in path:
            current, stated = target.get(part), (stated or {}).get(part)
            if not isinstance(current, Mapping):
                named = {"name": current} if isinstance(current, str) else {}
                current = stated if isinstance(stated, Mapping) and current is not False else named
            target[part] = copy.deepcopy(dict(current))
            target = target[part]
        target[last] = value
    return result


def wandb_sweep(space: Mapping[str, Range], *, program: str, monitor: str, mode: str, n_trials: int) -> dict[str, Any]:
    """The search space as a Weights & Biases sweep, for a YAML file for its agents.

    Args:
        space: as in :func:`search`.
        program: of the agent; called with ``--<name>=<value>``.
        monitor: the optimised metric.
        mode: ``min`` or ``max``.
        n_trials: number of runs.
    """
    _check(space)
    return {
        "program": program,
        "method": "bayes",
        "metric": {"name": monitor, "goal": {"min": "minimize", "max": "maximize"}[mode]},
        "run_cap": n_trials,
        "parameters": {name: _wandb_range(range_) for name, range_ in space.items()},
    }


def _wandb_range(range_: Range) -> dict[str, Any]:
    if "choices" in range_:
        return {"values": list(range_["choices"])}
    low, high, step = range_["low"], range_["high"], range_.get("step")
    bounds = {"min": low, "max": high}
    is_integer = isinstance(low, int) and isinstance(high, int)
    if range_.get("log"):
        whole = {"distribution": "q_log_uniform_values", "q": 1, **bounds}
        return whole if is_integer else {"distribution": "log_uniform_values", **bounds}
    if step and not math.isclose(low / step, round(low / step)):  # q counts from 0, not from the lowest
        return {"values": [low + number * step for number in range(math.floor((high - low) / step + 1e-9) + 1)]}
    if step:
        return {"distribution": "q_uniform", "q": step, **bounds}
    return {"distribution": "int_uniform" if is_integer else "uniform", **bounds}
