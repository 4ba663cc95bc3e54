"""What ``scantune predict FOLDER`` takes for a sample: every file below it is a row, or is counted with the reason."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from PIL import Image

from scantune import io
from scantune.cohort.unlabelled import Sample
from scantune.commands.named_samples import samples_of
from scantune.commands.predicting import predict
from scantune.commands.unfinished import Unfinished
from scantune.files import words_of
from scantune.prediction.predictor import TensorPredictor
from scantune.records import ScantuneError, Source
from scantune.registry import opening
from scantune.registry.model import ModelFacts
from scantune.registry.opening import open_model
from scantune.registry.predictor import Predictor, Reading
from scantune.tasks.predictions_file import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that are no pictures beside one that is, in two folders, with links and a pipe."""
    home = tmp_path / "in"
    (home / "sub 1").mkdir(parents=True)
    for name, content in {
        "a.png": b"\x89PNG\r\n\x1a\n",
        "empty.dcm": b"",
        "zeros.dcm": bytes(256),
        "login.dcm": b"<html>please log in</html>",
        ".DS_Store": b"x",
        "sub 1/bad.dcm": b"no",
    }.items():
        (home / name).write_bytes(content)
    (home / "__MACOSX").mkdir()
    (home / "__MACOSX" / "._a.png").write_bytes(b"x")
    (home / "round").symlink_to(home)
    os.mkfifo(home / "pipe")
    return home


@pytest.mark.parametrize("series", [False, True])
def test_every_file_is_a_row_and_what_is_none_is_counted(folder: Path, series: bool) -> None:
    samples, aside = samples_of(folder, series)
    names = [path.relative_to(folder).as_posix() for path in samples]
    assert names == ["a.png", "empty.dcm", "login.dcm", "sub 1/bad.dcm", "zeros.dcm"]
    system = {"folders of archives and servers": 1}
    assert aside == Counter({"hidden": 1, "links to folders": 1, "neither files nor folders": 1, **system})


def test_the_data_file_of_a_header_is_no_row(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for name in ("a.mhd", "b.mha", "c.nhdr"):
        sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
    assert (tmp_path / "a.raw").is_file()
    assert [path.name for path in samples_of(tmp_path)[0]] == ["a.mhd", "b.mha", "c.nhdr"]


def test_volumes_beside_a_series_are_rows_of_their_own(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for name in ("a.nii.gz", "b.nrrd", "c.mha"):
        sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
    (tmp_path / "1.dcm").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "notes.txt").write_text("x")
    samples, aside = samples_of(tmp_path)
    assert samples == [tmp_path, tmp_path / "a.nii.gz", tmp_path / "b.nrrd", tmp_path / "c.mha"]
    assert aside == Counter({"not DICOM, in the folder of a series": 1})


def test_an_empty_folder_is_a_row_itself(tmp_path: Path) -> None:
    assert samples_of(tmp_path) == ([tmp_path], Counter())


@pytest.mark.parametrize(
    "out, why", [("in", "is a folder; name a file"), ("in/empty.dcm/a.csv", "cannot have one path")]
)
def test_a_table_that_cannot_be_written_is_refused_before_a_model_is_opened(folder: Path, out: str, why: str) -> None:
    with pytest.raises((ScantuneError, OSError)) as caught:
        predict("no model", [folder], out=folder.parent / out)
    assert why in (words_of(caught.value) or str(caught.value))


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet"])
def test_a_table_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScantuneError, match=r"the table is written as CSV; name it a\.csv"):
        predict("no model", [str(tmp_path)], out=tmp_path / name)


def test_results_that_would_not_be_written_are_refused_before_anything_is_predicted(opened: Path) -> None:
    model = opening.open_model("m")
    (opened / "file").write_text("x")
    with pytest.raises(ScantuneError, match=r"--seg .*file: is a file; name a folder"):
        predict("m", [str(opened)], seg=opened / "file", out=opened / "a.csv")
    model.facts = replace(model.facts, task={"name": "regression", "target": "t", "range": [0, 1]})
    with pytest.raises(ScantuneError, match=r"--seg: this model predicts no masks \(task: regression\)"):
        predict("m", [str(opened)], seg=opened / "masks", out=opened / "a.csv")
    model.facts = None
    with pytest.raises(ScantuneError, match="--sr, --statistics: of scantune's own models, and this is another tool's"):
        predict("m", [str(opened)], sr=opened / "sr", statistics=True, out=opened / "a.csv")
    with pytest.raises(ScantuneError, match="one of the names is empty"):
        predict("m", [""], out=opened / "a.csv")
    assert not (opened / "a.csv").exists()


def test_a_registered_model_is_not_looked_for_in_a_store_that_does_not_exist(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ScantuneError, match=r"there is no MLflow store in .*MLFLOW_TRACKING_URI"):
        open_model("models:/digits@champion")
    assert not list(tmp_path.iterdir())


def test_the_versions_that_the_registry_has_are_named_where_another_was_asked_for(store: Path) -> None:
    from scantune.tracking import client

    (store / "source").mkdir()
    client().create_registered_model("digits")
    for _ in range(2):
        client().create_model_version("digits", str(store / "source"))
    for named in ("digits@champion", "digits/7"):
        with pytest.raises(ScantuneError, match=r"models:/digits/2, models:/digits/1; 'scantune promote digits 2'"):
            open_model(f"models:/{named}")
    with pytest.raises(ScantuneError, match="set MLFLOW_TRACKING_URI"):
        open_model("models:/other@champion")


class Twice(torch.nn.Module):
    """One logit, above which a picture is marked."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, :1] - 0.5) * 30


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures, and a model of pictures in the place of the one that is opened."""
    settings = {"dataset": "d", "modality": "image", "shape": [8, 8], "intensity": {"name": "scale"}, "workers": 1}
    facts = ModelFacts("m", "d", {"name": "segmentation"}, settings)
    model = Predictor(facts, [Twice()], reading=Reading(isolated=False))
    model.folder = tmp_path
    monkeypatch.setattr("scantune.registry.opening.open_model", lambda *_, **__: model)
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (9, 7)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"Doe_{number}.png")
    return tmp_path


def test_masks_are_named_by_sample_ids_where_a_list_has_them(opened: Path) -> None:
    listed = opened / "list.txt"
    listed.write_text(f"b\t{opened / 'Doe_0.png'}\n\na\t{opened / 'Doe_1.png'}\n")
    predict("m", listed=listed, seg=opened / "masks", out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert table.sample_id.tolist() == ["b", "a"]
    assert table.text("mask").tolist() == ["b.png", "a.png"]
    assert sorted(path.name for path in (opened / "masks").iterdir()) == ["a.png", "b.png"]
    listed.write_text(str(opened / "Doe_0.png"))
    predict("m", listed=listed, seg=opened / "masks", out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert "Doe" not in table.text("mask")[0]
    assert "sample_id" not in table.columns


def test_a_file_whose_name_is_not_in_utf_8_is_a_row(opened: Path) -> None:
    old = os.fsencode(opened / "in") + b"/M\xfcller.png"
    (opened / "in").mkdir()
    (opened / "Doe_0.png").rename(os.fsdecode(old))
    predict("m", [str(opened / "in")], out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert table.text("file").tolist() == [str(opened / "in" / "M\\xfcller.png")]
    assert table.text("reason").tolist() == [""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_list_is_read_as_editors_write_it(opened: Path, encoding: str) -> None:
    (opened / "Doe_0.png").rename(opened / "Müller.png")
    (opened / "list.txt").write_text(f"{opened / 'Müller.png'}\n", encoding=encoding)
    predict("m", listed=opened / "list.txt", out=opened / "answers.csv")
    assert read(opened / "answers.csv").text("reason").tolist() == [""]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a/b\tDoe_0.png", r"line 1: the sample id 'a/b' cannot name a file"),
        ("a\tDoe_0.png\na\tDoe_1.png", "line 2: the sample id 'a' occurs twice"),
        ("a\t.", "is a folder of 3 samples, not of one"),
    ],
)
def test_ids_that_cannot_name_a_file_are_refused(
    opened: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.chdir(opened)
    Path("list.txt").write_text(text)
    with pytest.raises(ScantuneError, match=fault):
        predict("m", listed=Path("list.txt"), out=Path("answers.csv"))


def test_the_table_says_which_attribute_a_mask_could_not_be_written_for(
    opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_mask(*_: Any) -> Path:
        return Path(pydicom.Dataset().StudyInstanceUID)

    monkeypatch.setattr("scantune.registry.results.write_mask", write_mask)
    predict("m", [opened / "Doe_0.png"], seg=opened / "masks", out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert "its header has no StudyInstanceUID" in table.text("mask_reason")[0]
    assert table.text("reason")[0] == ""
    assert table.text("volume_prediction")[0]


class Bright(torch.nn.Module):
    """One logit of a volume, above which a voxel is marked."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] - 500


@pytest.mark.parametrize("isolated", [True, False])
def test_a_row_of_the_training_table_means_its_series_and_the_mask_refers_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated: bool
) -> None:
    for number in (1, 2):
        volume = io.Volume(np.full((3, 8, 6), 1000.0 * (number - 1)) + np.eye(8, 6), np.diag([1.0, 1.0, 2.0, 1.0]))
        io.write_dicom_series(
            tmp_path / f"studies/p1/{number}", volume, patient_id="p1", seed=str(number),
            tags={"SeriesNumber": number, "SeriesDescription": f"T{number}"},
        )  # fmt: skip
    settings = {"dataset": "d", "modality": "volume", "intensity": {"name": "none"}, "dtype": "float32"}
    layout = {"files": ["studies/{study}"], "series": {"name": "{echo}", "by": "number"}}
    facts = ModelFacts("m", "d", {"name": "segmentation"}, settings, table=layout)
    model = Predictor(facts, [Bright()], reading=Reading(isolated=isolated))
    monkeypatch.setattr("scantune.registry.opening.open_model", lambda *_, **__: model)
    table = tmp_path / "labels.csv"
    table.write_text("study,echo,label\np1,2,1\np1,1,0\np1,3,0\np2,1,0\n")
    predict("m", table=table, seg=tmp_path / "masks", out=tmp_path / "answers.csv")
    answers = read(tmp_path / "answers.csv")
    assert answers.numbers("volume_prediction", None)[:2].tolist() == [3 * 8 * 6 * 2, 0]  # mm³
    assert ["named one" in text or "no such file" in text for text in answers.text("reason")] == [False] * 2 + [
        True
    ] * 2
    written = pydicom.dcmread(tmp_path / "masks" / answers.text("mask")[0])
    instance = written.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    (own,) = [
        header
        for path in (tmp_path / "studies/p1").rglob("*.dcm")
        if (header := pydicom.dcmread(path)).SOPInstanceUID == instance
    ]
    assert own.SeriesNumber == 2
    assert answers.text("mask")[0].startswith(str(answers.sample_id[0]))


def test_what_was_noted_of_a_file_is_in_the_table(opened: Path) -> None:
    turned = Image.Exif()
    turned[0x112] = 6
    picture = Image.open(opened / "Doe_0.png")
    picture.save(opened / "Doe_2.jpg", exif=turned)
    paths = [str(opened / name) for name in ("Doe_0.png", "Doe_2.jpg")]
    predict("m", paths, out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert table.text("note").tolist() == ["", "rotated by its EXIF orientation"]
    assert table.text("reason").tolist() == ["", ""]
    predict("m", paths[:1], out=opened / "answers.csv")
    assert "note" not in read(opened / "answers.csv").columns


def test_a_table_takes_one_folder_beside_it(opened: Path) -> None:
    (opened / "t").mkdir()
    table = opened / "t/labels.csv"
    table.write_text("path\nDoe_0.png\n")
    for arguments in ({"files": [opened]}, {"root": opened}):
        predict("m", **arguments, table=table, out=opened / "answers.csv")
        assert read(opened / "answers.csv").text("reason").tolist() == [""]
    predict("m", [opened], table=Path("t/labels.csv"), out=opened / "answers.csv")  # below the folder, not here
    assert read(opened / "answers.csv").text("reason").tolist() == [""]
    for arguments in ({"files": [opened / "Doe_0.png"]}, {"files": [opened], "root": opened}, {"listed": table}):
        with pytest.raises(ScantuneError, match="beside it give no others, but the one folder"):
            predict("m", **arguments, table=table, out=opened / "answers.csv")
    with pytest.raises(
        ScantuneError, match=r"--root .* is where the paths of --table FILE start from, and none is named"
    ):
        predict("m", [opened / "Doe_0.png"], root=opened, out=opened / "answers.csv")


def test_a_command_that_was_stopped_goes_on_where_it_was(opened: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    rng = np.random.default_rng(0)
    folder = opened / "films"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(folder / f"{number}.png")
    (folder / "5.png").write_bytes(b"no picture")
    predict("model", [folder], out=opened / "whole.csv", batch_size=1)

    answered: list[str] = []
    answers = Predictor.answers

    def stopped_after(count: float) -> Any:
        def stops(self: Predictor, samples: Any, *rest: Any) -> Any:
            samples = list(samples)
            for sample, answer in zip(samples, answers(self, samples, *rest), strict=True):
                if len(answered) == count:
                    raise KeyboardInterrupt
                answered.append(sample.files[0].name)
                yield answer

        return stops

    monkeypatch.setattr(Predictor, "answers", stopped_after(3))
    with pytest.raises(KeyboardInterrupt):
        predict("model", [folder], out=opened / "out.csv", batch_size=1)
    kept = opened / "out.csv.unfinished"
    assert f"3 new answers are in {kept}; the same command goes on there" in capsys.readouterr().err
    assert kept.stat().st_mode & 0o077 == 0  # it names the files
    lines = [line for line in kept.read_text().splitlines() if line]
    kept.write_text("\n".join([*lines[:-1], lines[-1][:40]]))  # a line that a kill has cut off
    answered.clear()
    monkeypatch.setattr(Predictor, "answers", stopped_after(1))
    with pytest.raises(KeyboardInterrupt):
        predict("model", [folder], out=opened / "out.csv", batch_size=1)
    assert "2 of 6 samples were answered by the command before" in capsys.readouterr().out
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(
        folder / "1.png"
    )  # and a file that has changed since
    answered.clear()
    monkeypatch.setattr(Predictor, "answers", stopped_after(float("inf")))
    predict("model", [folder], out=opened / "out.csv", batch_size=1)
    assert answered == ["1.png", "3.png", "4.png", "5.png"]
    assert "2 of 6 samples were answered by the command before" in capsys.readouterr().out
    assert not kept.exists()
    rows, whole = [(opened / name).read_text().splitlines() for name in ("out.csv", "whole.csv")]
    assert [row for at, row in enumerate(rows) if at != 2] == [row for at, row in enumerate(whole) if at != 2]
    assert rows[2] != whole[2]


def test_an_image_that_is_not_answered_has_its_statistics(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = TensorPredictor.columns

    def withheld(*arguments: Any, **named: Any) -> dict[str, Any]:
        known = columns(*arguments, **named)
        n = len(next(iter(known.values())))
        return {**known, "distance": np.full(n, 2.0), "answered": np.full(n, "no")}

    monkeypatch.setattr(TensorPredictor, "columns", withheld)
    monkeypatch.setattr("scantune.registry.predictor._read_note", lambda prepared: "one frame of three")
    predict("m", [opened / "Doe_0.png"], seg=opened / "masks", statistics=True, out=opened / "answers.csv")
    table = read(opened / "answers.csv")
    assert table.text("note")[0] == "one frame of three"
    assert table.text("reason")[0].startswith("not answered")
    assert 0 < float(table.text("image_mean")[0]) < 1
    assert "mask" not in table


@pytest.mark.parametrize("changed", ["a.raw", "study/series/1.dcm"])
def test_a_row_is_not_taken_up_where_a_part_of_its_sample_has_changed(
    opened: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.chdir(opened)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.int16)), "a.mhd")
    Path("study/series").mkdir(parents=True)
    Path("study/series/1.dcm").write_bytes(b"1")
    sample = Sample(0, Source((Path("a.mhd" if changed == "a.raw" else "study"),)))
    model, row = opening.open_model("m"), {"file": "x", "reason": ""}
    Unfinished(Path("out.csv"), model, {}, {}).keep(sample, row)
    assert Unfinished(Path("out.csv"), model, {}, {}).row(sample) == row
    Path(changed).write_bytes(b"other content")
    assert Unfinished(Path("out.csv"), model, {}, {}).row(sample) is None


def test_answers_of_another_model_are_not_taken_up(opened: Path, capsys) -> None:
    (opened / "out.csv.unfinished").write_text('["0" , {"file": "x", "reason": ""}]\n')
    predict("model", [opened / "Doe_0.png"], out=opened / "out.csv")
    assert "answered by the command before" not in capsys.readouterr().out
    assert len(read(opened / "out.csv")) == 1


def test_a_sample_whose_mask_the_disk_did_not_take_is_tried_again(
    opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    whole, keeping = [], Unfinished.keep
    monkeypatch.setattr(Unfinished, "keep", lambda self, sample, row: (whole.append(row), keeping(self, sample, row)))
    monkeypatch.setattr("scantune.registry.results.write_mask", full)
    predict("m", [str(opened / "Doe_0.png")], seg=opened / "masks", out=opened / "answers.csv")
    assert whole == []
    assert read(opened / "answers.csv").text("mask_reason").tolist() == [
        "it cannot be written (No space left on device)"
    ]


def test_a_mask_of_which_the_disk_took_half_is_not_in_the_folder(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, *_: object) -> Path:
        (folder / "mask.png").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scantune.registry.results.write_mask", full)
    predict("m", [str(opened / "Doe_0.png")], seg=opened / "masks", out=opened / "answers.csv")
    assert list((opened / "masks").iterdir()) == []
