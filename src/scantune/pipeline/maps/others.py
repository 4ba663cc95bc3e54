"""The other networks of an experiment's map checks, from the outputs of the stage ``map-check``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.records import ScantuneError
from scantune.registry.model import load_networks, read_facts

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.models.network import Network


@dataclass(frozen=True)
class OtherNetwork:
    """A network that maps are compared with.

    Attributes:
        name: of the entry in ``map_checks``.
        experiment: whose maps are tested.
        folder: ``outputs/<experiment>/map_checks/<name>``.
        trained: digest of the weights that the entry must belong to; "" accepts any.
    """

    name: str
    experiment: str
    folder: Path
    trained: str = ""

    @property
    def model(self) -> Path:
        """The folder of its model.

        Raises:
            ScantuneError: not found, or of an earlier model of the experiment.
        """
        remedy = f"run: dvc repro map-check@{self.name}, then evaluate again"
        record = self.folder / "check.json"
        if not record.is_file():
            raise ScantuneError(f"map_checks.{self.name}: its network was not found; {remedy}")
        if self.trained and json.loads(record.read_text())["model"] != self.trained:
            raise ScantuneError(f"map_checks.{self.name}: {self.experiment!r} has been trained again since; {remedy}")
        return self.folder / "model"

    def network(self) -> Network:
        """Its network, in eval mode; see :attr:`model`."""
        return load_networks(self.model, read_facts(self.model))[0]


def others_of(params: Params, experiment: str, trained: str) -> dict[str, OtherNetwork]:
    """Use to network, for every entry of ``map_checks`` on an experiment.

    Args:
        params: all settings.
        experiment: its name.
        trained: digest of its model's weights.
    """
    home = Path("outputs") / experiment / "map_checks"
    return {
        block.use: OtherNetwork(name, experiment, home / name, "" if block.use == "segmentation" else trained)
        for name, block in params.map_checks.items()
        if block.experiment == experiment
    }
