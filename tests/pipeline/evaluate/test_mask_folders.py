"""Two folders of masks of any tool are scored as a model's own masks are."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from typer.testing import CliRunner

from scantune.cli import app
from scantune.pipeline.evaluate.mask_folders import compared
from scantune.records import ScantuneError
from scantune.tasks.segmentation.settings import Segmentation
from tests.io.test_nrrd_segments import write as write_segments

THREE = Segmentation(classes=("background", "anterior", "posterior"))


def save(path: Path, labels: np.ndarray, spacing: tuple[float, float, float] = (0.8, 1.0, 2.0)) -> None:
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint8), np.diag([*spacing, 1])), path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(6):
        truth = np.zeros((12, 10, 8))
        truth[2:8, 2:6, 2 : 5 + number % 3] = 1
        truth[2:8, 6:9, 2:5] = 2
        save(tmp_path / "labels" / f"sub-{number}.nii.gz", truth)
        save(tmp_path / "predicted" / f"sub-{number}.nii", np.roll(truth, 1, axis=0))
    return tmp_path / "predicted", tmp_path / "labels"


def test_each_pair_is_measured_in_millimetres(folders: tuple[Path, Path]) -> None:
    table = compared(*folders, THREE)
    assert table.sample_id.tolist() == [f"sub-{n}" for n in range(6)]
    assert table.columns["dice/posterior"][0] == pytest.approx(5 / 6)
    assert table.columns["hd95"][0] == pytest.approx(0.8)
    assert table.columns["volume_target/anterior"][0] == pytest.approx(6 * 4 * 3 * 1.6)


def test_the_command_gives_metrics_json(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "metrics.json"
    arguments = ["score", str(folders[0]), "--reference", str(folders[1]), "--task", "segmentation", "--out", str(out)]
    done = CliRunner().invoke(app, [*arguments, "--set", "classes=[background,anterior,posterior]", "--draws", "100"])
    assert done.exit_code == 0, done.output
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["dice/anterior"]["value"] == pytest.approx(5 / 6)
    assert (tmp_path / "metrics_predicted.csv").exists()
    alone = CliRunner().invoke(app, ["score", str(folders[0]), "--task", "segmentation"])
    assert isinstance(alone.exception, ScantuneError)
    assert "--reference" in str(alone.exception)


@pytest.mark.parametrize("ending", [".mhd", ".seg.nrrd"])
def test_masks_of_itks_formats_are_paired_with_those_of_nifti(folders: tuple[Path, Path], ending: str) -> None:
    expected = compared(*folders, THREE)
    for path in sorted(folders[0].iterdir()):
        sitk.WriteImage(sitk.ReadImage(str(path)), str(path.with_suffix(ending)))
        path.unlink()
    table = compared(*folders, THREE)
    assert table.sample_id.tolist() == expected.sample_id.tolist()
    np.testing.assert_array_equal(table.columns["dice/posterior"], expected.columns["dice/posterior"])
    np.testing.assert_allclose(table.columns["hd95"], expected.columns["hd95"], rtol=1e-6)


@pytest.mark.parametrize("role", ["predicted", "labels"])
def test_segments_of_slicer_are_scored_on_the_other_masks_grid(
    folders: tuple[Path, Path], tmp_path: Path, role: str
) -> None:
    expected = compared(*folders, THREE)
    for path in sorted((tmp_path / role).iterdir()):
        image = nibabel.load(path)
        layers = np.stack([np.asarray(image.dataobj) == label for label in (1, 2)])
        name = path.name.removesuffix(".gz").removesuffix(".nii")
        path.unlink()
        names = [("anterior", 0, 1), ("posterior", 1, 1)]
        crop = (slice(2, 10), slice(1, 9), slice(2, 8))
        write_segments(path.with_name(f"{name}.seg.nrrd"), layers, image.affine, names, crop)
    table = compared(*folders, THREE)
    for metric in ("dice/anterior", "dice/posterior", "hd95"):
        np.testing.assert_allclose(table.columns[metric], expected.columns[metric], rtol=1e-6)


def test_what_does_not_fit_is_named(folders: tuple[Path, Path]) -> None:
    predicted, labels = folders
    save(predicted / "sub-0.nii", np.zeros((12, 10, 8)), (0.8, 1.0, 3.0))
    with pytest.raises(ScantuneError, match=r"sub-0.nii: it does not lie on the grid"):
        compared(predicted, labels, THREE)
    save(predicted / "sub-0.nii", np.full((12, 10, 8), 3))
    with pytest.raises(ScantuneError, match=r"sub-0.nii: .*labels \[3\]"):
        compared(predicted, labels, THREE)
    (predicted / "sub-0.nii").unlink()
    with pytest.raises(ScantuneError, match="predicted: no mask named sub-0"):
        compared(predicted, labels, THREE)


def test_pictures_count_pixels_and_black_and_white_is_0_and_1(tmp_path: Path) -> None:
    for folder, shift in (("labels", 0), ("predicted", 2)):
        mask = np.zeros((20, 30), np.uint8)
        mask[5:15, 5 + shift : 15 + shift] = 255
        (tmp_path / folder).mkdir()
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    table = compared(tmp_path / "predicted", tmp_path / "labels", Segmentation())
    assert table.columns["dice"][0] == pytest.approx(0.8)
    assert table.columns["volume_target"][0] == 100


@pytest.mark.parametrize("coloured", [False, True])
def test_a_reference_of_colours_is_scored_against_labels_and_colours(tmp_path: Path, coloured: bool) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:15], labels[16:19, 2:9] = 1, 2
    colours = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]], np.uint8)[labels]
    for folder, mask in (("labels", colours), ("predicted", colours if coloured else labels)):
        (tmp_path / folder).mkdir()
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    values = {"#fa3253": 1, "#33ddff": 2}
    table = compared(tmp_path / "predicted", tmp_path / "labels", THREE, values=values)
    assert table.columns["dice"][0] == 1
    assert table.columns["volume_target"][0] == 121
    with pytest.raises(ScantuneError, match="does not name: #33ddff"):
        compared(tmp_path / "predicted", tmp_path / "labels", THREE, values={"#fa3253": 1})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """One pair, whose reference leaves a row out, and a region of the left half."""
    truth = np.zeros((20, 30), np.uint8)
    truth[5:15, 5:25] = 128
    truth[18:] = 7
    predicted = np.roll(truth, 3, axis=1)
    predicted[18:] = 128
    region = np.zeros_like(truth)
    region[:, :15] = 1
    for folder, mask in {"labels": truth, "predicted": predicted, "region": region}.items():
        (tmp_path / folder).mkdir()
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    return tmp_path


def test_a_region_and_pixels_that_do_not_count(pictures: Path) -> None:
    out = pictures / "metrics.json"
    arguments = [pictures / "predicted", "--reference", pictures / "labels", "--region", pictures / "region"]
    options = ["--task", "segmentation", "--out", out, "--draws", "100", "--mask-values", "{128: 1, 7: ignore}"]
    done = CliRunner().invoke(app, list(map(str, ["score", *arguments, *options])))
    assert done.exit_code == 0, done.output
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["dice"]["value"] == pytest.approx(2 * 70 / (100 + 70))  # columns 8 … 14 of 5 … 14
    rule = {128: 1, 7: "ignore"}
    whole = compared(pictures / "predicted", pictures / "labels", Segmentation(), values=rule)
    assert whole.columns["dice"][0] == pytest.approx(17 / 20)


def test_what_a_region_or_values_cannot_be_is_named(pictures: Path) -> None:
    both = pictures / "predicted", pictures / "labels"
    with pytest.raises(ScantuneError, match=r"labels \[128\]"):
        compared(*both, Segmentation())
    with pytest.raises(ScantuneError, match="a predicted mask has pixels that do not count"):
        compared(*both[::-1], Segmentation(), values={128: 1, 7: "ignore"})
    (pictures / "region" / "a.png").rename(pictures / "region" / "b.png")
    with pytest.raises(ScantuneError, match="region: no mask named a"):
        compared(*both, Segmentation(), values={128: 1, 7: "ignore"}, region=pictures / "region")
    for options in (["--region", "x"], ["--mask-values", "{1: -1}"]):
        arguments = ["score", *map(str, (both[0], "--reference", both[1])), "--task", "segmentation", *options]
        assert isinstance(CliRunner().invoke(app, arguments).exception, ScantuneError)


def test_labels_that_overlap_are_sums_of_bits(tmp_path: Path) -> None:
    for folder, rows in {"labels": 4, "predicted": 2}.items():
        mask = np.zeros((8, 8), np.uint8)
        mask[:4] = 1
        mask[:rows, :4] += 2
        (tmp_path / folder).mkdir()
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    nested = Segmentation(classes=("background", "disc", "cup"), overlapping=True)
    table = compared(tmp_path / "predicted", tmp_path / "labels", nested)
    assert table.columns["dice/disc"][0] == 1
    assert table.columns["dice/cup"][0] == pytest.approx(2 / 3)
