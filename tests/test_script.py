"""Which process speaks, and whose lines they are."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
import typer

from scantune import script

SAYING = """
import logging
from scantune.script import named_lines, quiet_logging
quiet_logging()
log = logging.getLogger("scantune.engine.progress")
with named_lines("fold 1"):
    log.info("epoch %d/%d", 1, 2)
with named_lines(""):
    log.info("epoch 1/2")
log.error("no room")
"""


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
@pytest.mark.parametrize(
    ("number", "lines"), [("0", ["fold 1 · epoch 1/2", "epoch 1/2", "no room"]), ("1", ["no room"])]
)
def test_the_first_process_speaks_and_lines_name_their_member(rank, number, lines):
    environ = {rank: number, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True, env=environ, check=True)
    assert done.stderr.splitlines() == lines


@pytest.mark.slow
def test_lightning_does_not_announce_a_precision_that_a_training_may_not_take():
    saying = SAYING.replace(
        'log.error("no room")', "import lightning_fabric.utilities as l; l.rank_zero.rank_zero_info('AMP')"
    )
    environ = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", saying], capture_output=True, text=True, env=environ, check=True)
    assert done.stderr.splitlines() == ["fold 1 · epoch 1/2", "epoch 1/2"]


def test_an_interrupted_training_says_where_it_stopped_and_how_to_resume(monkeypatch, capsys):
    from scantune.engine import Interrupted

    def stage(key: str) -> None:
        raise Interrupted("Ctrl-C", 130, "in epoch 2 of 12 (step 45 of 360)")

    monkeypatch.setattr("sys.argv", ["stages/train.py", "digits"])
    with pytest.raises(SystemExit) as stopped:
        script.stage_main(stage)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == (
        "train digits: stopped in epoch 2 of 12 (step 45 of 360) by Ctrl-C; the state is saved: run the same command "
        "again to resume\n"
    )


@pytest.mark.parametrize("main", ["stage_main", "settings_main"])
def test_an_interrupt_while_the_settings_are_read_is_no_traceback(monkeypatch, capsys, main):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["stages/evaluate.py", *(["digits"] if main == "stage_main" else [])])
    monkeypatch.setattr(script, "declared_settings", interrupt)
    monkeypatch.setattr(script, "params_digest", interrupt)
    with pytest.raises(SystemExit) as stopped:
        getattr(script, main)(lambda *_: None)
    assert stopped.value.code == 130


def test_text_that_the_terminals_encoding_lacks_is_printed_all_the_same(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    script.print_any_text()
    typer.echo("≥ 3 of M\udcfcller")
    sys.stdout.flush()
    assert sys.stdout.buffer.getvalue() == b"\\u2265 3 of M\\udcfcller\n"
