"""Data files in installable packages, located by the file list of the distribution without importing the package."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from scantune.records import ScantuneError


class PackageError(ScantuneError):
    """A package that is not installed, or not as published: no fault of a sample. Its text names no cohort file."""


def require(module: str, key: str, extra: str) -> None:
    """Refuse a module that is not installed.

    Args:
        module: its name, which is also the package's.
        key: of ``params.yaml`` that needs it.
        extra: extra of scantune that installs it.

    Raises:
        PackageError: it is not installed; with the command.
    """
    if importlib.util.find_spec(module) is None:
        raise PackageError(f"{key}: package {module} is not installed: pip install 'scantune[{extra}]'")


def version_of(package: str) -> str:
    """Version of an installed package; "" where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


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
            PackageError: the file is not the published one; with both digests.
        """
        path = self.installed_file()
        if path is not None and (digest := _sha256(path)) != self.sha256:
            raise PackageError(
                f"package {self.package}: {path.name} has SHA-256 {digest}; the published file has {self.sha256}. "
                f"Install it again: pip install --force-reinstall {self.package}"
            )
        return path

    def required(self, key: str) -> Path:
        """As :meth:`path`, for a key of ``params.yaml`` that needs the file.

        Raises:
            PackageError: the package is not installed, with the command, or has another file.
        """
        path = self.path()
        if path is None:
            raise PackageError(f"{key}: package {self.package} is not installed: {self.install}")
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
