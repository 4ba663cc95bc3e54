"""Reading in a child process: a native decoder that crashes or hangs on a damaged file takes nothing with it."""

from __future__ import annotations

import atexit
import base64
import json
import math
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from scantune.io.arrays import Image, Options, Video, Volume
from scantune.io.loop import Loop
from scantune.records import ReadError

Body = TypeVar("Body")

_LOCK = threading.Lock()
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}  # by the process that owns it: a fork must not share its parent's


def read_isolated(path: Path, options: Options) -> Volume | Image | Video:
    """`read` in the child.

    Raises:
        ReadError: as `read`; also where decoding crashed or took longer than ``limits.seconds``.
    """
    reply, array = _ask({"work": "read", "path": str(path.absolute())}, options)
    if reply["kind"] == "volume":
        return Volume(array, np.array(reply["affine"]), reply["facts"], unpacked(reply["empty"], array.shape))
    if reply["kind"] == "image":
        spacing = reply["spacing"]
        empty = unpacked(reply["empty"], array.shape[1:])
        return Image(array, None if spacing is None else (spacing[0], spacing[1]), reply["facts"], empty)
    return Video(array, reply["frame_time"], reply["facts"])


def packed(empty: np.ndarray | None) -> str | None:
    """A bool array as text, for a line of JSON."""
    return None if empty is None else base64.b64encode(zlib.compress(np.packbits(empty).tobytes(), 1)).decode()


def unpacked(text: str | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """The bool array of ``shape`` that `packed` made a text of."""
    if text is None:
        return None
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=math.prod(shape)).astype(bool).reshape(shape)


def open_isolated(path: Path, options: Options) -> Loop:
    """`open_video` in the child; frames are decoded there too, all that one call asks for at once."""
    place = str(path.absolute())
    reply, _ = _ask({"work": "open", "path": place}, options)

    def many(indices: list[int], grey: bool, scale: int) -> Iterator[tuple[int, np.ndarray]]:
        request = {"work": "frames", "path": place, "indices": indices, "grey": grey, "scale": scale}
        return zip(indices, _ask(request, options)[1], strict=True)

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        return dict(many([index], grey, scale))[index]

    size = reply["n_frames"], reply["height"], reply["width"], reply["channels"]
    return Loop(*size, reply["frame_time"], reply["facts"], one, many)


def _ask(request: dict[str, Any], options: Options) -> tuple[dict[str, Any], np.ndarray]:
    with _LOCK:
        try:
            reply, array = exchange(_child(), request | {"options": asdict(options)}, options.limits.seconds, _array)
        except Lost as lost:
            if lost.late:
                raise ReadError(f"decoding took longer than {options.limits.seconds:g} s", request["path"]) from lost
            raise ReadError("the decoder crashed on this file", f"{request['path']}: code {lost.code}") from lost
    if "reason" in reply:
        raise ReadError(reply["reason"], reply["detail"])
    return reply, array


class Lost(Exception):
    """A child ended before its answer did.

    Attributes:
        late: it was ended because it took too long.
        code: its exit code.
    """

    def __init__(self, late: bool, code: int) -> None:
        super().__init__(f"code {code}")
        self.late, self.code = late, code


def exchange(
    child: subprocess.Popen[bytes],
    request: Mapping[str, Any],
    seconds: float,
    body: Callable[[IO[bytes], dict[str, Any]], Body],
) -> tuple[dict[str, Any], Body]:
    """Send a request to a child as a line of JSON; read its answer, one line too, and the bytes that follow it.

    A child that ends, takes longer or answers anything else is ended; nothing but its exit code is left of it.

    Args:
        child: from `spawn`.
        request: JSON-serialisable.
        seconds: that the whole answer may take.
        body: reads what follows an answer.

    Raises:
        Lost: there is no answer.
    """
    watch = _Watch(child, seconds)
    answer: tuple[dict[str, Any], Body] | None = None
    try:
        reply = _ask_line(child, request)
        assert child.stdout is not None
        answer = reply, body(child.stdout, reply)
    except (OSError, EOFError, ValueError):
        pass
    except BaseException:  # an interrupt: the rest of this answer would be taken for the next one
        watch.over()
        end(child)
        raise
    if not watch.over() and answer is not None:
        return answer
    code = _exit_code(child)
    end(child)
    if answer is not None:  # it was there when the time was over
        return answer
    raise Lost(watch.late, code)


def _ask_line(child: subprocess.Popen[bytes], request: Mapping[str, Any]) -> dict[str, Any]:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


class _Watch:
    """Kills a process that takes longer than ``seconds``, unless it is over before."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        self.late = False
        self._over = False
        self._child = child
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        with self._lock:
            if not self._over:
                self.late = True
                self._child.kill()

    def over(self) -> bool:
        """No more killing; whether it has been killed."""
        with self._lock:
            self._over = True
        self._timer.cancel()
        return self.late


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    """Of a child whose pipe is closed; one that answers nonsense and lives on is ended."""
    try:
        return child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _array(stream: IO[bytes], reply: dict[str, Any]) -> np.ndarray:
    if "reason" in reply:
        return np.empty(0)
    stored = np.empty(reply["shape"], dtype=np.dtype(reply["dtype"]))
    _fill(stream, stored)
    return stored.transpose(np.argsort(reply["order"]))


def _fill(stream: IO[bytes], array: np.ndarray) -> None:
    if not array.size:
        return
    view, at = array.reshape(-1).view(np.uint8).data, 0
    while at < len(view):
        count = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        at += count


def _child() -> subprocess.Popen[bytes]:
    """The one child of this process, started when it is first needed."""
    child = _CHILDREN.get(os.getpid())
    if child is None or child.poll() is not None:
        child = _CHILDREN[os.getpid()] = spawn("scantune.io.child")
    return child


def spawn(module: str) -> subprocess.Popen[bytes]:
    """``python -m module`` on one core, its standard input and output piped here."""
    source = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, known] if known else [source])}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    environment |= {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    environment |= {"SCANTUNE_CHILD": "1"}  # decoders that may crash are asked there
    environment |= {"PYTHONSAFEPATH": "1"}  # "-m" would import from the working folder first: it may be one of scans
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # decoders print there, header texts among it
        env=environment,
    )


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a process that `spawn` started, and close its pipes."""
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # what was still to be written went with the child
    if _CHILDREN.get(os.getpid()) is child:
        del _CHILDREN[os.getpid()]


@atexit.register
def _end_child() -> None:
    child = _CHILDREN.get(os.getpid())
    if child is not None:
        end(child)
