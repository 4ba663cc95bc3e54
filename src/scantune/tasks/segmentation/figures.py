"""The figures of a segmentation."""

from __future__ import annotations

from scantune import plots
from scantune.tasks.figures import Drawn, FigureInput
from scantune.tasks.segmentation.settings import MEASURES

CAPTIONS = {
    "overlap": ("Overlap of the masks", "Distribution over the samples; diamonds: means with their intervals."),
    "volume_agreement": ("Agreement of mask sizes", "Predicted and reference size of each mask."),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure."""
    rows, data = inputs.rows, inputs.data
    values = {name: measure[rows] for name, measure in data.measures.items() if name in MEASURES}
    drawn = {
        "overlap": plots.overlap(
            values, metrics=inputs.figures, units={"hd95": inputs.units.length}, confidence=inputs.confidence
        )
    }
    figures = inputs.starting("volume_")
    if data.volumes is not None and "bland_altman_bias" in figures:
        drawn["volume_agreement"] = plots.volume_agreement(
            data.volumes[0][rows],
            data.volumes[1][rows],
            metrics=figures,
            unit=inputs.units.size,
            what=inputs.units.kind,
            confidence=inputs.confidence,
        )
    return drawn
