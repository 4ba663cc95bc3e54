"""Stages in forks of a process that has all modules loaded: a stage starts in a tenth of a second, and can be killed.

A stage runs as DVC runs it: its outputs are removed, then its script is run, in a session of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.stages.conftest import Project

#: In the environment of everything that one start began.
MARK = "SCANTUNE_KILLS_START"


@dataclass(frozen=True)
class Stage:
    """What is killed.

    Attributes:
        name: as DVC calls it, or "search" and its experiment.
        outs: paths of its outputs in the project.
        processes: of its training.
    """

    name: str
    outs: tuple[str, ...]
    processes: int = 1

    def run(self) -> None:
        """The stage, in this process and folder."""
        title, _, key = self.name.partition("@")
        if title == "search":
            from scantune.pipeline.trials import search as searching

            searching.run_search(searching.searched(key), n_trials=5, say=lambda line: None)
            return
        script = {"code": "code_digests"}.get(title, title.removesuffix("-derived").removesuffix("-ensemble"))
        sys.argv = [f"stages/{script.replace('-', '_')}.py", *([key] if key else [])]
        runpy.run_path(sys.argv[0], run_name="__main__")


def stages_of(project: Project) -> dict[str, tuple[str, ...]]:
    """Every stage in dvc.yaml by its name, with the paths of its outputs, as DVC reads them."""
    code = (
        "import json, os; from dvc.repo import Repo; "
        "outs = {s.addressing: [os.path.relpath(o.fs_path) for o in s.outs] for s in Repo('.').index.stages}; "
        "print(json.dumps(outs))"
    )
    lines = project.python("-c", code).strip().splitlines()
    return {name: tuple(outs) for name, outs in json.loads(lines[-1]).items()}


def load_modules(project: Project, stages: list[Stage]) -> None:
    """Run the stages in one fork, and load here what they loaded there; of a project that was kept, load alone."""
    listing = project.home.parent / "modules.txt"

    def all_of_them() -> None:
        for stage in stages:
            stage.run()
        listing.write_text("\n".join(name for name in sys.modules if name != "__main__"))

    if not listing.exists():
        assert Started(project, all_of_them).wait(1200) == 0, killed_stderr(project)
    for name in listing.read_text().splitlines():
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    threads = [Path(f"/proc/self/task/{task}/comm").read_text().strip() for task in os.listdir("/proc/self/task")]
    others = [name for name in threads[1:] if not name.startswith("jemalloc")]  # jemalloc's own is made anew in a fork
    assert not others, f"a process with threads must not fork: {others}"


class Started:
    """A function in a forked process, in a session of its own, in the project's folder and environment."""

    def __init__(self, project: Project, function: Callable[[], None], extra: Mapping[str, str] | None = None) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.log = project.home.parent / "stage.log"
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _in_child(project, function, {MARK: self.mark, **(extra or {})}, self.log)

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None if it still runs after so long."""
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                return None
            time.sleep(0.005)

    def kill(self, whole: bool) -> None:
        """SIGKILL to the process, or to all of its group; it is waited for."""
        try:
            (os.killpg if whole else os.kill)(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not formed its group yet
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _in_child(project: Project, function: Callable[[], None], extra: Mapping[str, str], log: Path) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(project.home)
        variables = project.env | {"OMP_NUM_THREADS": "1"} | dict(extra)
        os.environ.clear()
        os.environ.update(variables)
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        function()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def remove(project: Project, stage: Stage) -> None:
    """What DVC does before it runs a stage."""
    for out in stage.outs:
        path = project.home / out
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def start(project: Project, stage: Stage) -> list[Started]:
    """Begin a stage anew: one process, or those of one training as ``torchrun`` starts them."""
    remove(project, stage)
    if stage.processes == 1:
        return [Started(project, stage.run)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "kills"}
    count = str(stage.processes)
    world |= {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": "0"}
    ranks = ({"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(stage.processes))
    return [Started(project, stage.run, world | rank) for rank in ranks]


def start_by_dvc(project: Project, stage: Stage) -> list[Started]:
    """The same by DVC itself."""

    def repro() -> None:
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", stage.name]
        os.execve(command[0], command, dict(os.environ))

    return [Started(project, repro)]


def left(started: list[Started], seconds: float) -> list[str]:
    """Command lines of what these began and what still runs after so long; it is ended then."""
    sessions, marks = {one.pid for one in started}, {one.mark for one in started}
    until = time.monotonic() + seconds
    while True:
        processes = [process for process in psutil.process_iter() if _of(process, sessions, marks)]
        if not processes or time.monotonic() > until:
            break
        time.sleep(0.05)
    lines = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline())[:200])
            process.kill()
    return lines


def _of(process: psutil.Process, sessions: set[int], marks: set[str]) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return os.getsid(process.pid) in sessions or process.environ().get(MARK) in marks
    except (psutil.Error, OSError):
        return False


def run_to_its_end(project: Project, stage: Stage, seconds: float = 300) -> list[int | None]:
    """Exit codes of a stage that nobody kills."""
    started = start(project, stage)
    codes = [one.wait(seconds) for one in started]
    left(started, 10)
    return codes


def killed_stderr(project: Project) -> str:
    """The end of what the stages wrote."""
    done = subprocess.run(
        ["tail", "-n", "20", str(project.home.parent / "stage.log")], capture_output=True, text=True, check=False
    )
    return done.stdout
