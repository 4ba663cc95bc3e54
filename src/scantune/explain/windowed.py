"""Maps of samples that go through a network in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scantune.explain.saliency import Saliency
from scantune.prediction.windows import Windows
from scantune.records import ScantuneError
from scantune.tasks.questions import Target

#: ``make(x, targets)``: one map per target of a window [C, …window].
Make = Callable[[Tensor, Sequence[Target]], list[Saliency]]


def maps(
    windows: Windows, x: Tensor, regions: Sequence[Tensor], targets: Callable[[int, Tensor], Target], make: Make
) -> list[Saliency]:
    """One map per region, blended from those of the windows as the output is, with Gaussian weights.

    The map of a window explains the mean logit over the part of the region that lies in it, and counts by the size of
    that part; a window without any is zero. Memory is needed for one window, beside the sample and its maps.

    Args:
        windows: in which the sample goes through the network.
        x: one sample, [C, …space].
        regions: bool [… space], one a question.
        targets: from the number of a question and its region in a window to what is explained there.
        make: maps of one window.

    Raises:
        ScantuneError: no window has a map.
    """
    made: list[Saliency] = []

    def explained(batch: Tensor) -> Tensor:
        return torch.stack([_of_window(window, len(x), targets, make, made) for window in batch])

    stacked = torch.cat([x, torch.stack([region.to(x) for region in regions])])
    whole = replace(windows, precision="32")  # gradients in bf16 can be wrong
    total = whole(explained, stacked[None])[0]  # type: ignore[arg-type]
    if not made:
        raise ScantuneError("no window of this sample has anything that the network marks, so that there is no map")
    layer, method, grid = made[0].layer, made[0].method, made[0].grid
    results = []
    for values in total.clamp_min(0).cpu():
        peak = float(values.max())
        nothing = "all zero: no activation of this layer supports the prediction"
        scaled = (values / peak).numpy() if peak > 0 else None
        results.append(Saliency(scaled, layer, method, None if peak > 0 else nothing, grid, None, peak))
    return results


def _of_window(
    window: Tensor, channels: int, targets: Callable[[int, Tensor], Target], make: Make, made: list[Saliency]
) -> Tensor:
    """Maps [regions, …window] of a window with its regions, [channels + regions, …window]; ``made`` gets them too."""
    x, regions = window[:channels], window[channels:] > 0.5
    maps = torch.zeros(regions.shape, device=window.device)
    there = [number for number, region in enumerate(regions) if bool(region.any())]
    if not there:
        return maps
    for number, saliency in zip(there, make(x, [targets(n, regions[n]) for n in there])):
        made.append(saliency)
        if saliency.map is not None:
            size = float(regions[number].sum())
            maps[number] = torch.from_numpy(saliency.map).to(window.device) * (saliency.peak * size)
    return maps
