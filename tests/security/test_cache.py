"""Cached samples with a flipped bit are not evaluated, whichever way the evaluation was started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Side
from scantune.preprocess import store
from scantune.records import ScantuneError


@pytest.fixture
def side(tmp_path: Path) -> Side:
    """Three samples with masks in the cache ``cells``."""
    members = []
    for number in range(3):
        arrays = {"input": np.full((1, 8, 8), number, np.float32), "mask": np.eye(8, dtype=np.uint8)[None]}
        path = tmp_path / "cells" / "samples" / f"s{number}.safetensors"
        digests = store.save(path, arrays, {"n": number})
        members.append(Sample(f"s{number}", f"p{number}", "test", None, (1, 8, 8), {}, {}, {}, digests))
    return Side(members, tmp_path / "cells")


def flipped(place: int) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return flip


def exchanged(path: Path) -> None:
    path.write_bytes(path.with_name("s0.safetensors").read_bytes())


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a bit of the mask": flipped(-5),
    "a bit of the tensor": flipped(-64 - 100),
    "a bit of the header": flipped(20),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "another sample": exchanged,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_sample_is_named(side: Side, damage: str) -> None:
    side.check_cached()
    DAMAGE[damage](side.paths[1])
    with pytest.raises(ScantuneError, match=r"1 prepared sample is damaged: s1\. Run: dvc repro -f preprocess@cells"):
        side.check_cached()
