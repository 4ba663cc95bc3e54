"""The heart's cycle by phase from the R wave: how far it has contracted, its valves, what the ECG shows."""

from __future__ import annotations

import numpy as np

# Phase (0 = R wave = end of diastole) and value; smooth between, and round.
_CONTRACTION = ((0.0, 0.0), (0.05, 0.02), (0.37, 1.0), (0.43, 0.97), (0.60, 0.34), (0.80, 0.24), (0.95, 0.0))
_OPENING = ((0.0, 0.06), (0.03, 0.0), (0.42, 0.0), (0.51, 1.0), (0.63, 0.5), (0.77, 0.4), (0.87, 0.85), (0.98, 0.1))
# Centre (phase), width (phase) and height of the ECG's waves P, Q, R, S, T.
_WAVES = ((0.84, 0.022, 0.13), (0.975, 0.007, -0.12), (0.0, 0.009, 1.0), (0.025, 0.008, -0.24), (0.30, 0.042, 0.27))


def contraction(phase: np.ndarray) -> np.ndarray:
    """0 at the end of diastole, 1 at the end of systole, for each phase."""
    return _round(phase, _CONTRACTION)


def opening(phase: np.ndarray) -> np.ndarray:
    """Of the mitral and tricuspid valves: 0 closed, 1 at the peak of early filling."""
    return _round(phase, _OPENING)


def ecg(phase: np.ndarray) -> np.ndarray:
    """One lead's trace, its R wave 1 high."""
    trace = np.zeros(np.shape(phase))
    for centre, width, height in _WAVES:
        away = (np.asarray(phase) - centre + 0.5) % 1.0 - 0.5
        trace += height * np.exp(-0.5 * (away / width) ** 2)
    return trace


def _round(phase: np.ndarray, knots: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Cosine interpolation between knots on the circle of phases."""
    at = np.array([p for p, _ in knots] + [1.0])
    values = np.array([v for _, v in knots] + [knots[0][1]])
    place = np.asarray(phase, float) % 1.0
    left = np.clip(np.searchsorted(at, place, side="right") - 1, 0, len(knots) - 1)
    share = (place - at[left]) / (at[left + 1] - at[left])
    share = 0.5 - 0.5 * np.cos(np.pi * share)
    return values[left] + share * (values[left + 1] - values[left])
