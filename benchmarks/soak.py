"""A served model asked by many clients at once, one of them hostile: ``python -m benchmarks soak --minutes 30``.

Printed: answers, answers lost (of the clients that ask properly), and the server's memory at each tenth of the time.
Lost is to be 0, and the memory flat after the first tenth.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HOSTILE = (
    '{"dataframe_records": [{"path": "/etc/passwd"}]}',
    '{"dataframe_records": [{"path": "https://example.org/x.png"}]}',
    '{"dataframe_records": [{"path": "FOLDER/pipe"}, {"path": "FOLDER/loop"}, {"path": "FOLDER/out"}]}',
    '{"dataframe_records": [{"path": "FOLDER/broken.png"}]}',
    '{"dataframe_records": [{"path": "FOLDER/good.png"}], "params": {"batch_size": 1000000}}',
    '{"dataframe_split": {"columns": ["x"], "data": [["y"]]}}',
    "{" * 10_000,
    "x" * 1_000_000,
)


def model_in(folder: Path) -> Path:
    """A small model of random weights as MLflow serves it."""
    import torch

    from scantune import models
    from scantune.registry.model import ModelFacts, save_model

    backbone = models.build("small_cnn", modality="image", in_channels=1, size=(12, 12), seed=0)
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1)).eval()
    settings = {"dataset": "mine", "modality": "image", "shape": [12, 12], "time_limit": 120.0}
    facts = ModelFacts("tiny", "mine", {"name": "regression", "target": "score"}, settings)
    save_model(folder / "model", facts, [network])
    return folder / "model"


def files_in(folder: Path) -> Path:
    """A good picture, and what a stranger may put beside it."""
    from scantune import io

    io.write_png(folder / "good.png", np.arange(140, dtype=np.uint8).reshape(14, 10))
    (folder / "broken.png").write_bytes((folder / "good.png").read_bytes()[:40])
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "out").symlink_to("/etc/passwd")
    return folder


def serve(flavour: str, port: int) -> None:
    """MLflow's server, as ``mlflow models serve`` starts it, in this process."""
    import uvicorn

    warnings.simplefilter("ignore")
    import mlflow
    from mlflow.pyfunc import scoring_server

    uvicorn.run(scoring_server.init(mlflow.pyfunc.load_model(flavour)), port=port, log_level="critical")


def ask(address: str, body: str) -> tuple[int, Any]:
    request = urllib.request.Request(address, body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _attack(address: str, body: str, draws: random.Random, seen: Counter[str]) -> None:
    """A hostile request; one in four hangs up before it is answered, or sends a part of what it announced."""
    seen["hostile"] += 1
    if draws.random() < 0.25:
        parts = urllib.parse.urlsplit(address)
        head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        text = f"{head}Content-Length: {len(body)}\r\n\r\n{body[: draws.randint(0, len(body))]}"
        with contextlib.suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            line.sendall(text.encode())
        return
    try:
        _, answer = ask(address, body)
    except (OSError, ValueError, http.client.HTTPException):
        seen["hostile without answer"] += 1
        return
    seen["leaks"] += any(word in str(answer) for word in ("Traceback", "root:", "site-packages"))


def client(address: str, folder: Path, number: int, until: float, seen: Counter[str]) -> None:
    """Ask until the time is over; the first client is the hostile one."""
    draws = random.Random(number)
    good = json.dumps({"dataframe_records": [{"path": str(folder / "good.png")}] * 2})
    while time.monotonic() < until:
        if number == 0:
            _attack(address, draws.choice(HOSTILE).replace("FOLDER", str(folder)), draws, seen)
            continue
        lost = _lost(address, good)
        seen["lost" if lost else "answers"] += 1
        if lost:
            print(f"client {number}: {lost}", flush=True)


def _lost(address: str, body: str) -> str:
    """Why a proper request was not answered; "" where it was."""
    try:
        status, answer = ask(address, body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return repr(error)
    if status != 200:
        return f"status {status}: {answer}"
    return "; ".join(row["reason"] for row in answer["predictions"] if row["prediction"] is None)


def memory(server: psutil.Process) -> float:
    """Of the server and all below it, MB."""
    return sum(p.memory_info().rss for p in [server, *server.children(recursive=True)]) / 1e6


def measure(minutes: float, clients: int) -> Counter[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "in").mkdir()
        files = files_in(home / "in")
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        from scantune.tracking.models import signature

        mlflow.pyfunc.save_model(
            home / "flavour",
            loader_module="scantune.registry.pyfunc",
            data_path=str(model_in(home)),
            signature=signature({"prediction": "double"}),
            pip_requirements=[],
        )
        env = {**os.environ, "SCANTUNE_SERVED_FOLDERS": str(files), "__pyfunc_model_path__": "served"}
        command = [sys.executable, "-m", "benchmarks.soak", "--serve", str(home / "flavour"), "--port", str(port)]
        process = subprocess.Popen(command, env=env)
        try:
            return _asked(f"http://127.0.0.1:{port}", files, minutes, clients, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(30)


def _asked(server: str, files: Path, minutes: float, clients: int, process: psutil.Process) -> Counter[str]:
    while True:
        try:
            urllib.request.urlopen(f"{server}/health", timeout=5).close()
            break
        except OSError:
            time.sleep(0.5)
    seen: list[Counter[str]] = [Counter() for _ in range(clients)]
    until = time.monotonic() + 60 * minutes
    asked = [(f"{server}/invocations", files, number, until, seen[number]) for number in range(clients)]
    threads = [threading.Thread(target=client, args=one) for one in asked]
    for thread in threads:
        thread.start()
    for tenth in range(1, 11):
        time.sleep(max(0.0, until - 6 * minutes * (10 - tenth) - time.monotonic()))
        print(f"memory after {tenth} tenths of the time: {memory(process):,.0f} MB", flush=True)
    for thread in threads:
        thread.join()
    return sum(seen, Counter())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.port)
        return
    seen = measure(chosen.minutes, chosen.clients)
    print(
        ", ".join(
            f"{seen[what]:,} {what}" for what in ("answers", "lost", "hostile", "hostile without answer", "leaks")
        )
    )
    raise SystemExit(seen["lost"] + seen["leaks"] > 0)


if __name__ == "__main__":
    main()
