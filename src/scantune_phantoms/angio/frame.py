"""One frame from its person, machine and view; what a reader draws as vessel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.angio import detector
from scantune_phantoms.angio.anatomy import chest
from scantune_phantoms.angio.devices import catheter, catheter_course, metal, reflux
from scantune_phantoms.angio.heart import Heart, beating, draw_heart
from scantune_phantoms.angio.projection import Aim, outline, thickness
from scantune_phantoms.angio.subjects import Shot, Subject
from scantune_phantoms.angio.tree import Tree, grow_left, grow_right, narrow
from scantune_phantoms.cohort import generator


@dataclass(frozen=True)
class Pieces:
    """All branches of a tree, cut into short tubes.

    Attributes:
        points: [N, 3] body coordinates, cm.
        radius: [N], cm.
        length: [N], cm.
        reach: [N], cm of vessel from the ostium.
        segment: [N], SYNTAX segment or "".
    """

    points: np.ndarray
    radius: np.ndarray
    length: np.ndarray
    reach: np.ndarray
    segment: np.ndarray


@dataclass(frozen=True)
class Frame:
    """A frame and what is known of it.

    Attributes:
        pixels: uint8 [H, W], iodine dark.
        mask: bool [H, W], vessel as a reader draws it, the catheter not.
        segments: SYNTAX segment to its own mask, bool [H, W]; they may overlap.
        stenosis: greatest narrowing of the artery shown, share of the diameter.
        tree: what is filled.
    """

    pixels: np.ndarray
    mask: np.ndarray
    segments: dict[str, np.ndarray]
    stenosis: float
    tree: Tree


def anatomy_of(seed: int, site: str, subject: Subject, artery: str) -> tuple[Heart, Tree]:
    """A person's heart in diastole and one of their arteries, the same in every frame."""
    words = ("angio", site, subject.number)
    heart = draw_heart(generator(seed, *words, "heart"), female=subject.sex == "F")
    rng = generator(seed, *words, artery)
    grow = {"LCA": grow_left, "RCA": grow_right}[artery]
    size = (0.93 if subject.sex == "F" else 1.0) * rng.normal(1.0, 0.07)
    courses = grow(rng, size=size, tortuosity=subject.tortuosity, left_dominant=subject.left_dominant)
    return heart, narrow(rng, artery, courses, subject.severities[artery])


def cut(tree: Tree, heart: Heart) -> Pieces:
    """The tree as it lies on the heart at one moment of the beat."""
    placed: list[np.ndarray] = []
    for course in tree.courses:
        line = heart.surface(course.latitude, course.longitude, course.depth) + course.sway
        if course.parent >= 0:  # where it leaves, it lies in its parent's lumen
            gap = placed[course.parent][course.leaves_at] - line[0]
            line = line + gap * np.exp(-np.linspace(0, 1, len(line)) * 6)[:, None]
        placed.append(line)
    lengths = [np.linalg.norm(np.gradient(line, axis=0), axis=1) for line in placed]
    columns = (
        placed,
        [course.radius for course in tree.courses],
        lengths,
        [course.reach for course in tree.courses],
        [np.array(course.segment, dtype=object) for course in tree.courses],
    )
    points, radius, length, reach, segment = (np.concatenate(column) for column in columns)
    filled = radius > 0
    return Pieces(points[filled], radius[filled], length[filled], reach[filled], segment[filled])


def make_frame(seed: int, site: str, subject: Subject, number: int, *, size: int, confounder: bool) -> Frame:
    """Take one frame of a subject.

    Args:
        seed: of the cohort.
        site: "a" or "b".
        subject: whose.
        number: of the frame, from 0.
        size: pixels along each edge.
        confounder: the last scanner's room leaves its lead letters in the frame.
    """
    words = ("angio", site, subject.number)
    shot, scanner = subject.shots[number], detector.SCANNERS[subject.scanner]
    rng = generator(seed, *words, "frame", number)
    at_rest, tree = anatomy_of(seed, site, subject, shot.artery)
    heart = beating(at_rest, float(rng.beta(1, 2.2)))
    pieces = cut(tree, heart)
    aim = _aim(rng, shot, scanner, pieces, size)
    water = chest(rng, generator(seed, *words, "chest"), aim, heart, float(rng.uniform(0, 1)))
    water += metal(generator(seed, *words, "devices"), aim, heart, subject.devices)
    ostium = pieces.points[0]
    density = rng.uniform(0.62, 1.0)
    wall, lumen = catheter(aim, catheter_course(rng, ostium, radial=subject.radial), density * rng.uniform(0.5, 1.0))
    concentration = density * _filling(rng, pieces)
    centres, zoom = aim.to_pixels(pieces.points)
    wide = pieces.radius * zoom / aim.pixel
    iodine = thickness(centres, wide, concentration * np.pi * wide**2 * pieces.length, size) + lumen
    if rng.random() < 0.5:
        iodine += reflux(rng, aim, ostium, density * rng.uniform(0.15, 0.5))
    blush = 0.012 * density * detector.mottle(rng, size) * (heart.chord(aim.rays(), aim.axes[2]) > 0)
    attenuation = detector.WATER * (water + wall) + scanner.iodine * (iodine + blush)
    picture = detector.develop(rng, detector.expose(rng, attenuation, scanner), scanner)
    picture = detector.field_of_view(rng, picture, scanner)
    if confounder and subject.scanner == "brisa-tube":
        picture = detector.letters(picture, "LAB 2")
    seen = _lit(size, scanner)
    segments = _read(rng, centres, wide, pieces, concentration / density, size, seen)
    mask = np.any(list(segments.values()), axis=0) if segments else np.zeros((size, size), bool)
    named = {name: drawn for name, drawn in segments.items() if name}
    return Frame(detector.stored(rng, picture), mask, named, tree.worst, tree)


def _aim(rng: np.random.Generator, shot: Shot, scanner: detector.Scanner, pieces: Pieces, size: int) -> Aim:
    """Point the C-arm so that the tree is about in the middle."""
    middle = 0.5 * (pieces.points.min(axis=0) + pieces.points.max(axis=0))
    target = middle + rng.normal(0, 0.5, 3)
    return Aim(shot.primary, shot.secondary, size, scanner.pixel * 256 / size, target)


def _filling(rng: np.random.Generator, pieces: Pieces) -> np.ndarray:
    """Concentration of contrast in each piece, 1 when full: the front may not have reached the ends, streams mix."""
    front = rng.uniform(7.5, 14) if rng.random() < 0.28 else 60.0
    reached = 1 / (1 + np.exp((pieces.reach - front) / 0.7))
    washed = 1 - rng.uniform(0, 0.35) * np.exp(-pieces.reach / 4.0) * (rng.random() < 0.3)
    knots = np.linspace(0, 40, 27)
    stream = np.interp(pieces.reach, knots, rng.normal(0, 0.07, len(knots)))
    return np.clip(reached * washed * np.exp(-pieces.reach / 45) * (1 + stream), 0, None)


def _lit(size: int, scanner: detector.Scanner) -> np.ndarray:
    """Where the picture shows anything: bool [H, W]."""
    line = (np.arange(size) - (size - 1) / 2) / (size / 2)
    if scanner.round_field:
        return np.hypot(*np.meshgrid(line, line)) < 1.06
    return np.ones((size, size), bool)


def _read(
    rng: np.random.Generator,
    centres: np.ndarray,
    radius: np.ndarray,
    pieces: Pieces,
    filling: np.ndarray,
    size: int,
    lit: np.ndarray,
) -> dict[str, np.ndarray]:
    """A reader's masks, "" for what has no segment: a little too wide or narrow, without the thinnest and faintest."""
    thinnest, faintest = rng.uniform(0.036, 0.046), rng.uniform(0.3, 0.45)
    noticed = (pieces.radius > thinnest) & (filling > faintest)
    hand = np.clip(rng.normal(1.02, 0.05), 0.9, 1.14)
    drift = np.stack(
        [np.interp(pieces.reach, np.linspace(0, 40, 41), rng.normal(0, 0.22, 41)) for _ in range(2)], axis=1
    )
    wide = np.maximum(hand * radius, 0.6) + 0.1
    masks = {}
    for name in sorted(set(pieces.segment[noticed])):
        chosen = noticed & (pieces.segment == name)
        drawn = (outline((centres + drift)[chosen], wide[chosen], size) > 0) & lit
        if drawn.any():
            masks[name] = drawn
    return masks
