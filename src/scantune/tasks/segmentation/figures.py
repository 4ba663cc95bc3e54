"""The figures of a segmentation."""

from __future__ import annotations

from scantune import plots
from scantune.tasks.figures import Drawn, FigureInput
from scantune.tasks.segmentation.metrics import MEASURES

CAPTIONS = {
    "overlap": ("Overlap of the masks", "One mark per sample."),
    "volume_agreement": ("Agreement of mask sizes", "Predicted and reference size of each mask."),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(given: FigureInput) -> Drawn:
    """Name to figure."""
    rows, data = given.rows, given.data
    values = {name: held[rows] for name, held in data.measures.items() if name in MEASURES}
    drawn = {"overlap": plots.overlap(values, metrics=given.figures, units={"hd95": given.units.length})}
    figures = given.starting("volume_")
    if data.volumes is not None and "bland_altman_bias" in figures:
        drawn["volume_agreement"] = plots.volume_agreement(
            data.volumes[0][rows], data.volumes[1][rows], metrics=figures, unit=given.units.size, what=given.units.kind
        )
    return drawn
