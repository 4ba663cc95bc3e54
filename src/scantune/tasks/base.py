"""The settings common to all tasks: the ``task:`` block, and what it answers before torch is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scantune.config.base import Block
from scantune.tasks.suggestion import LabelTable, Suggestion

if TYPE_CHECKING:
    import numpy as np

    from scantune.models.backbone import Modality
    from scantune.models.catalogue import Table

#: Which way a metric is better.
Direction = Literal["min", "max"]


class TaskSettings(Block):
    """A ``task:`` block. A task's ``settings`` module has one subclass, named ``Settings`` there."""

    default_loss: ClassVar[str]
    """The loss of a block that names none."""
    loss_targets: ClassVar[tuple[str, ...]]
    """Kinds of targets that the task has: the losses for these fit it, see :func:`scantune.losses.register`."""
    one_target: ClassVar[bool] = True
    """Each sample has one target that is a number or a class, so that degraded copies can be ranked below it."""
    exclusive: ClassVar[bool] = True
    """Probabilities whose columns differ in the last part alone (``p/<class>``) are of classes that exclude each other,
    and sum to one."""
    calibrations: ClassVar[tuple[str, ...]] = ("temperature", "isotonic")
    """Kinds of ``train.calibration`` that do something to the task's answers; empty where it gives no probabilities."""
    conformal: ClassVar[bool] = True
    """It gives conformal intervals or sets, for ``train.miscoverage``."""
    called: ClassVar[bool] = False
    """In a predictions file classes in ``prediction`` may stand in for probabilities."""
    empty_probabilities: ClassVar[bool] = False
    """A model may lack a column of probabilities, which then is empty in its whole partition or fold."""
    takes_empty_targets: ClassVar[bool] = False
    """An empty cell of a target means something; else rows with one cannot be learned from."""
    own_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of ``predictions.csv``, also as ``<name>/<part>``, beside those that every task may have (``target``,
    ``prediction``, ``p/…``): no subgroups are made by them."""

    name: str

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """Blocks for a table of labels that looks like the task's; None where it does not."""
        return None

    @classmethod
    def answer_cells(cls, cells: Mapping[str, Sequence[str]], block: Mapping[str, Any]) -> dict[str, list[str]]:
        """The answers in the cells of a suggested block: name to one text per row.

        Args:
            cells: target column to its cells.
            block: as :meth:`suggest` gave it.
        """
        return {column: list(texts) for column, texts in cells.items()}

    def backbones(self, modality: Modality) -> Table:
        """Where the backbone is looked up: by the input's modality, or among networks with an output per pixel."""
        return modality

    @classmethod
    def from_columns(cls, columns: Sequence[str]) -> dict[str, Any]:
        """Settings that the columns of a predictions file settle where nobody states them."""
        return {}

    @property
    def call_classes(self) -> Mapping[str, str]:
        """How a call in a predictions file may be written, to the class that it names, all classes among them; empty
        where the file's calls and targets settle the classes."""
        return {}

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """The classes that a mask's labels 0, 1, … stand for; none where no mask is learned from."""
        return ()

    @property
    def fitting_losses(self) -> tuple[str, ...]:
        """Kinds of targets of this block: those of :attr:`loss_targets`, or some of them."""
        return self.loss_targets

    @property
    def masks_overlap(self) -> bool:
        """A pixel of a mask may have several labels."""
        return False

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that the task needs."""
        return ()

    def separators(self) -> dict[str, str]:
        """Target whose cells list several words to what stands between them."""
        return {}

    def target_columns(self, targets: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """The target columns of ``predictions.csv`` from the data set's own.

        Args:
            targets: target name to its cells, N texts each, of those of :meth:`target_names` that are there.
        """
        named = list(targets)
        return {"target" if len(named) == 1 else f"target/{name}": targets[name] for name in named}

    def target_rules(self) -> dict[str, dict[str, object]]:
        """For each target what its column may hold: keywords of ``TargetColumn``."""
        return {}

    def target_fault(self, name: str, text: str) -> str | None:
        """What is wrong with a cell of a target, where its column's rules cannot tell; None where nothing is."""
        return None

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return {}

    def headline_metrics(self) -> tuple[str, ...]:
        """Metrics by which models of this block may be compared, as far as they are known before the data are: each
        that ``headline_names`` of the task's ``metrics`` may give; none where nothing is known."""
        return ()

    def classes_in(self, targets: Iterable[Mapping[str, str]]) -> tuple[str, ...] | None:
        """The classes of the network's outputs where they depend on the data; None where the block settles them.

        Args:
            targets: target name to text, one mapping a sample.

        Raises:
            ScantuneError: the data do not have the classes that the task needs.
        """
        return None

    def ranks(self, classes: Sequence[str] | None = None) -> bool:
        """Whether degraded copies can be ranked below a sample: its target is a number, one of two classes or a grade.

        Args:
            classes: those of the data; None where they are not known yet, or the block settles them.
        """
        return self.one_target

    def unordered(self, classes: Sequence[str] | None = None) -> list[str]:
        """Classes that are words whose order nobody states: that of the alphabet says nothing of which is better.

        Args:
            classes: as of :meth:`ranks`.
        """
        return []

    @property
    def sided(self) -> bool:
        """Left and right are different answers, so that a mirrored sample has another one."""
        return False

    @property
    def output_range(self) -> tuple[float, float] | None:
        """Lowest and highest value of an output that is one number: another model's is rescaled to it."""
        return None

    def output_form(self, loss: str) -> str:
        """What distinguishes the outputs of networks trained with this loss from those of others; "" for nothing.

        Networks whose outputs have different forms cannot be averaged.
        """
        return ""

    def idle(self, loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Keys of the block that have no effect: the key, and why with what to do. Those with their default are none.

        Args:
            loss: name and options of the training's loss.
        """
        return iter(())

    def starts_from_targets(self, loss: str) -> bool:
        """Whether the output layer starts from the training targets, unless ``model.init_output`` is false.

        Args:
            loss: of the training, by name.
        """
        return False

    def fits(self, loss: str, calibration: str) -> bool:
        """Whether something is fitted on validation after a training.

        Args:
            loss: of the training, by name.
            calibration: ``train.calibration``.
        """
        return self.conformal or (bool(self.calibrations) and calibration != "none")

    def nothing_to_learn(self, encoded: np.ndarray) -> str:
        """Why targets of a training side, encoded, [N, …], teach nothing; "" where they do."""
        columns = encoded.reshape(len(encoded), -1).T
        alike = all(len({value for value in column.tolist() if value == value}) < 2 for column in columns)
        return "all training samples have the same target" if alike else ""

    def loss_options(self, loss: str) -> dict[str, Any]:
        """Options of the loss that follow from the block where the ``train:`` block names none."""
        return {}
