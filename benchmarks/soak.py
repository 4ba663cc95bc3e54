"""A served model asked by many clients at once, one of them hostile: ``python -m benchmarks soak --minutes 30``.

Printed: answers, answers lost (of the clients that ask properly), and the server's memory at each tenth of the time.
Lost is to be 0, and the memory flat after the first tenth.

Counted apart, because a machine that is too slow for 20 clients loses nothing: requests that a client gave up after
``--patience`` seconds although the server's record shows its answer, and those that a time limit refused with its
reason (the model's limit for reading a file, and MLflow's for a request, 60 s).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

LATE = "answered too late for the client"
RECORD = "answered.txt"

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
    settings = {"dataset": "mine", "modality": "image", "shape": [12, 12], "time_limit": 20.0}
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

    app = recorded(scoring_server.init(mlflow.pyfunc.load_model(flavour)), Path(flavour).with_name(RECORD))
    uvicorn.run(app, port=port, log_level="critical")


def recorded(app: Any, record: Path) -> Any:
    """An ASGI application that adds the id of each request to a file once the application has answered it."""

    async def recording(scope: Any, receive: Any, send: Any) -> None:
        mark = dict(scope.get("headers", ())).get(b"x-request-id", b"").decode()

        async def sent(message: Any) -> None:
            if mark and message["type"] == "http.response.body" and not message.get("more_body"):
                with record.open("a") as file:
                    file.write(f"{mark}\n")
            await send(message)

        await app(scope, receive, sent)

    return recording


def ask(address: str, body: str, mark: str = "", patience: float = 120.0) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "X-Request-Id": mark}
    request = urllib.request.Request(address, body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
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


def client(
    address: str, folder: Path, number: int, until: float, patience: float, seen: Counter[str], late: list[str]
) -> None:
    """Ask until the time is over; the first client is the hostile one. Requests that were given up go into ``late``."""
    draws = random.Random(number)
    good = json.dumps({"dataframe_records": [{"path": str(folder / "good.png")}] * 2})
    for mark in (f"{number}-{request}" for request in itertools.count()):
        if time.monotonic() >= until:
            return
        if number == 0:
            _attack(address, draws.choice(HOSTILE).replace("FOLDER", str(folder)), draws, seen)
            continue
        kind, why = outcome(address, good, mark, patience)
        if kind == LATE:
            late.append(mark)
        else:
            seen[kind] += 1
        if why:
            print(f"client {number}, request {mark}: {kind}: {why}", flush=True)


def outcome(address: str, body: str, mark: str, patience: float) -> tuple[str, str]:
    """What became of a proper request, and why it was not answered; the reason is "" where it was."""
    try:
        status, answer = ask(address, body, mark, patience)
    except (OSError, ValueError, http.client.HTTPException) as error:
        timed_out = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
        return LATE if timed_out else "lost", repr(error)
    if status != 200:
        return "over a limit" if status == 504 else "lost", f"status {status}: {answer}"
    reasons = [row["reason"] for row in answer["predictions"] if row["prediction"] is None]
    if not reasons:
        return "answers", ""
    return "over a limit" if all("took longer than" in reason for reason in reasons) else "lost", "; ".join(reasons)


def settled(late: Sequence[str], record: Path, patience: float) -> Counter[str]:
    """Requests that clients gave up: those that the server answered all the same, and those that are lost."""
    until = time.monotonic() + patience
    while True:
        answered = set(record.read_text().split()) if record.exists() else set()
        open_ = [mark for mark in late if mark not in answered]
        if not open_ or time.monotonic() >= until:
            print(f"without an answer: {', '.join(open_) or 'none'}", flush=True)
            return Counter({LATE: len(late) - len(open_), "lost": len(open_)})
        time.sleep(1.0)


def memory(server: psutil.Process) -> float:
    """Of the server and all below it, MB."""
    return sum(p.memory_info().rss for p in [server, *server.children(recursive=True)]) / 1e6


def measure(minutes: float, clients: int, patience: float) -> Counter[str]:
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
            server, late = psutil.Process(process.pid), list[str]()
            seen = _answered(f"http://127.0.0.1:{port}", files, minutes, clients, patience, server, late)
            return seen + settled(late, home / RECORD, max(patience, 60.0))
        finally:
            process.terminate()
            process.wait(30)


def _answered(
    server: str, files: Path, minutes: float, clients: int, patience: float, process: psutil.Process, late: list[str]
) -> Counter[str]:
    while True:
        try:
            urllib.request.urlopen(f"{server}/health", timeout=5).close()
            break
        except OSError:
            time.sleep(0.5)
    seen: list[Counter[str]] = [Counter() for _ in range(clients)]
    until = time.monotonic() + 60 * minutes
    arguments = [
        (f"{server}/invocations", files, number, until, patience, seen[number], late) for number in range(clients)
    ]
    threads = [threading.Thread(target=client, args=one) for one in arguments]
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
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that a client waits for an answer")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.port)
        return
    seen = measure(chosen.minutes, chosen.clients, chosen.patience)
    kinds = ("answers", "lost", LATE, "over a limit", "hostile", "hostile without answer", "leaks")
    print(", ".join(f"{seen[kind]:,} {kind}" for kind in kinds))
    raise SystemExit(seen["lost"] + seen["leaks"] > 0)


if __name__ == "__main__":
    main()
