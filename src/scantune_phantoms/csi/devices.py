"""What lies on or in the chest: pacemakers, pads, electrodes, catheters; and how much of each zone it hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scantune_phantoms.csi.chest import Chest, Person
from scantune_phantoms.csi.frame import Frame, draw
from scantune_phantoms.fields import step

#: Words for what can be drawn: "pad" (a defibrillator's) hides a zone, the others seldom do.
DEVICES = ("pacemaker", "pad", "electrodes", "line", "sternotomy")


def devices(
    rng: np.random.Generator, person: Person, frame: Frame, chest: Chest, present: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw what is present.

    Returns:
        float32 [H, W], cm of water that stop as many x-rays, and a bool mask of what is hidden behind.
    """
    total = np.zeros(frame.shape, np.float32)
    hidden = np.zeros(frame.shape, bool)
    for name in DEVICES:
        if name in present:
            dense, covered = _DRAWN[name](rng, person, frame, chest)
            total += dense
            hidden |= covered
    return total, hidden


def _smooth(knots: Sequence[tuple[float, float]], count: int = 60) -> np.ndarray:
    """A smooth line [N, 2] through knots."""
    from scipy.interpolate import make_interp_spline

    at = np.asarray(knots, float)
    spline = make_interp_spline(np.arange(len(at)), at, k=min(3, len(at) - 1))
    return np.asarray(spline(np.linspace(0, len(at) - 1, count)))


def _rounded(
    chest: Chest, centre: tuple[float, float], half: tuple[float, float], angle: float, power: float
) -> np.ndarray:
    """0 in the middle of a rounded rectangle, 1 at its edge: [H, W]."""
    right, down = chest.x - centre[0], chest.y - centre[1]
    first = np.abs(right * np.cos(angle) + down * np.sin(angle)) / half[0]
    second = np.abs(down * np.cos(angle) - right * np.sin(angle)) / half[1]
    return (first**power + second**power) ** (1 / power)


def _pacemaker(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    side = 1 if rng.random() < 0.85 else -1
    x, y = side * (person.half_width - 4.6 + rng.normal(0, 0.5)), person.apex + 4.6 + rng.normal(0, 0.5)
    can = _rounded(chest, (x, y), (2.3, 2.6), rng.normal(0, 0.3), 3.2)
    dense = 26 * step(can, 1.03, 0.97) * (0.75 + 0.25 * step(can, 0.75, 0.9)) - 9 * step(
        _rounded(chest, (x, y + 0.8), (1.5, 1.0), 0, 4), 1.05, 0.95
    )
    vein = [(x, y - 2.2), (side * 4.5, person.apex + 2.2), (-0.9, person.apex + 5.0), (-1.9, person.apex + 11.0)]
    base = person.dome[1]
    atrial = [*vein, (-2.6, base - 5.5), (-1.6, base - 6.8)]
    ventricular = [*vein, (-1.5, base - 3.2), (1.4, base - 1.3), (5.6 + rng.normal(0, 0.4), base - 1.4)]
    leads = [_smooth(atrial), _smooth(ventricular)]
    tips = [line[-6:] for line in leads]
    return np.clip(dense, 0, None) + 9 * draw(frame, leads, 0.09) + 14 * draw(frame, tips, 0.13), can < 1.05


def _pad(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    """A defibrillation pad: foil under gel, below the right clavicle or over the apex of the heart."""
    if rng.random() < 0.55:
        centre, angle = (-0.52 * person.half_width, person.apex + 6.0), rng.normal(0.1, 0.2)
    else:
        centre, angle = (0.72 * person.half_width, person.dome[1] - 3.5), rng.normal(-0.35, 0.2)
    half = (4.4 + rng.normal(0, 0.2), 5.6 + rng.normal(0, 0.2))
    edge = _rounded(chest, centre, half, angle, 5)
    foil = 6.5 * step(edge, 0.9, 0.87) + 1.2 * step(edge, 1.0, 0.98)
    weave = 0.5 * np.sin(chest.x * 4.5 + chest.y) * np.sin(chest.y * 4.5 - chest.x) * (edge < 0.88)
    away = np.sign(centre[0]) * (person.half_width + 8)
    wire = _smooth([centre, (centre[0] * 1.3, centre[1] + 6), (away, centre[1] + 9 + rng.normal())])
    return foil + weave + 8 * draw(frame, [wire], 0.14), edge < 0.9


def _electrodes(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    dense = np.zeros(frame.shape, np.float32)
    places = [(-0.7, 5.5), (0.7, 5.2), (0.75, 20.5), (-0.8, 21.5)]
    wires = []
    meet = (rng.normal(0, 3), person.angle + 9)
    for x, y in places[: int(rng.integers(3, 5))]:
        at = (x * person.half_width + rng.normal(0, 0.7), person.apex + y + rng.normal(0, 0.8))
        away = np.hypot(chest.x - at[0], chest.y - at[1])
        dense += 1.0 * step(away, 1.65, 1.55) + 11 * step(away, 0.5, 0.4)
        between = (at[0] * 0.75 + rng.normal(0, 1.5), (at[1] + meet[1]) / 2 + rng.normal(0, 1.5))
        wires.append(_smooth([at, (at[0] + rng.normal(0, 0.8), at[1] + 2.2), between, meet]))
    return dense + 7 * draw(frame, wires, 0.08), np.zeros(frame.shape, bool)


def _line(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    """A central venous catheter from the right side of the neck."""
    top = person.apex
    path = [
        (-5.2 + rng.normal(0, 0.4), -4.0),
        (-3.0, top - 1.2),
        (-1.8, top + 3.0),
        (-2.1, top + 9.5 + rng.normal(0, 1)),
    ]
    return 5 * draw(frame, [_smooth(path)], 0.11), np.zeros(frame.shape, bool)


def _sternotomy(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    """Wires that hold a sternum after open heart surgery, and clips along a bypass."""
    circle = np.linspace(0, 2 * np.pi, 24)
    wires, clips = [], []
    for place in range(6):
        x, y = rng.normal(0.2, 0.12), person.apex + 4.5 + 2.9 * place + rng.normal(0, 0.15)
        wires.append(np.stack([x + 0.85 * np.cos(circle), y + 0.33 * np.sin(circle + 0.3)], axis=1))
        twist = np.array([[x, y - 0.3], [x + rng.normal(0, 0.25), y + rng.normal(0.35, 0.1)]])
        wires.append(twist)
    for _ in range(6):
        x, y = rng.uniform(2.0, 5.2), rng.uniform(person.apex + 9, person.dome[1] - 4)
        clips.append(np.array([[x, y], [x + rng.normal(0, 0.3), y + rng.normal(0, 0.3)]]))
    return 8 * draw(frame, wires, 0.08) + 9 * draw(frame, clips, 0.07), np.zeros(frame.shape, bool)


_DRAWN = {
    "pacemaker": _pacemaker,
    "pad": _pad,
    "electrodes": _electrodes,
    "line": _line,
    "sternotomy": _sternotomy,
}
