"""Termination: everything that was started ends too, within seconds, with exit code 143.

A stage ends when it gets SIGTERM, and when DVC, which started it, is gone. A command that runs DVC passes SIGTERM on
and waits for all that DVC started.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

_POLL = 0.25
_MARGIN = 1.0


class Terminated(SystemExit):
    """The process was terminated; the exit code is 128 + the signal's number, as in a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def seconds_to_stop() -> float:
    """How long a process may take to end by itself: ``SCANTUNE_STOP_SECONDS``, else 6."""
    return float(os.environ.get("SCANTUNE_STOP_SECONDS", "6"))


class ParentWatch:
    """Detects that the parent process has ended.

    A shell between the two (``sh -c``) is looked through: it stays alive when its own parent dies.

    Args:
        enabled: None watches where DVC started the stage.
    """

    def __init__(self, enabled: bool | None = None) -> None:
        self.enabled = "DVC_STAGE" in os.environ if enabled is None else enabled
        self.parent = os.getppid()
        self.grandparent = _parent_of(self.parent) if _is_shell(self.parent) else None

    def gone(self) -> bool:
        """Whether the parent, or the process behind its shell, has ended."""
        if not self.enabled:
            return False
        if os.getppid() != self.parent:
            return True
        return self.grandparent is not None and _parent_of(self.parent) != self.grandparent


def _parent_of(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return None


def _is_shell(pid: int) -> bool:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return bool(words) and Path(words[0]).name in {"sh", "bash", "dash", "zsh"} and "-c" in words[1:3]


class Guard(threading.Thread):
    """Notices SIGTERM and the parent's end, and ends the process from the side where it cannot end by itself.

    Python runs a signal's handler between two of its own instructions only; a thread also acts while one call of the
    main thread takes long.

    Args:
        watch: of the parent.
        at_last: called before the process is ended from the side; it may take a second.
    """

    def __init__(self, watch: ParentWatch, at_last: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="stopping")
        self.watch, self.at_last = watch, at_last
        self.receiver, self.sender = socket.socketpair()
        self.sender.setblocking(False)
        self.stopping = False

    def run(self) -> None:
        """Wait for a signal or the parent's end; then let the process stop by itself, or end it."""
        while not self.stopping:
            readable, _, _ = select.select([self.receiver], [], [], _POLL)
            if readable:
                numbers = self.receiver.recv(64)
                if not numbers:  # closed: nothing is to be guarded any more
                    return
                self.stopping = signal.SIGTERM in numbers
            elif self.watch.gone():
                self.stopping = True
                os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds_to_stop())
        last = threading.Thread(target=self.at_last, daemon=True)
        last.start()
        last.join(_MARGIN)
        end_children()
        os._exit(128 + signal.SIGTERM)


@contextlib.contextmanager
def ending_on_signal(at_last: Callable[[], None] = lambda: None, watch: ParentWatch | None = None) -> Iterator[None]:
    """Inside, SIGTERM or the parent's end raises :class:`Terminated` in the main thread; children end with it.

    Args:
        at_last: called where the process has not ended by itself after :func:`seconds_to_stop`, before it is ended.
        watch: of the parent; None creates one.
    """
    guard = Guard(watch or ParentWatch(), at_last)
    handler = signal.signal(signal.SIGTERM, raise_terminated)
    waker = signal.set_wakeup_fd(guard.sender.fileno(), warn_on_full_buffer=False)
    guard.start()
    try:
        yield
    except SystemExit as error:
        if error.code == 128 + signal.SIGTERM:
            end_children()
        raise
    finally:
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGTERM, handler)
        if not guard.stopping:
            guard.sender.close()  # else the guard stays until the process is gone


def _hold_signal() -> None:
    """Before a fork: SIGTERM waits until parent and child are apart."""
    _MASK.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release_in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _MASK.before)


def _release_in_child() -> None:
    """A forked child has its parent's handlers: a signal to it must not be taken for one to the parent."""
    if signal.getsignal(signal.SIGTERM) is raise_terminated:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _MASK.before)


_MASK = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_signal, after_in_parent=_release_in_parent, after_in_child=_release_in_child)


def raise_terminated(number: int, frame: FrameType | None) -> None:
    """A handler: what is open is closed on the way out."""
    raise Terminated(number)


def exit_code_in(error: BaseException) -> int | None:
    """The exit code of the signal that an error comes from; None where it comes from none.

    pydantic makes an error of its own of a signal's exception that reaches it while it builds a class.
    """
    if isinstance(error, KeyboardInterrupt) or "\n  KeyboardInterrupt" in str(error):
        return 128 + signal.SIGINT
    terminated = 128 + signal.SIGTERM
    return terminated if f"{Terminated.__name__}: {terminated}" in str(error) else None


def leave(code: int) -> None:
    """End at once, after all is closed: taking down an interpreter with torch in it can last longer than it may."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def end_children() -> None:
    """Kill every process that this one started, and what these started."""
    for process in _tree(os.getpid()):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _tree(pid: int) -> list[psutil.Process]:
    """Processes below ``pid``."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def call(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run a command to its end, as :func:`subprocess.call`; SIGTERM and a closed terminal end all that it started.

    So does the end of ``mlflow run``, which passes no signal on.

    Returns:
        Its exit code.

    Raises:
        Terminated: this process was terminated; nothing that the command started is still running.
    """
    watch = ParentWatch("SCANTUNE_PARENT_RUN_ID" in os.environ)
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup has it ignored
        numbers.append(signal.SIGHUP)
    main = threading.current_thread() is threading.main_thread()
    former = {number: signal.signal(number, raise_terminated) for number in numbers} if main else {}
    try:
        process = subprocess.Popen(command, env=env, cwd=cwd)
        try:
            return _wait(process, watch)
        except BaseException:
            end_tree(process)
            raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _wait(process: subprocess.Popen[bytes], watch: ParentWatch) -> int:
    """Wait for a process; raises :class:`Terminated` where the parent of this one ends before it."""
    while True:
        try:
            return process.wait(0.5 if watch.enabled else None)
        except subprocess.TimeoutExpired:
            if watch.gone():
                raise Terminated(signal.SIGTERM) from None


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process by SIGTERM, and wait for all below it to end; what has not after a while is killed.

    Only the process itself is signalled at first: stages notice its end, save, and close their runs.
    """
    below = _tree(process.pid)
    until = time.monotonic() + seconds_to_stop() + 1.5 * _MARGIN
    try:
        process.terminate()
        while time.monotonic() < until and (process.poll() is None or any(map(_runs, below))):
            time.sleep(0.05)
    finally:
        for left in (*below, *_tree(process.pid)):
            with contextlib.suppress(psutil.Error):
                left.kill()
        process.kill()
        process.wait()


def _runs(process: psutil.Process) -> bool:
    """Whether it is still running; a zombie process is not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
