from pathlib import Path

from small_rows import SOURCE, drop, identity, small_rows

from tda.store.commit.quarantine import count_reasons, read_quarantine
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Drop, Reason, Stage


def publish(paths: RootPaths, shard: str, drops: list[Drop]) -> None:
    kept = [ordinal for ordinal in range(8) if ordinal not in {drop.ordinal for drop in drops}]
    rows = small_rows(len(kept), ordinals=kept)
    publish_shard(paths, "d", "e", shard, rows=rows, drops=drops, identity=identity(), source=SOURCE)


def test_drops_are_kept_with_their_reason_in_order(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    publish(paths, "00000", [drop(7), Drop(2, "caf\udce9", Stage.DECODE, Reason.IMAGE_TRUNCATED, "x" * 1000)])
    publish(paths, "00001", [drop(0)])
    publish(paths, "00002", [drop(0)])
    publish(paths, "00003", [])
    (tmp_path / "embeddings/d/e/_records/00002.json").unlink()  # not recorded, so not there
    rows = read_quarantine(paths, "d", "e").to_pylist()
    assert [(row["shard"], row["ordinal"], row["stage"], row["reason"]) for row in rows] == [
        ("00000", 2, "decode", "image_truncated"),
        ("00000", 7, "read", "missing_caption"),
        ("00001", 0, "read", "missing_caption"),
    ]
    assert rows[0]["key"] == "caf\\udce9"
    assert len(rows[0]["detail"]) == 300
    assert read_quarantine(paths, "d", "e", "00001").num_rows == 1
    assert read_quarantine(paths, "d", "e", "00003").num_rows == 0


def test_without_drops_there_is_no_file_not_even_an_old_one(tmp_path: Path) -> None:
    paths, folder = RootPaths(str(tmp_path)), tmp_path / "quarantine/d/e"
    publish(paths, "0", [drop(0)])
    assert [path.name for path in folder.iterdir()] == ["0.parquet"]
    (tmp_path / "embeddings/d/e/_records/0.json").unlink()
    publish(paths, "0", [])
    assert list(folder.iterdir()) == []
    assert read_quarantine(paths, "d", "e").num_rows == 0


def test_counts_by_reason() -> None:
    assert count_reasons([drop(0), drop(1), drop(2, Reason.BAD_MEMBER)]) == {"bad_member": 1, "missing_caption": 2}
