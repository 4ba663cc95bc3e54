"""Start-up: what each stage imports against importing the libraries it needs, and commands that must answer at once."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 5
#: What is asked of scantune, and the bare libraries that it cannot do without.
PAIRS = {
    "preprocess (still pictures)": (
        "scantune.preprocess.run, scantune.preprocess.still",
        "numpy, cv2, pydicom, pydantic",
    ),
    "train": (
        "scantune.pipeline.train.stage, scantune.engine.loop, lightning_fabric",
        "torch, lightning_fabric, pydantic",
    ),
    "evaluate": (
        "scantune.pipeline.evaluate.stage, scantune.prediction.predictor, scantune.plots.style",
        "torch, matplotlib.figure, seaborn, pydantic",
    ),
}
COMMANDS = {"scantune --help": ["-m", "scantune.cli", "--help"]}


def seconds(*arguments: str) -> float:
    env = {**os.environ, "PYTHONPATH": "src"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, env=env, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for name, (ours, bare) in PAIRS.items():
        pairs = [(seconds("-c", f"import {ours}"), seconds("-c", f"import {bare}")) for _ in range(RUNS)]
        ratio = statistics.median(a / b for a, b in pairs)
        own, other = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        print(f"{name:32} {own:6.2f} s   libraries {other:6.2f} s   ratio {ratio:.2f} (goal <= 1.2)")
    for name, command in COMMANDS.items():
        print(f"{name:32} {statistics.median(seconds(*command) for _ in range(RUNS)):6.2f} s (goal <= 1)")
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, scantune.cli, scantune.tasks.scoring; print('torch' in sys.modules)"],
        env={**os.environ, "PYTHONPATH": "src"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    print(f"score and --help load torch: {loaded.stdout.strip()}")


if __name__ == "__main__":
    main()
