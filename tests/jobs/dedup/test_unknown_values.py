"""What is not known equals nothing: blank captions and URLs repeat no row, in a set or across, by hash or by cosine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repeated_rows import drawn, join_exactly, side, write_set

from jobs.dedupe import run
from tda.config.datasets import DatasetConfig
from tda.config.jobs import DedupeJob
from tda.config.models import EncoderConfig
from tda.config.stages import DedupeConfig
from tda.store import EmbeddingSet
from tda.store.datasets.views import META_KEY, content_hash
from tda.store.paths import RootPaths

N, M = 30, 20
BLANKS = ["", " ", "null", "None", "\u200b", "N/A"]


def _job(root: Path, dataset: str, reference: str, **settings: Any) -> DedupeJob:
    names = DatasetConfig(name=dataset), DatasetConfig(name=reference)
    return DedupeJob(root=str(root), dataset=names[0], reference=names[1], encoder=EncoderConfig(name="e"), dedupe=DedupeConfig(**settings))


def _dropped(root: Path, dataset: str, reference: str) -> set[int]:
    keys = EmbeddingSet(str(root), dataset, "e").table(["shard", "key"]).to_pylist()
    kept = EmbeddingSet(str(root), f"{dataset}-minus-{reference}", "e").table(["shard", "key"]).to_pylist()
    return {row for row, key in enumerate(keys) if key not in kept}


def _plant(root: Path, blank: str, n: int, name: str, seed: int, *, every: int = 2) -> None:
    """Rows of one image size; each `every`-th has this blank as caption and URL, and the one text vector of all blanks."""
    image_ND, text_ND, columns = drawn(n, seed), drawn(n, seed + 1), side(n, name)
    columns["widths"] = [64] * n
    for row in range(0, n, every):
        columns["captions"][row], columns["urls"][row] = blank, blank
        text_ND[row] = drawn(1, 99)[0]
    write_set(root, name, (image_ND, text_ND), columns)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("rule", ["image", "text", "either"])
def test_blank_rows_repeat_nothing(tmp_path: Path, blank: str, rule: str) -> None:
    _plant(tmp_path, blank, N, "d", 1)
    _plant(tmp_path, blank, M, "r", 5)
    join_exactly(tmp_path, "d", "r")
    join_exactly(tmp_path, "d", "d", k=3)
    assert run(_job(tmp_path, "d", "r", rule=rule, self=True)).whole
    assert _dropped(tmp_path, "d", "r") == set()


@pytest.mark.parametrize("listed", [True, False])
def test_within_a_set_only_what_is_known_repeats(tmp_path: Path, listed: bool) -> None:
    _plant(tmp_path, "", N, "d", 1)
    rows = EmbeddingSet(str(tmp_path), "d", "e")
    image_ND, text_ND, columns = rows.image(slice(0, N)).copy(), rows.text(slice(0, N)).copy(), side(N, "d")
    columns["captions"] = ["" if row % 2 == 0 else f"caption {row}" for row in range(N)]
    text_ND[7] = text_ND[5]  # two known texts of one vector
    image_ND[8] = image_ND[4]  # two blank rows of one image
    write_set(tmp_path, "d", (image_ND, text_ND), columns)
    if listed:
        join_exactly(tmp_path, "d", "d", k=3)
    run(_job(tmp_path, "d", "d", rule="either", self=True))
    assert _dropped(tmp_path, "d", "d") == {7, 8}


def test_a_set_without_any_caption_is_compared_by_its_text_vectors(tmp_path: Path) -> None:
    image_ND, text_ND, columns = drawn(N, 1), drawn(N, 2), side(N, "d")
    columns["captions"] = [""] * N
    text_ND[9] = text_ND[3]
    write_set(tmp_path, "d", (image_ND, text_ND), columns)
    run(_job(tmp_path, "d", "d", rule="text", self=True))
    assert _dropped(tmp_path, "d", "d") == {9}


def test_more_drops_than_allowed_are_named_and_not_whole(tmp_path: Path) -> None:
    image_ND, text_ND, columns = drawn(N, 1), drawn(N, 2), side(N, "d")
    image_ND[10:] = image_ND[0]
    write_set(tmp_path, "d", (image_ND, text_ND), columns)
    outcome = run(_job(tmp_path, "d", "d", self=True))
    assert not outcome.whole
    assert "67% dropped is more than dedupe.max_drop_fraction=0.5" in outcome.line
    assert outcome == run(_job(tmp_path, "d", "d", self=True))  # also where the result stands already
    assert run(_job(tmp_path, "d", "d", self=True, max_drop_fraction=0.9)).whole


def test_flags_of_the_last_version_are_not_taken_for_these(tmp_path: Path) -> None:
    _plant(tmp_path, "", N, "d", 1)
    _plant(tmp_path, "", M, "r", 5)
    join_exactly(tmp_path, "d", "r")
    rows, reference = (EmbeddingSet(str(tmp_path), name, "e") for name in "dr")
    flags = RootPaths(str(tmp_path)).dedupe_dir("d", "e", "r") + "/exact.parquet"
    meta = {META_KEY: json.dumps({"content": content_hash([rows.digest, reference.digest])})}
    Path(flags).parent.mkdir(parents=True)
    pq.write_table(pa.table({"flags": np.full(N, 3, np.uint8)}).replace_schema_metadata(meta), flags)
    run(_job(tmp_path, "d", "r"))
    assert _dropped(tmp_path, "d", "r") == set()
