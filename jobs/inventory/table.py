"""The survey for people: tables that fit the width of a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tda.store.types import printable

COLOURS = {
    "running": "green",
    **dict.fromkeys(("failed", "given up", "lost", "damaged"), "red"),
    **dict.fromkeys(("part", "interrupted"), "yellow"),
}
SHOWN = 5  # failures and runs in lines of their own
NONE = "-"
NAME = 28  # characters of a name that a narrow terminal does not break
LINE = 300  # characters of what a job reported

Found = Mapping[str, Any]


def show(found: Found, console: Console) -> None:
    """Print everything that is in the root; the result line follows it."""
    parts = [part for part in (_cells(found), _models(found), _watched(found), _sweeps(found), _runs(found)) if part is not None]
    for part in parts:
        console.print(part)
        console.print()
    for line in found["damaged"]:
        console.print(_text(f"damaged: {line}", "damaged"))
    for number, step in enumerate(found["next"]):
        console.print(Text("next:" if number == 0 else "then:", style="bold"), _text(f"({step['why']})"))
        console.print(Padding(_text(step["command"]), (0, 0, 0, 4)), soft_wrap=True)


def line(found: Found) -> str:
    """The root in one line."""
    cells = found["cells"]
    datasets, encoders = ({cell[key] for cell in cells} for key in ("dataset", "encoder"))
    done = sum(cell["shards"]["done"] for cell in cells)
    counts = [_n(len(datasets), "data set"), _n(len(encoders), "encoder"), f"{done:,} shards recorded"]
    for what, count in (("left", "left"), ("failed", "failed")):
        total = sum(len(cell["shards"][what]) if what == "failed" else cell["shards"][what] or 0 for cell in cells)
        counts += [f"{total:,} {count}"] if total else []
    live = sum(run["state"] == "running" for run in found["runs"])
    counts += [_n(live, "run") + " at work"] if live else []
    counts += [_n(len(found["damaged"]), "document") + " damaged"] if found["damaged"] else []
    sign = f"last sign of life {ago(found['last_sign_seconds'])}" if found["last_sign_seconds"] is not None else "no sign of life yet"
    return f"status: {found['root']}: {', '.join(counts)}; {sign}"


def ago(seconds: float | None) -> str:
    """An age in words: 12 s ago, 3 min ago, 5 h ago, 2 days ago."""
    return "never" if seconds is None else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cells(found: Found) -> RenderableType | None:
    if not found["cells"]:
        return None
    longest = max(len(words) for cell in found["cells"] for words in (cell["dataset"], f"  {cell['encoder']}"))
    table, notes = _table("data set / encoder", "shards", "neighbours", "deduped", "analysed", "in report"), list[Text]()
    table.columns[0].min_width = min(longest, NAME)
    before = ""
    for cell in found["cells"]:
        if cell["dataset"] != before:
            before = cell["dataset"]
            table.add_row(Text(_text(before).plain, style="bold"))
        table.add_row(_text(f"  {cell['encoder']}"), _shards(cell), *_stages(cell))
        notes += _notes(cell)
    return Group(table, *notes)


def _shards(cell: Found) -> Text:
    shards = cell["shards"]
    if cell["view_of"] is not None:
        return _text("a view")
    if shards["of"] is None:
        return _text(f"{shards['done']:,}")
    return _text(f"{shards['done']:,} of {shards['of']:,}", "" if shards["state"] == "whole" else shards["state"])


def _stages(cell: Found) -> Iterator[Text]:
    joins = [(join, f"{join['reference']} {'' if join['whole'] else _share(join)}".strip()) for join in cell["neighbours"]]
    yield Text("\n").join(_text(words, "" if join["whole"] else "part") for join, words in joins) if joins else Text(NONE)
    views = [f"{view['reference']}: {view['kept']:,} of {view['rows']:,}" for view in cell["deduped"] if isinstance(view["kept"], int)]
    yield _text("\n".join(views) or NONE)
    analysed = cell["analysed"]
    yield _text(f"{len(analysed['parts'])} parts{', older than rows' * analysed['older_than_rows']}") if analysed else Text(NONE)
    yield Text("yes" if cell["reported"] else "not yet" if analysed else NONE)


def _share(join: Found) -> str:
    return f"{join['done']:,} of {join['of']:,}" if join["done"] < join["of"] else "(no audit)"


def _notes(cell: Found) -> list[Text]:
    """What runs, what is left and what failed, in lines below the table."""
    shards, notes = cell["shards"], list[Text]()
    if shards["state"] == "running" or shards["left"]:
        counts = {"running": shards["running"], "waiting": shards["waiting"], "failed": len(shards["failed"])}
        words = [*(f"{count:,} {what}" for what, count in counts.items() if count), _pace(shards)]
        listed = ", ".join(word for word in words if word)
        notes.append(_text(f"{cell['dataset']} / {cell['encoder']}: {shards['state']}: {listed}", shards["state"]))
    notes += [_text(f"    {failure['shard']}: {failure['reason']}", "failed") for failure in shards["failed"][:SHOWN]]
    if len(shards["failed"]) > SHOWN:
        notes.append(_text(f"    and {len(shards['failed']) - SHOWN} more", "failed"))
    return notes


def _pace(shards: Found) -> str:
    if not shards["pairs_per_second"]:
        return ""
    pace = f"{shards['pairs_per_second']:,.0f} pairs/s"
    if not shards["seconds_left"]:
        return pace
    return f"{pace}, about {span(shards['seconds_left'])} left{'' if shards['state'] == 'running' else ' at that pace'}"


def _models(found: Found) -> RenderableType | None:
    table = _table("model", "training", "last sign of life")
    for model in found["models"]:
        steps = f"step {model['step']}" if model["step"] is not None else "no step kept"
        of = f" of {model['of']}" if model["of"] else ""
        reached = "whole" if model["state"] == "whole" else f"{model['state']}, {steps}{of}"
        table.add_row(_text(model["encoder"]), _text(reached, model["state"]), ago(model["last_sign_seconds"]))
    return table if found["models"] else None


def _watched(found: Found) -> RenderableType | None:
    table, notes = _table("watched training", "checkpoints", "last sign of life"), list[Text]()
    for one in found["watched"]:
        table.add_row(_text(one["name"]), _text(_states(one["states"], one["checkpoints"])), ago(one["last_sign_seconds"]))
        faults = [f"    {fault['checkpoint']}: {fault['state']}: {fault['reason']}" for fault in one["faults"][:SHOWN]]
        notes += [_text(words, "failed") for words in faults]
    return Group(table, *notes) if found["watched"] else None


def _sweeps(found: Found) -> RenderableType | None:
    table, notes = _table("sweep", "job", "cells"), list[Text]()
    for sweep in found["sweeps"]:
        table.add_row(_text(sweep["name"]), _text(sweep["job"]), _text(_states(sweep["states"], sweep["cells"])))
        for cell in sweep["not_whole"][:SHOWN]:
            values = " ".join(f"{key}={value}" for key, value in (cell["values"] or {}).items())
            error = f": {cell['error']}" if cell["error"] else ""
            notes.append(_text(f"    {values}: {cell['state']}{error}", str(cell["state"])))
    return Group(table, *notes) if found["sweeps"] else None


def _runs(found: Found) -> RenderableType | None:
    table = _table("run", "state", "last sign", "result")
    for run in found["runs"][:SHOWN]:
        words = run["line"] or (f"process {run['pid']} on {run['host']}" if run["state"] == "running" else "")
        table.add_row(_text(run["run"]), _text(run["state"], run["state"]), ago(run["last_sign_seconds"]), _text(words))
    return table if found["runs"] else None


def _states(states: Mapping[str, int], total: int) -> str:
    words = [f"{count} {'analysed' if state == 'succeeded' else state}" for state, count in sorted(states.items(), key=lambda one: -one[1])]
    return f"{total}: {', '.join(words)}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("shards", "state", "last sign", "in report"))
    return table


def _text(words: object, state: str = "") -> Text:
    """Names and reasons come from strangers: no control characters."""
    shown = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in printable(str(words), LINE))
    return Text(shown, style=COLOURS.get(state, ""))


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
