"""The grad-cam library, imported without the dependencies of its pictures.

The package imports scikit-learn, torchvision, pandas and pyplot for functions that are not used here, which takes
seconds. During its import, empty modules replace those that are not imported yet. They are removed afterwards, and only
this module uses the imported copy: a later ``import pytorch_grad_cam`` imports the complete library.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from functools import cache
from typing import Any

_UNUSED = (
    "sklearn",
    "sklearn.decomposition",
    "torchvision",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "matplotlib.pyplot",
)
_NAME = "pytorch_grad_cam"
_lock = threading.Lock()


class _StandIn(types.ModuleType):
    """A placeholder module in which every name exists without function."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package, so that submodules can be imported

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return types.SimpleNamespace()


@cache
def method(kind: str) -> Any:
    """A class of the library by its name, such as ``GradCAM``."""
    return getattr(_loaded(), kind)


@cache
def _loaded() -> Any:
    with _lock:
        if _NAME in sys.modules:
            return sys.modules[_NAME]
        absent = [name for name in _UNUSED if name not in sys.modules]
        parents = {name: sys.modules.get(name.rpartition(".")[0]) for name in absent}
        sys.modules.update({name: _StandIn(name) for name in absent})
        try:
            return importlib.import_module(_NAME)
        finally:
            for name in [n for n in sys.modules if n == _NAME or n.startswith(f"{_NAME}.")] if absent else []:
                del sys.modules[name]
            for name in absent:
                del sys.modules[name]
                short, parent = name.rpartition(".")[2], parents[name]
                if parent is not None and isinstance(vars(parent).get(short), _StandIn):
                    delattr(parent, short)
