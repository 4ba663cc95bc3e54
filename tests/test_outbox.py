"""Nothing is lost while a server is away, and nothing is sent twice."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from scantune import outbox
from scantune.outbox import Outbox, collect, leave


class Server:
    def __init__(self) -> None:
        self.received: list[list[int]] = []
        self.takes = 10**9

    def send(self, items: list[int]) -> None:
        if len(self.received) >= self.takes:
            raise ConnectionError("away")
        self.received.append(items)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(outbox.time, "monotonic", lambda: now[0])
    return now


def test_batches_weigh_no_more_than_a_call_may_and_a_heavy_item_goes_alone() -> None:
    server = Server()
    box = Outbox("server", server.send, batch=5, weigh=lambda item: item)
    box.put([2, 3, 1, 9, 4])
    assert box.flush()
    assert server.received == [[2, 3], [1], [9], [4]]
    assert not box.flush(), "nothing waits"


def test_what_was_taken_before_the_server_went_is_not_sent_again(clock, caplog) -> None:
    server = Server()
    server.takes = 1
    box = Outbox("server", server.send, batch=1)
    box.put([1, 2, 3])
    assert box.flush()
    assert box.left() == [2, 3]
    assert not box.flush(), "it was away a moment ago"
    clock[0] += 3
    box.flush()
    clock[0] += 3
    assert not box.flush(), "the second wait is longer"
    server.takes = 10
    assert box.flush(now=True)
    assert server.received == [[1], [2], [3]]
    assert [record.message for record in caplog.records] == [
        "server is unreachable (ConnectionError); the run continues and its log is queued",
        "server is reachable again; everything queued was sent",
    ]


def test_beyond_the_most_that_is_kept_the_oldest_go() -> None:
    box = Outbox("server", Server().send, batch=1, most=2)
    box.put([1, 2, 3])
    assert box.left() == [2, 3]


def test_what_is_left_in_a_file_is_there_until_it_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "left.jsonl"
    assert collect(path, lambda items: items) == 0
    leave(path, [{"a": 1}, {"a": 2}])
    leave(path, [{"a": 3}])
    assert collect(path, lambda items: items) == 3
    assert collect(path, lambda items: [item for item in items if item["a"] == 2]) == 1
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 2}]
    assert collect(path, lambda items: []) == 0
    assert not path.exists()


def test_what_another_process_leaves_while_the_file_is_sent_stays(tmp_path: Path) -> None:
    path = tmp_path / "left.jsonl"
    leave(path, [{"a": 1}])

    def send(items: list[dict]) -> list[dict]:
        leave(path, [{"a": 2}])  # the same run ends in another process meanwhile
        return []

    assert collect(path, send) == 1
    assert collect(path, lambda items: items) == 1
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 2}]


@pytest.mark.parametrize("half", ['{"a": 2, "b', "{", '{"a": "\u00e4'])
def test_a_line_that_a_kill_cut_costs_no_other(tmp_path: Path, half: str, caplog) -> None:
    path, seen = tmp_path / "left.jsonl", []
    leave(path, [{"a": 1}])
    with path.open("ab") as file:
        file.write(half.encode()[:-1] if half.endswith("\u00e4") else half.encode())
    leave(path, [{"a": 3}])
    assert collect(path, lambda items: seen.extend(items) or items) == 2
    assert seen == [{"a": 1}, {"a": 3}]
    assert "left.jsonl: 1 lines were not finished" in caplog.text
    caplog.clear()
    assert collect(path, lambda items: []) == 0
    assert not path.exists()
    assert not caplog.records, "it is told once"


def test_one_thread_puts_while_another_one_sends() -> None:
    server = Server()
    box = Outbox("server", server.send, batch=3)
    putting = threading.Thread(target=lambda: [box.put([item]) for item in range(3000)])
    putting.start()
    while putting.is_alive() or len(box):
        box.flush(now=True)
    assert [item for batch in server.received for item in batch] == list(range(3000))
