"""Asking a model about a folder of raw DICOM, against decoding the files and the forward passes alone.

An answer costs more than these two (a film is also resized), but files are prepared while the networks work, so that
with a second core the time is that of the longer of the two.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.timing import in_turn, one_thread, report

FILES, BATCH = 32, 8
#: Kind of sample: what its files are, what it becomes.
KINDS = ("films of 2048 x 2048, 12 bit", "films, JPEG 2000", "series of 48 slices of 256 x 256")


def _films(folder: Path, compression: str, count: int) -> list[Path]:
    import numpy as np

    from scantune import io

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (64, 64)).astype(np.uint16)
    film = np.kron(coarse, np.ones((32, 32), np.uint16)) + rng.integers(0, 60, (2048, 2048), dtype=np.uint16)
    options = {"patient_id": "p", "bits": 12, "compression": compression}
    return [
        io.write_dicom_image(folder / f"{i}.dcm", np.roll(film, 32 * i, 0), seed=str(i), **options)  # type: ignore[arg-type]
        for i in range(count)
    ]


def _series(folder: Path) -> list[Path]:
    import numpy as np

    from scantune import io

    volume = io.Volume(
        np.random.default_rng(0).normal(500, 80, (48, 256, 256)).astype(np.float32), np.diag([1, 1, 3, 1.0])
    )
    for i in range(FILES // 2):
        io.write_dicom_series(folder / str(i), volume, patient_id="p", seed=str(i))
    return sorted(folder.iterdir())


def _model(settings: dict, modality: str, shape: tuple[int, ...], backbone: str):  # type: ignore[no-untyped-def]
    import torch

    from scantune import models
    from scantune.registry.model import ModelFacts
    from scantune.registry.predictor import Predictor

    torch.manual_seed(0)
    made = models.build(backbone, modality=modality, in_channels=1, size=shape)  # type: ignore[arg-type]
    network = models.Network(made, torch.nn.Linear(made.feature_dim, 1)).eval()
    facts = ModelFacts(
        "m", "d", {"name": "regression", "target": "score"}, {"dataset": "d", "modality": modality, **settings}
    )
    return Predictor(facts, [network])


def against_alone(title: str, samples: list[Path], model, shape: tuple[int, ...]) -> float:  # type: ignore[no-untyped-def]
    """Time of decode and forward alone as a share of the time that an answer takes."""
    import torch

    from scantune import io
    from scantune.registry.predictor import Reading

    batch = torch.zeros((BATCH, 1, *shape))

    def alone() -> None:
        for path in samples:
            io.read(path)
        with torch.inference_mode():
            for _ in range(0, len(samples), BATCH):
                model.networks[0](batch)

    def ours(isolated: bool) -> None:
        model.reading = Reading(isolated=isolated)
        answers = model.predict(samples, batch_size=BATCH)
        assert not any(answer.reason for answer in answers)

    name = "decode + forward alone"
    candidates = {"scantune": lambda: ours(True), "scantune, nothing apart": lambda: ours(False), name: alone}
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    title = f"{len(samples)} {title} ({load}; the reader's processor time is not in these figures)"
    return report(title, in_turn(candidates, repeats=5), "scantune", {name: 0.9})[name]


def main() -> dict[str, float]:
    one_thread()
    import torch

    torch.set_num_threads(1)
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        film = _model({"shape": [224, 224]}, "image", (224, 224), "resnet18")
        for title, compression, count in ((KINDS[0], "none", FILES), (KINDS[1], "jpeg2000", BATCH)):
            films = _films(Path(name) / compression, compression, count)
            ratios[title] = against_alone(title, films, film, (224, 224))
        settings = {"spacing": [2, 2, 3], "shape": [96, 96, 48]}
        brain = _model(settings, "volume", (48, 96, 96), "resnet10_3d")
        ratios[KINDS[2]] = against_alone(KINDS[2], _series(Path(name) / "series"), brain, (48, 96, 96))
    return ratios


if __name__ == "__main__":
    main()
