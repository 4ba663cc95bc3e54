"""What a client of a served model may send: nothing outside the served folders is read, whatever it is called."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from scantune import io
from scantune.preprocess import ahead, within
from scantune.preprocess.within import Within, opened
from scantune.records import ReadError
from scantune.registry.predictor import Predictor, Reading
from scantune.registry.pyfunc import Model, _load_pyfunc
from tests.security.conftest import picture


@pytest.fixture
def served(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that serves the folder ``in``."""
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", 9)
    picture(tmp_path / "secret" / "s.png")
    monkeypatch.setenv("SCANTUNE_SERVED_FOLDERS", str(tmp_path / "in"))
    return _load_pyfunc(str(model_folder))


def reasons(model: Model, *paths: object) -> list[str]:
    return model.predict(pd.DataFrame({"path": list(paths)}, dtype=object))["reason"].tolist()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def server(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))  # such names are short


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def looping(path: Path) -> None:
    path.symlink_to(path)


def leading_out(path: Path) -> None:
    path.symlink_to(path.parents[1] / "secret" / "s.png")


def folder_leading_out(path: Path) -> None:
    path.symlink_to(path.parents[1] / "secret")


def folder_with_a_link_out(path: Path) -> None:
    path.mkdir()
    leading_out_from = path.parents[1] / "secret" / "s.png"
    (path / "x.png").symlink_to(leading_out_from)


def folder_with_a_pipe(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "x.png")


KINDS: dict[Callable[[Path], None], str] = {
    pipe: "named pipe",
    server: "named pipe or a device",
    dangling: "no such file",
    looping: "cannot be looked up",
    leading_out: "outside the served folders",
    folder_leading_out: "outside the served folders",
    folder_with_a_link_out: "outside the served folders",
    folder_with_a_pipe: "named pipe",
}


@pytest.mark.parametrize("isolated", ["on", "off"])
def test_each_bad_row_is_one_reason_and_the_good_ones_are_answered(served, tmp_path, monkeypatch, isolated):
    monkeypatch.setenv("SCANTUNE_ISOLATION", isolated)
    monkeypatch.chdir(tmp_path)
    served.predictor.reading = Reading(within=served.predictor.reading.within)
    for kind in KINDS:
        kind(tmp_path / "in" / kind.__name__)
    start = time.monotonic()
    names = [tmp_path / "in" / kind.__name__ for kind in KINDS]
    others = [tmp_path / "secret/s.png", "/etc/passwd", "in/../secret/s.png", "/dev/zero", "file:///etc/passwd", "a\0b"]
    paths = [str(tmp_path / "in/a.png"), *map(str, [*names, *others]), None, "x" * 5000, str(tmp_path / "in/b.png")]
    rows = served.predict(pd.DataFrame({"path": paths}, dtype=object))
    assert time.monotonic() - start < 20
    told = rows["reason"].tolist()
    assert told[0] == told[-1] == ""
    assert rows["prediction"].isna().tolist() == [bool(reason) for reason in told]
    for kind, reason in zip(KINDS, told[1:]):
        assert KINDS[kind] in reason, kind.__name__
    assert all(told[1:-1])
    assert str(tmp_path) not in "".join(told), "no path of the server leaves it"


def test_a_file_exchanged_after_the_check_is_not_the_one_that_is_read(served, tmp_path, monkeypatch):
    (expected,) = served.predictor.predict([tmp_path / "in/a.png"])
    real = within.prepare

    def exchanged(files: Any, *rest: Any) -> Any:
        (tmp_path / "in/a.png").unlink()
        (tmp_path / "in/a.png").symlink_to(tmp_path / "secret/s.png")
        return real(files, *rest)

    picture(tmp_path / "secret" / "s.png", 70)
    monkeypatch.setattr(within, "prepare", exchanged)
    served.predictor.reading = Reading(isolated=False, within=served.predictor.reading.within)
    (answer,) = served.predictor.predict([tmp_path / "in/a.png"])
    assert answer.values == expected.values


def test_a_file_exchanged_between_look_up_and_opening_is_refused(served, tmp_path, monkeypatch):
    real = os.open

    def exchanged(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("a.png"):
            return real(tmp_path / "secret/s.png", *rest, **more)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", exchanged)
    with (
        pytest.raises(ReadError, match="changed while it was opened"),
        opened([tmp_path / "in/a.png"], Within((str(tmp_path / "in"),))),
    ):
        pass


def test_links_inside_and_whole_folders_are_read(served, tmp_path):
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "in" / "b.png")
    assert reasons(served, tmp_path / "in/link.png", tmp_path / "in/b.png") == ["", ""]
    limits = Within((str(tmp_path / "in"),))
    with opened([tmp_path / "in"], limits) as (folder,):
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["000000.png", "000001.png", "000002.png"]
        assert (folder / "000000.png").read_bytes() == (tmp_path / "in/a.png").read_bytes()
        assert folder.parent.stat().st_mode & 0o77 == 0
    assert not folder.exists()


def test_without_proc_they_are_copies(served, tmp_path, monkeypatch):
    monkeypatch.setattr(within, "_PROC", tmp_path / "none")
    with opened([tmp_path / "in/a.png"], Within((str(tmp_path / "in"),))) as (path,):
        assert not path.is_symlink()
        assert path.read_bytes() == (tmp_path / "in/a.png").read_bytes()


def test_a_folder_of_very_many_files_ends_when_the_limit_is_reached(tmp_path, monkeypatch):
    (tmp_path / "many").mkdir()
    for number in range(300):
        (tmp_path / "many" / str(number)).touch()
    seen: list[int] = []
    count = within._Left.count
    monkeypatch.setattr(within._Left, "count", lambda self, number: (seen.append(number), count(self, number)))
    reading = opened([tmp_path / "many"], Within((str(tmp_path),), max_files=100))
    with pytest.raises(ReadError, match=r"more than 100 files, the most that is read.*SCANTUNE_SERVED_FILES"), reading:
        pass
    assert len(seen) == 101, "the other files are not looked at"


def test_more_bytes_than_may_be_are_refused(tmp_path, model_folder, monkeypatch):
    picture(tmp_path / "in" / "a.png")
    monkeypatch.setenv("SCANTUNE_SERVED_FOLDERS", str(tmp_path / "in"))
    monkeypatch.setenv("SCANTUNE_SERVED_BYTES", "10")
    (reason,) = reasons(_load_pyfunc(str(model_folder)), tmp_path / "in/a.png")
    assert "larger than 10 bytes" in reason
    monkeypatch.setenv("SCANTUNE_SERVED_BYTES", "lots")
    with pytest.raises(Exception, match="SCANTUNE_SERVED_BYTES is 'lots'"):
        _load_pyfunc(str(model_folder))


def test_where_no_folder_is_served_nothing_is_read(tmp_path, model_folder, monkeypatch):
    picture(tmp_path / "in" / "a.png")
    monkeypatch.setenv("__pyfunc_model_path__", "x")
    monkeypatch.setattr("scantune.registry.pyfunc._without_traces", lambda: None)
    (reason,) = reasons(_load_pyfunc(str(model_folder)), tmp_path / "in/a.png")
    assert "outside the served folders" in reason


@pytest.fixture
def client(tmp_path, model_folder, monkeypatch):
    """MLflow's own server around the model, in this process."""
    picture(tmp_path / "in" / "a.png")
    monkeypatch.setenv("SCANTUNE_SERVED_FOLDERS", str(tmp_path / "in"))
    monkeypatch.setenv("__pyfunc_model_path__", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow and Starlette, about their own code
        from fastapi.testclient import TestClient
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc import scoring_server
        from mlflow.types import Schema

        from scantune.tracking.models import signature

        monkeypatch.setattr(MlflowException, "serialize_as_json", MlflowException.serialize_as_json)  # put back later
        monkeypatch.setattr(Schema, "pandas_types", Schema.pandas_types)
        mlflow.pyfunc.save_model(
            tmp_path / "flavour",
            loader_module="scantune.registry.pyfunc",
            data_path=str(model_folder),
            signature=signature({"prediction": "double"}),
            pip_requirements=["mlflow"],
        )
        opened = mlflow.pyfunc.load_model(str(tmp_path / "flavour"))
    yield TestClient(scoring_server.init(opened))
    ahead.end_idle()


BAD = {
    "no json": "{",
    "another type": "[1]",
    "no path": '{"dataframe_split": {"columns": ["file"], "data": [["a"]]}}',
    "batch size 0": '{"dataframe_records": [{"path": "a"}], "params": {"batch_size": 0}}',
    "batch size words": '{"dataframe_records": [{"path": "a"}], "params": {"batch_size": "many"}}',
    "ragged": '{"dataframe_split": {"columns": ["path"], "data": [["a", "b"]]}}',
}


@pytest.mark.parametrize("name", BAD)
def test_no_trace_and_no_path_of_the_server_leaves_it(client, tmp_path, name):
    done = client.post("/invocations", content=BAD[name], headers={"content-type": "application/json"})
    assert done.status_code >= 400
    for word in ("Traceback", "stack_trace", ".py", "site-packages", str(tmp_path), os.path.expanduser("~") + "/"):
        assert word not in done.text


def test_a_fault_of_the_server_itself_is_told_without_its_words(client, tmp_path, monkeypatch):
    def broken(*arguments: Any) -> None:
        raise RuntimeError(f"{tmp_path}/weights: no space")

    monkeypatch.setattr(Predictor, "answers", broken)
    done = client.post("/invocations", json={"dataframe_records": [{"path": str(tmp_path / "in/a.png")}]})
    assert done.status_code == 500
    assert "RuntimeError" in done.text
    assert str(tmp_path / "weights") not in done.text
    assert "Traceback" not in done.text


def test_a_folder_of_several_images_is_refused_and_not_answered_for_one(served, tmp_path, monkeypatch):
    folder = tmp_path / "in/study"
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    io.write_dicom_image(folder / "1.dcm", pixels, patient_id="p", seed="s", bits=12)
    (folder / "report.txt").write_text("normal")
    for isolated in (True, False):
        served.predictor.reading = Reading(isolated=isolated, within=served.predictor.reading.within)
        assert reasons(served, folder) == [""], "one DICOM file, and a text"
    picture(folder / "more/2.png")
    picture(folder / "3.png")
    for within_ in (served.predictor.reading.within, None):
        for isolated in (True, False):
            served.predictor.reading = Reading(isolated=isolated, within=within_)
            (reason,) = reasons(served, folder)
            assert "holds 1 DICOM file and 2 other images" in reason
            assert "name each file in a row of its own" in reason
            assert reasons(served, folder / "1.dcm", folder / "3.png") == ["", ""]
    (folder / "1.dcm").unlink()
    assert "holds 2 images: a folder is one sample" in reasons(served, folder)[0]


@pytest.mark.parametrize("cells", ["{png},61,f", "{png},,", "{png},61.5,f", ",,", "5,6,7"])
def test_a_csv_body_is_answered_as_the_same_rows_in_json(client, tmp_path, cells):
    names, row = ["path", "age", "sex"], cells.format(png=tmp_path / "in/a.png").split(",")
    body = "\n".join([",".join(names), ",".join(row), str(tmp_path / "in/a.png") + ",9,m"]) + "\n"
    done = client.post("/invocations", content=body, headers={"content-type": "text/csv"})
    assert done.status_code == 200, done.text
    records = [dict(zip(names, row)), {"path": str(tmp_path / "in/a.png"), "age": "9", "sex": "m"}]
    assert done.json() == client.post("/invocations", json={"dataframe_records": records}).json()
    assert [row["reason"] == "" for row in done.json()["predictions"]] == ["png" in cells, True]


def test_an_answer_is_json_that_any_client_reads(client, tmp_path):
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    records = [{"path": str(tmp_path / "in/none.png")}, {"path": str(tmp_path / "in/a.png")}]
    done = client.post("/invocations", json={"dataframe_records": records})
    absent, there = json.loads(done.text, parse_constant=refuse)["predictions"]
    assert absent["prediction"] is None
    assert isinstance(there["prediction"], float)


def test_a_good_row_is_answered_beside_bad_ones(client, tmp_path):
    records = [{"path": str(tmp_path / "in/a.png")}, {"path": "/etc/passwd"}, {"path": ""}]
    rows = client.post("/invocations", json={"dataframe_records": records}).json()["predictions"]
    assert rows[0]["prediction"] is not None
    assert ["outside" in row["reason"] for row in rows] == [False, True, False]


def test_content_is_answered_as_its_file_in_json_and_in_csv(client, tmp_path):
    path = tmp_path / "in/a.png"
    content = base64.b64encode(path.read_bytes()).decode()
    records = [{"path": str(path), "bytes": None}, {"path": None, "bytes": content}, {"path": None, "bytes": None}]
    in_json = client.post("/invocations", json={"dataframe_records": records}).json()["predictions"]
    body = f"path,bytes\n{path},\n,{content}\n,\n"
    in_csv = client.post("/invocations", content=body, headers={"content-type": "text/csv"}).json()["predictions"]
    assert in_csv == in_json
    assert [row["reason"] for row in in_json] == ["", "", "neither a path nor bytes in this row"]
    assert in_json[0]["prediction"] == pytest.approx(in_json[1]["prediction"], abs=1e-6)
    alone = client.post("/invocations", json={"inputs": [{"bytes": content, "name": "a.png"}]}).json()
    assert alone["predictions"] == [in_json[1]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": {"path": ["a.png"]}}, "the path of this row is a list; a row names one file"),
        ({"dataframe_records": [{"path": 3}]}, "the path of this row is 3; a row names one file"),
        ({"dataframe_records": [{"file": "a.png"}]}, "it has neither. As JSON:"),
        ({"instances": ["a.png"]}, "it has neither. As JSON:"),
        ({"dataframe_records": []}, "it has neither. As JSON:"),
        ({"inputs": []}, "it has neither. As JSON:"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_with_what_would_be_right(client, body, words):
    text = client.post("/invocations", json=body).text.replace('\\"', '"')
    assert words in text
    assert '{"dataframe_records": [{"path": "a.dcm"}, {"path": "b.dcm"}]}' in text
