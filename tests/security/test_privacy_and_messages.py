"""Names of files stay with their user; what the system refuses is told in one line with the remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
import typer
import yaml

from scantune import io
from scantune.commands import project as commands
from scantune.commands.exporting import export
from scantune.files import private, words_of
from scantune.records import ScantuneError
from scantune.registry.model import read_facts
from scantune.tracking import TrackingError, client, open_run, own_folder
from scantune.tracking.store import unreachable_message
from tests.stages.conftest import ROOT, digits_params, experiment, run_stages

NAME = "Zanzibar"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose folders, table and files bear a name, ids keyed; prepared, one file of it damaged."""
    home, raw = tmp_path / "project", tmp_path / f"study_of_{NAME}"
    (raw / NAME).mkdir(parents=True)
    home.mkdir()
    rows = ["file,label,who"]
    for number in range(24):
        picture = np.random.default_rng(number).integers(0, 255, (20, 20), np.uint8)
        io.write_png(raw / NAME / f"{NAME}_{number}.png", picture)
        rows.append(f"{NAME}/{NAME}_{number}.png,{number % 2},{NAME}{number}")
    (raw / NAME / f"{NAME}_0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (raw / f"{NAME}.csv").write_text("\n".join(rows) + "\n")
    params = digits_params()
    params["demo"], params["quick"] = {}, []
    params["datasets"]["digits"] |= {
        "root": str(raw),
        "watch": str(raw),
        "table": f"{NAME}.csv",
        "sample": "{file}",
        "subject": "who",
        "pseudonyms": {},
        "max_excluded_fraction": 0.5,
    }
    params["experiments"] = {"small": experiment("small_cnn", epochs=1)}
    (home / "params.yaml").write_text(f"# data of {NAME}\n" + yaml.safe_dump(params))
    (home / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    shutil.copytree(ROOT / "stages", home / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("SCANTUNE_KEY", "a secret of many letters")
    monkeypatch.chdir(home)
    return home


def test_no_line_shows_a_pseudonym_beside_a_path(planted: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_stages(planted, "index digits", "preprocess digits")
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if f"{NAME}_0.png" in line]
    assert len(lines) == 1
    excluded = (planted / "data/cache/digits/excluded.csv").read_text().splitlines()[1].split(",")[0]
    assert len(excluded) > 8
    assert excluded not in lines[0]
    assert (planted / ".scantune").stat().st_mode & 0o777 == 0o700
    index = planted / ".scantune/index/digits.csv"
    assert NAME in index.read_text(), "it holds names, which is why others may not read it"


@pytest.mark.slow
def test_an_export_has_no_name_of_a_file_in_it(planted: Path) -> None:
    run_stages(planted, "index digits", "preprocess digits", "split digits", "train small")
    (planted / "outputs/small/evaluate").mkdir()
    for name in ("metrics.json", "predictions.csv", "report.html"):
        (planted / "outputs/small/evaluate" / name).write_text(NAME if name != "metrics.json" else "{}")
    (planted / "answers.csv").write_text(NAME)
    (planted / "dvc.lock").write_text(NAME)
    export(Path("given.zip"))
    with zipfile.ZipFile("given.zip") as archive:
        names = archive.namelist()
        for name in names:
            assert NAME not in name
            assert NAME.encode() not in archive.read(name), name
            assert str(planted).encode() not in archive.read(name), name
        archive.extractall("unpacked")
    assert {"outputs/small/evaluate/metrics.json", "outputs/small/train/model/model.json"} <= set(names)
    exported = {Path(name).name for name in names if name.startswith("outputs")}
    assert not exported & {"predictions.csv", "report.html"}
    assert read_facts(Path("unpacked/outputs/small/train/model")).name == "small"
    from scantune.config.load import load

    assert load("unpacked/params.yaml").datasets["digits"].root == "data/raw/digits"


def test_files_with_names_are_for_their_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private():
        (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    assert [(tmp_path / name).stat().st_mode & 0o077 for name in "a"] == [0]
    assert (tmp_path / "b").stat().st_mode & 0o044
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / ".scantune").mkdir(mode=0o755)
    assert own_folder().stat().st_mode & 0o777 == 0o700, "of an earlier version"


def test_the_table_of_predictions_is_for_its_user_alone(tmp_path: Path, model_folder: Path) -> None:
    from scantune.commands.predicting import predict
    from tests.security.conftest import picture

    predict(str(model_folder), [picture(tmp_path / "a.png")], out=tmp_path / "answers.csv", isolated=False)
    assert (tmp_path / "answers.csv").stat().st_mode & 0o777 == 0o600


def test_no_prediction_at_all_is_a_failure_and_every_reason_is_in_the_table(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scantune.commands.predicting import predict

    names = [tmp_path / f"{number}.png" for number in range(23)]
    with pytest.raises(typer.Exit) as ended:
        predict(str(model_folder), names, out=tmp_path / "answers.csv", isolated=False)
    assert ended.value.exit_code == 1
    assert f"… and 3 more (all: {tmp_path / 'answers.csv'})" in capsys.readouterr().err
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 24


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n")
    (tmp_path / ".git").mkdir()
    commands.refuse_broken(tmp_path)
    return tmp_path


def test_no_git_no_project_and_a_corrupt_lock_are_one_line_each_with_the_remedy(broken: Path) -> None:
    for content in ("{{{", "[1]", "\x00"):
        (broken / "dvc.lock").write_text(content)
        with pytest.raises(ScantuneError, match=r"^dvc\.lock is damaged: remove it \(rm dvc\.lock\).*$"):
            commands.refuse_broken(broken)
    (broken / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    commands.refuse_broken(broken)
    (broken / ".git").rmdir()
    with pytest.raises(ScantuneError, match="git init"):
        commands.refuse_broken(broken)
    (broken / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    commands.refuse_broken(broken)
    shutil.rmtree(broken / ".dvc")
    with pytest.raises(ScantuneError, match=r"no \.dvc"):
        commands.refuse_broken(broken)


def test_a_project_that_cannot_be_written_is_told(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(ScantuneError, match="this user cannot write here"):
        commands.refuse_broken(broken)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.ENOLCK])
def test_what_the_system_refuses_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scantune import script

    def refused(key: str) -> None:
        raise OSError(number, os.strerror(number), "outputs/x")

    monkeypatch.setattr("sys.argv", ["train.py", "x"])
    with pytest.raises(SystemExit) as ended:
        script.stage_main(refused)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train x: outputs/x: ")
    assert line.endswith(("of your own", "stays whole", "local disk"))
    assert words_of(ValueError("x")) is None


def test_a_disk_without_room_for_a_temporary_file_is_told() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']")
    assert "free space, or set TMPDIR" in str(words_of(error))
    assert words_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "a")) is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EPERM])
def test_a_file_of_the_project_that_is_refused_is_not_taken_for_the_server(
    number: int, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(TrackingError) as caught, open_run("split", "x", dataset="x"):
        pass
    assert "MLflow" not in str(caught.value)
    assert str(caught.value).startswith(os.strerror(number).lower())


@pytest.mark.parametrize("first", ["", "(raised as a result of Query-invoked autoflush; consider …)\n"])
def test_a_full_disk_of_the_store_is_told_as_one(first: str) -> None:
    told = unreachable_message(sqlite3.OperationalError(f"{first}database or disk is full\n[SQL: INSERT …]"))
    assert "cannot be written: database or disk is full. Free space" in told
    assert len(told.splitlines()) == 1


def test_a_store_whose_file_may_not_grow_is_not_taken_for_a_server() -> None:
    told = unreachable_message(sqlite3.OperationalError("(sqlite3.OperationalError) disk I/O error\n[SQL: …]"))
    assert "cannot be written: disk I/O error. Free space" in told


def test_a_store_that_another_process_has_locked_is_told_as_one() -> None:
    told = unreachable_message(sqlite3.OperationalError("(sqlite3.OperationalError) database is locked\n[SQL: …]"))
    assert "is locked by another process" in told
    assert told.endswith("end that, and run again")


def test_a_store_of_another_mlflow_version_is_told_with_the_command(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its own children
    with open_run("split", "x", dataset="x"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = 'later'")
        store.commit()
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "other.db")  # which no process has opened yet
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(TrackingError, match=r"another MLflow version.*run: mlflow db upgrade sqlite:///\S*other.db"):
        client()


def test_what_a_store_without_room_raises_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its own children
    with open_run("split", "x", dataset="x") as run:
        pass
    engine = run.service._tracking_client.store.engine
    sqlalchemy.event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA max_page_count = 1"))  # it is full
    engine.dispose()

    def more_runs() -> None:
        for _ in range(30):
            with open_run("split", "x", dataset="x") as run:
                run.params({str(number): "x" * 400 for number in range(90)})

    with pytest.raises(TrackingError) as caught:
        more_runs()
    assert "cannot be written: database or disk is full. Free space" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "Traceback" not in "".join(capfd.readouterr())
