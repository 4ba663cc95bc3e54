"""Addresses of DICOMweb resources (PS3.18, 10.1.1): a study, a series or an instance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from scantune.records import ScantuneError

_UID = r"[0-9]+(?:\.[0-9]+)*"
_RESOURCE = re.compile(rf"(.+?)/studies/({_UID})(?:/series/({_UID})(?:/instances/({_UID}))?)?/?")
_STUDIES = re.compile(rf"/studies(/{_UID})?$")
_FORM = "https://HOST/…/studies/UID[/series/UID[/instances/UID]]"


@dataclass(frozen=True)
class Address:
    """A study, one of its series, or an instance of that.

    Attributes:
        service: address of the service, without ``/studies``.
        study: Study Instance UID.
        series: Series Instance UID, or "" for the study.
        instance: SOP Instance UID, or "" for the series.
    """

    service: str
    study: str
    series: str = ""
    instance: str = ""

    @classmethod
    def of(cls, text: str) -> Address:
        """The address that a person wrote.

        Raises:
            ScantuneError: it is of another form, or has a password or a query in it.
        """
        _refuse_secrets(text)
        match = _RESOURCE.fullmatch(text.strip())
        if match is None or any(part and not is_uid(part) for part in match.groups()[1:]):
            raise ScantuneError(f"{text}: not the address of a study, a series or an instance ({_FORM})")
        return cls(*(part or "" for part in match.groups()))

    def __str__(self) -> str:
        parts = (("studies", self.study), ("series", self.series), ("instances", self.instance))
        return "/".join([self.service, *(f"{name}/{uid}" for name, uid in parts if uid)])


def is_address(text: str) -> bool:
    """Whether it is an address of the web, and no path."""
    return text.strip().lower().startswith(("http://", "https://"))


def is_uid(text: object) -> bool:
    """Whether it is a DICOM UID (PS3.5, 9.1; components may begin with 0, as some do): it may name a file."""
    return isinstance(text, str) and len(text) <= 64 and re.fullmatch(_UID, text) is not None


def storage(text: str) -> str:
    """Where instances are stored, from the address of a service, of its studies or of one study.

    Raises:
        ScantuneError: no address of the web, or one with a password or a query in it.
    """
    _refuse_secrets(text)
    text = text.strip().rstrip("/")
    if not is_address(text) or not urlsplit(text).hostname or "/series/" in text:
        raise ScantuneError(f"{text}: not the address of a DICOMweb service (https://HOST/…[/studies[/UID]])")
    return text if _STUDIES.search(text) else f"{text}/studies"


def _refuse_secrets(text: str) -> None:
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
    except ValueError:  # brackets of an IPv6 address that do not match
        raise ScantuneError(f"an address that cannot be read ({_FORM})") from None
    if "@" in text:  # a password with a "/" ends the host
        where = f"the address at {host}" if "@" in parts.netloc else "an address"
        raise ScantuneError(
            f"{where} has a user or a password in it: set SCANTUNE_DICOMWEB_USER and "
            "SCANTUNE_DICOMWEB_PASSWORD, or SCANTUNE_DICOMWEB_TOKEN, in the environment"
        )
    if parts.query or parts.fragment:
        raise ScantuneError(f"the address at {host} has a '?' or a '#' in it; it must end with its UID ({_FORM})")
