"""The other files of a root: strays, temporary files, models, joins, views and metrics."""

import json
import os
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import pytest
from nearest_rows import embedded, joined
from recorded_root import EMBEDDINGS, QUARANTINE, RECORDS, SHARDS, publish, republish, sound_root, write
from repeated_rows import plant_world
from small_rows import SOURCE, identity, small_rows

from tda.store import EmbeddingSet
from tda.store.commit import transaction
from tda.store.commit.records import read_record
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.views import Kept, View, publish_kept
from tda.store.paths import RootPaths
from tda.store.verify.root import Folder, check_derived, check_models, folders, sub_folders, temporaries
from tda.store.verify.shard import check_shard_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sound_root(tmp_path / "root")


def only_folder(root: Path | str) -> Folder:
    (folder,) = folders(RootPaths(str(root)))
    return folder


def strays(root: Path) -> tuple[list[str], list[str]]:
    """Problems and superseded files of the only folder, with the root cut off."""
    paths, folder = RootPaths(str(root)), only_folder(root)
    checked = [check_shard_files(paths, "d", "e", shard) for shard in folder.shards]
    problems, superseded = folder.strays(paths, checked)
    cut = [[line.replace(f"{root}/", "") for line in lines] for lines in (problems, superseded, folder.mixed(paths, checked))]
    return cut[0] + cut[2], cut[1]


def cut_off(root: Path | str, lines: Iterator[str]) -> list[str]:
    return [line.replace(f"{root}/", "") for line in lines]


def test_folders_are_those_with_embeddings_or_a_quarantine(root: Path) -> None:
    assert only_folder(root) == Folder(
        "d", "e", list(SHARDS), {f"{shard}.parquet" for shard in SHARDS}, {f"{shard}.parquet" for shard in SHARDS}
    )
    write(root / "quarantine/a/z/00000.parquet", "")
    write(root / "embeddings/d/b/notes.txt", "")
    assert [(one.dataset, one.encoder, one.shards) for one in folders(RootPaths(str(root)))] == [
        ("a", "z", []),
        ("d", "b", []),
        ("d", "e", list(SHARDS)),
    ]
    assert list(folders(RootPaths(str(root / "absent")))) == []


def test_a_sound_root_has_no_problems(root: Path) -> None:
    assert strays(root) == ([], [])
    assert list(check_models(RootPaths(str(root)))) == list(check_derived(RootPaths(str(root)))) == list(temporaries(str(root))) == []


def test_comparisons_of_encoders_are_no_encoder(root: Path) -> None:
    before = list(check_derived(RootPaths(str(root))))
    folder = root / "analysis" / "d" / "comparisons"
    folder.mkdir(parents=True)
    (folder / "0123456789ab.json").write_text("{}")
    assert list(check_derived(RootPaths(str(root)))) == before
    (root / "analysis" / "d" / "other").mkdir()
    assert [line for line in check_derived(RootPaths(str(root))) if line not in before], "a folder without metrics.json is named"


def test_files_that_no_record_names_are_strays(root: Path) -> None:
    (root / RECORDS / "00001.json").unlink()
    (root / QUARANTINE / "00009.parquet").write_bytes(b"")
    assert strays(root) == (
        [f"{EMBEDDINGS}/00001.parquet: no record names it"]
        + [f"{QUARANTINE}/{shard}.parquet: no record names it" for shard in ("00001", "00009")],
        [],
    ), "they may be another driver's, and are not superseded"


def test_files_of_a_record_that_cannot_be_read_are_not_superseded(root: Path) -> None:
    (root / RECORDS / "00001.json").write_text("{")
    files = [f"{folder}/00001.parquet" for folder in (EMBEDDINGS, QUARANTINE)]
    assert strays(root) == ([f"{file}: no record names it" for file in files], []), "they may be all that is left of the shard"


def test_files_of_an_attempt_that_was_replaced_are_superseded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = RootPaths(str(root))
    old = read_record(paths, "d", "e", "00001")
    monkeypatch.setattr(transaction, "tidy", lambda *_: None)
    publish_shard(paths, "d", "e", "00001", rows=small_rows(6), drops=[], identity=identity(), source=SOURCE, replaces=old)
    files = [f"{folder}/00001.parquet" for folder in (EMBEDDINGS, QUARANTINE)]
    assert strays(root) == ([f"{file}: left behind by an earlier attempt" for file in files], files)


def test_shards_of_another_configuration_than_the_first_are_named(root: Path) -> None:
    republish(root, "00001")
    hashes = [identity(weights=weights).config_hash for weights in ("others", "w")]
    assert strays(root)[0] == [f"{RECORDS}/00001.json: config {hashes[0]}, 00000 has {hashes[1]}"]


@pytest.mark.parametrize("name", [".00000.parquet.0123456789ab.tmp", ".writable-0123456789ab"])
def test_temporary_files_are_found_at_any_depth_with_their_age(root: Path, name: str) -> None:
    paths = [root / name, root / EMBEDDINGS / name, root / "nearest/_layouts/r/e/x/image" / name]
    for hours, path in enumerate(paths):
        write(path, "half")
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    found = {one.url: one.age for one in temporaries(str(root))}
    assert set(found) == set(map(str, paths))
    assert [round(found[str(path)] / 3600) for path in paths] == [0, 1, 2]


@pytest.mark.parametrize("name", [".notes", "00000.parquet", ".00000.parquet.0123.tmp", "x.0123456789ab.tmp", ".writable-xyz"])
def test_other_files_are_not_taken_for_temporary_ones(root: Path, name: str) -> None:
    write(root / EMBEDDINGS / "deep" / name, "kept")
    assert list(temporaries(str(root))) == []


def test_temporary_files_of_an_object_store_have_urls(tmp_path: Path) -> None:
    name = f"{tmp_path.name}-temporaries"
    fsspec.filesystem("memory").pipe_file(f"/{name}/a/.x.parquet.0123456789ab.tmp", b"half")
    (found,) = temporaries(f"memory://{name}")
    assert found.url.endswith(f"{name}/a/.x.parquet.0123456789ab.tmp")
    assert found.url.startswith("memory://")
    assert 0 <= found.age < 60


ARM = "models/arm"
MODELS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "other weights": (
        lambda arm: (arm / "model.pt").write_bytes(b"others"),
        [f"{ARM}/model.pt: sha256 {sha256(b'others').hexdigest()[:12]}, model.json has "],
    ),
    "no weights": (lambda arm: (arm / "model.pt").unlink(), [f"{ARM}/model.pt: missing, but there is a model.json"]),
    "no model.json": (
        lambda arm: (arm / "model.json").unlink(),
        [f"{ARM}/model.pt: there is no model.json: training was interrupted here"],
    ),
    "no sentinel": (
        lambda arm: (arm / "step_00000400.pt").write_bytes(b"x"),
        [f"{ARM}/step_00000400.pt: there is no step_00000400.json: training was interrupted here"],
    ),
    "no JSON": (lambda arm: (arm / "model.json").write_text("{"), [f"{ARM}/model.json: cannot be read: JSONDecodeError: "]),
    "no sha256": (lambda arm: (arm / "model.json").write_text("{}"), [f"{ARM}/model.json: cannot be read: KeyError: 'training'"]),
    "a list": (
        lambda arm: (arm / "step_00000001.json").write_text("[]"),
        [f"{ARM}/step_00000001.json: cannot be read: ValueError: it holds a list"],
    ),
    "other files": (lambda arm: [(arm / name).write_bytes(b"x") for name in ("notes.json", "best.pt", "curve.parquet")], []),
}


@pytest.mark.parametrize("fault", MODELS)
def test_models_are_compared_with_their_json(root: Path, fault: str) -> None:
    damage, lines = MODELS[fault]
    damage(root / ARM)
    found = cut_off(root, check_models(RootPaths(str(root))))
    assert len(found) == len(lines)
    for problem, line in zip(found, lines, strict=True):
        assert problem.startswith(line)


def test_a_step_checkpoint_is_compared_with_its_sentinel(root: Path) -> None:
    (root / ARM / "step_00000002.pt").write_bytes(b"weights")
    reported = sha256(b"weights").hexdigest()
    (root / ARM / "step_00000002.json").write_text(json.dumps({"sha256": reported}))
    assert list(check_models(RootPaths(str(root)))) == []
    (root / ARM / "step_00000002.pt").write_bytes(b"changed")
    (problem,) = cut_off(root, check_models(RootPaths(str(root))))
    assert problem.endswith(f"step_00000002.json has {reported[:12]}")


@pytest.fixture
def derived(tmp_path: Path) -> RootPaths:
    """A join of d with r, a view of what is not in r, and metrics."""
    paths = RootPaths(str(tmp_path))
    embedded(paths, "r", "r-00000", 8, seed=5)
    joined(paths, embedded(paths, "d", "00000", 4))
    write(Path(paths.nearest_audit("d", "e", "r")), '{"schema": 2}')
    write(Path(paths.metrics("d", "e")), '{"schema": 1}')
    return paths


def test_sound_joins_views_and_metrics_have_no_problems(derived: RootPaths) -> None:
    assert list(check_derived(derived)) == []


DERIVED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "join gone": (lambda root: (root / "nearest/d/e/r/00000.parquet").unlink(), "nearest/d/e/r/00000.parquet: recorded, but not there"),
    "join changed": (
        lambda root: (root / "nearest/d/e/r/00000.parquet").write_bytes(b"x"),
        "nearest/d/e/r/00000.parquet: its sha256 is not the one in its record",
    ),
    "join stray": (lambda root: write(root / "nearest/d/e/r/00007.parquet", ""), "nearest/d/e/r/00007.parquet: no record names it"),
    "join of nothing": (lambda root: write(root / "nearest/d/e/x/00000.parquet", ""), "nearest/d/e/x: "),
    "join of rows that changed": (lambda root: embedded(RootPaths(str(root)), "d", "00000", 4, seed=9), "nearest/d/e/r: "),
    "join without its audit": (
        lambda root: (root / "nearest/d/e/r/audit.json").unlink(),
        "nearest/d/e/r/audit.json: missing: the job did not finish",
    ),
    "view unfinished": (
        lambda root: write(root / "dedupe/d/e/r/kept.parquet", ""),
        "dedupe/d/e/r: there is no summary.json: the job did not finish",
    ),
    "metrics cut": (lambda root: (root / "analysis/d/e/metrics.json").write_text("{"), "analysis/d/e/metrics.json: cannot be read: "),
    "metrics old": (
        lambda root: (root / "analysis/d/e/metrics.json").write_text('{"schema": 0}'),
        "analysis/d/e/metrics.json: its schema is not 1",
    ),
    "metrics a list": (
        lambda root: (root / "analysis/d/e/metrics.json").write_text("[]"),
        "analysis/d/e/metrics.json: its schema is not 1",
    ),
    "metrics gone": (
        lambda root: (root / "analysis/d/e/metrics.json").unlink(),
        "analysis/d/e/metrics.json: missing: the job did not finish",
    ),
}


@pytest.mark.parametrize("fault", DERIVED)
def test_what_was_derived_is_compared_with_its_rows(derived: RootPaths, fault: str) -> None:
    damage, line = DERIVED[fault]
    damage(Path(derived.root))
    (problem,) = cut_off(derived.root, check_derived(derived))
    assert problem.startswith(line)


def test_a_view_is_compared_with_its_base(tmp_path: Path) -> None:
    plant_world(tmp_path)
    paths, rows = RootPaths(str(tmp_path)), EmbeddingSet(str(tmp_path), "d", "e")
    write(Path(paths.nearest_audit("d", "e", "r")), '{"schema": 2}')
    ordinals = [table["ordinal"].to_numpy()[:5] for table in rows.tables(["ordinal"])]
    kept = [Kept(shard, ordinals[i], rows.rows_in_file(i)[:5]) for i, shard in enumerate(rows.shards)]
    publish_kept(paths, View("d", "r"), "e", iter(kept), {"content": "c", "inputs": {"rows": rows.digest}})
    assert list(check_derived(paths)) == []
    summary = tmp_path / "dedupe/d/e/r/summary.json"
    summary.write_text(summary.read_text().replace('"content": "c"', '"content": "other"'))
    (problem,) = cut_off(tmp_path, check_derived(paths))
    assert problem.startswith("dedupe/d/e/r: ")
    assert "does not match its summary.json" in problem
    (tmp_path / "dedupe/d/e/r/kept.parquet").write_bytes(b"PAR1 cut")
    (problem,) = cut_off(tmp_path, check_derived(paths))
    assert "kept.parquet cannot be read" in problem


def test_names_of_folders_are_sorted_without_hidden_ones_and_files(tmp_path: Path) -> None:
    for name in ("b", "a", "_records", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert sub_folders(str(tmp_path)) == ["a", "b"]
    assert sub_folders(str(tmp_path / "absent")) == sub_folders(str(tmp_path / "file")) == []
    publish(f"memory://{tmp_path.name}-folders", "00000")
    assert sub_folders(f"memory://{tmp_path.name}-folders/embeddings") == ["d"]
