"""A model asked about files whose decoder crashes, hangs or eats all memory: each is a row with its reason."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantune import io, models
from scantune.preprocess import ahead
from scantune.preprocess.within import Within
from scantune.records import ScantuneError, Sent
from scantune.registry.model import ModelFacts, save_model
from scantune.registry.predictor import Predictor, Reading
from tests.preprocess.test_decoders import PLANTED
from tests.processes import children, left

REASONS = {
    b"CRSH": "its decoder crashed",
    b"HANG": "it takes longer than 3 s to prepare (time_limit): its decoder hangs, or reading is too slow",
    b"OOM!": "the reading process was killed; memory may have run out",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of random weights."""
    torch.manual_seed(0)
    backbone = models.build("small_cnn", modality="image", in_channels=1, size=(12, 12))
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1)).eval()
    settings = {"dataset": "mine", "modality": "image", "shape": [12, 12], "time_limit": 3.0}
    facts = ModelFacts("tiny", "mine", {"name": "regression", "target": "score"}, settings)
    save_model(tmp_path / "model", facts, [network])
    return tmp_path / "model"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes pictures some of which have a deadly end; processes that decode fall for it."""
    ahead.end_idle()  # those of other tests know nothing of the plant
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "plant"), *sys.path]))

    def make(ends: list[bytes]) -> list[Path]:
        rng = np.random.default_rng(0)
        paths = [
            io.write_png(tmp_path / f"{i}.png", rng.integers(0, 255, (14, 10), np.uint8)) for i in range(len(ends))
        ]
        for path, end in zip(paths, ends):
            path.write_bytes(path.read_bytes() + end)
        return paths

    yield make
    ahead.end_idle()


def test_nothing_of_a_sample_whose_reading_was_killed_stays_on_the_disk(
    folder: Path, planted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    paths = planted([b"CRSH", b"OOM!", b""])
    model = Predictor.load(folder, reading=Reading(within=Within((str(tmp_path),))))
    answers = model.predict([*paths, *(Sent(path.read_bytes()) for path in paths)])
    assert [answer.reason == "" for answer in answers] == [False, False, True] * 2
    assert not list((tmp_path / "tmp").glob("scantune-*"))


def test_each_is_a_row_with_its_reason_and_the_others_are_answered(folder: Path, planted: Any) -> None:
    ends = [b"", b"CRSH", b"", b"HANG", b"PRNT", b"OOM!", b"CRSH", b"", b""]
    paths = planted(ends)
    answers = Predictor.load(folder).predict([*paths, folder.parent / "none.png"], batch_size=4)
    assert [answer.reason for answer in answers[:-1]] == [REASONS.get(end, "") for end in ends]
    assert answers[-1].reason == "there is no such file"
    good = [i for i, end in enumerate(ends) if end not in REASONS]
    here = Predictor.load(folder, reading=Reading(isolated=False)).predict([paths[i] for i in good])
    for i, other in zip(good, here, strict=True):
        assert answers[i].values == pytest.approx(other.values, abs=1e-6)
        assert answers[i].prepared.tensor.tobytes() == other.prepared.tensor.tobytes()
        assert answers[i].prepared.spacing == other.prepared.spacing
    assert all(not answers[i].values for i, end in enumerate(ends) if end in REASONS), "never zeros"


@pytest.mark.slow
def test_the_registered_model_and_the_command_do_so_too(folder: Path, planted: Any, monkeypatch: Any) -> None:
    import pandas as pd

    from scantune.commands.predicting import predict
    from scantune.registry.pyfunc import _load_pyfunc

    monkeypatch.setenv("SCANTUNE_SERVED_SECONDS", "2.5")
    paths = planted([b"", b"HANG", b"CRSH"])
    rows = _load_pyfunc(str(folder)).predict(pd.DataFrame({"path": [str(path) for path in paths]}))
    assert list(rows["reason"].str.slice(0, 24)) == ["", "it takes longer than 2.5", "its decoder crashed"]
    assert list(rows["prediction"].isna()) == [False, True, True]
    predict(str(folder), paths[::2], out=folder.parent / "a.csv")
    lines = (folder.parent / "a.csv").read_text().splitlines()
    assert ["decoder crashed" in line for line in lines] == [False, False, True]


def test_one_process_serves_all_files_and_all_models(folder: Path, planted: Any) -> None:
    paths = planted([b""] * 6)
    assert not Predictor.load(folder).predict(paths[:1])[0].reason
    kept = children()  # those of earlier tests may be among them
    assert kept
    for _ in range(2):
        for answer in Predictor.load(folder).answers(paths, batch_size=2):
            assert not answer.reason
            assert children() <= kept


def test_a_process_that_was_killed_while_idle_costs_nothing(folder: Path, planted: Any) -> None:
    paths, model = planted([b"", b""]), Predictor.load(folder)
    before = model.predict(paths)
    for child in children():
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert [answer.values for answer in model.predict(paths)] == [answer.values for answer in before]


@pytest.mark.slow
def test_who_stops_half_way_or_asks_from_many_threads_gets_the_right_answers(folder: Path, planted: Any) -> None:
    paths, model = planted([b""] * 8), Predictor.load(folder)
    whole = [answer.values for answer in model.predict(paths)]
    some = model.answers(paths, batch_size=2)
    assert next(some).values == pytest.approx(whole[0])
    some.close()
    with ThreadPoolExecutor(3) as threads:
        result = list(threads.map(lambda _: [answer.values for answer in model.predict(paths)], range(3)))
    for values in result:
        assert values == whole
    two = Predictor.load(folder, reading=Reading(workers=2)).predict(paths)
    assert [answer.values for answer in two] == whole, "in their order, whoever read them"


def _asked_in_a_daemon(folder: Path, paths: list[Path], pipe: Any) -> None:
    pipe.send([answer.values for answer in Predictor.load(folder).predict(paths)])


@pytest.mark.heavy
def test_a_daemon_process_reads_apart_or_by_itself(folder: Path, planted: Any, monkeypatch: Any) -> None:
    paths = planted([b"", b""])
    expected = [answer.values for answer in Predictor.load(folder).predict(paths)]
    context = multiprocessing.get_context("spawn")
    for isolation in ("on", "off"):
        monkeypatch.setenv("SCANTUNE_ISOLATION", isolation)
        ours, theirs = context.Pipe()
        process = context.Process(target=_asked_in_a_daemon, args=(folder, paths, theirs), daemon=True)
        process.start()
        assert ours.poll(60)
        for values, other in zip(ours.recv(), expected, strict=True):
            assert values == pytest.approx(other, abs=1e-6)
        process.join(20)
        assert process.exitcode == 0


def test_where_no_process_can_be_started_the_remedy_is_said(folder: Path, planted: Any, monkeypatch: Any) -> None:
    from scantune.preprocess import worker

    paths = planted([b""])

    def refused(module: str) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker, "spawn", refused)
    with pytest.raises(ScantuneError, match=r"cannot be started .*unavailable.*--no-isolated"):
        Predictor.load(folder)
    (answer,) = Predictor.load(folder, reading=Reading(isolated=False)).predict(paths)
    assert not answer.reason


def test_code_that_lies_among_the_scans_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead.end_idle()
    path = io.write_png(folder.parent / "a.png", np.arange(140, dtype=np.uint8).reshape(14, 10))
    for name in ("numpy.py", "random.py"):
        (folder.parent / name).write_text("raise SystemExit('code from the folder of scans was run')")
    monkeypatch.chdir(folder.parent)
    (answer,) = Predictor.load(folder).predict([path])
    assert not answer.reason


SCRIPT = """
import sys
from scantune.registry.predictor import Predictor
Predictor.load(sys.argv[1]).predict(sys.argv[2:])
"""


@pytest.mark.heavy
def test_a_decoder_that_hangs_ends_by_itself_when_the_parent_is_gone(folder: Path, planted: Any) -> None:
    (path,) = planted([b"HANG"])
    plant, told = folder.parent / "plant" / "sitecustomize.py", folder.parent / "it hangs"
    plant.write_text(PLANTED.replace("ctypes.PyDLL", f"open({str(told)!r}, 'w').close(); ctypes.PyDLL"))
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(path)])
    until = time.monotonic() + 240
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.05)
    result = children(parent.pid)
    parent.kill()
    parent.wait()
    assert result
    assert not left(result, 30)
