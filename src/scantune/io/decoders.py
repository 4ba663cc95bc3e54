"""Which decoders read the files: what a cached tensor depends on beside its source bytes."""

from __future__ import annotations

from functools import cache
from importlib import metadata

_PACKAGES = (
    "pydicom",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pyjpegls",
    "python-gdcm",
    "nibabel",
    "isal",
    "opencv-python-headless",
    "pillow",
    "SimpleITK",
)


@cache
def decoder_versions() -> dict[str, str]:
    """Version of each library that turns bytes into pixels, by package name.

    Decoders of lossy JPEG differ by up to 5 grey levels, so a cache key holds them.
    """
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
