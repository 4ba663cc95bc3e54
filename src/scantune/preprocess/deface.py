"""The face of a head MRI blanked, by plain geometry.

What it is: everything in front of and below an oblique plane, which runs from the brow back to the jaw's angle, is set
to the background. The plane is placed by the head's own outline (its top, forehead and length), so the scan must show
the head from its top to the brow, upright within 15° or so. What it is not: it knows no anatomy, leaves ears and the
back of the head, and has not been validated against face recognition. Where that matters use a published tool first
(mri_deface, pydeface, mri_reface). On brains that are stripped already it would cut into the brain: leave it off there.
"""

from __future__ import annotations

import numpy as np

from scantune.io.arrays import Volume
from scantune.preprocess.components import largest
from scantune.preprocess.intensity import foreground
from scantune.records import ReadError

#: Of an adult head's length (forehead to occiput, about 190 mm).
BROW, BACK, DROP = 0.42, 0.34, 0.28
MIN_LENGTH = 90.0  # mm; a newborn's head is 110 mm long


def defaced(volume: Volume) -> tuple[Volume, float]:
    """The volume without its face, and the share of head voxels that were blanked.

    Args:
        volume: head MRI [D, H, W], D to superior, H to anterior.

    Raises:
        ReadError: no head detected, or it ends above the brow.
    """
    array = volume.array
    head = largest(foreground(array, volume.empty))
    step_y, step_z = volume.spacing[1], volume.spacing[2]
    heights = np.flatnonzero(head.any(axis=(1, 2)))
    if heights.size == 0:
        raise ReadError("no head found, so the face cannot be blanked")
    top = int(heights[-1])
    upper = head[max(0, top - round(75 / step_z)) : max(1, top - round(25 / step_z))]
    along = np.flatnonzero(upper.any(axis=(0, 2)))
    length = (along[-1] - along[0] + 1) * step_y if along.size else 0.0
    if length < MIN_LENGTH or (top - heights[0]) * step_z < BROW * length:
        raise ReadError("the head does not reach from its top to the brow, so the face cannot be found")
    forehead = int(along[-1])
    back = (forehead - np.arange(array.shape[1])) * step_y / length  # [H], 0 at the forehead, grows backwards
    down = (top - np.arange(array.shape[0])) * step_z / length  # [D], 0 at the top, grows downwards
    face = (back[None] < BACK) & (down[:, None] > BROW + np.maximum(back, 0.0)[None] * DROP / BACK)  # [D, H]
    blanked = np.where(face[:, :, None], np.float32(array.min()), array)
    share = float((head & face[:, :, None]).sum() / head.sum())
    return Volume(blanked, volume.affine, volume.facts, volume.empty), share
