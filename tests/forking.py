"""Python commands of test projects, each in a fork of one process that has the libraries loaded.

A pipeline of fourteen stages is fourteen starts of Python, of four seconds each, most of which is for PyTorch, MLflow
and their like. Here one process loads them once and forks itself for each command: :class:`Forks` starts it and sends
it commands, and a ``python`` that DVC finds on the PATH hands over those of the stages. The project's own code is
loaded by each command anew. What a signal or the end of a parent does is tested with real starts (``Project.env``).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

#: What the stages and DVC load of other people's code; what is missing here is loaded by each command that needs it.
PRELOADED = (
    "cv2", "dvc.cli.parser", "dvc.commands.repro", "dvc.commands.status", "dvc.repo", "dvc.repo.reproduce",
    "dvc.stage.cache", "dvc.stage.run", "dvc.dvcfile", "dvc.parsing", "jinja2", "lightning_fabric",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure", "mlflow",
    "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "nibabel", "numpy", "pandas", "psutil", "pydantic",
    "pydicom", "safetensors.numpy", "safetensors.torch", "scipy.optimize", "scipy.stats", "seaborn",
    "sklearn.metrics", "torch", "torch._dynamo", "torchvision.transforms.v2", "typer", "yaml",
)  # fmt: skip

#: The ``python`` that DVC finds: hands over to the process that has all loaded; in it no library is imported.
CLIENT = """#!{python} -SEs
import json, os, socket, sys
if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as there:
    there.connect({address!r})
    socket.send_fds(there, [json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\0"], [0, 1, 2])
    sys.exit(int(there.recv(16) or 255))
"""


class Forks:
    """The process that forks itself for each command.

    Attributes:
        bin: the folder of its ``python``.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()  # of a short path, as sockets need
        self.bin = Path(self._folder.name) / "bin"
        self.bin.mkdir()
        self._address = f"{self._folder.name}/s"
        client = self.bin / "python"
        client.write_text(CLIENT.format(python=sys.executable, address=self._address))
        client.chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the process that forks did not start"

    def run(self, arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str]) -> tuple[int, str, str]:
        """Exit code, output and messages of ``python`` with these arguments: a file, ``-m`` or ``-c``."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as there:
            there.connect(self._address)
            order = json.dumps([arguments, str(folder), dict(environ)]).encode()
            with open(os.devnull) as nothing:
                socket.send_fds(there, [order + b"\0"], [nothing.fileno(), out.fileno(), err.fileno()])
            code = int(there.recv(16) or 255)
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


def _serve(address: str) -> None:
    import gc
    import importlib
    import select
    import signal
    import warnings

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests import mlflow_stores

    sys.path.pop(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in PRELOADED:
            importlib.import_module(name)
        mlflow_stores.copy_tables(Path(address).parent / "tables.db")
    gc.collect()
    gc.freeze()  # so that forks share the pages
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, sys.stdin], [], [], 0.5)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in ready:  # the tests are over, or were killed: so are their commands
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.killpg(0, signal.SIGTERM)
                os._exit(0)
            if listening in ready:
                there, _ = listening.accept()
                if os.fork() == 0:
                    listening.close()
                    _child(there)
                there.close()


def _child(there: socket.socket) -> None:
    """Run the command that comes, and tell its exit code."""
    import atexit
    import threading
    import traceback

    order, descriptors, _, _ = socket.recv_fds(there, 1 << 16, 3)
    while not order.endswith(b"\0"):
        order += there.recv(1 << 16)
    arguments, folder, environ = json.loads(order[:-1])
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    there.set_inheritable(False)
    code = 0
    try:
        _python(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    there.sendall(str(code % 256).encode())
    os._exit(code % 256)


def _python(arguments: list[str]) -> None:
    """What ``python`` does with its arguments."""
    import runpy

    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    first, *rest = arguments
    here = str(Path(first).resolve().parent) if not first.startswith("-") else os.getcwd()
    sys.path[:] = [here, *paths, *sys.path[1:]]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    _serve(sys.argv[1])
