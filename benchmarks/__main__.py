"""Every benchmark in turn, each in a process of its own: ``python -m benchmarks [name …]``.

``python -m benchmarks real --data FOLDER`` compares the DICOM files of a folder with dcm2niix.
``text --data FOLDER`` counts how often text in pictures is found, and seen where none is. ``kills --count 200`` kills
stages at random moments, ``soak --minutes 30`` asks a served model by many clients. ``vessels --data FOLDER`` trains on
DRIVE beside plain MONAI, ``hippocampus --data FOLDER`` on the Decathlon's fourth task beside nnU-Net.

A benchmark measures scantune and a peer in turn, in one run, on data it makes, and prints the ratio. Absolute times
depend on the machine; ratios are what to quote.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

NAMES = (
    "startup",
    "preprocess_volume",
    "preprocess_cine",
    "preprocess_cohort",
    "resampling",
    "engine",
    "gandlf",
    "predicting",
    "patches",
)


#: Asked for by name alone: they need a GPU, data of one's own, or half an hour.
BY_NAME = ("beside", "defaults", "gpu", "real", "text", "kills", "soak", "vessels", "hippocampus")


def main() -> int:
    named = list(itertools.takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(named) :]  # the benchmarks' own
    chosen = named or NAMES
    unknown = sorted(set(chosen) - {*NAMES, *BY_NAME})
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join((*NAMES, *BY_NAME))}")
        return 2
    failed = 0
    for name in chosen:
        print(f"\n== {name}", flush=True)
        failed += _run(name, options) != 0
    return int(failed > 0)


def _run(name: str, options: list[str]) -> int:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", ".", os.environ.get("PYTHONPATH", "")])}
    return subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *options], env=env)


if __name__ == "__main__":
    raise SystemExit(main())
