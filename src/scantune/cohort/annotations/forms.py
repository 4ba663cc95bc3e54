"""Annotations of whatever form, which is seen from their content."""

from __future__ import annotations

from pathlib import Path

from scantune.cohort.annotations import tables
from scantune.cohort.annotations.images import Images
from scantune.cohort.annotations.run_lengths import Counting
from scantune.cohort.annotations.tables import Read


def read(path: Path, images: Images, counting: Counting, category: str = "") -> Read:
    """What a file or folder of annotations says of images.

    Raises:
        CohortError: it is none, or what is wrong in it.
    """
    return tables.read(path, images, counting, category)
