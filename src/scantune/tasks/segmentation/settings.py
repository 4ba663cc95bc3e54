"""Settings of the segmentation task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from scantune.mask_codes import IGNORED, MOST_OVERLAPPING
from scantune.tasks import laterality
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction
from scantune.tasks.suggestion import LabelTable, Suggestion

if TYPE_CHECKING:
    from scantune.models.backbone import Modality
    from scantune.models.catalogue import Table

MEASURES = ("dice", "iou", "precision", "recall", "hd95", "nsd", "cldice")
"""Columns of each sample in predictions.csv, also as ``<measure>/<class>``; only ``dice`` is required."""

EPOCH_METRICS: dict[str, Direction] = {"dice": "max", "iou": "max"}
"""Metrics of an epoch, and which way each is better."""


class Segmentation(TaskSettings):
    """A class for every pixel or voxel."""

    loss_targets: ClassVar[tuple[str, ...]] = ("classes", "binary", "masks")
    calibrations: ClassVar[tuple[str, ...]] = ()
    conformal: ClassVar[bool] = False
    one_target: ClassVar[bool] = False
    own_columns: ClassVar[tuple[str, ...]] = (
        *("dice", "dice_prepared", "iou", "precision", "recall", "hd95", "nsd", "cldice"),
        *("lesion_f1", "lesion_precision", "lesion_recall", "volume_target", "volume_prediction"),
    )

    name: Literal["segmentation"] = "segmentation"

    classes: tuple[str, ...] = Field(("background", "foreground"), min_length=2)
    """Names of the mask's values 0, 1, …; the first is the background. Figures are given of all others."""

    overlapping: bool = False
    """Labels may overlap (an optic cup inside its disc): one sigmoid output for each class but the first, instead of a
    softmax over all. The input needs ``mask_overlap: true``. At most seven such classes."""

    nsd_tolerance: float = Field(1.0, gt=0)
    """Distance up to which a surface counts as met in the normalised surface Dice: mm, pixels where there is no
    spacing."""

    cldice: bool = True
    """The centre line's Dice too (vessels). Off where the structure has no centre line: it takes time in 3D."""

    lesion_overlap: float | None = Field(None, gt=0, le=1)
    """Count lesions too (connected components, diagonal neighbours included): F1, precision and recall of detection.
    A predicted and a true lesion match from this intersection over union on (0.1 … 0.5 are usual); null: not counted.
    """

    largest_component: bool = True
    """Keep only the largest connected component of a class where that raises the class's mean Dice on validation (out
    of fold with folds), and the Dice of more samples than it lowers; classes are decided one by one. False: never."""

    min_component: float | None = Field(None, gt=0)
    """Remove connected components (neighbours by face, edge or corner) of a class that are smaller than this from
    predicted masks, on the grid of the file: mm³, mm² in 2D, voxels or pixels where the file states no spacing. null:
    none is removed."""

    empty: Literal["undefined", "one"] = "undefined"
    """Both masks empty: the metrics are undefined, omitted from the means and counted; or count as correct
    (Dice 1, distance 0). One mask empty: Dice, IoU, NSD and clDice are 0, whichever it is."""

    missed: Literal["diagonal", "infinite"] = "diagonal"
    """One mask empty: its Hausdorff distance is the image's diagonal, or infinite (then the mean is undefined)."""

    @model_validator(mode="after")
    def _distinct(self) -> Segmentation:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes {list(self.classes)}: a name occurs twice")
        if len(self.classes) > IGNORED:
            raise ValueError(f"classes: {len(self.classes)} classes, at most {IGNORED}: a mask has eight bits")
        if self.overlapping and len(self.classes) > MOST_OVERLAPPING + 1:
            raise ValueError(
                f"overlapping: {len(self.classes) - 1} classes that may overlap, at most {MOST_OVERLAPPING}"
            )
        return self

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of all classes together; clDice where it is measured."""
        return tuple(name for name in MEASURES if name != "cldice" or self.cldice)

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return dict(EPOCH_METRICS)

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For masks beside the images."""
        if not table.masks or table.named:
            return None
        task = {"name": "segmentation", "classes": ["background", "foreground"]}
        return Suggestion({"masks": table.masks}, task, model={"backbone": "unet"}, strength=2)

    def backbones(self, modality: Modality) -> Table:
        """Networks with an output per pixel."""
        return "dense"

    def fits(self, loss: str, calibration: str) -> bool:
        """Which classes keep their largest component alone."""
        return self.largest_component

    @property
    def default_loss(self) -> str:  # type: ignore[override]
        """Dice and cross-entropy over classes that exclude each other; of one class against the background the usual
        shares of Dice and binary cross-entropy, as of labels that overlap."""
        return "default" if len(self.classes) == 2 or self.overlapping else "dice_ce"

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """The classes that a mask's labels 0, 1, … stand for."""
        return self.classes

    @property
    def fitting_losses(self) -> tuple[str, ...]:
        """Labels that overlap are no classes that exclude each other."""
        return tuple(kind for kind in self.loss_targets if not (self.overlapping and kind == "classes"))

    @property
    def masks_overlap(self) -> bool:
        """A pixel of a mask may have several labels."""
        return self.overlapping

    @property
    def foreground(self) -> tuple[str, ...]:
        """The classes of which figures are given."""
        return self.classes[1:]

    @property
    def sided(self) -> bool:
        """Left and right structures are different classes, by their names."""
        return laterality.named(self.foreground)


#: The name under which the settings are collected.
Settings = Segmentation
