"""Fine-tuning: assembly of a training, resuming from a saved state, the loop, and the result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch import nn

from scantune.engine import distributed, estimate, half, hardware, monitoring, optimizers, samplers, state
from scantune.engine.averaging import WeightAverage
from scantune.engine.checkpoints import Checkpoints
from scantune.engine.data import Samples
from scantune.engine.delivery import Delivery, Sink
from scantune.engine.early_stopping import EarlyStopping
from scantune.engine.failure_broadcast import FailureBroadcast
from scantune.engine.history import History
from scantune.engine.loading import Loader
from scantune.engine.loop import run, unfreeze
from scantune.engine.metrics import directions
from scantune.engine.monitoring import EpochView
from scantune.engine.parts import Freezing, Mixing, Settings, Term, TermWeights, WholeOutput
from scantune.engine.progress import Progress
from scantune.engine.randomness import preserved
from scantune.engine.result import FitResult, result_of
from scantune.engine.schedules import Schedule
from scantune.engine.settings import CheckpointsConfig, EarlyStoppingConfig
from scantune.engine.signals import listening
from scantune.engine.training import Sums, Training
from scantune.records import ScantuneError
from scantune.tasks.directions import Direction, direction, monitor_fault
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

_Monitoring = TypeVar("_Monitoring", EarlyStoppingConfig, CheckpointsConfig)


def fit(
    network: nn.Module,
    task: Task,
    train_data: Samples,
    validation_data: Samples,
    *,
    terms: Mapping[str, Term],
    settings: Settings | None = None,
    term_weights: TermWeights | None = None,
    parameter_groups: list[dict[str, Any]] | None = None,
    freezing: Freezing | None = None,
    mixing: Mixing | None = None,
    sinks: Sequence[Sink] = (),
    out_dir: Path | None = None,
    state_dir: Path | None = None,
    resume_from: Path | None = None,
    fabric: Fabric | None = None,
    pictures: Callable[[nn.Module], Mapping[str, np.ndarray]] | None = None,
    whole_output: WholeOutput | None = None,
) -> FitResult:
    """Fine-tune a network.

    Args:
        network: changed in place; it has the best weights at the end.
        task: the prediction task.
        train_data: training samples.
        validation_data: samples that select the checkpoint.
        terms: terms of the loss by name.
        settings: the loop's part of the ``train:`` block.
        term_weights: weight of each term by epoch, step and history; None weights each by 1.
        parameter_groups: groups with separate learning rates; None is a single group.
        freezing: which layers train in which epoch; None trains all.
        mixing: MixUp or CutMix of a batch.
        sinks: destinations of metrics beside the history files.
        out_dir: ``history.csv``, ``steps.csv``, ``history.json``, ``checkpoints/`` and ``checkpoints.json``.
        state_dir: folder of the state, from which a training that was killed is resumed; None saves no state.
        resume_from: a checkpoint to resume from instead (written with ``checkpoints.save_optimizer``).
        fabric: from :func:`~scantune.engine.distributed.launch`; None launches one on one device.
        pictures: draws predictions of the trained network, by name, for sinks that accept images.
        whole_output: the network's output for validation samples that are larger than the training samples; they go
            one by one. None: they go through the network as they are.

    Returns:
        The network, its metrics and the facts of the training.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or the end of the parent process, after saving.
        NonFiniteError: a loss or gradient is not finite.
        OutOfMemoryError: a batch does not fit into memory.
        DiskFullError: the disk has no space for the state.
        ResumeError: the saved state belongs to another training, or cannot be resumed exactly.
        ScantuneError: invalid settings; raised before training starts.
    """
    resolved_settings = settings or Settings()
    with ExitStack() as stack:
        stack.enter_context(preserved())
        stack.enter_context(hardware.compile_faults(resolved_settings))
        stack.enter_context(hardware.backends(resolved_settings))
        stack.enter_context(hardware.prepared_network(network, resolved_settings))
        active_fabric = fabric or distributed.launch(devices=1)
        stack.enter_context(FailureBroadcast(active_fabric))
        stack.enter_context(distributed.suited_precision(active_fabric, network))
        stack.enter_context(half.safe_convolutions(network, distributed.is_bf16_on_cpu(active_fabric)))
        training = assemble(
            network=network,
            task=task,
            data=(train_data, validation_data),
            terms=dict(terms),
            settings=resolved_settings,
            term_weights=term_weights or unit_weights(terms),
            parameter_groups=parameter_groups,
            freezing=freezing,
            mixing=mixing,
            out_dir=out_dir,
            state_dir=state_dir,
            fabric=active_fabric,
            whole_output=whole_output,
        )
        resumed = _resume(training, resume_from)
        state.apply_smaller_batch(training)
        _check_monitors(training)
        estimate.report(training)
        flag = stack.enter_context(listening(resolved_settings.watch_parent))
        delivery = stack.enter_context(
            Delivery(sinks if training.fabric.is_global_zero else (), state_dir, resolved_settings.log_every)
        )
        progress = stack.enter_context(Progress.of(training))
        run(training, flag, delivery, progress)
        result = result_of(training, out_dir, resumed)
        if training.fabric.is_global_zero:
            best = None if out_dir is None else out_dir / "checkpoints" / "best.safetensors"
            delivery.monitor(EpochView(result.epochs, images=_render_pictures(pictures, result, sinks), model=best))
        return result


def _render_pictures(
    pictures: Callable[[nn.Module], Mapping[str, np.ndarray]] | None, result: FitResult, sinks: Sequence[Sink]
) -> Mapping[str, np.ndarray]:
    """Pictures of the trained network's predictions; an error there is logged and does not end the training."""
    if pictures is None or not any(hasattr(sink, "image") for sink in sinks):
        return {}
    try:
        return pictures(result.network)
    except Exception as error:
        log.warning("no pictures for the loggers: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        return {}


def unit_weights(terms: Mapping[str, Term]) -> TermWeights:
    """A weight of 1 for each term."""
    return lambda epoch, step, history: dict.fromkeys(terms, 1.0)


def _direction(monitor: str, mode: str, directions_by_name: Mapping[str, Direction]) -> Direction:
    """Direction of a monitored metric: whether lower or higher is better.

    Raises:
        ScantuneError: the metric or its direction is unknown.
    """
    fault = monitor_fault(monitor, mode, directions_by_name)
    if fault is not None:
        raise ScantuneError(f"monitor: {fault}")
    return direction(monitor, mode, directions_by_name)


def _with_direction(block: _Monitoring, settings: Settings, known: Mapping[str, Direction]) -> _Monitoring:
    """A copy with its metric, that of the training where it names none, and the direction of the metric."""
    mode = block.mode if block.mode != "auto" or block.monitor else settings.mode
    monitor = block.monitor or settings.monitor
    return block.model_copy(update={"monitor": monitor, "mode": _direction(monitor, mode, known)})


def assemble(
    *,
    network: nn.Module,
    task: Task,
    data: tuple[Samples, Samples],
    settings: Settings,
    parameter_groups: list[dict[str, Any]] | None,
    state_dir: Path | None,
    fabric: Fabric,
    out_dir: Path | None = None,
    **parts: Any,
) -> Training:
    """The training of validated settings: optimizer, loaders and wrapped network, at its first step.

    Raises:
        ScantuneError: a set without samples, or an unknown metric.
    """
    for name, samples in zip(("training", "validation"), data):
        if len(samples) == 0:
            raise ScantuneError(f"the {name} set has no samples; check the split and the exclusions")
    for term in parts["terms"].values():
        hardware.move_to_device(term, fabric.device)
    if parts["freezing"] is not None:
        parts["freezing"].apply(network, 0)  # before DDP registers the trainable parameters
    scaled = getattr(fabric.strategy.precision, "scaler", None) is not None
    built_optimizer = optimizers.build(settings, network, parameter_groups, fabric.device, scaled)
    wrapped, wrapped_optimizer = fabric.setup(hardware.compiled(network, settings), built_optimizer)
    pin = settings.pin_memory and fabric.device.type == "cuda"
    workers = hardware.loading_workers(settings, fabric.device, distributed.processes_here(fabric))
    loaders = [Loader(samples, workers=workers, pin_memory=pin) for samples in data]
    known = directions(task, settings.monitoring.error_ranges)
    mode = _direction(settings.monitor, settings.mode, known)
    stopping = settings.early_stopping
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
        schedule=Schedule(settings, mode),
        early_stopping=EarlyStopping(_with_direction(stopping, settings, known)) if stopping.enabled else None,
        checkpoints=Checkpoints(
            (state_dir or out_dir or Path()) / "checkpoints",
            _with_direction(settings.checkpoints, settings, known),
            settings.epochs,
        ),
        average=WeightAverage.of(settings),
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
        unfreeze(training, rewrap=True)
        return True
    if resume_from is not None:
        state.load_checkpoint(training, resume_from)
        unfreeze(training, rewrap=True)
        return True
    if path is not None and training.fabric.is_global_zero:
        training.history.restore(0)
        training.checkpoints.prune()
    distributed.broadcast_parameters(training.fabric, training.raw)
    return False


def _check_monitors(training: Training) -> None:
    """Refuse an unknown monitored metric before training: one validation batch gives the names of the metrics."""
    names = {training.settings.monitor, training.checkpoints.monitor}
    names |= {training.early_stopping.monitor} if training.early_stopping else set()
    known = {"train_loss", "val_loss", *(f"{s}_{t}_loss" for s in ("train", "val") for t in training.terms)}
    if names <= known or training.finished:
        return
    known |= monitoring.metric_names(training)
    for name in sorted(names - known):
        raise ScantuneError(f"monitor: {name!r} is not a metric of this training; known: {', '.join(sorted(known))}")
