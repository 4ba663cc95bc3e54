"""Forward passes in training that leave the running statistics of batch norms as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def kept(network: nn.Module) -> Iterator[None]:
    """Within it batch norms normalise as ever, and update copies of their running statistics.

    Copies, as without any the recomputation of a checkpointed block would save other tensors than its first pass.
    """
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    saved = [(norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.running_mean = _copy(norm.running_mean)
        norm.running_var = _copy(norm.running_var)
        norm.num_batches_tracked = _copy(norm.num_batches_tracked)
    try:
        yield
    finally:
        for norm, (mean, var, count) in zip(norms, saved):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, var, count


def _copy(value: torch.Tensor | None) -> torch.Tensor | None:
    return None if value is None else value.clone()
