"""Content that a client sends in place of a path: answered as the same file by its path, in no file that remains."""

from __future__ import annotations

import base64
import gzip
import io as memory
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from scantune import io, models
from scantune.preprocess import ahead, zipped
from scantune.records import Sent
from scantune.registry.model import ModelFacts, save_model
from scantune.registry.predictor import Predictor, Reading
from scantune.registry.pyfunc import Model, _load_pyfunc
from tests.security.conftest import picture


@pytest.fixture(params=["on", "off"])
def served(request: Any, tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that serves the folder ``in``; temporary folders are below ``tmp``."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("SCANTUNE_ISOLATION", request.param)
    monkeypatch.setenv("SCANTUNE_SERVED_FOLDERS", str(tmp_path / "in"))
    monkeypatch.setenv("SCANTUNE_SERVED_BYTES", "100_000")
    monkeypatch.setenv("SCANTUNE_SERVED_FILES", "20")
    return _load_pyfunc(str(model_folder))


def text(content: bytes) -> str:
    return base64.encodebytes(content).decode()  # in lines, as `base64 FILE` writes them


def archive(**files: bytes) -> bytes:
    kept = memory.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return kept.getvalue()


def test_rows_with_paths_and_with_content_are_answered_alike_and_bad_ones_have_their_reasons(served, tmp_path):
    path = picture(tmp_path / "in" / "a.png")
    content = text(path.read_bytes())
    rows = [
        (str(path), None), (None, content), (np.nan, path.read_bytes()), ("", content), (str(path), content),
        (None, None), (None, " "), (None, "no base64!"), (None, "abc"), (None, 7.0), (None, text(b"no picture")),
        (None, "====" ), (str(path), ""), (str(tmp_path / "b.png"), None), (None, text(bytes(100_001))),
    ]  # fmt: skip
    table = served.predict(pd.DataFrame(rows, columns=["path", "bytes"], dtype=object))
    assert table["prediction"].round(6).nunique() == 1
    assert table["reason"].eq("").tolist() == [True] * 4 + [False] * 8 + [True] + [False] * 2
    reasons = table["reason"].tolist()
    assert reasons[4].startswith("this row has both")
    assert reasons[5] == reasons[6] == "neither a path nor bytes in this row"
    assert reasons[7] == reasons[8] == reasons[9] == "the bytes of this row are not base64"
    assert "outside the served folders" in reasons[13]
    assert "larger than 100,000 bytes" in reasons[14]
    assert not any(str(tmp_path) in reason or "scantune-" in reason for reason in reasons)
    assert not list((tmp_path / "tmp").iterdir())


def test_content_alone_needs_no_served_folder_and_the_ending_of_a_name_no_more_than_that(served, tmp_path):
    png = picture(tmp_path / "a.png").read_bytes()
    names = ["a.png", "../../x.png", "/etc/passwd", None, 5, "a.n\0ii", "x" * 9999]
    table = served.predict(pd.DataFrame({"bytes": [png] * len(names), "name": names}, dtype=object))
    assert table["reason"].tolist() == [""] * len(names)
    assert table["prediction"].nunique() == 1
    with pytest.raises(Exception, match="column 'path', one file or folder per row, or 'bytes'"):
        served.predict(pd.DataFrame({"name": ["a"]}))


def linked() -> bytes:
    kept = memory.BytesIO()
    with zipfile.ZipFile(kept, "w") as opened:
        link = zipfile.ZipInfo("a.dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    return kept.getvalue()


def locked() -> bytes:
    content = bytearray(archive(a=b"abc"))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    return bytes(content)


def packed_by(method: int) -> bytes:
    kept = memory.BytesIO()
    with zipfile.ZipFile(kept, "w", method) as opened:
        opened.writestr("a", b"abc" * 99)
    return kept.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute": (lambda: archive(**{"/etc/x": b"x"}), "leads out of it"),
    "dots": (lambda: archive(**{"a/../../x": b"x"}), "leads out of it"),
    "drive": (lambda: archive(**{"C:/x": b"x"}), "leads out of it"),
    "backslashes": (lambda: archive(**{"..\\x": b"x"}), "leads out of it"),
    "link": (linked, "a link or a device"),
    "encrypted": (locked, "encrypted"),
    "lzma": (lambda: packed_by(zipfile.ZIP_LZMA), "another way than by deflate"),
    "nested": (lambda: archive(a=archive(b=b"b")), "holds another ZIP"),
    "bomb": (lambda: archive(a=bytes(60_000), b=bytes(60_000)), "larger than 100,000 bytes"),
    "very many": (lambda: archive(**{str(n): b"" for n in range(21)}), "more than 20 files"),
    "cut": (lambda: archive(a=os.urandom(999))[:-50], "damaged (BadZipFile)"),
    "another content": (lambda: packed_by(zipfile.ZIP_STORED).replace(b"abc", b"abd"), "damaged"),
    "empty": (archive, "empty"),
    "no image": (lambda: archive(a=b"abc"), ""),
    "two images": (lambda: archive(a=PNG, b=PNG), "holds 2 images"),
}
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


def test_a_zip_that_is_not_plainly_one_series_has_its_reason(served, tmp_path):
    content = [text(make()) for make, _ in BAD.values()]
    reasons = served.predict(pd.DataFrame({"bytes": content}))["reason"].tolist()
    for (name, (_, expected)), reason in zip(BAD.items(), reasons):
        assert reason, name
        assert expected in reason, (name, reason)
        assert str(tmp_path) not in reason
    assert not list((tmp_path / "tmp").iterdir())


def test_a_zip_is_unpacked_for_content_alone_not_for_a_path(served, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.zip").write_bytes(archive(**{"a.png": PNG}))
    (reason,) = served.predict(pd.DataFrame({"path": [str(tmp_path / "in/a.zip")]}))["reason"]
    assert reason == "it is a ZIP archive: unpack it"


def test_a_series_in_a_zip_is_answered_as_its_folder_and_nifti_as_its_file(tmp_path):
    torch.manual_seed(0)
    backbone = models.build("small_cnn", modality="volume", in_channels=1, size=(8, 8, 8))
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1)).eval()
    settings = {"dataset": "d", "modality": "volume", "shape": [8, 8, 8]}
    save_model(tmp_path / "model", ModelFacts("t", "d", {"name": "regression", "target": "s"}, settings), [network])
    values = np.random.default_rng(0).normal(100, 30, (9, 10, 11)).round()
    volume = io.Volume(values, np.diag([1.0, 2.0, 3.0, 1.0]))
    io.write_dicom_series(tmp_path / "series/deep", volume, patient_id="p", seed="s")
    io.write_nifti(tmp_path / "a.nii.gz", volume)
    (tmp_path / "a.nii").write_bytes(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    slices = {f"study/{path.name}": path.read_bytes() for path in (tmp_path / "series/deep").iterdir()}
    sent = archive(**slices, **{"__MACOSX/._a": b"x", "study/.DS_Store": b"x"})
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as opened:
        opened.mkdir("study")
        for name, content in reversed(slices.items()):
            opened.writestr(name, content)
    model = Predictor.load(tmp_path / "model", reading=Reading(workers=2))
    content = [sent, (tmp_path / "s.zip").read_bytes()]
    content += [(tmp_path / name).read_bytes() for name in ("a.nii.gz", "a.nii")]
    samples = [tmp_path / "series", tmp_path / "series", tmp_path / "a.nii.gz", tmp_path / "a.nii"]
    answers = model.predict([*samples, *(Sent(text(one)) for one in content)], batch_size=3)
    ahead.end_idle()
    assert [answer.reason for answer in answers] == [""] * 8
    scores = [answer.values["prediction"] for answer in answers]
    assert scores[:4] == pytest.approx(scores[4:], abs=1e-6)


def test_one_row_at_a_time_is_on_the_disk(served, tmp_path, monkeypatch):
    served.predictor.reading = Reading(isolated=False, within=served.predictor.reading.within)
    seen: list[int] = []
    unzip = zipped.unzip
    folder = tmp_path / "tmp"

    def counted(*arguments: Any) -> Path:
        seen.append(sum((inner / "sent").exists() for inner in folder.iterdir()))
        return unzip(*arguments)

    monkeypatch.setattr("scantune.preprocess.within.unzip", counted)
    served.predict(pd.DataFrame({"bytes": [text(archive(a=b"abc"))] * 5}))
    assert seen == [1] * 5


def test_no_room_for_the_content_is_a_reason(served, tmp_path):
    (tmp_path / "tmp").rmdir()
    (reason,) = served.predict(pd.DataFrame({"bytes": [PNG]}))["reason"]
    assert "cannot be kept while it is read" in reason
    assert str(tmp_path) not in reason
