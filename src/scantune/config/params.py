"""The groups of ``params.yaml``: all that a user edits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from scantune.config.base import Block, LocalPath, Name, Seed, Target
from scantune.config.dataset import DatasetConfig
from scantune.config.evaluate import EvaluateConfig
from scantune.config.input import InputConfig
from scantune.config.model import ModelConfig
from scantune.config.presets import completed_model
from scantune.config.search import SearchConfig
from scantune.config.task import TaskConfig, union
from scantune.config.train import TrainConfig
from scantune.tasks import catalogue


class TrackingConfig(Block):
    """Whether and how runs are logged to MLflow. The address is the environment's: ``MLFLOW_TRACKING_URI``."""

    enabled: bool = True
    """Switch MLflow off by ``false`` (or by ``SCANTUNE_MLFLOW=off`` in the environment)."""
    require: bool = True
    """Stop a stage at its start where the server cannot be reached; ``false`` continues without it."""


class DemoConfig(Block):
    """A demo cohort that a stage makes under ``data/demo/``."""

    cohort: str
    """Which one: digits, loes, echo, angio, csi, cells."""
    seed: Seed = 0
    """Seed of everything random in it."""
    options: dict[str, Any] = {}
    """What the cohort takes: ``n``, ``site``, ``confounder`` …"""


class WatchedConfig(Block):
    """A file or folder that a dataset reads and its ``watch`` does not cover: a table or masks that lie elsewhere."""

    dataset: Name
    """A name in ``datasets``."""
    path: LocalPath
    """The file or folder; what depends on the dataset is run again when it changes."""


def registered_name(value: str) -> str:
    """A name of MLflow's registry, or of none.

    Raises:
        ValueError: it has signs that MLflow refuses, or that its search takes for the end of the name.
    """
    if re.search(r"[/:@'\"`]", value) or len(value) > 250 or value != value.strip():
        raise ValueError(
            f"{value[:40]!r} cannot name a registered model: 250 characters at most, without / : @, quotation marks "
            "and blanks around it"
        )
    return value


def registered_alias(value: str) -> str:
    """An alias of MLflow's registry.

    Raises:
        ValueError: MLflow refuses it.
    """
    if not re.fullmatch(r"[\w\-]{1,250}", value) or re.fullmatch(r"latest|v\d+", value, re.IGNORECASE):
        raise ValueError(
            f"{value[:40]!r} cannot be an alias: use letters, digits, - and _; MLflow keeps latest, v1, v2 … to itself"
        )
    return value


class RegisterConfig(Block):
    """How a model enters the registry."""

    enabled: bool = True
    """``false`` keeps the model as a logged model alone."""
    name: Annotated[str, AfterValidator(registered_name)] = ""
    """Name in the registry; empty is the dataset's name, so that challengers of one dataset meet."""
    alias: Annotated[str, AfterValidator(registered_alias)] = "champion"
    """Given to the version where there is none yet or the comparison allows it."""
    baseline: Literal["interval", "value", "ignore"] = "interval"
    """What a model must show against the best simple baseline of its report before it may take the alias. ``interval``:
    better in the primary metric by the paired interval (by value where there is none); ``value``: better by value;
    ``ignore``: nothing."""


class ExperimentConfig(Block):
    """One experiment: a model fine-tuned for a task on an input of a dataset."""

    description: str = ""
    """For readers of the MLflow run and the report."""
    dataset: Name
    """A name in ``datasets``."""
    input: Name
    """A name in ``inputs``; it must be made from the same dataset."""
    task: TaskConfig
    """What is predicted."""
    model: ModelConfig
    """The network."""
    train: TrainConfig
    """How it is fine-tuned."""
    evaluate: EvaluateConfig
    """Settings of the evaluation."""
    register_: Annotated[RegisterConfig, Field(alias="register")]
    """How it enters the registry."""
    search: SearchConfig = SearchConfig()
    """What ``scantune search`` tries; the pipeline does not use it."""

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: object) -> object:
        if not isinstance(value, Mapping) or "model" not in value:
            return value
        return {**value, "model": completed_model(value.get("train"), value["model"])}


class DerivedConfig(ExperimentConfig):
    """An experiment that needs another one's model."""

    from_: Annotated[Name, Field(alias="from")]
    """A name in ``experiments``: its model is where this one starts, or its teacher."""
    use: Literal["weights", "teacher"]
    """``weights`` starts from them; ``teacher`` distils (``train.distillation``). No default: DVC watches the key.
    Other classes or zones, and classes 0, 1 … of another target, get a new output layer (Xavier-uniform, bias 0);
    another ``range`` of a score rescales it."""


class MapCheckConfig(Block):
    """Another network, with whose maps an experiment's own are compared: a stage trains it, or takes it over."""

    experiment: Name
    """A name in ``experiments`` or ``derived``, whose maps are tested."""
    from_: Annotated[Name, Field(alias="from")]
    """The experiment whose training is repeated, which is ``experiment`` itself; of ``use: segmentation`` the one whose
    model finds what the masks mark."""
    use: Literal["another_seed", "shuffled_labels", "segmentation"]
    """``another_seed``: trained once more with another seed, maps must be the same. ``shuffled_labels``: trained once
    more on shuffled labels (of a segmentation with the masks of other subjects), maps must differ. Each takes as long
    as the training did. ``segmentation``: a segmentation experiment on the same input, whose masks the maps must come
    close to."""


class ExternalConfig(Block):
    """One experiment's model on another dataset."""

    experiment: Name
    """A name in ``experiments`` or ``derived``."""
    dataset: Name
    """A name in ``datasets``: every usable sample of it is test data."""
    input: Name
    """A name in ``inputs``, made from that dataset in the experiment's own way."""


class ExternalEnsembleConfig(Block):
    """One ensemble's model on another dataset."""

    ensemble: Name
    """A name in ``ensembles``."""
    dataset: Name
    """A name in ``datasets``: every usable sample of it is test data."""
    input: Name
    """A name in ``inputs``, made from that dataset in the ensemble's own way."""

    @property
    def experiment(self) -> str:
        """Whose model it is, as of :class:`ExternalConfig`."""
        return self.ensemble


class EnsembleConfig(Block):
    """A model of the networks of several experiments, whose outputs are averaged; every network counts once.

    Its members have one dataset, input and task, the same test-time augmentation, calibration and miscoverage, all or
    none ``distance: abstain``, and no ``train.folds``. Calibration and conformal quantiles are fitted to the averaged
    answers on the validation side.
    """

    description: str = ""
    """For readers of the MLflow run and the report; empty: the members' names."""
    dataset: Name
    """A name in ``datasets``: that of all members."""
    input: Name
    """A name in ``inputs``: that of all members."""
    members: Annotated[list[Name], Field(min_length=2)]
    """Names in ``experiments`` or ``derived``. Each needs an entry in ``ensemble_members``."""
    evaluate: EvaluateConfig
    """Settings of the evaluation."""
    register_: Annotated[RegisterConfig, Field(alias="register")]
    """How it enters the registry."""


class EnsembleMemberConfig(Block):
    """One member of one ensemble, since DVC cannot depend on the names in a list."""

    ensemble: Name
    """A name in ``ensembles``."""
    member: Name
    """One of its ``members``."""


class Params(Block):
    """All of ``params.yaml``."""

    tracking: TrackingConfig = TrackingConfig()
    """MLflow."""
    quick: list[Target] = []
    """What ``make run`` runs: DVC targets, each ``<stage>@<name>``."""
    demo: dict[Name, DemoConfig] = {}
    """Demo cohorts."""
    datasets: dict[Name, DatasetConfig]
    """Where files and labels lie, and how subjects are split."""
    watched: dict[Name, WatchedConfig] = {}
    """What datasets read outside of their ``watch``. Not needed where a dataset's ``watch`` holds all that it reads."""
    inputs: dict[Name, InputConfig]
    """Ways to prepare a dataset; each dataset has one of the same name."""
    experiments: dict[Name, ExperimentConfig]
    """What is trained."""
    derived: dict[Name, DerivedConfig] = {}
    """Experiments that start from, or learn from, another one."""
    map_checks: dict[Name, MapCheckConfig] = {}
    """Other networks that saliency maps are tested by. Not needed: other tests of the maps need no other network."""
    external: dict[Name, ExternalConfig] = {}
    """Models on other datasets."""
    external_ensembles: dict[Name, ExternalEnsembleConfig] = {}
    """Ensembles on other datasets; names differ from those in ``external``."""
    ensembles: dict[Name, EnsembleConfig] = {}
    """Averages of models."""
    ensemble_members: dict[Name, EnsembleMemberConfig] = {}
    """An entry for each member of each ensemble."""

    @property
    def externals(self) -> dict[str, ExternalConfig | ExternalEnsembleConfig]:
        """The blocks of ``external`` and ``external_ensembles``, whose names differ."""
        return {**self.external, **self.external_ensembles}


_known_tasks = catalogue.names()


def know_tasks() -> None:
    """Let ``task:`` be any of the tasks that there are now: a plugin may have added one."""
    global _known_tasks
    if catalogue.names() == _known_tasks:
        return
    for block in (ExperimentConfig, DerivedConfig):
        block.model_fields["task"].annotation = union()
        block.model_rebuild(force=True)
    Params.model_rebuild(force=True)
    _known_tasks = catalogue.names()
