"""Files whose pixels' meaning was touched: the same values, a note, or a refusal; never other values without a word."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.records import ReadError
from tests.io.meaning_mutants import mutate, sources


def _values(loaded: io.Volume | io.Image | io.Video) -> np.ndarray:
    return loaded.frames if isinstance(loaded, io.Video) else loaded.array


def _outcomes(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    (folder / "sources").mkdir()
    rng, outcome, wrong = random.Random(seed), Counter[str](), []
    of = sources(folder / "sources")
    right = {source: io.read(source) for source in of}
    for at in range(count):
        source = of[at % len(of)]
        words = mutate(source, folder / "mutant", rng)
        if words == "not written":
            outcome["not written"] += 1
            continue
        place = folder / "mutant" if source.is_dir() else folder / "mutant" / source.name
        try:
            loaded = io.read(place)
        except ReadError:
            outcome["refused"] += 1
            continue
        before, after = _values(right[source]), _values(loaded)
        if before.shape == after.shape and np.array_equal(before, after):
            outcome["same"] += 1
        elif set(loaded.facts["notes"]) - set(right[source].facts["notes"]):
            outcome["noted"] += 1
        else:
            outcome["silently different"] += 1
            wrong.append(words)
    return outcome, wrong


@pytest.mark.slow
def test_no_mutant_is_silently_different(tmp_path: Path) -> None:
    outcome, wrong = _outcomes(250, 1, tmp_path)
    assert wrong == []
    assert outcome["same"] > 30
    assert outcome["refused"] > 60


@pytest.mark.heavy
def test_none_of_two_thousand_mutants_is_silently_different(tmp_path: Path) -> None:
    outcome, wrong = _outcomes(2_000, 2, tmp_path)
    print(f"2000 mutants: {dict(outcome)}")
    assert wrong == []
