"""A brain moved into the template's space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from scantune import io
from scantune.io.arrays import Volume
from scantune.preprocess.brain import TEMPLATE
from scantune.preprocess.grid import Grid, resample, target_grid
from scantune.records import ReadError

if TYPE_CHECKING:
    import SimpleITK as sitk

#: Voxel size at which images are compared, mm.
COMPARED_AT = 2.0
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a brain lies in the template.

    Attributes:
        to_template: float64 [4, 4], RAS+ mm of the scan → RAS+ mm of the template.
        overlap: Dice of the two brains after registration, 0 … 1.
    """

    to_template: np.ndarray
    overlap: float


@lru_cache(maxsize=1)
def template() -> Volume:
    """The template's brain, float32 [D, H, W] at 1 mm, 0 outside of it.

    Raises:
        PackageError: the extra ``brain`` is not installed.
    """
    volume = io.read(TEMPLATE.required("brain.registration"))
    assert isinstance(volume, Volume)
    return Volume(np.ascontiguousarray(volume.array, dtype=np.float32), volume.affine)


def register(volume: Volume, mask: np.ndarray, kind: Literal["rigid", "affine"]) -> Registration:
    """Rigid (6 parameters) or affine (12) registration of a brain to the template.

    Mutual information (D. Mattes et al., IEEE Trans Med Imaging 2003;22:120), from coarse to fine, from the overlap of
    the centres of mass on; the affine registration goes on from the rigid one. The same scan gives the same result:
    the sampled points are drawn with one seed, and sums are made in one order.

    Args:
        volume: T1-weighted MRI, [D, H, W].
        mask: its brain, bool [D, H, W].
        kind: "rigid" or "affine".

    Raises:
        ReadError: the images do not overlap enough to be compared.
    """
    import SimpleITK as sitk

    fixed, moving = _image(_coarse(template())), _image(_coarse(_masked(volume, mask)))
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    transform: sitk.Euler3DTransform | sitk.AffineTransform
    try:
        transform = sitk.Euler3DTransform(
            sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), moments)
        )
        _improve(transform, fixed, moving, step=1.0)
        if kind == "affine":
            matrix, center, translation = transform.GetMatrix(), transform.GetCenter(), transform.GetTranslation()
            transform = sitk.AffineTransform(matrix, translation, center)
            _improve(transform, fixed, moving, step=0.5)
    except RuntimeError as error:
        raise ReadError("the brain cannot be registered to the template", str(error)[:500]) from None
    to_template = np.linalg.inv(_LPS @ _matrix(transform) @ _LPS)
    return Registration(to_template, _overlap(volume, mask, to_template))


def moved(volume: Volume, to_template: np.ndarray) -> Volume:
    """The same voxels with their places in the template's space."""
    return Volume(volume.array, to_template @ volume.affine, volume.facts, volume.empty)


def template_grid(spacing: Sequence[float], shape: Sequence[int] | None) -> Grid:
    """A grid around the template's middle.

    Args:
        spacing: mm along R, A, S.
        shape: voxels along R, A, S; None for the template's extent.
    """
    return target_grid(template(), spacing, shape)


def outline(grid: Grid) -> np.ndarray:
    """The template's brain on a grid in its space, bool [D, H, W]."""
    brain = Volume((template().array > 0).astype(np.float32), template().affine)
    return resample(brain, grid, fill=0.0) > 0.5


def _masked(volume: Volume, mask: np.ndarray) -> Volume:
    high = float(np.percentile(volume.array[mask], 99.5))
    return Volume(np.where(mask, np.clip(volume.array, 0, high), 0).astype(np.float32), volume.affine)


def _coarse(volume: Volume) -> Volume:
    grid = target_grid(volume, (COMPARED_AT,) * 3, None)
    return Volume(resample(volume, grid, fill=0.0), grid.affine)


def _image(volume: Volume) -> sitk.Image:
    """The volume as SimpleITK sees it, in LPS+."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    affine = _LPS @ volume.affine
    image.SetSpacing(volume.spacing)
    image.SetDirection((affine[:3, :3] / np.array(volume.spacing)).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def _improve(transform: sitk.Transform, fixed: sitk.Image, moving: sitk.Image, step: float) -> None:
    """Fit the transform, template → scan, in place."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.25, 1)  # points of the grid are displaced at random
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step, minStep=1e-3, numberOfIterations=150, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 2.0, 0.0])  # mm
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)


def _matrix(transform: sitk.Transform) -> np.ndarray:
    """Homogeneous [4, 4] of a linear transform: where it takes the origin and the unit vectors."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(unit)) - origin for unit in np.eye(3).tolist()]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.stack(columns, axis=1), origin
    return matrix


def _overlap(volume: Volume, mask: np.ndarray, to_template: np.ndarray) -> float:
    grid = template_grid((COMPARED_AT,) * 3, None)
    brain = resample(Volume(mask.astype(np.float32), to_template @ volume.affine), grid, fill=0.0) > 0.5
    reference = outline(grid)
    return float(2 * (brain & reference).sum() / (brain.sum() + reference.sum()))
