"""A loop that is open: its length and size are known, its frames are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from scantune.io.arrays import Options, Video
from scantune.io.values import check_size, check_values
from scantune.records import ReadError

SCALES = (1, 2, 4, 8)


@dataclass(eq=False)
class Loop:
    """An opened cine loop or video.

    Attributes:
        n_frames: frames that can be decoded.
        height: in pixels.
        width: in pixels.
        channels: 1 or 3 (RGB).
        frame_time: milliseconds between frames, or None where the file states none.
        facts: JSON-serialisable facts without identity.
        decode: (index, grey, scale) to uint8 [h, w, C]; it may ignore grey and scale.
        many: where frames are not had one by one, (sorted indices, grey, scale) to each index and its frame in turn.
        times: milliseconds from the first frame to each, where the file states that they vary; else None.
    """

    n_frames: int
    height: int
    width: int
    channels: int
    frame_time: float | None
    facts: dict[str, Any]
    decode: Callable[[int, bool, int], np.ndarray]
    many: Callable[[list[int], bool, int], Iterator[tuple[int, np.ndarray]]] | None = None
    times: np.ndarray | None = None

    def frames(self, indices: Sequence[int] | None = None, *, grey: bool = False, scale: int = 1) -> np.ndarray:
        """Decode frames.

        Args:
            indices: which, in any order and repeated where wanted; all where None.
            grey: one channel. For JPEG it is the stored luma; else 0.299 R + 0.587 G + 0.114 B.
            scale: 1, 2, 4 or 8: decode at 1/scale of the size (averaged).

        Returns:
            uint8 [T, h, w, C], h and w divided by ``scale`` and rounded up.

        Raises:
            ReadError: a frame that is not there or cannot be decoded.
        """
        if scale not in SCALES:
            raise ReadError(f"a scale of 1/{scale} is not one of 1, 1/2, 1/4, 1/8")
        positions = [int(index) for index in (range(self.n_frames) if indices is None else indices)]
        outside = [index for index in positions if not 0 <= index < self.n_frames]
        if outside or not positions:
            raise ReadError(
                f"frame {outside[0] if outside else 'none'} was asked for; there are {self.n_frames} from 0"
            )
        channels = 1 if grey else self.channels
        size = -(-self.height // scale), -(-self.width // scale)
        out = np.empty((len(positions), *size, channels), dtype=np.uint8)  # T h w C
        places: dict[int, list[int]] = {}
        for at, index in enumerate(positions):
            places.setdefault(index, []).append(at)
        one_by_one = ((index, self.decode(index, grey, scale)) for index in places)
        for index, frame in one_by_one if self.many is None else self.many(sorted(places), grey, scale):
            out[places[index]] = _fitted(frame, grey, size)
        return out

    def video(self, options: Options) -> Video:
        """All frames.

        Raises:
            ReadError: too large, or every pixel of every frame the same.
        """
        check_size((self.n_frames, self.height, self.width, self.channels), 1, options.limits)
        frames = check_values(self.frames(), options, self.facts["notes"])
        return Video(frames, self.frame_time, self.facts)


def to_grey(frame: np.ndarray) -> np.ndarray:
    """Luma [H, W, 1] of an RGB frame [H, W, 3] (ITU-R BT.601)."""
    return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)[..., None]


def _fitted(frame: np.ndarray, grey: bool, size: tuple[int, int]) -> np.ndarray:
    if grey and frame.shape[-1] == 3:
        frame = to_grey(frame)
    if frame.shape[:2] != size:
        frame = cv2.resize(np.ascontiguousarray(frame), size[::-1], interpolation=cv2.INTER_AREA)
        frame = frame[..., None] if frame.ndim == 2 else frame
    return frame
