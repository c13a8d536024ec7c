"""What the next commands would be: what was interrupted or lacks something again, then the stages that were not begun."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf

from jobs.inventory.reading import Reader
from jobs.inventory.runs import Run
from tda.store.files import read_bytes

MOST = 5  # commands that are shown
ENDED_EARLY = ("lost", "interrupted", "failed", "part")


def next_steps(reader: Reader, found: Mapping[str, Any], runs: list[Run]) -> list[dict[str, str]]:
    """At most `MOST` commands, the first one first, each with why: {command, why}. None while a run is at work on everything."""
    steps = dict[str, str]()
    for command, why in _all(reader, found, runs):
        steps.setdefault(command, why)
        if len(steps) == MOST:
            break
    if not steps and all(run.state != "running" for run in runs):
        steps[f"python -m jobs.verify root={_root(found)}"] = "nothing is left; this checks every byte"
    return [{"command": command, "why": why} for command, why in steps.items()]


def _all(reader: Reader, found: Mapping[str, Any], runs: list[Run]) -> Iterator[tuple[str, str]]:
    live = {run.job for run in runs if run.state == "running"}
    if not (found["cells"] or found["models"] or found["watched"] or live):
        yield f"python -m jobs.embed dataset.name=NAME dataset.shards=SHARDS encoder.name=NAME root={_root(found)}", "nothing is in it yet"
    for run in _ended_early(runs):
        command = _repeated(reader, run)
        if command:
            yield command, _why(run)
    if not live & {"paper", "analyze"}:
        yield from _stages(found)
    if not live & {"paper", "report"} and any(cell["analysed"] and not cell["reported"] for cell in found["cells"]):
        yield f"python -m jobs.report root={_root(found)}", "there are numbers that the report does not have"


def _ended_early(runs: list[Run]) -> list[Run]:
    """The last run of each job and each work, if it did not come to its end; runs that later ones of the same work made good are not."""
    seen, found = set[Any](), []
    for run in runs:
        work = (run.job, tuple((piece.stage, piece.dataset, piece.encoder, piece.reference) for piece in run.pieces))
        if run.state in ENDED_EARLY and work not in seen:
            found.append(run)
        seen.add(work)
    return found


def _why(run: Run) -> str:
    how = {"lost": "its process is gone", "interrupted": "it was interrupted", "failed": "it failed", "part": "it is not whole"}[run.state]
    return f"{how}: {run.line}" if run.line and run.state in ("failed", "part") else how


def _repeated(reader: Reader, run: Run) -> str | None:
    """The command of a run, from its settings."""
    name = f"runs/{run.name}/config.yaml"
    try:
        reader.reads += 1
        settings: Any = OmegaConf.to_container(OmegaConf.create(read_bytes(reader.url(name)).decode()), resolve=False)
        words = [str(word) for word in settings["overrides"]]
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 (of YAML's parser, OmegaConf's or the store: the rest is shown all the same)
        reader.name_damaged(name, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        return None
    return " ".join(["python -m", f"jobs.{run.job}", *map(shlex.quote, words)])


def _stages(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Joins that are not whole, and what is embedded and not analysed."""
    for cell in found["cells"]:
        dataset, encoder = cell["dataset"], cell["encoder"]
        names = f"dataset.name={dataset} encoder.name={encoder} root={_root(found)}"
        for join in cell["neighbours"]:
            if not join["whole"]:
                why = f"{join['done']} of {join['of']} shards have their closest rows of {join['reference']}"
                yield f"python -m jobs.nearest reference.name={join['reference']} {names}", why
        references = {join["reference"] for one in found["cells"] for join in one["neighbours"]}
        if cell["shards"]["state"] == "running" or dataset in references or cell["deduped"]:
            continue  # of a reference, or of a set whose view is analysed in its place, no numbers are wanted
        if cell["analysed"] is None and cell["view_of"] is None:
            yield f"python -m jobs.analyze {names}", f"{dataset} / {encoder} is not analysed"
        elif cell["analysed"] and cell["analysed"]["older_than_rows"]:
            yield f"python -m jobs.analyze {names}", f"rows of {dataset} / {encoder} came after its numbers"


def _root(found: Mapping[str, Any]) -> str:
    return shlex.quote(str(found["root"]))
