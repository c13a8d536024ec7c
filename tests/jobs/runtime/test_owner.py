"""Processes of this machine are known to live or to have ended; nothing is guessed of others."""

import subprocess
import sys

import pytest

from jobs.runtime import owner as module
from jobs.runtime.owner import is_alive, is_dead, owner


def test_a_process_of_this_machine_is_known_to_live_or_to_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_dead(owner())
    assert is_alive(owner())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = {**owner(), "pid": child.pid, "started": module._started(child.pid)}
    assert not is_dead(holder)
    child.communicate(b"\n")
    assert is_dead(holder)
    assert not is_alive(holder)
    assert is_dead({**owner(), "started": "1"})  # its number was given to another process
    for known in (is_dead, is_alive):
        assert not known({**holder, "machine": "elsewhere"})
        assert not known({})
    monkeypatch.setattr(module, "_machine", lambda: "")
    assert not is_dead({**holder, "machine": ""})  # machines that cannot be distinguished
