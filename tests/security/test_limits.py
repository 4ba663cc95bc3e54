"""Files that are small and grow, or say what no file of theirs says: refused in a second, in one line."""

from __future__ import annotations

import json
import shutil
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scantune import models
from scantune.cohort.table import read_table, sheet_names
from scantune.config.load import ConfigError, read_text
from scantune.io import Limits
from scantune.io.dicom_file import open_dicom
from scantune.records import ReadError, ScantuneError
from scantune.registry.model import digest_of
from scantune.registry.opening import open_model
from scantune.registry.predictor import Reading


@contextmanager
def quick(megabytes: float = 150.0) -> Iterator[None]:
    """At most a second of the processor, whatever else it does, and little memory at any moment."""
    tracemalloc.start()
    start = time.process_time()
    yield
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 1.0
    assert peak < megabytes * 1e6


def bomb(levels: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


MERGES = "\n".join(["m0: &m0 {a: 1}", *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9))])


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        MERGES,
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "x" * 6_000_000,
        "a: " + "[{b: " * 300,
    ],
    ids=["lists", "merges", "itself", "block in itself", "deep", "long", "open brackets"],
)
def test_settings_that_grow_are_refused(text: str) -> None:
    with quick(), pytest.raises(ConfigError, match=r"aliases .*write out|letters.*into a table|brackets.*of their own"):
        read_text(text)


def test_settings_that_repeat_a_block_by_an_alias_are_read() -> None:
    assert read_text("a: &a {b: 1, c: [1, 2]}\nd: *a\ne: {<<: *a, b: 2}")["e"] == {"b": 2, "c": [1, 2]}


def test_an_excel_file_of_millions_of_rows_is_refused(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["id", "label"])
    book.save(tmp_path / "small.xlsx")
    row = b'<row><c t="inlineStr"><is><t>a</t></is></c></row>'
    with (
        zipfile.ZipFile(tmp_path / "small.xlsx") as old,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            content = old.read(part)
            if part.endswith("sheet1.xml"):
                with new.open(part, "w") as file:
                    for _ in range(110):
                        file.write(row * 20_000)
                continue
            new.writestr(part, content)
    assert (tmp_path / "t.xlsx").stat().st_size < 1e6
    with quick(), pytest.raises(ScantuneError, match=r"unpacked it has 1\d\d MB; at most 100 MB .*max_table_megabytes"):
        read_table(tmp_path / "t.xlsx")
    with quick():
        assert sheet_names(tmp_path / "t.xlsx") == [], "its list of sheets is not opened either"
    assert sheet_names(tmp_path / "small.xlsx") == book.sheetnames


def test_tables_of_huge_cells_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as file:
        file.write(b"id,label\na,")
        file.truncate(200_000_000)  # a cell of 200 MB
    with quick(), pytest.raises(ScantuneError, match=r"200 MB; at most 100 MB are read .*max_table_megabytes"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text("id,label\na," + "x" * 9_000_000)
    with quick(), pytest.raises(ScantuneError, match=r"row 2.*a cell has more than 8,388,608 letters"):
        read_table(tmp_path / "u.csv")


def deflated(path: Path, megabytes: int) -> Path:
    """A DICOM file whose data set is deflated zeros."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian as Syntax

    uid = str(Syntax).encode()
    uid += b"\0" * (len(uid) % 2)
    meta = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    press = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little") + meta)
        file.write(press.compress(b"\xe0\x7f\x10\x00OW\0\0" + (megabytes * 2**20).to_bytes(4, "little")))
        for _ in range(megabytes):
            file.write(press.compress(b"\0" * 2**20))
        file.write(press.flush())
    return path


def test_a_deflated_dicom_file_that_grows_a_thousandfold_is_refused(tmp_path: Path) -> None:
    path = deflated(tmp_path / "bomb.dcm", 80)
    assert path.stat().st_size < 1e6
    with quick(), pytest.raises(ReadError, match=r"more than 100-fold.*gdcmconv --raw"):
        open_dicom(path, Limits())
    assert open_dicom(deflated(tmp_path / "mask.dcm", 20), Limits()).syntax.endswith(".99"), "a mask of zeros"


@pytest.fixture
def model(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


NONSENSE = [
    "",
    "[",
    "null",
    "[]",
    "7",
    '"x"',
    "{}",
    '{"format": 1}',
    "\x00\xff",
    "[" * 20_000,
    '{"flavors": [1]}',
]


def one_line(call: Callable[[], Any]) -> str:
    """The message of the fault, which is one line; anything but a fault of ours fails."""
    with quick(), pytest.raises(ScantuneError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("text", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("name", ["model.json", "member_0/architecture.json", "MLmodel"])
def test_damaged_descriptions_are_one_line(model: Path, name: str, text: str) -> None:
    if name == "MLmodel":
        (model / "model.json").unlink()
    if name.startswith("member"):
        content = json.loads((model / "model.json").read_text())
        del content["files"], content["digest"]  # a stranger writes digests that fit
        (model / "model.json").write_text(json.dumps({**content, "digest": digest_of(content)}))
    (model / name).write_text(text, encoding="latin-1")
    one_line(lambda: open_model(str(model), reading=Reading(isolated=False)))


CHANGES: dict[str, Any] = {
    "members": "many",
    "input": {"modality": "image", "shape": "big"},
    "task": {"name": "dance"},
    "classes": 7,
    "fitted": 7,
    "augment_draws": "x",
    "training": [],
    "plugins": [],
    "unknown": 1,
}


@pytest.mark.parametrize("key", CHANGES)
def test_facts_that_no_model_has_are_one_line(model: Path, key: str) -> None:
    content = json.loads((model / "model.json").read_text())
    del content["digest"]
    content[key] = CHANGES[key]
    (model / "model.json").write_text(json.dumps({**content, "digest": digest_of(content)}))
    one_line(lambda: open_model(str(model), reading=Reading(isolated=False)))


@pytest.mark.parametrize(
    "options",
    [
        {"checkpoint_path": "/etc/passwd"},
        {"pretrained_cfg": {"file": "/etc/passwd"}},
        {"pretrained_cfg_overlay": {"url": "http://127.0.0.1:9/x"}},
        {"pretrained": True},
        {"cache_dir": "/tmp/x"},
    ],
    ids=str,
)
def test_no_architecture_makes_a_library_read_files_or_addresses(model: Path, options: dict[str, Any]) -> None:
    described = json.loads((model / "member_0/architecture.json").read_text())
    described["backbone"] |= {"name": "resnet18", "options": options}
    (model / "member_0/architecture.json").write_text(json.dumps(described))
    assert next(iter(options)) in one_line(lambda: models.load(model / "member_0"))
    with pytest.raises(ScantuneError, match=next(iter(options))):
        models.build("resnet18", modality="image", **options)


@pytest.mark.parametrize("name", ["hf-hub:someone/net", "local-dir:/tmp", "hf_hub:timm/resnet18", "../x"])
def test_no_name_of_a_backbone_is_an_address(model: Path, name: str) -> None:
    assert models.available("image")  # timm is imported
    described = json.loads((model / "member_0/architecture.json").read_text())
    described["backbone"] |= {"name": name, "options": {}}
    (model / "member_0/architecture.json").write_text(json.dumps(described))
    assert "is not known for image" in one_line(lambda: models.load(model / "member_0"))
