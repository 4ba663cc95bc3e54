"""A peer in a process and an environment of its own, which works whenever it is asked and answers in JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


class Other:
    """A script that answers once it is ready (``facts``), and then with seconds of each epoch that it is asked for.

    Args:
        name: of the peer, in messages.
        python: interpreter that has it.
        script: of this folder; between epochs it waits for a line on its standard input.
        folder: gets its log.
        *arguments: of the script.
    """

    def __init__(self, name: str, python: str, script: str, folder: Path, *arguments: object) -> None:
        command = [python, str(Path(__file__).with_name(script)), *(str(value) for value in arguments)]
        hidden = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.name = name
        self.log = (folder / f"{name}.log").open("w")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=hidden
        )
        self.facts = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.log.flush()
            raise SystemExit(f"{self.name} ended: {Path(self.log.name).read_text()[-2000:]}")
        return json.loads(line)

    def epoch(self, kind: str = "") -> tuple[float, float]:
        """Seconds on the wall, and of the processor; ``kind`` is the line that it reads."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{kind}\n")
        self.process.stdin.flush()
        wall, used = self._answer()
        return wall, used

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.log.close()
