"""A member's model, for an ensemble: ``python stages/ensemble_member.py <name in ensemble_members>``."""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main


def run(key: str) -> None:
    """Copy the model of ``ensemble_members.<key>`` below its ensemble's folder, on which the ensemble depends."""
    import shutil

    entry = named(load(), "ensemble_members", key)
    source = Path("outputs") / entry.member / "train" / "model"
    target = Path("ensembles") / entry.ensemble / "members" / entry.member
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


if __name__ == "__main__":
    stage_main(run)
