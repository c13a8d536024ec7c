"""A real run on a cluster of separate processes: commands submitted from another folder with the wheel, root and shards in a bucket."""

import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import yaml
from bad_shards import good_pairs, write_tar
from faulty_store import Proxy, faulty_store
from ray_nodes import Nodes, ray_nodes

from jobs.embed import embed
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import publish_bytes, read_bytes

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}  # 127.0.0.1, the same in IPv6, ::1
PAIRS, SHARDS = 20, 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, REPOSITORY], check=True)
    with zipfile.ZipFile(next(folder.glob("lacuna-*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def encoder(shared_golden: Path) -> EncoderConfig:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    return EncoderConfig(name="tiny", **{name: str(shared_golden / f"openclip_vit_tiny{end}") for name, end in files.items()})


@pytest.fixture(scope="module")
def local(encoder: EncoderConfig, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:  # noqa: ARG001 (it runs)
    """Shards of a set and of its reference, which repeats ten pairs of it; in `root` the embeddings of a local run."""
    folder = tmp_path_factory.mktemp("local")
    for name in ("set", "ref"):
        (folder / name).mkdir()
    for i in range(SHARDS):
        write_tar(folder / "set" / f"{i:05d}.tar", good_pairs(PAIRS, first=PAIRS * i))
    write_tar(folder / "set" / "faulty.tar", [*good_pairs(1, first=500), ("000501.jpg", b"no picture"), ("000501.txt", b"no picture")])
    write_tar(folder / "ref" / "00000.tar", [*good_pairs(10), *good_pairs(PAIRS, first=1000)])
    for name in ("set", "ref"):
        dataset = DatasetConfig(name=name, shards=str(folder / name / "*.tar"))
        embed(
            str(folder / "root"),
            dataset,
            [encoder],
            EmbedConfig(batch_size=16, max_drop_fraction=0.5),
            ClusterConfig(actors=1, cpus_per_actor=0.5),
        )
    return folder


@pytest.fixture(scope="module")
def bucket(local: Path) -> Iterator[Proxy]:
    with faulty_store() as store:
        for path in sorted(local.glob("*/*.tar")):
            publish_bytes(f"{store.root}/{path.parent.name}/{path.name}", path.read_bytes())
        yield store


@pytest.fixture(scope="module")
def nodes(bucket: Proxy) -> Iterator[Nodes]:  # noqa: ARG001 (its address and keys are in the environment of every node)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LACUNA_STORE_TIMEOUT", "60")
        with ray_nodes(workers=2, cpus=2) as cluster:
            yield cluster


class Submitter:
    """`python -m jobs.submit` of the installed wheel, in a folder where nothing is."""

    def __init__(self, nodes: Nodes, site: Path, cwd: Path) -> None:
        self.nodes, self.cwd = nodes, cwd
        self.environment = {**nodes.environment, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "jobs.submit", f"cluster.dashboard={self.nodes.dashboard}", "poll_seconds=0.3", *words]

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**self.environment, **environment}
        return subprocess.run(self.words(*words), cwd=self.cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def submit(nodes: Nodes, site: Path, tmp_path: Path) -> Submitter:
    return Submitter(nodes, site, tmp_path)


def embed_words(encoder: EncoderConfig, bucket: Proxy, name: str) -> list[str]:
    given = [f"dataset.name={name}", f"dataset.shards={bucket.root}/{name}/*.tar", "encoder.name=tiny", f"encoder.config={encoder.config}"]
    small = ["cluster.actors=2", "cluster.cpus_per_actor=0.5", "embed.batch_size=16", "embed.max_drop_fraction=0.5"]
    return ["jobs.embed", *given, f"encoder.checkpoint={encoder.checkpoint}", *small, f"root={bucket.root}/root"]


class Pages:
    """The metrics pages of all nodes, read as long as the block runs."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes, self.text, self._end = nodes, "", threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._end.wait(0.5):
            self.text += "\n".join(line for line in self.nodes.page().splitlines() if "lacuna" in line)


def test_every_process_listens_on_this_machine_alone(nodes: Nodes) -> None:
    assert nodes.addresses()
    assert nodes.addresses() <= LOOPBACK


def assert_metrics_are_there(page: str) -> None:
    """Every metric that the dashboard draws is on the page, and the PodMonitor keeps all of Lacuna's."""
    there = {line.split("{")[0] for line in page.splitlines() if line and not line.startswith("#")}
    drawn = set(re.findall(r"ray_lacuna_\w+", (REPOSITORY / "cluster" / "grafana.json").read_text()))
    assert len(drawn) >= 7
    assert drawn <= there
    monitor = yaml.safe_load((REPOSITORY / "cluster" / "kubernetes" / "podmonitor.yaml").read_text())
    ((rule,),) = [endpoint["metricRelabelings"] for endpoint in monitor["spec"]["podMetricsEndpoints"]]
    assert (rule["action"], rule["sourceLabels"]) == ("keep", ["__name__"])
    assert all(re.fullmatch(rule["regex"], name) for name in there if "lacuna" in name and not name.startswith("ray_tasks"))


def test_embed_nearest_dedupe_analyze_report(
    *, submit: Submitter, encoder: EncoderConfig, bucket: Proxy, local: Path, nodes: Nodes
) -> None:
    root = f"root={bucket.root}/root"
    with Pages(nodes) as pages:
        for name, pairs in (("ref", "30 of 30"), ("set", f"{PAIRS * SHARDS + 1} of {PAIRS * SHARDS + 2}")):
            done = submit("--", *embed_words(encoder, bucket, name))
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"{name} / tiny: {pairs} pairs embedded" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("submit: lacuna-embed-")
    found, wanted = EmbeddingSet(f"{bucket.root}/root", "set", "tiny"), EmbeddingSet(str(local / "root"), "set", "tiny")
    for mine_ND, theirs_ND in zip((found.image(), found.text()), (wanted.image(), wanted.text()), strict=True):
        assert np.array_equal(mine_ND.view(np.uint16), theirs_ND.view(np.uint16))

    repeated = submit("--", *embed_words(encoder, bucket, "set"))
    assert (repeated.returncode, repeated.stdout.count("is done already")) == (0, 1), repeated.stderr
    pair = ["dataset.name=set", "reference.name=ref", "encoder.name=tiny", root]
    small = ["analysis.parts=[gap,retrieval]", "cluster.cpus_per_actor=0.5"]
    for words in (
        ["jobs.nearest", *pair, "cluster.cpus_per_actor=0.5"],
        ["jobs.dedupe", *pair, "dedupe.rule=image", "dedupe.threshold=0.999"],
        ["jobs.analyze", "dataset.name=set-minus-ref", "encoder.name=tiny", *small, root],
        ["jobs.report", root],
    ):
        done = submit("--", *words)
        assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"
    metrics = json.loads(read_bytes(f"{bucket.root}/root/analysis/set-minus-ref/tiny/metrics.json"))
    assert metrics["pairs"] == PAIRS * SHARDS + 1 - 10
    assert b"<html" in read_bytes(f"{bucket.root}/root/report/index.html")
    assert_metrics_are_there(pages.text)


def test_a_wrong_token_is_called_by_its_name(submit: Submitter) -> None:
    done = submit("--", "jobs.report", "root=/tmp/none", RAY_AUTH_TOKEN="0" * 64)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"lacuna submit: the token of RAY_AUTH_TOKEN is not the token of the cluster at {submit.nodes.dashboard}\n"
