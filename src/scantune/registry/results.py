"""A model's answer in the form of its source: a DICOM structured report, a mask as DICOM SEG, NIfTI or PNG."""

from __future__ import annotations

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
    from scantune.preprocess.prepare import what_matters

    if answer.prepared is None or answer.prepared.facts.get("format") != "dicom":
        raise ScantuneError("a structured report refers to a DICOM study; this source is in another format")
    stacked = what_matters(model.facts.input)[0] == "volume"
    sources = io.files_read(source, stacked=stacked, **_choice(model))
    digest = _digest(_files(source))
    return io.write_report(
        folder / f"{digest}.dcm",
        sources,
        measured(answer),
        model=model.facts.name,
        version=version_of(model),
        seed=f"{digest} {version_of(model)}",
    )


def measured(answer: Answer) -> list[Any]:
    """The answer's scores: each prediction with its interval, or a probability a class."""
    from scantune import io

    values = {name: value for name, value in answer.values.items() if isinstance(value, (int, float))}
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
    """The mask on the source's own grid: DICOM SEG of a series, NIfTI of a NIfTI file; a still as PNG.

    Raises:
        ScantuneError: the model gives no masks, or this source cannot take one.
    """
    from scantune import io

    if answer.mask is None:
        raise ScantuneError("this model does not predict masks")
    digest = _digest(_files(source))
    folder.mkdir(parents=True, exist_ok=True)
    if answer.mask.ndim == 2:
        return _write_flat(folder / digest, source, answer, model)
    chosen = _choice(model)
    mask = on_source_grid(source, answer, **chosen)
    if answer.prepared.facts.get("format") != "dicom":
        path = folder / f"{digest}.nii.gz"
        io.write_nifti(path, mask, dtype="uint8")
        return path
    return io.write_segmentation(
        folder / f"{digest}.dcm",
        mask,
        source,
        _labels(model),
        model=model.facts.name,
        version=version_of(model),
        seed=f"{digest} {version_of(model)}",
        **chosen,
    )


def _write_flat(path: Path, source: Path, answer: Answer, model: Predictor) -> Path:
    """The mask of a still: DICOM SEG on the pixels of a DICOM image, else PNG on the prepared grid."""
    from scantune import io
    from scantune.preprocess.plane import fit, put_back

    assert answer.mask is not None
    if answer.prepared.facts.get("format") != "dicom" or source.is_dir():
        import cv2

        path = path.with_suffix(".png")  # labels, not grey values
        path.write_bytes(cv2.imencode(".png", answer.mask)[1].tobytes())
        return path
    settings, size = model.facts.input, answer.prepared.facts["own_size"]
    wanted = settings.get("shape")
    fitted = fit((size[0], size[1]), (wanted[0], wanted[1]) if wanted else None, settings.get("resize", "pad"))
    return io.write_image_segmentation(
        path.with_suffix(".dcm"),
        put_back(answer.mask, fitted, (size[0], size[1])),
        source,
        _labels(model),
        model=model.facts.name,
        version=version_of(model),
        seed=f"{path.name} {version_of(model)}",
    )


def _labels(model: Predictor) -> dict[int, str]:
    """What each value of a mask but 0 stands for."""
    labels = enumerate(model.facts.task.get("classes", ("background", "foreground")))
    return {value: name for value, name in labels if value}


def _choice(model: Predictor) -> dict[str, Any]:
    """The series and volume that the model's input reads where a source holds several."""
    from scantune.preprocess.prepare import series_rule, volume_rule, what_matters

    _, settings = what_matters(model.facts.input)
    return {
        "series": series_rule(None, settings.get("series")),
        "volume": volume_rule(None, settings.get("volume")),
    }


def on_source_grid(source: Path, answer: Answer, **chosen: Any) -> Any:
    """The mask [D, H, W] as a volume on the grid that the source is read on; nearest voxel, 0 outside.

    Args:
        source: file or folder.
        answer: of the model.
        chosen: series and volume, as `io.read` takes them.
    """
    from scantune import io
    from scantune.preprocess.grid import Grid, resample

    volume = io.read(source, kind="volume", **chosen)
    assert isinstance(volume, io.Volume)
    affine = np.array(answer.prepared.facts["affine"], np.float64)
    assert answer.mask is not None
    held = io.Volume(answer.mask.astype(np.float32), affine)
    grid = Grid(volume.array.shape, volume.affine)  # type: ignore[arg-type]
    return io.Volume(resample(held, grid, interpolation="nearest", antialias=False, fill=0.0), volume.affine)


def version_of(model: Predictor) -> str:
    """A digest of what the model is: its facts and what was fitted."""
    from dataclasses import asdict

    return text_digest(repr(sorted(asdict(model.facts).items())), 12)


def _files(source: Path) -> list[Path]:
    from scantune.preprocess.sources import parts

    return parts(source)


def _digest(files: list[Path]) -> str:
    """Names the result without naming the source."""
    return text_digest("\n".join(sorted(map(file_digest, files))), 20)
