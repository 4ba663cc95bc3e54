"""What a model keeps of its training cohort, so that new images can be compared with it (``scantune drift``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from scantune.pipeline.data.sides import Side
from scantune.preprocess import store
from scantune.statistics import drift

#: Column of a table of answers → that of ``manifest.csv``: values of the prepared image.
IMAGE = {f"image_{name}": name for name in ("mean", "sd", "min", "max")}
#: Column of a table of answers → what the readers say of a DICOM file.
HEADER = {"dicom_modality": "modality", "dicom_manufacturer": "manufacturer"}
_ALIKE = ({"CR", "DX", "RG"}, {"XA", "RF"})


def described(side: Side) -> dict[str, Any]:
    """Distribution of the prepared images' statistics and of each grouping column, see
    :func:`scantune.statistics.drift.described`; a column that tells samples apart by text is left out.
    """
    known = {
        name: drift.described(cells, few=0 if name in IMAGE else drift.FEW) for name, cells in _columns(side).items()
    }
    return {name: reference for name, reference in known.items() if reference}


def shifts(cohort: Mapping[str, Any], side: Side) -> dict[str, Any]:
    """The section ``cohort`` of ``metrics.json``: other samples beside the training cohort that a model keeps.

    Returns:
        Column to the values of :class:`scantune.statistics.drift.Shift`, with ``p_holm`` and ``shifted``.
    """
    columns = _columns(side)
    found = {name: drift.shift(reference, columns[name]) for name, reference in cohort.items() if name in columns}
    verdicts = drift.judged(found)
    return {name: asdict(one) | dict(zip(("p_holm", "shifted"), verdicts[name])) for name, one in found.items()}


def modalities(cohort: Mapping[str, Any]) -> frozenset[str]:
    """DICOM modalities (``MR``, ``CT``) of the training cohort; empty where its files have none."""
    return frozenset(cohort.get("dicom_modality", {}).get("counts", {}))


def is_foreign(modality: str, known: Collection[str]) -> bool:
    """Whether a DICOM modality is none of those that a model was trained on; False where either is unknown or "other".

    Plain radiographs are alike (CR, DX, RG), and so are angiograms and fluoroscopy (XA, RF): which of them a file
    states depends on the machine.
    """
    named = {modality, *known}
    if not known or named & {"", "OT"}:
        return False
    return not any(modality in alike and alike & set(known) for alike in (*_ALIKE, {modality}))


def of_header(facts: Mapping[str, Any]) -> dict[str, str]:
    """The cells of :data:`HEADER` from the facts of a prepared sample; empty where it is no DICOM."""
    return {name: str(facts.get(key) or "") for name, key in HEADER.items()}


def _columns(side: Side) -> dict[str, list[str]]:
    images = {name: [one.row.get(key, "") for one in side] for name, key in IMAGE.items()}
    headers = [of_header(store.facts(path).get("reading") or {}) for path in side.paths]
    images |= {name: [cells[name] for cells in headers] for name in HEADER}
    return images | {name: [one.groups[name] for one in side] for name in (side[0].groups if len(side) else ())}
