"""A U-Net whose encoder is a pretrained 2D network of timm."""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor, nn

from scantune.models.backbone import Normalization, Parts
from scantune.models.names import ALIASES, ENCODER
from scantune.models.nnunet import ConvNorm, Decoder, decoder_blocks
from scantune.records import ScantuneError


class EncoderUNet(nn.Module):
    """A stem at full resolution, the encoder's stages and a decoder."""

    def __init__(self, stem: nn.Module, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.stem = stem
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """[B, C, H, W] to logits [B, K, H, W]; in training see :class:`scantune.models.nnunet.Decoder`."""
        return self.decoder([self.stem(x), *self.encoder(x)])


def timm_unet(
    ndim: int,
    in_channels: int,
    out_channels: int,
    *,
    encoder: str = ENCODER,
    width: int = 16,
    deep_supervision: bool = False,
    **options: Any,
) -> Parts:
    """A U-Net decoder on the stages of a timm network, with two convolutions at full resolution beside it.

    Published weights (``weights: imagenet``) are those of the encoder; stem and decoder start from random ones.

    Args:
        ndim: 2.
        in_channels: C of the input.
        out_channels: K.
        encoder: a convolutional network by its timm name.
        width: channels at full resolution.
        deep_supervision: in training the coarser stages have a loss too.
        **options: of ``timm.create_model``.

    Raises:
        ScantuneError: volumes, or a network without stages of features.
    """
    import timm

    if ndim != 2:
        raise ScantuneError("timm_unet is for images: the networks of timm have two spatial axes")
    name = ALIASES.get(encoder, encoder)
    if not timm.is_model(name):  # an address of a hub is no model
        raise ScantuneError(f"model.options.encoder: {encoder!r} is not a network of timm")
    try:
        stages: Any = timm.create_model(name, pretrained=False, features_only=True, in_chans=in_channels, **options)
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        raise ScantuneError(f"model.options.encoder: {encoder!r} has no stages for a U-Net: {error}") from error
    reductions = [1, *stages.feature_info.reduction()]
    if len(set(reductions)) < len(reductions):
        raise ScantuneError(f"model.options.encoder: {encoder!r} keeps its resolution in a stage; use another network")
    strides = [(1, 1), *((after // before,) * 2 for before, after in itertools.pairwise(reductions))]
    channels = [width, *stages.feature_info.channels()]
    stem = nn.Sequential(*(ConvNorm(2, ins, width, (3, 3), (1, 1)) for ins in (in_channels, width)))
    decoder = Decoder(2, channels, out_channels, [(3, 3)] * len(channels), strides, 2, deep_supervision)
    cfg = timm.get_pretrained_cfg(name)
    return Parts(
        EncoderUNet(stem, stages, decoder),
        out_channels,
        [("stem", [stem]), ("encoder", [stages]), *decoder_blocks(decoder)],
        saliency_layer="decoder.stages.0",
        normalization=Normalization(tuple(cfg.mean), tuple(cfg.std)) if cfg is not None and cfg.mean else None,
        divisor=reductions[-1],
        published=("encoder", encoder),
    )
