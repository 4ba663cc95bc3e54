"""NIfTI and DICOM series → RAS, 1.5 mm, z-score, cached: against MONAI and torchio, one process, one thread each.

Also reading a series alone, against dcm2niix + nibabel. The results must agree before a time counts.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import in_turn, one_thread, report

SIZE, SPACING = (180, 256, 256), 1.5


def make_data(folder: Path) -> tuple[Path, Path]:
    """A head-sized volume of 1 mm with detail and air around it, as .nii.gz and as a series of 180 slices."""
    import numpy as np

    from scantune import io

    rng = np.random.default_rng(0)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SIZE), indexing="ij")
    inside = (i / 0.75) ** 2 + (j / 0.9) ** 2 + (k / 0.95) ** 2 < 1
    array = 400 + 150 * np.sin(9 * i) * np.cos(7 * j) * np.sin(8 * k) + rng.normal(0, 15, SIZE).astype(np.float32)
    volume = io.Volume(np.where(inside, array, 0).astype(np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
    nifti = folder / "scan.nii.gz"
    io.write_nifti(nifti, volume, dtype="int16")
    io.write_dicom_series(folder / "series", volume, patient_id="p", seed="bench")
    return nifti, folder / "series"


def ours(source: Path, scratch: Path) -> Callable[[], Path]:
    from scantune.config.input import VolumeInput
    from scantune.preprocess.sample import Job, process
    from scantune.preprocess.store import sample_path

    block = VolumeInput(
        dataset="d", modality="volume", spacing=[SPACING] * 3, intensity={"name": "zscore", "foreground": False}
    ).model_dump(mode="json")

    def call() -> Path:
        store = Path(tempfile.mkdtemp(dir=scratch))  # a new one each time: emptying the last one is not what is timed
        outcome = process(Job("a", (source,), ()), block, store)
        assert outcome.is_new, outcome
        return sample_path(store, str(outcome.key))

    return call


def monai(source: Path, scratch: Path) -> Callable[[], object]:
    from monai.data import PersistentDataset
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        LoadImaged,
        NormalizeIntensityd,
        Orientationd,
        Spacingd,
    )

    reader = None if source.is_file() else "PydicomReader"
    steps = Compose(
        [
            LoadImaged("image", reader=reader),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS"),
            Spacingd("image", pixdim=[SPACING] * 3, mode="bilinear"),
            NormalizeIntensityd("image"),
        ]
    )

    def call() -> object:
        return PersistentDataset([{"image": str(source)}], steps, cache_dir=tempfile.mkdtemp(dir=scratch))[0]["image"]

    return call


def torchio(source: Path, scratch: Path) -> Callable[[], object]:
    import torch
    import torchio as tio

    steps = tio.Compose([tio.ToCanonical(), tio.Resample(SPACING), tio.ZNormalization()])

    def call() -> object:
        image = steps(tio.ScalarImage(source))
        torch.save(image.data, scratch / "torchio.pt")
        return image

    return call


def check_equal(our_path: Path, image: object) -> float:
    """Correlation of our tensor with torchio's at the same places, by interpolation; they smooth differently."""
    import numpy as np
    from scipy.ndimage import map_coordinates

    from scantune.preprocess import store

    tensor = store.as_float(store.load(our_path)["input"])[0]
    affine = np.array(store.facts(our_path)["reading"]["affine"])
    theirs = np.asarray(image.data[0])  # type: ignore[attr-defined]  # [W, H, D]
    k, j, i = np.indices([n // 5 - 4 for n in tensor.shape]).reshape(3, -1) * 5 + 10  # every fifth, away from the edge
    places = affine @ np.stack([i, j, k, np.ones_like(i)])
    index = np.linalg.inv(image.affine) @ places  # type: ignore[attr-defined]
    other = map_coordinates(theirs, index[:3], order=1)
    return float(np.corrcoef(tensor[k, j, i], other)[0, 1])


def read_alone(series: Path, scratch: Path) -> dict[str, Callable[[], object]]:
    import dcm2niix
    import nibabel
    import numpy as np

    from scantune import io

    def peer() -> object:
        out = scratch / "nii"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        subprocess.run([dcm2niix.bin, "-z", "n", "-b", "n", "-o", out, series], check=True, capture_output=True)
        image = nibabel.as_closest_canonical(nibabel.load(next(out.glob("*.nii"))))
        return np.asarray(image.dataobj, np.float32)

    def own() -> object:
        return io.read(series).array  # type: ignore[union-attr]

    assert np.array_equal(own().transpose(2, 1, 0), peer()), "the two readings differ"  # type: ignore[attr-defined]
    return {"scantune": own, "dcm2niix + nibabel": peer}


def main() -> dict[str, dict[str, float]]:
    one_thread()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    ratios = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        nifti, series = make_data(scratch)
        goals = {"nifti": {"MONAI": 6.0, "torchio": 3.0}, "dicom": {"MONAI": 4.0, "torchio": 2.5}}
        for what, source in (("nifti", nifti), ("dicom", series)):
            mine, theirs = ours(source, scratch), torchio(source, scratch)
            agreement = check_equal(mine(), theirs())
            assert agreement > 0.98, f"the tensors do not agree: {agreement}"
            candidates = {"scantune": mine, "MONAI": monai(source, scratch), "torchio": theirs}
            title = f"{what} 256×256×180 → RAS, 1.5 mm, z-score, cached (tensors correlate {agreement:.4f})"
            ratios[what] = report(title, in_turn(candidates), "scantune", goals[what])
        ratios["read"] = report(
            "series of 180 slices → RAS array, reading alone (voxels equal)",
            in_turn(read_alone(series, scratch)), "scantune", {"dcm2niix + nibabel": 1.0},
        )  # fmt: skip
    return ratios


if __name__ == "__main__":
    main()
