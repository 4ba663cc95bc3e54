"""``scantune predict`` with addresses: each series as its folder, nothing left behind, results stored or told."""

from __future__ import annotations

import io as memory
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
import typer
from typer.testing import CliRunner

from scantune import io
from scantune.cli import app
from scantune.commands import remote_samples
from scantune.commands.predicting import predict
from scantune.commands.remote_samples import RemoteSamples
from scantune.dicomweb.address import Address
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts
from scantune.registry.predictor import Predictor, Reading
from scantune.tasks.predictions_file import read
from tests.pacs import Pacs, serving

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SERIES = ("FLAIR", "T1 post")


class Bright(torch.nn.Module):
    """One logit, above which a voxel is marked."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] - 100


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary folders, in which nothing may stay."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    for name in ("USER", "PASSWORD", "TOKEN", "BYTES"):
        monkeypatch.delenv(f"SCANTUNE_DICOMWEB_{name}", raising=False)
    return folder


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Pacs]:
    """A study with two series of MR, and one SR; the folders of the series are below ``study``."""
    with serving() as server:
        for number, name in enumerate(SERIES):
            volume = io.Volume(np.random.default_rng(number).normal(99, 9, (4, 8, 6)).round(), np.diag([1, 1, 2, 1.0]))
            tags = {"SeriesDescription": name, "SeriesNumber": number + 1, "StudyInstanceUID": "2.25.1"}
            folder = tmp_path / "study" / f"{number}"
            io.write_dicom_series(folder, volume, patient_id="p", seed=str(number), tags=tags)
            for path in sorted(folder.iterdir()):
                server.add(path)
        report = pydicom.dcmread(path)
        report.Modality, report.SeriesInstanceUID, report.SOPInstanceUID = "SR", "2.25.8", "2.25.9"
        report.file_meta.MediaStorageSOPInstanceUID = "2.25.9"
        report.save_as(tmp_path / "report.dcm")
        server.add(tmp_path / "report.dcm")
        yield server


def opened(monkeypatch: pytest.MonkeyPatch, folder: Path, modality: str = "volume", **settings: Any) -> Predictor:
    """A segmentation by a threshold, in the place of the model that is opened."""
    shape = {"shape": [8, 8]} if modality == "image" else {}
    block = {"dataset": "d", "modality": modality, "intensity": {"name": "none"}, "dtype": "float32"}
    facts = ModelFacts("m", "d", {"name": "segmentation"}, block | shape | settings)
    model = Predictor(facts, [Bright()], reading=Reading(isolated=False))
    model.folder = folder
    monkeypatch.setattr("scantune.registry.opening.open_model", lambda *_, **__: model)
    return model


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    return opened(monkeypatch, tmp_path)


def test_a_study_is_answered_as_the_folder_of_its_series(pacs, model, tmp_path, temporary, capsys):
    study = f"{pacs.address}/studies/2.25.1"
    predict("m", [study], seg=tmp_path / "a", out=tmp_path / "remote.csv")
    assert "set aside: 1 SR series" in capsys.readouterr().out
    predict("m", [tmp_path / "study"], seg=tmp_path / "b", out=tmp_path / "local.csv")
    remote, local = read(tmp_path / "remote.csv"), read(tmp_path / "local.csv")
    volumes = [table.numbers("volume_prediction", None) for table in (remote, local)]
    assert volumes[0] == pytest.approx(volumes[1], abs=1e-6)
    assert (volumes[0] > 0).all()
    assert all(file.startswith(f"{study}/series/") for file in remote.text("file"))
    assert [(tmp_path / "a" / name).read_bytes() for name in remote.text("mask")] == [
        (tmp_path / "b" / name).read_bytes() for name in local.text("mask")
    ]
    assert not list(temporary.iterdir())
    assert str(temporary) not in (tmp_path / "remote.csv").read_text()


def test_of_pictures_each_instance_is_a_sample(pacs, tmp_path, monkeypatch, capsys):
    opened(monkeypatch, tmp_path, "image")
    study = f"{pacs.address}/studies/2.25.1"
    predict("m", [study], out=tmp_path / "a.csv")
    files = read(tmp_path / "a.csv").text("file").tolist()
    assert len(files) == 8
    assert files == [f"{study}/series/{key[1]}/instances/{key[2]}" for key in pacs.files if key[1] != "2.25.8"]
    predict("m", [files[3]], out=tmp_path / "b.csv")
    row = (tmp_path / "a.csv").read_text().splitlines()[4]
    assert (tmp_path / "b.csv").read_text().splitlines()[1] == row
    pacs.bodies = {"/instances": ("application/json", b'[{"00080018": {"Value": ["2.25.7"]}}]')}
    predict("m", [files[0].partition("/instances")[0], files[3]], out=tmp_path / "c.csv")
    reasons = read(tmp_path / "c.csv").text("reason").tolist()
    assert "no such study, series or instance" in reasons[0]
    assert reasons[1:] == ["the server lists 1 of the 4 instances that it states", ""]


def test_a_series_that_the_model_does_not_read_is_set_aside(pacs, tmp_path, monkeypatch, capsys):
    opened(monkeypatch, tmp_path, series="t1 POST")
    predict("m", [f"{pacs.address}/studies/2.25.1"], out=tmp_path / "a.csv")
    assert "1 SR series, 1 series not described as 't1 POST', which the model reads" in capsys.readouterr().out
    assert len(read(tmp_path / "a.csv").text("file")) == 1
    opened(monkeypatch, tmp_path, series="T2")
    with pytest.raises(typer.Exit):
        predict("m", [f"{pacs.address}/studies/2.25.1"], out=tmp_path / "b.csv")
    (reason,) = read(tmp_path / "b.csv").text("reason")
    assert reason.startswith("the study has no series to predict from (1 SR series, 2 series not described")


def test_lines_of_a_list_may_be_addresses_and_bad_ones_cost_no_other(pacs, model, tmp_path, temporary):
    keys = list(dict.fromkeys(key[:2] for key in pacs.files))
    series = [f"{pacs.address}/studies/{study}/series/{uid}" for study, uid in keys]
    lines = [f"one\t{series[0]}", f"two\t{tmp_path}/study/1", f"three\t{pacs.address}/studies/1.2.3"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    predict("m", listed=tmp_path / "list.txt", seg=tmp_path / "masks", out=tmp_path / "a.csv")
    table = read(tmp_path / "a.csv")
    assert table.sample_id.tolist() == ["one", "two", "three"]
    assert table.text("mask").tolist() == ["one.dcm", "two.dcm", ""]
    assert "no such study" in table.text("reason")[2]
    (tmp_path / "list.txt").write_text(f"one\t{pacs.address}/studies/2.25.1")
    with pytest.raises(ScantuneError, match=r"one: http.* is an address of 2 samples, not of one"):
        predict("m", listed=tmp_path / "list.txt", out=tmp_path / "a.csv")


def test_rows_of_a_table_may_be_addresses(pacs, model, tmp_path, capsys):
    keys = list(dict.fromkeys(key[:2] for key in pacs.files))
    series = [f"{pacs.address}/studies/{study}/series/{uid}" for study, uid in keys]
    paths = [series[0], "study/1", f"{pacs.address}/studies/2.25.1", "http://me:word@h/studies/1", f"{series[0]}9", ""]
    table = tmp_path / "table.csv"
    table.write_text("sample_id,path\n" + "".join(f"s{number},{path}\n" for number, path in enumerate(paths)))
    predict("m", table=table, seg=tmp_path / "masks", out=tmp_path / "a.csv")
    answers = read(tmp_path / "a.csv")
    assert answers.sample_id.tolist() == [f"s{number}" for number in range(5)] + [""]
    assert answers.text("mask").tolist() == ["s0.dcm", "s1.dcm", "", "", "", ""]
    assert answers.text("file")[0] == series[0]
    reasons = answers.text("reason").tolist()
    assert reasons[:3] == ["", "", "2 samples are at this address, and a row is one"]
    assert "a user or a password in it" in reasons[3]
    assert "no such series" in reasons[4]
    assert "word@" not in (tmp_path / "a.csv").read_text() + capsys.readouterr().err
    table.write_text(f"path\n{series[0]}9\n")
    with pytest.raises(typer.Exit):
        predict("m", table=table, out=tmp_path / "b.csv")
    assert "--root" not in capsys.readouterr().err


def test_an_address_that_cannot_be_read_is_refused_before_a_model_is_opened(pacs, tmp_path):
    for wrong in (pacs.address, f"{pacs.address}/studies/2.25.1?x=1", "http://me:word@h/studies/1.2"):
        with pytest.raises(ScantuneError) as caught:
            predict("no model", [wrong], out=tmp_path / "a.csv")
        assert "word" not in str(caught.value).replace("password", "").replace("PASSWORD", "")
    with pytest.raises(ScantuneError, match="--store sends what --sr FOLDER and --seg FOLDER write"):
        predict("no model", [tmp_path], store=pacs.address, out=tmp_path / "a.csv")


def test_results_are_stored_and_a_refused_one_is_told(pacs, model, tmp_path, capsys):
    study, before = f"{pacs.address}/studies/2.25.1", dict(pacs.files)
    predict("m", [study], sr=tmp_path / "sr", seg=tmp_path / "seg", out=tmp_path / "a.csv")
    assert pacs.files == before, "nothing is sent without --store"
    pacs.refused = {SEG: 0x0122}
    predict("m", [study], sr=tmp_path / "sr", seg=tmp_path / "seg", store=pacs.address, out=tmp_path / "b.csv")
    table = read(tmp_path / "b.csv")
    expected = "not stored: the server refuses it: the SOP class is not supported (0122)"
    assert table.text("mask_reason").tolist() == [expected] * 2
    assert "report_reason" not in table.columns
    assert all((tmp_path / "seg" / name).is_file() for name in table.text("mask"))
    assert f"stored at {pacs.address}/studies: 2 results; not stored: 2" in capsys.readouterr().out
    new = [content for key, content in pacs.files.items() if key not in before]
    assert sorted(new) == sorted((tmp_path / "sr" / name).read_bytes() for name in table.text("report"))
    names = {pydicom.dcmread(memory.BytesIO(content)).SeriesDescription for content in new}
    assert names == {"scantune m"}, "by which a viewer of the PACS lists them"
    pacs.refused, count = {}, len(pacs.files)
    predict("m", [study], sr=tmp_path / "sr", seg=tmp_path / "seg", store=pacs.address, out=tmp_path / "b.csv")
    assert len(pacs.files) == count + 2, "the reports are the same instances"
    predict("m", [study], out=tmp_path / "c.csv")
    assert "set aside: 2 SEG series, 3 SR series" in capsys.readouterr().out


def test_a_result_that_is_no_dicom_and_a_server_that_takes_none_are_told(pacs, model, tmp_path):
    io.write_nifti(tmp_path / "a.nii.gz", io.Volume(np.arange(192.0).reshape(4, 8, 6), np.eye(4)))
    options = {"seg": tmp_path / "seg", "store": pacs.address, "out": tmp_path / "a.csv"}
    with pytest.raises(typer.Exit):
        predict("m", [tmp_path / "a.nii.gz"], **options)
    assert read(tmp_path / "a.csv").text("mask_reason").tolist() == ["not stored: it is no DICOM"]
    pacs.failing = 500
    with pytest.raises(typer.Exit):
        predict("m", [tmp_path / "study/0"], **options)
    assert read(tmp_path / "a.csv").text("mask_reason").tolist() == ["not stored: the server failed (500)"]


def test_credentials_that_cannot_hold_stop_before_the_work(pacs, model, tmp_path, monkeypatch):
    monkeypatch.setenv("SCANTUNE_DICOMWEB_USER", "me")
    with pytest.raises(ScantuneError, match="one alone is set"):
        predict("m", [tmp_path / "study/0"], seg=tmp_path / "seg", store=pacs.address, out=tmp_path / "a.csv")
    assert not (tmp_path / "seg").exists()


def test_a_series_that_is_cut_has_its_reason_and_the_others_are_answered(pacs, model, tmp_path, temporary):
    gone = next(iter(pacs.files))
    pacs.gone = {gone[2]}
    predict("m", [f"{pacs.address}/studies/2.25.1"], seg=tmp_path / "seg", out=tmp_path / "a.csv")
    table = read(tmp_path / "a.csv")
    assert table.text("reason").tolist() == ["the server has no such study, series or instance (404)", ""]
    assert not list(temporary.iterdir())


def test_a_command_that_was_stopped_goes_on_without_fetching_again(
    pacs, model, tmp_path, temporary, monkeypatch, capsys
):
    study = f"{pacs.address}/studies/2.25.1"
    retrieve = remote_samples.retrieve
    fetched: list[str] = []

    def stopping(connection: Any, address: Address, *rest: Any) -> None:
        if len(fetched) == 1:
            raise KeyboardInterrupt
        fetched.append(address.series)
        retrieve(connection, address, *rest)

    monkeypatch.setattr(remote_samples, "retrieve", stopping)
    with pytest.raises(KeyboardInterrupt):
        predict("m", [study], seg=tmp_path / "seg", out=tmp_path / "a.csv", batch_size=1)
    assert "1 new answers are in" in capsys.readouterr().err
    assert not list(temporary.iterdir())
    monkeypatch.setattr(remote_samples, "retrieve", lambda *a: (fetched.append(a[1].series), retrieve(*a))[1])
    predict("m", [study], seg=tmp_path / "seg", out=tmp_path / "a.csv", batch_size=1)
    assert "1 of 2 samples were answered by the command before" in capsys.readouterr().out
    assert len(fetched) == len(set(fetched)) == 2
    assert read(tmp_path / "a.csv").text("reason").tolist() == ["", ""]
    assert not list(temporary.iterdir())


def test_what_a_stopped_command_has_stored_counts_in_the_one_that_goes_on(pacs, model, tmp_path, monkeypatch, capsys):
    study, retrieve = f"{pacs.address}/studies/2.25.1", remote_samples.retrieve
    options = {"seg": tmp_path / "seg", "store": pacs.address, "out": tmp_path / "a.csv", "batch_size": 1}
    fetched: list[str] = []

    def stopping(connection: Any, address: Address, *rest: Any) -> None:
        if fetched:
            raise KeyboardInterrupt
        fetched.append(address.series)
        retrieve(connection, address, *rest)

    monkeypatch.setattr(remote_samples, "retrieve", stopping)
    with pytest.raises(KeyboardInterrupt):
        predict("m", [study], **options)
    monkeypatch.setattr(remote_samples, "retrieve", retrieve)
    pacs.refused = {SEG: 0xA700}
    predict("m", [study], **options)  # and does not end with exit code 1, as where no result is stored
    assert "1 results; not stored: 1" in capsys.readouterr().out


def test_few_series_are_on_the_disk_at_once(pacs, tmp_path, temporary):
    remote = RemoteSamples(whole=False)
    samples, _ = remote.below(Address.of(f"{pacs.address}/studies/2.25.1"))
    for sample, source in zip(samples, remote.sources(samples)):
        assert source.files[0].is_file()
        assert len(list(temporary.rglob("*.dcm"))) == 1
        remote.release(sample)
    remote.close()
    assert not list(temporary.iterdir())


def test_a_sample_that_is_answered_before_it_is_read_leaves_no_files(pacs, tmp_path, temporary):
    remote = RemoteSamples(whole=False)
    samples, _ = remote.below(Address.of(f"{pacs.address}/studies/2.25.1"))
    remote.release(samples[0])
    for sample, source in zip(samples, remote.sources(samples)):
        assert source.files[0].exists() == (sample is not samples[0])
        remote.release(sample)
    assert not list(temporary.rglob("*.dcm"))
    remote.close()


def test_the_command_line_takes_an_address(pacs, model, tmp_path):
    done = CliRunner().invoke(app, ["predict", "m", f"{pacs.address}/studies/2.25.1", "--out", str(tmp_path / "a.csv")])
    assert done.exit_code == 0, done.output
    assert "2 predictions, 0 unusable samples" in done.output


def test_series_of_a_modality_that_the_model_was_not_trained_on(pacs, tmp_path, monkeypatch, capsys):
    model = opened(monkeypatch, tmp_path)
    cohort = {"dicom_modality": {"n": 9, "counts": {"CT": 9}}}
    model.facts = replace(model.facts, training={"cohort": cohort})
    study = f"{pacs.address}/studies/2.25.1"
    with pytest.raises(typer.Exit):
        predict("m", [study], out=tmp_path / "a.csv")
    assert "2 MR series (the model was trained on CT)" in read(tmp_path / "a.csv").text("reason")[0]
    capsys.readouterr()
    predict("m", [tmp_path / "study" / "0"], out=tmp_path / "b.csv", statistics=True)  # named by a person
    told = capsys.readouterr().out
    assert "of a DICOM modality that the training cohort lacks: 1 MR (it has CT)" in told
    assert read(tmp_path / "b.csv").text("dicom_modality").tolist() == ["MR"]
