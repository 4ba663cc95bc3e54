"""3D backbones of MONAI, which is imported only when one is built, because its import takes seconds."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from scantune.models import blocks
from scantune.models.backbone import Parts

#: depth: (block, blocks per layer, shortcut of the MedicalNet weights, features)
_RESNETS: dict[int, tuple[str, list[int], str, int]] = {
    10: ("basic", [1, 1, 1, 1], "B", 512),
    18: ("basic", [2, 2, 2, 2], "A", 512),
    34: ("basic", [3, 4, 6, 3], "A", 512),
    50: ("bottleneck", [3, 4, 6, 3], "B", 2048),
}


def resnet(depth: int, in_channels: int, *, shortcut: str | None = None, dilated: bool = False) -> Parts:
    """3D ResNet in MedicalNet's layout (Chen et al. 2019, arXiv:1904.00625; names of its published weights).

    The first stride is 2 as in MedicalNet. The weights also load with MONAI's stride of 1 (``first_stride: 1``), but a
    step then takes about twelve times as long.

    Args:
        depth: 10, 18, 34 or 50.
        in_channels: C of the input [B, C, D, H, W].
        shortcut: "A" (zero padding) or "B" (convolution); None is that of the published weights: B for 10 and
            50, A for 18 and 34.
        dilated: layers 3 and 4 with stride 1 and dilation 2 and 4, as in MedicalNet's training for segmentation; at
            least eight times the cost of the usual stride 2.
    """
    from monai.networks.nets.resnet import ResNet

    block, layers, published, features = _RESNETS[depth]
    net = ResNet(
        block,
        layers,
        [64, 128, 256, 512],
        spatial_dims=3,
        n_input_channels=in_channels,
        conv1_t_stride=2,
        shortcut_type=shortcut or published,
        feed_forward=False,
        bias_downsample=False,
    )
    if dilated:
        _dilate(net.layer3, 2)
        _dilate(net.layer4, 4)
    return Parts(net, features, blocks.find(net), saliency_layer="layer4")


def _dilate(layer: nn.Module, dilation: int) -> None:
    for module in layer.modules():
        if isinstance(module, nn.Conv3d):
            module.stride = (1, 1, 1)
            if module.kernel_size == (3, 3, 3):
                module.dilation = module.padding = (dilation,) * 3


class _DenseNetFeatures(nn.Module):
    """MONAI's DenseNet up to the pooled features."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.features(x)).mean(dim=(2, 3, 4))  # [B, F, D, H, W] -> [B, F]


def densenet121(in_channels: int, **options: Any) -> Parts:
    """3D DenseNet121; names as MONAI's ``DenseNet121(spatial_dims=3)`` without its classification layers."""
    from monai.networks.nets.densenet import DenseNet121

    net = _DenseNetFeatures(DenseNet121(spatial_dims=3, in_channels=in_channels, out_channels=1, **options).features)
    return Parts(net, 1024, blocks.find(net), saliency_layer="features.norm5")


class _SwinEncoder(nn.Module):
    """The Swin transformer of SwinUNETR; the deepest features, mean over space."""

    def __init__(self, swin: nn.Module) -> None:
        super().__init__()
        self.swinViT = swin  # the name in the published weights

    def forward(self, x: Tensor) -> Tensor:
        return self.swinViT(x)[-1].mean(dim=(2, 3, 4))  # [B, 16·48, D/32, H/32, W/32] -> [B, F]


def swinunetr(in_channels: int, *, feature_size: int = 48, **options: Any) -> Parts:
    """Encoder of SwinUNETR (Tang et al. 2022, arXiv:2111.14791), F = 16 · feature_size. Spatial axes of 32 or more."""
    from monai.networks.nets.swin_unetr import SwinUNETR

    network = SwinUNETR(in_channels=in_channels, out_channels=1, feature_size=feature_size, spatial_dims=3, **options)
    swin = network.swinViT
    blocks: list[tuple[str, list[nn.Module]]] = [("stem", [swin.patch_embed, swin.pos_drop])]
    blocks += [(f"layers{n}", [getattr(swin, f"layers{n}")]) for n in (1, 2, 3, 4)]
    return Parts(_SwinEncoder(swin), 16 * feature_size, blocks, saliency_layer="swinViT.layers4.0")
