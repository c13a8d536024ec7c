"""The states of all checkpoints, in order of step: the last line of the command, and `checkpoints.json` for the report."""

from collections.abc import Sequence
from typing import Any

from jobs.watching.watcher import Watcher
from tda.store.files import publish_json

SCHEMA = 1
FINAL = ("succeeded", "given up", "vanished", "refused")
SHOWN = 5  # faults in the last line
NEEDED = {"given up": "failed", "failed": "failed, to be tried again", "refused": "cannot be read", "vanished": "vanished"}


def states(watcher: Watcher) -> list[dict[str, Any]]:
    """One row a content of a checkpoint: label, step, encoder, state, reason, attempts.

    A content that failed and that its checkpoint no longer has is left out: it was half-written.
    """
    keys, rows = watcher.ledger.keys(), []
    for label in dict.fromkeys([*watcher.ledger.labels(), *watcher.found]):
        rows += _of(watcher, label, [key for key in keys.get(label, []) if key.endswith(f"-{watcher.settings.work}")])
    return sorted(rows, key=lambda row: (row["step"], row["label"], row["encoder"]))


def _of(watcher: Watcher, label: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    one, ledger = watcher.found.get(label), watcher.ledger
    step = one.step if one else int(ledger.content(label, "seen.json").get("step", 0))
    row = {"label": label, "step": step, "encoder": f"{watcher.settings.name}@{step}", "state": "waiting", "reason": "", "attempts": 0}
    current = ledger.digests(label).get(one.version, "") if one else ""
    shown = [key for key in keys if ledger.entry(label, key).over or not one or (current and key.startswith(current))]
    rows = [row | _entry(watcher, label, key) for key in shown]
    if one and one.fault:
        return [*rows, row | {"state": "refused", "reason": one.fault}]
    if label in watcher.unread:
        return [*rows, row | {"state": "refused", "reason": watcher.unread[label]}]
    if not one and not rows:
        return [row | {"state": "vanished", "reason": ledger.content(label, "vanished.json").get("reason", "")}]
    return rows if rows and (not one or current) else [*rows, row]


def _entry(watcher: Watcher, label: str, key: str) -> dict[str, Any]:
    ledger, folder = watcher.ledger, f"{label}/{key}"
    entry = ledger.entry(label, key)
    given_up = entry.state == "failed" and entry.failures >= watcher.settings.config.max_attempts
    found: dict[str, Any] = {"state": "given up" if given_up else entry.state, "attempts": entry.attempt}
    if entry.state == "succeeded":
        return found | {"encoder": ledger.content(folder, "succeeded.json").get("encoder")}
    file = "vanished.json" if entry.state == "vanished" else f"{entry.attempt}.failed.json"
    return found | {"reason": ledger.content(folder, file).get("reason", "")}


def publish_states(watcher: Watcher, url: str, datasets: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write `checkpoints.json`: made from the ledger, and made again at each look."""
    publish_json(url, {"schema": SCHEMA, "name": watcher.settings.name, "datasets": list(datasets), "checkpoints": list(rows)})


def is_whole(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether nothing failed. A checkpoint that has vanished, or is still being written, is no failure."""
    return not any(row["state"] in ("given up", "failed", "refused") for row in rows)


def line(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """All states counted, and the checkpoints that need a person by name."""
    counts = {state: sum(row["state"] == state for row in rows) for state in dict.fromkeys(row["state"] for row in rows)}
    analysed = counts.pop("succeeded", 0)
    others = [f"{count} {NEEDED.get(state, state)}" for state, count in counts.items()]
    faults = [f"{row['label']}: {row['reason']}" for row in rows if row["state"] in NEEDED and row["reason"]]
    more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
    summary = f"watch {name}: {len(rows)} checkpoint{'s' * (len(rows) != 1)}, {', '.join([f'{analysed} analysed', *others])}"
    return "; ".join([summary, *faults[:SHOWN], *more])
