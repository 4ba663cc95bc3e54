"""Requests to a DICOMweb server: credentials from the environment, bounds, and errors in words."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from scantune.records import ReadError, ScantuneError

_USER, _PASSWORD, _TOKEN = (f"SCANTUNE_DICOMWEB_{name}" for name in ("USER", "PASSWORD", "TOKEN"))
_SECONDS = (10, 60)  # to connect, and between two parts of an answer
_MOST_JSON = 1 << 26
_TRIES = 3
CHUNK = 1 << 16


class Interrupted(ReadError):
    """An answer that ended early: the next attempt may be complete."""


class StatusError(ReadError):
    """An answer that is an error.

    Attributes:
        status: of HTTP, 400 and above.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class Connection:
    """Requests with the credentials of the environment: ``SCANTUNE_DICOMWEB_USER`` and ``SCANTUNE_DICOMWEB_PASSWORD``,
    or ``SCANTUNE_DICOMWEB_TOKEN``. A redirect to another host does not carry them.

    Raises:
        ScantuneError: a user without a password, both a user and a token, or a token that no header can have.
    """

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.auth = _credentials()
        retry = Retry(
            _TRIES, read=2, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=("GET", "POST"),
            raise_on_status=False, respect_retry_after_header=False,
        )  # fmt: skip
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    @contextlib.contextmanager
    def get(self, url: str, accept: str, params: Mapping[str, str | int] | None = None) -> Iterator[requests.Response]:
        """An answer whose content is streamed.

        Raises:
            ReadError: no connection, or (:class:`StatusError`) a status of 400 and above. Its reason names no address.
        """
        with (
            _in_words(),
            self.session.get(url, params=params, headers={"Accept": accept}, stream=True, timeout=_SECONDS) as response,
        ):
            refuse(response.status_code)
            yield response

    def listing(self, url: str, params: Mapping[str, str | int] | None = None) -> list[dict[str, Any]]:
        """Matches of a search (QIDO-RS), each an object of the DICOM JSON model; empty where there are none.

        Raises:
            ReadError: as :meth:`get`; the answer is no such list, or larger than 64 MiB.
        """
        for attempt in range(_TRIES):
            try:
                content, kind = self._small(url, params)
                break
            except Interrupted:
                if attempt == _TRIES - 1:
                    raise
        if not content.strip():
            return []
        try:
            matches = json.loads(content)
        except (ValueError, RecursionError):
            matches = None
        if not isinstance(matches, list) or not all(isinstance(match, dict) for match in matches):
            raise ReadError(f"the server does not answer as DICOMweb (it sent {media_type(kind)})")
        return matches

    def _small(self, url: str, params: Mapping[str, str | int] | None) -> tuple[bytes, str]:
        """The whole of a small answer, and its content type."""
        content = bytearray()
        with self.get(url, "application/dicom+json", params) as response:
            for chunk in response.iter_content(CHUNK):
                content += chunk
                if len(content) > _MOST_JSON:
                    raise ReadError("the server's list is larger than 64 MiB")
            return bytes(content), response.headers.get("Content-Type", "")

    def post(self, url: str, content: bytes, kind: str) -> requests.Response:
        """The answer to content that is sent, whatever its status.

        Raises:
            ReadError: no connection.
        """
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        with _in_words():  # a redirect would be followed by a GET, which stores nothing
            return self.session.post(url, data=content, headers=headers, timeout=_SECONDS, allow_redirects=False)


def refuse(status: int) -> None:
    """Refuse an answer with a status of 400 and above.

    Raises:
        StatusError: with what it means.
    """
    if status < 400:
        return
    words = f"the server {'failed' if status >= 500 else 'refuses the request'} ({status})"
    if status in (401, 403):
        words = f"the server refuses this user, password or token ({status}): set {_USER} and {_PASSWORD}, or {_TOKEN}"
    elif status in (404, 410):
        words = f"the server has no such study, series or instance ({status})"
    raise StatusError(words, status)


def media_type(text: str) -> str:
    """The media type of a header, as it may stand in a message."""
    match = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,60}", text.strip())
    return match[0].lower() if match else "no media type"


def _credentials() -> Any:
    user, password, token = (os.environ.get(name, "") for name in (_USER, _PASSWORD, _TOKEN))
    if token and (user or password):
        raise ScantuneError(f"{_TOKEN} is set, and {_USER} or {_PASSWORD} too: unset what does not hold")
    if bool(user) != bool(password):
        raise ScantuneError(f"of {_USER} and {_PASSWORD} one alone is set; both are needed")
    if user:
        return requests.auth.HTTPBasicAuth(user.encode(), password.encode())
    if not token:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", token.strip()):
        raise ScantuneError(f"{_TOKEN} has a blank, a line end or a letter in it that no token has")

    def bearing(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token.strip()}"
        return request

    return bearing


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Errors of the connection as reasons, without the address."""
    try:
        yield
    except ScantuneError:
        raise
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise ReadError(
                "the server's TLS certificate is not trusted: name the file of its authority in REQUESTS_CA_BUNDLE"
            ) from None
        raise ReadError("no TLS connection to the server can be made") from None
    except requests.exceptions.ProxyError:
        raise ReadError("the proxy does not lead to the server (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)") from None
    except requests.exceptions.ChunkedEncodingError:
        raise Interrupted("the connection was cut") from None
    except (requests.exceptions.Timeout, requests.exceptions.ConnectionError) as error:
        begun = not any(isinstance(cause, MaxRetryError) for cause in error.args)  # the answer; not tried again
        if "timed out" in str(error):
            raise (Interrupted if begun else ReadError)("the server does not answer in time") from None
        name = "NameResolution" in str(error)
        raise ReadError("no host of this name" if name else "no connection to the server") from None
    except (requests.exceptions.RequestException, HTTPError, ValueError) as error:  # also of an address redirected to
        raise ReadError(f"the server cannot be asked ({type(error).__name__})") from None
    except OSError as error:
        if error.errno is not None:  # of a file that is written meanwhile
            raise
        raise ReadError("REQUESTS_CA_BUNDLE names no file with certificates") from None
