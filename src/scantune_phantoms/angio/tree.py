"""Coronary trees: where each branch runs on the heart, how wide it is, what the SYNTAX score calls its parts.

Segments are those of Sianos et al., "The SYNTAX Score", EuroIntervention 2005;1:219–227.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

_STEP = 0.03  # cm between points


@dataclass(frozen=True)
class Course:
    """How one branch runs, free of the beat.

    Attributes:
        name: of the vessel ("LAD").
        latitude: [N], see `scantune_phantoms.angio.heart`.
        longitude: [N], degrees.
        depth: [N], 1 at the surface.
        sway: [N, 3], cm, by which it leaves that line (tortuosity).
        radius: [N], cm.
        segment: [N], the SYNTAX segment of each point; "" for twigs that have none.
        parent: number of the branch it leaves; −1 for the first.
        leaves_at: index of the parent's point it leaves at.
        reach: [N], cm of vessel from the ostium.
    """

    name: str
    latitude: np.ndarray
    longitude: np.ndarray
    depth: np.ndarray
    sway: np.ndarray
    radius: np.ndarray
    segment: tuple[str, ...]
    parent: int
    leaves_at: int
    reach: np.ndarray


@dataclass(frozen=True)
class Lesion:
    """A stenosis: by how much of the diameter, of which vessel and segment."""

    vessel: str
    segment: str
    severity: float


@dataclass(frozen=True)
class Tree:
    """One artery with its branches, parents before children.

    Attributes:
        artery: "LCA" or "RCA".
        courses: of all branches.
        lesions: its stenoses.
    """

    artery: str
    courses: tuple[Course, ...]
    lesions: tuple[Lesion, ...]

    @property
    def worst(self) -> float:
        """Greatest narrowing of the diameter, 0–1."""
        return max((lesion.severity for lesion in self.lesions), default=0.0)


class _Growing:
    """A tree while its branches are added."""

    def __init__(self, rng: np.random.Generator, size: float, tortuosity: float) -> None:
        self.rng, self.size, self.tortuosity = rng, size, tortuosity
        self.courses: list[Course] = []

    def add(
        self,
        name: str,
        path: Sequence[tuple[float, float]],
        radii: tuple[float, float],
        segments: list[tuple[float, str]],
        *,
        parent: int = -1,
        at: float = 0.0,
        depth: float = 1.0,
    ) -> int:
        """Grow a branch through (latitude, longitude) points, the parent's at share ``at`` of it put before them.

        ``segments`` are (share of the length up to which, name). ``depth`` is reached at the far end.
        """
        leaves_at, reach, sway0 = -1, 0.0, np.zeros(3)
        start: list[tuple[float, float]] = []
        if parent >= 0:
            source = self.courses[parent]
            leaves_at = int(at * (len(source.radius) - 1))
            start = [(float(source.latitude[leaves_at]), float(source.longitude[leaves_at]))]
            reach, sway0 = float(source.reach[leaves_at]), source.sway[leaves_at]
            radii = (min(radii[0], 0.9 * float(source.radius[leaves_at])), radii[1])
        latitude, longitude, length = _smooth_path(np.array([*start, *path]))
        count = len(latitude)
        t = np.linspace(0, 1, count)
        bends = self._sway(length, count, 0.6 + 0.4 * min(1.0, radii[0] / 0.12))
        sway = bends + sway0 * np.exp(-t * length / 1.5)[:, None]
        wide = radii[0] + (radii[1] - radii[0]) * t**0.85
        rough = np.interp(t, np.linspace(0, 1, 9), self.rng.normal(0, 0.045, 9))
        named = tuple(next((label for end, label in segments if share <= end + 1e-9), "") for share in t)
        deep = 1 - (1 - depth) * t**0.8
        course = Course(
            name, latitude, longitude, deep, sway, self.size * wide * (1 + rough), named, parent, leaves_at,
            reach + t * length,
        )  # fmt: skip
        self.courses.append(course)
        return len(self.courses) - 1

    def place(self, index: int, share: float) -> tuple[float, float]:
        """Latitude and longitude of a branch at a share of its length."""
        course = self.courses[index]
        here = int(share * (len(course.radius) - 1))
        return float(course.latitude[here]), float(course.longitude[here])

    def _sway(self, length: float, count: int, share: float) -> np.ndarray:
        """Bends of a few wavelengths, none at the origin: [N, 3] cm."""
        t = np.linspace(0, length, count)
        total = np.zeros((count, 3))
        for wave in (3.6, 1.9, 1.05):
            amplitude = self.rng.normal(0, 0.019 * self.tortuosity * wave**1.5 * share, 3)
            phase = self.rng.uniform(0, 2 * np.pi, 3)
            total += amplitude * (np.sin(2 * np.pi * t[:, None] / wave + phase) - np.sin(phase))
        return total * np.clip(t / 0.8, 0, 1)[:, None]

    def twigs(self, chance: float) -> None:
        """Unnamed twigs off the branches there are: ``chance`` of one a cm."""
        for index, course in list(enumerate(self.courses)):
            length = float(course.reach[-1] - course.reach[0])
            for _ in range(self.rng.poisson(chance * length)):
                at = float(self.rng.uniform(0.15, 0.95))
                here = int(at * (len(course.radius) - 1))
                lat, lon = float(course.latitude[here]), float(course.longitude[here])
                far = self.rng.uniform(0.08, 0.24)
                turn = self.rng.choice([-1, 1]) * self.rng.uniform(8, 26) / max(0.45, np.cos(0.5 * np.pi * lat))
                path = [(lat + 0.35 * far, lon + 0.6 * turn), (lat + far, lon + turn)]
                wide = 0.5 * float(course.radius[here]) / self.size
                self.add("twig", path, (min(wide, 0.05), 0.018), [], parent=index, at=at)


def _smooth_path(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A smooth curve through about ``points`` [M, 2] in steps of `_STEP`: latitude, longitude, length in cm."""
    around = np.cos(0.5 * np.pi * np.clip(points[:, 0], 0, 0.9))
    flat = np.stack([8.6 * np.sin(0.5 * np.pi * points[:, 0]), np.deg2rad(points[:, 1]) * 4.2 * around.mean()], axis=1)
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(flat, axis=0).T))])
    count = max(8, int(run[-1] / _STEP))
    at = np.linspace(0, run[-1], count)
    lines = [np.interp(at, run, points[:, axis]) for axis in (0, 1)]
    half = max(1, int(1.1 / _STEP * min(1.0, run[-1] / 6)))
    kernel = np.hanning(2 * half + 3)[1:-1]
    kernel /= kernel.sum()
    smooth = []
    for line in lines:
        padded = np.concatenate([2 * line[0] - line[half:0:-1], line, 2 * line[-1] - line[-2 : -half - 2 : -1]])
        smooth.append(np.convolve(padded, kernel, mode="valid")[:count])
    return smooth[0], smooth[1], float(run[-1])


def grow_left(rng: np.random.Generator, *, size: float, tortuosity: float, left_dominant: bool) -> tuple[Course, ...]:
    """The left coronary artery: main stem, anterior descending and circumflex with their branches."""
    tree = _Growing(rng, size, tortuosity)
    groove = rng.normal(-20, 4)
    main = tree.add("LM", [(-0.1, 8), (-0.03, groove + 24), (0.02, groove + 17)], (0.22, 0.205), [(1, "5")])
    apex = rng.uniform(0.93, 1.06)
    down = [(0.06, groove + 5), (0.2, groove), (0.5, groove + rng.normal(2, 3)), (0.75, groove + 4), (apex, groove + 8)]
    descending = tree.add("LAD", down, (0.18, 0.05), [(0.27, "6"), (0.55, "7"), (1, "8")], parent=main, at=1)
    last = rng.uniform(95, 130) if not left_dominant else 178.0
    around = [(0.02, groove + 40), (0.04, 55), (0.05, 0.5 * (55 + last)), (0.07, last)]
    ends = (0.17, 0.06 if not left_dominant else 0.11)
    circumflex = tree.add("LCX", around, ends, [(0.38, "11"), (1, "13")], parent=main, at=1)
    for number, at in enumerate(np.sort(rng.uniform(0.13, 0.55, rng.integers(2, 4)))):
        lat, _ = tree.place(descending, at)
        reach = rng.uniform(0.28, 0.42)
        path = [
            (lat + 0.06, groove + 18),
            (lat + 0.5 * reach, groove + 38),
            (lat + reach, groove + rng.uniform(44, 58)),
        ]
        tree.add(
            "D", path, (0.105 - 0.012 * number, 0.038), [(1, ("9", "10", "10a")[number])], parent=descending, at=at
        )
    for number, at in enumerate(np.sort(rng.uniform(0.22, 0.92, rng.integers(2, 4)))):
        _, lon = tree.place(circumflex, at)
        end = rng.uniform(0.5, 0.78)
        path = [(0.12, lon + 3), (0.35, lon + 6), (end, lon + rng.normal(4, 6))]
        segment = ("12", "12a", "12b")[number]
        tree.add("OM", path, (0.115 - 0.01 * number, 0.04), [(1, segment)], parent=circumflex, at=at)
    for at in np.sort(rng.uniform(0.12, 0.7, rng.integers(3, 7))):
        lat, _ = tree.place(descending, at)
        path = [(lat + 0.03, groove), (lat + 0.12, groove + rng.normal(0, 3))]
        tree.add("S", path, (0.05, 0.022), [], parent=descending, at=at, depth=rng.uniform(0.1, 0.45))
    if left_dominant:
        tree.add("PDA", [(0.2, 182), (0.45, 184), (0.78, 186)], (0.1, 0.04), [(1, "15")], parent=circumflex, at=0.99)
    tree.twigs(0.22)
    return tuple(tree.courses)


def grow_right(rng: np.random.Generator, *, size: float, tortuosity: float, left_dominant: bool) -> tuple[Course, ...]:
    """The right coronary artery: round to the crux, posterior descending and posterolateral branches."""
    tree = _Growing(rng, size, tortuosity)
    crux = -172.0 if not left_dominant else rng.uniform(-135, -115)
    path = [(-0.12, -22), (-0.05, -40), (0.0, -62), (0.015, -92), (0.02, -128), (0.02, crux)]
    radii = (0.2, 0.15) if not left_dominant else (0.13, 0.06)
    right = tree.add("RCA", path, radii, [(0.33, "1"), (0.66, "2"), (1, "3")])
    if not left_dominant:
        descending = [(0.1, -171), (0.35, -170), (rng.uniform(0.62, 0.85), -168)]
        tree.add("PDA", descending, (0.11, 0.04), [(1, "4")], parent=right, at=0.99)
        beyond = [(0.03, -184), (0.02, -196), (0.05, -212)]
        lateral = tree.add("PLV", beyond, (0.12, 0.06), [(1, "16")], parent=right, at=1)
        for number, at in enumerate(np.sort(rng.uniform(0.3, 1.0, rng.integers(1, 4)))):
            lon = -176 - 36 * at
            way = [(0.14, lon - 2), (0.32, lon + 1), (rng.uniform(0.42, 0.66), lon + 3)]
            segment = ("16a", "16b", "16c")[number]
            tree.add("PL", way, (0.085, 0.034), [(1, segment)], parent=lateral, at=at)
    for at in np.sort(rng.uniform(0.3, 0.72, rng.integers(1, 3))):
        _, lon = tree.place(right, at)
        marginal = [(0.12, lon + 8), (0.35, lon + 20), (rng.uniform(0.5, 0.75), lon + 32)]
        tree.add("AM", marginal, (0.085, 0.032), [], parent=right, at=at)
    tree.add("conus", [(0.1, -38), (0.26, -30)], (0.06, 0.025), [], parent=right, at=0.1)
    tree.add("SA", [(-0.2, -62), (-0.38, -80)], (0.055, 0.025), [], parent=right, at=0.17)
    tree.twigs(0.25)
    return tuple(tree.courses)


_MAJOR = {"LM", "LAD", "LCX", "RCA", "D", "OM", "PDA", "PLV"}


def narrow(rng: np.random.Generator, artery: str, courses: tuple[Course, ...], severities: list[float]) -> Tree:
    """Put one stenosis of each severity (share of the diameter) on a named vessel of the artery.

    A severity of 1 is an occlusion: nothing beyond it is filled.
    """
    changed, lesions = list(courses), []
    places = [index for index, course in enumerate(courses) if course.name in _MAJOR]
    weight = np.array([float(courses[index].radius.mean() * np.ptp(courses[index].reach)) for index in places])
    for severity in severities:
        index = int(rng.choice(places, p=weight / weight.sum()))
        course = changed[index]
        centre = int(rng.uniform(0.12, 0.72) * len(course.radius))
        run = course.reach - course.reach[centre]
        half = rng.uniform(0.16, 0.42)
        dip = np.exp(-0.5 * np.abs(run / half) ** 2.6)
        before = (run < 0) * 0.12 * rng.random() * np.exp(-(((run + 2.5 * half) / half) ** 2))
        radius = course.radius * (1 - severity * dip - before * severity)
        if severity >= 1:
            radius = np.where(run > -0.1, 0.0, np.maximum(radius, 0.03))
        changed[index] = replace(course, radius=radius)
        lesions.append(Lesion(course.name, course.segment[centre], severity))
    for index, course in enumerate(changed):  # what leaves beyond an occlusion stays empty
        if course.parent >= 0 and changed[course.parent].radius[course.leaves_at] <= 0:
            changed[index] = replace(course, radius=np.zeros_like(course.radius))
    return Tree(artery, tuple(changed), tuple(lesions))
