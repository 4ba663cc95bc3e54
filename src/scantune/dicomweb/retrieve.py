"""The series of a study (QIDO-RS) and their instances as files (WADO-RS)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scantune import io
from scantune.dicomweb.address import Address, is_uid
from scantune.dicomweb.connection import CHUNK, Connection, Interrupted, StatusError
from scantune.dicomweb.multipart import parts
from scantune.records import ReadError, ScantuneError

_ATTEMPTS = 3
_BYTES = "SCANTUNE_DICOMWEB_BYTES"
_MOST_BYTES = 8 * 2**30
_PARTS = 'multipart/related; type="application/dicom"'
#: The encoding of the server, as every server should have it; in that of the standard; an instance without parts.
_ACCEPTED = (f"{_PARTS}; transfer-syntax=*", _PARTS, "application/dicom; transfer-syntax=*")
_MOST_PAGES = 1000


@dataclass(frozen=True)
class Series:
    """A series as the server lists it.

    Attributes:
        address: of the series.
        modality: its code ("MR"), or "".
        description: its Series Description; None where the server states none.
        instances: SOP Instance UIDs, in the order of the list.
        stated: number of instances that the server states; 0 where it does not.
    """

    address: Address
    modality: str
    description: str | None
    instances: tuple[str, ...]
    stated: int


def series_of(connection: Connection, address: Address) -> list[Series]:
    """The series of a study, or the one that is named, without instances (:func:`instances_of`).

    Raises:
        ReadError: no connection, no such study or series, or an empty one.
    """
    study = Address(address.service, address.study)
    listed = _pages(connection, f"{study}/series", "0020000E")
    if not listed:
        raise ReadError("the server has no such study, or no series in it")
    named = {uid: match for uid, match in listed.items() if address.series in ("", uid)}
    if not named:
        raise ReadError("the server has no such series in this study")
    return [
        Series(
            replace(study, series=uid), str(_value(match, "00080060") or "").upper(), _text(match, "0008103E"), (),
            _number(match, "00201209"),
        )
        for uid, match in named.items()
    ]  # fmt: skip


def instances_of(connection: Connection, series: Series) -> Series:
    """The series with its instances.

    Raises:
        ReadError: no connection, or no instances.
    """
    listed = _pages(connection, f"{series.address}/instances", "00080018")
    if not listed:
        raise ReadError("the server has no instances in this series")
    return replace(series, instances=tuple(listed))


def retrieve(connection: Connection, address: Address, instances: Sequence[str], folder: Path, stated: int = 0) -> None:
    """Write the instances of a series to a folder, each under its :func:`file_name`, in the encoding of the server.

    The series is requested as a whole; what does not come then, be it that the connection is cut, is requested
    by instance, a few times.

    Args:
        connection: to the server.
        address: of the series, or of the one instance.
        instances: SOP Instance UIDs.
        folder: created; readable by this user alone.
        stated: number of instances that there must be.

    Raises:
        ReadError: an instance did not come, or another one in its place; more than ``SCANTUNE_DICOMWEB_BYTES`` (8 GiB
            unless set).
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True)
    budget = _Budget()
    series = replace(address, instance="")
    why = "the server left it out"
    for attempt in range(_ATTEMPTS):
        missing = [uid for uid in instances if not (folder / file_name(uid)).exists()]
        if not missing:
            break
        time.sleep(attempt and 2 ** (attempt - 1))
        names = [""] if not attempt and not address.instance and len(missing) > 1 else missing
        for uid in names:
            try:
                _receive(connection, replace(series, instance=uid), folder, budget)
            except Interrupted as error:
                why = error.reason
                if uid:
                    break
            except StatusError as error:
                if uid or error.status in (401, 403):  # else it may send instances where it sends no series
                    raise
    here = sum(1 for _ in folder.glob("*.dcm"))
    missing = [uid for uid in instances if not (folder / file_name(uid)).exists()]
    if missing:
        raise ReadError(f"{len(missing)} of {len(instances)} instances did not come: {why}")
    if here < stated:
        raise ReadError(f"the server states {stated} instances, and gave {here}")


def file_name(uid: str) -> str:
    """The name of an instance's file: its UID with ``_`` for dots, after which a name's ending would begin."""
    return f"{uid.replace('.', '_')}.dcm"


def _receive(connection: Connection, address: Address, folder: Path, budget: _Budget) -> None:
    """Write what the server sends for a series, or for one instance."""
    for accept in _ACCEPTED:
        try:
            _receive_as(accept, connection, address, folder, budget)
            return
        except StatusError as error:
            if error.status not in (400, 406) or accept == _ACCEPTED[-1]:
                raise


def _receive_as(accept: str, connection: Connection, address: Address, folder: Path, budget: _Budget) -> None:
    staged = folder / ".part"
    with connection.get(str(address), accept) as response:
        for part in parts(response.iter_content(CHUNK), response.headers.get("Content-Type", "")):
            with staged.open("wb") as file:
                for chunk in part:
                    budget.take(len(chunk))
                    file.write(chunk)
            uid = _uid_of(staged)
            if address.instance not in ("", uid):
                raise ReadError("the server sent another instance than the one that was asked for")
            staged.replace(folder / file_name(uid))
            if address.instance:
                break


def _uid_of(path: Path) -> str:
    """The SOP Instance UID of a file.

    Raises:
        ReadError: it is no DICOM file, or has none.
    """
    uid = io.read_texts(path, ["SOPInstanceUID"]).get("SOPInstanceUID", "")
    if not is_uid(uid):
        raise ReadError("the server sent what is no DICOM file, or has no SOP Instance UID")
    return uid


class _Budget:
    """What is left of the bytes that one series may have."""

    def __init__(self) -> None:
        text = os.environ.get(_BYTES, str(_MOST_BYTES))
        if not text.isdecimal() or not int(text):
            raise ScantuneError(f"{_BYTES} is {text!r}; a whole number of bytes above 0 is needed")
        self.most = self.left = int(text)

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ReadError(f"the series is larger than {self.most:,} bytes, the most that is fetched ({_BYTES})")


def _pages(connection: Connection, url: str, key: str) -> dict[str, dict[str, Any]]:
    """Matches by UID: servers that limit a list give the rest of it by ``offset`` (PS3.18, 8.3.4.4)."""
    matches: dict[str, dict[str, Any]] = {}
    for page in range(_MOST_PAGES):
        try:
            listed = connection.listing(url, {"offset": len(matches)} if page else None)
        except StatusError as error:
            if not page or error.status not in (400, 404, 416):
                raise
            break  # a server without pages: its list is complete
        new = {uid: match for match in listed if is_uid(uid := _value(match, key)) and uid not in matches}
        if not new:
            break
        matches |= new
    return matches


def _value(match: Mapping[str, Any], key: str) -> Any:
    """The first value of an attribute of the DICOM JSON model; None where it has none."""
    attribute = match.get(key)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _text(match: Mapping[str, Any], key: str) -> str | None:
    value = _value(match, key)
    return value if isinstance(value, str) else None


def _number(match: Mapping[str, Any], key: str) -> int:
    value = _value(match, key)
    return int(value) if isinstance(value, (int, str)) and str(value).strip().isdecimal() else 0
