"""Fine-tuning from its parts to its outputs: assemble, go on from a saved state, run, hand back the best network."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from scantune.engine import distributed, half, hardware, monitoring, optimizers, samplers, state
from scantune.engine.checkpoints import Checkpoints
from scantune.engine.data import Samples
from scantune.engine.delivery import Delivery, Sink
from scantune.engine.early_stopping import EarlyStopping
from scantune.engine.figures import directions
from scantune.engine.history import History
from scantune.engine.loading import Loader
from scantune.engine.loop import run, unfreeze
from scantune.engine.monitoring import EpochView
from scantune.engine.optimizers import OptimizerSpec
from scantune.engine.progress import Progress
from scantune.engine.randomness import preserved
from scantune.engine.result import FitResult, result_of
from scantune.engine.schedules import Schedule
from scantune.engine.settings import Freezing, Mixing, Settings, Term, TermWeights
from scantune.engine.signals import listening
from scantune.engine.strategies import Strategy
from scantune.engine.together import Together
from scantune.engine.training import Sums, Training
from scantune.records import ScantuneError
from scantune.tasks.directions import Direction, direction, monitor_fault
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)


def fit(
    network: nn.Module,
    task: Task,
    train_data: Samples,
    validation_data: Samples,
    *,
    terms: Mapping[str, Term],
    settings: Settings | None = None,
    term_weights: TermWeights | None = None,
    optimizer: OptimizerSpec | None = None,
    parameter_groups: list[dict[str, Any]] | None = None,
    schedule: Schedule | None = None,
    freezing: Freezing | None = None,
    mixing: Mixing | None = None,
    early_stopping: EarlyStopping | None = None,
    checkpoints: Strategy | None = None,
    checkpoint_monitor: str = "",
    sinks: Sequence[Sink] = (),
    out_dir: Path | None = None,
    state_dir: Path | None = None,
    resume_from: Path | None = None,
    fabric: Fabric | None = None,
    pictures: Callable[[nn.Module], Mapping[str, np.ndarray]] | None = None,
) -> FitResult:
    """Fine-tune a network.

    Args:
        network: changed in place; at the end it has the best weights.
        task: what is predicted.
        train_data: samples to learn from.
        validation_data: samples to choose by.
        terms: parts of the loss by name.
        settings: the plain numbers.
        term_weights: weight of each term by epoch, step and history; 1 each where None.
        optimizer: by name, with its learning rate.
        parameter_groups: groups with rates of their own; one group where None.
        schedule: of the learning rate; constant where None.
        freezing: what trains when; everything, always, where None.
        mixing: MixUp or CutMix on a batch.
        early_stopping: when to end before the last epoch; never where None.
        checkpoints: which epochs' weights are kept; the best three where None.
        checkpoint_monitor: the figure that ranks them, where it is not ``settings.monitor``.
        sinks: where figures go beside the history files.
        out_dir: ``history.csv``, ``steps.csv``, ``history.json``, ``checkpoints/`` and ``checkpoints.json`` land here.
        state_dir: what must survive a kill lies here; given again, the training goes on. None survives nothing.
        resume_from: a kept checkpoint to go on from instead (needs ``save_optimizer`` when it was kept).
        fabric: from :func:`~scantune.engine.distributed.launch`; one is made where None.
        pictures: draws what the finished network answers, by name, for the sinks that take pictures.

    Returns:
        The network and how it came about.

    Raises:
        Interrupted: told to stop (Ctrl-C, SIGTERM, parent gone), after saving.
        NonFiniteError: a loss or gradient is not a number.
        OutOfMemoryError: a batch does not fit.
        DiskFullError: no room for the state.
        ResumeError: the saved training is not this one, or cannot be gone on with exactly.
        ScantuneError: settings that cannot work, found before anything runs.
    """
    chosen = settings or Settings()
    known = directions(task, chosen.error_ranges)
    with ExitStack() as stack:
        stack.enter_context(preserved())
        stack.enter_context(hardware.backends(chosen))
        stack.enter_context(hardware.prepared(network, chosen))
        used = fabric or distributed.launch(devices=1)
        stack.enter_context(Together(used))
        stack.enter_context(half.guarded(network, distributed.is_bf16_on_cpu(used)))
        training = _assemble(
            network=network,
            task=task,
            data=(train_data, validation_data),
            terms=dict(terms),
            settings=chosen,
            term_weights=term_weights or _ones(terms),
            optimizer=optimizer or OptimizerSpec(),
            parameter_groups=parameter_groups,
            schedule=copy.deepcopy(schedule) or Schedule(),
            freezing=freezing,
            mixing=mixing,
            early_stopping=_directed(early_stopping, chosen, known),
            checkpoints=_keeper(checkpoints, checkpoint_monitor, chosen, known, state_dir or out_dir),
            state_dir=state_dir,
            fabric=used,
        )
        resumed = _resume(training, resume_from)
        state.take_smaller(training)
        _check_monitors(training)
        flag = stack.enter_context(listening(chosen.watch_parent))
        delivery = stack.enter_context(
            Delivery(sinks if training.fabric.is_global_zero else (), state_dir, chosen.log_every)
        )
        progress = stack.enter_context(Progress.of(training))
        run(training, flag, delivery, progress)
        result = result_of(training, out_dir, resumed)
        if training.fabric.is_global_zero:
            best = None if out_dir is None else out_dir / "checkpoints" / "best.safetensors"
            delivery.monitor(EpochView(result.epochs, images=_drawn(pictures, result, sinks), model=best))
        return result


def _drawn(
    pictures: Callable[[nn.Module], Mapping[str, np.ndarray]] | None, result: FitResult, sinks: Sequence[Sink]
) -> Mapping[str, np.ndarray]:
    """Pictures of the finished network's answers; what fails there costs the pictures alone."""
    if pictures is None or not any(hasattr(sink, "image") for sink in sinks):
        return {}
    try:
        return pictures(result.network)
    except Exception as error:
        log.warning("no pictures for the loggers: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        return {}


def _ones(terms: Mapping[str, Term]) -> TermWeights:
    return lambda epoch, step, history: dict.fromkeys(terms, 1.0)


def _direction(monitor: str, mode: str, known: Mapping[str, Direction]) -> Direction:
    """Which way a monitored metric is better.

    Raises:
        ScantuneError: there is no such metric, or its direction is not known.
    """
    fault = monitor_fault(monitor, mode, known)
    if fault is not None:
        raise ScantuneError(f"monitor: {fault}")
    return direction(monitor, mode, known)


def _directed(
    stopping: EarlyStopping | None, settings: Settings, known: Mapping[str, Direction]
) -> EarlyStopping | None:
    """A copy that knows its metric and which way it is better."""
    if stopping is None:
        return None
    monitor = stopping.monitor or settings.monitor
    mode = stopping.mode if stopping.mode != "auto" or stopping.monitor else settings.mode
    return replace(stopping, monitor=monitor, mode=_direction(monitor, mode, known))


def _keeper(
    strategy: Strategy | None, monitor: str, settings: Settings, known: Mapping[str, Direction], out: Path | None
) -> Checkpoints:
    chosen = strategy or Strategy(mode="auto")
    name = monitor or settings.monitor
    mode = chosen.mode if chosen.mode != "auto" or monitor else settings.mode
    rule = replace(chosen, mode=_direction(name, mode, known), epochs=settings.epochs)
    return Checkpoints((out or Path()) / "checkpoints", rule, name)


def _assemble(
    *,
    network: nn.Module,
    task: Task,
    data: tuple[Samples, Samples],
    settings: Settings,
    optimizer: OptimizerSpec,
    parameter_groups: list[dict[str, Any]] | None,
    state_dir: Path | None,
    fabric: Fabric,
    **parts: Any,
) -> Training:
    for name, held in zip(("training", "validation"), data):
        if len(held) == 0:
            raise ScantuneError(f"the {name} side has no samples; look at the split and at what was left out")
    for term in parts["terms"].values():
        hardware.move(term, fabric.device)
    if parts["freezing"] is not None:
        parts["freezing"].apply(network, 0)  # before DDP looks at what trains
    scaled = getattr(fabric.strategy.precision, "scaler", None) is not None
    made = optimizers.build(optimizer, network, parameter_groups, fabric.device, scaled)
    wrapped, wrapped_optimizer = fabric.setup(hardware.compiled(network, settings), made)
    pin = settings.pin_memory and fabric.device.type == "cuda"
    loaders = [Loader(held, workers=settings.workers, pin_memory=pin) for held in data]
    mode = _direction(settings.monitor, settings.mode, directions(task, settings.error_ranges))
    if parts["schedule"].plateau is not None:
        parts["schedule"].plateau.mode = mode
    accumulation = settings.grad_accumulation_steps
    return Training(
        fabric=fabric,
        raw=network,
        network=wrapped,
        optimizer=wrapped_optimizer,
        task=task,
        settings=settings,
        train_loader=loaders[0],
        validation_loader=loaders[1],
        history=History(state_dir / state.JOURNAL_NAME if state_dir and fabric.is_global_zero else None),
        mode=mode,
        steps_per_epoch=samplers.steps_in_epoch(len(data[0]), settings.batch_size, accumulation, fabric.world_size),
        batch_size=settings.batch_size,
        accumulation=accumulation,
        sums=Sums.empty(len(parts["terms"]), fabric.device),
        state_path=state_dir / state.STATE_NAME if state_dir else None,
        **parts,
    )


def _resume(training: Training, resume_from: Path | None) -> bool:
    path = training.state_path
    if path is not None and state.restore(training, path):
        unfreeze(training, again=True)
        return True
    if resume_from is not None:
        state.load_checkpoint(training, resume_from)
        unfreeze(training, again=True)
        return True
    if path is not None and training.fabric.is_global_zero:
        training.history.restore(0)
        training.checkpoints.prune()
    distributed.share_parameters(training.fabric, training.raw)
    return False


def _check_monitors(training: Training) -> None:
    """Refuse a monitored metric that will not be there, before anything runs: one validation batch tells the names."""
    names = {training.settings.monitor, training.checkpoints.monitor}
    names |= {training.early_stopping.monitor} if training.early_stopping else set()
    known = {"train_loss", "val_loss", *(f"{s}_{t}_loss" for s in ("train", "val") for t in training.terms)}
    if names <= known or training.finished:
        return
    known |= monitoring.names(training)
    for name in sorted(names - known):
        raise ScantuneError(f"monitor: {name!r} is not a metric of this training; there are {', '.join(sorted(known))}")
