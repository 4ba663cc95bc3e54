"""``scantune ui``: the MLflow pages, from one process on this machine."""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request
import warnings
from typing import Annotated, Any

import typer

from scantune.records import ScantuneError
from scantune.script import quiet_logging

_HOST = "127.0.0.1"
#: What MLflow's pages remember once the assistant has opened by itself.
_ASSISTANT_CLOSED = 'localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")'


def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1", min=1, max=65535)] = 5000) -> None:
    """Serve the MLflow pages to this machine only, and print the addresses once it responds."""
    from scantune.registry.pages import addresses
    from scantune.tracking import client, tracking_uri

    if tracking_uri().startswith("http"):
        typer.echo("The runs are on a server (MLFLOW_TRACKING_URI); open")
        for line in addresses():
            typer.echo(f"  {line}")
        return
    refuse_taken(port)
    quiet_logging()
    client()  # a store that cannot be opened is told here, and not by the server's traces
    threading.Thread(target=_announce, args=(port,), daemon=True).start()
    serve(port)


def refuse_taken(port: int) -> None:
    """Refuse a port that is in use.

    Raises:
        ScantuneError: it is in use or not permitted; with the process if the system names it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            why = (error.strerror or "taken").lower() + _owner(port)
            raise ScantuneError(f"--port {port}: {why}; choose another, as in --port {port + 1}") from error


def _owner(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp4"):
            if connection.status == "LISTEN" and connection.laddr.port == port and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:  # other users' processes are not shown everywhere
        pass
    return ""


def serve(port: int) -> None:
    """Run MLflow's own server in this process, until SIGTERM or Ctrl-C.

    ``mlflow server`` would be a parent with several workers and job runners, each a process with all of MLflow; one
    user on one machine needs one, which starts in the time of one import and leaves nothing behind.
    """
    from scantune.tracking import project_home, tracking_uri
    from scantune.tracking.store import prepare_environment

    prepare_environment()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    import uvicorn
    from mlflow import server

    os.environ[server.BACKEND_STORE_URI_ENV_VAR] = tracking_uri()
    os.environ[server.ARTIFACT_ROOT_ENV_VAR] = "mlflow-artifacts:/"
    os.environ[server.SERVE_ARTIFACTS_ENV_VAR] = "true"
    os.environ[server.ARTIFACTS_DESTINATION_ENV_VAR] = str(project_home() / "mlartifacts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette's, about MLflow's use of it
        from mlflow.server.fastapi_app import app
    server.app.after_request(_without_assistant)
    uvicorn.run(app, host=_HOST, port=port, log_level="warning", timeout_graceful_shutdown=3)


def _without_assistant(response: Any) -> Any:
    """Pages open without MLflow's assistant, which takes a quarter of their width; its button stays."""
    if response.mimetype == "text/html" and response.status_code == 200:
        response.direct_passthrough = False
        page = response.get_data(as_text=True).replace("<head>", f"<head><script>{_ASSISTANT_CLOSED}</script>", 1)
        response.set_data(page)
        response.headers.pop("ETag", None)
    return response


def _announce(port: int) -> None:
    """Print the addresses as soon as the server responds."""
    from scantune.registry.pages import addresses

    server = f"http://{_HOST}:{port}"
    while not _answers(f"{server}/health"):
        time.sleep(0.1)
    typer.echo(f"MLflow is running at {server} (stop with Ctrl-C):")
    for line in addresses(server):
        typer.echo(f"  {line}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False
