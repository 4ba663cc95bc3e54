"""nnU-Net's half of the comparison: run by an interpreter that has it; nothing of scantune is imported here.

It plans and prepares by itself once (that time is not of the training), then one fold is trained by its own trainer,
loss, optimizer and augmentation in this process, with its schedule of the learning rate over as many steps as fit, and
its own validation writes the masks of the fold. What is left out costs time alone: plots and checkpoints of an epoch,
and all but one of the validation batches after every ten steps.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

PLANS, CONFIGURATION, EPOCH = "nnUNetPlans", "3d_fullres", 10
#: Steps by which a step is timed before the first, on weights that are put back.
_TIMED = 3


def _prepare(raw: Path, subjects: int, labels: list[str]) -> None:
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    facts = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **{name: number for number, name in enumerate(labels, 1)}},
        "numTraining": subjects,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(facts))
    number = int(raw.name[7:10])
    quiet = {"num_processes": 1, "show_progress_bar": False}
    api.extract_fingerprints([number], **quiet)
    api.plan_experiments([number])
    api.preprocess([number], PLANS, (CONFIGURATION,), (1,), show_progress_bar=False)


def _trainer(base: type) -> type:
    """nnU-Net's trainer whose epochs are short and cost nothing but steps."""

    class InTime(base):  # type: ignore[misc, valid-type]
        minutes = 0.0

        def run_training(self) -> None:
            self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = EPOCH, 1
            self.disable_checkpointing = True
            self.logger.plot_progress_png = lambda *_: None
            self.on_train_start()
            began, weights = time.process_time(), copy.deepcopy(self.network.state_dict())
            self.network.train()
            for _ in range(_TIMED):
                self.train_step(next(self.dataloader_train))
            step = (time.process_time() - began) / _TIMED
            self.network.load_state_dict(weights)
            left = self.minutes * 60 - time.process_time()
            self.num_epochs = max(1, int(left / (step * (EPOCH + 0.3))))  # a validation batch has no backward pass
            self.optimizer, self.lr_scheduler = self.configure_optimizers()
            self.on_train_start = lambda: None
            super().run_training()

    return InTime


def main() -> None:
    raw, out = Path(sys.argv[1]), Path(sys.argv[5])
    fold, minutes, batch = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    sides: dict[str, Any] = json.loads((out / "sides.json").read_text())
    import torch
    from nnunetv2.paths import nnUNet_preprocessed
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(1)
    prepared = Path(str(nnUNet_preprocessed)) / raw.name
    started = time.process_time()
    os.environ.update(nnUNet_n_proc_DA="1")  # it plans with no fewer
    if not (prepared / f"{PLANS}_{CONFIGURATION}").is_dir():
        _prepare(raw, len(sides["train"]) + len(sides["test"]), sides["labels"])
    os.environ.update(nnUNet_n_proc_DA="0")  # samples are made in this process
    preparing = (time.process_time() - started) / 60
    splits = [{"train": sides["train"], "val": sides["test"]}] * 5  # the fold that is asked for
    (prepared / "splits_final.json").write_text(json.dumps(splits))
    plans = json.loads((prepared / f"{PLANS}.json").read_text()) | {"continue_training": False}
    planned = plans["configurations"][CONFIGURATION]
    planned["batch_size"] = batch or planned["batch_size"]
    facts = {name: planned[name] for name in ("batch_size", "patch_size")}
    dataset = json.loads((raw / "dataset.json").read_text())
    trainer = _trainer(nnUNetTrainer)(plans, CONFIGURATION, fold, dataset, device=torch.device("cpu"))
    trainer.minutes = minutes + preparing
    trainer.run_training()
    used = time.process_time() / 60 - preparing
    trainer.perform_actual_validation()
    shutil.copytree(Path(trainer.output_folder) / "validation", out / "masks", dirs_exist_ok=True)
    facts |= {"steps": trainer.num_epochs * EPOCH, "batch": facts.pop("batch_size"), "processor_minutes": used}
    architecture = planned["architecture"]["arch_kwargs"]["features_per_stage"]
    facts |= {"channels": architecture, "torch": torch.__version__}
    (out / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
