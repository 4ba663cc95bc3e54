"""A model's prediction in the form of its source: a DICOM structured report, a mask as DICOM SEG, NIfTI or PNG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scantune.digests import file_digest, text_digest
from scantune.records import ScantuneError
from scantune.registry.predictor import Answer, Predictor


def write_scores(folder: Path, source: Path, answer: Answer, model: Predictor) -> Path:
    """The scores as a DICOM SR of the source's study, named by a digest of the source.

    Raises:
        ScantuneError: the source is not DICOM, or there are no scores.
    """
    from scantune import io
    from scantune.preprocess.settings import what_matters

    if answer.prepared is None or answer.prepared.facts.get("format") != "dicom":
        raise ScantuneError("a structured report refers to a DICOM study; this source is in another format")
    stacked = what_matters(model.facts.input)[0] == "volume"
    sources = io.files_read(source, stacked=stacked, **_choice(model))
    digest = _digest(_files(source))
    return io.write_report(
        folder / f"{digest}.dcm",
        sources,
        measured(answer),
        io.Origin(model.facts.name, version_of(model), f"{digest} {version_of(model)}"),
    )


def measured(answer: Answer) -> list[Any]:
    """The scores: each prediction with its interval, or one probability per class."""
    from scantune import io

    values = {n: v for n, v in answer.values.items() if isinstance(v, (int, float)) and n != "distance"}
    predicted = [name for name in values if name.partition("/")[0] == "prediction"]
    if predicted:
        named = [name.removeprefix("prediction") for name in predicted]
        return [
            io.Measured(
                f"prediction{of}".replace("/", " "), values[f"prediction{of}"], values.get(f"lower{of}"),
                values.get(f"upper{of}"),
            )
            for of in named
        ]  # fmt: skip
    return [
        io.Measured(name.removeprefix("p/").replace("/", " ") if name.startswith("p/") else name, float(value))
        for name, value in values.items()
        if np.isfinite(value)
    ]


def write_mask(folder: Path, source: Path, answer: Answer, model: Predictor) -> Path:
    """The mask on the very grid of its source: DICOM SEG of DICOM, PNG of a picture, NIfTI of NIfTI, NRRD, MetaImage.

    Raises:
        ScantuneError: the model predicts no masks, or no mask can be written for this source.
    """
    if answer.mask is None:
        raise ScantuneError("this model does not predict masks")
    folder.mkdir(parents=True, exist_ok=True)
    digest, facts = _digest(_files(source)), answer.prepared.facts
    if facts.get("format") == "dicom" and (answer.mask.ndim == 3 or not source.is_dir()):
        return _write_dicom(folder / f"{digest}.dcm", source, answer.mask, facts, model)
    if answer.mask.ndim == 2 and facts.get("format") == "nifti":
        from scantune import io

        return io.write_nifti_slice_like(folder / f"{digest}.nii.gz", answer.mask, source, facts["orientation"])
    if answer.mask.ndim == 2:
        import cv2

        path = folder / f"{digest}.png"  # labels, not grey values
        path.write_bytes(cv2.imencode(".png", answer.mask)[1].tobytes())
        return path
    return _write_volume(folder / f"{digest}.nii.gz", source, answer.mask, facts)


def _write_volume(path: Path, source: Path, mask: np.ndarray, facts: Mapping[str, Any]) -> Path:
    """NIfTI as the source is stored; of one that was read on a grid of our own (tilted slices), on that grid."""
    from scantune import io

    as_stored = facts.get("format") != "dicom" and not facts.get("upright")
    if as_stored and facts.get("format") == "nifti":
        return io.write_nifti_like(path, mask, source, facts["orientation"])
    volume = io.Volume(mask, np.array(facts["own_affine"], np.float64))
    return io.write_nifti(path, volume, dtype="uint8", codes=facts["orientation"] if as_stored else "RAS")


def _write_dicom(path: Path, source: Path, mask: np.ndarray, facts: Mapping[str, Any], model: Predictor) -> Path:
    from scantune import io

    version = version_of(model)
    origin = io.Origin(model.facts.name, version, f"{path.stem} {version}")
    overlapping = bool(model.facts.task.get("overlapping"))
    if mask.ndim == 2:
        return io.write_image_segmentation(path, mask, source, _labels(model), origin, overlapping=overlapping)
    volume = io.Volume(mask, np.array(facts["own_affine"], np.float64))
    return io.write_segmentation(
        path, volume, source, _labels(model), origin, overlapping=overlapping, **_choice(model)
    )


def _labels(model: Predictor) -> dict[int, str]:
    """The name of each value of a mask except 0."""
    labels = enumerate(model.facts.task.get("classes", ("background", "foreground")))
    return {value: name for value, name in labels if value}


def _choice(model: Predictor) -> dict[str, Any]:
    """The series and volume that the model's input reads if a source contains several."""
    from scantune.preprocess.prepare import series_rule, volume_rule
    from scantune.preprocess.settings import what_matters

    _, settings = what_matters(model.facts.input)
    return {
        "series": series_rule(None, settings.get("series")),
        "volume": volume_rule(None, settings.get("volume")),
    }


def version_of(model: Predictor) -> str:
    """A digest of what the model is: its facts and what was fitted."""
    return text_digest(repr(sorted(asdict(model.facts).items())), 12)


def _files(source: Path) -> list[Path]:
    from scantune.preprocess.sources import parts

    return parts(source)


def _digest(files: list[Path]) -> str:
    """Names the result without naming the source."""
    return text_digest("\n".join(sorted(map(file_digest, files))), 20)
