"""Names of checkpoints, by preset and by pattern."""

import pytest

from jobs.watching.naming import PRESETS, naming_of
from tda.config.watch import NAMINGS, WatchConfig
from tda.errors import UserError

NAMES = {  # preset -> names with their steps; None: passed over
    "lacuna": {"step_00000400.pt": 400, "step_00000400.json": None, "model.pt": None, "curve.parquet": None},
    "open_clip": {"epoch_3.pt": 3, "epoch_latest.pt": None, "tmp.pt": None, "_tmp_latest": None, "epoch_3.pt.tmp": None},
    "olmo_core": {"step1000": 1000, "step1000-tmp": None, "config.json": None},
    "prime_rl": {"step_20": 20, "step_": None, "latest": None},
    "hf_trainer": {"checkpoint-500": 500, "checkpoint-best": None, "tmp-checkpoint-500": None},
}


@pytest.mark.parametrize("preset", NAMINGS)
def test_a_preset_knows_its_trainers_names(preset: str) -> None:
    naming = naming_of(WatchConfig(naming=preset))
    assert naming == PRESETS[preset]
    assert {name: naming.step_of(name) for name in NAMES[preset]} == NAMES[preset]


@pytest.mark.parametrize("word", ["latest", "LAST", "best", "tmp", "temp", "trash", "current"])
def test_names_that_change_their_content_are_passed_over_by_any_pattern(word: str) -> None:
    naming = naming_of(WatchConfig(pattern=f"{word}_{{step}}.pt"))
    assert naming.step_of(f"{word}_5.pt") is None
    assert naming_of(WatchConfig(pattern=f"x{word}x_{{step}}.pt")).step_of(f"x{word}x_5.pt") == 5  # only as a word


def test_a_pattern_is_no_expression_and_may_name_a_file_in_a_folder() -> None:
    plain = naming_of(WatchConfig(pattern="v1.0+{epoch}.bin", sentinel="v1.0+{epoch}.done"))
    assert (plain.step_of("v1.0+7.bin"), plain.step_of("v1x0+7.bin"), plain.folder) == (7, None, False)
    assert (plain.sentinel_of("v1.0+07.bin"), plain.sentinel_of("other")) == ("v1.0+07.done", None)
    inside = naming_of(WatchConfig(pattern="run-{step}/weights/model.pt"))
    assert (inside.step_of("run-12"), inside.files, inside.folder) == (12, ("weights/model.pt",), True)
    assert naming_of(WatchConfig(naming="prime_rl", file="clip.pt")).files == ("clip.pt",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pattern": "model.pt"}, r"watch.pattern='model.pt' needs \{step\} or \{epoch\} once"),
        ({"pattern": "{step}_{epoch}.pt"}, r"once, in its first name"),
        ({"pattern": "a/{step}.pt"}, r"once, in its first name"),
        ({"pattern": "{step}/a.pt", "file": "b.pt"}, r"names a file in a folder, and so does watch.file=b.pt"),
        ({"naming": "open_clip", "file": "b.pt"}, r"watch.file=b.pt: checkpoints named epoch_\{epoch\}.pt are files"),
    ],
)
def test_bad_patterns_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        naming_of(WatchConfig(**values))  # type: ignore[arg-type]
