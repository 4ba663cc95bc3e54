"""The other end of :mod:`scantune.preprocess.worker`. Run as ``python -m scantune.preprocess.child``."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading

from scantune.preprocess.sample import process
from scantune.preprocess.worker import reply_of, task_from


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    """Requests as they come. When nobody asks any more (the parent is gone), this process goes too, at once."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Prepare what is asked for, one sample after another, until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    out.write(b"ready\n")
    out.flush()
    while True:
        outcome = process(*task_from(json.loads(lines.get())))
        out.write(json.dumps(reply_of(outcome)).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
