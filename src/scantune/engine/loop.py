"""The training loop. All of its state can be saved, so that a training killed at any moment resumes exactly."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from scantune.batches import network_inputs
from scantune.engine import averaging, distributed, hardware, monitoring, samplers, state, validation
from scantune.engine.delivery import Delivery
from scantune.engine.faults import is_out_of_memory, listed, out_of_memory
from scantune.engine.history import Row
from scantune.engine.loading import to_device
from scantune.engine.progress import Progress
from scantune.engine.saving import Saver
from scantune.engine.signals import StopFlag
from scantune.engine.step import ids_of_step, named_rates, planned_batches, train_step
from scantune.engine.training import Sums, Training
from scantune.records import ScantuneError
from scantune.tasks.protocol import Batch

log = logging.getLogger(__name__)


def run(training: Training, flag: StopFlag, delivery: Delivery, progress: Progress) -> None:
    """Train to the end, or until a signal to stop."""
    saver = Saver(training, flag, delivery)
    while not training.finished:
        if training.position.in_epoch < training.steps_per_epoch:
            _train_epoch(training, saver, progress)
        row, reduced, targets = _close_epoch(training, saver, progress)
        delivery.monitor(monitoring.epoch_view(training, row, reduced, targets))
        progress.epoch_end(training.position.epoch, row)
        training.finished = _end_reason(training)
        saver.after_epoch()
    saver.final()


def unfreeze(training: Training, rewrap: bool = False) -> None:
    """Set the layers that train from this epoch on; wrap again after a change, since DDP registers parameters once."""
    if training.freezing is None:
        return
    unfrozen = list(training.freezing.apply(training.raw, training.position.epoch))
    if unfrozen and not rewrap:
        training.unfrozen[training.position.epoch + 1] = unfrozen
        log.info("epoch %d: unfrozen %s", training.position.epoch + 1, ", ".join(unfrozen))
    if training.fabric.world_size > 1 and (unfrozen or rewrap):
        training.network = training.fabric.setup_module(hardware.compiled(training.raw, training.settings))


def _train_epoch(training: Training, saver: Saver, progress: Progress) -> None:
    if training.position.in_epoch == 0:
        training.sums = Sums.empty(len(training.terms), training.device)
        unfreeze(training)
    train_mode(training)
    while training.position.in_epoch < training.steps_per_epoch:
        try:
            _train_steps(training, saver, progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            _halve(training, error)


def train_mode(training: Training) -> None:
    """Training mode, except for what is frozen."""
    training.network.train()
    if training.freezing is not None:
        training.freezing.train_mode(training.raw)


def _train_steps(training: Training, saver: Saver, progress: Progress) -> None:
    """Steps from the current position to the end of the epoch."""
    steps = planned(training, training.position.epoch)[training.position.in_epoch :]
    all_batches = [batch for step in steps for batch in step]
    batches = training.train_loader.batches(training.position.epoch, all_batches)
    settings = training.settings
    for step_batches in planned_batches(batches, [len(step) for step in steps]):
        device_batches = [to_device(batch, training.device, settings.channels_last) for batch in step_batches]
        position = training.position
        training.schedule.apply(training.plain_optimizer, position.step, training.steps_per_epoch)
        if training.average is not None:
            training.average.set_rate(training.plain_optimizer, position.epoch)
        result = train_step(training, device_batches)
        if not result.applied:
            _warn_of_skipped(training, device_batches)
        elif training.average is not None:
            training.average.after_step(training.raw)
        position.step += 1
        position.in_epoch += 1
        training.history.step(position.step, position.epoch + 1, result.values)
        progress.step(result.values)
        saver.after_step()


def _warn_of_skipped(training: Training, batches: list[Batch]) -> None:
    """Tell that a step was skipped, and its samples, unless it was the scale of float16 that overflowed."""
    scaled = getattr(training.fabric.strategy.precision, "scaler", None) is not None
    samples = "" if scaled else f"; {listed(ids_of_step(training, batches))}"
    log.warning("step %d skipped: loss or gradient not finite%s", training.position.step + 1, samples)


def planned(training: Training, epoch: int) -> list[list[Any]]:
    """Indices of the samples of this process: by step of ``epoch`` (from 0), by batch."""
    settings, n = training.settings, len(training.train_loader.samples)
    if settings.sampler == "balanced":
        if settings.classes is None:
            raise ScantuneError("train.sampler: balanced requires a task with classes")
        order = samplers.balanced(settings.classes, settings.seed)
    else:
        order = samplers.shuffled(n, settings.seed)
    fabric = training.fabric
    return samplers.epoch_steps(
        order(epoch),
        training.steps_per_epoch,
        training.batch_size,
        fabric.world_size,
        fabric.global_rank,
    )


def _halve(training: Training, error: BaseException) -> None:
    """Halve the batch and double the accumulation, with the same samples per step; or raise the error of the memory.

    With several processes the others wait for gradients of this one: all end, and resume with the smaller batch.
    """
    memory_error = out_of_memory(training.batch_size, training.accumulation, training.device)
    if training.settings.on_out_of_memory != "halve" or training.batch_size == 1:
        raise memory_error from error
    if training.fabric.world_size > 1:
        raise state.request_smaller_batch(training) or memory_error from error
    training.optimizer.zero_grad(set_to_none=True)
    training.batch_size, training.accumulation = -(-training.batch_size // 2), training.accumulation * 2
    hardware.free_memory(training.device)
    note = f"out of memory: batch_size {training.batch_size}, grad_accumulation_steps {training.accumulation} from here"
    training.notes.append(note)
    log.warning(note)


def _close_epoch(training: Training, saver: Saver, progress: Progress) -> tuple[Row, Any, Any]:
    """Validate, and update what depends on the metrics; the epoch is complete afterwards."""
    settings, position = training.settings, training.position
    training.optimizer.zero_grad(set_to_none=True)  # frees their memory for validation
    saver.before_validation()
    train_metrics = monitoring.training_metrics(training)
    validates = settings.validates(position.epoch + 1)
    with _averaged(training):
        if validates:
            val_metrics, reduced, targets = validation.validate(training, _between(saver, progress))
        else:
            val_metrics, reduced, targets = _not_validated(training), np.zeros(0), np.zeros(0)
    rates = named_rates({g["name"]: g["lr"] for g in training.plain_optimizer.param_groups})
    row: Row = {f"train_{k}": v for k, v in train_metrics.items()} | {f"val_{k}": v for k, v in val_metrics.items()}
    row |= (
        monitoring.error_by_range(reduced, targets, settings.monitoring.error_ranges)
        | rates
        | {"skipped_steps": position.skipped}
    )
    training.history.epoch(position.epoch + 1, position.step, row)
    row = training.history.epochs()[-1]
    position.epoch, position.in_epoch = position.epoch + 1, 0
    training.sums = Sums.empty(len(training.terms), training.device)
    if validates:
        if training.schedule.epoch_end(float(row[settings.monitor])):
            log.info("epoch %d: learning rate reduced", position.epoch)
        stopping = training.early_stopping
        if stopping is not None:  # before the checkpoint, which a training can resume from
            stopping.update(float(row[stopping.monitor]))
        _record_checkpoint(training, row)
    if settings.clear_cache:
        hardware.free_memory(training.device)
    return row, reduced, targets


def _between(saver: Saver, progress: Progress) -> Callable[[int, int], None]:
    """What is done after each batch of validation."""

    def between(batch: int, batches: int) -> None:
        progress.validation(batch, batches)
        saver.between_batches()

    return between


def _not_validated(training: Training) -> dict[str, float]:
    """NaN for every metric of the validation, in an epoch without one."""
    earlier = training.history.epochs()[-1:]  # none where a training resumes from a checkpoint without its history
    return {name.removeprefix("val_"): math.nan for row in earlier for name in row if name.startswith("val_")}


@contextmanager
def _averaged(training: Training) -> Iterator[None]:
    """The averaged weights in the network within the context, where the training averages them."""
    average = training.average
    if average is None:
        yield
        return
    renew = average.after_epoch(training.raw, training.position.epoch + 1)
    with average.applied(training.raw):
        if renew:
            _renew_batch_norm(training)
        yield


def _renew_batch_norm(training: Training) -> None:
    """Statistics of batch norm for the weights in the network, from the training samples of this epoch."""
    train_mode(training)
    norms = averaging.norms_in_training(training.raw)
    if not norms:
        return
    epoch, fabric = training.position.epoch, training.fabric
    indices = [batch for step in planned(training, epoch) for batch in step]
    with averaging.batch_norm_statistics(training.raw, norms):
        for batch in training.train_loader.batches(epoch, indices):
            training.network(*network_inputs(to_device(batch, training.device, training.settings.channels_last)))
    for norm in norms:
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            distributed.sum_over_processes(fabric, statistic).div_(fabric.world_size)


def _record_checkpoint(training: Training, row: Row) -> None:
    """Add the epoch to the checkpoints; only the first process keeps weights."""
    position, checkpoints = training.position, training.checkpoints
    value = float(row[checkpoints.monitor])
    if not training.fabric.is_global_zero:
        checkpoints.note(position.epoch, position.step, value)
        return
    resumable = checkpoints.settings.save_optimizer  # the schedule alone would begin with an optimizer of no memory
    facts = {
        "metrics": {k: v for k, v in row.items() if isinstance(v, float)},
        "versions": state.environment(training),
    }
    checkpoints.add(
        position.epoch,
        position.step,
        value,
        training.served_weights,
        facts=facts,
        training=(lambda: _resume_state(training)) if resumable else None,
    )


def _resume_state(training: Training) -> dict[str, Any]:
    """Copy of the state that resuming from a checkpoint needs, as far as the settings keep it."""
    loop_state = copy.deepcopy(state.loop_state(training))
    if training.average is not None:
        loop_state["trained"] = copy.deepcopy(dict(training.trained_weights()))
    saved = training.settings.checkpoints
    if not saved.save_scheduler:
        loop_state["schedule"] = {}
    return loop_state


def _end_reason(training: Training) -> str:
    stopping = training.early_stopping
    if stopping is not None and training.settings.validates(training.position.epoch) and stopping.is_over:
        return "early stopping"
    return "all epochs" if training.position.epoch >= training.settings.epochs else ""
