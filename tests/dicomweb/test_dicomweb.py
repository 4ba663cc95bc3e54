"""The series of a study from a DICOMweb server, and results to it: whole, or with the reason in words."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom.data import get_testdata_file

from scantune import io
from scantune.dicomweb import connection as connections
from scantune.dicomweb import retrieve as retrieving
from scantune.dicomweb.address import Address, storage
from scantune.dicomweb.connection import Connection, Interrupted
from scantune.dicomweb.multipart import parts
from scantune.dicomweb.retrieve import Series, file_name, instances_of, retrieve, series_of
from scantune.dicomweb.store import _verdict, store
from scantune.records import ReadError, ScantuneError
from tests.pacs import Pacs, serving

SECRET = "s3cret-word"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "PASSWORD", "TOKEN", "BYTES"):
        monkeypatch.delenv(f"SCANTUNE_DICOMWEB_{name}", raising=False)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(connections, "_SECONDS", (2, 2))


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with serving() as server:
        yield server


@pytest.fixture
def study(pacs: Pacs, tmp_path: Path) -> Address:
    """A study with one series of five slices."""
    volume = io.Volume(np.random.default_rng(0).normal(99, 9, (5, 8, 6)).round(), np.diag([1.0, 1.0, 2.0, 1.0]))
    io.write_dicom_series(tmp_path / "a", volume, patient_id="p", seed="1", tags={"SeriesDescription": "FLAIR"})
    for path in sorted((tmp_path / "a").iterdir()):
        key = pacs.add(path)
    return Address(pacs.address, key[0])


def listed(study: Address) -> Series:
    (series,) = series_of(Connection(), study)
    return instances_of(Connection(), series)


def fetched(study: Address, folder: Path) -> dict[str, bytes]:
    series = listed(study)
    retrieve(Connection(), series.address, series.instances, folder, series.stated)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored_files(pacs: Pacs) -> dict[str, bytes]:
    return {file_name(uid): content for (_, _, uid), content in pacs.files.items()}


@pytest.mark.parametrize(
    "text",
    [
        "http://h/studies/1.2",
        "https://h:8/a/b/studies/1.2/series/3.04",
        "https://h/studies/studies/1.2/series/3/instances/4.5",
    ],
)
def test_addresses_are_read_and_written_alike(text: str) -> None:
    assert str(Address.of(f" {text}/ ")) == text
    assert Address.of(text).study == "1.2"


@pytest.mark.parametrize(
    "text", ["http://h/dicom-web", "http://h/studies/x", "http://h/studies/1..2", f"http://h/studies/{'1' * 65}",
             "http://h/studies/1/series/../../x", "http://h/studies/1?series=2", "http://[h/studies/1"],
)  # fmt: skip
def test_another_form_of_address_is_refused(text: str) -> None:
    with pytest.raises(ScantuneError, match="https://HOST/…/studies/UID"):
        Address.of(text)


def test_a_password_in_an_address_is_refused_without_being_repeated() -> None:
    for read in (Address.of, storage):
        for password in (SECRET, f"a/{SECRET}", f"{SECRET}/a"):
            with pytest.raises(ScantuneError, match="SCANTUNE_DICOMWEB_PASSWORD") as caught:
                read(f"https://me:{password}@h/studies/1.2")
            assert SECRET not in str(caught.value)


def test_results_go_to_the_studies_of_a_service() -> None:
    assert storage("https://h/dicom-web/") == "https://h/dicom-web/studies"
    assert storage("https://h/studies/1.2/") == "https://h/studies/1.2"
    for wrong in ("h/dicom-web", "https://h/studies/1/series/2", "https://h/x?y=1", "ftp://h"):
        with pytest.raises(ScantuneError):
            storage(wrong)


@pytest.mark.parametrize("asterisk", [True, False])
@pytest.mark.parametrize("page", [0, 1, 2])
def test_a_series_is_listed_page_by_page_and_comes_byte_by_byte(pacs, study, tmp_path, page, asterisk):
    pacs.page, pacs.asterisk = page, asterisk
    series = listed(study)
    assert (series.modality, series.description, series.stated, len(series.instances)) == ("MR", "FLAIR", 5, 5)
    assert fetched(study, tmp_path / "out") == stored_files(pacs)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    gets = [path for method, path, _ in pacs.requests if "/instances/" in path]
    assert not gets, "one request for the whole series"


@pytest.mark.parametrize("status", [400, 406, 413, 501])
def test_a_server_that_sends_no_whole_series_is_asked_by_instance(pacs, study, tmp_path, status):
    pacs.by_instance = status
    assert fetched(study, tmp_path / "out") == stored_files(pacs)


def test_a_server_that_sends_instances_without_parts_alone_is_understood(pacs, study, tmp_path):
    pacs.single = "only"
    assert fetched(study, tmp_path / "out") == stored_files(pacs)


def test_real_files_of_several_transfer_syntaxes_come_as_they_are(pacs, tmp_path):
    names = ("CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "693_J2KR.dcm")
    for name in names:
        path = get_testdata_file(name)
        key = pacs.add(Path(path))
        address = Address(pacs.address, *key[:2])
        retrieve(Connection(), address, [key[2]], tmp_path / name)
        assert (tmp_path / name / file_name(key[2])).read_bytes() == Path(path).read_bytes()
        pacs.single = True


@pytest.mark.parametrize("cuts", [1, 2])
def test_what_a_cut_connection_left_out_is_requested_by_instance(pacs, study, tmp_path, cuts):
    pacs.cuts = cuts
    assert fetched(study, tmp_path / "out") == stored_files(pacs)
    pacs.left_out = {listed(study).instances[2]}
    assert fetched(study, tmp_path / "again") == stored_files(pacs)


def test_a_series_that_does_not_come_whole_is_refused(pacs, study, tmp_path):
    pacs.cuts = 99
    with pytest.raises(ReadError, match=r"[1-5] of 5 instances did not come: the connection was cut"):
        fetched(study, tmp_path / "1")
    pacs.cuts, pacs.gone = 0, {listed(study).instances[2]}
    with pytest.raises(ReadError, match="no such study, series or instance"):
        fetched(study, tmp_path / "2")
    pacs.gone = set()
    series = listed(study)
    with pytest.raises(ReadError, match="states 6 instances, and gave 5"):
        retrieve(Connection(), series.address, series.instances, tmp_path / "3", 6)


def test_an_instance_that_comes_in_place_of_another_is_refused(pacs, study, tmp_path):
    (asked, other, *_) = listed(study).instances
    content = next(content for key, content in pacs.files.items() if key[2] == other)
    body = b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--B--\r\n"
    pacs.left_out = {asked}
    pacs.bodies = {asked: ('multipart/related; type="application/dicom"; boundary=B', body)}
    with pytest.raises(ReadError, match="another instance than the one that was asked for"):
        fetched(study, tmp_path / "b")


def test_more_bytes_than_may_be_are_refused(pacs, study, tmp_path, monkeypatch):
    monkeypatch.setenv("SCANTUNE_DICOMWEB_BYTES", "1000")
    with pytest.raises(ReadError, match=r"larger than 1,000 bytes.*SCANTUNE_DICOMWEB_BYTES"):
        fetched(study, tmp_path / "out")
    monkeypatch.setenv("SCANTUNE_DICOMWEB_BYTES", "all")
    with pytest.raises(ScantuneError, match="SCANTUNE_DICOMWEB_BYTES is 'all'"):
        fetched(study, tmp_path / "out2")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refuses this user"), (403, "refuses this user"), (404, "no such study"), (500, "failed"), (503, "failed"),
     (400, "refuses the request")],
)  # fmt: skip
def test_a_status_is_told_in_words(pacs, study, status, words):
    pacs.failing = status
    with pytest.raises(ReadError, match=f"the server .*{words}.*{status}") as caught:
        series_of(Connection(), study)
    assert "127.0.0.1" not in caught.value.reason


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html; charset=utf-8", b"<html>log in</html>"), ("application/json", b'{"error": 1}'),
     ("application/json", b"[1]"), ("", b"\xff\xfe"), ("application/json", b"[" * 200_000)],
)  # fmt: skip
def test_what_is_no_dicomweb_is_told(pacs, study, tmp_path, kind, body):
    series = listed(study)
    pacs.bodies = {"/series": (kind, body)}
    with pytest.raises(ReadError, match="does not answer as DICOMweb"):
        series_of(Connection(), study)
    pacs.bodies = {f"/series/{series.address.series}": (kind, body)}
    with pytest.raises(ReadError, match="does not answer as DICOMweb"):
        retrieve(Connection(), series.address, series.instances, tmp_path / "out")


def test_parts_that_are_no_dicom_are_refused(pacs, study, tmp_path):
    series = listed(study)
    for number, (part, words) in enumerate(
        [(b"Content-Type: image/jpeg\r\n\r\nx", "image/jpeg in place of DICOM"), (b"\r\nhello", "no DICOM file")]
    ):
        body = b"--B\r\n" + part + b"\r\n--B--"
        pacs.bodies = {f"/series/{series.address.series}": ("multipart/related; boundary=B", body)}
        with pytest.raises(ReadError, match=words):
            retrieve(Connection(), series.address, series.instances, tmp_path / str(number))


def test_an_empty_study_no_series_and_no_instances_are_told(pacs, study):
    with pytest.raises(ReadError, match="no such study, or no series in it"):
        series_of(Connection(), Address(pacs.address, "1.2.3"))
    with pytest.raises(ReadError, match="no such series in this study"):
        series_of(Connection(), Address(pacs.address, study.study, "1.2.3"))
    pacs.bodies = {"/instances": ("application/json", b"[]")}
    with pytest.raises(ReadError, match="no instances in this series"):
        listed(study)


def test_no_route_and_no_answer_are_told(study, monkeypatch):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ReadError, match="no connection to the server"):
            series_of(Connection(), Address(f"http://127.0.0.1:{port}", "1.2"))
        bound.listen()
        monkeypatch.setattr(connections, "_SECONDS", (0.2, 0.2))
        with pytest.raises(ReadError, match="does not answer in time"):
            series_of(Connection(), Address(f"http://127.0.0.1:{port}", "1.2"))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("answer", [
    b"garbage\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n[]",
    b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /1\r\nContent-Length: 0\r\n\r\n",
])  # fmt: skip
def test_whatever_a_server_sends_is_a_reason(answer):
    def serve(bound: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = bound.accept()
                with taken:
                    taken.recv(1 << 16)
                    taken.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as bound:
        threading.Thread(target=serve, args=(bound,), daemon=True).start()
        with pytest.raises(ReadError):
            series_of(Connection(), Address(f"http://127.0.0.1:{bound.getsockname()[1]}", "1.2"))
        bound.shutdown(socket.SHUT_RDWR)


def test_an_address_of_no_host_and_certificates_that_are_none_are_reasons(monkeypatch):
    for host in ("ä..b", "x" * 300, "h:99999", ""):
        with pytest.raises(ReadError, match="cannot be asked"):
            series_of(Connection(), Address(f"http://{host}", "1.2"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nothing")
    with pytest.raises(ReadError, match="REQUESTS_CA_BUNDLE names no file"):
        series_of(Connection(), Address("https://127.0.0.1:1", "1.2"))


def test_a_certificate_that_is_not_trusted_is_told(tmp_path, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    with serving(context) as pacs:
        with pytest.raises(ReadError, match=r"certificate is not trusted.*REQUESTS_CA_BUNDLE"):
            series_of(Connection(), Address(pacs.address, "1.2"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        with pytest.raises(ReadError, match="no such study"):
            series_of(Connection(), Address(pacs.address, "1.2"))


@pytest.mark.parametrize("kind", ["user", "token"])
def test_credentials_go_to_the_named_host_alone(pacs, study, tmp_path, monkeypatch, kind):
    if kind == "user":
        monkeypatch.setenv("SCANTUNE_DICOMWEB_USER", "jürgen")
        monkeypatch.setenv("SCANTUNE_DICOMWEB_PASSWORD", SECRET)
        pacs.authorization = "Basic asO8cmdlbjpzM2NyZXQtd29yZA=="
    else:
        monkeypatch.setenv("SCANTUNE_DICOMWEB_TOKEN", f"{SECRET}\n")
        pacs.authorization = f"Bearer {SECRET}"
    assert len(fetched(study, tmp_path / "out")) == 5
    monkeypatch.delenv("SCANTUNE_DICOMWEB_TOKEN", raising=False)
    monkeypatch.setenv("SCANTUNE_DICOMWEB_USER", "other")
    monkeypatch.setenv("SCANTUNE_DICOMWEB_PASSWORD", SECRET)
    with pytest.raises(ReadError, match=r"\(401\)") as caught:
        series_of(Connection(), study)
    assert SECRET not in str(caught.value)
    with serving() as other:
        pacs.moved = other.address.removesuffix("/dicom-web")
        other.files = pacs.files
        assert len(series_of(Connection(), study)) == 1
        assert [header for *_, header in other.requests] == [None, None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"USER": "me"}, "one alone is set"),
        ({"PASSWORD": SECRET}, "one alone is set"),
        ({"USER": "me", "PASSWORD": SECRET, "TOKEN": SECRET}, "is set, and"),
        ({"TOKEN": f"{SECRET}\r\nX: y"}, "no token has"),
    ],
)
def test_credentials_that_cannot_hold_are_refused(monkeypatch, settings, words):
    for name, value in settings.items():
        monkeypatch.setenv(f"SCANTUNE_DICOMWEB_{name}", value)
    with pytest.raises(ScantuneError, match=words) as caught:
        Connection()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_parts_are_told_apart_wherever_chunks_end(size):
    contents = [b"", b"\r\n--", b"a\r\n--Bx"[:6] + b"\r\n-" * 9, bytes(range(256)), b"\r\n\r\n"]
    body = b"preamble"
    for number, content in enumerate(contents):
        headers = b"Content-Type: application/dicom\r\nContent-Length: 1\r\n" if number % 2 else b""
        body += b"\r\n--BOUND\r\n" + headers + b"\r\n" + content
    body += b"\r\n--BOUND--\r\nepilogue"
    kind = 'multipart/related; type="application/dicom"; boundary="BOUND"'
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert [b"".join(part) for part in parts(chunks, kind)] == contents
    for end in range(0, body.index(b"--BOUND--"), 7):
        with pytest.raises(Interrupted):
            [b"".join(part) for part in parts([body[:end]], kind)]


@pytest.mark.parametrize("failed", [["x"], [{"00081197": 1}], [{"00081197": {"Value": 1}}], [None]])
def test_an_answer_of_another_form_counts_as_not_stored(failed):
    answer = {"00081198": {"Value": failed}, "00081199": {"Value": [{}]}}
    response = SimpleNamespace(json=lambda: answer, status_code=200, headers={"Content-Type": "application/json"})
    assert _verdict(response) == "the server does not state that it has stored it (200, application/json)"


def test_a_result_is_stored_or_its_refusal_told(pacs, tmp_path, monkeypatch):
    path = Path(get_testdata_file("CT_small.dcm"))
    url = storage(pacs.address)
    assert store(Connection(), url, path) == ""
    assert list(pacs.files.values()) == [path.read_bytes()]
    pacs.refused = {"1.2.840.10008.5.1.4.1.1.2": 0x0122}
    assert store(Connection(), url, path) == "the server refuses it: the SOP class is not supported (0122)"
    pacs.refused = {"1.2.840.10008.5.1.4.1.1.2": 0xA700}
    assert store(Connection(), url, path) == "the server refuses it: out of resources (A700)"
    pacs.refused = {"1.2.840.10008.5.1.4.1.1.2": 0x0111}
    assert store(Connection(), url, path) == ""  # it is there already
    pacs.refused = {"1.2.840.10008.5.1.4.1.1.2": 0x9999}
    assert store(Connection(), url, path) == "the server refuses it (9999)"
    for status, words in ((401, "refuses this user"), (404, "no DICOMweb service"), (500, "failed (500)")):
        pacs.failing = status
        assert words in store(Connection(), url, path)
    pacs.failing, pacs.moved = 0, "http://127.0.0.1:1"
    assert "elsewhere (302)" in store(Connection(), url, path)


@pytest.mark.parametrize(
    ("status", "kind", "body", "is_stored"),
    [
        (200, "application/dicom+json", b'{"00081199": {"vr": "SQ", "Value": [{}]}}', True),
        (200, "application/dicom+json", b'[{"00081199": {"vr": "SQ", "Value": [{}]}}]', True),
        (200, "application/dicom+xml", b'<NativeDicomModel><DicomAttribute tag="00081199"/></NativeDicomModel>', True),
        (202, "application/dicom+xml", b'<NativeDicomModel><DicomAttribute tag="00081199"/></NativeDicomModel>', False),
        (200, "text/html", b"<html>log in</html>", False),
        (200, "application/json", b"{}", False),
        (202, "application/json", b'{"00081199": {"vr": "SQ"}}', False),
        (204, "", b"", False),
        (409, "text/html", b"conflict", False),
    ],
)
def test_only_an_answer_that_states_it_counts_as_stored(tmp_path, status, kind, body, is_stored):
    class Answering:
        def post(self, *_: object) -> requests.Response:
            response = requests.Response()
            response.status_code, response._content = status, body
            response.headers["Content-Type"] = kind
            return response

    (tmp_path / "a.dcm").write_bytes(b"x")
    assert (store(Answering(), "http://h/studies", tmp_path / "a.dcm") == "") == is_stored  # type: ignore[arg-type]


def test_the_wait_between_attempts_grows(pacs, study, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(retrieving.time, "sleep", waits.append)
    pacs.cuts = 99
    with pytest.raises(ReadError):
        fetched(study, tmp_path / "out")
    assert [wait for wait in waits if wait >= 1][-2:] == [1, 2]
