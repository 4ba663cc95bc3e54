"""Whatever DICOM lies in a folder, read by scantune and by dcm2niix: ``python -m benchmarks real --data FOLDER``.

Each series is *equal* (one volume, the same to the voxel and in space), *chosen* (several volumes, and those that were
looked at are the same as dcm2niix's), *refused* with its reason, *different*, or *alone* (dcm2niix makes nothing of it;
a single picture is then held against SimpleITK). Values are those of the rescale, without MONOCHROME1 turned round and
with padding as it is stored, since dcm2niix and SimpleITK do neither.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from scantune import io
from scantune.io.geometry import corner_distance
from scantune.records import ReadError

#: Volumes of a series of several that are looked at: the first, the last and some between.
_LOOKED_AT = 5
_ORDER = ("different", "equal", "chosen", "refused", "alone")


@dataclass(frozen=True)
class Verdict:
    """What became of one series.

    Attributes:
        outcome: one of "equal", "chosen", "refused", "different", "alone".
        reason: why, or what differs.
        seconds: processor time of scantune for the first volume.
        reference: processor time of dcm2niix for the whole series.
    """

    outcome: str
    reason: str
    seconds: float
    reference: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks real", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder in which DICOM files lie, at any depth")
    parser.add_argument("--dcm2niix", default="dcm2niix", help="the program, where it is not on the path")
    parser.add_argument("--all", action="store_true", help="a line for every series, not only for what is not equal")
    options = parser.parse_args()
    if shutil.which(options.dcm2niix) is None:
        parser.error(f"no program {options.dcm2niix!r}: pip install dcm2niix")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    verdicts: list[Verdict] = []
    for name, files in sorted(series_of(options.data).items()):
        with tempfile.TemporaryDirectory() as place:
            verdict = judged(files, Path(place), options.dcm2niix)
        verdicts.append(verdict)
        if options.all or verdict.outcome not in ("equal", "chosen"):
            print(f"{verdict.outcome:9} {len(files):5} files  {name}  {verdict.reason}", flush=True)
    _summary(verdicts)
    return int(any(verdict.outcome == "different" for verdict in verdicts))


def _summary(verdicts: list[Verdict]) -> None:
    count = Counter(verdict.outcome for verdict in verdicts)
    print(f"{len(verdicts)} series: " + ", ".join(f"{count[name]} {name}" for name in _ORDER))
    same = [verdict for verdict in verdicts if verdict.outcome == "equal" and verdict.reference > 0]
    if same:
        ours, theirs = sum(v.seconds for v in same), sum(v.reference for v in same)
        ratio = f"{ours / theirs:.2f} times"
        print(f"processor time of those equal: {ours:.2f} s, dcm2niix {theirs:.2f} s: {ratio}")


def series_of(folder: Path) -> dict[str, list[Path]]:
    """Files below a folder by the place and the series they are of, in words that can be found again."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for base, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(base) / name
            uid = _series_uid(path)
            if uid is not None:
                groups.setdefault((os.path.relpath(base, folder), uid), []).append(path)
    return {f"{place} …{uid[-12:]}": paths for (place, uid), paths in groups.items()}


def _series_uid(path: Path) -> str | None:
    try:
        header = pydicom.dcmread(path, specific_tags=["SeriesInstanceUID", "Rows"], stop_before_pixels=True)
    except Exception:  # whatever lies there that is no DICOM
        return None
    return str(header.get("SeriesInstanceUID", "")) if header.get("Rows") else None


def judged(files: list[Path], place: Path, program: str) -> Verdict:
    """Read one series both ways."""
    source, made = place / "series", place / "made"
    source.mkdir()
    made.mkdir()
    for at, path in enumerate(files):
        (source / f"{at:06d}.dcm").symlink_to(path.resolve())
    before = _children()
    subprocess.run(
        [program, "-z", "n", "-b", "n", "-p", "n", "-f", "%s_%e", "-o", str(made), str(source)],
        capture_output=True,
        check=False,
        timeout=600,
    )
    spent, references = _children() - before, list(_references(made))
    start = time.process_time()
    try:
        loaded = _read(source, None)
    except ReadError as error:
        seconds = time.process_time() - start
        if "volumes in one series" not in error.reason:
            return Verdict("refused", error.reason, seconds, spent)
        return _chosen(source, int(error.reason.split(" ", 1)[0]), references, seconds, spent)
    seconds = time.process_time() - start
    if not references:
        return _alone(loaded, files[0], seconds, spent)
    same = any(_same(loaded, *reference) for reference in references)
    return Verdict("equal" if same else "different", "" if same else _how(loaded, references), seconds, spent)


def _chosen(source: Path, count: int, references: list, seconds: float, spent: float) -> Verdict:
    """Some of the volumes of a series of several."""
    at = sorted({round(k * (count - 1) / (_LOOKED_AT - 1)) for k in range(_LOOKED_AT)})
    in_order = 0
    for index in at:
        try:
            loaded = _read(source, io.VolumeRule(index=index))
        except ReadError as error:
            return Verdict("refused", f"volume {index} of {count}: {error.reason}", seconds, spent)
        if not references:
            return Verdict("alone", f"{count} volumes", seconds, spent)
        if not any(_same(loaded, *reference) for reference in references):
            return Verdict("different", f"volume {index} of {count}: {_how(loaded, references)}", seconds, spent)
        in_order += len(references) == count and _same(loaded, *references[index])
    words = f"{count} volumes, {len(references)} of dcm2niix, {in_order} of {len(at)} in its order"
    return Verdict("chosen", words, seconds, spent)


def _read(source: Path, rule: io.VolumeRule | None) -> io.Volume | io.Image | io.Video:
    return io.read(source, volume=rule, monochrome1="keep", padding="keep", allow_constant=True, isolated=False)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _references(made: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each volume that dcm2niix made: values [D, H, W] and affine, in the closest RAS+ order."""
    for path in sorted(made.glob("*.nii")):
        image = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[arg-type]
        values = np.asarray(image.dataobj)  # type: ignore[attr-defined]
        if values.dtype.fields is not None:
            continue  # colours
        values = values.reshape(*values.shape[:3], -1) if values.ndim >= 3 else values.reshape(*values.shape, 1, 1)
        for at in range(values.shape[3]):
            yield values[..., at].T, image.affine  # type: ignore[attr-defined]


def _same(loaded: io.Volume | io.Image | io.Video, values: np.ndarray, affine: np.ndarray) -> bool:
    if isinstance(loaded, io.Image):
        flat, mine = np.squeeze(values), loaded.array[0]
        return any(_close(mine, turn) for turn in _turns(flat)) if flat.ndim == 2 else False
    if isinstance(loaded, io.Video) or loaded.array.shape != values.shape:
        return False
    near = corner_distance(loaded.affine, affine, loaded.array.shape[::-1]) <= 0.1 * min(loaded.spacing)
    return near and _close(loaded.array, values)


def _turns(flat: np.ndarray) -> list[np.ndarray]:
    return [turned[::a, ::b] for turned in (flat, flat.T) for a in (1, -1) for b in (1, -1)]


def _close(mine: np.ndarray, values: np.ndarray) -> bool:
    if mine.shape != values.shape:
        return False
    return bool(np.abs(mine - values).max() <= 1e-5 * max(1.0, float(np.abs(values).max())))


def _how(loaded: io.Volume | io.Image | io.Video, references: list) -> str:
    """What differs most plainly."""
    if not isinstance(loaded, io.Volume):
        return f"a {type(loaded).__name__.lower()} against {len(references)} of {references[0][0].shape}"
    alike = [(values, affine) for values, affine in references if values.shape == loaded.array.shape]
    if not alike:
        return f"{loaded.array.shape} against {sorted({values.shape for values, _ in references})}"
    moved = min(corner_distance(loaded.affine, affine, loaded.array.shape[::-1]) for _, affine in alike)
    off = min(float(np.abs(loaded.array - values).max()) for values, _ in alike)
    return f"corners {moved:.3g} mm apart, values {off:.4g} apart; {'; '.join(loaded.facts['notes'])}"


def _alone(loaded: io.Volume | io.Image | io.Video, path: Path, seconds: float, spent: float) -> Verdict:
    """dcm2niix made nothing: a single picture against SimpleITK."""
    if not isinstance(loaded, io.Image) or loaded.array.shape[0] != 1:
        return Verdict("alone", f"a {type(loaded).__name__.lower()}", seconds, spent)
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        values = np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    except RuntimeError:
        return Verdict("alone", "SimpleITK does not read it", seconds, spent)
    same = _close(loaded.array[0], values)
    return Verdict("equal" if same else "different", "a picture, against SimpleITK", seconds, 0.0)


if __name__ == "__main__":
    raise SystemExit(main())
