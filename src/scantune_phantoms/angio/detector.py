"""From attenuation to the 8-bit frame that a vendor shows: scatter, blur, quanta, field, processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.fields import clouds, grain, step

WATER = 0.2  # attenuation of water, per cm


@dataclass(frozen=True)
class Scanner:
    """How one machine takes and shows a frame.

    Attributes:
        name: as in the table.
        site: where it stands.
        vendor: as in the header.
        model: as in the header.
        pixel: edge of a pixel at the heart, cm.
        round_field: an image intensifier's round picture, darker to its rim; else a flat panel's square one.
        iodine: attenuation of the filled vessel, per cm.
        scatter: share of the scattered to the direct beam.
        photons: per pixel behind nothing but the median patient.
        correlation: SD of the noise's own blur, pixels.
        blur: SD of the point spread, pixels.
        latitude: attenuation from middle grey to about three quarters of the scale.
        levelling: by which large-scale contrast is flattened, 0–1.
        edge: by which fine detail is lifted.
        grey: level that the middle is shown at, 0–1.
    """

    name: str
    site: str
    vendor: str
    model: str
    pixel: float
    round_field: bool
    iodine: float
    scatter: float
    photons: float
    correlation: float
    blur: float
    latitude: float
    levelling: float
    edge: float
    grey: float


SCANNERS = {
    "alba-flat": Scanner(
        "alba-flat", "a", "Alba (phantom)", "Coro 20", 0.056, False,
        3.8, 0.6, 2600, 0.55, 0.55, 0.60, 0.72, 0.9, 0.58,
    ),
    "brisa-tube": Scanner(
        "brisa-tube", "a", "Brisa (phantom)", "Intensifier 9", 0.060, True,
        3.8, 0.85, 1500, 0.75, 0.8, 0.58, 0.60, 0.35, 0.52,
    ),
    "corvo-flat": Scanner(
        "corvo-flat", "b", "Corvo (phantom)", "Cine 12", 0.051, False,
        3.0, 0.9, 620, 0.35, 0.5, 0.80, 0.60, 1.5, 0.66,
    ),
}  # fmt: skip


def expose(rng: np.random.Generator, attenuation: np.ndarray, scanner: Scanner) -> np.ndarray:
    """The attenuation that the detector measures: scatter, blur and quantum noise included, float32 [H, W]."""
    import cv2

    beam: np.ndarray = np.exp(-(attenuation - float(np.median(attenuation)))).astype(np.float32)  # exposure control
    small = cv2.resize(beam, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    haze = cv2.resize(cv2.GaussianBlur(small, (0, 0), 9, borderType=cv2.BORDER_REFLECT), beam.shape[::-1])
    beam = (beam + scanner.scatter * haze) / (1 + scanner.scatter)
    beam = cv2.GaussianBlur(beam, (0, 0), scanner.blur)
    quanta = scanner.photons * rng.uniform(0.55, 1.6)
    counts = rng.poisson(np.clip(beam, 0.01, 8) * quanta).astype(np.float32) / quanta
    noise = cv2.GaussianBlur(counts - beam, (0, 0), scanner.correlation).astype(np.float32)
    stripes = rng.standard_normal((1, beam.shape[1])).astype(np.float32) * 0.0035 * (not scanner.round_field)
    beam = beam * (1 + stripes) + noise + 0.004 * grain(rng, beam.shape, 0.0)
    return -np.log(np.clip(beam, 0.02, 9))


def develop(rng: np.random.Generator, seen: np.ndarray, scanner: Scanner) -> np.ndarray:
    """The vendor's processing: large-scale contrast flattened, detail lifted, an S-shaped curve; 0–1, iodine dark."""
    import cv2

    small = cv2.resize(seen, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cv2.GaussianBlur(small, (0, 0), 7, borderType=cv2.BORDER_REFLECT), seen.shape[::-1])
    fine = seen - cv2.GaussianBlur(seen, (0, 0), 2.4, borderType=cv2.BORDER_REFLECT)
    flat = seen - scanner.levelling * (coarse - float(np.median(seen))) + 0.5 * scanner.edge * fine
    middle = float(np.median(flat)) + rng.normal(0, 0.08)
    offset = np.log(scanner.grey / (1 - scanner.grey))
    return 1 / (1 + np.exp((flat - middle) / (scanner.latitude * rng.uniform(0.85, 1.15) / 1.1) - offset))


def field_of_view(rng: np.random.Generator, picture: np.ndarray, scanner: Scanner) -> np.ndarray:
    """The intensifier's round picture and its vignetting, or the flat panel's shutters, in some frames."""
    size = picture.shape[0]
    line = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / (size / 2)
    right, down = np.meshgrid(line, line)
    if scanner.round_field:
        away = np.hypot(right - rng.normal(0, 0.015), down - rng.normal(0, 0.015))
        picture = picture * (1 - 0.3 * np.clip(away, 0, 1.1) ** 2.6)
        return picture * step(away, 1.075, 1.06)
    picture = picture * (1 - 0.06 * (right**2 + down**2))
    if rng.random() < 0.45:
        edge = 1 - rng.uniform(0.005, 0.07, 4)
        soft = 0.012
        for axis, sign, place in zip((right, right, down, down), (1, -1, 1, -1), edge):
            picture = picture * (0.06 + 0.94 * step(sign * axis, place + soft, place))
    return picture


def marker_box(size: int) -> tuple[slice, slice]:
    """Where the planted shortcut lies, the lead letters of one room: rows and columns."""
    return slice(round(0.79 * size), round(0.88 * size)), slice(round(0.62 * size), round(0.80 * size))


def letters(picture: np.ndarray, text: str) -> np.ndarray:
    """Lead letters in `marker_box`, dark as all that stops the beam is."""
    import cv2

    size = picture.shape[0]
    rows, columns = marker_box(size)
    stamp = np.zeros((4 * size, 4 * size), np.uint8)
    corner = (4 * columns.start, 4 * rows.stop - size // 16)
    cv2.putText(stamp, text, corner, cv2.FONT_HERSHEY_DUPLEX, 2.1 * size / 256, 255, 8, cv2.LINE_AA)
    ink = cv2.resize(stamp, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return picture * (1 - 0.85 * ink)


def stored(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """8-bit values, uint8 [H, W]."""
    low, high = rng.uniform(4, 16), rng.uniform(226, 250)
    return np.clip(np.rint(low + (high - low) * picture), 0, 255).astype(np.uint8)


def mottle(rng: np.random.Generator, size: int) -> np.ndarray:
    """Uneven filling of the muscle and the veins: float32 [H, W] of about unit SD."""
    return clouds(rng, (size, size), 4, 4, 0.55)
