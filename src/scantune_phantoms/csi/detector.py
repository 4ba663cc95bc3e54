"""From centimetres of water to the 12-bit picture that a vendor shows: scatter, blur, quanta, processing, markers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.fields import clouds, grain


@dataclass(frozen=True)
class Scanner:
    """How one machine takes and processes a film.

    Attributes:
        name: as in the table.
        site: where it stands.
        vendor: as in the header.
        model: as in the header.
        modality: DX or CR.
        shape: H, W of its pictures.
        pixel: edge of a pixel, cm.
        portable: films are taken in bed: front to back, half sitting.
        attenuation: per cm of water.
        scatter: share of the scattered to the direct beam.
        photons: per pixel without a body, for somebody of usual build.
        blur: SD of the point spread, pixels.
        middle: cm of water below the densest tenth (abdomen, mediastinum) that are shown as middle grey.
        latitude: cm of water from there to about three quarters of the scale.
        levelling: by which large-scale contrast is flattened, 0–1.
        edge: by which fine detail is lifted.
        monochrome1: share of its files in which low values are bright.
    """

    name: str
    site: str
    vendor: str
    model: str
    modality: str
    shape: tuple[int, int]
    pixel: float
    portable: bool
    attenuation: float
    scatter: float
    photons: float
    blur: float
    middle: float
    latitude: float
    levelling: float
    edge: float
    monochrome1: float


SCANNERS = {
    "alba-wall": Scanner(
        "alba-wall", "a", "Alba (phantom)", "Wall DR 4", "DX", (288, 280), 0.118, False,
        0.19, 0.5, 220_000, 0.45, 8.3, 3.5, 0.35, 0.5, 0.15,
    ),
    "brisa-mobile": Scanner(
        "brisa-mobile", "a", "Brisa (phantom)", "Mobile CR", "CR", (264, 312), 0.126, True,
        0.21, 1.0, 90_000, 0.75, 8.6, 4.4, 0.2, 0.15, 0.5,
    ),
    "corvo-wall": Scanner(
        "corvo-wall", "b", "Corvo (phantom)", "Vista 2", "DX", (304, 288), 0.114, False,
        0.18, 0.7, 140_000, 0.6, 8.9, 3.3, 0.45, 0.8, 0.8,
    ),
}  # fmt: skip


def expose(rng: np.random.Generator, water: np.ndarray, scanner: Scanner) -> np.ndarray:
    """Path length as the detector measures it, with scatter, blur and quantum noise: float32 [H, W], cm of water."""
    import cv2

    beam = np.exp(-scanner.attenuation * water)
    wide = min(water.shape) / 9
    haze = cv2.GaussianBlur(beam, (0, 0), wide, borderType=cv2.BORDER_REFLECT)
    beam = (beam + 0.35 * scanner.scatter * haze) / (1 + 0.35 * scanner.scatter)
    if scanner.blur:
        beam = cv2.GaussianBlur(beam, (0, 0), scanner.blur)
    exposure = 0.033 / float(np.percentile(beam, 30))  # automatic: the stout get more
    quanta = scanner.photons * exposure * rng.uniform(0.6, 1.5)
    noise = 0.6 * rng.standard_normal(water.shape, dtype=np.float32) + 0.8 * grain(rng, water.shape, 0.7)
    beam = beam + np.sqrt(beam / quanta) * noise * (1.2 + scanner.scatter)
    return -np.log(np.clip(beam, 3e-4, 1.2)) / scanner.attenuation


def develop(rng: np.random.Generator, seen: np.ndarray, scanner: Scanner) -> np.ndarray:
    """The vendor's processing: large-scale contrast flattened, detail lifted, an S-shaped curve; 0–1, bone bright."""
    import cv2

    fine = seen - cv2.GaussianBlur(seen, (0, 0), 2.2, borderType=cv2.BORDER_REFLECT)
    middle = float(np.percentile(seen, 90)) - scanner.middle + rng.normal(0, 0.45)
    body = np.clip(seen, middle - 6, None)  # air outside the body would drag its edge down
    coarse = cv2.GaussianBlur(body, (0, 0), min(seen.shape) / 14, borderType=cv2.BORDER_REFLECT)
    processed = seen - scanner.levelling * (coarse - middle) + scanner.edge * fine
    slope = scanner.latitude * rng.uniform(0.9, 1.1)
    curve = 1 / (1 + np.exp(-(processed - middle) / slope))
    black = 1 / (1 + np.exp((middle - 0.8) / slope - 6 * scanner.levelling / slope))
    return np.clip((curve - black) / (0.985 - black), 0, 1)


def collimate(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Now and then the jaws' unexposed border on one edge, as bright as lead."""
    if rng.random() < 0.25:
        edge = int(rng.integers(4, 11))
        side = int(rng.integers(4))
        picture = picture.copy()
        border = np.rot90(picture, side)  # a view
        border[:edge] = 0.97
    return picture


def marker_box(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Where the mobile unit's lead letters lie, the planted shortcut: rows and columns."""
    height, width = shape
    return slice(round(0.035 * height), round(0.105 * height)), slice(round(0.66 * width), round(0.86 * width))


def letter(picture: np.ndarray, text: str, place: tuple[float, float], size: float) -> np.ndarray:
    """Lead letters: ``text`` with its lower left corner at ``place`` (shares of height and width)."""
    import cv2

    height, width = picture.shape
    stamp = np.zeros((4 * height, 4 * width), np.uint8)
    corner = (round(4 * place[1] * width), round(4 * place[0] * height))
    cv2.putText(stamp, text, corner, cv2.FONT_HERSHEY_DUPLEX, 4 * size * height / 288, 255, 6, cv2.LINE_AA)
    ink = cv2.resize(stamp, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.maximum(picture, 0.985 * ink)


def stored(rng: np.random.Generator, picture: np.ndarray, *, inverted: bool) -> np.ndarray:
    """12-bit values, uint16 [H, W]; low is bright where ``inverted`` (MONOCHROME1)."""
    low, high = rng.uniform(60, 160), rng.uniform(3600, 3980)
    values = np.rint(low + (high - low) * np.clip(picture, 0, 1)).astype(np.uint16)
    return (4095 - values).astype(np.uint16) if inverted else values


def texture(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Uneven soft tissue: float32 [H, W] of about unit SD."""
    return clouds(rng, shape, 4, 5, 0.6)
