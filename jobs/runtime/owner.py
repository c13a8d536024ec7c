"""A process, as others can recognise it: whether one of this machine has ended is known without a clock."""

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def owner() -> dict[str, Any]:
    """This process, as others can recognise it: by its machine, id and start."""
    return {
        "machine": _machine(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "id": uuid.uuid4().hex,
    }


def is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether it ran on this machine and has ended. False where that cannot be known."""
    return _is_here(holder) and _started(int(holder.get("pid", 0))) != holder.get("started")


def is_alive(holder: Mapping[str, Any]) -> bool:
    """Whether it runs on this machine now. False where that cannot be known."""
    started = _started(int(holder.get("pid", 0))) if _is_here(holder) else ""
    return bool(started) and started == holder.get("started")


def _is_here(holder: Mapping[str, Any]) -> bool:
    machine = _machine()
    return bool(machine) and holder.get("machine") == machine


def _machine() -> str:
    """Identifies the running system and its space of process ids; empty where it is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty if there is none, or it has ended and nobody has asked how."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""
