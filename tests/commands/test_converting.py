"""``scantune convert`` refuses what it cannot do by name. What it writes is tested with the examples."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from scantune import demos
from scantune.cli import app
from scantune.records import ScantuneError


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["masks", "train=a.json", "tset=b.json"], "'tset=b.json'.*train, validation, test"),
        (["masks", "a.json", "b.json"], "'a.json'.*split=file"),
        (["masks", "a.json", "--labels", "stenosis"], "--labels 'stenosis'.*stenosis=1"),
        (["masks", "a.json", "--labels", "stenosis=²"], "--labels 'stenosis=²'"),
        (["masks", "train=a.json", "train=b.json"], "train= is there more than once: name one file, a folder"),
        (["masks", "a.json"], "no annotations a.json.*name a table or another file"),
        (["medmnist", "none.npz"], "no file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, why):
    done = CliRunner().invoke(app, ["convert", *arguments, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, ScantuneError)
    with pytest.raises(ScantuneError, match=f"(?s){why}"):
        raise done.exception
    assert not (tmp_path / "out").exists()


def test_no_block_is_written_that_dvc_could_not_watch(tmp_path, monkeypatch):
    """Pictures and masks side by side in the project's own folder."""
    monkeypatch.chdir(tmp_path)
    demos.make("angio", tmp_path / "arcade", n=4, edge=48, layout="arcade", workers=1)
    source = next((tmp_path / "arcade").rglob("train/annotations/*.json"))
    done = CliRunner().invoke(app, ["convert", "masks", str(source), "--out", "arcade/masks", "--category", "stenosis"])
    with pytest.raises(ScantuneError, match="--category: not for COCO"):
        raise done.exception
    done = CliRunner().invoke(app, ["convert", "masks", str(source), "--out", "masks"])
    assert isinstance(done.exception, ScantuneError)
    with pytest.raises(ScantuneError, match=r"no block: .* contains data/index, an output of the pipeline"):
        raise done.exception
    done = CliRunner().invoke(app, ["convert", "masks", str(source), "--out", "arcade/masks"])
    assert done.exit_code == 0
    assert f"watch: {tmp_path / 'arcade'}" in done.output
