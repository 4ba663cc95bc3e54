"""``scantune convert`` refuses what it cannot do by name. What it writes is tested with the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scantune import demos, io
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
    Path("params.yaml").touch()
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
    assert "root: arcade\n" in done.output
    assert "scantune init arcade/masks/cohort.csv --root arcade --name masks --add" in done.output


def test_in_a_folder_of_data_the_block_starts_from_it(tmp_path, monkeypatch):
    """``cd /data/arcade; scantune convert masks …``, as docs/datasets.md has it: that folder is no project."""
    demos.make("angio", tmp_path, n=4, edge=48, layout="arcade", workers=1)
    monkeypatch.chdir(tmp_path)
    source = next(Path().rglob("train/annotations/*.json"))
    done = CliRunner().invoke(app, ["convert", "masks", f"train={source}", "--out", "masks"])
    assert done.exit_code == 0, done.exception
    assert f"root: {tmp_path}" in done.output
    assert f"watch: {tmp_path}" in done.output


def test_init_in_a_folder_of_data_names_it_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for n in range(20):
        io.write_png(Path(f"{n}.png"), np.random.default_rng(n).integers(0, 255, (24, 24), np.uint8))
    Path("labels.csv").write_text("file,patient,ill\n" + "".join(f"{n}.png,P{n},{n % 2}\n" for n in range(20)))
    for named in (".", "labels.csv"):
        done = CliRunner().invoke(app, ["init", named])
        assert done.exit_code == 0, done.exception
        assert f"root: {tmp_path}\n" in done.stdout
        assert f"watch: {tmp_path}\n" in done.stdout
