"""What the soak counts as lost: not what the server answered after a client had given up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak


def replying(monkeypatch: pytest.MonkeyPatch, reply: Any) -> None:
    def ask(*arguments: Any) -> Any:
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(soak, "ask", ask)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((200, {"predictions": [{"prediction": 1.0, "reason": ""}]}), "answers"),
        ((200, {"predictions": [{"prediction": None, "reason": "decoding took longer than 20 s"}]}), "over a limit"),
        ((200, {"predictions": [{"prediction": None, "reason": "damaged"}]}), "lost"),
        ((504, "Request processing time exceeded limit"), "over a limit"),
        ((500, "fault"), "lost"),
        (TimeoutError("timed out"), soak.LATE),
        (ConnectionResetError(), "lost"),
    ],
)
def test_what_became_of_a_request(monkeypatch: pytest.MonkeyPatch, reply: Any, kind: str) -> None:
    replying(monkeypatch, reply)
    assert soak.outcome("address", "body", "1-0", 1.0)[0] == kind


def test_a_request_given_up_is_lost_only_if_the_server_did_not_answer_it(tmp_path: Path) -> None:
    record = tmp_path / "answered.txt"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"yes"})

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "headers": [(b"x-request-id", b"3-7")]}
    asyncio.run(soak.recorded(app, record)(scope, None, send))
    assert soak.settled(["3-7", "3-8"], record, 0.0) == {soak.LATE: 1, "lost": 1}
