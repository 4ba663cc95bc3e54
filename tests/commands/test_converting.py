"""``scantune convert`` refuses what it cannot do by name. What it writes is tested with the examples."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from scantune.cli import app
from scantune.records import ScantuneError


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["coco", "train=a.json", "tset=b.json"], "'tset=b.json'.*train, validation, test"),
        (["coco", "a.json", "b.json"], "'a.json'.*side=file"),
        (["coco", "a.json", "--labels", "stenosis"], "--labels 'stenosis'.*stenosis=1"),
        (["medmnist", "none.npz"], "no file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, why):
    done = CliRunner().invoke(app, ["convert", *arguments, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, ScantuneError)
    with pytest.raises(ScantuneError, match=why):
        raise done.exception
    assert not (tmp_path / "out").exists()
