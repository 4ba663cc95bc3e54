"""nnU-Net's half of the epochs of patches: its own loader and transforms on the same samples, and its own U-Net.

Run by an interpreter that has nnU-Net: FOLDER EDGE PER_EPOCH BATCH, with ``<number>.npz`` of image and mask. It trains,
or only makes the batches, whenever a line ``train`` or ``patches`` comes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def _samples(folder: Path) -> Any:
    """The samples as its preprocessing would leave them."""
    import numpy as np
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    out = folder / "nnunet"
    out.mkdir()
    for path in sorted(folder.glob("*.npz")):
        arrays = np.load(path)
        places = np.argwhere(arrays["mask"] == 1)[:10_000]
        properties = {"class_locations": {1: places.tolist()}}
        nnUNetDatasetBlosc2.save_case(arrays["image"], arrays["mask"].astype("int16"), properties, str(out / path.stem))
    return nnUNetDatasetBlosc2(str(out))


def _loader(folder: Path, edge: int, batch: int) -> Any:
    """One patch in three around the foreground, rotation by 15 degrees and mirrors, each of half of them."""
    from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
    from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    size, angle = (edge,) * 3, (-0.26, 0.26)
    turned = SpatialTransform(size, 0, False, p_elastic_deform=0, p_rotation=0.5, rotation=angle, p_scaling=0)
    changes = ComposeTransforms([turned, MirrorTransform(allowed_axes=(2,))])
    around = get_patch_size(size, angle, angle, angle, (1, 1))
    labels = LabelManager({"background": 0, "organ": 1}, None)
    options = {"oversample_foreground_percent": 0.33, "probabilistic_oversampling": True, "transforms": changes}
    return SingleThreadedAugmenter(nnUNetDataLoader(_samples(folder), batch, around, size, labels, **options), None)


def _network() -> Any:
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    more = {"conv_bias": True, "norm_op": nn.InstanceNorm3d, "norm_op_kwargs": {"eps": 1e-5, "affine": True}}
    more |= {"nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}}
    return PlainConvUNet(1, 3, [8, 16, 32], nn.Conv3d, 3, [1, 2, 2], 2, 2, 2, **more).train()


def main() -> None:
    folder, edge, per_epoch, batch = Path(sys.argv[1]), *(int(value) for value in sys.argv[2:5])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # it prints; answers go their own way
    import torch

    torch.set_num_threads(1)
    loader, network = _loader(folder, edge, batch), _network()
    print(json.dumps({"torch": torch.__version__}), file=answers)
    for line in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        for _ in range(per_epoch // batch):
            made = next(loader)["data"]
            if line.strip() == "train":
                network(made).square().mean().backward()
        print(json.dumps([time.perf_counter() - began, time.process_time() - used]), file=answers)


if __name__ == "__main__":
    main()
