"""Data files in installable packages, located by the file list of the distribution without importing the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from scantune.records import ScantuneError


@dataclass(frozen=True)
class PackagedFile:
    """A file in a package.

    Attributes:
        package: name of the distribution on PyPI.
        file: path of the file in the distribution.
        sha256: of the file.
        extra: extra of scantune that installs the package.
        licence: of the file.
    """

    package: str
    file: str
    sha256: str
    extra: str
    licence: str

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"pip install 'scantune[{self.extra}]'"

    def path(self) -> Path | None:
        """Path of the file, verified; None where the package is not installed.

        Raises:
            ScantuneError: the file is not the published one; with both digests.
        """
        path = self.installed_file()
        if path is not None and (digest := _sha256(path)) != self.sha256:
            raise ScantuneError(
                f"package {self.package}: {path.name} has SHA-256 {digest}; the published file has {self.sha256}. "
                f"Install it again: pip install --force-reinstall {self.package}"
            )
        return path

    def installed_file(self) -> Path | None:
        """As :meth:`path`, without verifying the digest."""
        try:
            listed = metadata.distribution(self.package).files or []
        except metadata.PackageNotFoundError:
            return None
        paths = [Path(str(entry.locate())) for entry in listed if entry.as_posix() == self.file]
        return next((path for path in paths if path.is_file()), None)


@lru_cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
