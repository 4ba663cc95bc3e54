"""``scantune_cohort.json`` in a cohort's folder: description of the data, and whether they are synthetic.

Optional. The stage ``demo`` writes it; whoever has synthetic data of other origin can write it by hand::

    {"description": "liver CT drawn by a diffusion model", "synthetic": true}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from scantune.cohort.faults import CohortError, nearest
from scantune.files import write_json

FILE = "scantune_cohort.json"


@dataclass(frozen=True)
class Provenance:
    """The content of ``scantune_cohort.json``.

    Attributes:
        description: what the data are, in one line.
        synthetic: whether the data are synthetic.
        demo: written by the stage ``demo``: no metric says anything about patients, even where the pictures are real.
    """

    description: str
    synthetic: bool = False
    demo: bool = False


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write ``scantune_cohort.json`` into the cohort's folder."""
    write_json(folder / FILE, asdict(provenance))


def read_provenance(root: Path) -> Provenance | None:
    """What the ``scantune_cohort.json`` in ``root`` says, or in the nearest folder above it; None if not found.

    Raises:
        CohortError: the file is not JSON, or has a key or a value that is not understood.
    """
    path = next((folder / FILE for folder in (root, *root.parents) if (folder / FILE).is_file()), None)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CohortError(str(path), [f"not a JSON file: {error}"]) from error
    faults = _faults(content)
    if faults:
        raise CohortError(str(path), faults)
    return Provenance(**content)


def _faults(content: object) -> list[str]:
    if not isinstance(content, dict):
        return ['must be an object such as {"description": "CT of the liver", "synthetic": true}']
    types = {field.name: str if field.name == "description" else bool for field in fields(Provenance)}
    faults = [f"unknown key {key!r}: {nearest(key, list(types))}" for key in content if key not in types]
    faults += [
        f"{key}: {content[key]!r} must be {'text' if kind is str else 'true or false'}"
        for key, kind in types.items()
        if key in content and not isinstance(content[key], kind)
    ]
    return faults + ([] if "description" in content else ["'description' is missing: what the data are, in one line"])
