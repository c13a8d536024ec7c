"""From a bucket to a bucket, with faults on the way: the table of a local run, byte for byte in its vectors, or a named failure."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_shards import good_pairs, write_tar
from faulty_store import Fault, Proxy, faulty_google, faulty_store
from typed import typed

from jobs.embed import embed
from jobs.verify import run as verify
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import VerifyJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import list_files, publish_bytes

SHARDS = 4


@pytest.fixture(scope="module")
def encoder(shared_golden: Path) -> EncoderConfig:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    return EncoderConfig(name="tiny", **{field: str(shared_golden / f"openclip_vit_tiny{end}") for field, end in files.items()})


@pytest.fixture(scope="module")
def local(encoder: EncoderConfig, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:  # noqa: ARG001 (it runs)
    """A folder with four shards, and in `root` what a local run makes of them."""
    folder = tmp_path_factory.mktemp("local")
    for i in range(SHARDS):
        write_tar(folder / f"{i:05d}.tar", good_pairs(20, first=20 * i))
    dataset, limits = DatasetConfig(name="set", shards=str(folder / "*.tar")), EmbedConfig(batch_size=16)
    embed(str(folder / "root"), dataset, [encoder], limits, ClusterConfig(actors=1, cpus_per_actor=0.5))
    return folder


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with faulty_store() as found:
        yield found


@pytest.fixture
def google() -> Iterator[Proxy]:
    with faulty_google() as found:
        yield found


def words(encoder: EncoderConfig, store: Proxy, root: str) -> list[str]:
    given = ["dataset.name=set", f"dataset.shards={store.root}/shards/*.tar", "encoder.name=tiny", f"encoder.config={encoder.config}"]
    return [*given, f"encoder.checkpoint={encoder.checkpoint}", f"root={root}", "cluster.actors=1", "embed.batch_size=16"]


def command(given: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """On a Ray of its own, which has the address and the keys of the store in its environment."""
    return subprocess.run([sys.executable, "-m", "jobs.embed", *given], cwd=cwd, capture_output=True, text=True, check=False)


def upload(local: Path, store: Proxy, shards: int) -> None:
    for path in sorted(local.glob("*.tar"))[:shards]:
        publish_bytes(f"{store.root}/shards/{path.name}", path.read_bytes())


def same_as_local(root: str, local: Path, shards: int) -> None:
    found, wanted, rows = EmbeddingSet(root, "set", "tiny"), EmbeddingSet(str(local / "root"), "set", "tiny"), 20 * shards
    for mine_ND, theirs_ND in zip((found.image(), found.text()), (wanted.image()[:rows], wanted.text()[:rows]), strict=True):
        assert np.array_equal(mine_ND.view(np.uint16), theirs_ND.view(np.uint16))
    columns = ["shard", "ordinal", "key", "caption"]
    assert found.table(columns).equals(wanted.table(columns)[:rows])


def test_from_bucket_to_bucket(encoder: EncoderConfig, local: Path, proxy: Proxy, tmp_path: Path) -> None:
    upload(local, proxy, SHARDS)
    root = f"{proxy.root}/root"

    proxy.faults += [
        Fault("shards/00000.tar", 503, times=2),
        Fault("shards/00000.tar", "reset", "HEAD", times=1),
        Fault("shards/00001.tar", "stall", times=1),
        Fault("shards/00001.tar", "short", times=1),
        Fault("shards/00002.tar", 403),
        Fault("shards/00003.tar", 404, "HEAD"),
        Fault("root/embeddings/set/tiny/00000.parquet", 503, "PUT", times=2),
        Fault("root/embeddings/set/tiny/_records/00001.json", "lost", "PUT", times=1),
    ]
    first = command(words(encoder, proxy, root), tmp_path)
    assert first.returncode == 1, first.stderr
    assert first.stdout.startswith("set / tiny: 40 of 40 pairs embedded, 0 dropped, 2 shards (0 done before); 2 shards failed: ")
    assert f"{proxy.root}/shards/00002.tar (forbidden)" in first.stdout
    assert f"{proxy.root}/shards/00003.tar (missing)" in first.stdout
    assert [fault.part for fault in proxy.faults if fault.times == 0] == [fault.part for fault in proxy.faults if fault.times < 1000]

    proxy.faults.clear()
    second = command(words(encoder, proxy, root), tmp_path)
    assert second.returncode == 0, second.stderr
    assert second.stdout == "set / tiny: 80 of 80 pairs embedded, 0 dropped, 4 shards (2 done before)\n"

    same_as_local(root, local, SHARDS)
    assert list_files(f"{root}/embeddings/set/tiny") == [f"{i:05d}.parquet" for i in range(SHARDS)]
    outcome = verify(VerifyJob(root=root))
    assert (outcome.whole, outcome.line) == (True, f"verify: {root}: 4 shards, 80 rows, 0 dropped: whole and true")


def test_from_googles_store_to_it_with_the_weights_there_too(
    encoder: EncoderConfig, local: Path, google: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    upload(local, google, 2)
    weights = f"{google.root}/tiny.safetensors"
    publish_bytes(weights, Path(str(encoder.checkpoint)).read_bytes())
    google.faults += [
        Fault("tiny.safetensors", "cut", times=1),
        Fault("shards/00000.tar", 503, times=2),
        Fault("shards/00000.tar", "reset", "HEAD", times=1),
        Fault("shards/00001.tar", "short", times=1),
        Fault("root/embeddings/set/tiny/00000.parquet", 429, "PUT", times=2),
        Fault("root/embeddings/set/tiny/00001.parquet", "lost", "PUT", times=1),
        Fault("root/embeddings/set/tiny/_records/00001.json", "lost", "PUT", times=1),
    ]
    root = f"{google.root}/root"
    done = command(words(replace(encoder, checkpoint=weights), google, root), tmp_path)
    assert (done.returncode, done.stdout) == (0, "set / tiny: 40 of 40 pairs embedded, 0 dropped, 2 shards (0 done before)\n"), done.stderr
    assert not any(fault.times for fault in google.faults)
    same_as_local(root, local, 2)
    assert verify(VerifyJob(root=root)).line == f"verify: {root}: 2 shards, 40 rows, 0 dropped: whole and true"


def test_a_bucket_that_may_not_be_written_is_one_line_before_any_actor(encoder: EncoderConfig, proxy: Proxy, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "00000.tar", good_pairs(2))
    publish_bytes(f"{proxy.root}/shards/{path.name}", path.read_bytes())
    proxy.faults.append(Fault("/closed/", 403, "PUT"))
    done = typed("embed", *words(encoder, proxy, f"{proxy.root}/closed"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"lacuna embed: root={proxy.root}/closed cannot be written: ")
