"""Native decoders that crash, hang or eat all memory: one sample each, with a reason, and the others go on."""

import os
import subprocess
import sys
import time

import pytest

from scantune import preprocess
from tests.processes import children, left

#: Planted in the processes that decode: what a PNG ends with says what its native decoder does.
PLANTED = """
import ctypes, os, signal
from scantune.io import still
real = still.read_still
def planted(path, options):
    tail = path.read_bytes()[-4:]
    if tail == b"CRSH":
        ctypes.string_at(0)  # a segmentation fault
    if tail == b"HANG":
        ctypes.PyDLL(None).sleep(1_000_000)  # in C, with the interpreter's lock held
    if tail == b"OOM!":
        os.kill(os.getpid(), signal.SIGKILL)  # as the system ends a process where memory runs out
    if tail == b"PRNT":
        os.write(1, b"a library prints\\n")
    return real(path, options)
still.read_still = planted
"""


@pytest.fixture
def planted(tmp_path, pictures, monkeypatch):
    """Records of pictures, some of which have a deadly end."""
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "plant"), *sys.path]))

    def make(n: int, ends: dict[int, bytes]):
        records = pictures(n)
        for at, end in ends.items():
            with records[at].files[0].open("ab") as file:
                file.write(end)
        return records

    return make


@pytest.mark.slow
def test_each_costs_its_own_sample_alone(planted, inputs, tmp_path):
    records = planted(9, {1: b"CRSH", 3: b"HANG", 4: b"OOM!", 6: b"PRNT", 8: b"CRSH"})
    block = inputs["image"](workers=2, backend="processes", time_limit=8)
    told: list[str] = []
    start = time.monotonic()
    done = preprocess.run(
        records, block, tmp_path / "out", tmp_path / "store", max_excluded_fraction=1.0, say=told.append
    )
    assert time.monotonic() - start < 120
    assert done.prepared == 5
    assert {name: reason.split(":")[0] for name, reason in done.excluded.items()} == {
        "x1": "its decoder crashed",
        "x3": "it takes longer than 8 s to prepare (time_limit)",
        "x4": "the reading process was killed; memory may have run out",
        "x8": "its decoder crashed",
    }
    assert sum("Doe_John" in line for line in told) == 4  # the terminal may say which files
    assert "Doe_John" not in (tmp_path / "out" / "excluded.csv").read_text()


@pytest.mark.heavy
def test_on_a_cluster_too(planted, inputs, tmp_path):
    distributed = pytest.importorskip("distributed")
    records = planted(4, {1: b"CRSH", 2: b"HANG"})
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        backend = {"name": "dask", "address": cluster.scheduler_address}
        block = inputs["image"](workers=2, backend=backend, time_limit=4)
        done = preprocess.run(records, block, tmp_path / "out", tmp_path / "store", max_excluded_fraction=1.0)
    assert sorted(done.excluded) == ["x1", "x2"]


def test_a_process_that_cannot_start_is_no_fault_of_the_scans(planted, inputs, tmp_path):
    records = planted(2, {})
    (tmp_path / "plant" / "sitecustomize.py").write_text("raise SystemExit(3)")
    block = inputs["image"](backend="processes")
    with pytest.raises(Exception, match=r"cannot be started .*says why"):
        preprocess.run(records, block, tmp_path / "out", tmp_path / "store")


SCRIPT = """
import sys
from pathlib import Path
from scantune import preprocess
from scantune.config.input import ImageInput
from scantune.records import Record
root = Path(sys.argv[1])
records = [Record(p.stem, p.stem, (p,)) for p in sorted((root / "raw").glob("*.png"))]
preprocess.run(records, ImageInput(dataset="d", modality="image", workers=1), root / "out", root / "store")
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_behind(planted, tmp_path):
    planted(150, {0: b"PRNT"})
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)])
    while parent.poll() is None and not list((tmp_path / "store").rglob("*.safetensors")):
        time.sleep(0.005)
    result = children(parent.pid)
    parent.kill()
    parent.wait()
    assert result
    assert not left(result, 20)
