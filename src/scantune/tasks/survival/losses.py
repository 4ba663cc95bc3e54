"""Losses of survival: output [B, …] float, target [B, 2] float: time, and 1 where it ended in the event."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scantune.losses.registry import register
from scantune.records import ScantuneError

_TARGETS = "times"


def events(target: Tensor) -> Tensor:
    """1.0 where the event was observed, [B]."""
    return target[:, 1]


@register("cox", targets=_TARGETS, weights=events, compares=True)
def cox(output: Tensor, target: Tensor) -> Tensor:
    """−log of Cox's partial likelihood (J R Stat Soc B 1972;34:187), ties by Efron (J Am Stat Assoc 1977;72:557).

    Risk sets are those of the batch. Of d events at one time the l-th (l = 0 … d − 1) has the denominator R − l/d · D:
    R the sum of exp(output) of all still at risk then, D that of the d events. The mean is over events.

    Args:
        output: log relative hazard, [B, 1].
        target: [B, 2].

    Returns:
        [B]; 0 for censored samples.
    """
    risk, time, event = output.reshape(len(target)), target[:, 0], target[:, 1] > 0
    risk = risk if risk.dtype == torch.float64 else risk.float()
    of_event = event.nonzero().squeeze(1)
    at_risk = time[None, :] >= time[of_event, None]  # [events, B]
    tied = (time[None, :] == time[of_event, None]) & event
    log_all = risk.masked_fill(~at_risk, -torch.inf).logsumexp(1)
    log_tied = risk.masked_fill(~tied, -torch.inf).logsumexp(1)
    order = torch.arange(len(target), device=target.device)
    before = (tied & (order[None, :] < of_event[:, None])).sum(1)
    share = before.to(risk.dtype) / tied.sum(1)
    log_denominator = log_all + torch.log1p(-share * (log_tied - log_all).exp().clamp(max=1.0))
    losses = torch.zeros_like(risk) + 0.0 * risk  # keeps a gradient where a batch has no event
    return losses.index_add(0, of_event, log_denominator - risk[of_event])


@register("discrete_hazard", targets=_TARGETS)
def discrete_hazard(output: Tensor, target: Tensor, *, cuts: Sequence[float]) -> Tensor:
    """−log likelihood of hazards in intervals of time (Gensheimer & Narasimhan, PeerJ 2019;7:e6257).

    Interval k is (cuts[k − 1], cuts[k]], from 0. A sample with an event has survived the intervals before it; one that
    is censored those whose middle it has reached. An event after the last cut is survival of all intervals.

    Args:
        output: logit of the hazard in each of K intervals, [B, K] or [B, K, 1].
        target: [B, 2].
        cuts: K upper ends.

    Returns:
        [B].
    """
    logits = output.reshape(len(target), -1)
    if logits.shape[1] != len(cuts):
        raise ScantuneError(f"discrete_hazard: {len(cuts)} intervals need as many outputs, not {tuple(output.shape)}")
    upper = torch.as_tensor(cuts, dtype=target.dtype, device=target.device)
    lower = torch.cat([upper.new_zeros(1), upper[:-1]])
    time, event = target[:, :1], target[:, 1:2] > 0
    inside = (time <= upper) & ((time > lower) | (lower == 0))
    failed = event & inside
    survived = torch.where(event, time > upper, time >= (lower + upper) / 2)
    return (survived * functional.softplus(logits) + failed * functional.softplus(-logits)).sum(1)
