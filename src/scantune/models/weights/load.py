"""Loading of weights into a network by name and shape, with a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from scantune.models.backbone import Backbone, Normalization
from scantune.models.channels import adapt, first_convolution
from scantune.models.load_report import LoadReport
from scantune.models.weights import files, known, locate, names
from scantune.records import ScantuneError


def load_into(module: nn.Module, source: str | Path | Mapping[str, Tensor], *, min_matched: float = 0.5) -> LoadReport:
    """Load tensors that match by name and shape; the others do not change.

    Names of known published formats are translated (:mod:`scantune.models.weights.names`), and prefixes such as
    ``module.`` removed. A first layer of another number of channels is adapted
    (:func:`scantune.models.channels.adapt`), position embeddings of another grid are interpolated.

    Args:
        module: the network, e.g. ``network.backbone.net``, or a complete :class:`~scantune.models.Network`.
        source: a file, a folder, or tensors by name.
        min_matched: smallest share of the parameters of ``module`` that must match.

    Raises:
        ScantuneError: the file cannot be read, or too few parameters match; nothing is loaded then.
    """
    label = "tensors" if isinstance(source, Mapping) else Path(source).name
    tensors = dict(source) if isinstance(source, Mapping) else files.read(source)
    state = {name: value for name, value in module.state_dict().items() if _is_relevant(name)}
    translated = {name: value for name, value in names.translate(tensors).items() if _is_relevant(name)}
    aligned = names.align(translated.keys(), state.keys())
    offered = {aligned.get(name, name): value for name, value in translated.items()}
    report, fitting = _match(module, state, offered, label)
    if report.share < min_matched:
        raise ScantuneError(
            f"only {report.share:.1%} of the network's parameters are in the weights, but min_matched requires "
            f"{min_matched:.0%}: is it the right file for this backbone?\n{report}"
        )
    module.load_state_dict(fitting, strict=False)
    return report


def into_backbone(
    backbone: Backbone, weights: str | Path, *, min_matched: float = 0.5, folder: Path, download: bool = False
) -> tuple[LoadReport, Normalization | None]:
    """Load named weights, or a file or folder, into a backbone.

    Returns:
        The report, and the input normalisation of the weights.
    """
    if isinstance(weights, str) and known.is_published(weights):
        published = known.find(weights, backbone)
        location = locate.locate(published, folder, download=download)
        part = backbone.net.get_submodule(backbone.published_part)
        report = load_into(part, location.path, min_matched=min_matched)
        return report, location.normalization or backbone.published_normalization
    path = Path(weights)
    if not path.exists() and (folder / path).exists():
        path = folder / path
    report = load_into(backbone.net, path, min_matched=min_matched)
    return report, _saved_normalization(path, backbone)


def _saved_normalization(path: Path, backbone: Backbone) -> Normalization | None:
    """Input normalisation of a saved network; that of the published backbone for other files."""
    import json

    architecture = (path if path.is_dir() else path.parent) / "architecture.json"
    if not architecture.is_file():
        return backbone.published_normalization
    norm = json.loads(architecture.read_text())["backbone"]["normalization"]
    return None if norm is None else Normalization(**{name: tuple(row) for name, row in norm.items()})


def _is_relevant(name: str) -> bool:
    # A counter that old files do not have, without effect where batch norm has a momentum.
    return not name.endswith("num_batches_tracked")


def _match(
    module: nn.Module, state: Mapping[str, Tensor], offered: Mapping[str, Tensor], label: str
) -> tuple[LoadReport, dict[str, Tensor]]:
    first = _first_weight(module)
    fitting: dict[str, Tensor] = {}
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    adapted: list[tuple[str, str]] = []
    for name in sorted(offered.keys() & state.keys()):
        tensor, change = _fit(offered[name], state[name], name, is_first=name == first, module=module)
        if tensor is None:
            mismatched.append((name, tuple(offered[name].shape), tuple(state[name].shape)))
            continue
        fitting[name] = tensor
        if change:
            adapted.append((name, change))
    sizes = {name: value.numel() for name, value in module.named_parameters()}
    share = sum(sizes.get(name, 0) for name in fitting) / max(sum(sizes.values()), 1)
    missing = tuple(sorted(state.keys() - offered.keys()))
    unexpected = tuple(sorted(offered.keys() - state.keys()))
    report = LoadReport(
        label, tuple(fitting), missing, unexpected, tuple(mismatched), tuple(adapted), share if sizes else math.nan
    )
    return report, fitting


def _first_weight(module: nn.Module) -> str:
    try:
        return f"{first_convolution(module)[0]}.weight"
    except ScantuneError:
        return ""


def _fit(value: Tensor, expected: Tensor, name: str, *, is_first: bool, module: nn.Module) -> tuple[Tensor | None, str]:
    """The tensor adapted to the network and the description of the change; None where it cannot be adapted."""
    if value.shape == expected.shape:
        return value, ""
    same_but_channels = value.shape[:1] + value.shape[2:] == expected.shape[:1] + expected.shape[2:]
    if is_first and value.ndim == expected.ndim and same_but_channels:
        change = "summed over" if expected.shape[1] == 1 else "repeated from"
        return adapt(value, expected.shape[1]), f"{change} {value.shape[1]} input channels to {expected.shape[1]}"
    if name.endswith("pos_embed") and value.ndim == 3 and value.shape[-1] == expected.shape[-1]:
        return _resample_positions(
            value, expected, module
        ), f"interpolated from {value.shape[1]} to {expected.shape[1]} tokens"
    if name.rpartition(".")[2].startswith("rel_pos_") and value.shape[-1] == expected.shape[-1]:
        resized = nn.functional.interpolate(value.T[None].float(), size=len(expected), mode="linear")[0].T
        return resized.to(value.dtype).contiguous(), f"interpolated from {len(value)} to {len(expected)} positions"
    return None, ""


def _resample_positions(value: Tensor, expected: Tensor, module: nn.Module) -> Tensor:
    from timm.layers import resample_abs_pos_embed

    grid = next(part.grid_size for part in module.modules() if hasattr(part, "grid_size"))
    prefix = expected.shape[1] - math.prod(grid)  # type: ignore[arg-type]
    # Published embeddings have a square grid; the prefix are class and register tokens.
    side = math.isqrt(value.shape[1] - prefix)
    with torch.no_grad():
        return resample_abs_pos_embed(value, list(grid), old_size=[side, side], num_prefix_tokens=prefix)  # type: ignore[arg-type]
