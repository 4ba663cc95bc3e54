"""Check params.yaml before anything else: ``python stages/settings.py`` → ``data/settings.txt``.

DVC removes the outputs of a stage, whose paths hold names of params.yaml, before it runs the stage. Every stage depends
on this one, so that a name which leads elsewhere, or any other fault, ends the run while nothing has been removed.
"""

from __future__ import annotations

from pathlib import Path

from scantune.config.load import load
from scantune.files import write_text
from scantune.script import settings_main

OUT = Path("data/settings.txt")


def run() -> None:
    """Write the same text for all settings that are valid: nothing runs again because of it."""
    load()
    write_text(OUT, "params.yaml is valid\n")


if __name__ == "__main__":
    settings_main(run)
