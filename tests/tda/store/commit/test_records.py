import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_rows import SOURCE, drop, identity, small_rows

from tda.errors import LacunaError, ShardError, UserError
from tda.store.commit.records import ShardRecord, check_identity, claim_identity, publish_record, read_record, recorded, recorded_shards
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths


def publish(paths: RootPaths, shard: str = "00000") -> ShardRecord:
    return publish_shard(
        paths,
        "d",
        "e",
        shard,
        rows=small_rows(4),
        drops=[drop(4)],
        identity=identity(),
        source=SOURCE,
        seconds={"read": 0.5},
        speed={"binds": "read"},
    )


def test_a_record_says_all_that_was_done(tmp_path: Path) -> None:
    record = publish(RootPaths(str(tmp_path)))
    stored = json.loads((tmp_path / "embeddings/d/e/_records/00000.json").read_text())
    assert stored["source"] == {"path": "/data/00000.tar", "size": 10_240, "etag": "etag", "sha256": None}
    assert (stored["rows_in"], stored["rows_out"], stored["drops"]) == (5, 4, {"missing_caption": 1})
    assert stored["output"]["bytes"] == (tmp_path / "embeddings/d/e/00000.parquet").stat().st_size
    assert (stored["config_hash"], stored["weights_sha256"]) == (identity().config_hash, "w")
    assert (stored["seconds"].keys(), stored["seconds"]["read"], stored["speed"]) == ({"read", "write"}, 0.5, {"binds": "read"})
    assert stored["attempt"] == 1
    assert stored["code_version"]
    assert read_record(RootPaths(str(tmp_path)), "d", "e", "00000") == record


def test_records_are_found_by_shard_in_order(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    assert recorded(paths, "d", "e") == {}
    records = {shard: publish(paths, shard) for shard in ("00002", "00000", "00001")}
    assert recorded_shards(paths, "d", "e") == ["00000", "00001", "00002"]
    assert list(recorded(paths, "d", "e").items()) == sorted(records.items())


def test_a_ledger_that_does_not_close_is_no_record(tmp_path: Path) -> None:
    record = publish(RootPaths(str(tmp_path)))
    with pytest.raises(AssertionError, match="ledger"):
        replace(record, rows_in=6)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 99}', b'{"schema": 1, "dataset": 1, "more": 2}'])
def test_a_spoilt_record_is_named(tmp_path: Path, content: bytes) -> None:
    paths = RootPaths(str(tmp_path))
    publish(paths)
    (tmp_path / "embeddings/d/e/_records/00000.json").write_bytes(content)
    with pytest.raises(ShardError, match=r"shard 00000: bad_record"):
        recorded(paths, "d", "e")
    with pytest.raises(ShardError, match=r"not_recorded"):
        read_record(paths, "d", "e", "00001")


def test_another_content_under_the_same_name_is_refused_with_both_hashes(tmp_path: Path) -> None:
    paths, other = RootPaths(str(tmp_path)), identity(weights="other")
    check_identity(paths, "d", "e", other)
    publish_record(paths, publish(paths))
    check_identity(paths, "d", "e", identity())
    with pytest.raises(UserError, match=f"{identity().config_hash}.*{other.config_hash}"):
        check_identity(paths, "d", "e", other)


def test_identity_is_content_and_not_a_name() -> None:
    one = identity()
    assert replace(one, encoder="renamed").config_hash == one.config_hash
    assert (
        replace(one, preprocessing=dict(reversed({"a": 1, "b": 2}.items()))).config_hash
        == replace(one, preprocessing={"a": 1, "b": 2}).config_hash
    )
    changed = [
        replace(one, weights_sha256="v"),
        replace(one, preprocessing={}),
        replace(one, dtype="float32"),
        replace(one, modalities=("a", "b")),
    ]
    assert len({other.config_hash for other in [one, *changed]}) == 5


def test_the_first_publication_takes_the_folder_and_later_ones_are_held_to_it(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    other = replace(identity(), weights_sha256="v")
    publish(paths)
    claim_identity(paths, "d", "e", identity())
    with pytest.raises(UserError, match=rf"holds vectors of config {identity().config_hash}, not of {other.config_hash}"):
        claim_identity(paths, "d", "e", other)
    claim_identity(paths, "d", "f", other)


def test_a_folder_of_the_last_version_is_claimed_by_its_records(tmp_path: Path) -> None:
    paths, claim = RootPaths(str(tmp_path)), tmp_path / "embeddings/d/e/_identity.json"
    publish(paths)
    claim.unlink()
    with pytest.raises(UserError, match="holds vectors of config"):
        claim_identity(paths, "d", "e", replace(identity(), weights_sha256="v"))
    assert not claim.exists()
    claim_identity(paths, "d", "e", identity())
    assert json.loads(claim.read_text()) == {"config_hash": identity().config_hash}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null"])
def test_a_damaged_claim_is_named(tmp_path: Path, content: str) -> None:
    paths, claim = RootPaths(str(tmp_path)), tmp_path / "embeddings/d/e/_identity.json"
    publish(paths)
    claim.write_text(content)
    with pytest.raises(LacunaError, match=r"_identity\.json is damaged: remove it"):
        claim_identity(paths, "d", "e", identity())


def test_of_two_that_began_on_an_empty_folder_with_other_weights_one_commits(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    identities = [replace(identity(), weights_sha256=f"{i}") for i in range(8)]

    def attempt(number: int) -> str:
        try:
            with_rows = {"rows": small_rows(4), "drops": [], "identity": identities[number], "source": SOURCE}
            return publish_shard(paths, "d", "e", f"{number:05d}", **with_rows).config_hash
        except UserError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        hashes = {found for found in pool.map(attempt, range(8)) if found}
    assert len(hashes) == 1
    assert {record.config_hash for record in recorded(paths, "d", "e").values()} == hashes


@pytest.mark.parametrize(
    "damage",
    [
        {"output": {"file": "../../../victim.parquet"}},
        {"output": {"file": "00001.parquet"}},
        {"output": {"file": "/etc/passwd"}},
        {"output": {"file": "00000.parquet/../../x.parquet"}},
        {"output": {"file": None}},
        {"output": []},
        {"quarantine": {"file": "../x.parquet"}},
        {"replaces": ["../../d2/e/00000.parquet"]},
        {"replaces": [7]},
        {"replaces": "00000.parquet"},
        {"shard": "../00000"},
        {"shard": ["00000"]},
        {"drops": [["missing_caption", 1]]},
    ],
)
def test_a_record_names_files_of_its_own_shard_alone(tmp_path: Path, damage: dict[str, Any]) -> None:
    paths, path = RootPaths(str(tmp_path)), tmp_path / "embeddings/d/e/_records/00000.json"
    publish(paths)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(ShardError, match=r"^shard 00000: bad_record") as refused:
        read_record(paths, "d", "e", "00000")
    assert "\n" not in str(refused.value)


def test_json_nested_beyond_measure_is_no_record(tmp_path: Path) -> None:
    publish(RootPaths(str(tmp_path)))
    (tmp_path / "embeddings/d/e/_records/00000.json").write_text("[" * 100_000)
    with pytest.raises(ShardError, match="bad_record"):
        read_record(RootPaths(str(tmp_path)), "d", "e", "00000")
