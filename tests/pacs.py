"""A small DICOMweb server on this machine, with the faults that real ones have."""

from __future__ import annotations

import contextlib
import email
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom

_KEYS = {"0020000E": "SeriesInstanceUID", "00080060": "Modality", "0008103E": "SeriesDescription"}


@dataclass
class Pacs:
    """What the server has, and how it answers.

    Attributes:
        files: study, series and SOP Instance UID to the content of the file.
        page: the most matches of one list; 0 for no limit.
        cuts: number of answers with instances that end in the middle.
        left_out: SOP Instance UIDs that an answer for a series lacks.
        gone: SOP Instance UIDs of which there is no file.
        failing: status of each answer, or 0.
        moved: address that every GET is sent to, or "".
        bodies: path's end to what is sent in place of the answer.
        authorization: the header that is needed, or "".
        by_instance: status of an answer for a whole series, or 0.
        asterisk: whether ``transfer-syntax=*`` is understood.
        single: an instance is sent as ``application/dicom``; "only" where nothing else is understood.
        refused: SOP class to the Failure Reason with which it is refused.
        requests: method, path and header of each request.
    """

    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    page: int = 0
    cuts: int = 0
    left_out: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    failing: int = 0
    moved: str = ""
    bodies: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    authorization: str = ""
    by_instance: int = 0
    asterisk: bool = True
    single: bool | str = False
    refused: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""

    def add(self, content: bytes | Path) -> tuple[str, str, str]:
        """Keep a file; its UIDs."""
        content = content.read_bytes() if isinstance(content, Path) else content
        header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        key = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
        self.files[key] = content
        return key

    def series(self, study: str) -> list[dict[str, Any]]:
        found: dict[str, list[bytes]] = {}
        for (of_study, series, _), content in self.files.items():
            if of_study == study:
                found.setdefault(series, []).append(content)
        listed = []
        for contents in found.values():
            header = pydicom.dcmread(io.BytesIO(contents[0]), stop_before_pixels=True)
            listed.append({key: {"vr": "LO", "Value": [str(header.get(name, ""))]} for key, name in _KEYS.items()})
            listed[-1]["00201209"] = {"vr": "IS", "Value": [len(contents)]}
        return listed


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up, as at a limit, is none of the tests' concern."""


#: Status, body and media type.
Answer = tuple[int, bytes, str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pacs: Pacs

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.pacs.requests.append(("GET", urlsplit(self.path).path, self.headers.get("Authorization")))
        self._send(*self._answer())

    def do_POST(self) -> None:
        self.pacs.requests.append(("POST", urlsplit(self.path).path, self.headers.get("Authorization")))
        self._send(*self._verdict(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self) -> Answer:
        pacs, url = self.pacs, urlsplit(self.path)
        if pacs.moved:
            return 302, b"", "text/html"
        if refused := self._refused():
            return refused, b"no", "text/plain"
        for ending, (kind, body) in pacs.bodies.items():
            if url.path.endswith(ending):
                return 200, body, kind
        _, *parts = url.path.removeprefix("/dicom-web/").split("/")
        if len(parts) == 2 and parts[1] == "series":
            return self._list(pacs.series(parts[0]), url.query)
        here = {key[2]: content for key, content in pacs.files.items() if key[:2] == (parts[0], parts[2])}
        if len(parts) == 4:
            return self._list([{"00080018": {"vr": "UI", "Value": [uid]}} for uid in here], url.query)
        if len(parts) == 5:
            here = {uid: content for uid, content in here.items() if uid == parts[4]}
        else:
            here = {uid: content for uid, content in here.items() if uid not in pacs.left_out}
        here = {uid: content for uid, content in here.items() if uid not in pacs.gone}
        if not here:
            return 404, b"", "text/plain"
        if pacs.by_instance and len(parts) == 3:
            return pacs.by_instance, b"", "text/plain"
        if pacs.single == "only" and not (self.headers["Accept"].startswith("application/dicom") and len(parts) == 5):
            return 406, b"", "text/plain"
        if "*" in self.headers["Accept"] and not pacs.asterisk:
            return 406, b"", "text/plain"
        if pacs.single and len(parts) == 5:
            return 200, next(iter(here.values())), "application/dicom"
        body = b"".join(b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n" + content for content in here.values())
        body += b"\r\n--B--\r\n"
        return 200, body, 'multipart/related; type="application/dicom"; boundary=B'

    def _verdict(self, body: bytes) -> Answer:
        pacs = self.pacs
        if pacs.moved:
            return 302, b"", "text/html"
        if refused := self._refused():
            return refused, b"no", "text/plain"
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        stored, failed = [], []
        for part in message.get_payload():
            content = part.get_payload(decode=True)
            header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
            item = {"00081155": {"vr": "UI", "Value": [header.SOPInstanceUID]}}
            if header.SOPClassUID in pacs.refused:
                code = pacs.refused[header.SOPClassUID]
                failed.append(item | {"00081197": {"vr": "US", "Value": [code]}})
            else:
                pacs.add(content)
                stored.append(item)
        answer = {"00081199": {"vr": "SQ", "Value": stored}, "00081198": {"vr": "SQ", "Value": failed}}
        answer = {key: sequence for key, sequence in answer.items() if sequence["Value"]}
        status = 200 if not failed else 202 if stored else 409
        return status, json.dumps(answer).encode(), "application/dicom+json"

    def _refused(self) -> int:
        if self.pacs.failing:
            return self.pacs.failing
        return 401 if self.pacs.authorization not in ("", self.headers.get("Authorization")) else 0

    def _list(self, matches: list[dict[str, Any]], query: str) -> Answer:
        start = int(parse_qs(query).get("offset", ["0"])[0])
        page = matches[start : start + self.pacs.page] if self.pacs.page else matches
        return 200 if page else 204, json.dumps(page).encode() if page else b"", "application/dicom+json"

    def _send(self, status: int, body: bytes, kind: str) -> None:
        cut = self.pacs.cuts > 0 and kind.startswith("multipart")
        self.pacs.cuts -= cut
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", self.pacs.moved + self.path)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut


@contextlib.contextmanager
def serving(tls: Any = None) -> Iterator[Pacs]:
    """A server of its own, which ends with the context."""
    pacs = Pacs()
    handler = type("Handler", (_Handler,), {"pacs": pacs})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    pacs.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/dicom-web"
    try:
        yield pacs
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
