"""Distance from the training images: against an independent computation, calibrated, saved and loaded."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from scantune import models
from scantune.models import reference
from scantune.models.network import Network, load, save
from scantune.records import ScantuneError


def unit(seed: int, n: int, around: float = 0.0) -> torch.Tensor:
    drawn = torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))
    drawn[:, 0] += around
    return torch.nn.functional.normalize(drawn, dim=1)


def test_the_distance_is_that_of_the_nearest_training_image():
    training, images = unit(0, 40), unit(1, 7)
    cosines = (images.double().numpy() @ training.double().numpy().T).max(axis=1)
    result = reference.Reference(training, 0.5).distance(images)
    np.testing.assert_allclose(result.numpy(), np.sqrt(2 - 2 * cosines) / 0.5, rtol=1e-6)


def test_of_validation_images_one_in_twenty_is_beyond_and_of_others_all_are():
    known = reference.fit(unit(0, 200, 6.0), unit(1, 100, 6.0))
    assert (known.distance(unit(1, 100, 6.0)) > 1).float().mean() == pytest.approx(0.05, abs=0.01)
    assert (known.distance(unit(2, 100, -6.0)) > 1).all()


def test_of_many_training_images_an_even_part_is_kept():
    assert len(reference.fit(unit(0, 5000), unit(1, 10)).features) == 1667


def test_copies_are_refused():
    with pytest.raises(ScantuneError, match=r"at no distance .* they are copies of these"):
        reference.fit(unit(0, 10), unit(0, 10))
    alike = unit(0, 1).expand(10, -1)
    with pytest.raises(ScantuneError, match=r"at no distance .* gives all images the same features"):
        reference.fit(alike, alike)
    with pytest.raises(ScantuneError, match=r"not finite numbers.* lower learning rate"):
        reference.fit(unit(0, 10), unit(1, 10) * torch.nan)


def test_it_is_saved_with_the_network_and_absent_without(tmp_path):
    backbone = models.build("small_cnn", modality="image", in_channels=1)
    network = Network(backbone, torch.nn.Linear(backbone.feature_dim, 2)).eval()
    save(network, tmp_path / "without")
    assert load(tmp_path / "without").reference is None
    inputs = torch.rand(5, 1, 24, 24)
    with torch.inference_mode():
        result = reference.features(network.backbone, inputs)
    assert result.shape == (5, backbone.feature_dim)
    torch.testing.assert_close(result.norm(dim=1), torch.ones(5))
    network.reference = reference.fit(result[:3], result[3:])
    save(network, tmp_path / "with")
    opened = load(tmp_path / "with")
    torch.testing.assert_close(opened.reference.features, network.reference.features)
    assert opened.reference.limit == network.reference.limit


def test_maps_are_averaged_over_space():
    convolution, inputs = torch.nn.Conv2d(1, 6, 3), torch.rand(2, 1, 9, 9)
    with torch.inference_mode():
        means = convolution(inputs).mean((2, 3))
        result = reference.features(convolution, inputs)
    torch.testing.assert_close(result, means / means.norm(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"channels": [4, 4, 4, 4, 8]}),
        ("res_unet", {"channels": [4, 4, 8]}),
        ("attention_unet", {"channels": [4, 4, 8]}),
        ("segresnet", {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}),
        ("plain_unet", {"channels": [4, 4, 8]}),
        ("resenc_unet", {"channels": [4, 4, 8], "blocks": [1, 1, 1], "deep_supervision": True}),
        ("timm_unet", {"encoder": "test_resnet", "width": 4}),
    ],
)
def test_images_are_apart_by_networks_with_one_logit_a_pixel(tmp_path, name, options):
    network = Network(models.build_dense(name, ndim=2, out_channels=1, seed=0, **options)).eval()
    layer = reference.layer_of(network.backbone)
    inputs = (
        torch.rand(6, 1, 40, 40, generator=torch.Generator().manual_seed(0)) ** torch.arange(1, 7)[:, None, None, None]
    )
    with torch.inference_mode():
        result = reference.features(network.backbone, inputs, layer)
    assert result.shape[1] > 1
    network.reference = reference.fit(result[:3], result[3:], layer)
    save(network, tmp_path)
    opened = load(tmp_path)
    with torch.inference_mode():
        again = reference.features(opened.backbone, inputs, opened.reference.layer)
    torch.testing.assert_close(opened.reference.distance(again), network.reference.distance(result))
    assert opened.reference.distance(again[3:]).max() > 0


class Meeting(nn.Module):
    """Passes its input on once two threads are here."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2, timeout=20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.barrier.wait()
        return x


def test_two_images_in_two_threads_keep_their_own_features() -> None:
    inputs = [torch.eye(4)[k][None, :, None, None] for k in (1, 2)]
    network = nn.Sequential(Meeting(), nn.Identity(), Meeting())
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda x: reference.features(network, x, "1"), inputs))
    for x, result in zip(inputs, results, strict=True):
        assert torch.equal(result, x.flatten(1))
