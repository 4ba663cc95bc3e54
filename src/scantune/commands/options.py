"""Options that ``scantune run`` does not have: where their setting is."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from scantune.records import ScantuneError


class RunCommand(TyperCommand):
    """``scantune run``, which answers an unknown option with the setting that is meant.

    ``mlflow run -P weight_decay=0.1`` hands every parameter over as an option, whether ``MLproject`` names it or not.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does it.

        Raises:
            ScantuneError: an unknown option is the name of a setting; with what to write.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", "")  # of NoSuchOption, which Typer has from click or a copy of it
            known = {name for parameter in self.params for name in parameter.opts}
            place = _place(option.lstrip("-").replace("-", "_"), known)
            if not place:
                raise
            raise ScantuneError(f"{option}: no option; write {place}") from None


def _place(name: str, known: set[str]) -> str:
    """What to write for a setting of ``train:`` or ``model:``; "" where none has that name."""
    from scantune.config.model import ModelConfig
    from scantune.config.synonyms import MODEL_KEYS, TRAIN_KEYS
    from scantune.config.train import TrainConfig

    for block, config, synonyms in (("train", TrainConfig, TRAIN_KEYS), ("model", ModelConfig, MODEL_KEYS)):
        key = synonyms.get(name, name)
        if key not in config.model_fields:
            continue
        option = f"--{key.replace('_', '-')}"
        if option in known:
            return f"{option} (mlflow run: -P {key}=…)"
        setting = f'"experiments.<name>.{block}.{key}=…"'
        return f"--set {setting} (mlflow run: -P settings={setting})"
    return ""
