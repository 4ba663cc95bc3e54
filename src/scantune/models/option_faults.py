"""Which of a network's options its builder refuses, by the key of params.yaml."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scantune.records import ScantuneError, first_line
from scantune.spelling import did_you_mean

KEY = "model.options"
_UNKNOWN = re.compile(r"([\w.]+?)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_TWICE = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")
_OF_US = ("self", "in_channels", "out_channels", "in_chans", "spatial_dims", "ndim", "num_classes", "modality", "size")


def option_fault(
    name: str, options: Mapping[str, Any], error: Exception, builds: Callable[[Mapping[str, Any]], bool]
) -> ScantuneError:
    """The error of a builder as one of a key, its value and what would be right.

    Args:
        name: of the network.
        options: that it was to be built with; ``size`` is of its input.
        error: what the builder raised.
        builds: whether it can be built with other options; called with one option less at a time.
    """
    own = [key for key in options if key != "size"]
    unknown, twice = _UNKNOWN.search(str(error)), _TWICE.search(str(error))
    if isinstance(error, TypeError) and unknown and unknown[2] in own:
        return ScantuneError(f"{KEY}.{unknown[2]}: {name} has no such option{_known(error, unknown[1], unknown[2])}")
    if isinstance(error, TypeError) and twice and twice[1] in own:
        return ScantuneError(f"{KEY}.{twice[1]}: {options[twice[1]]!r} is set by the name {name}: leave it out")
    words = first_line(error)
    if not own:
        size = f" for an input of {'×'.join(map(str, options['size']))}" if options.get("size") else ""
        return ScantuneError(f"{name} cannot be built{size}: {words}")
    faulty = own if len(own) == 1 else [key for key in own if builds({k: v for k, v in options.items() if k != key})]
    if len(faulty) == 1:
        key = faulty[0]
        return ScantuneError(
            f"{KEY}.{key}: {options[key]!r} is not a value that {name} can be built with ({words}): leave the key out "
            "for its default, or see the network's own documentation"
        )
    together = {key: options[key] for key in own}
    return ScantuneError(f"{KEY}: {name} cannot be built with {together} together: {words}")


def _known(error: Exception, function: str, option: str) -> str:
    """The nearest option of the function that refused one, and all of them; "" where it cannot be found."""
    names = list(_parameters(error, function.rpartition(".")[2]))
    if not names:
        return ""
    return did_you_mean(option, names, f"; it has {', '.join(names)}")


def _parameters(error: Exception, function: str) -> Iterable[str]:
    """Keyword parameters of the function of that name that was called where the error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return []
    around = [_whole(one) for one in (*trace.tb_frame.f_locals.values(), *trace.tb_frame.f_globals.values())]
    called = next((one for one in around if callable(one) and getattr(one, "__name__", "") == function), None)
    try:
        parameters = inspect.signature(called).parameters.values() if called is not None else ()
    except (TypeError, ValueError):  # a builtin without a signature
        return []
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in named and one.name not in _OF_US]


def _whole(called: Any) -> Any:
    """The function of which some arguments are set already."""
    while isinstance(called, functools.partial):
        called = called.func
    return called
