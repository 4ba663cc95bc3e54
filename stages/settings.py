"""Check params.yaml before anything else: ``python stages/settings.py`` → ``data/settings.txt`` and files.

DVC removes the outputs of a stage, whose paths hold names of params.yaml, before it runs the stage. Every stage depends
on this one, so that a name which leads elsewhere, or any other fault, ends the run while nothing has been removed. Of
each dataset it writes which targets the experiments take as numbers and which words for an empty cell (NA) are classes
of theirs, all that preparation and split depend on of them, and of each experiment the task and the evaluation, which
an external validation depends on.
"""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.files import write_text
from scantune.pipeline.data.looked_up import write_evaluations, write_kinds, write_words
from scantune.script import settings_main

OUT = Path("data/settings.txt")
TARGETS = Path("data/targets")
WORDS = TARGETS / "words"
EVALUATIONS = Path("data/evaluations")


def run() -> None:
    """Write the same text for all settings that are valid, so that no code is read anew because of it."""
    params = load()
    for folder, write in ((TARGETS, write_kinds), (WORDS, write_words), (EVALUATIONS, write_evaluations)):
        folder.mkdir(parents=True, exist_ok=True)
        write(params, folder)
    write_text(OUT, "params.yaml is valid\n")


if __name__ == "__main__":
    settings_main(run)
