"""The last line and the list of states."""

import json
from pathlib import Path
from typing import Any

from watched import StandIn, look, watcher, write

from jobs.watching.states import is_whole, line, publish_states, states


def row(step: int, state: str, reason: str = "") -> dict[str, Any]:
    return {"label": f"epoch_{step}.pt", "step": step, "encoder": f"clip@{step}", "state": state, "reason": reason, "attempts": 1}


def test_the_line_counts_every_state_and_names_what_is_wrong() -> None:
    rows = [row(1, "succeeded"), row(2, "given up", "it is cut"), row(3, "vanished", "it was gone"), row(4, "waiting"), row(5, "succeeded")]
    counts = "watch clip: 5 checkpoints, 2 analysed, 1 failed, 1 vanished, 1 waiting"
    assert line("clip", rows) == f"{counts}; epoch_2.pt: it is cut; epoch_3.pt: it was gone"
    assert line("clip", []) == "watch clip: 0 checkpoints, 0 analysed"
    many = [row(step, "given up", "it is cut") for step in range(9)]
    assert line("clip", many).endswith("; epoch_4.pt: it is cut; and 4 more")


def test_only_failures_make_a_watch_incomplete() -> None:
    assert is_whole([row(1, "succeeded"), row(2, "vanished"), row(3, "waiting"), row(4, "running")])
    assert not any(is_whole([row(1, "succeeded"), row(2, state)]) for state in ("failed", "given up", "refused"))


def test_a_folder_that_cannot_be_read_is_refused_at_each_look(tmp_path: Path) -> None:
    write(tmp_path, "step_7/STABLE", b"")
    one = watcher(tmp_path, StandIn(), naming="prime_rl")
    look(one, times=2)
    (found,) = states(one)
    assert (found["state"], found["step"]) == ("refused", 7)
    assert found["reason"].startswith("it holds no model.safetensors")


def test_the_list_is_published_in_order_of_step(tmp_path: Path) -> None:
    for step in (10, 2):
        write(tmp_path, f"epoch_{step}.pt", b"x END")
    one = watcher(tmp_path, StandIn())
    look(one, times=2)
    publish_states(one, str(tmp_path / "checkpoints.json"), ["d"], states(one))
    found = json.loads((tmp_path / "checkpoints.json").read_text())
    assert (found["schema"], found["name"], found["datasets"]) == (1, "clip", ["d"])
    assert [(r["step"], r["encoder"], r["state"]) for r in found["checkpoints"]] == [
        (2, "clip@2", "succeeded"),
        (10, "clip@10", "succeeded"),
    ]
