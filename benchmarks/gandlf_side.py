"""GaNDLF's half of the comparison: run by an interpreter that has GaNDLF, and told by its standard input when to go.

An epoch is GaNDLF's own ``train_network`` over its own loader, made by its own ``create_pytorch_objects``; the net
alone is handed in, MONAI's, with the weights that scantune starts from. Nothing of scantune is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def _register(weights: Path) -> None:
    """The net under a name of its own, before GaNDLF reads its list of names."""
    import torch
    from GANDLF import models
    from monai.networks.nets.resnet import ResNet

    def make(parameters: dict[str, Any]) -> Any:
        widths, layers = [64, 128, 256, 512], [1, 1, 1, 1]
        options = {"spatial_dims": 3, "n_input_channels": 1, "conv1_t_stride": 2, "num_classes": 2}
        net = ResNet("basic", layers, widths, bias_downsample=False, **options)
        net.load_state_dict(torch.load(weights, weights_only=True))
        return net

    models.global_models_dict["given"] = make


def _settings(folder: Path, size: int, batch: int) -> dict[str, Any]:
    """What a user of GaNDLF writes: whole volumes, kept in memory, nothing done to them."""
    from GANDLF.config_manager import ConfigManager

    written = {
        "modality": "rad",
        "patch_size": [size] * 3,
        "model": {
            "dimension": 3,
            "architecture": "given",
            "final_layer": "softmax",
            "num_channels": 1,
            "class_list": [0, 1],
        },
        "loss_function": "cel",
        "metrics": ["accuracy"],
        "nested_training": {"testing": 1, "validation": -2},
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "batch_size": batch,
        "q_samples_per_volume": 1,
        "q_num_workers": 0,
        "in_memory": True,
    }
    path = folder / "gandlf.json"  # JSON is YAML
    path.write_text(json.dumps(written))
    return {**ConfigManager(str(path)), "device": "cpu", "output_dir": str(folder)}


def _first_loss(model: Any, rows: list[tuple[str, int]]) -> float:
    """Of the first batch in the order of the files, to see that both sides compute the same."""
    import copy

    import torch
    import torchio

    x = torch.stack([torchio.ScalarImage(path).data.float() for path, _ in rows])
    y = torch.tensor([target for _, target in rows])
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(copy.deepcopy(model).train()(x), y))


def main() -> None:
    folder, size, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # GaNDLF prints; answers go their own way
    _register(folder / "weights.pt")
    import torch
    from GANDLF.compute.generic import create_pytorch_objects
    from GANDLF.compute.training_loop import train_network
    from GANDLF.version import __version__

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    table = str(folder / "cohort.csv")
    made = create_pytorch_objects(_settings(folder, size, batch), table, table)
    model, optimizer, loader, _, _, parameters = made
    lines = Path(table).read_text().splitlines()[1 : batch + 1]
    rows = [(path, int(target)) for _, path, target in (line.split(",") for line in lines)]
    ready = {"gandlf": __version__, "torch": torch.__version__, "loss": _first_loss(model, rows)}
    print(json.dumps(ready), file=answers)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        train_network(model, loader, optimizer, parameters)
        print(json.dumps([time.perf_counter() - began, time.process_time() - used]), file=answers)


if __name__ == "__main__":
    main()
