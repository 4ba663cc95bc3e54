"""The other end of :mod:`scantune.preprocess.worker`. Run as ``python -m scantune.preprocess.child``."""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.preprocess.sample import plain, process, refusal
from scantune.preprocess.within import Within, prepare_within
from scantune.preprocess.worker import reply_of, seconds_of, source_from, task_from

_MARGIN = 5.0  # s; within the limit itself the parent ends this process


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    """Requests from standard input. When the parent has ended, this process ends at once."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def _answer(request: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    """An outcome if a store is named; else the prepared sample and, separately, its tensor."""
    if "store" in request:
        return reply_of(process(*task_from(request))), None
    try:
        within = Within(**request["within"]) if request["within"] else None
        prepared = prepare_within(source_from(request), request["settings"], within)
    except Exception as error:  # one bad scan never ends the run
        reason, detail = refusal(error, ", ".join(request["files"]))
        return {"reason": reason, "detail": detail}, None
    tensor = np.ascontiguousarray(prepared.tensor)
    about = {"shape": tensor.shape, "dtype": tensor.dtype.str, "bytes": tensor.nbytes}
    return {**about, "spacing": plain(prepared.spacing), "facts": plain(prepared.facts)}, tensor


def main() -> None:
    """Prepare the requested samples one after another, until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a library must not mix with the answers
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    out.write(b"ready\n")
    out.flush()
    while True:
        request = json.loads(lines.get())
        # A decoder that hangs holds the interpreter's lock: with the parent gone too, nothing else would end it.
        limit = seconds_of(request["settings"]) + _MARGIN
        faulthandler.dump_traceback_later(limit, exit=True)
        reply, tensor = _answer(request)
        faulthandler.cancel_dump_traceback_later()
        out.write(json.dumps(reply).encode() + b"\n")
        if tensor is not None and tensor.size:
            out.write(tensor.reshape(-1).view(np.uint8).data)
        out.flush()


if __name__ == "__main__":
    main()
