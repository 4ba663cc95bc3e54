from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.config.dataset import DatasetConfig
from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.records import Record


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def pictures(tmp_path: Path, rng):
    """n PNG files of random greys below tmp_path/raw, as records."""

    def make(n: int, size: tuple[int, int] = (12, 10)) -> list[Record]:
        (tmp_path / "raw").mkdir(exist_ok=True)
        records = []
        for i in range(n):
            path = tmp_path / "raw" / f"Doe_John_{i}.png"
            if not path.exists():
                io.write_png(path, rng.integers(0, 255, size, dtype=np.uint8))
            records.append(Record(f"x{i}", f"s{i // 2}", (path,), targets={"label": str(i % 2)}, groups={"site": "A"}))
        return records

    return make


def smooth(shape: tuple[int, int, int], spacing=(1.0, 1.0, 1.0)) -> io.Volume:
    """A volume that is a slowly varying function of place, so that it may be resampled and still be known."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-10.0, -20.0, 5.0]
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    points = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ affine.T
    return io.Volume(known(points).astype(np.float32), affine)


def known(points: np.ndarray) -> np.ndarray:
    """The value at places [..., 3 or 4] in mm."""
    return 100 + 2 * points[..., 0] - 3 * points[..., 1] + 0.5 * points[..., 2]


#: In this process, so that a test can change what is called.
HERE = {"dataset": "d", "workers": 1, "backend": "threads"}


def image_input(**keys) -> ImageInput:
    return ImageInput(**{"modality": "image", **HERE, **keys})


def volume_input(**keys) -> VolumeInput:
    return VolumeInput(**{"modality": "volume", "dtype": "float32", **HERE, **keys})


def video_input(**keys) -> VideoInput:
    return VideoInput(**{"modality": "video", **HERE, **keys})


@pytest.fixture
def inputs():
    """Input blocks by modality."""
    return {"image": image_input, "volume": volume_input, "video": video_input}


@pytest.fixture
def volumes():
    """The volume that is a known function of place, and that function."""
    return smooth, known


__all__ = ["DatasetConfig"]
