from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import sys
from scantune.explain import library
kind = library.method("GradCAM")
assert kind.__name__ == "GradCAM"
heavy = {"sklearn", "torchvision", "pandas", "matplotlib.pyplot", "pytorch_grad_cam"} & set(sys.modules)
assert not heavy, heavy
import pytorch_grad_cam.utils.svd_on_activations as whole, matplotlib, torchvision.transforms
assert whole.KernelPCA.__module__.startswith("sklearn"), whole.KernelPCA
import matplotlib.pyplot
assert matplotlib.pyplot.figure
"""


@pytest.mark.slow
def test_the_library_loads_without_what_draws_and_is_whole_for_everyone_else() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LOADED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
