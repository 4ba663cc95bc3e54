"""How a script in ``stages/`` begins and ends; it knows nothing of the commands."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from scantune.files import words_of
from scantune.recorded import declared_settings, params_digest, refuse_changed
from scantune.records import ScantuneError


def stage_main(run: Callable[[str], object]) -> None:
    """What every script in ``stages/`` ends with that is for one name of params.yaml.

    The name is the one argument, or where DVC started the script, what follows ``@`` in the name of DVC's stage: so a
    name is never part of a command that a shell reads.
    """
    key = _name_in_params()

    def unchanged() -> None:
        before = declared_settings()
        run(key)
        refuse_changed(before)

    _run(unchanged, f"{Path(sys.argv[0]).stem} {key}")


def settings_main(run: Callable[[], object]) -> None:
    """The same for a script that uses all of params.yaml."""

    def unchanged() -> None:
        before = params_digest()
        run()
        if params_digest() != before:
            raise ScantuneError("params.yaml was changed while it was read: run the same command again")

    _run(unchanged, Path(sys.argv[0]).stem)


def _name_in_params() -> str:
    if len(sys.argv) == 2:
        return sys.argv[1]
    _, at, name = os.environ.get("DVC_STAGE", "").partition("@")
    if len(sys.argv) == 1 and at:
        return name
    raise SystemExit(f"usage: python {Path(sys.argv[0]).name} <name in params.yaml>")


def _run(run: Callable[[], object], title: str) -> None:
    """A fault that a user can mend is printed without a traceback (exit code 2), Ctrl-C ends with 130, SIGTERM and the
    end of the DVC that started it with 143.
    """
    from scantune.stopping import ending_on_signal, exit_code_in, leave
    from scantune.tracking import store

    print_any_text()
    quiet_logging()
    try:
        with ending_on_signal(close_runs):
            run()
    except ScantuneError as error:
        typer.secho(f"{title}: {error}", fg="red", err=True)
        raise SystemExit(2) from None
    except (Exception, KeyboardInterrupt) as error:
        code, words = exit_code_in(error), words_of(error) or store.words_of(error)
        if words is not None:
            typer.secho(f"{title}: {words}", fg="red", err=True)
            code = 2
        if code is None:
            raise
        raise SystemExit(code) from None
    except SystemExit as error:
        if str(error) not in ("", str(error.code)) and is_first_process():  # a training that saved its state
            typer.secho(f"{title}: {error}", err=True)
        if error.code == 128 + signal.SIGTERM:
            leave(error.code)
        raise


def print_any_text() -> None:
    """Characters that the terminal's encoding lacks are printed as ``\\u2026``, rather than end the program.

    Windows redirects in its code page, servers have Latin-1, and names of files may be in no encoding.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quiet_logging() -> None:
    """Messages as plain lines; those of libraries below a warning are omitted.

    Of several processes of one training the first alone speaks; the others print errors only.
    """
    logging.basicConfig(level=logging.INFO if is_first_process() else logging.ERROR, format="%(message)s")
    # the import of lightning_fabric sets the level of its own logger again, not that of the module that says things
    for noisy in ("alembic", "mlflow", "httpx", "git", "lightning_fabric.utilities.rank_zero"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def is_first_process() -> bool:
    """Whether no other process of this training goes before this one, as its launcher says."""
    return all(int(os.environ.get(name) or 0) == 0 for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


@contextlib.contextmanager
def named_lines(name: str) -> Iterator[None]:
    """Every message begins with a name: that of the fold or member that is being trained; none where it is empty."""

    def prefixed(record: logging.LogRecord) -> bool:
        if not getattr(record, "named", False):
            record.msg, record.named = f"{name} · {record.msg}", True
        return True

    handlers = list(logging.getLogger().handlers) if name else []
    for handler in handlers:
        handler.addFilter(prefixed)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(prefixed)


def close_runs() -> None:
    """Mark the MLflow runs that this process has open as killed."""
    from scantune.tracking import client, unfinished

    if "mlflow" in sys.modules:
        unfinished.close_current(client())
