"""Maps of networks that were taught, in 2D, 3D, video, per zone, of dense and regression networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scantune import explain
from scantune.explain import targets
from scantune.explain.cams import first_component
from scantune.explain.saliency import finish
from scantune.explain.sanity.similarity import average_precision, points_at
from scantune.records import ScantuneError

from .conftest import SIZE, Teachable, striped, teach

BY_LAYER = ["gradcam", "gradcam++", "hirescam", "eigencam"]
PLANTED = tuple[Tensor, np.ndarray]


def hits(net: nn.Module, planted: PLANTED, method: str) -> tuple[float, float]:
    """Mean area under precision–recall and share of maxima in the mask, minus chance."""
    pairs = [(explain.map(net, x, method=method).map, mask) for x, mask in zip(*planted)]
    defined = [(m, mask) for m, mask in pairs if m is not None]
    chance = float((planted[1] > 0).mean())
    areas = [average_precision(m, mask) for m, mask in defined]
    points = [points_at(m, mask) for m, mask in defined]
    return float(np.mean(areas)) - chance, float(np.mean(points)) - chance


@pytest.mark.slow
@pytest.mark.parametrize("method", [*BY_LAYER, "scorecam"])
def test_a_taught_network_looks_at_the_patch_and_an_untaught_one_does_not(
    method: str, trained: Teachable, untrained: Teachable, planted: PLANTED
) -> None:
    area, point = hits(trained, planted, method)
    assert area > 0.5
    assert point > 0.5
    assert hits(untrained, planted, method)[0] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("method", BY_LAYER)
def test_volumes_and_videos(method: str, trained_3d: Teachable, planted_3d: PLANTED) -> None:
    """Both are five axes to a network; one set of weights serves for both."""
    area, point = hits(trained_3d, planted_3d, method)
    assert area > 0.4
    assert point > 0.6
    made = explain.map(trained_3d, planted_3d[0][0], method=method)
    assert made.map is not None
    assert made.map.shape == (SIZE[3],) * 3
    assert made.map.dtype == np.float32
    assert (made.grid, made.layer, made.method) == ((5, 5, 5), "last", method)
    assert (made.map.min(), made.map.max()) == (pytest.approx(0, abs=0.2), 1.0)


def test_gradcam_is_the_published_formula(trained: Teachable, planted: PLANTED) -> None:
    """Selvaraju et al., eq. 1 and 2: weights are the gradients' means, the map is ReLU of the weighted sum."""
    x = planted[0][:1].clone().requires_grad_()
    a = trained.last(trained.middle(trained.stem(x)))
    (g,) = torch.autograd.grad(trained.head(a.flatten(2).mean(2))[0, 0], a)
    cells = (g.mean((2, 3), keepdim=True) * a).sum(1).relu()
    expected = nn.functional.interpolate(cells[None], (SIZE[2],) * 2, mode="bilinear")[0, 0].detach().numpy()
    made = explain.map(trained, planted[0][0]).map
    np.testing.assert_allclose(made, expected / expected.max(), atol=1e-5)


def test_first_component_is_the_librarys() -> None:
    """Up to sign, which the library leaves to chance."""
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

    a = np.random.default_rng(0).normal(size=(5, 4, 6)).astype(np.float32)
    ours, theirs = first_component(a), get_2d_projection(a[None])[0]
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)
    assert ours.max() >= -ours.min()


@pytest.mark.parametrize("method", [*BY_LAYER, "scorecam"])
def test_the_network_is_left_as_it_was(method: str, planted: PLANTED) -> None:
    net = Teachable(2, 1)
    net.train()
    net.stem[1].eval()  # a frozen normalisation
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    explain.map(net, planted[0][0], method=method)
    assert net.training
    assert net.last.training
    assert not net.stem[1].training
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in net.parameters() if p.grad is not None)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_frozen_network_has_the_same_map(trained: Teachable, planted: PLANTED) -> None:
    free = explain.map(trained, planted[0][0]).map
    for parameter in trained.parameters():
        parameter.requires_grad_(False)
    try:
        frozen = explain.map(trained, planted[0][0]).map
    finally:
        for parameter in trained.parameters():
            parameter.requires_grad_(True)
    assert free is not None
    assert np.array_equal(free, frozen)


def test_the_map_is_that_of_float32_in_ones_own_bf16(trained: Teachable, planted: PLANTED) -> None:
    """bf16's gradients of small layers are wrong on a CPU; a map must not be made of them."""
    x = planted[0][0]
    plain = explain.map(trained, x, layer="stem")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = explain.map(trained, x, layer="stem")
        assert torch.is_autocast_enabled("cpu")
    assert np.array_equal(got.map, plain.map)  # type: ignore[arg-type]


def test_what_lowers_a_score_is_another_map(trained: Teachable, planted: PLANTED) -> None:
    up, down = explain.maps(trained, planted[0][0], [targets.unit(0), targets.unit(0, sign=-1)])
    assert up.output == pytest.approx(-down.output)
    assert down.map is None or not np.allclose(up.map, down.map)


class Zones(nn.Module):
    """Two zones of two grades; the last features tell where along the row."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Teachable(2, 1)
        self.saliency_layer = "body.last"
        self.head = nn.Sequential(nn.Linear(16 * 10, 4), nn.Unflatten(1, (2, 2)))

    def forward(self, x: Tensor) -> Tensor:
        features = self.body.last(self.body.middle(self.body.stem(x)))
        return self.head(features.mean(2).flatten(1))


def test_one_map_a_zone_lies_in_its_zone() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Zones()

    def both(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A patch at the left, at the right, at both or at none."""
        n = 24
        left, right = striped(n, 2, generator, left=True)[0], striped(n, 2, generator, left=False)[0]
        grades = torch.randint(0, 2, (n, 2), generator=generator)
        half = torch.arange(SIZE[2]) < SIZE[2] // 2
        x = torch.randn(n, 1, SIZE[2], SIZE[2], generator=generator)
        x = torch.where((grades[:, 0] == 1)[:, None, None, None] & half, left, x)
        return torch.where((grades[:, 1] == 1)[:, None, None, None] & ~half, right, x), grades

    value = teach(net, both, lambda output, grades: nn.functional.cross_entropy(output.transpose(1, 2), grades), 70)
    assert value < 0.4
    x, grades = both(torch.Generator().manual_seed(5))

    def share(method: str) -> float:
        """Mean share of a zone's map that lies in its zone."""
        shares = []
        for sample in x[grades.sum(1) == 2][:6]:
            for zone, made in enumerate(explain.maps(net, sample, [targets.zone(z, 1) for z in (0, 1)], method=method)):
                assert made.map is not None
                left = made.map[:, : SIZE[2] // 2].sum() / made.map.sum()
                shares.append(left if zone == 0 else 1 - left)
        return float(np.mean(shares))

    assert share("hirescam") > 0.8
    assert share("gradcam") < 0.7  # averaged over space, the gradients of both zones are alike


def test_hirescam_is_gradcam_where_features_are_averaged(trained: Teachable, planted: PLANTED) -> None:
    first, second = (explain.map(trained, planted[0][0], method=method).map for method in ("gradcam", "hirescam"))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_dense_network_is_asked_about_its_own_region() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Teachable(2, 1, dense=True)

    def masks(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, mask = striped(16, 2, generator)
        return x, mask[:, None].float()

    teach(net, masks, nn.functional.binary_cross_entropy_with_logits, 50)
    x, mask = striped(8, 2, torch.Generator().manual_seed(3))
    areas = [average_precision(explain.map(net, s, targets.dense()).map, m.numpy()) for s, m in zip(x, mask)]
    assert np.mean(areas) > 0.5
    output = torch.zeros(2, 4, 4)
    output[1, :2] = 3.0
    assert float(targets.dense(1)(output)) == 3.0
    assert float(targets.dense(1, torch.ones(4, 4, dtype=torch.bool))(output)) == 1.5
    assert float(targets.dense(0)(torch.full((1, 4, 4), -2.0))) == -2.0  # nowhere: all places


@pytest.mark.parametrize(
    "cells, words",
    [
        (np.zeros((4, 4)), "all zero"),
        (np.full((4, 4), -1.0), "all zero"),
        (np.full((4, 4), 2.0), "does not distinguish locations"),
        (np.ones((1, 1, 1)), "single cell"),
        (np.array([[np.nan, 1.0]]), "not finite"),
    ],
)
def test_a_map_that_shows_nothing_is_undefined_with_its_reason(cells: np.ndarray, words: str) -> None:
    made = finish(cells, (8,) * cells.ndim, layer="last", method="gradcam")
    assert made.map is None
    assert words in str(made.reason)


def test_an_all_zero_map_of_a_network_is_undefined(planted: PLANTED) -> None:
    net = Teachable(2, 1)
    nn.init.constant_(net.head.weight, -1.0)  # everything speaks against
    made = explain.map(net, planted[0][0])
    assert made.map is None
    assert "all zero" in str(made.reason)


def test_layer_by_name_and_by_itself(trained: Teachable, planted: PLANTED) -> None:
    assert explain.map(trained, planted[0][0]).layer == "last"
    finer = explain.map(trained, planted[0][0], layer="middle.0")
    assert (finer.layer, finer.grid) == ("middle.0", (20, 20))


@pytest.mark.parametrize(
    "call, words",
    [
        ({"layer": "lats"}, r"saliency layer: 'lats'.*similar: last"),
        ({"method": "lime"}, r"method: 'lime' is not one of gradcam"),
        ({"method": "attention"}, "vision transformer"),
        ({"layer": "head"}, "grid"),
    ],
)
def test_what_does_not_fit_is_named(trained: Teachable, planted: PLANTED, call: dict[str, str], words: str) -> None:
    with pytest.raises(ScantuneError, match=words):
        explain.map(trained, planted[0][0], **call)


def test_a_network_that_names_no_layer_says_which_it_has(planted: PLANTED) -> None:
    net = Teachable(2, 1)
    net.saliency_layer = None  # type: ignore[assignment]
    with pytest.raises(ScantuneError, match=r"Teachable has no default; set layer.*last\.0"):
        explain.map(net, planted[0][0])


def test_scorecam_is_refused_beyond_images(trained_3d: Teachable, planted_3d: PLANTED) -> None:
    with pytest.raises(ScantuneError, match="scorecam works on images"):
        explain.map(trained_3d, planted_3d[0][0], method="scorecam")


def test_scorecam_prints_nothing(trained: Teachable, planted: PLANTED, capfd: pytest.CaptureFixture[str]) -> None:
    explain.map(trained, planted[0][0], method="scorecam")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_one_sample_with_or_without_its_batch_axis(trained: Teachable, planted: PLANTED) -> None:
    assert np.array_equal(explain.map(trained, planted[0][0]).map, explain.map(trained, planted[0][:1]).map)
    with pytest.raises(ScantuneError, match="batch of 3"):
        explain.map(trained, planted[0][:3])


@pytest.mark.parametrize(
    "task, output, index, values",
    [
        ("regression", [4.0], [()], [4.0]),
        ("classification", [2.5], [(1,)], [2.5]),
        ("classification", [-2.5], [(0,)], [2.5]),
        ("classification", [0.1, 3.0, 1.0], [(1,)], [3.0]),
        ("zones", [[5.0, 1.0], [0.0, 2.0]], [(0, 0), (1, 1)], [5.0, 2.0]),
        ("segmentation", [[[1.0, -1.0]]], [(0,)], [1.0]),
        ("segmentation", [[[0.0, 0.0]], [[1.0, -1.0]]], [(1,)], [1.0]),
    ],
)
def test_what_is_asked_is_what_the_network_answered(
    task: str, output: list, index: list[tuple[int, ...]], values: list[float]
) -> None:
    questions = targets.of_task(task).questions(torch.tensor(output))
    assert [a.index for a in questions] == index
    assert [float(a.target(torch.tensor(output))) for a in questions] == values


def test_a_task_that_is_not_known_is_named() -> None:
    with pytest.raises(ScantuneError, match="'phrenology': no such task; there are classification"):
        targets.of_task("phrenology")
