"""A model's prediction in the form of its source: a DICOM structured report, a mask as DICOM SEG, NIfTI or PNG."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scantune.digests import file_digest, text_digest
from scantune.records import ScantuneError, Source
from scantune.registry.predictor import Answer, Predictor


def write_scores(folder: Path, source: Path | Source, answer: Answer, model: Predictor) -> Path:
    """The scores as a DICOM SR of the source's study, named by a digest of the source.

    Raises:
        ScantuneError: the source is not DICOM, or there are no scores.
    """
    from scantune import io
    from scantune.preprocess.settings import what_matters

    if answer.prepared is None or answer.prepared.facts.get("format") != "dicom":
        raise ScantuneError("a structured report refers to a DICOM study; this source is in another format")
    stacked = what_matters(model.facts.input)[0] == "volume"
    named = Source.of(source)
    sources = io.files_read(named.files[0], stacked=stacked, **_choice(model, named))
    digest = _digest(named)
    return io.write_report(
        folder / f"{digest}.dcm",
        sources,
        measured(answer),
        io.Origin(model.facts.name, version_of(model), f"{digest} {version_of(model)}"),
    )


def measured(answer: Answer) -> list[Any]:
    """The scores: each prediction with its interval, and the probabilities (of the event by each horizon); without a
    prediction all numbers but the distance, such as the probability of each class."""
    from scantune import io

    values = {n: v for n, v in answer.values.items() if isinstance(v, (int, float)) and np.isfinite(v)}
    of_targets = [n.removeprefix("prediction") for n in values if n.partition("/")[0] == "prediction"]
    scores = [
        io.Measured(
            f"prediction{of}".replace("/", " "), values[f"prediction{of}"], values.get(f"lower{of}"),
            values.get(f"upper{of}"),
        )
        for of in of_targets
    ]  # fmt: skip
    others = [n for n in values if n.startswith("p/") or (not scores and n != "distance")]
    named = {n: n.removeprefix("p/").replace("/", " ") if n.startswith("p/") else n for n in others}
    return [*scores, *(io.Measured(text, float(values[n])) for n, text in named.items())]


def write_mask(folder: Path, source: Path | Source, answer: Answer, model: Predictor) -> Path:
    """The mask on the very grid of its source: DICOM SEG of DICOM, PNG of a picture, NIfTI of NIfTI, NRRD, MetaImage,
    and of a DICOM mosaic, to whose slices no DICOM SEG can refer.

    Raises:
        ScantuneError: the model predicts no masks, or no mask can be written for this source.
    """
    from scantune import io

    if answer.mask is None:
        raise ScantuneError("this model does not predict masks")
    folder.mkdir(parents=True, exist_ok=True)
    named, facts = Source.of(source), answer.prepared.facts
    digest, first = _digest(named), named.files[0]
    if facts.get("format") == "dicom" and (answer.mask.ndim == 3 or not first.is_dir()):
        with contextlib.suppress(io.NoSlices):
            return _write_dicom(folder / f"{digest}.dcm", named, answer.mask, facts, model)
    if answer.mask.ndim == 2 and facts.get("format") == "nifti":
        return io.write_nifti_slice_like(folder / f"{digest}.nii.gz", answer.mask, first, facts["orientation"])
    if answer.mask.ndim == 2:
        import cv2

        path = folder / f"{digest}.png"  # labels, not grey values
        path.write_bytes(cv2.imencode(".png", answer.mask)[1].tobytes())
        return path
    return _write_volume(folder / f"{digest}.nii.gz", first, answer.mask, facts)


def _write_volume(path: Path, source: Path, mask: np.ndarray, facts: Mapping[str, Any]) -> Path:
    """NIfTI as the source is stored; of one that was read on a grid of our own (tilted slices), on that grid."""
    from scantune import io

    as_stored = facts.get("format") != "dicom" and not facts.get("upright")
    if as_stored and facts.get("format") == "nifti":
        return io.write_nifti_like(path, mask, source, facts["orientation"])
    volume = io.Volume(mask, np.array(facts["own_affine"], np.float64))
    return io.write_nifti(path, volume, dtype="uint8", codes=facts["orientation"] if as_stored else "RAS")


def _write_dicom(path: Path, source: Source, mask: np.ndarray, facts: Mapping[str, Any], model: Predictor) -> Path:
    from scantune import io

    version = version_of(model)
    origin = io.Origin(model.facts.name, version, f"{path.stem} {version}")
    overlapping, first = bool(model.facts.task.get("overlapping")), source.files[0]
    if mask.ndim == 2:
        return io.write_image_segmentation(path, mask, first, _labels(model), origin, overlapping=overlapping)
    volume = io.Volume(mask, np.array(facts["own_affine"], np.float64))
    return io.write_segmentation(
        path, volume, first, _labels(model), origin, overlapping=overlapping, **_choice(model, source)
    )


def _labels(model: Predictor) -> dict[int, str]:
    """The name of each value of a mask except 0."""
    labels = enumerate(model.facts.task.get("classes", ("background", "foreground")))
    return {value: name for value, name in labels if value}


def _choice(model: Predictor, source: Source) -> dict[str, Any]:
    """The series and volume that are read of a source with several: its own, else the choice of the model's input."""
    from scantune.preprocess.prepare import series_rule, volume_rule
    from scantune.preprocess.settings import what_matters

    _, settings = what_matters(model.facts.input)
    return {
        "series": series_rule(source.series, settings.get("series")),
        "volume": volume_rule(source.volume, settings.get("volume")),
    }


def version_of(model: Predictor) -> str:
    """A digest of what the model is: its facts and what was fitted."""
    return text_digest(repr(sorted(asdict(model.facts).items())), 12)


def _digest(source: Source) -> str:
    """Names the result without naming the source."""
    from scantune.preprocess.sources import parts

    files = [part for file in source.files for part in parts(file)]
    named = [value for pair in (source.series, source.volume) if pair for value in pair]
    return text_digest("\n".join([*sorted(map(file_digest, files)), *named]), 20)
