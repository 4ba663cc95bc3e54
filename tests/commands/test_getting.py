"""``scantune get`` from a server on 127.0.0.1: right file, wrong digest, cut download, no network, no licence."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scantune import cohort
from scantune.cli import app
from scantune.cohort.provenance import read_provenance
from scantune.commands import getting
from scantune.config.load import load
from scantune.public.catalogue import PUBLIC
from scantune.public.entry import RemoteFile
from scantune.records import ScantuneError
from tests.models.hub import Hub, served
from tests.public.test_layouts import decathlon

NAME = "msd_hippocampus"
PARAMS = """# mine
demo: {}
datasets: {}  # none yet
inputs: {}
experiments: {}
derived: {}
external: {}
ensembles: {}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    root = tmp_path_factory.mktemp("decathlon")
    decathlon(root)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.add(root / "Task04_Hippocampus", "Task04_Hippocampus")
    return content.getvalue()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def _published_at(monkeypatch: pytest.MonkeyPatch, address: str, content: bytes, digest: str = "") -> None:
    """The data set's file at another address."""
    digest = digest or f"md5:{hashlib.md5(content).hexdigest()}"
    file = RemoteFile(f"{address}/Task04_Hippocampus.tar", "Task04_Hippocampus.tar", digest)
    monkeypatch.setitem(PUBLIC, NAME, replace(PUBLIC[NAME], files=(file,)))


def _get(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["get", NAME, *arguments])
    if isinstance(done.exception, ScantuneError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_files_and_blocks_are_there_and_a_second_call_changes_nothing(project, monkeypatch, archive):
    with served(Hub({"/Task04_Hippocampus.tar": archive})) as hub:
        _published_at(monkeypatch, hub.address, archive)
        assert "CC BY-SA" in _get("--accept-licence")
        written = (project / "params.yaml").read_text()
        assert "unchanged" in _get("--accept-licence")
        assert len([method for method, *_ in hub.requests if method == "GET"]) == 1
    assert (project / "params.yaml").read_text() == written
    assert written.startswith("# mine\n")
    params = load(project / "params.yaml")
    records = cohort.load(params.datasets[NAME], project)
    assert len(records) == 6
    assert all(path.is_file() and path.is_relative_to(project / "data/raw") for r in records for path in r.files)
    assert "CC BY-SA" in read_provenance(project / "data/raw" / NAME).description


def test_a_download_that_was_cut_is_resumed(project, monkeypatch, archive):
    with served(Hub({"/Task04_Hippocampus.tar": archive}, cut=1)) as hub:
        _published_at(monkeypatch, hub.address, archive)
        with pytest.raises(ScantuneError, match="the same command resumes it"):
            _get("--accept-licence")
        assert (project / "params.yaml").read_text() == PARAMS
        _get("--accept-licence")
        assert [span for method, _, span in hub.requests if method == "GET"][1].startswith("bytes=")
    assert NAME in yaml.safe_load((project / "params.yaml").read_text())["datasets"]


def test_another_file_is_refused_and_deleted(project, monkeypatch, archive):
    with served(Hub({"/Task04_Hippocampus.tar": archive})) as hub:
        _published_at(monkeypatch, hub.address, archive, f"md5:{'0' * 32}")
        with pytest.raises(ScantuneError, match=r"MD5 of the download is .* published one is 0000.*deleted"):
            _get("--accept-licence")
    left = [path for path in project.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert [path.name for path in left] == ["params.yaml"]


def test_a_data_set_that_another_command_writes_is_left_to_it(project, monkeypatch, archive):
    inside = threading.Event(), threading.Event()
    prepare = PUBLIC[NAME].prepare

    def slow(source: Path, out: Path):
        inside[0].set()
        inside[1].wait(60)
        return prepare(source, out)

    decathlon(project / "here")
    monkeypatch.setitem(PUBLIC, NAME, replace(PUBLIC[NAME], prepare=slow))
    words = ("--from", str(project / "here"), "--accept-licence")
    first = threading.Thread(target=_get, args=words)
    first.start()
    assert inside[0].wait(60)
    try:
        with pytest.raises(ScantuneError, match=f"{NAME}: another scantune get writes its files"):
            getting.get(NAME, project / "here", True)
    finally:
        inside[1].set()
        first.join()
    assert NAME in load(project / "params.yaml").datasets


def test_outside_of_a_project_nothing_is_downloaded(project):
    (project / "params.yaml").unlink()
    with pytest.raises(ScantuneError, match=r"no params\.yaml in this folder.*--no-blocks"):
        _get("--accept-licence")
    assert not [path for path in project.rglob("*") if path.is_file()]


def test_without_network_the_message_names_the_ways_left(project, monkeypatch, archive):
    _published_at(monkeypatch, "http://127.0.0.1:9", archive)
    with pytest.raises(ScantuneError, match=r"could not be downloaded.*save the file as .*--from FOLDER") as fault:
        _get("--accept-licence")
    assert PUBLIC[NAME].page in str(fault.value)


def test_without_the_licence_nothing_is_requested(project, monkeypatch, archive):
    with served(Hub({"/Task04_Hippocampus.tar": archive})) as hub:
        _published_at(monkeypatch, hub.address, archive)
        with pytest.raises(ScantuneError, match="--accept-licence"):
            _get()
        assert not hub.requests


def test_an_archive_that_leads_out_of_the_folder_is_refused(project, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        entry = tarfile.TarInfo("../../../escaped")
        entry.size = 1
        file.addfile(entry, io.BytesIO(b"x"))
    with served(Hub({"/Task04_Hippocampus.tar": content.getvalue()})) as hub:
        _published_at(monkeypatch, hub.address, content.getvalue())
        with pytest.raises(ScantuneError, match="cannot be unpacked"):
            _get("--accept-licence")
    assert not list(project.rglob("escaped"))


def test_files_that_are_here_are_neither_moved_nor_changed(project):
    source = project.parent / f"{project.name}-files"
    decathlon(source)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    _get("--accept-licence", "--from", str(source))
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    params = load(project / "params.yaml")
    assert params.datasets[NAME].root == str(source / "Task04_Hippocampus")
    table = f"data/raw/{NAME}/{NAME}.csv"  # of the project, which may be moved
    assert (params.datasets[NAME].table, params.watched[f"{NAME}_table"].path) == (table, table)


def test_blocks_go_into_the_params_yaml_of_this_repository(project):
    shipped = Path(__file__).parents[2] / "params.yaml"
    (project / "params.yaml").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    decathlon(project / "here")
    result = CliRunner().invoke(app, ["get", NAME, "--from", str(project / "here"), "--accept-licence"])
    assert result.exit_code == 0, result.output
    params = load(project / "params.yaml")
    assert {NAME, "digits"} <= params.datasets.keys()
    assert params.datasets["digits"].split.on == ["label"]


def test_the_list_has_every_data_set():
    done = CliRunner().invoke(app, ["get"])
    assert done.exit_code == 0
    assert all(name.partition("_")[0] in done.output for name in PUBLIC)
    assert "pathmnist [_64, _128, _224]" in done.output
    unknown = CliRunner().invoke(app, ["get", "pathmnis"])
    assert "pathmnist" in str(unknown.exception)
