"""One film from its person, scanner and findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.cohort import generator
from scantune_phantoms.csi import detector
from scantune_phantoms.csi.bones import bones
from scantune_phantoms.csi.chest import AIR, ZONES, Chest, Person, build, draw_person, zone_map
from scantune_phantoms.csi.congestion import findings, wet
from scantune_phantoms.csi.devices import devices
from scantune_phantoms.csi.frame import Frame
from scantune_phantoms.csi.subjects import Subject
from scantune_phantoms.csi.vessels import airways, vessels


@dataclass(frozen=True)
class Film:
    """A film and what is known of it.

    Attributes:
        pixels: float32 [H, W], 0–1, bone bright.
        zones: uint8 [H, W], 0 or 1 to 6.
        hidden: zone to the share of it that cannot be judged.
        view: "PA" or "AP".
        cropped: the film misses a part of the lungs.
        heart_ratio: width of the heart by that of the chest.
    """

    pixels: np.ndarray
    zones: np.ndarray
    hidden: Mapping[str, float]
    view: str
    cropped: bool
    heart_ratio: float


def make_film(seed: int, site: str, subject: Subject, number: int, *, confounder: bool) -> Film:
    """Take one film of a subject.

    Args:
        seed: of the cohort.
        site: "a" or "b".
        subject: whose.
        number: of the film, from 0.
        confounder: the mobile unit's films bear its lead letters.
    """
    words = ("csi", site, subject.number)
    person = draw_person(generator(seed, *words, "build"), female=subject.sex == "F", age=subject.age)
    rng = generator(seed, *words, "film", number)
    scanner = detector.SCANNERS[subject.scanner]
    severity, fluid = subject.severity[number], subject.fluid[number]
    mean = float(np.mean(list(severity.values())))
    expiration = abs(rng.normal(2.2, 1.0)) if scanner.portable else abs(rng.normal(0, 0.6))
    heart = (1.12 if scanner.portable else 1.0) * (1 + 0.05 * min(mean, 2.5)) * rng.normal(1, 0.02)
    frame, cropped = _aim(rng, scanner, person)
    chest = build(person, frame, expiration=expiration, heart=heart)
    signs = findings(rng, person, frame, chest, severity, fluid, expiration)
    vessel = vessels(generator(seed, *words, "vessels"), person, frame, chest, signs.engorged)
    skeleton = bones(generator(seed, *words, "bones"), person, frame, chest)
    hardware, covered = devices(generator(seed, *words, "devices"), person, frame, chest, subject.devices)
    air = AIR * chest.lung
    tissue = chest.body - air * _marbling(rng, frame) + wet(chest, signs, vessel)
    tissue -= np.minimum(0.9 * airways(person, frame), 0.5 * tissue)
    water = np.clip(tissue + skeleton * (chest.body > 0.5), 0, None) + hardware
    picture = detector.develop(rng, detector.expose(rng, water, scanner), scanner)
    picture = detector.collimate(rng, np.where(hardware > 12, np.maximum(picture, 0.97), picture))
    picture = _marked(rng, picture, scanner, confounder=confounder)
    zones = zone_map(person, chest, expiration)
    whole = Frame((150, 150), 0.3, (0.0, person.apex + 14))
    everything = zone_map(person, build(person, whole, expiration=expiration, heart=heart), expiration)
    hidden = _hidden(zones, frame, everything, whole, covered | (signs.effusion > 0.5))
    return Film(
        picture.astype(np.float32), zones, hidden, "AP" if scanner.portable else "PA", cropped, _ratio(person, chest)
    )


def _aim(rng: np.random.Generator, scanner: detector.Scanner, person: Person) -> tuple[Frame, bool]:
    """Where the film is: centred as a rule, now and then so far off that a part of the lungs is missed."""
    sway = 1.0 if scanner.portable else 0.5
    x, y = rng.normal(0, sway), (person.apex + person.angle) / 2 + rng.normal(-0.4, 0.8 * sway)
    zoom = rng.uniform(0.94, 1.03)
    cropped = bool(rng.random() < (0.18 if scanner.portable else 0.13))
    pixel = scanner.pixel * zoom
    if cropped:
        height, width = (pixel * count for count in scanner.shape)
        lost, side = rng.uniform(4.5, 7.0), int(rng.integers(4))  # cm of lung off the film, and at which edge
        if side < 2:
            y = (person.apex + lost + height / 2, person.dome[0] + 1 - lost - height / 2)[side]
        else:
            lost += 1.5  # the lungs are thin at their sides
            x = (lost - person.half_width + width / 2, person.half_width - lost - width / 2)[side - 2]
    return Frame(scanner.shape, pixel, (x, y), rng.normal(0, 0.022 * (1 + scanner.portable))), cropped


def _marbling(rng: np.random.Generator, frame: Frame) -> np.ndarray:
    """Aeration is never even: about 1, [H, W]."""
    return np.clip(1 - 0.025 * detector.texture(rng, frame.shape), 0.85, 1.1)


def _marked(
    rng: np.random.Generator, picture: np.ndarray, scanner: detector.Scanner, *, confounder: bool
) -> np.ndarray:
    """The side's letter (the patient's left is at the picture's right), and the mobile unit's own."""
    if rng.random() < 0.75:
        text, column = ("L", rng.uniform(0.89, 0.93)) if rng.random() < 0.6 else ("R", rng.uniform(0.03, 0.07))
        picture = detector.letter(picture, text, (rng.uniform(0.1, 0.22), column), 0.55)
    if confounder and scanner.portable:
        picture = detector.letter(picture, "MOBILE", (0.095, 0.67), 0.45)
    return picture


def _hidden(
    zones: np.ndarray, frame: Frame, everything: np.ndarray, whole: Frame, covered: np.ndarray
) -> dict[str, float]:
    """Zone to the share of its area that is off the film, or behind a device or fluid."""
    shares = {}
    for label, zone in enumerate(ZONES, start=1):
        area = float((everything == label).sum()) * whole.pixel**2
        seen = float(((zones == label) & ~covered).sum()) * frame.pixel**2
        shares[zone] = float(np.clip(1 - seen / max(area, 1e-6), 0, 1))
    return shares


def _ratio(person: Person, chest: Chest) -> float:
    columns = np.flatnonzero((chest.heart > 0.3).any(axis=0))
    if not len(columns):
        return 0.5
    width = float(np.ptp(chest.x[:, columns][chest.heart[:, columns] > 0.3]))
    return width / (2 * float(person.cage(np.asarray(max(person.dome)))))
