"""Training curves: losses and their components, the monitored metric, learning rates, epochs of unfreezing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDES = (("train_", "training", style.BLUE, "-"), ("val_", "validation", style.VERMILION, (0, (4, 1.5))))


@style.styled
def learning_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    monitor: str = "val_loss",
    mode: str = "min",
    unfreezing: Mapping[int, str] | None = None,
    title: str = "",
) -> Figure:
    """Loss, loss components, monitored metric and learning rates by epoch.

    Args:
        history: one mapping per epoch: ``epoch`` and any of ``train_loss``, ``val_loss``, ``train_<name>_loss``,
            ``val_<name>_loss``, the monitored metric, ``learning_rate`` or ``learning_rate/<group>``. Values may be
            text, as in rows of ``history.csv``.
        monitor: the metric that selected the checkpoint.
        mode: ``min`` or ``max``, direction of the metric.
        unfreezing: epoch to the names of the layers unfrozen in it.
        title: heading.
    """
    columns = _columns(history)
    panels: list[tuple[str, Any]] = [("Loss", _losses)]
    if _differ(columns):
        panels.append(("Loss components", _parts))
    if monitor not in ("loss", "train_loss", "val_loss"):
        panels.append((words.label(monitor.removeprefix("val_").removeprefix("train_")), _monitored))
    rates = [name for name in columns if name == "learning_rate" or name.startswith("learning_rate/")]
    if rates:
        panels.append(("Learning rate", _rates))
    figure = style.canvas(style.SINGLE * 1.2, 0.35 + 1.25 * len(panels))
    grid = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    grid[0].set_title(title)
    if not len(columns["epoch"]):
        for axes in grid:
            style.undefined(axes, "no epoch was finished")
        return figure
    best = _best(columns, monitor, mode)
    for axes, (name, draw) in zip(grid, panels):
        axes.set_ylabel(name)
        axes.grid(True, axis="y")
        draw(axes, columns, monitor)
        for epoch, what in sorted((unfreezing or {}).items()):
            axes.axvline(epoch, color=style.GREEN, linestyle=(0, (1, 1.5)), linewidth=0.9)
            if axes is grid[0]:
                axes.annotate(str(what), (epoch, 1), xycoords=("data", "axes fraction"), xytext=(2, -1), va="top",
                              textcoords="offset points", fontsize=5, color=style.GREEN, rotation=90)  # fmt: skip
        if best is not None:
            axes.axvline(best, color=style.INK, linewidth=0.6, zorder=1)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=5.5)
    grid[-1].set_xlabel("Epoch")
    first, last = np.nanmin(columns["epoch"]), np.nanmax(columns["epoch"])
    if first == last:
        grid[-1].set_xlim(first - 0.5, last + 0.5)
    style.integer_ticks(grid[-1].xaxis)
    if best is not None:
        value = columns[monitor][columns["epoch"] == best][0]
        style.note(figure, f"Black line: best {monitor} ({words.number(value)}, epoch {best:g}).")
    else:
        style.note(figure, f"No epoch has a finite {monitor}.")
    if unfreezing:
        style.note(figure, "Green dotted: unfrozen layers.")
    gaps = {name: int((~np.isfinite(values)).sum()) for name, values in columns.items() if name != "epoch"}
    for name, missing in gaps.items():
        if missing and name in (monitor, "train_loss", "val_loss"):
            style.note(figure, f"{name} has no value in {missing} of {len(columns['epoch'])} epochs.")
    return figure


def _columns(history: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Column name to its values, [epochs], NaN where missing or not a number."""
    names: dict[str, None] = {"epoch": None}
    for row in history:
        names.update(dict.fromkeys(row))
    table = {name: np.array([_number(row.get(name)) for row in history], dtype=np.float64) for name in names}
    if history and not np.isfinite(table["epoch"]).any():
        table["epoch"] = np.arange(1, len(history) + 1, dtype=np.float64)
    return table


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _components(columns: Mapping[str, np.ndarray]) -> list[str]:
    totals = ("train_loss", "val_loss", "loss")
    losses = [name for name in columns if name.endswith("_loss") and name not in totals]
    return [name for name in losses if name.startswith(("train_", "val_"))]


def _differ(columns: Mapping[str, np.ndarray]) -> bool:
    """Whether there are components beside the loss, not a single one that is the loss."""
    names = _components(columns)
    return any(
        f"{side}loss" not in columns or not np.array_equal(columns[name], columns[f"{side}loss"], equal_nan=True)
        for name in names
        for side in (name.partition("_")[0] + "_",)
    )


def _points(columns: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of a curve; of validation, which may be every few epochs, without the epochs between."""
    epochs, values = columns["epoch"], columns[name]
    drawn = np.isfinite(values) if name.startswith("val_") else np.ones(len(values), bool)
    return epochs[drawn], values[drawn]


def _best(columns: Mapping[str, np.ndarray], monitor: str, mode: str) -> float | None:
    values = columns.get(monitor)
    if values is None or not np.isfinite(values).any():
        return None
    index = np.nanargmax(values) if mode == "max" else np.nanargmin(values)
    return float(columns["epoch"][index])


def _losses(axes: Axes, columns: Mapping[str, np.ndarray], monitor: str) -> None:
    for prefix, text, colour, dash in _SIDES:
        if f"{prefix}loss" in columns:
            axes.plot(*_points(columns, f"{prefix}loss"), color=colour, linestyle=dash, label=text,
                      marker=".", markersize=2.5)  # fmt: skip


def _parts(axes: Axes, columns: Mapping[str, np.ndarray], monitor: str) -> None:
    stems = sorted({name.split("_", 1)[1].removesuffix("_loss") for name in _components(columns)})
    for index, stem in enumerate(stems):
        for prefix, text, _, dash in _SIDES:
            if f"{prefix}{stem}_loss" in columns:
                colour, _, marker = style.SERIES[index % len(style.SERIES)]
                axes.plot(*_points(columns, f"{prefix}{stem}_loss"), color=colour, linestyle=dash, marker=marker,
                          markersize=2, linewidth=0.9, label=f"{stem}, {text}")  # fmt: skip


def _monitored(axes: Axes, columns: Mapping[str, np.ndarray], monitor: str) -> None:
    stem = monitor.removeprefix("val_").removeprefix("train_")
    names = dict.fromkeys([*(f"{prefix}{stem}" for prefix, *_ in _SIDES), monitor])
    for name in names:
        if name in columns:
            side = next((entry for entry in _SIDES if name.startswith(entry[0])), ("", name, style.INK, "-"))
            axes.plot(*_points(columns, name), color=side[2], linestyle=side[3], label=side[1],
                      marker=".", markersize=2.5)  # fmt: skip


def _rates(axes: Axes, columns: Mapping[str, np.ndarray], monitor: str) -> None:
    names = [name for name in columns if name == "learning_rate" or name.startswith("learning_rate/")]
    positive = False
    for index, name in enumerate(names):
        colour, dash, _ = style.SERIES[index % len(style.SERIES)]
        text = name.partition("/")[2]
        axes.step(columns["epoch"], columns[name], where="mid", color=colour, linestyle=dash, label=text or None,
                  marker="." if len(columns["epoch"]) == 1 else None)  # fmt: skip
        positive |= bool((columns[name] > 0).any())
    if positive:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−"))
