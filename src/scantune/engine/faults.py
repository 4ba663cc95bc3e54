"""Errors of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from scantune.records import ScantuneError, first_line


class NonFiniteError(ScantuneError):
    """A loss or gradient that is not a number."""


class OutOfMemoryError(ScantuneError):
    """The device's memory is full."""


class ResumeError(ScantuneError):
    """A saved training that cannot be resumed exactly."""


def listed(ids: Sequence[str]) -> str:
    """The samples of a step, for a message."""
    return f"samples {', '.join(ids[:16])}" + (f" and {len(ids) - 16} more" if len(ids) > 16 else "")


def non_finite(quantity: str, step: int, ids: Sequence[str], last_good: Path | None) -> NonFiniteError:
    """The error of a step whose loss or gradient is NaN or infinite."""
    checkpoint = f"the last good checkpoint is {last_good.name}" if last_good else "no checkpoint was written before"
    return NonFiniteError(
        f"step {step}: the {quantity} is not a finite number; {listed(ids)}; {checkpoint}. This step did not update "
        "the network. Lower train.learning_rate, set train.clip_norm, inspect these samples, use precision 32, or skip "
        "such steps by train.on_non_finite: skip"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the allocator of the CPU, ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )


def out_of_memory(batch_size: int, accumulation: int, device: torch.device) -> OutOfMemoryError:
    """The error of a batch that does not fit into memory."""
    return OutOfMemoryError(
        f"out of memory on {device} with train.batch_size {batch_size}. Try batch_size {max(1, batch_size // 2)} with "
        f"grad_accumulation_steps {accumulation * 2} (the same steps, half the memory), "
        "train.gradient_checkpointing: true, precision bf16, or a smaller input; train.on_out_of_memory: halve applies "
        "the first automatically"
    )


def unfit_batch(error: Exception, shape: Sequence[int], first: bool) -> ScantuneError | None:
    """The error of a batch that the network cannot take by its shape; None for any other error.

    Args:
        error: of the network's forward pass.
        shape: of the batch, [B, C, …space].
        first: no batch has passed through the network before.
    """
    reason, sample = first_line(error), "×".join(map(str, shape[1:]))
    if "more than 1 value per channel" in reason and shape[0] == 1:
        return ScantuneError(
            f"a batch of a single sample of {sample} leaves a batch norm one value per channel, without deviation: use "
            "a larger train.batch_size or fewer grad_accumulation_steps, so that no batch is a single sample, a larger "
            "shape (or patch) in inputs, or a backbone without batch norm"
        )
    plain = not isinstance(error, ScantuneError) and "CUDA" not in reason and "cuDNN" not in reason
    if not first or not plain or is_out_of_memory(error):
        return None
    return ScantuneError(
        f"the network of model.backbone cannot take samples of {sample}: {reason}. Set shape (or patch) in inputs to a "
        "size that the network is made for (most take multiples of 32), or take another backbone"
    )
