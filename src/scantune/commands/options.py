"""Options that a command cannot take: stated twice, or unknown to ``scantune run``, with where their setting is."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperGroup

from scantune.records import ScantuneError


class Commands(TyperGroup):
    """The list of commands by section, each in a whole line; without it they are in one list and cut off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order in which commands name them (``rich_help_panel``)."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                rows = sections.setdefault(getattr(command, "rich_help_panel", ""), [])
                rows.append((name, command.short_help or ""))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


class Command(TyperCommand):
    """A command that refuses an option stated twice where it takes one value: the parser would keep the last alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does it.

        Raises:
            ScantuneError: an option of one value is stated more than once.
        """
        _refuse_repeats(self, ctx, args)
        return super().parse_args(ctx, args)


class RunCommand(TyperCommand):
    """``scantune run``, which answers an unknown option with the setting that is meant.

    ``mlflow run -P weight_decay=0.1`` hands every parameter over as an option, whether ``MLproject`` names it or not.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does it.

        Raises:
            ScantuneError: an unknown option is the name of a setting, with what to write; or an option of one value is
                stated more than once.
        """
        try:
            _refuse_repeats(self, ctx, args)
            return super().parse_args(ctx, args)
        except Exception as error:
            option = (
                getattr(error, "option_name", "") or ""
            )  # of NoSuchOption, which Typer has from click or a copy of it
            known = {name for parameter in self.params for name in parameter.opts}
            place = _place(option.lstrip("-").replace("-", "_"), known)
            if not place:
                raise
            raise ScantuneError(f"{option}: no option; write {place}") from None


def _refuse_repeats(command: TyperCommand, ctx: Any, args: list[str]) -> None:
    _, _, in_order = command.make_parser(ctx).parse_args(args=list(args))
    for option, times in Counter(parameter for parameter in in_order if _takes_one(parameter)).items():
        if times > 1:
            several = "; for several write the targets: scantune run register@NAME register@NAME"
            remedy = several if command.name == "run" and option.name == "experiment" else ""
            raise ScantuneError(f"{option.opts[0]} is stated {times} times and takes one value{remedy}")


def _takes_one(parameter: Any) -> bool:
    """Whether it is an option of one value; a flag stated twice says the same."""
    return parameter.param_type_name == "option" and not (
        parameter.multiple or parameter.is_flag or parameter.count or parameter.nargs != 1
    )


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
