"""The ledger's files, and the states that follow from their names alone."""

from pathlib import Path

import pytest

from jobs.watching.ledger import Entry, Ledger

STATES = [
    (set(), "waiting", 0, False),
    ({"1.submitted.json"}, "submitted", 0, True),
    ({"1.submitted.json", "1.running.json", "1.beat.json"}, "running", 0, True),
    ({"1.submitted.json", "1.running.json", "1.failed.json"}, "failed", 1, False),
    ({"1.submitted.json", "1.stopped.json"}, "waiting", 0, False),
    ({"1.submitted.json", "1.failed.json", "2.submitted.json", "2.running.json"}, "running", 1, True),
    ({"9.submitted.json", "9.failed.json", "10.submitted.json"}, "submitted", 1, True),  # by number, not by letters
    ({"1.submitted.json", "1.running.json", "succeeded.json"}, "succeeded", 0, False),
    ({"1.submitted.json", "1.failed.json", "succeeded.json"}, "succeeded", 1, False),  # taken for lost, and it ended well
    ({"1.submitted.json", "vanished.json"}, "vanished", 0, False),
]


@pytest.mark.parametrize(("events", "state", "failures", "is_open"), STATES)
def test_a_state_follows_from_names(events: set[str], state: str, failures: int, *, is_open: bool) -> None:
    entry = Entry(frozenset(events))
    assert (entry.state, entry.failures, entry.open) == (state, failures, is_open)


@pytest.mark.parametrize("store", ["local", "memory"])
def test_the_first_writer_of_a_name_has_it_on_any_store(tmp_path: Path, store: str) -> None:
    root = str(tmp_path) if store == "local" else f"memory://{tmp_path.name}"
    ledger, other = Ledger(root, "clip"), Ledger(root, "clip")
    ledger.read()
    assert (ledger.labels(), ledger.keys()) == ([], {})
    assert ledger.add("epoch_1.pt", "seen.json", {"step": 1})
    assert ledger.add("epoch_1.pt/d-w", "1.submitted.json", {"owner": "a"})
    assert not other.add("epoch_1.pt/d-w", "1.submitted.json", {"owner": "b"})
    assert other.content("epoch_1.pt/d-w", "1.submitted.json") == {"owner": "a"}
    assert ledger.add("epoch_1.pt", f"{'a' * 16}.{'b' * 16}.pin.json", {})
    other.read()
    assert other.labels() == ["epoch_1.pt"]
    assert other.keys() == {"epoch_1.pt": ["d-w"]}
    assert other.entry("epoch_1.pt", "d-w").state == "submitted"
    assert other.digests("epoch_1.pt") == {"a" * 16: "b" * 16}
    assert other.content("epoch_1.pt", "nothing.json") == {}


def test_a_name_belongs_to_the_first_content(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "clip")
    assert ledger.claim_name("clip@1", "a" * 64) == "clip@1"
    assert Ledger(str(tmp_path), "clip").claim_name("clip@1", "b" * 64) == "clip@1+bbbbbbbb"
    assert ledger.claim_name("clip@1", "a" * 64) == "clip@1"


def test_a_damaged_file_is_an_empty_one(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), "clip")
    ledger.add("l", "seen.json", {"step": 1})
    (tmp_path / "watch/clip/l/seen.json").write_text("[1")
    assert ledger.content("l", "seen.json") == {}
    (tmp_path / "watch/clip/l/seen.json").write_text("[1]")
    assert ledger.content("l", "seen.json") == {}
