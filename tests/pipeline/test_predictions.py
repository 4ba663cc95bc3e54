"""Masks are measured and written in the patient's space: recomputed by other libraries from the files alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from scipy.ndimage import gaussian_filter

from scantune import io
from scantune.config.input import InputConfig
from scantune.pipeline.data.sides import read_sides
from scantune.pipeline.predictions import part_of
from scantune.preprocess.run import run
from scantune.records import Record
from scantune.registry.model import ModelFacts
from scantune.registry.predictor import Predictor, Reading
from scantune.registry.results import write_mask


@dataclass
class Files:
    """An image with its mask, as another program reads both."""

    image: Path
    mask: Path
    settings: dict[str, Any]
    spacing: tuple[float, ...]
    read: Callable[[Path], np.ndarray]
    grid: Callable[[Path], Any]


def blob(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """0 … 1, something that thresholds to a few lumps."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), [n / 9 for n in shape])
    return ((field - field.min()) / np.ptp(field)).astype(np.float32)


def labels(image: np.ndarray, classes: int) -> np.ndarray:
    """What a reader draws: not quite where the network's thresholds are."""
    moved = np.roll(image, 1, axis=0)
    cuts = [0.55, 0.75][:classes]
    return np.sum([moved > cut for cut in cuts], axis=0).astype(np.uint8)


def picture(folder: Path) -> Files:
    image = blob((77, 131))
    Image.fromarray((image * 255).astype(np.uint8)).save(folder / "i.png")
    Image.fromarray(labels(image, 2)).save(folder / "m.png")

    def read(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path))

    settings = {"modality": "image", "shape": [48, 48], "intensity": {"name": "scale"}}
    return Files(folder / "i.png", folder / "m.png", settings, (1.0, 1.0), read, lambda path: Image.open(path).size)


def nifti(folder: Path, angle: float) -> Files:
    image = blob((24, 31, 14))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, 0.7, 2.5])
    affine[:3, 3] = [10, -20, 30]
    for name, array in (("i", image), ("m", labels(image, 2))):
        made = nibabel.Nifti1Image(array, affine)
        made.set_qform(affine, 1)
        nibabel.save(made, folder / f"{name}.nii.gz")

    def read(path: Path) -> np.ndarray:
        return np.asarray(nibabel.load(path).dataobj)

    def grid(path: Path) -> Any:
        header = nibabel.load(path).header
        return header.get_sform().tolist(), header.get_qform().tolist(), header.get_data_shape()

    settings = {"modality": "volume", "spacing": [1.6, 1.6, 1.9], "intensity": {"name": "none"}, "dtype": "float32"}
    return Files(folder / "i.nii.gz", folder / "m.nii.gz", settings, (0.9, 0.7, 2.5), read, grid)


def dicom(folder: Path) -> Files:
    image = blob((9, 25, 20))
    affine = np.diag([0.8, 1.1, 3.0, 1.0])
    io.write_dicom_series(
        folder / "i", io.Volume(np.rint(image * 1000), affine), patient_id="p", seed="s", modality="CT"
    )
    io.write_nifti(folder / "m.nii.gz", io.Volume(labels(image, 2).astype(np.float32), affine), dtype="uint8")

    def read(path: Path) -> np.ndarray:
        if path.suffix == ".gz":  # RAS: x to the left and y to the front in the series
            return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]
        dataset = pydicom.dcmread(path)
        whole = np.zeros((9, 25, 20), np.uint8)
        places = sorted(_positions(folder / "i"))
        for frame, group in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
            z = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
            number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            whole[int(np.argmin(np.abs(np.array(places) - z)))][frame > 0] = number
        return whole

    def grid(path: Path) -> Any:
        first = pydicom.dcmread(path if path.is_file() else sorted(path.iterdir())[0])
        return first.Rows, first.Columns, first.FrameOfReferenceUID

    settings = {"modality": "volume", "spacing": [1.5, 1.5, 3.5], "dtype": "float32"}
    settings["intensity"] = {"name": "window", "center": 500, "width": 1000}
    return Files(folder / "i", folder / "m.nii.gz", settings, (3.0, 1.1, 0.8), read, grid)


def _positions(series: Path) -> list[float]:
    return [float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in series.iterdir()]


class Thresholds(torch.nn.Module):
    """Class 0 below .5, 1 up to .7, 2 above, as a softmax."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = (x[:, :1] - 0.5) * 30, (x[:, :1] - 0.7) * 30
        return torch.cat([torch.zeros_like(first), first, first + second], 1)


def recomputed(truth: np.ndarray, written: np.ndarray, spacing: tuple[float, ...]) -> dict[str, float]:
    """By MONAI (surface elements as of DeepMind's surface-distance) and NumPy, of one class."""
    from monai.metrics import compute_surface_dice
    from monai.metrics.utils import get_edge_surface_distance

    one, two = (torch.from_numpy(np.ascontiguousarray(m)) for m in (written, truth))
    edges, distances, areas = get_edge_surface_distance(one, two, spacing=spacing, use_subvoxels=True, symmetric=True)
    ends = []
    for edge, values, area in zip(edges, distances, areas, strict=True):
        sizes = area[edge.bool()]
        order = torch.argsort(values)
        share = torch.cumsum(sizes[order], 0) / sizes.sum()
        ends.append(float(values[order][int((share < 0.95).sum())]))
    pair = [m[None, None].float() for m in (one, two)]
    return {
        "dice": 2 * (truth & written).sum() / (truth.sum() + written.sum()),
        "hd95": max(ends),
        "nsd": float(compute_surface_dice(*pair, [1.0], True, spacing=spacing, use_subvoxels=True)),
    }


CASES = {
    "2D": picture,
    "anisotropic": lambda folder: nifti(folder, 0.0),
    "oblique": lambda folder: nifti(folder, 0.4),
    "DICOM": dicom,
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case in ("anisotropic", "oblique") else ()) for case in CASES]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_metrics_are_those_of_the_written_mask_and_the_mask_file(case: str, tmp_path: Path) -> None:
    files = CASES[case](tmp_path)
    settings = {"dataset": "d", "workers": 1, **files.settings}
    record = Record("s", "p", (files.image,), (files.mask,))
    block = TypeAdapter(InputConfig).validate_python(settings)
    run([record], block, tmp_path / "cache", tmp_path / "store", progress=False)
    task = {"name": "segmentation", "classes": ["background", "rim", "core"]}
    predictor = Predictor(ModelFacts("m", "d", task, settings), [Thresholds()], reading=Reading(isolated=False))
    side = read_sides(tmp_path / "cache", None).side("test")
    columns = part_of(predictor.tensors, side, "test", masks=tmp_path / "masks")
    row = {name: values[0] for name, values in columns.items()}
    (answer,) = predictor.predict([files.image])
    written = write_mask(tmp_path / "seg", files.image, answer, predictor)

    assert files.grid(written) == files.grid(files.image)
    mask, truth = files.read(written), files.read(files.mask)
    assert mask.shape == truth.shape
    assert set(np.unique(mask)) == {0, 1, 2}
    each = [recomputed(truth == label, mask == label, files.spacing) for label in (1, 2)]
    for name in ("dice", "hd95", "nsd"):
        assert row[name] == pytest.approx(np.mean([one[name] for one in each]), rel=1e-4), name
    unit = float(np.prod(files.spacing))
    assert row["volume_target"] == pytest.approx((truth > 0).sum() * unit, rel=1e-4)
    assert row["volume_prediction"] == pytest.approx((mask > 0).sum() * unit, rel=1e-4)
    assert answer.values["volume_prediction"] == row["volume_prediction"], "predict says what evaluate says"
    assert row["mask"].startswith("masks/s."), "named by the sample"
    evaluated = tmp_path / row["mask"]
    np.testing.assert_array_equal(files.read(evaluated), mask)
    if case == "2D":
        assert files.grid(evaluated) == files.grid(files.image)
    elif case != "DICOM":
        for one, other in zip(files.grid(evaluated), files.grid(files.image), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert row["dice_prepared"] != pytest.approx(row["dice"], abs=1e-4), "the prepared grid gives another Dice"
