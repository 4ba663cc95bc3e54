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
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from scantune.io.arrays import Image, Options, Video, Volume
from scantune.io.loop import Loop
from scantune.records import ReadError

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

    def many(indices: list[int], grey: bool, scale: int) -> dict[int, np.ndarray]:
        request = {"work": "frames", "path": place, "indices": indices, "grey": grey, "scale": scale}
        return dict(zip(indices, _ask(request, options)[1], strict=True))

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        return many([index], grey, scale)[index]

    size = reply["n_frames"], reply["height"], reply["width"], reply["channels"]
    return Loop(*size, reply["frame_time"], reply["facts"], one, many)


def _ask(request: dict[str, Any], options: Options) -> tuple[dict[str, Any], np.ndarray]:
    with _LOCK:
        child = _child()
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(options.limits.seconds, stop)
        timer.start()
        try:
            reply, array = _exchange(child, request | {"options": asdict(options)})
        except (OSError, EOFError, ValueError) as error:
            end(child)
            if late.is_set():
                raise ReadError(f"decoding took longer than {options.limits.seconds:g} s", request["path"]) from error
            raise ReadError(
                "the decoder crashed on this file", f"{request['path']}: code {child.returncode}"
            ) from error
        except BaseException:  # an interrupt in between would leave half an answer in the pipe
            end(child)
            raise
        finally:
            timer.cancel()
    if "reason" in reply:
        raise ReadError(reply["reason"], reply["detail"])
    return reply, array


def ask(child: subprocess.Popen[bytes], request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to a child as a line of JSON, and read its answer, one line too.

    Raises:
        EOFError: the child ended before its answer did.
        OSError: it takes no request any more.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


def _exchange(child: subprocess.Popen[bytes], request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    assert child.stdout is not None
    reply = ask(child, request)
    if "reason" in reply:
        return reply, np.empty(0)
    stored = np.empty(reply["shape"], dtype=np.dtype(reply["dtype"]))
    _fill(child.stdout, stored)
    return reply, stored.transpose(np.argsort(reply["order"]))


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
    _CHILDREN.pop(os.getpid(), None)


@atexit.register
def _end_own() -> None:
    child = _CHILDREN.get(os.getpid())
    if child is not None:
        end(child)
