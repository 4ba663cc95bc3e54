"""A person's chest without its bones: outline, lungs, heart, great vessels, diaphragm; the six zones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.csi.frame import Frame, ellipsoid
from scantune_phantoms.fields import step

#: In the order of the table and of the labels 1 to 6 of a zone mask. The patient's right is at the picture's left.
ZONES = ("right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf")

#: Water that a centimetre of aerated lung lacks.
AIR = 0.74


@dataclass(frozen=True)
class Person:
    """One person's build; lengths in cm.

    Attributes:
        female: breasts, a smaller chest.
        half_width: of the rib cage at its widest, inside.
        apex: y of the lungs' tops.
        dome: y of the right and left diaphragm in deep breath.
        depth: front to back, inside.
        fat: of the chest wall, front and back together.
        heart: size, 1 is normal.
        breasts: thickness.
        slope: by how much ribs fall from spine to their front ends.
        knob: radius of the aortic arch, larger with age.
        tilt: of the heart's long axis, radians.
        trachea: x of the windpipe.
        bubble: radius of the gas in the stomach.
    """

    female: bool
    half_width: float
    apex: float
    dome: tuple[float, float]
    depth: float
    fat: float
    heart: float
    breasts: float
    slope: float
    knob: float
    tilt: float
    trachea: float
    bubble: float

    @property
    def angle(self) -> float:
        """y of the costophrenic angles."""
        return max(self.dome) + 4.6

    def cage(self, y: np.ndarray) -> np.ndarray:
        """Half width of the rib cage, inside, at each y."""
        t = np.clip((y - self.apex) / (self.angle - self.apex), 0, 1.3)
        rounded = 1.7 * np.sqrt(np.clip((y - self.apex) / 2.2, 0, 1))
        wide = np.sin(np.pi / 2 * np.clip(t / 0.8, 0, 1)) ** 0.85
        return 4.6 + rounded + (self.half_width - 6.3) * wide


def draw_person(rng: np.random.Generator, *, female: bool, age: int) -> Person:
    """Somebody of that sex and age."""
    scale = (0.93 if female else 1.0) * rng.normal(1, 0.045)
    apex = 4.2 + rng.normal(0, 0.4)
    right = apex + 21.5 * scale + rng.normal(0, 0.9)
    return Person(
        female=female,
        half_width=14.0 * scale + rng.normal(0, 0.4),
        apex=apex,
        dome=(right, right + abs(rng.normal(1.1, 0.4))),
        depth=15.5 * scale + rng.normal(0, 0.9),
        fat=float(np.clip(rng.gamma(4, 1.4), 2, 13)),
        heart=float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2)),
        breasts=float(rng.uniform(1.2, 4.0)) if female else 0.0,
        slope=float(rng.normal(7.0, 0.8)),
        knob=1.45 + 0.006 * (age - 40) + abs(rng.normal(0, 0.12)),
        tilt=float(rng.normal(0.55, 0.1)),
        trachea=float(rng.normal(-0.3, 0.2)),
        bubble=float(rng.uniform(0.3, 2.6)),
    )


@dataclass(frozen=True)
class Chest:
    """Maps over one film: float32 [H, W], cm of path; masks bool.

    Attributes:
        x: of each pixel.
        y: of each pixel.
        body: tissue, lungs counted as if they were filled.
        lung: aerated lung in the path.
        heart: heart in the path.
        field: where lung is seen.
    """

    x: np.ndarray
    y: np.ndarray
    body: np.ndarray
    lung: np.ndarray
    heart: np.ndarray
    field: np.ndarray


def build(person: Person, frame: Frame, *, expiration: float = 0.0, heart: float = 1.0) -> Chest:
    """The chest on a film.

    Args:
        person: whose.
        frame: the film.
        expiration: by how much the diaphragm stands higher than in deep breath, cm.
        heart: magnification and dilation of the heart on this film.
    """
    x, y = frame.grid()
    cage = person.cage(y)
    beyond = np.abs(x)
    t = np.clip((y - person.apex) / (person.angle - person.apex), 0, 1)
    medial = 4.6 - 2.7 * np.sqrt(np.clip((y - person.apex) / 4.5, 0, 1))
    medial -= np.where(x < 0, 0.9, 0.4) * step(y, person.apex + 10, person.apex + 17)  # behind the heart
    chord = person.depth * np.sqrt(np.clip(t / 0.4, 0, 1)) * np.sqrt(np.clip(1 - (x / cage) ** 2, 0, None))
    chord *= np.sqrt(np.clip((beyond - medial) / 2.3, 0, 1)) * (y > person.apex)
    organ = _heart(person, x, y, heart, expiration)
    structures = np.maximum(organ, _great_vessels(person, x, y))
    lung = np.clip(chord - structures, 0, None)
    lung = np.clip(lung - _abdomen(person, x, y, expiration), 0, None) * step(y, person.angle + 2.5, person.angle - 1)
    return Chest(x, y, _body(person, x, y, cage), lung, organ, lung > 1.2)


def _heart(person: Person, x: np.ndarray, y: np.ndarray, size: float, expiration: float) -> np.ndarray:
    scale = person.heart * size * person.half_width / 14
    base = person.dome[1] - expiration
    left = ellipsoid(x, y, (2.7 * scale, base - 4.4), (6.6 * scale, 4.9 * scale), 9.5 * scale, person.tilt)
    right = ellipsoid(x, y, (-1.1, base - 5.2), (3.7 * scale, 5.0 * scale), 7.5 * scale)
    waist = ellipsoid(x, y, (1.5, base - 9.3), (2.9 * scale, 4.2), 6.5)
    middle = ellipsoid(x, y, (0.6, base - 4.2), (3.6 * scale, 5.2 * scale), 9.0 * scale)
    parts: list[np.ndarray] = [left, right, waist, middle]
    return np.maximum.reduce(parts)


def _great_vessels(person: Person, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    top = person.apex
    knob = ellipsoid(x, y, (1.9, top + 5.6), (person.knob + 0.25, person.knob), 5.0)
    trunk = ellipsoid(x, y, (2.3, top + 9.0), (1.75, 2.1), 4.2)
    cava = ellipsoid(x, y, (-1.2, top + 6.8), (2.0, 6.0), 4.5)
    arch = ellipsoid(x, y, (0.4, top + 4.0), (2.9, 4.5), 6.0)
    aorta = 2.4 * np.sqrt(np.clip(1 - ((x - 1.7) / 1.35) ** 2, 0, None)) * step(y, top + 5, top + 7)
    parts: list[np.ndarray] = [knob, trunk, cava, arch, aorta]
    return np.maximum.reduce(parts)


def diaphragm(person: Person, x: np.ndarray, expiration: float = 0.0) -> np.ndarray:
    """y of the diaphragm's crest at each x."""
    dome = np.where(x < 0, person.dome[0], person.dome[1]) - expiration
    away = np.abs(x) - 0.46 * person.half_width
    return dome + np.where(away > 0, 0.085, 0.035) * away**2


def _abdomen(person: Person, x: np.ndarray, y: np.ndarray, expiration: float) -> np.ndarray:
    """Path below the diaphragm, which is a dome from front to back too: lung is seen behind its crest."""
    return 5.4 * np.sqrt(np.clip(y - diaphragm(person, x, expiration), 0, None))


def _body(person: Person, x: np.ndarray, y: np.ndarray, cage: np.ndarray) -> np.ndarray:
    wall = 1.3 + 0.16 * person.fat
    outer = np.maximum(cage, person.cage(np.asarray(person.apex + 9.0))) + wall
    thick = person.depth + 3.5 + person.fat
    t = np.clip((y - person.apex) / 11, 0, 1)
    torso = thick * (0.6 + 0.4 * t) * np.clip(1 - np.abs(x / outer) ** 2.6, 0, None) ** 0.5
    beyond = np.abs(x)
    torso *= np.sqrt(np.clip((y - person.apex + 3.2 - 0.16 * beyond) / 3, 0, 1))
    shoulder = ellipsoid(beyond, y, (person.half_width, person.apex + 6.4), (12.0, 6.8), 10 + 0.3 * person.fat, 0.5)
    neck = 11.5 * np.sqrt(np.clip(1 - (x / (6.2 + 0.1 * np.clip(y, 0, 6) ** 1.6)) ** 2, 0, None)) * step(y, 10, 3)
    middle = person.half_width + wall + 4.6 + 0.12 * (y - person.apex)
    arm = (
        8.5 * np.sqrt(np.clip(1 - ((beyond - middle) / 4.3) ** 2, 0, None)) * step(y, person.apex + 2, person.apex + 9)
    )
    body = (torso**3 + shoulder**3 + neck**3 + arm**3) ** (1 / 3)  # a union without creases
    low = person.apex + 17.0
    round_edge = ellipsoid(beyond, y, (0.56 * person.half_width, low), (0.5 * person.half_width, 5.4), 1.0)
    breast = person.breasts * round_edge**1.4 * step(y, low - 5.4, low + 3.0)  # seen by its lower edge
    pectoral = ellipsoid(
        beyond, y, (0.6 * person.half_width, person.apex + 9), (0.5 * person.half_width, 4.6), 1.1, 0.5
    )
    gas = ellipsoid(x, y, (4.6, person.dome[1] + 1.9), (1.3 * person.bubble, person.bubble), 2.4 * person.bubble)
    return (body + breast + pectoral - gas * (body > 5)).astype(np.float32)


def zone_edges(person: Person, side: int, expiration: float) -> tuple[float, float]:
    """y between upper and middle, and middle and lower zone, of the right (0) or left (1) lung."""
    height = person.dome[side] - expiration - person.apex
    return person.apex + 0.36 * height, person.apex + 0.67 * height


def zone_map(person: Person, chest: Chest, expiration: float) -> np.ndarray:
    """uint8 [H, W]: 0, or 1 to 6 in the order of `ZONES`, where lung is seen."""
    zones = np.zeros(chest.x.shape, np.uint8)
    for side in (0, 1):
        upper, lower = zone_edges(person, side, expiration)
        third = (chest.y > upper).astype(np.uint8) + (chest.y > lower)
        mine = chest.field & ((chest.x < 0) if side == 0 else (chest.x >= 0))
        zones[mine] = (2 * third + 1 + side)[mine]
    return zones


def spread(person: Person, chest: Chest, values: dict[str, float], expiration: float) -> np.ndarray:
    """Zone values as a map [H, W]: even within a zone, running into the next over a few centimetres."""
    sides = []
    for side, name in enumerate(("right", "left")):
        upper, lower = zone_edges(person, side, expiration)
        knots = [upper - 0.9, upper + 0.9, lower - 0.9, lower + 0.9]
        sides.append(np.interp(chest.y, knots, [values[f"{name}_{part}"] for part in ("sup", "mid", "mid", "inf")]))
    return np.where(chest.x < 0, *sides).astype(np.float32)
