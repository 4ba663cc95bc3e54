"""Fine-tune deep models on clinical images, and show how far each one can be trusted."""

import sys
from pathlib import Path
from types import TracebackType

_hook = sys.excepthook


def _without_traceback(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Ctrl-C while a command or stage still imports ends it without a traceback, as it does later."""
    program = Path(sys.argv[0])
    ours = program.stem == "scantune" or program.parent.name in {"scantune", "stages"}
    if not (ours and (kind is KeyboardInterrupt or "KeyboardInterrupt" in str(error))):
        _hook(kind, error, traceback)


sys.excepthook = _without_traceback
