"""Where the brain is in a T1-weighted scan: deepbet's two networks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scantune.io.arrays import Volume
from scantune.packaged import PackagedFile
from scantune.preprocess.brain import BOX, OUTLINE
from scantune.preprocess.components import largest
from scantune.records import ReadError

if TYPE_CHECKING:
    import torch

#: Voxels along each axis that the networks were trained at: the whole scan, and the box around the brain.
COARSE, FINE = 128, 256
#: Of the box's length, added on either side.
MARGIN = 0.1
#: Output of the network from which on a voxel is brain.
THRESHOLD = 0.5
#: Brains are between these volumes, millilitres; a preterm newborn's is about 150.
SMALLEST, LARGEST = 100.0, 2500.0


def brain_mask(volume: Volume) -> np.ndarray:
    """Voxels of the brain, with its ventricles, bool [D, H, W].

    The steps are deepbet's (L. Fisch et al., Comput Biol Med 2024;179:108845): a coarse network places a box, a second
    outlines the brain in it; the largest component is taken and its holes are filled.

    Args:
        volume: T1-weighted MRI of a head, any spacing.

    Raises:
        ReadError: no brain found, or one of an impossible volume.
        PackageError: the extra ``brain`` is not installed.
    """
    import torch
    from torch.nn import functional

    array = torch.from_numpy(np.nan_to_num(np.ascontiguousarray(volume.array.transpose(2, 1, 0), dtype=np.float32)))
    with torch.inference_mode():
        small = functional.interpolate(array[None, None], (COARSE,) * 3, mode="nearest-exact")[0, 0]
        low, high = small.quantile(0.005), small.quantile(0.995)
        if not high > low:
            raise ReadError("no brain found: the scan is constant but for a few voxels")
        box = _box(_found(_network(BOX)(_scaled(small, low, high)[None, None])[0, 1].numpy()), array.shape)
        fine = functional.interpolate(array[box][None, None], (FINE,) * 3, mode="nearest-exact")[0, 0]
        outline = _network(OUTLINE)(_scaled(fine, low, high)[None, None])[0, 1]
        within = functional.interpolate(outline[None, None], array[box].shape, mode="nearest-exact")[0, 0].numpy()
    mask = np.zeros(array.shape, dtype=bool)  # W, H, D
    mask[box] = _filled(_found(within))
    size = millilitres(mask, volume)
    if not SMALLEST <= size <= LARGEST:
        raise ReadError(
            f"the brain found has {size:.0f} ml, outside {SMALLEST:g} to {LARGEST:g}: not a T1-weighted scan of "
            "a whole head?"
        )
    return mask.transpose(2, 1, 0)


def millilitres(mask: np.ndarray, volume: Volume) -> float:
    """Volume of a mask, bool, on the grid of a scan."""
    return float(mask.sum()) * abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000


@lru_cache(maxsize=2)
def _network(file: PackagedFile) -> torch.jit.ScriptModule:
    import warnings

    import torch

    path = file.required("brain.extract")
    with warnings.catch_warnings():  # torch announces that TorchScript will be replaced
        warnings.simplefilter("ignore")
        return torch.jit.load(path, map_location="cpu").eval()


def _scaled(image: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """As the networks were trained: clipped to two percentiles, mean .449 and standard deviation .226."""
    clipped = ((image - low) / (high - low)).clamp(0, 1)
    return 0.226 * (clipped - clipped.mean()) / clipped.std() + 0.449


def _found(probability: np.ndarray) -> np.ndarray:
    likely = probability > THRESHOLD
    if not likely.any():
        raise ReadError("no brain found: not a T1-weighted scan of a head?")
    return largest(likely)


def _filled(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_fill_holes(mask)


def _box(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The box around the coarse mask, with its margin, in voxels of the scan."""
    box = []
    for axis, length in enumerate(shape):
        covered = np.flatnonzero(mask.mean(axis=tuple(other for other in range(3) if other != axis)) > 0.02)
        if covered.size == 0:
            raise ReadError("no brain found: not a T1-weighted scan of a head?")
        first, last = (value * length / mask.shape[axis] for value in (covered[0], covered[-1] + 1))
        margin = MARGIN * (last - first)
        box.append(slice(max(0, round(first - margin)), min(length, round(last + margin))))
    return tuple(box)
