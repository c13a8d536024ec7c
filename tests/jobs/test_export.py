"""What leaves a root: the very members of the pairs that are kept, and vectors as other tools read them."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bad_shards import good_pairs, picture, write_tar
from loose_pairs import as_folder
from small_rows import identity, unit
from typed import typed

from jobs.exporting.shard import export_shard
from tda.errors import UserError
from tda.store.commit.rows import Rows
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.export.arrays import uids_of
from tda.store.export.records import Export
from tda.store.ingest.sources import open_source
from tda.store.paths import RootPaths
from tda.store.shards import IMAGE_TEXT, check_shard, read_shard
from tda.store.shards.digest import Seen
from tda.store.shards.units.plan import shard_urls
from tda.store.shards.webdataset import RawPair, read_pairs
from tda.store.types import Drop, Reason, Source, Stage


def embed_like(root: Path, name: str, shard: str, url: str, *, keep: slice = slice(None), seed: int = 0) -> None:
    """Record a shard as jobs.embed does, with drawn vectors; pairs outside of `keep` are drops."""
    seen = Seen()
    found = list(read_shard(url, IMAGE_TEXT, max_member_bytes=2**26, max_caption_bytes=2**16, seen=seen))
    pairs: list[Any] = [one for one in found if isinstance(one, RawPair)]
    kept = pairs[keep]
    away = [Drop(one.ordinal, one.key, Stage.DECODE, Reason.IMAGE_TRUNCATED) for one in pairs if one not in kept]
    drops = [one for one in found if isinstance(one, Drop)] + away
    rows = Rows(
        ordinals=[one.ordinal for one in kept],
        keys=[one.key for one in kept],
        captions=[one.caption for one in kept],
        image_ND=unit(len(kept), seed=seed),
        text_ND=unit(len(kept), seed=seed + 1),
    )
    source = replace(check_shard(url, IMAGE_TEXT), sha256=seen.sha256)
    publish_shard(RootPaths(str(root)), name, "e", shard, rows=rows, drops=drops, identity=identity(), source=source)


def members_of(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]  # all are files


@pytest.fixture
def world(tmp_path: Path) -> Path:
    extra = [("000003.cls", b"7"), ("x/left.jpg", picture(9)), ("x/left.json", b'{"caption": "side", "more": 1}'), ("notes.bin", b"\0")]
    twice = [("000001.jpg", picture(50)), ("000001.txt", b"the second of its key")]
    members = [*good_pairs(5), *extra, *twice]
    members.insert(8, members.pop(10))  # 000003.cls beside its pair
    write_tar(tmp_path / "a.tar", members)
    write_tar(tmp_path / "b.tar", good_pairs(3, first=20))
    root = tmp_path / "root"
    embed_like(root, "d", "a", str(tmp_path / "a.tar"), keep=slice(1, None))
    embed_like(root, "d", "b", str(tmp_path / "b.tar"), seed=5)
    return root


def export_of(root: Path, to: Path, kind: str = "webdataset", name: str = "d") -> Export:
    content = EmbeddingSet(str(root), name, "e").digest
    return Export(root=str(root), dataset=name, encoder="e", format=kind, to=str(to), content=content)


def test_tars_hold_the_very_members_of_the_rows(world: Path, tmp_path: Path) -> None:
    export = export_of(world, tmp_path / "out")
    assert [export_shard(export, number) for number in range(2)] == [5, 3]
    before, after = members_of(tmp_path / "a.tar"), members_of(tmp_path / "out" / "a.tar")
    wanted = {f"00000{i}.{end}" for i in range(1, 5) for end in ("jpg", "txt")} | {"000003.cls", "x/left.jpg", "x/left.json"}
    assert set(after) == wanted
    kept = {name: data for name, data in before.items() if name in wanted}
    kept |= {
        f"000001.{end}": data for end, data in (("jpg", dict(good_pairs(5))["000001.jpg"]), ("txt", dict(good_pairs(5))["000001.txt"]))
    }
    assert after == kept
    again = [one for one in read_pairs(str(tmp_path / "out" / "a.tar")) if isinstance(one, RawPair)]
    assert [one.key for one in again] == ["000001", "000002", "000003", "000004", "x/left"]
    assert json.loads((tmp_path / "out" / "a_stats.json").read_text())["successes"] == 5
    first = (tmp_path / "out" / "b.tar").read_bytes()
    assert export_shard(export, 1) == 3
    assert (tmp_path / "out" / "b.tar").read_bytes() == first


def test_a_source_that_changed_or_is_gone_is_named(world: Path, tmp_path: Path) -> None:
    export = export_of(world, tmp_path / "out")
    shutil.copy(tmp_path / "a.tar", tmp_path / "b.tar")
    (tmp_path / "a.tar").unlink()
    gone, other = (str(export_shard(export, number)) for number in range(2))
    assert "missing" in gone
    assert "changed" in other
    assert export.done("a") is None
    assert not (tmp_path / "out" / "b.tar").exists()


def test_units_become_tars_that_read_alike(tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    dataset, root = as_folder(tmp_path / "pics"), tmp_path / "root"
    urls = shard_urls(str(root), dataset)
    for shard, url in urls.items():
        embed_like(root, "f", shard, url)
    export = export_of(root, tmp_path / "out", name="f")
    assert [export_shard(export, number) for number in range(3)] == [3, 3, 1]
    new = [one for shard in urls for one in read_pairs(str(tmp_path / "out" / f"{shard}.tar")) if isinstance(one, RawPair)]
    old = [one for url in urls.values() for one in read_shard(url, IMAGE_TEXT, max_member_bytes=2**26, max_caption_bytes=2**16)]
    assert [(one.image, one.caption) for one in new] == [(one.image, one.caption) for one in old]  # type: ignore[union-attr]  # all are pairs
    (tmp_path / "pics" / "000000.jpg").write_bytes(b"another")
    assert "changed" in str(export_shard(export, 0))


def test_clip_retrieval_folders_and_lists_are_read_back_by_ingest(world: Path, tmp_path: Path) -> None:
    rows = EmbeddingSet(str(world), "d", "e")
    for kind in ("clip_retrieval", "parquet"):
        export = export_of(world, tmp_path / kind, kind)
        assert [export_shard(export, number) for number in range(2)] == [5, 3]
        found = open_source(str(tmp_path / kind))
        image_ND = np.concatenate([batch.image_BD for batch in found.batches()])
        np.testing.assert_array_equal(image_ND.astype(np.float16), rows.image())
        assert [text for batch in found.batches() for text in batch.side["caption"]] == rows.captions()
    assert str(pq.read_schema(tmp_path / "parquet" / "a.parquet").field("image").type) == "list<element: float>"


def test_uids_are_those_of_datacomp() -> None:
    found = uids_of(["00000000000000010000000000000002", "ffffffffffffffff0000000000000000"])
    assert found.dtype == np.dtype("u8,u8")
    assert found.tolist() == [(1, 2), (2**64 - 1, 0)]
    for key in ("12", "g" * 32, "-" + "0" * 31):
        with pytest.raises(UserError, match="32 hexadecimal digits"):
            uids_of([key])


def test_a_folder_of_another_export_is_refused_and_a_damaged_file_is_made_again(world: Path, tmp_path: Path) -> None:
    export = export_of(world, tmp_path / "out")
    export.claim()
    export.claim()
    with pytest.raises(UserError, match="holds another export"):
        replace(export, format="parquet").claim()
    assert export.done("a") is None
    assert export_shard(export, 0) == export.done("a") == 5
    with (tmp_path / "out" / "a.tar").open("ab") as file:
        file.write(b"x")
    assert export.done("a") is None
    for text in ("{", "[]", '{"pairs": "x"}', '{"pairs": 5, "files": {"../a": {"bytes": 1}}}'):
        Path(export.record("a")).write_text(text)
        assert export.done("a") is None


def test_an_ingested_set_has_no_pictures(tmp_path: Path) -> None:
    rows = Rows(ordinals=[0], keys=["k"], captions=["c"], image_ND=unit(1), text_ND=unit(1))
    publish_shard(RootPaths(str(tmp_path)), "d", "e", "0", rows=rows, drops=[], identity=identity(), source=Source("x.npz", 1, ""))
    assert "format=parquet" in str(export_shard(export_of(tmp_path, tmp_path / "out"), 0))


@pytest.mark.long
def test_the_command_as_a_process_of_its_own(world: Path, tmp_path: Path) -> None:
    """Its tasks are of a module that workers import, not of the command's `__main__`."""
    words = ["dataset.name=d", "encoder.name=e", "format=parquet", f"root={world}", f"to={tmp_path / 'out'}", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "jobs.export", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["places"] == [str(tmp_path / "out")]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.parquet")) == ["a.parquet", "b.parquet"]


@pytest.mark.usefixtures("ray_cluster")
def test_the_command_exports_a_view_and_resumes(world: Path, tmp_path: Path) -> None:
    words = ["dataset=files", "dataset.name=d", "encoder.name=e", f"root={world}", f"to={tmp_path / 'out'}", "cluster.cpus_per_actor=0.5"]
    first, again = typed("export", *words), typed("export", *words)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert first.stdout.startswith("export: 8 of 8 pairs of d by e as webdataset to ")
    assert again.stdout.endswith("2 shards (2 done before)\n")
    (tmp_path / "out" / "b.tar").unlink()
    (tmp_path / "b.tar").unlink()
    failed = typed("export", *words)
    assert failed.returncode == 1
    assert "5 of 8 pairs" in failed.stdout
    assert "1 failed: " in failed.stdout
    uids = typed("export", *words, "format=uids")
    assert (uids.returncode, "32 hexadecimal digits" in uids.stderr) == (2, True)
