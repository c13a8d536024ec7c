"""One look: what is ready, which attempts have lost their watcher, which copies are not needed, and what has vanished."""

from pathlib import Path
from typing import Any

import pytest
from watched import StandIn, watcher, write

from jobs.watching import poll
from jobs.watching.poll import LOST


def start(tmp_path: Path, label: str = "epoch_1.pt", *, runner: Any = None, **settings: Any) -> tuple[Any, str]:
    """A watcher that has taken one checkpoint, whose run goes on; and the folder of the ledger's entry."""
    write(tmp_path, label, b"1 END")
    one = watcher(tmp_path, runner or StandIn(questions=9), **settings)
    one.look()
    one.look()
    one.work()
    (folder,) = one.mine
    return one, folder


def test_a_checkpoint_without_a_sentinel_is_ready_once_two_looks_found_it_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "epoch_1.pt", b"1")
    one = watcher(tmp_path, StandIn())
    one.look()
    assert not one.is_ready(one.found["epoch_1.pt"])
    assert one.unsettled(), "a second look may find it whole"
    path.write_bytes(b"1 and more")
    one.look()
    assert not one.is_ready(one.found["epoch_1.pt"])
    one.look()
    assert one.is_ready(one.found["epoch_1.pt"])


def test_a_sentinel_decides_at_the_first_look(tmp_path: Path) -> None:
    write(tmp_path, "step_1.pt", b"1")
    write(tmp_path, "step_2.pt", b"2")
    write(tmp_path, "step_2.json", b"{}")
    one = watcher(tmp_path, StandIn(), naming="lacuna")
    one.look()
    assert {label: one.is_ready(found) for label, found in one.found.items()} == {"step_1.pt": False, "step_2.pt": True}
    assert not one.unsettled()


def test_what_a_look_saw_is_in_the_ledger_with_its_step(tmp_path: Path) -> None:
    write(tmp_path, "epoch_12.pt", b"1")
    one = watcher(tmp_path, StandIn())
    one.look()
    assert one.ledger.content("epoch_12.pt", "seen.json") == {"step": 12, "url": str(tmp_path / "run/epoch_12.pt")}


def test_an_attempt_of_a_dead_watcher_is_lost_and_one_of_a_living_watcher_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = start(tmp_path)
    other = watcher(tmp_path, StandIn())
    monkeypatch.setattr(poll, "is_dead", lambda _: False)
    other.look()
    assert not other.ledger.has(folder, "1.failed.json")
    assert other.undecided(), "one look does not show whether its beat goes on"
    monkeypatch.setattr(poll, "is_dead", lambda _: True)
    other.look()
    assert other.ledger.content(folder, "1.failed.json") == {"reason": LOST}


def test_runs_elsewhere_are_followed_by_the_next_watcher(tmp_path: Path) -> None:
    _, folder = start(tmp_path, runner=StandIn(shared=True, questions=9))
    other = watcher(tmp_path, StandIn(shared=True, questions=9))
    other.look()
    assert list(other.mine) == [folder]
    assert other.mine[folder].encoder == "clip@1"
    assert not other.ledger.has(folder, "1.failed.json")


def test_copies_of_replaced_content_go_unless_they_are_in_use(tmp_path: Path) -> None:
    one, _ = start(tmp_path)
    copies = tmp_path / "root/watch/clip/_pins"
    (before,) = copies.iterdir()
    write(tmp_path, "epoch_1.pt", b"another END")
    for _ in range(2):
        one.look()
        one.work()
    assert before.exists(), "its attempt goes on"
    while one.mine:
        one.look()
        one.work()
    one.look()
    assert not before.exists()


@pytest.mark.parametrize(("settings", "reason"), [({}, None), ({"copy": False}, "its file was gone before it was analysed")])
def test_a_checkpoint_that_is_gone_is_vanished_unless_it_was_copied(tmp_path: Path, settings: dict[str, Any], reason: str | None) -> None:
    path = write(tmp_path, "epoch_1.pt", b"poison END")
    one = watcher(tmp_path, StandIn(), max_attempts=2, **settings)
    for _ in range(2):
        one.look()
        one.work()
    path.unlink()
    one.look()
    (key,) = one.ledger.keys()["epoch_1.pt"]
    found = one.ledger.content(f"epoch_1.pt/{key}", "vanished.json").get("reason")
    assert found == reason
    assert ("epoch_1.pt" in one.found) is (reason is None), "the copy stands in for the file"


def test_one_that_was_never_read_is_vanished_and_notified_once(tmp_path: Path) -> None:
    path = write(tmp_path, "epoch_3.pt", b"1")
    one = watcher(tmp_path, StandIn())
    one.look()
    path.unlink()
    for _ in range(3):
        one.look()
    assert one.ledger.content("epoch_3.pt", "vanished.json") == {"reason": "its file was gone before it was read"}
    message = "its file was gone before it was read"
    assert one.events == [{"encoder": "clip@3", "step": 3, "state": "vanished", "message": message}]
