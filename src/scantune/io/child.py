"""The other end of `isolation`: a process that reads files on request. Run as ``python -m scantune.io.child``.

A request is one line of JSON on standard input; an answer is one line of JSON on standard output, followed by the bytes
of its array. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scantune.io.arrays import Image, Limits, Options, SeriesRule, Video, Volume, VolumeRule
from scantune.io.isolation import packed
from scantune.io.reading import open_video, read_here
from scantune.records import ReadError

_MARGIN = 6 << 30  # bytes beside the decoded array: libraries, the file itself, a decoder's own buffers


def options_from(plain: dict[str, Any]) -> Options:
    """Options from their JSON."""
    plain = dict(plain)
    plain["limits"] = Limits(**plain["limits"])
    plain["series"] = SeriesRule(**plain["series"]) if plain["series"] else None
    if plain["volume"]:
        rule = plain["volume"]
        plain["volume"] = VolumeRule(rule["index"], rule["take"], tuple((key, value) for key, value in rule["keys"]))
    if isinstance(plain["window"], list):
        plain["window"] = tuple(plain["window"])
    return Options(**plain)


def _read(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    data = read_here(Path(request["path"]), options_from(request["options"]))
    if isinstance(data, Volume):
        reply = {"kind": "volume", "affine": data.affine.tolist(), "facts": dict(data.facts)}
        return reply | {"empty": packed(data.empty)}, data.array
    if isinstance(data, Image):
        reply = {"kind": "image", "spacing": data.spacing, "facts": dict(data.facts)}
        return reply | {"empty": packed(data.empty)}, data.array
    assert isinstance(data, Video)
    return {"kind": "video", "frame_time": data.frame_time, "facts": dict(data.facts)}, data.frames


def _open(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    options = options_from(request["options"])
    loop = open_video(request["path"], series=options.series, window=options.window, limits=options.limits)
    keys = ("n_frames", "height", "width", "channels", "frame_time", "facts")
    return {key: getattr(loop, key) for key in keys}, np.empty(0, np.uint8)


def _frames(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    options = options_from(request["options"])
    loop = open_video(request["path"], series=options.series, window=options.window, limits=options.limits)
    return {}, loop.frames(request["indices"], grey=request["grey"], scale=request["scale"])


_WORK: dict[str, Callable[[dict[str, Any]], tuple[dict[str, Any], np.ndarray]]] = {
    "read": _read,
    "open": _open,
    "frames": _frames,
}


def _answer(request: dict[str, Any], out: BinaryIO) -> None:
    try:
        reply, array = _WORK[request["work"]](request)
    except ReadError as error:
        _send(out, {"reason": error.reason, "detail": error.detail}, None)
        return
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    stored = np.ascontiguousarray(array.transpose(order))  # a transposed view is sent as it lies in memory
    _send(out, reply | {"shape": stored.shape, "dtype": stored.dtype.str, "order": order}, stored)


def _send(out: BinaryIO, reply: dict[str, Any], array: np.ndarray | None) -> None:
    out.write(json.dumps(reply).encode() + b"\n")
    if array is not None and array.size:
        out.write(array.reshape(-1).view(np.uint8).data)
    out.flush()


def _bound_memory(max_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = 3 * max_bytes + _MARGIN
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Answer requests until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    bounded = False
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if not bounded:
            _bound_memory(int(request["options"]["limits"]["max_bytes"]))
            bounded = True
        _answer(request, out)


if __name__ == "__main__":
    main()
