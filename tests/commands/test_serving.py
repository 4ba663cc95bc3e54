"""``scantune ui``: it says when it answers, tells a taken port, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from scantune.commands.serving import refuse_taken
from scantune.records import ScantuneError
from tests.test_tracking import free_port

SRC = Path(__file__).parents[2] / "src"


def test_port_that_is_taken_is_told() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ScantuneError, match=f"--port {port}: address already in use.*--port {port + 1}"):
            refuse_taken(port)
    refuse_taken(port)


@pytest.mark.slow
def test_ui_is_one_process_that_prints_when_it_answers_and_leaves_no_port(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "SCANTUNE"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "scantune.cli", "ui", "--port", str(port)],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"MLflow is running at http://127.0.0.1:{port} (stop with Ctrl-C):\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
            text = page.read()
        assert b"<title>MLflow</title>" in text
        assert b'localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")' in text
        running = psutil.Process(process.pid)
        assert running.children(recursive=True) == []
        assert running.memory_info().rss < 600e6
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) in (143, -15)
        assert time.monotonic() - began < 10
        refuse_taken(port)
    finally:
        process.kill()
        process.communicate()
