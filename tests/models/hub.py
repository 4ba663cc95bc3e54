"""Hugging Face's hub and a plain file server on 127.0.0.1: the protocol as its client speaks it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0" * 39 + "1"


@dataclass
class Hub:
    """What it serves and what it was asked.

    Attributes:
        files: path after the host → content.
        digests: path → the SHA-256 that the hub states; the content's own where not set.
        cut: the first so many answers with content end in the middle.
        asked: (method, path, Range) of each request.
        address: where it listens.
    """

    files: dict[str, bytes]
    digests: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """``hub`` listening, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_content=False)

        def do_GET(self) -> None:
            self.answer(with_content=True)

        def answer(self, with_content: bool) -> None:
            span = self.headers.get("Range", "")
            hub.requests.append((self.command, self.path, span))
            content = hub.files.get(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            digest = hub.digests.get(self.path, hashlib.sha256(content).hexdigest())
            start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("ETag", f'"{digest}"')
            self.end_headers()
            if with_content:
                end = len(content)
                if hub.cut:
                    hub.cut -= 1
                    end = (start + end) // 2
                self.wfile.write(content[start:end])
                if end < len(content):
                    self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
