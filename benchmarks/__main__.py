"""Every benchmark in turn, each in a process of its own: ``python -m benchmarks [name …]``.

``python -m benchmarks real --data FOLDER`` reads the DICOM files of a folder and holds them against dcm2niix.

A benchmark measures scantune and a peer in turn, in one run, on data it makes, and prints the ratio. Absolute times
depend on the machine; ratios are what to quote.
"""

from __future__ import annotations

import os
import subprocess
import sys

NAMES = (
    "startup",
    "preprocess_volume",
    "preprocess_cine",
    "preprocess_cohort",
    "statistics",
    "engine",
    "gandlf",
    "predicting",
)


#: Those that need data of one's own, named alone, with options behind the name.
ON_DATA = ("real",)


def main() -> int:
    chosen = sys.argv[1:] or NAMES
    if chosen[0] in ON_DATA:
        return _run(chosen[0], chosen[1:])
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join((*NAMES, *ON_DATA))}")
        return 2
    failed = 0
    for name in chosen:
        print(f"\n== {name}", flush=True)
        failed += _run(name, []) != 0
    return int(failed > 0)


def _run(name: str, options: list[str]) -> int:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", ".", os.environ.get("PYTHONPATH", "")])}
    return subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *options], env=env)


if __name__ == "__main__":
    raise SystemExit(main())
