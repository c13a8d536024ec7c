"""The last lines of a sweep: a row a cell, and how many are whole."""

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
WIDTH = 100  # characters of what a cell reports


def closing_lines(entries: Sequence[Entry], keys: Sequence[str], objective: str | None, kept: int) -> list[str]:
    """The table of `keys`, states and results; then one line with the counts and what failed."""
    heading = [*keys, "state", objective or "result"]
    rows = [[*(_text(entry["values"].get(key, "")) for key in keys), entry["state"], _result(entry, objective)] for entry in entries]
    widths = [max(len(row[place]) for row in [heading, *rows]) for place in range(len(heading))]
    table = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in [heading, *rows]]
    return [*table, _counts(entries, kept)]


def _counts(entries: Sequence[Entry], kept: int) -> str:
    whole = sum(entry["state"] == "whole" for entry in entries)
    before = f" ({kept} from before)" if kept else ""
    parts = [f"{whole} of {len(entries)} whole{before}"]
    for state, word in (("failed", "failed"), ("part", "not whole"), ("interrupted", "interrupted")):
        named = ", ".join(_values(entry) for entry in entries if entry["state"] == state)
        parts += [f"{word}: {named}"] if named else []
    return "; ".join(parts)


def _values(entry: Entry) -> str:
    return " ".join(f"{key}={_text(value)}" for key, value in entry["values"].items())


def _result(entry: Entry, objective: str | None) -> str:
    found = entry.get("numbers", {}).get(objective)
    text = f"{found:.6g}" if found is not None else str(entry.get("error") or entry.get("line") or "")
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
