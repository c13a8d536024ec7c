"""Runs that publish into one metrics.json at once: every part stands, and no table of one run goes with the numbers of another."""

import itertools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_store import faulty_store
from recorded_rows import paired_spaces, write_set

from jobs.analysis.across import comparisons, sweep
from jobs.analysis.results import publication
from jobs.analysis.results.publication import Made, publish_parts, standing_parts, table_url
from tda.config.analysis import AnalysisConfig, ClustersConfig, UmapConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.documents import document_if_whole, seal_holds
from tda.store.files import list_files, read_bytes, read_json
from tda.store.tables import is_entry_of, read_table
from tda.store.update import update_json

SPAWN = multiprocessing.get_context("spawn")
TABLES = {"cosine": "cosine", "spectrum": "spectra", "retrieval": "ranks", "separability": "pca"}
HEAD = {"schema": 1, "dataset": "d"}


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path)
        return
    with faulty_store() as proxy:
        yield f"{proxy.root}/{tmp_path.name}"


def made(settings: str, *parts: str, number: float) -> Made:
    return Made(
        parts={part: f"{settings}-{part}" for part in parts},
        keys={part: {"number": number} for part in parts},
        tables={TABLES[part]: {"number": np.array([number])} for part in parts if part in TABLES},
    )


def hashes(settings: str) -> dict[str, str]:
    return {name: f"{settings}-{name}" for name in publication.KEYS}


def publish(url: str, settings: str, parts: tuple[str, ...], numbers: list[float]) -> None:
    for number in numbers:
        before = document_if_whole(url)
        publish_parts(url, HEAD, before, made(settings, *parts, number=number), hashes(settings))


def require_pairs(url: str) -> dict[str, Any]:
    """metrics.json, after each of its tables was found to hold the number of its key, and to be the one that is named."""
    found: dict[str, Any] = read_json(url)
    assert seal_holds(found)
    for part in found["part_hashes"]:
        if part in TABLES:
            table = table_url(url, TABLES[part])
            assert read_table(table)["number"].tolist() == [found[part]["number"]], part
            assert is_entry_of(found["tables"][TABLES[part]], read_bytes(table)), part
    return found


def finish(processes: list[Any]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_disjoint_parts_of_three_processes_all_stand(root: str) -> None:
    url = f"{root}/analysis/d/e/metrics.json"
    shares = [("gap", "cosine"), ("spectrum",), ("retrieval", "separability")]
    finish([SPAWN.Process(target=publish, args=(url, "same", share, [float(n)] * 4)) for n, share in enumerate(shares)])
    found = require_pairs(url)
    assert {part: found[part]["number"] for part in found["part_hashes"]} == {part: n for n, share in enumerate(shares) for part in share}


def test_overlapping_parts_of_other_settings_keep_table_and_key_together(root: str) -> None:
    url = f"{root}/analysis/d/e/metrics.json"
    numbers = {name: [float(place * 100 + n) for n in range(6)] for place, name in enumerate("ab")}
    finish([SPAWN.Process(target=publish, args=(url, name, tuple(TABLES), own)) for name, own in numbers.items()])
    found = require_pairs(url)
    assert set(found["part_hashes"]) == set(TABLES)
    assert len({one.split("-")[0] for one in found["part_hashes"].values()}) == 1, "the last writer wrote all of them"


def test_a_part_of_other_settings_goes_unless_it_came_meanwhile(tmp_path: Path) -> None:
    url = str(tmp_path / "metrics.json")
    publish(url, "old", ("gap", "cosine"), [1.0])
    before = document_if_whole(url)
    publish_parts(url, HEAD, before, made("other", "spectrum", number=2.0), hashes("old"))
    publish_parts(url, HEAD, before, made("new", "retrieval", number=3.0), hashes("new"))
    assert list(require_pairs(url)["part_hashes"]) == ["retrieval", "spectrum"]
    assert standing_parts(url, document_if_whole(url), hashes("new"))["part_hashes"] == {"retrieval": "new-retrieval"}


@pytest.mark.parametrize("damage", ["flip", "other run", "removed", "key"])
def test_a_part_does_not_stand_with_a_table_that_is_not_its_own(tmp_path: Path, damage: str) -> None:
    url = str(tmp_path / "metrics.json")
    publish(url, "one", ("gap", "cosine"), [1.0])
    table = tmp_path / "cosine.parquet"
    if damage == "flip":
        data = bytearray(table.read_bytes())
        data[6] ^= 1
        table.write_bytes(data)
    elif damage == "other run":  # killed after its table, before its key; of the same settings
        publication.publish_table(str(table), {"number": np.array([2.0])}, "one-cosine")
    elif damage == "removed":
        table.unlink()
    else:
        found = read_json(url)
        (tmp_path / "metrics.json").write_text(json.dumps({**found, "cosine": {"number": 9.0}}))
    expected = {} if damage == "key" else {"gap": "one-gap"}
    assert standing_parts(url, document_if_whole(url), hashes("one"))["part_hashes"] == expected


def forever(url: str, settings: str) -> None:
    for number in itertools.count():
        publish_parts(url, HEAD, document_if_whole(url), made(settings, *TABLES, number=float(number)), hashes(settings))


def test_kills_at_any_point_leave_tables_that_belong_or_count_as_missing(tmp_path: Path) -> None:
    url, rng = str(tmp_path / "metrics.json"), random.Random(3)
    for settings in "ab" * 4:
        process = SPAWN.Process(target=forever, args=(url, settings))
        process.start()
        had = document_if_whole(url)
        while document_if_whole(url) == had:
            process.join(0.01)
        process.join(rng.uniform(0, 0.05))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        found = read_json(url)
        assert seal_holds(found)
        for part in standing_parts(url, found, {name: found["part_hashes"].get(name, "") for name in publication.KEYS})["part_hashes"]:
            assert read_table(table_url(url, TABLES[part]))["number"].tolist() == [found[part]["number"]]
    publish(url, "c", tuple(TABLES), [5.0])
    assert set(require_pairs(url)["part_hashes"]) == set(TABLES)


def analyze(root: str, parts: str, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "jobs.analyze", f"root={root}", "dataset.name=world", "encoder.name=tiny", f"analysis.parts=[{parts}]"]
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_commands_at_once_on_one_root(root: str) -> None:
    """Three processes, each with a Ray of its own, with parts in common and not."""
    write_set(root, "world", *paired_spaces(gap=0.5))  # type: ignore[arg-type]
    running = [
        analyze(root, "gap,cosine"),
        analyze(root, "cosine,retrieval"),
        analyze(root, "spectrum", "analysis.spectrum.collapse_threshold=0.5"),
    ]
    for one in running:
        _, errors = one.communicate(timeout=300)
        assert one.returncode == 0, errors
    folder = f"{root}/analysis/world/tiny"
    found = read_json(f"{folder}/metrics.json")
    assert list(found["part_hashes"]) == ["gap", "cosine", "retrieval", "spectrum"]
    assert list_files(folder, ".parquet") == ["cosine.parquet", "ranks.parquet", "spectra.parquet"]
    for name, entry in found["tables"].items():
        assert is_entry_of(entry, read_bytes(f"{folder}/{name}.parquet"))


def sweep_job(root: str, neighbors: int, distance: float) -> AnalyzeJob:
    return AnalyzeJob(
        root=root,
        dataset=DatasetConfig(name="world"),
        encoder=EncoderConfig(name="tiny"),
        analysis=AnalysisConfig(
            umap=UmapConfig(n_epochs=20, n_neighbors=neighbors, min_dist=distance), clusters=ClustersConfig(min_cluster_size=5)
        ),
    )


def publish_cell(root: str, neighbors: int, distance: float) -> None:
    """As a run that has measured one cell, with the labels 0, 0, 1, 1."""
    job = sweep_job(root, neighbors, distance)
    head = sweep._head(job, EmbeddingSet(root, "world", "tiny"))
    cell = {"n_neighbors": neighbors, "min_dist": distance, "trustworthiness": 0.9}
    table = {"row": np.arange(4), "cluster": np.array([0, 0, 1, 1], np.int32)}
    sweep._publish(f"{root}/analysis/world/tiny", head, {(neighbors, distance): (cell, table)})


def test_cells_of_sweeps_at_once_all_stand_with_their_rows(root: str) -> None:
    write_set(root, "world", *paired_spaces(gap=0.5))  # type: ignore[arg-type]
    keys = [(5, 0.0), (5, 0.5), (12, 0.0), (5, 0.0)]
    finish([SPAWN.Process(target=publish_cell, args=(root, *key)) for key in keys])
    folder = f"{root}/analysis/world/tiny"
    found = read_json(f"{folder}/sweep.json")
    ((name, entry),) = found["files"].items()
    table = read_table(f"{folder}/{name}", entry)
    assert [(cell["n_neighbors"], cell["min_dist"]) for cell in found["cells"]] == sorted(set(keys))
    assert [cell["agreement"] for cell in found["cells"]] == [1.0, 1.0, 1.0]
    assert len(table["row"]) == 4 * 3, "a cell that two runs measured stands once"
    assert list_files(folder, ".parquet") == [name]


def test_a_sweep_does_not_go_on_from_a_table_that_is_not_its_own(tmp_path: Path) -> None:
    write_set(tmp_path, "world", *paired_spaces(gap=0.5))
    publish_cell(str(tmp_path), 5, 0.0)
    folder = tmp_path / "analysis/world/tiny"
    (table,) = folder.glob("sweep.*.parquet")
    first = table.read_bytes()
    publish_cell(str(tmp_path), 12, 0.0)
    (table,) = folder.glob("sweep.*.parquet")
    table.write_bytes(first)
    publish_cell(str(tmp_path), 6, 0.5)
    assert [cell["n_neighbors"] for cell in read_json(str(folder / "sweep.json"))["cells"]] == [6]


def test_a_sweep_of_the_last_version_goes_on(tmp_path: Path) -> None:
    write_set(tmp_path, "world", *paired_spaces(gap=0.5))
    publish_cell(str(tmp_path), 5, 0.0)
    folder = tmp_path / "analysis/world/tiny"
    (table,) = folder.glob("sweep.*.parquet")
    table.rename(folder / "sweep.parquet")
    found = {name: value for name, value in read_json(str(folder / "sweep.json")).items() if name not in ("files", "document_sha256")}
    (folder / "sweep.json").write_text(json.dumps(found))
    publish_cell(str(tmp_path), 12, 0.0)
    assert [cell["n_neighbors"] for cell in read_json(str(folder / "sweep.json"))["cells"]] == [5, 12]
    assert not (folder / "sweep.parquet").exists()


def compared(*encoders: str, seed: int = 0) -> dict[str, Any]:
    entries = [{"a": a, "b": b, "modality": "both", "config_hash": f"{a}{b}"} for a, b in itertools.combinations(encoders, 2)]
    heads = {"schema": 1, "encoders": list(encoders), "config_hash": "".join(encoders) + str(seed), "pooled": {"seed": seed}}
    return {**heads, "comparisons": entries, "notes": []}


def publish_comparison(url: str, encoders: tuple[str, ...]) -> None:
    update_json(url, lambda now: comparisons._joined(now or {}, {}, compared(*encoders)))


def test_comparisons_at_once_all_stand(root: str) -> None:
    url = f"{root}/analysis/d/comparisons.json"
    groups = [("a", "b"), ("c", "d", "e"), ("a", "f")]
    finish([SPAWN.Process(target=publish_comparison, args=(url, group)) for group in groups])
    found = read_json(url)
    expected = [pair for group in groups for pair in itertools.combinations(group, 2)]
    assert sorted((one["a"], one["b"]) for one in found["comparisons"]) == sorted(expected)
    assert sorted([found["encoders"], *(one["encoders"] for one in found["also"])]) == sorted(map(list, groups))


def test_a_comparison_replaces_the_one_that_it_began_with() -> None:
    old, new = compared("a", "b"), compared("c", "d")
    assert comparisons._joined(old, old, new) == new
    assert comparisons._joined(new, old, new) == new, "another run has found the same"
