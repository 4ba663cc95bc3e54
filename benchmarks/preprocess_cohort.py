"""A cohort on two cores against one; an epoch's reading of cached samples against NumPy's memory map; growth."""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
import warnings
from pathlib import Path

from benchmarks.timing import in_turn, one_thread, report

VOLUMES, SHAPE = 300, (128, 160, 160)


def two_cores(scratch: Path) -> dict[str, float]:
    """Wall time of preprocess with one and two workers. It needs two free cores to show anything."""
    import os

    import numpy as np

    from scantune import io, preprocess
    from scantune.config.input import VolumeInput
    from scantune.records import Record

    base = np.random.default_rng(0).normal(500, 80, SHAPE).astype(np.float32)
    (scratch / "raw").mkdir()
    io.write_nifti(scratch / "raw" / "0.nii.gz", io.Volume(base, np.eye(4)), dtype="int16")
    packed = (scratch / "raw" / "0.nii.gz").read_bytes()
    records = []
    for i in range(VOLUMES):
        path = scratch / "raw" / f"{i}.nii.gz"
        path.write_bytes(packed[:4] + i.to_bytes(4, "little") + packed[8:])  # another time in gzip's header
        records.append(Record(f"x{i}", f"s{i}", (path,)))

    def run(workers: int) -> None:
        new = Path(tempfile.mkdtemp(dir=scratch))  # emptying the last store is not what is timed
        block = VolumeInput(dataset="d", modality="volume", spacing=[1.5] * 3, workers=workers)
        preprocess.run(records, block, new / "out", new / "store", progress=False)

    medians = in_turn({"two workers": lambda: run(2), "one worker": lambda: run(1)}, repeats=3)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; of any use only where two are free"
    return report(f"preprocess of {VOLUMES} volumes ({load})", medians, "two workers", {"one worker": 1.8})


def epoch(scratch: Path) -> dict[str, float]:
    """Every sample of an epoch read as torch float32, against the same bytes by numpy.memmap."""
    import numpy as np
    import torch

    from scantune.preprocess import store

    rng = np.random.default_rng(0)
    paths, arrays = [], []
    for i in range(64):
        array = rng.normal(size=(1, 64, 128, 128)).astype(np.float16)
        store.save(scratch / f"s{i}.safetensors", {"input": array}, {})
        np.save(scratch / f"s{i}.npy", array)
        paths.append(scratch / f"s{i}.safetensors")
        arrays.append(scratch / f"s{i}.npy")

    def ours() -> float:
        return sum(float(store.as_float(store.load_torch(path)["input"])[0, 0, 0, 0]) for path in paths)

    def mapped() -> float:
        total = 0.0
        for path in arrays:
            array = np.load(path, mmap_mode="c")
            total += float(torch.from_numpy(array).float()[0, 0, 0, 0])
        return total

    assert ours() == mapped()
    medians = in_turn({"numpy memory map": mapped, "scantune": ours})
    return report("an epoch of 64 samples of 2 MB (goal ≤ 1.2)", medians, "numpy memory map", {})


def growth(scratch: Path) -> dict[int, tuple[float, float, float]]:
    """Seconds a thousand samples of preprocess and of split with audit, and peak memory, at 10 … 10,000 samples."""
    import numpy as np

    from scantune import cohort, io, preprocess
    from scantune.config.dataset import DatasetConfig
    from scantune.config.input import ImageInput

    rng = np.random.default_rng(0)
    times_of = {}
    print("\ngrowth: ms a sample for preprocess (nothing stored), preprocess (all stored), split + audit; peak MB")
    for n in (10, 100, 1000, 10_000):
        folder = scratch / f"n{n}"
        (folder / "raw").mkdir(parents=True)
        lines = ["sample_id,file,label"]
        for i in range(n):
            io.write_png(folder / "raw" / f"{i}.png", rng.integers(0, 255, (32, 32), dtype=np.uint8))
            lines.append(f"x{i},{i}.png,{i % 2}")
        (folder / "raw" / "cohort.csv").write_text("\n".join(lines))
        dataset = DatasetConfig(root=str(folder / "raw"), table="cohort.csv", files="{file}", targets=["label"])
        block = ImageInput(dataset="d", modality="image", workers=1)
        times = []
        for _ in range(2):
            start = time.perf_counter()
            preprocess.run(cohort.read(dataset, folder), block, folder / "out", folder / "store", progress=False)
            times.append(1000 * (time.perf_counter() - start) / n)
        start = time.perf_counter()
        assignments = cohort.split(cohort.load(dataset, folder), dataset.split)
        cohort.audit(folder / "out", assignments, dataset.split)
        times.append(1000 * (time.perf_counter() - start) / n)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {n:>6} samples   {times[0]:7.2f}   {times[1]:7.2f}   {times[2]:7.2f}   {peak:7.0f} MB")
        times_of[n] = (times[0], times[1], times[2])
        shutil.rmtree(folder)
    return times_of


def main() -> None:
    one_thread()
    warnings.simplefilter("ignore")
    for part in (two_cores, epoch, growth):
        with tempfile.TemporaryDirectory() as name:
            part(Path(name))


if __name__ == "__main__":
    main()
