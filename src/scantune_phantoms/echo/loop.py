"""One loop: the heart moves, the machine looks, faults spoil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.cohort import generator
from scantune_phantoms.echo import cycle
from scantune_phantoms.echo.anatomy import Pose, posed
from scantune_phantoms.echo.scanner import (
    SCANNERS,
    Scanner,
    Sector,
    compress,
    make_sector,
    scan_convert,
    spread,
)
from scantune_phantoms.echo.spoil import Spoiled, lay_out
from scantune_phantoms.echo.subjects import Loop, Subject
from scantune_phantoms.echo.tissue import BLOOD, Placement, echoes, make_grain, to_heart
from scantune_phantoms.fields import grain as blurred_noise


@dataclass(frozen=True)
class Cine:
    """A loop.

    Attributes:
        pictures: the sector, 0–1 float32 [T, H, W], black outside.
        sector: its geometry.
        phase: of the cycle at each frame; whole numbers are R waves.
        region: 0–1 [H, W], where the sector is spoiled.
        volumes: of the left ventricle at the end of diastole and of systole, ml.
    """

    pictures: np.ndarray
    sector: Sector
    phase: np.ndarray
    region: np.ndarray
    volumes: tuple[float, float]


def make_loop(
    seed: int,
    site: str,
    subject: Subject,
    number: int,
    *,
    size: tuple[int, int] | None = None,
    margins: tuple[float, float] = (0.07, 0.1),
) -> Cine:
    """Make a loop of a person.

    Args:
        seed: of the cohort.
        site: of the cohort.
        subject: from `subjects.draw_subject`.
        number: of the loop among theirs, from 0.
        size: of the picture; None for the machine's screen.
        margins: share of the height above the probe and below the sector.
    """
    loop, scanner = subject.loops[number], SCANNERS[subject.scanner]
    rng = generator(seed, "echo", site, subject.number, "loop", number)
    placement, depth = place(rng, subject, loop)
    sector = make_sector(scanner, depth, size=size, margins=margins)
    spoiled = lay_out(rng, loop.faults, sector)
    phase = rng.random() + np.arange(loop.frames) * loop.frame_time * loop.rate / 60000
    beats, opened = cycle.contraction(phase), cycle.opening(phase)
    poses = [posed(subject.heart, float(c), float(o)) for c, o in zip(beats, opened)]
    of_tissue = generator(seed, "echo", site, subject.number, "grain")
    pictures = _look(rng, subject, loop, scanner, sector, placement, spoiled, poses, of_tissue)
    ends = tuple(subject.heart.volume(posed(subject.heart, c, 0.0)) for c in (0.0, 1.0))
    region = scan_convert(sector, np.ascontiguousarray(np.broadcast_to(spoiled.region, sector.x.shape), np.float32))
    return Cine(pictures, sector, phase, region, (ends[0], ends[1]))


def place(rng: np.random.Generator, subject: Subject, loop: Loop) -> tuple[Placement, float]:
    """Where the heart lies in the sector, and the depth shown, cm."""
    heart, faults = subject.heart, loop.faults
    squeeze = 1 - 0.3 * faults.foreshortening
    down = rng.uniform(2.3, 3.1) + 0.5 * faults.foreshortening
    floor = down + heart.length * squeeze + heart.atria
    aside, side = rng.random() < 0.5, rng.choice([-1.0, 1.0])
    across = 1.0 + rng.normal(0, 0.25) + (side * 2.6 * faults.framing if aside else 0.0)
    depth = floor + rng.uniform(0.9, 2.0) + (0.0 if aside else 7.0 * faults.framing)
    return Placement(across, down, float(rng.normal(0.07, 0.06)), squeeze), float(np.clip(np.round(depth), 12, 25))


def _look(
    rng: np.random.Generator,
    subject: Subject,
    loop: Loop,
    scanner: Scanner,
    sector: Sector,
    placement: Placement,
    spoiled: Spoiled,
    poses: list[Pose],
    of_tissue: np.random.Generator,
) -> np.ndarray:
    """The pictures of a loop, [T, H, W] 0–1."""
    import cv2

    shape = sector.x.shape
    grain = make_grain(of_tissue)
    still = _static(rng, scanner, sector, spoiled)
    loss = _amplitude(-spoiled.loss - _patchy(rng, shape))
    back = sector.radius / 16
    noise = _amplitude(scanner.noise + 22 * np.clip(back - 0.35, 0, None) ** 1.3 - 9 + spoiled.noise + 0 * sector.x)
    gain = spoiled.gain + float(rng.normal(0, 1.5))
    sway = rng.uniform(0.05, 0.15, 2), rng.uniform(0, 6, 2)
    pictures = np.empty((len(poses), *sector.inside.shape), np.float32)
    before = None
    for number, pose in enumerate(poses):
        turn = number * 0.11
        moved = Placement(
            placement.across + float(sway[0][0] * np.sin(turn + sway[1][0])) + 0.15 * pose.contraction,
            placement.down + float(sway[0][1] * np.sin(turn + sway[1][1])),
            placement.tilt + 0.03 * pose.contraction,
            placement.squeeze,
        )
        u, v = to_heart(sector, moved, subject.heart)
        solid, blood = echoes(subject.heart, pose, grain, sector, u, v)
        fresh = rng.standard_normal((*shape, 2), dtype=np.float32)
        flowing = fresh * (blood * np.float32(10 ** ((BLOOD + 4) / 20)))[..., None]
        waves = spread(scanner, sector, (solid + flowing) * loss, loop.faults.aberration)
        waves += still + cv2.GaussianBlur(np.roll(fresh, 17, axis=1), (0, 0), 0.6) * (2.1 * noise)
        bright = compress(scanner, waves, gain).astype(np.float32)
        before = bright if before is None else bright + np.float32(scanner.persistence) * (before - bright)
        picture = scan_convert(sector, before)
        if scanner.edge:
            picture += scanner.edge * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2))
        pictures[number] = np.clip(picture, 0, 1) * sector.inside
    return pictures


def _static(rng: np.random.Generator, scanner: Scanner, sector: Sector, spoiled: Spoiled) -> np.ndarray:
    """Echoes that do not move with the heart: the chest wall, reverberations, haze; float32 [R, A, 2]."""
    shape = sector.x.shape
    layers = 1 + 0.5 * np.cos(2 * np.pi * sector.radius / rng.uniform(0.45, 0.7))
    wall = 1.6 * layers * np.exp(-((sector.radius / rng.uniform(0.9, 1.4)) ** 2))
    noise = rng.standard_normal((*shape, 2), dtype=np.float32)
    amplitude = (wall + spoiled.static * (0.75 + 0.25 * blurred_noise(rng, shape, 5.0)).clip(0, 2)).astype(np.float32)
    # What lies below a shadow is hidden there, be it still or not; the wall lies above it.
    hidden = _amplitude(-0.6 * spoiled.loss * (sector.radius > 1.0))
    return spread(scanner, sector, noise * amplitude[..., None] * hidden)


def _patchy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """dB by which beams differ: contact and ribs are never even."""
    along = blurred_noise(rng, (1, shape[1]), 5.0)
    return (1.4 * along + 0.8 * blurred_noise(rng, shape, 12.0)).astype(np.float32)


def _amplitude(decibel: np.ndarray) -> np.ndarray:
    return (10 ** (np.asarray(decibel) / 20)).astype(np.float32)[..., None]
