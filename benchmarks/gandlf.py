"""An epoch from the same files against GaNDLF on the same net.

GaNDLF pins versions of PyTorch and MONAI other than ours, so it runs in an environment of its own, made once by

    uv venv gandlf --python 3.11 && uv pip install --python gandlf/bin/python GANDLF==0.1.5

and named by ``SCANTUNE_GANDLF_PYTHON=gandlf/bin/python``. Without it nothing is measured. The two processes take turns
epoch by epoch: while one trains, the other waits for its turn and uses no processor. GaNDLF holds its volumes in memory
(``in_memory``), which is its fastest way.
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import training
from benchmarks.other import Other

SIZE, BATCH, SAMPLES, EPOCHS = 48, 4, 24, 5


def _hand_over(folder: Path, raw: list[Path], targets: Any, network: Any) -> None:
    """The table and the weights, as GaNDLF wants them."""
    import torch

    with (folder / "cohort.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["SubjectID", "Channel_0", "ValueToPredict"])
        writer.writerows([f"s{i}", str(path), int(y)] for i, (path, y) in enumerate(zip(raw, targets)))
    state = network.state_dict()
    names = {key: key.replace("backbone.net.", "").replace("head.", "fc.") for key in state}
    torch.save({names[key]: value for key, value in state.items()}, folder / "weights.pt")


def _our_first_loss(network: Any, cached: list[Path], targets: Any) -> float:
    import copy

    import torch
    from safetensors.torch import load_file

    x = torch.stack([load_file(path)["input"].float() for path in cached[:BATCH]])
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(copy.deepcopy(network).train()(x), targets[:BATCH]))


def main() -> dict[str, float]:
    python = os.environ.get("SCANTUNE_GANDLF_PYTHON", "")
    if not python:
        print("  GaNDLF: not measured (SCANTUNE_GANDLF_PYTHON names no interpreter that has it)")
        return {}
    training.prepare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw, cached, targets = training.files_twice(folder, SAMPLES)
        targets = (targets > targets.median()).long()  # its losses of one number fail in batches of several
        network = training.make_network("volume", "resnet10_3d", 1, outputs=2)
        _hand_over(folder, raw, targets, network)
        other = Other("GaNDLF", python, "gandlf_side.py", folder, folder, SIZE, BATCH)
        ours = _our_first_loss(network, cached, targets)
        assert abs(ours - other.facts["loss"]) < 1e-4 * max(1, abs(ours)), f"the losses differ: {ours}, {other.facts}"
        with training.epochs_of(network, cached, targets, BATCH, "cross_entropy") as sides:
            for side in sides.values():
                side()
            other.epoch()
            rounds = [
                {**{key: training.timed(side) for key, side in sides.items()}, "gandlf": other.epoch()}
                for _ in range(EPOCHS)
            ]
        other.close()
    ratios = {key: training.median_ratio(rounds, "gandlf", key) for key in ("auto", "float32")}
    versions = f"GaNDLF {other.facts['gandlf']} on PyTorch {other.facts['torch']}"
    for key, (wall, used) in ratios.items():
        print(f"  epoch from the same files, {versions} / scantune {key}: {wall:.2f}, processor {used:.2f} (goal > 1)")
    return {f"gandlf / scantune {key}": wall for key, (wall, _) in ratios.items()}


if __name__ == "__main__":
    main()
