"""Ending what was started: real processes that are told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scantune.stopping import ParentWatch, exit_code_in

ROOT = Path(__file__).parents[1]

_CHILD = """
import sys, time
sys.path.insert(0, {src!r})
from scantune.stopping import ParentWatch, exit_code_in
watch = ParentWatch(enabled=True)
print("ready", flush=True)
for _ in range(600):
    if watch.gone():
        open({flag!r}, "w").close()
        break
    time.sleep(0.05)
"""


@pytest.mark.parametrize("shell", [False, True])
def test_dead_parent_is_noticed_through_a_shell_too(tmp_path: Path, shell: bool) -> None:
    script, flag = tmp_path / "child.py", tmp_path / "noticed"
    script.write_text(_CHILD.format(src=str(ROOT / "src"), flag=str(flag)))
    command = f"{sys.executable} {script}; true" if shell else [sys.executable, str(script)]
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({command!r}, shell={shell})"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    parent.wait()
    for _ in range(200):
        if flag.exists():
            break
        time.sleep(0.05)
    assert flag.exists()


def test_nobody_is_watched_outside_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert not ParentWatch().enabled
    monkeypatch.setenv("DVC_STAGE", "train")
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert ParentWatch().enabled
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert ParentWatch().enabled, "under nohup too: it is DVC's end that is watched, not the terminal's"
    finally:
        signal.signal(signal.SIGHUP, before)


def _heard() -> None:
    """SIGHUP and SIGINT as a terminal gives them; what runs in the background or under nohup inherits them ignored."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def start(script: str, **env: str) -> subprocess.Popen[str]:
    """A Python process that has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        preexec_fn=_heard,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


STAGE = """
import subprocess, sys, time
from scantune.stopping import ending_on_signal
with ending_on_signal(lambda: print("at last", flush=True)):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        print("ready", flush=True)
        {work}
    finally:
        print("closed", flush=True)
"""


def test_told_process_closes_what_it_has_open_and_ends_its_children() -> None:
    process = start(STAGE.format(work="time.sleep(60)"))
    children = below(process)
    assert children
    process.terminate()
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 143
    assert output == "closed\n"
    assert not psutil.wait_procs(children, 2)[1]


def test_process_that_is_busy_in_one_long_call_is_ended_from_the_side() -> None:
    work = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**8)"
    process = start(STAGE.format(work=work), SCANTUNE_STOP_SECONDS="0.5")
    children = below(process)
    used = psutil.Process(process.pid).cpu_times().user
    for _ in range(200):  # until it is in that call
        if psutil.Process(process.pid).cpu_times().user > used + 0.3:
            break
        time.sleep(0.05)
    process.terminate()
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 143
    assert output == "at last\n"
    assert not psutil.wait_procs(children, 2)[1]


def test_signal_to_a_forked_child_is_not_taken_for_one_to_the_parent() -> None:
    work = """
        import os, signal
        forked = os.fork()
        if not forked:
            time.sleep(60)
        os.kill(forked, signal.SIGTERM)
        os.waitpid(forked, 0)
        child.kill()
        time.sleep(1)
        print("went on", flush=True)
    """
    process = start(STAGE.format(work=work.strip()), SCANTUNE_STOP_SECONDS="0.2")
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert output == "went on\nclosed\n"


CALL = """
import sys
from scantune import stopping
child = "import signal, subprocess, sys, time; {how}; "
child += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('ready', flush=True); "
child += "time.sleep(60)"
stopping.call([sys.executable, "-c", child])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("how", ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_command_ends_all_that_it_started(number: int, how: str) -> None:
    process = start(CALL.format(how=how), SCANTUNE_STOP_SECONDS="0.3")
    children = below(process)
    assert len(children) == 2
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == (-signal.SIGINT if number == signal.SIGINT else 128 + number), errors
    assert not psutil.wait_procs(children, 2)[1]
    assert time.monotonic() - began < 5


_CALLS = "import sys; from scantune import stopping; sys.exit(stopping.call(['sleep', '61']))"
_MLFLOW = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CALLS!r}])"


def test_a_command_ends_with_the_mlflow_run_that_started_it(monkeypatch):
    """``mlflow run`` is terminated and passes no signal on: what it started must not train on alone."""
    monkeypatch.setenv("SCANTUNE_PARENT_RUN_ID", "0" * 32)
    parent = subprocess.Popen([sys.executable, "-c", _MLFLOW])
    below = psutil.Process(parent.pid)
    until = time.monotonic() + 60
    while not (started := [p for p in below.children(recursive=True) if p.name() == "sleep"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    parent.terminate()
    parent.wait(30)
    psutil.wait_procs(started, 60)
    assert not started[0].is_running()


@pytest.mark.parametrize(
    "program, quiet", [("/p/stages/train.py", True), ("/env/bin/scantune", True), ("/home/me/own.py", False)]
)
def test_interrupt_of_our_programs_while_they_import_shows_no_traceback(program: str, quiet: bool) -> None:
    start = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); sys.argv = [{program!r}]; import scantune; raise "
    for error, silent in (("KeyboardInterrupt", quiet), ("ValueError('wrong')", False)):
        process = subprocess.run([sys.executable, "-c", start + error], capture_output=True, text=True)
        assert process.returncode != 0
        assert (process.stderr == "") == silent


@pytest.mark.parametrize(
    "error, code",
    [
        (KeyboardInterrupt(), 130),
        (ValueError('Error building "union" validator:\n  SchemaError: …:\n  Terminated: 143\n'), 143),
        (ValueError('Error building "union" validator:\n  KeyboardInterrupt: \n'), 130),
        (ValueError("Terminated"), None),
    ],
)
def test_signal_within_an_error_of_pydantic_is_recognised(error: BaseException, code: int | None) -> None:
    assert exit_code_in(error) == code
