"""The numbers that docs/predict.md prints are those of the simulation."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibration_side

PAGE = Path(__file__).parents[2] / "docs" / "predict.md"


@pytest.mark.parametrize("subjects", [20, *(pytest.param(n, marks=pytest.mark.heavy) for n in (40, 80, 200))])
def test_the_page_prints_what_the_simulation_gives(subjects):
    printed = re.search(rf"^\| {subjects} \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert printed is not None
    coverage, apart_coverage, width, apart_width = (float(cell) for cell in printed[1].split(" | "))
    cohorts = calibration_side.COHORTS // (1 + subjects // 80)
    for fraction, expected in ((0.0, (coverage, width)), (0.5, (apart_coverage, apart_width))):
        rng = np.random.default_rng([subjects, 80])
        result = np.mean([calibration_side.once(rng, subjects, 0.8, fraction)[:2] for _ in range(cohorts)], axis=0)
        assert result[0] == pytest.approx(expected[0], abs=0.0006)
        assert result[1] == pytest.approx(expected[1], abs=0.006)
