"""With which versions a run was computed. Nothing that names a machine or a person."""

from __future__ import annotations

import platform

from scantune.packaged import version_of

LIBRARIES = (
    *("scantune", "torch", "torchvision", "timm", "monai", "lightning-fabric", "numpy", "scipy", "scikit-learn"),
    *("pydicom", "SimpleITK", "nibabel", "opencv-python-headless", "av", "matplotlib", "mlflow", "dvc"),
)


def environment(libraries: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Python, system, processor family and the libraries that are installed, to their versions."""
    versions = {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    return versions | {name: version for name in libraries if (version := version_of(name))}
