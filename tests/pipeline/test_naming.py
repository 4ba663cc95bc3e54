"""An error about samples names their files on the terminal."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from scantune.config.dataset import DatasetConfig
from scantune.pipeline.naming import FileNames, files_named
from scantune.records import ScantuneError


def params(root: Path, **more: object) -> SimpleNamespace:
    (root / "table.csv").write_text("id,file\nscan_a,a.png\nscan_b,b.png\n3,c.png\n")
    for name in "abc":
        (root / f"{name}.png").write_bytes(b"")
    keys = {"root": str(root), "table": "table.csv", "files": "{file}", "sample": "{id}"}
    return SimpleNamespace(datasets={"d": DatasetConfig.model_validate(keys | more)})


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("2 prepared samples are damaged: scan_a, scan_b. Run: dvc repro", ["a.png", "b.png"]),
        ("sample scan_b: target is 'x'", ["b.png"]),
        ("sample 3 could not be loaded", ["c.png"]),
        ("step 3: not finite; samples scan_a, 3; see", ["a.png", "c.png"]),
        ("3 samples have no target", []),
        ("nothing of a sample", []),
    ],
)
def test_samples_of_a_message_are_named_by_their_files(tmp_path: Path, message: str, named: list[str]) -> None:
    with pytest.raises(ScantuneError) as told, files_named(params(tmp_path), "d"):  # type: ignore[arg-type]
        raise ScantuneError(message)
    text = str(told.value)
    assert text.startswith(message)
    assert [name for name in ("a.png", "b.png", "c.png") if f"/{name}" in text] == named


def test_so_they_are_in_warnings_and_in_what_is_printed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = FileNames(params(tmp_path), "d")  # type: ignore[arg-type]
    with files_named(params(tmp_path), "d"):  # type: ignore[arg-type]
        logging.getLogger("scantune.x").warning("step %d skipped; samples %s", 4, "scan_b, 3")
        logging.getLogger("scantune.x").info("sample scan_a")
        assert names.added("first scan_a and scan_b").count(".png") == 2
    assert [name for name in "abc" if f"/{name}.png" in caplog.text] == ["b", "c"]
    caplog.clear()
    logging.getLogger("scantune.x").warning("samples scan_a")
    assert ".png" not in caplog.text, "not afterwards"


def test_not_where_ids_are_pseudonyms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANTUNE_KEY", "secret")
    settings = params(tmp_path, pseudonyms={})
    with pytest.raises(ScantuneError, match=r"^sample scan_a is damaged$"), files_named(settings, "d"):  # type: ignore[arg-type]
        raise ScantuneError("sample scan_a is damaged")
