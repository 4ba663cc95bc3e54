"""Maps of samples that go through a network in windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scantune import explain
from scantune.explain import windowed
from scantune.prediction.windows import Windows
from scantune.records import ScantuneError
from scantune.tasks.questions import dense


@pytest.fixture
def network() -> torch.nn.Module:
    """Each pixel by itself, so that a window sees all that matters."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1)).eval()
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.abs_()  # so that there is something that speaks for each class
    return layers


def made(network: torch.nn.Module, x: torch.Tensor, regions: list[torch.Tensor]) -> list[explain.Saliency]:
    return windowed.maps(
        Windows((16, 16), 0.5),
        x,
        regions,
        dense,
        lambda window, targets: explain.maps(network, window, targets, method="hirescam", layer="1"),
    )


def test_the_map_is_that_of_the_whole_sample_where_windows_see_all_that_matters(network: torch.nn.Module) -> None:
    x = torch.rand(1, 40, 28, generator=torch.Generator().manual_seed(1))
    regions = [torch.zeros(40, 28, dtype=torch.bool) for _ in range(2)]
    regions[0][3:30, 5:9] = regions[1][25:35, 10:25] = True
    targets = [dense(number, region) for number, region in enumerate(regions)]
    whole = explain.maps(network, x, targets, method="hirescam", layer="1")
    for one, other in zip(made(network, x, regions), whole, strict=True):
        assert one.map is not None
        assert other.map is not None
        np.testing.assert_allclose(one.map, other.map, atol=1e-5)
        assert (one.layer, one.method) == (other.layer, other.method)


def test_a_region_that_is_empty_is_undefined_and_none_at_all_is_refused(network: torch.nn.Module) -> None:
    x = torch.rand(1, 40, 28, generator=torch.Generator().manual_seed(1))
    nothing, some = torch.zeros(2, 40, 28, dtype=torch.bool)
    some[:10] = True
    first, second = made(network, x, [nothing, some])
    assert first.map is None
    assert first.reason is not None
    assert second.map is not None
    with pytest.raises(ScantuneError, match="no window of this sample has anything"):
        made(network, x, [nothing, nothing])
