"""Downloads from a server on 127.0.0.1 that is as odd as servers are."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scantune.downloads import download
from scantune.records import ScantuneError

OLD, NEW = b"old " * 5000, b"new!" * 5000


class Server:
    """What it answers: each request is a call of ``answer`` with the handler."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = whole(OLD)
        self.url = ""


def whole(content: bytes, *, etag: str = "", sent: int | None = None, chunked: bool = False):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(content)))))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        part = content[: len(content) if sent is None else sent]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        if chunked and sent is None:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def part(content: bytes, start: int, *, etag: str = ""):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(content[start:])

    return answer


def beyond(size: int | None):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(416)
        if size is not None:
            handler.send_header("Content-Range", f"bytes */{size}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def conditional(content: bytes, etag: str):
    """As RFC 9110, 13.1.5: a part if ``If-Range`` names this version, else the whole."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = handler.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        same = handler.headers.get("If-Range", etag) == etag
        (part(content, int(start), etag=etag) if start and same else whole(content, etag=etag))(handler)

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.requests.append(dict(self.headers.items()))
            state.answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}/a.bin"
    try:
        yield state
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def cut(server: Server, target: Path, content: bytes = OLD, etag: str = "") -> None:
    """A download that ends in the middle."""
    server.answer = whole(content, etag=etag, sent=len(content) // 2)
    with pytest.raises(OSError, match="ended after 10000 of 20000 bytes"):
        download(server.url, target)
    assert not target.exists()


@pytest.mark.parametrize("etag", ['"1"', ""])
def test_a_file_that_changed_since_the_cut_is_not_glued_to_the_old_one(server, tmp_path: Path, etag: str) -> None:
    target = tmp_path / "a.bin"
    cut(server, target, OLD, etag and '"0"')
    server.answer = conditional(NEW, etag)
    assert download(server.url, target).read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_the_same_version_is_resumed(server, tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    cut(server, target, OLD, '"1"')
    server.answer = conditional(OLD, '"1"')
    assert download(server.url, target).read_bytes() == OLD
    assert server.requests[-1]["Range"] == "bytes=10000-"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_published_digest_lets_a_file_without_a_version_be_resumed(server, tmp_path: Path) -> None:
    target, digest = tmp_path / "a.bin", f"sha256:{hashlib.sha256(OLD).hexdigest()}"
    cut(server, target)
    server.answer = conditional(OLD, "")
    assert download(server.url, target, digest).read_bytes() == OLD
    assert server.requests[-1]["Range"] == "bytes=10000-"


def test_a_server_that_ignores_the_range_or_answers_another_one(server, tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    cut(server, target, OLD, '"1"')
    server.answer = whole(OLD, etag='"1"')
    assert download(server.url, target).read_bytes() == OLD
    target.unlink()
    cut(server, target, OLD, '"1"')
    other, all_of_it = part(OLD, 5000, etag='"1"'), whole(OLD)
    server.answer = lambda handler: (other if "Range" in handler.headers else all_of_it)(handler)
    assert download(server.url, target).read_bytes() == OLD


@pytest.mark.parametrize(("size", "requests"), [(10_000, 1), (4, 2), (None, 2)])
def test_what_is_beyond_the_end_of_a_file_is_complete_only_if_it_has_its_size(
    server, tmp_path: Path, size: int | None, requests: int
) -> None:
    target = tmp_path / "a.bin"
    cut(server, target, OLD, '"1"')
    before = len(server.requests)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        (beyond(size) if "Range" in handler.headers else whole(NEW))(handler)

    server.answer = answer
    assert download(server.url, target).read_bytes() == (OLD[:10_000] if requests == 1 else NEW)
    assert len(server.requests) - before == requests


def test_an_answer_of_unknown_length_that_ends_early_is_told(server, tmp_path: Path) -> None:
    from http.client import HTTPException

    server.answer = whole(OLD, sent=10_000, chunked=True)
    with pytest.raises((OSError, HTTPException)):
        download(server.url, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    server.answer = whole(OLD, chunked=True)
    assert download(server.url, tmp_path / "a.bin").read_bytes() == OLD


def test_another_digest_leaves_nothing(server, tmp_path: Path) -> None:
    server.answer = whole(OLD, etag='"1"')
    with pytest.raises(ScantuneError, match=r"a\.bin: the MD5 of the download is .*, the published one is 0"):
        download(server.url, tmp_path / "a.bin", "md5:0")
    assert not list(tmp_path.iterdir())
