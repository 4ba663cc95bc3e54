"""What goes wrong while training, made to go wrong."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantune import engine, files
from scantune.engine import durable, loading, state
from scantune.engine.faults import NonFiniteError, OutOfMemoryError, ResumeError
from scantune.engine.loading import Loader, LoadingError
from scantune.files import DiskFullError
from scantune.records import ScantuneError
from tests.engine.conftest import ROOT, Nursery
from tests.engine.toy import LinesSink, Numbers, Squared, Sum, network

CPU = {"device": "cpu", "devices": 1, "precision": "32"}


def _fit(tmp_path: Path | None, data: Any = None, terms: Any = None, sinks: Any = (), **settings: Any) -> Any:
    return engine.fit(
        network(),
        Sum(),
        data or Numbers(20, 0),
        Numbers(8, 1),
        terms=terms or {"squared": Squared()},
        settings=engine.Settings(**{"epochs": 2, "batch_size": 4, "progress": False, **settings}),
        sinks=sinks,
        out_dir=tmp_path / "out" if tmp_path else None,
        state_dir=tmp_path / "state" if tmp_path else None,
        fabric=engine.launch(**CPU),
    )


class Poisoned(Numbers):
    """One sample that is not a number."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = super().__getitem__(index)
        return sample | ({"input": sample["input"] * np.nan} if index == 7 else {})


def test_non_finite_loss_stops_with_step_samples_and_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"step \d+: the loss .* s007.*no checkpoint was written before"):
        _fit(tmp_path, Poisoned(20, 0))


def test_non_finite_steps_are_left_out_and_counted_where_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    result = _fit(None, Poisoned(20, 0), on_non_finite="skip")
    assert result.skipped == 2  # once an epoch
    assert result.history[-1]["skipped_steps"] == 2
    assert all(torch.isfinite(t).all() for t in result.network.state_dict().values())  # batch norm's figures too
    assert len(re.findall(r"step \d+ skipped: loss or gradient not finite; samples .*\bs007\b", caplog.text)) == 2


class _Sized(torch.nn.Module):
    """Takes inputs of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network(norm=False, dropout=0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == 7, "the width should be 7"
        return self.inner(x)


def test_a_size_that_the_network_cannot_take_is_told_with_what_to_set() -> None:
    with pytest.raises(ScantuneError, match=r"cannot take samples of 4: the width should be 7\. Set shape"):
        engine.fit(
            _Sized(),
            Sum(),
            *(Numbers(8, seed) for seed in (0, 1)),
            terms={"squared": Squared()},
            fabric=engine.launch(**CPU),
        )


def test_a_single_sample_in_front_of_a_batch_norm_is_told_with_what_to_set() -> None:
    with pytest.raises(ScantuneError, match=r"single sample of 4 .* batch norm .* train\.batch_size"):
        _fit(None, Numbers(9, 0), batch_size=2)


class _Greedy(torch.nn.Module):
    """Runs out of memory on more than two samples."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network(norm=False, dropout=0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(x)


def _greedy(**settings: Any) -> Any:
    return engine.fit(
        _Greedy(),
        Sum(),
        Numbers(16, 0),
        Numbers(8, 1),
        terms={"squared": Squared()},
        settings=engine.Settings(epochs=2, batch_size=8, progress=False, **settings),
        fabric=engine.launch(**CPU),
    )


def test_out_of_memory_says_what_to_lower() -> None:
    with pytest.raises(OutOfMemoryError, match=r"batch_size 8.*Try batch_size 4 with grad_accumulation_steps 2"):
        _greedy()


def test_out_of_memory_halves_the_batch_and_learns_the_same() -> None:
    halved = _greedy(on_out_of_memory="halve")
    assert halved.batch_size == 2
    assert any("grad_accumulation_steps 4" in note for note in halved.notes)
    small = engine.fit(
        _Greedy(),
        Sum(),
        Numbers(16, 0),
        Numbers(8, 1),
        terms={"squared": Squared()},
        settings=engine.Settings(epochs=2, batch_size=2, grad_accumulation_steps=4, progress=False),
        fabric=engine.launch(**CPU),
    )
    for name, tensor in small.network.state_dict().items():
        torch.testing.assert_close(halved.network.state_dict()[name], tensor)


class _Broken(Numbers):
    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 5:
            raise OSError("the header is cut short")
        return super().__getitem__(index)


class _Dying(Numbers):
    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_failing_sample_is_named_with_its_own_error(workers: int) -> None:
    with pytest.raises(LoadingError, match=r"^sample s005 could not be loaded: OSError: the header is cut short$"):
        list(Loader(_Broken(8, 0), workers=workers).batches(0, [np.arange(4), np.arange(4, 8)]))


def test_dying_worker_names_the_samples_in_work() -> None:
    with pytest.raises(LoadingError, match=r"ended.*s005.*train\.workers"):
        list(Loader(_Dying(8, 0), workers=1).batches(0, [np.arange(4), np.arange(4, 8)]))


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_worker_that_ends_while_a_batch_comes_over_is_told_likewise(error: Exception) -> None:
    class Torn:
        _iterator = None

        def __iter__(self) -> Any:
            raise error

    loader = Loader(Numbers(8, 0), workers=1)
    loader.loader = Torn()  # type: ignore[assignment]
    with pytest.raises(LoadingError, match=r"worker process that loads samples ended \(.*(Connection reset|EOFError)"):
        list(loader.batches(0, [np.arange(4)]))


def test_full_disk_leaves_what_was_whole_and_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    durable.write_state(path, {"a": torch.arange(3)})
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(DiskFullError, match=r"[1-9]\.\d kB needed.*free"):
            durable.write_state(path, {"a": torch.arange(300)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]
    durable.write_state(path, {"a": torch.arange(300)})  # there is room again
    assert len(durable.read_state(path)["a"]) == 300


def test_training_on_a_disk_without_room_goes_on_when_there_is(nursery: Nursery, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writes fail in the middle of a file."""
    folder, state_folder = tmp_path / "out", tmp_path / "s"
    assert nursery.train(folder, state_folder, save_every_steps=1, sinks=False, file_size=6000) == 1
    assert "DiskFullError" in nursery.error
    assert "was not written" in nursery.error
    assert not list(state_folder.rglob("*partial"))
    assert nursery.train(folder, state_folder, save_every_steps=1, sinks=False) == 0
    assert (folder / "history.csv").exists()


@pytest.mark.heavy
def test_training_on_a_file_system_that_is_full_goes_on_with_the_same_end(nursery: Nursery, tmp_path: Path) -> None:
    """A real one: 60 kB of memory, in a namespace of its own."""
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=60k none {small}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    options = {"save_every_steps": 1, "sinks": False, "epochs": 30}
    toy = f"{sys.executable} -m tests.engine.toy {small}/out {small}/s '{json.dumps(options)}'"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && ! {toy} && cp -r {small}/s {kept}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "the disk is full" in done.stderr
    assert not list(kept.rglob("*partial"))
    assert nursery.train(tmp_path / "out", kept, **options) == 0
    assert nursery.train(tmp_path / "whole", tmp_path / "s", **options) == 0
    for name in ("checkpoints/last.safetensors", "history.csv", "steps.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


class _Away:
    """A server that refuses for a while."""

    name = "server"

    def __init__(self, refusals: int) -> None:
        self.refusals, self.points = refusals, []  # type: ignore[var-annotated]

    def metrics(self, points: Any) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise ConnectionError("refused")
        self.points += [(step, dict(values)) for step, values in points]


@pytest.mark.slow
def test_server_that_comes_back_gets_every_point_once(tmp_path: Path) -> None:
    sink = _Away(refusals=1)
    _fit(tmp_path, sinks=[sink], save_every_steps=1)
    losses = [step for step, values in sink.points if "val_loss" in values]
    assert losses == [1, 2]
    assert [step for step, values in sink.points if "step/loss" in values] == [1, 10]


@pytest.mark.slow
def test_server_that_never_answers_ends_no_training_and_its_points_are_kept(tmp_path: Path) -> None:
    result = _fit(tmp_path, sinks=[_Away(refusals=10**6)])
    assert result.finished == "all epochs"
    answering = _Away(refusals=0)
    assert engine.send_left(tmp_path / "state", {"server": answering}) == 0
    assert [step for step, values in answering.points if "val_loss" in values] == [1, 2]
    assert engine.send_left(tmp_path / "state", {"server": answering}) == 0  # nothing is left


def test_changed_library_is_said_and_refused_where_the_end_could_not_be_exact(tmp_path: Path) -> None:
    _fit(tmp_path)
    path = tmp_path / "state" / state.STATE_NAME
    stored = durable.read_state(path)
    stored["circumstances"]["torch"] = "1.0"
    durable.write_state(path, stored)
    with pytest.raises(ResumeError, match=r"torch 1\.0 → .*train\.resume: lenient"):
        _fit(tmp_path)
    result = _fit(tmp_path, resume="lenient")
    assert result.resumed
    assert "torch 1.0" in result.notes[0]
    assert not _fit(tmp_path, resume="never").resumed


def test_state_of_another_training_is_refused(tmp_path: Path) -> None:
    _fit(tmp_path)
    with pytest.raises(ResumeError, match="epochs was 2 and is 3"):
        _fit(tmp_path, epochs=3)


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch harmed",)


def test_malicious_state_is_refused_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    torch.save({"format": 1, "evil": _Evil()}, tmp_path / "state" / state.STATE_NAME)
    with pytest.raises(ScantuneError, match="not a training state that can be read safely"):
        _fit(tmp_path)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(ScantuneError):
        durable.read_state(tmp_path / "plain.pt")
    assert not (tmp_path / "harmed").exists()


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    durable.write_weights(path, {"a": torch.arange(100)}, {"epoch": 1})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ScantuneError, match="not a complete safetensors file"):
        durable.read_weights(path)


def test_monitor_that_will_not_be_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(ScantuneError, match=r"monitor: 'val_dice' is not a metric.*val_mae"):
        _fit(None, monitor="val_dice")


def test_global_random_state_is_as_it_was() -> None:
    made, fabric = network(), engine.launch(**CPU)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    engine.fit(
        made,
        Sum(),
        Numbers(20, 0),
        Numbers(8, 1),
        terms={"squared": Squared()},
        settings=engine.Settings(epochs=1, progress=False),
        fabric=fabric,
    )
    assert torch.equal(torch.rand(3), expected)


def test_ids_fall_back_to_the_place_in_the_data_set() -> None:
    class Plain:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {}

    assert loading.sample_ids(Plain(), [0]) == ["index 0"]


def test_points_of_a_sink_that_knows_what_it_holds_are_not_sent_again(tmp_path: Path) -> None:
    sink = LinesSink(tmp_path / "points")
    _fit(tmp_path, sinks=[sink])
    count = len(sink.points())
    (tmp_path / "state" / "delivered.json").unlink()  # killed between taking and remembering
    _fit(tmp_path, sinks=[sink])
    assert len(sink.points()) == count
