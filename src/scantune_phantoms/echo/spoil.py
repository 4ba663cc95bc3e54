"""What spoils a loop, how much each fault costs, and where in the sector it lies."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from scantune_phantoms.echo.scanner import Sector


@dataclass(frozen=True)
class Faults:
    """Severity of each fault, 0 (none) to 1.

    Attributes:
        dropout: walls missing behind a part of the probe without contact.
        shadow: a rib's, from the surface down.
        reverberation: arcs of the chest wall repeated over the apex.
        haze: clutter that lies still over the chambers.
        penetration: lost behind depth, noise instead.
        aberration: a wide beam.
        gain: too high or too low.
        foreshortening: the plane misses the apex; the ventricle looks short and round.
        framing: too deep, or the heart at the sector's edge.
    """

    dropout: float = 0.0
    shadow: float = 0.0
    reverberation: float = 0.0
    haze: float = 0.0
    penetration: float = 0.0
    aberration: float = 0.0
    gain: float = 0.0
    foreshortening: float = 0.0
    framing: float = 0.0


#: What a fault of severity 1 costs, in units of `quality`'s scale.
COSTS = {
    "dropout": 0.42, "shadow": 0.50, "reverberation": 0.34, "haze": 0.54, "penetration": 0.52,
    "aberration": 0.42, "gain": 0.42, "foreshortening": 0.26, "framing": 0.30,
}  # fmt: skip
#: How often a fault befalls a loop of the worst and of the best window.
_CHANCE = {
    "dropout": (0.70, 0.22), "shadow": (0.55, 0.10), "reverberation": (0.5, 0.15), "haze": (0.75, 0.15),
    "penetration": (0.75, 0.08), "aberration": (0.65, 0.08), "gain": (0.45, 0.25), "foreshortening": (0.4, 0.2),
    "framing": (0.4, 0.15),
}  # fmt: skip


def draw_faults(rng: np.random.Generator, window: float) -> Faults:
    """Faults of one loop; a person with a poor acoustic window (0, best 1) has more and worse ones."""
    severities = {}
    for name, (worst, best) in _CHANCE.items():
        present = rng.random() < best + (worst - best) * (1 - window)
        severity = rng.beta(1.6 + 1.6 * (1 - window), 1.6 + 1.8 * window)
        severities[name] = float(np.clip(severity, 0.08, 1)) if present else 0.0
    return Faults(**severities)


def quality(faults: Faults) -> float:
    """0 (nothing can be measured) to 1 (nothing spoiled): each fault costs a share, so that the first costs most."""
    left = 1.0
    for item in fields(faults):
        left *= 1 - COSTS[item.name] * getattr(faults, item.name)
    return float(np.clip(1.15 * left - 0.09, 0, 1))


def read(rng: np.random.Generator, score: float, strictness: float) -> float:
    """The score that one reader gives, in steps of 0.05.

    Args:
        rng: of the reading.
        score: from `quality`.
        strictness: of the reader, taken off.
    """
    noisy = score - strictness + rng.normal(0, 0.075)
    return float(np.clip(np.round(noisy * 20) / 20, 0, 1))


@dataclass(frozen=True)
class Spoiled:
    """The faults laid out in the sector, [R, A] or [R, 1], for one loop.

    Attributes:
        loss: dB taken from the echoes.
        static: amplitude of echoes that lie still, about muscle's.
        noise: dB added to the electronic noise.
        gain: dB.
        region: 0–1, where dropout, shadow, reverberation or haze is seen.
    """

    loss: np.ndarray
    static: np.ndarray
    noise: np.ndarray
    gain: float
    region: np.ndarray


def lay_out(rng: np.random.Generator, faults: Faults, sector: Sector) -> Spoiled:
    """Where each fault of a loop falls."""
    depth, turn = sector.radius, sector.angle / sector.angle[0, -1]  # cm; -1 … 1
    gone = _dropout(rng, faults.dropout, depth, turn) + _shadow(rng, faults.shadow, depth, turn)
    arcs = _reverberation(rng, faults.reverberation, depth, turn)
    veil = _haze(rng, faults.haze, depth, turn)
    reach = 26 - 20 * faults.penetration**0.8  # cm at which echoes are lost
    weak = np.clip(depth - 3, 0, None) * 22 / reach * (faults.penetration > 0)
    edges = 15 * np.clip(np.abs(turn) - 0.6, 0, None) ** 1.5  # the array sends less to its sides
    side = rng.choice([-1.0, 1.0])
    gain = side * faults.gain * (19 if side > 0 else 13) + 7 * faults.penetration  # who sees little turns it up
    region = np.maximum(np.clip((gone - 4) / 10, 0, 1), np.clip(1.8 * np.maximum(arcs, veil), 0, 1))
    loss = gone + weak + edges + 0 * depth
    return Spoiled(loss, arcs + veil, 6 * faults.penetration + 0 * depth, gain, region.astype(np.float32))


def _dropout(rng: np.random.Generator, severity: float, depth: np.ndarray, turn: np.ndarray) -> np.ndarray:
    where, width = rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(0.35, 0.8), rng.uniform(0.14, 0.24) + 0.2 * severity
    beams = np.exp(-(((turn - where) / width) ** 4))
    return 34 * severity**0.7 * beams * np.clip((depth - 2.5) / 2.5, 0, 1) * (severity > 0)


def _shadow(rng: np.random.Generator, severity: float, depth: np.ndarray, turn: np.ndarray) -> np.ndarray:
    from_edge = rng.random() < 0.5
    where = rng.choice([-1, 1]) if from_edge else rng.uniform(-0.6, 0.6)
    width = (0.25 + 0.6 * severity) if from_edge else (0.08 + 0.24 * severity)
    edge = (np.abs(turn - where) - width) / 0.05
    below = np.clip((depth - rng.uniform(0.7, 1.4)) / 0.5, 0, 1)
    return (30 + 20 * severity) / (1 + np.exp(np.clip(edge, -30, 30))) * below * (severity > 0)


def _reverberation(rng: np.random.Generator, severity: float, depth: np.ndarray, turn: np.ndarray) -> np.ndarray:
    spacing, breadth = rng.uniform(0.8, 1.3), rng.uniform(0.5, 1.0)
    echoes = np.cos(np.pi * depth / spacing) ** 6 + 0.3
    reach = 2.2 + 5.5 * severity
    across = np.exp(-(((turn - rng.uniform(-0.25, 0.25)) / breadth) ** 2))
    return 1.9 * severity**0.6 * echoes * np.exp(-((depth / reach) ** 2)) * across * (severity > 0)


def _haze(rng: np.random.Generator, severity: float, depth: np.ndarray, turn: np.ndarray) -> np.ndarray:
    where, middle = rng.uniform(-0.5, 0.5), rng.uniform(4, 9)
    cloud = np.exp(-(((turn - where) / rng.uniform(0.5, 1.0)) ** 2) - ((depth - middle) / rng.uniform(3, 5)) ** 2)
    return 0.75 * severity**0.8 * cloud * (severity > 0)
