"""What the machine writes round the sector: a name, the time, scales, an ECG, a logo. It stays outside the sector."""

from __future__ import annotations

import numpy as np

from scantune_phantoms.echo import cycle
from scantune_phantoms.echo.scanner import Scanner, Sector

_GREEN, _AMBER, _WHITE, _BLUE = (70, 205, 110), (235, 180, 60), (205, 205, 205), (110, 150, 235)
# Vendor to the colour of its name and of the ground below it.
_LOGOS = {"Delfin (phantom)": (_BLUE, None), "Fulmar (phantom)": (_WHITE, (20, 40, 90))}


def cursor_mask(sector: Sector) -> np.ndarray:
    """bool [H, W]: the dashed line of the cursor that a machine may leave in the sector."""
    height, width = sector.inside.shape
    rows, columns = np.mgrid[:height, :width]
    across, down = (columns - sector.apex[1]) / sector.scale, (rows - sector.apex[0]) / sector.scale
    far, turn = np.hypot(across, down), np.arctan2(across, down)
    line = np.abs(turn - 0.16) * far * sector.scale < 1.5
    dashes = (far * sector.scale).astype(int) % 10 < 7
    return line & dashes & sector.inside & (far > 0.8)


class Screen:
    """The still frame about the sector, drawn once a loop, and the mark that runs along the ECG below it.

    Args:
        scanner: the machine.
        sector: where the sector lies.
        lines: words at the top left, name first.
        phase: of the cycle, at every frame of the loop.
        cursor: leave the cursor's dashed line in the sector.
    """

    def __init__(
        self, scanner: Scanner, sector: Sector, lines: list[str], phase: np.ndarray, *, cursor: bool = False
    ) -> None:
        import cv2

        height, width = scanner.size
        self._scanner, self._sector, self._phase = scanner, sector, phase
        self._columns = (6, width - 24)  # of the ECG
        self._still: np.ndarray = np.zeros((height, width, 3), np.uint8)
        self._cursor = cursor_mask(sector) if cursor else None
        self._draw_words(lines)
        self._draw_scales()
        self._draw_ecg()
        self._colours = np.rint(np.arange(256)[:, None] * np.array(scanner.tint)).astype(np.uint8)
        if scanner.grey:
            self._still = cv2.cvtColor(self._still, cv2.COLOR_RGB2GRAY)
            self._colours = np.arange(256, dtype=np.uint8)

    def frame(self, picture: np.ndarray, now: int) -> np.ndarray:
        """One frame of the screen.

        Args:
            picture: the sector, 0–1 [H, W].
            now: number of the frame.

        Returns:
            RGB uint8 [H, W, 3], or grey [H, W] where the machine's files are.
        """
        screen = self._still.copy()
        first, last = self._columns
        screen[-14:-1, first + (last - first) * now // max(1, len(self._phase) - 1)] = (
            205 if self._scanner.grey else _AMBER
        )
        inside = self._sector.inside
        screen[inside] = self._colours[np.rint(picture[inside] * 255).astype(np.uint8)]
        if self._cursor is not None:
            screen[self._cursor] = 235
        return screen

    def _draw_words(self, lines: list[str]) -> None:
        left = 2
        for number, line in enumerate(lines):
            _write(self._still, line, left, 8 + 8 * number, _WHITE)
        width = self._scanner.size[1]
        colour, ground = _LOGOS.get(self._scanner.vendor, (_WHITE, None))
        if ground is not None:
            self._still[1:11, width - 38 : width - 1] = ground
        _write(self._still, self._scanner.vendor.split()[0].upper(), width - 36, 8, colour, 0.27)
        _write(self._still, "MI 1.2", width - 32, 18, _AMBER)
        _write(self._still, "TIS 0.8", width - 32, 26, _AMBER)

    def _draw_scales(self) -> None:
        height, width = self._scanner.size
        top, middle = self._sector.apex
        column = width - 5
        for depth in range(int(self._sector.depth) + 1):
            row = round(top + depth * self._sector.scale)
            if row < height - 1:
                size = 3 if depth % 5 == 0 else 1
                self._still[row, column - size : column] = _WHITE
        row = min(height - 2, round(top + self._sector.depth * self._sector.scale))
        _write(self._still, f"{self._sector.depth:.0f}", column - 16, row, _WHITE)
        # The mark of the probe's orientation, beside the sector's tip.
        place = (round(middle + 8), max(2, round(top) - 3))
        _disc(self._still, place, (60, 170, 140) if not self._scanner.grey else _WHITE)
        if self._scanner.grey:  # a wedge of its greys at the side
            for row in range(40, 90):
                self._still[row, 3:7] = 255 - int((row - 40) * 5.1)

    def _draw_ecg(self) -> None:
        import cv2

        columns = np.arange(*self._columns)
        at = np.linspace(0, len(self._phase) - 1, len(columns))
        trace = cycle.ecg(np.interp(at, np.arange(len(self._phase)), self._phase))
        points = np.stack([columns, np.rint(self._scanner.size[0] - 4 - 9 * trace)], axis=1).astype(np.int32)
        cv2.polylines(self._still, [points], False, _WHITE if self._scanner.grey else _GREEN, 1)


def _write(
    canvas: np.ndarray, text: str, column: int, row: int, colour: tuple[int, int, int], size: float = 0.28
) -> None:
    import cv2

    cv2.putText(canvas, text, (column, row), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _disc(canvas: np.ndarray, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.circle(canvas, place, 2, colour, -1, cv2.LINE_AA)
