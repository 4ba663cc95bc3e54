"""Search for hyper-parameters: trials in a file that several processes share, stopped early, gone on with later."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.engine.randomness import derive
from scantune.records import ScantuneError
from scantune.tracking import unfinished

if TYPE_CHECKING:
    import optuna

#: A parameter: ``{"low", "high"[, "log"][, "step"][, "int"]}`` or ``{"choices": […]}``.
Range = Mapping[str, Any]

#: ``report(epoch, value)`` tells the search how a trial goes; it raises where the trial is not worth going on.
Report = Callable[[int, float], None]

_OWNER = "owner"


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        best_params: by dotted name.
        best_value: theirs.
        completed: trials that went to their end.
        pruned: trials stopped early.
        failed: trials that raised.
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
    prune: bool = True,
    warmup_trials: int = 5,
    name: str = "study",
) -> SearchResult:
    """Try parameters until there are ``n_trials`` in the study, those of other processes counted in.

    Suggestions are a function of seed and of the trials so far, so that a search by one process that was killed ends
    as one that was not. A trial that its process left unfinished is tried again with the same parameters.

    Args:
        objective: ``objective(number, params, report) -> value``. An error makes a failed trial, which does not count;
            it is raised where no trial went well before it, or five in a row failed.
        space: dotted name (``train.learning_rate``) to its range.
        study_file: the journal; processes on machines that share its disk share the study.
        n_trials: finished trials (complete or pruned) to reach.
        mode: ``min`` or ``max``.
        seed: of the suggestions.
        prune: stop trials that are worse than the median of the earlier ones at the same epoch.
        warmup_trials: trials before any is stopped.
        name: of the study in the file.

    Raises:
        ScantuneError: a range that is none; a study in the file that has another direction.
    """
    _check(space)
    study = _study(study_file, name, mode, prune, warmup_trials)
    _retry_orphans(study)
    while _finished(study) < n_trials:
        study.sampler = _sampler(derive(seed, "trial", len(study.get_trials(deepcopy=False))))
        trial = study.ask()
        trial.set_user_attr(_OWNER, unfinished.me())
        _try(study, trial, objective, {key: _suggest(trial, key, held) for key, held in space.items()})
    return _result(study)


def _study(path: Path, name: str, mode: str, prune: bool, warmup_trials: int) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=warmup_trials) if prune else optuna.pruners.NopPruner()
    direction: Any = {"min": "minimize", "max": "maximize"}[mode]
    study = optuna.create_study(
        storage=storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
    )
    if study.direction.name.lower() != direction:
        raise ScantuneError(f"{path.name}: its study {name!r} is to {study.direction.name.lower()}; use another file")
    return study


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=10, constant_liar=True)


def _alive(owner: str) -> bool:
    """Whether a trial's process still runs. We have only just begun: one with our own number is another."""
    return owner != unfinished.me() and unfinished.alive(owner)


def _retry_orphans(study: optuna.Study) -> None:
    """Trials that a killed process left are failed, and their parameters come first."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _alive(trial.user_attrs.get(_OWNER, unfinished.me())):
            study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                study.enqueue_trial(trial.params)


def _finished(study: optuna.Study) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _try(study: optuna.Study, trial: optuna.Trial, objective: Any, params: dict[str, Any]) -> None:
    import optuna
    from optuna.trial import TrialState

    def report(epoch: int, value: float) -> None:
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = objective(trial.number, params, report)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except Exception:
        study.tell(trial, state=TrialState.FAIL)
        last = study.get_trials(deepcopy=False)[-5:]
        if not _finished(study) or (len(last) == 5 and all(t.state == TrialState.FAIL for t in last)):
            raise
    else:
        study.tell(trial, value)


def _suggest(trial: optuna.Trial, name: str, held: Range) -> Any:
    if "choices" in held:
        return trial.suggest_categorical(name, list(held["choices"]))
    if held.get("int", isinstance(held["low"], int) and isinstance(held["high"], int)):
        return trial.suggest_int(name, held["low"], held["high"], step=held.get("step", 1), log=held.get("log", False))
    return trial.suggest_float(name, held["low"], held["high"], step=held.get("step"), log=held.get("log", False))


def _check(space: Mapping[str, Range]) -> None:
    if not space:
        raise ScantuneError("search.space is empty; name at least one parameter, as in train.learning_rate")
    for name, held in space.items():
        if not held.get("choices") and not ("low" in held and "high" in held and held["low"] < held["high"]):
            raise ScantuneError(f"search.space.{name}: {dict(held)} needs low < high, or choices")


def _result(study: optuna.Study) -> SearchResult:
    from optuna.trial import TrialState

    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    counts = {state: states.count(state) for state in TrialState}
    if not counts[TrialState.COMPLETE]:
        raise ScantuneError("no trial of the search went to its end; look at what the first ones raised")
    return SearchResult(
        dict(study.best_params),
        float(study.best_value),
        counts[TrialState.COMPLETE],
        counts[TrialState.PRUNED],
        counts[TrialState.FAIL],
    )


def with_params(block: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an experiment's block with dotted parameters put in: what a user pastes or trains at once.

    A shorthand on the way (``optimizer: adamw``) becomes its full form.
    """
    made = copy.deepcopy(dict(block))
    for name, value in params.items():
        *path, last = name.split(".")
        place = made
        for part in path:
            below = place.get(part)
            place[part] = {"name": below} if isinstance(below, str) else dict(below or {})
            place = place[part]
        place[last] = value
    return made


def wandb_sweep(space: Mapping[str, Range], *, program: str, monitor: str, mode: str, n_trials: int) -> dict[str, Any]:
    """The same space as a Weights & Biases sweep, to be written as YAML for its agents.

    Args:
        space: as :func:`search` takes it.
        program: what an agent runs; it is given ``--<name>=<value>``.
        monitor: the figure that is optimised.
        mode: ``min`` or ``max``.
        n_trials: runs in all.
    """
    _check(space)
    return {
        "program": program,
        "method": "bayes",
        "metric": {"name": monitor, "goal": {"min": "minimize", "max": "maximize"}[mode]},
        "run_cap": n_trials,
        "parameters": {name: _wandb_range(held) for name, held in space.items()},
    }


def _wandb_range(held: Range) -> dict[str, Any]:
    if "choices" in held:
        return {"values": list(held["choices"])}
    bounds = {"min": held["low"], "max": held["high"]}
    if held.get("log"):
        return {"distribution": "log_uniform_values", **bounds}
    if held.get("step"):
        return {"distribution": "q_uniform", "q": held["step"], **bounds}
    whole = isinstance(held["low"], int) and isinstance(held["high"], int)
    return {"distribution": "int_uniform" if whole else "uniform", **bounds}
