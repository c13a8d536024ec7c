"""A recorded shard is its content, not its name: what is embedded, refused, redone or trusted when shards change or move."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_shards import good_pairs, write_tar

from jobs.embed import embed
from jobs.embedding.changed_shards import SourceCheck
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.errors import UserError
from tda.store.commit.records import publish_record, read_record, recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths

pytestmark = pytest.mark.usefixtures("ray_cluster")
PAIRS = 6


@pytest.fixture(scope="module")
def encoder(shared_golden: Path) -> EncoderConfig:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    return EncoderConfig(name="tiny", **{field: str(shared_golden / f"openclip_vit_tiny{end}") for field, end in files.items()})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(3):
        write_tar(folder / f"{i:05d}.tar", good_pairs(PAIRS, first=PAIRS * i))
    return folder


def run(root: Path, data: Path, encoder: EncoderConfig, **limits: Any) -> Outcome:
    dataset = DatasetConfig(name="set", shards=str(data / "*.tar"))
    cluster = ClusterConfig(actors=1, cpus_per_actor=0.5)
    return embed(str(root), dataset, [encoder], EmbedConfig(batch_size=16, **limits), cluster)


def images(root: Path) -> Any:
    return EmbeddingSet(str(root), "set", "tiny").image()


def replace_shard(data: Path, *, first: int, count: int = PAIRS) -> None:
    """Other pictures under the same name; of the same number of bytes where `count` is the same and sizes are made equal."""
    write_tar(data / "00001.tar", good_pairs(count, first=first))


def test_a_shard_replaced_in_place_is_refused_redone_or_trusted(tmp_path: Path, data: Path, encoder: EncoderConfig) -> None:
    root = tmp_path / "root"
    assert run(root, data, encoder).whole
    before, record = images(root), recorded(RootPaths(str(root)), "set", "tiny")["00001"]
    assert len(str(record.source["sha256"])) == 64
    replace_shard(data, first=70, count=PAIRS + 40)
    with pytest.raises(UserError, match=r"00001\.tar has changed since it was embedded: \d+ bytes then, \d+ now; embed\.changed=redo"):
        run(root, data, encoder)
    assert np.array_equal(images(root), before)
    trusted = run(root, data, encoder, changed="trust")
    assert trusted.whole
    assert np.array_equal(images(root), before)
    redone = run(root, data, encoder, changed="redo")
    assert redone.line.endswith("3 shards (2 done before)")
    assert f"{3 * PAIRS + 40} of {3 * PAIRS + 40} pairs embedded" in redone.line
    fresh = tmp_path / "fresh"
    run(fresh, data, encoder)
    assert np.array_equal(images(root), images(fresh))
    assert run(root, data, encoder).line.endswith("3 shards (3 done before)")


def test_another_folder_of_the_same_names_is_another_data_set(tmp_path: Path, data: Path, encoder: EncoderConfig) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    for i in range(3):
        write_tar(other / f"{i:05d}.tar", good_pairs(PAIRS, first=100 + PAIRS * i))
    run(root, data, encoder)
    with pytest.raises(UserError, match=r"of dataset\.name=set was embedded from .*/data/00000\.tar, now it is .*/other/00000\.tar"):
        run(root, other, encoder)
    with pytest.raises(UserError, match=r"has changed since it was embedded"):
        run(root, other, encoder, moved=True)


def test_moved_shards_are_known_by_time_or_digest_and_read_once(tmp_path: Path, data: Path, encoder: EncoderConfig) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    run(root, data, encoder)
    data.rename(other)
    assert run(root, other, encoder).line.endswith("(3 done before)")  # size and time are the same
    copied = tmp_path / "copied"
    shutil.copytree(other, copied, copy_function=shutil.copy)
    with pytest.raises(UserError, match=r"embed\.moved=true if the same shards were moved"):
        run(root, copied, encoder)
    assert run(root, copied, encoder, moved=True).line.endswith("(3 done before)")
    assert all(record.source["path"].startswith(f"{copied}/") for record in recorded(RootPaths(str(root)), "set", "tiny").values())
    assert run(root, copied, encoder).whole  # the new place is on record


def test_the_same_size_and_another_time_is_decided_by_the_digest(
    tmp_path: Path, data: Path, encoder: EncoderConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    run(root, data, encoder)
    os.utime(data / "00001.tar", (1, 1))
    assert run(root, data, encoder).line.endswith("(3 done before)")
    assert "1 shard of another place or time of change compared by digest" in capsys.readouterr().err
    run(root, data, encoder)
    assert "digest" not in capsys.readouterr().err
    content = bytearray((data / "00001.tar").read_bytes())
    at = content.index(b"picture number")
    content[at : at + 7] = b"pictogr"
    (data / "00001.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"00001\.tar has changed since it was embedded: as many bytes, but others"):
        run(root, data, encoder)


def test_records_of_the_last_version_have_no_digest_and_pass_with_a_line(
    tmp_path: Path, data: Path, encoder: EncoderConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    run(root, data, encoder)
    paths = RootPaths(str(root))
    for record in recorded(paths, "set", "tiny").values():
        del record.source["sha256"]
        publish_record(paths, record)
    (root / "embeddings/set/tiny/_identity.json").unlink()
    os.utime(data / "00002.tar", (1, 1))
    assert run(root, data, encoder).whole
    assert "1 shard of the same size but another time of change taken as unchanged: no digest on record" in capsys.readouterr().err


def test_shards_that_are_gone_stay_done(tmp_path: Path, data: Path, encoder: EncoderConfig) -> None:
    root = tmp_path / "root"
    run(root, data, encoder)
    kept: list[str] = []
    check = SourceCheck(
        RootPaths(str(root)), {f"{i:05d}": str(tmp_path / f"{i:05d}.tar") for i in range(3)}, EmbedConfig(), lambda r: kept.append(r.shard)
    )
    assert check.run("set", "tiny") == []
    assert kept == ["00000", "00001", "00002"]


def test_redo_keeps_the_record_until_the_new_one_stands(tmp_path: Path, data: Path, encoder: EncoderConfig) -> None:
    root, paths = tmp_path / "root", RootPaths(str(tmp_path / "root"))
    run(root, data, encoder)
    old = read_record(paths, "set", "tiny", "00001")
    (data / "00001.tar").write_bytes((data / "00001.tar").read_bytes()[:-600])
    assert not run(root, data, encoder, changed="redo").whole
    assert read_record(paths, "set", "tiny", "00001") == old
    assert len(images(root)) == 3 * PAIRS


def test_other_members_of_the_same_shards_are_refused_redone_or_trusted(tmp_path: Path, encoder: EncoderConfig) -> None:
    """Pictures and captions of other names are other pairs, though the shard is the same."""
    root, tar = str(tmp_path / "root"), tmp_path / "x.tar"
    write_tar(tar, [member for number in range(3) for member in (*_named(number, "input"), *_named(number + 10, "edited"))])

    def by(word: str | None, changed: str = "refuse") -> Outcome:
        members = None if word is None else {"image": [f"{word}.jpg"], "caption": [f"{word}.txt", "json:TEXT"]}
        limits, cluster = EmbedConfig(batch_size=4, changed=changed), ClusterConfig(actors=1, cpus_per_actor=0.5)
        return embed(root, DatasetConfig(name="set", shards=str(tar), members=members), [encoder], limits, cluster)

    def captions() -> list[str]:
        return [str(caption) for caption in EmbeddingSet(root, "set", "tiny").table(["caption"])["caption"]]

    assert by("input").whole
    assert read_record(RootPaths(root), "set", "tiny", "x").source["members"] == {
        "image": ["input.jpg"],
        "caption": ["input.txt", "json:TEXT"],
    }
    assert captions() == ["input 0", "input 1", "input 2"]
    assert by("input").whole
    for word, now in (("edited", r"dataset\.members=\{image: \[edited\.jpg\], caption"), (None, r"no dataset\.members")):
        with pytest.raises(UserError, match=rf"was embedded with dataset\.members=\{{image: \[input\.jpg\].*, and the command has {now}"):
            by(word)
    assert by("edited", "trust").whole
    assert captions() == ["input 0", "input 1", "input 2"]
    assert by("edited", "redo").whole
    assert captions() == ["edited 10", "edited 11", "edited 12"]


def _named(number: int, word: str) -> list[tuple[str, bytes]]:
    (_, image), _ = good_pairs(1, first=number)
    return [(f"{number}.{word}.jpg", image), (f"{number}.{word}.txt", f"{word} {number}".encode())]
