"""``scantune show``: the images as they are loaded, and the network's architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scantune.commands import project
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.models.network import Network
    from scantune.pipeline.train.training import TrainingPlan


def show(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    n: Annotated[int, typer.Option("-n", help="number of images on the sheet", min=1)] = 12,
    out: Annotated[Path | None, typer.Option(help="folder of the sheet; default .scantune/show/<experiment>")] = None,
    depth: Annotated[int, typer.Option(help="depth to which the network is printed", min=1)] = 2,
    measure: Annotated[
        bool, typer.Option("--measure", help="train three steps and print the time and memory of a training")
    ] = False,
) -> None:
    """Show an experiment before training: a sheet of prepared samples with their targets or masks, and the network."""
    from scantune.pipeline.data.datasets import encode
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.project import block_of
    from scantune.pipeline.train import networks
    from scantune.pipeline.train import stage as recipe
    from scantune.pipeline.train.training import new_network
    from scantune.tracking import own_folder

    params = project.settings()
    for line in preset_lines(experiment):
        typer.echo(line)
    with files_named(params, block_of(params, experiment).dataset):
        plan = recipe.plan_of(params, experiment)
        sheet = _sheet(plan, n, out or own_folder() / "show" / experiment)
        first = next(networks.members_of(plan))
        network = networks.start_of(plan, "weights", first.seed) if _is_trained(plan) else None
        if network is None:
            network = new_network(plan, first.seed, encode(first.train, plan.task), first.train)
        shape = " × ".join(map(str, plan.shape))
        typer.echo(
            f"{experiment}: {plan.block.model.backbone} on {plan.input.modality} tensors of {shape} (channels first)"
        )
        report = network.backbone.load_report
        typer.echo(f"starting weights: {report or _start(plan)}")
        for line in architecture(network, plan.shape, depth):
            typer.echo(line)
        typer.echo(f"sheet of images: {sheet}")
        if measure:
            from scantune.pipeline.train.measuring import measure as measured

            typer.echo(f"training: {measured(plan, network, first.train, first.validation)}")


def preset_lines(experiment: str) -> list[str]:
    """The values of an experiment's preset, one per line, with those that params.yaml replaces; empty without a
    preset."""
    from scantune.config.edit import flow
    from scantune.config.load import read
    from scantune.config.presets import PRESETS, completed, completed_model, preset_of

    written = read()
    group = next(
        (settings for name in ("experiments", "derived") if experiment in (settings := written.get(name) or {})), {}
    )
    block = group.get(experiment) or {}
    train = block.get("train") or {}
    preset = preset_of(train)
    if not preset:
        return []
    complete: dict[str, Any] = {"model": completed_model(train, block.get("model")), "train": completed(train)}
    lines = [f"train.preset {preset} sets"]
    for part, values in PRESETS[preset].items():
        for key, value in values.items():
            replaced = (
                "" if key in (settings := complete[part]) and settings[key] == value else "   params.yaml replaces it"
            )
            lines.append(f"  {part}.{key}: {flow(value)}{replaced}")
    return lines


def _start(plan: TrainingPlan) -> str:
    from scantune.config.params import DerivedConfig

    if isinstance(plan.block, DerivedConfig) and plan.use == "weights":
        parent = plan.block.from_
        return f"those of {parent}" + ("" if _is_trained(plan) else f", not trained yet (dvc repro train@{parent})")
    return "random"


def _is_trained(plan: TrainingPlan) -> bool:
    """Whether the model that the experiment starts from is there, if it starts from one."""
    return plan.start is None or (plan.start / "model.json").is_file()


def architecture(network: Network, shape: tuple[int, ...], depth: int) -> list[str]:
    """One line per module down to ``depth``: name, type, output shape for one sample, number of weights."""
    import torch

    shapes: dict[str, str] = {}

    def noted(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            shapes[name] = " × ".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else "several"

        return hook

    modules = {name: module for name, module in network.named_modules() if name and name.count(".") < depth}
    hooks = [module.register_forward_hook(noted(name)) for name, module in modules.items()]
    network.eval()
    with torch.inference_mode():
        network(torch.zeros(1, *shape), **_unknown_covariates(network))
    for hook in hooks:
        hook.remove()
    width = max(len(name) for name in modules) + 2
    lines = []
    for name, module in modules.items():
        count = sum(p.numel() for p in module.parameters())
        lines.append(f"  {name:<{width}}{type(module).__name__:<22}{shapes.get(name, '–'):<20}{count:>12,}")
    sizes = [p.numel() for p in network.parameters()]
    return [*lines, f"  {sum(sizes):,} weights in {len(sizes)} tensors"]


def _unknown_covariates(network: Network) -> dict[str, Tensor]:
    """Covariates of one sample, all of them unknown, for a network that has some."""
    import torch

    if network.fusion is None:
        return {}
    return {"covariates": torch.full((1, len(network.fusion.covariates.columns)), torch.nan)}


def _sheet(plan: TrainingPlan, n: int, folder: Path) -> Path:
    """Samples spread over the training side, as network inputs, with the task's targets."""
    from scantune import plots
    from scantune.preprocess.store import as_float, facts, load

    side = plan.sides.side("train")
    if not len(side):
        raise ScantuneError("the training set is empty")
    picked = sorted({round(i * (len(side) - 1) / max(1, n - 1)) for i in range(min(n, len(side)))})
    pictures = []
    for place in picked:
        member = side[place]
        if _is_mask(plan):
            pictures.append(_outlined(side.paths[place], plan, member))
            continue
        tensor = as_float(load(side.paths[place])["input"])
        targets = ", ".join(f"{name} {member.targets[name] or '–'}" for name in plan.block.task.target_names())
        caption = f"{member.sample_id}\n{targets}"
        pictures.append(
            _picture(tensor, plan.input.modality, caption, facts(side.paths[place])["reading"].get("affine"))
        )
    title = f"{plan.block.input}: input of the network"
    figure = plots.contact_sheet(pictures, title=title, notes=_notes(plan), columns=3 if _is_mask(plan) else 4)
    return plots.save(figure, folder / "images")[-1]


def _is_mask(plan: TrainingPlan) -> bool:
    return bool(plan.block.task.mask_classes)


def _notes(plan: TrainingPlan) -> list[str]:
    """Which plane is shown, and what the colours of outlines stand for."""
    from scantune.preprocess.check.pictures import word_for_colour

    which = "in which most is marked" if _is_mask(plan) else "in the middle"
    kind = {"volume": f"The axial slice {which}.", "video": f"The frame {which}."}.get(plan.input.modality, "")
    outlines = [f"{name} {word_for_colour(label)}" for label, name in enumerate(plan.block.task.mask_classes) if label]
    return [text for text in (kind, f"Outlines: {', '.join(outlines)}." if outlines else "") if text]


def _outlined(path: Path, plan: TrainingPlan, member: Any) -> Any:
    """A sample with the outlines of its mask, and the number of pixels of each label on the file's grid."""
    from scantune import plots
    from scantune.preprocess.check.pictures import picture
    from scantune.preprocess.mask_labels import described

    volume = plan.input.modality == "volume"
    image = picture(path, plan.input.mask_overlap) / 255
    caption = f"{member.sample_id}\n{described(member.row.get('mask_labels', ''), plan.block.task.mask_classes)}"
    return plots.Picture(image, caption, sides=("R", "L") if volume else None)


def _picture(tensor: Any, modality: str, caption: str, affine: Any = None) -> Any:
    """The middle plane of a tensor [C, …], of a volume in the proportions of its spacing; three channels as colour."""
    import numpy as np

    from scantune import plots
    from scantune.preprocess.check.pictures import axial_aspect

    array = np.asarray(tensor, np.float32)
    if array.ndim == 4:
        array = array[:, array.shape[1] // 2]
    if modality == "volume":  # as radiologists read it: right on the left, front on top
        aspect = 1.0 if affine is None else axial_aspect(affine)
        return plots.Picture(array[0, ::-1, ::-1], caption, sides=("R", "L"), aspect=aspect)
    if array.shape[0] == 3:
        low, high = float(array.min()), float(array.max())
        return plots.Picture(np.moveaxis((array - low) / max(high - low, 1e-6), 0, -1), caption)
    return plots.Picture(array[0], caption)
