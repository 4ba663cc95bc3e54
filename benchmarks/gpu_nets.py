"""Networks and the loss that the GPU benchmark and its checks measure."""

from __future__ import annotations

from typing import Any

#: Name, modality, backbone, shape of a sample, batch.
NETS = (
    ("Lite0 224²", "image", "tf_efficientnet_lite0", (3, 224, 224), 64),
    ("3D ResNet-18 96³", "volume", "resnet18_3d", (1, 96, 96, 96), 8),
    ("R(2+1)D-18 16 × 112²", "video", "r2plus1d_18", (3, 16, 112, 112), 8),
    ("U-Net 512²", "mask", "unet", (1, 512, 512), 8),
)
SMALL = (
    ("Lite0 32²", "image", "tf_efficientnet_lite0", (3, 32, 32), 4),
    ("3D ResNet-18 16³", "volume", "resnet18_3d", (1, 16, 16, 16), 2),
    ("R(2+1)D-18 4 × 32²", "video", "r2plus1d_18", (3, 4, 32, 32), 2),
    ("U-Net 32²", "mask", "unet", (1, 32, 32), 2),
)


class MeanError:
    """(mean of the output − target)², of any shape of output."""

    def weight(self, batch: Any) -> Any:
        import torch

        return torch.tensor(float(len(batch["target"])), device=batch["target"].device)

    def total(self, network: Any, batch: Any, output: Any) -> Any:
        return (output.float().flatten(1).mean(1) - batch["target"]).square().sum()


def network_of(modality: str, backbone: str, channels: int) -> Any:
    import torch

    from scantune import models

    if modality == "mask":
        return models.Network(models.build_dense(backbone, ndim=2, in_channels=channels, seed=0))
    made = models.build(backbone, modality=modality, in_channels=channels, seed=0)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return models.Network(made, torch.nn.Linear(made.feature_dim, 1))
