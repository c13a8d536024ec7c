"""A value of the wrong kind: the line names it, says what the field takes, and gives what would be right."""

from dataclasses import dataclass, field

import pytest
from typed import typed

from jobs.runtime.command_line.wrong_values import wrong_value
from tda.config.fields import bounded
from tda.config.jobs import AnalyzeJob, DedupeJob, EmbedJob, NearestJob, ReportJob


@dataclass
class Door:
    width: float = 0.9
    colours: list[str] = bounded(["red"], choices=("red", "green"))
    locks: list[int] | None = None
    open: bool | None = False
    name: str = "front"
    bytes: int | None = None


@dataclass
class House:
    door: Door = field(default_factory=Door)
    doors: dict[str, Door] = field(default_factory=dict)
    tenants: dict[str, str] = field(default_factory=dict)
    rooms: int = 3


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("rooms", "1.5", "rooms=1.5 is no whole number: give rooms=3"),
        ("door.width", "wide", "door.width=wide is no number: give door.width=0.9"),
        ("door.width", None, "door.width is no number: give door.width=0.9"),
        ("door.colours", "green", "door.colours=green is no list: give door.colours=[green]"),
        ("door.colours", "red,green", "door.colours=red,green is no list: give door.colours=[red,green]"),
        ("door.colours", "true", "door.colours=true is no list: give door.colours=[red,green]"),
        ("door.colours", None, "door.colours is no list: give door.colours=[red,green]"),
        ("door.locks", "[x]", "door.locks=[x] is no list of such values: give door.locks=[WHOLE_NUMBER]; null is possible too"),
        ("door.open", "maybe", "door.open=maybe is neither true nor false; null is possible too"),
        ("door.name", None, "door.name is no text: give door.name=TEXT"),
        ("door.bytes", "10GB", "door.bytes=10GB is no whole number: give door.bytes=10000000000; null is possible too"),
        ("door.bytes", "1.5 MiB", "door.bytes=1.5 MiB is no whole number: give door.bytes=1572864; null is possible too"),
        ("door.bytes", "10.GBG", "door.bytes=10.GBG is no whole number; null is possible too"),
        ("door.bytes", ".k", "door.bytes=.k is no whole number; null is possible too"),
        ("rooms", "2k", "rooms=2k is no whole number: give rooms=2000"),
        (
            "door",
            "3",
            "door=3 is no group of settings: set its fields, door.FIELD=VALUE; choose one of: width, colours, locks, open, name, bytes",
        ),
        ("tenants", "x", "tenants=x is no mapping: give each name its value, tenants.NAME=VALUE"),
        ("doors", "x", "doors=x is no mapping: give each name its value, doors.NAME={...}"),
        ("doors.left.width", "x", "doors.left.width=x is no number: give doors.left.width=0.9"),
    ],
)
def test_one_line_for_each_kind_of_field(key: str, value: str | None, line: str) -> None:
    assert wrong_value(key, value, House) == line


@pytest.mark.parametrize(
    ("schema", "word", "right"),
    [
        (AnalyzeJob, "analysis.parts=gap", "analysis.parts=[gap]"),
        (DedupeJob, "dedupe.exact=true", "dedupe.exact=[url,caption]"),
        (EmbedJob, "dataset.modalities=image", "dataset.modalities=[image]"),
        (ReportJob, "report.models=x", "report.models.NAME=VALUE"),
        (EmbedJob, "embed.max_attempts=1.5", "give embed.max_attempts="),
        (NearestJob, "nearest.memory_bytes=10GB", "nearest.memory_bytes=10000000000"),
        (EmbedJob, "embed.compile=maybe", "neither true nor false"),
    ],
)
def test_fields_of_jobs(schema: type, word: str, right: str) -> None:
    key, _, value = word.partition("=")
    line = wrong_value(key, value, schema)
    assert line.startswith(f"{word} is n")
    assert right in line


def test_a_command_ends_with_the_line() -> None:
    done = typed("embed", "embed.max_attempts=1.5", "root=r")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lacuna embed: embed.max_attempts=1.5 is no whole number: give embed.max_attempts=")
    assert done.stderr.count("\n") == 1
