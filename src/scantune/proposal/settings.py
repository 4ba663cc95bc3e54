"""Input, network and training proposed for files as surveyed, each value with the reason for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.config.presets import TUNING
from scantune.proposal.patches import batch_of, plan
from scantune.proposal.survey import Survey

Block = dict[str, Any]

_STEPS = 1200  # optimizer steps of a training from random weights, within the limits of epochs
_EPOCHS = (12, 60)
_TUNING_STEPS = 600  # of one that starts from published weights
_TUNING_STEPS_VIDEO = 250  # each sample has many frames; docs/real_images.md
_TUNING_EPOCHS = (10, 20)  # more had no lower validation loss; docs/real_images.md
_FRAMES, _FRAMES_GPU = 8, 16
_PATCH_STEPS = 40  # of an epoch of patches
_BATCH_VALUES = 6e6  # values of a batch that fit into memory with a network's features beside them
_BATCHES = (4, 8, 16, 32)
_LARGEST = {"image": 224, "dense": 512, "video": 112}  # pixels along an edge
_VOXELS = 1.5e6  # of a volume
_IMAGES = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "resnet18", "resnet50")
_LOOPS = ("r2plus1d_18", "r3d_18", "mc3_18")
_VOLUMES = ("resnet10_3d", "resnet18_3d")


@dataclass
class Proposal:
    """Keys of a block and the reasons of some.

    Attributes:
        block: the keys.
        reasons: key → what it follows from.
        notes: what could not be known.
    """

    block: Block
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, key: str, value: Any, reason: str = "") -> None:
        """Set a key with its reason."""
        self.block[key] = value
        if reason:
            self.reasons[key] = reason


def input_of(dataset: str, survey: Survey, *, dense: bool) -> Proposal:
    """The input block.

    Args:
        dataset: name of its dataset.
        survey: of the files.
        dense: the network has an output per pixel or voxel.
    """
    proposal = Proposal({"dataset": dataset})
    count = f"{survey.read} of {survey.total} files" if survey.read < survey.total else f"{survey.total} files"
    proposal.add("modality", survey.kind, f"by the content of {count}")
    if dense and survey.kind != "video":
        _patched(proposal, survey)
    elif survey.kind == "volume":
        _volume(proposal, survey, dense)
    else:
        _picture(proposal, survey, dense)
    if survey.unreadable:
        proposal.notes.append(
            f"{number_of(len(survey.unreadable), 'file')} cannot be read ({', '.join(survey.unreadable[:3])})"
        )
    if survey.other_kinds:
        proposal.notes.append(
            f"{number_of(len(survey.other_kinds), 'file is', 'files are')} not of the modality {survey.kind} and will "
            f"be excluded ({', '.join(survey.other_kinds[:3])})"
        )
    return proposal


def _picture(proposal: Proposal, survey: Survey, dense: bool) -> None:
    height, width = survey.middle()
    largest = _LARGEST["dense" if dense else survey.kind]
    factor = min(1.0, largest / max(height, width))
    longest = max(height, width) * factor
    edges = [edge * factor for edge in (height, width)]
    if max(edges) / max(min(edges), 1) < 1.4:
        edges = [longest, longest]
    shape = [
        max(32, 32 * round(edge / 32)) if survey.kind == "image" else max(32, 16 * round(edge / 16)) for edge in edges
    ]
    proposal.add("shape", shape, f"files of {survey.span()} pixels, median {height}×{width}; at most {largest} here")
    if survey.kind == "video":
        middle = _frame_rate(proposal, survey)
        most = _FRAMES_GPU if _has_gpu() else _FRAMES
        frames = most if middle >= most else max(4, middle)
        period = max(1, min(6, middle // (frames * 2)))
        span = f"{survey.frames.min()} to {survey.frames.max()}"
        where = "a GPU" if most == _FRAMES_GPU else "a processor"
        reason = f"videos of {span} frames, median {int(np.median(survey.frames))}; at most {most} on {where}"
        proposal.add("frames", frames, reason)
        proposal.add("period", period, f"of {middle} frames {frames * period} are spanned")
    proposal.add(
        "channels",
        3 if survey.colour else 1,
        "in colour" if survey.colour else "grey: the channels are equal in most files",
    )
    _depth(proposal, survey)


def _patched(proposal: Proposal, survey: Survey) -> None:
    """What a segmentation sees: patches of files that keep their size; volumes at the median spacing."""
    planned = plan(survey.shapes, survey.spacings, gpu=_has_gpu())
    if planned.spacing is not None:
        low, high = survey.spacings.min(axis=0), survey.spacings.max(axis=0)
        proposal.add(
            "spacing", list(planned.spacing), f"mm, the median; files have {_numbers(low)} to {_numbers(high)}"
        )
    where = "the memory of a GPU" if _has_gpu() else "a processor"
    median = "×".join(map(str, planned.shape))
    proposal.add("patch", list(planned.patch), f"files of {survey.span()}, median {median}; as large as {where} allows")
    if survey.kind == "volume":
        _unit_and_volumes(proposal, survey)
        return
    proposal.add("channels", 3 if survey.colour else 1, "in colour" if survey.colour else "grey")
    _depth(proposal, survey)


def _depth(proposal: Proposal, survey: Survey) -> None:
    if survey.bits > 8 and survey.kind == "image":
        proposal.add("intensity", {"name": "percentile", "lower": 0.5, "upper": 99.5}, f"{survey.bits} bits per value")
    else:
        proposal.add("intensity", "scale", "8 bits per value")


def _frame_rate(proposal: Proposal, survey: Survey) -> int:
    """Median number of frames, at the one rate that is proposed where rates differ by half or more."""
    rates = 1000.0 / survey.frame_times
    known = rates[np.isfinite(rates)]
    if not known.size or np.percentile(known, 95) < 1.5 * np.percentile(known, 5):
        return int(np.median(survey.frames))
    span = f"{known.min():.3g} to {known.max():.3g} frames a second"
    if known.size < rates.size:
        proposal.notes.append(
            f"videos have {span}, and {rates.size - known.size} do not state it (input key `frame_rate`)"
        )
        return int(np.median(survey.frames))
    rate = float(round(np.median(known)))
    proposal.add("frame_rate", rate, f"videos have {span}; without it they would span different times")
    return int(np.median(survey.frames * rate / rates))


def _unit_and_volumes(proposal: Proposal, survey: Survey) -> None:
    proposal.add(
        "intensity", "zscore", "MRI has no unit; for CT choose a window such as {name: window, center: 40, width: 400}"
    )
    if survey.volumes:
        proposal.add("volume", "first", "files or series with several volumes (echoes, b-values, times)")
        proposal.notes.append("which of several volumes shows what is to be learned (input key `volume`)")


def _volume(proposal: Proposal, survey: Survey, dense: bool) -> None:
    median = np.median(survey.spacings, axis=0)
    extent = np.percentile(survey.shapes * survey.spacings, 95, axis=0)  # mm
    spacing = median.copy()
    while np.prod(np.ceil(extent / spacing / 16) * 16) > _VOXELS:
        spacing[spacing <= spacing.min() * 1.25] *= 1.25
    spacing = np.round(spacing, 2 if spacing.min() < 1 else 1)
    low, high = survey.spacings.min(axis=0), survey.spacings.max(axis=0)
    coarser = "" if np.allclose(spacing, median, rtol=0.1) else f"; coarser than the median, for {_VOXELS:.1g} voxels"
    proposal.add("spacing", [float(v) for v in spacing], f"mm; files have {_numbers(low)} to {_numbers(high)}{coarser}")
    shape = [int(max(16, 16 * np.ceil(n / 16 - 0.25))) for n in extent / spacing]
    proposal.add("shape", shape, f"95 % of the files are at most {_numbers(extent)} mm; {survey.span()} voxels")
    _unit_and_volumes(proposal, survey)


def _numbers(values: np.ndarray) -> str:
    return "×".join(f"{v:.3g}" for v in values)


def model_of(survey: Survey, *, dense: bool, samples: int) -> Proposal:
    """The network: with weights that are on this machine where there are any."""
    if dense and survey.kind != "video":
        planned = plan(survey.shapes, survey.spacings, gpu=_has_gpu())
        proposal = Proposal({})
        proposal.add("backbone", "plain_unet", "as nnU-Net has it: an output per pixel or voxel")
        text = "stages until 4 pixels are left, no pooling across thick slices; see docs/segmentation.md"
        proposal.add("options", planned.model, text)
        return proposal
    if dense:
        channels = [16, 32, 64, 128] if survey.kind == "volume" else [16, 32, 64, 128, 256]
        proposal = Proposal({})
        proposal.add("backbone", "unet", "an output per pixel or voxel")
        proposal.add("options", {"channels": channels}, f"small, for {samples} training samples")
        return proposal
    candidates: Mapping[str, Sequence[str]] = {"image": _IMAGES, "video": (*_IMAGES, *_LOOPS), "volume": _VOLUMES}
    names = candidates[survey.kind]
    present = _with_weights(names)
    proposal = Proposal({})
    if present:
        backbone, weights, place = present
        proposal.add("backbone", backbone, "small, and its weights are on this machine")
        proposal.add("weights", weights, f"{place}; licence and input: scantune weights {backbone}")
        return proposal
    first = {"image": _IMAGES, "video": _LOOPS, "volume": _VOLUMES}[survey.kind][0]
    small = first if survey.kind == "volume" or _has_gpu() else "small_cnn"
    proposal.add(
        "backbone", small, "no published weights for this modality are on this machine: it starts from random ones"
    )
    proposal.notes.append(f"published weights would learn more from {samples} samples: scantune weights lists them")
    return proposal


def _with_weights(names: Sequence[str]) -> tuple[str, str, str] | None:
    from scantune.models.weights import listing

    rows = [row for row in listing.rows(names) if row.place]
    return min(((r.backbone, r.weights, r.place) for r in rows), key=lambda r: names.index(r[0]), default=None)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def train_of(block: Mapping[str, Any], model: Mapping[str, Any], *, samples: int, dense: bool) -> Proposal:
    """The training by the number of training samples and the size of one.

    Args:
        block: of the input.
        model: block of the network.
        samples: for training.
        dense: the network has an output per pixel or voxel.
    """
    proposal = Proposal({})
    if block.get("patch"):
        return _patches_of(block, samples)
    values = float(np.prod(block["shape"])) * block.get("channels", 1) * block.get("frames", 1)
    tuned = "weights" in model
    fitting = [b for b in _BATCHES if b * values <= _BATCH_VALUES and b <= max(4, samples // 8)]
    batch = min(fitting[-1] if fitting else 2, TUNING["batch_size"] if tuned else _BATCHES[-1])
    steps = max(1, samples // batch)
    tuning = _TUNING_STEPS_VIDEO if block["modality"] == "video" else _TUNING_STEPS
    total, limits = (tuning, _TUNING_EPOCHS) if tuned else (_STEPS, _EPOCHS)
    epochs = int(np.clip(round(total / steps), *limits))
    proposal.add("epochs", epochs, f"about {epochs * steps} steps for {samples} training samples")
    proposal.add("batch_size", batch, f"{batch * values / 1e6:.2g} million values of {samples} samples")
    if tuned:
        proposal.add("learning_rate", TUNING["learning_rate"], "with published weights; docs/real_images.md")
        proposal.add("early_stopping", False, "the rate falls until the last epoch; the best one is kept")
        proposal.add("ema", TUNING["ema"], "averaged over the last steps; docs/real_images.md")
    else:
        proposal.add("learning_rate", 2e-3 if dense else 1e-3, "from random weights")
    proposal.add("scheduler", "onecycle", "rises, then falls to 0 at the last epoch")
    proposal.add(
        "augment",
        "default",
        f"the usual set for the modality {block['modality']}: {samples} samples are few; see docs/settings.md",
    )
    if dense:
        proposal.add("loss", "default", "Dice and cross-entropy")
        proposal.add("monitor", "val_dice", "the metric that the best epoch is chosen by")
    return proposal


def _patches_of(block: Mapping[str, Any], samples: int) -> Proposal:
    """A training on patches: the batch fills memory, an epoch lasts about forty steps."""
    proposal = Proposal({})
    batch = batch_of(block["patch"], gpu=_has_gpu())
    per_sample = max(1, round(_PATCH_STEPS * batch / samples))
    steps = max(1, samples * per_sample // batch)
    epochs = max(_EPOCHS[0], round(_STEPS / steps))
    proposal.add("epochs", epochs, f"about {epochs * steps} steps; more of them are better")
    proposal.add("batch_size", batch, f"patches of {'×'.join(map(str, block['patch']))}")
    proposal.add("patches", {"per_sample": per_sample}, f"an epoch of {steps} steps over {samples} training samples")
    proposal.add("validate_every", 5, "predicting whole samples takes as long as many steps")
    proposal.add("learning_rate", 1e-3, "from random weights")
    proposal.add("scheduler", "onecycle", "rises, then falls to 0 at the last epoch")
    proposal.add("early_stopping", False, "patches differ by epoch: the last epochs, at low rates, are the best")
    proposal.add("augment", "default", f"the usual set for the modality {block['modality']}")
    proposal.add("monitor", "val_dice", "the metric that the best epoch is chosen by")
    return proposal
