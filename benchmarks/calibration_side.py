"""What it costs that one validation side chooses the checkpoint and calibrates, by simulation.

Epochs of a training differ in their true error a little and in their answers to a subject more. The epoch with the
smallest mean absolute error on validation is taken; the conformal quantile is fitted on the same subjects, or on a part
of them that was kept apart (``train.calibration_fraction``). Coverage is that of new subjects.
"""

from __future__ import annotations

import numpy as np

from scantune.statistics import conformal

EPOCHS, COHORTS, NEW, MISCOVERAGE = 30, 600, 1000, 0.1
SUBJECTS = (20, 40, 80, 200)
ALIKE = (0.5, 0.8, 0.95)
"""Correlation of a subject's errors at two epochs."""


def errors(rng: np.random.Generator, n: int, alike: float, scale: np.ndarray) -> np.ndarray:
    """Absolute errors of ``n`` subjects at every epoch, [n, E]."""
    own = rng.normal(size=(n, EPOCHS)) * np.sqrt(1 - alike)
    return np.abs(scale * (own + rng.normal(size=(n, 1)) * np.sqrt(alike)))


def once(rng: np.random.Generator, n: int, alike: float, fraction: float) -> tuple[float, float, float]:
    """Coverage, width and mean absolute error on new subjects."""
    scale = 1 + np.abs(rng.normal(0, 0.1, EPOCHS))
    seen = errors(rng, n, alike, scale)
    apart = round(fraction * n)
    choosing, calibrating = (seen[apart:], seen[:apart]) if apart else (seen, seen)
    epoch = int(choosing.mean(0).argmin())
    quantile = conformal.quantile(calibrating[:, epoch], MISCOVERAGE)
    new = errors(rng, NEW, alike, scale)[:, epoch]
    return float((new <= quantile).mean()), 2 * quantile, float(new.mean())


def main() -> None:
    print(f"{'subjects':>8} {'alike':>6}   {'coverage (goal .900)':^30}   {'width':^23}   {'error':^23}")
    for n in SUBJECTS:
        for alike in ALIKE:
            rows = []
            for fraction in (0.0, 0.3, 0.5):
                rng = np.random.default_rng([n, int(100 * alike)])
                rows.append(np.mean([once(rng, n, alike, fraction) for _ in range(COHORTS // (1 + n // 80))], axis=0))
            cells = ["   ".join(f"{row[k]:7.3f}" for row in rows) for k in range(3)]
            print(f"{n:8d} {alike:6.2f}   {cells[0]:^30}   {cells[1]}   {cells[2]}")
    print("columns: one side for both; 30 % kept apart; half kept apart")


if __name__ == "__main__":
    main()
