"""Addresses of the MLflow UI that open on models and runs (the UI itself opens in a mode that hides both)."""

from __future__ import annotations

from scantune.tracking import client, switched_off, tracking_uri


def addresses(server: str | None = None) -> list[str]:
    """One line a dataset for the Models page, and one for the runs table.

    Args:
        server: where the UI is served; the tracking server itself, or 127.0.0.1:5000, where None.

    Returns:
        ``<dataset>: <address>`` lines; none where MLflow is off or holds nothing yet.
    """
    if switched_off():
        return []
    uri = tracking_uri()
    host = server or (uri.rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000")
    mode = "workflowType=machine_learning"
    lines = []
    for held in sorted(client().search_experiments(), key=lambda e: e.name):
        if held.name == "Default":
            continue
        page = f"{host}/#/experiments/{held.experiment_id}"
        lines.append(f"{held.name}: models {page}/models?{mode}")
        lines.append(f"{' ' * len(held.name)}  runs   {page}/runs?{mode}")
    return lines
