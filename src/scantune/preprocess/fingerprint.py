"""A tensor's perceptual hash: similar pictures have hashes that differ in few of their 64 bits."""

from __future__ import annotations

import numpy as np

SIDE, LOW = 32, 8


def perceptual_hash(tensor: np.ndarray) -> str:
    """DCT hash (Zauner 2010, ``pHash``) of the tensor's middle plane, 16 hexadecimal digits.

    It only picks pairs to look at: different brains, and different digits, can have one hash.

    Args:
        tensor: [C, H, W] or [C, D or T, H, W].
    """
    import cv2

    if tensor.ndim == 4:
        middle = tensor.shape[1] // 2
        tensor = tensor[:, max(0, middle - 1) : middle + 2].mean(axis=1, dtype=np.float32)  # [C, D, H, W] -> [C, H, W]
    plane = tensor.mean(axis=0, dtype=np.float32)
    small = cv2.resize(np.ascontiguousarray(plane), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"
