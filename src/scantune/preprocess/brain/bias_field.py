"""Slow changes of brightness that the coils cause, removed by N4."""

from __future__ import annotations

import numpy as np

from scantune.io.arrays import Volume

#: Voxel size at which the field is fitted, mm: it is smooth, and the fit's time goes by voxels.
FITTED_AT = 4.0


def without_bias_field(volume: Volume, mask: np.ndarray) -> tuple[np.ndarray, float]:
    """The scan divided by its bias field, and the field's range in the brain.

    N. Tustison et al., IEEE Trans Med Imaging 2010;29:1310 (SimpleITK's N4BiasFieldCorrection).

    Args:
        volume: MRI, [D, H, W].
        mask: the brain, bool [D, H, W]: the field is fitted there.

    Returns:
        float32 [D, H, W] in the units of the scan, and the ratio of the field's 95th to its 5th percentile in the
        brain (1: no field).
    """
    import SimpleITK as sitk

    array = np.ascontiguousarray(volume.array, dtype=np.float32)
    image, inside = (sitk.GetImageFromArray(a) for a in (array, (mask & (array > 0)).astype(np.uint8)))
    for grid_image in (image, inside):
        grid_image.SetSpacing(volume.spacing)
    factors = [max(1, round(FITTED_AT / step)) for step in volume.spacing]
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetNumberOfThreads(1)  # sums in one order: the same field on every machine
    corrector.SetMaximumNumberOfIterations([50, 50, 50])
    corrector.Execute(sitk.Shrink(image, factors), sitk.Shrink(inside, factors))
    field = np.exp(sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)))
    low, high = np.percentile(field[mask], [5, 95])
    return (array / field).astype(np.float32), float(high / low)
