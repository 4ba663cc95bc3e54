"""The loop. It holds all of its state, so that killed at any moment it ends as if it had not been."""

from __future__ import annotations

import copy
import logging
from typing import Any

from scantune.engine import hardware, monitoring, samplers, state, validation
from scantune.engine.delivery import Delivery
from scantune.engine.faults import is_out_of_memory, out_of_memory
from scantune.engine.history import Row
from scantune.engine.loading import to_device
from scantune.engine.progress import Progress
from scantune.engine.saving import Saver
from scantune.engine.signals import StopFlag
from scantune.engine.step import named_rates, planned_batches, train_step
from scantune.engine.training import Sums, Training
from scantune.records import ScantuneError

log = logging.getLogger(__name__)


def run(training: Training, flag: StopFlag, delivery: Delivery, progress: Progress) -> None:
    """Train to the end, or until told to stop."""
    saver = Saver(training, flag, delivery)
    while not training.finished:
        if training.position.in_epoch < training.steps_per_epoch:
            _train_epoch(training, saver, progress)
        row, reduced, targets = _close_epoch(training, saver, progress)
        delivery.monitor(monitoring.pictures(training, row, reduced, targets))
        progress.epoch_end(training.position.epoch, row)
        training.finished = _why_finished(training, row)
        saver.after_epoch()
    saver.last()


def unfreeze(training: Training, again: bool = False) -> None:
    """What trains from this epoch on; wrapped anew where that changed, since DDP looks at it once."""
    if training.freezing is None:
        return
    began = list(training.freezing.apply(training.raw, training.position.epoch))
    if began and not again:
        training.unfrozen[training.position.epoch + 1] = began
        log.info("epoch %d: %s trains now", training.position.epoch + 1, ", ".join(began))
    if training.fabric.world_size > 1 and (began or again):
        training.network = training.fabric.setup_module(hardware.compiled(training.raw, training.settings))


def _train_epoch(training: Training, saver: Saver, progress: Progress) -> None:
    if training.position.in_epoch == 0:
        training.sums = Sums.empty(len(training.terms), training.device)
        unfreeze(training)
    training.network.train()
    if training.freezing is not None:
        training.freezing.train_mode(training.raw)
    while training.position.in_epoch < training.steps_per_epoch:
        try:
            _train_steps(training, saver, progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            _halve(training, error)


def _train_steps(training: Training, saver: Saver, progress: Progress) -> None:
    """Steps to the end of the epoch, from wherever in it we are."""
    steps = _planned(training)[training.position.in_epoch :]
    flat = [batch for step in steps for batch in step]
    batches = training.train_loader.batches(training.position.epoch, flat)
    settings = training.settings
    for grouped in planned_batches(batches, [len(step) for step in steps]):
        moved = [to_device(batch, training.device, settings.channels_last) for batch in grouped]
        position = training.position
        training.schedule.apply(training.plain_optimizer, position.step, training.steps_per_epoch, settings.epochs)
        figures = train_step(training, moved)
        if not figures.taken:
            log.warning("step %d left out: loss or gradient not finite", position.step + 1)
        position.step += 1
        position.in_epoch += 1
        training.history.step(position.step, position.epoch + 1, figures.values)
        progress.step(figures.values)
        saver.after_step()


def _planned(training: Training) -> list[list[Any]]:
    settings, n = training.settings, len(training.train_loader.samples)
    if settings.sampler == "balanced":
        if settings.classes is None:
            raise ScantuneError("train.sampler: balanced needs a task with classes")
        order = samplers.balanced(settings.classes, settings.seed)
    else:
        order = samplers.shuffled(n, settings.seed)
    fabric = training.fabric
    return samplers.epoch_steps(
        order(training.position.epoch),
        training.steps_per_epoch,
        training.accumulation,
        fabric.world_size,
        fabric.global_rank,
    )


def _halve(training: Training, error: BaseException) -> None:
    """Half the batch, twice the accumulation: the same samples a step. Else the error says what to lower.

    Of several processes the others wait for gradients that will not come: they end together, and start smaller.
    """
    told = out_of_memory(training.batch_size, training.accumulation, training.device)
    if training.settings.on_out_of_memory != "halve" or training.batch_size == 1:
        raise told from error
    if training.fabric.world_size > 1:
        raise state.halve_at_next_start(training) or told from error
    training.optimizer.zero_grad(set_to_none=True)
    training.batch_size, training.accumulation = -(-training.batch_size // 2), training.accumulation * 2
    hardware.free_memory(training.device)
    note = f"out of memory: batch_size {training.batch_size}, grad_accumulation_steps {training.accumulation} from here"
    training.notes.append(note)
    log.warning(note)


def _close_epoch(training: Training, saver: Saver, progress: Progress) -> tuple[Row, Any, Any]:
    """Validate, and settle what depends on the figures; the epoch is then done."""
    settings, position = training.settings, training.position
    training.optimizer.zero_grad(set_to_none=True)  # their memory is free for validation
    saver.before_validation()
    train_figures = monitoring.training_figures(training)
    val_figures, reduced, targets = validation.validate(training, saver.between_batches)
    rates = named_rates({g["name"]: g["lr"] for g in training.plain_optimizer.param_groups})
    row: Row = {f"train_{k}": v for k, v in train_figures.items()} | {f"val_{k}": v for k, v in val_figures.items()}
    row |= (
        monitoring.error_by_range(reduced, targets, settings.error_ranges) | rates | {"skipped_steps": position.skipped}
    )
    training.history.epoch(position.epoch + 1, position.step, row)
    row = training.history.epochs()[-1]
    position.epoch, position.in_epoch = position.epoch + 1, 0
    if training.schedule.epoch_end(float(row[settings.monitor])):
        log.info("epoch %d: learning rate cut", position.epoch)
    training.sums = Sums.empty(len(training.terms), training.device)
    _keep(training, row)
    if settings.clear_cache:
        hardware.free_memory(training.device)
    return row, reduced, targets


def _keep(training: Training, row: Row) -> None:
    """Offer the epoch to the checkpoints; the first process alone keeps weights."""
    settings, position, keeper = training.settings, training.position, training.checkpoints
    value = float(row[keeper.monitor])
    if not training.fabric.is_global_zero:
        keeper.note(position.epoch, position.step, value)
        return
    wanted = settings.save_optimizer or settings.save_scheduler
    facts = {
        "metrics": {k: v for k, v in row.items() if isinstance(v, float)},
        "versions": state.circumstances_of(training),
    }
    keeper.add(
        position.epoch,
        position.step,
        value,
        training.raw.state_dict,
        facts=facts,
        training=(lambda: _companion(training)) if wanted else None,
    )


def _companion(training: Training) -> dict[str, Any]:
    """What a kept epoch needs to be gone on from, as far as asked for; copied, since training goes on."""
    held = copy.deepcopy(state.loop_state(training))
    if not training.settings.save_optimizer:
        held["optimizer"]["state"] = {}
    if not training.settings.save_scheduler:
        held["schedule"] = {}
    return held


def _why_finished(training: Training, row: Row) -> str:
    stopping = training.early_stopping
    if stopping is not None and stopping.update(float(row[stopping.monitor])):
        return "early stopping"
    return "all epochs" if training.position.epoch >= training.settings.epochs else ""
