"""A real run on a cluster of separate processes: commands submitted from another folder with the wheel, root and shards in a bucket."""

import json
import re
import signal
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
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set, one pair of which is no picture, and its reference, which repeats ten pairs of it."""
    folder = tmp_path_factory.mktemp("shards")
    for name in ("set", "ref"):
        (folder / name).mkdir()
    for i in range(SHARDS):
        write_tar(folder / "set" / f"{i:05d}.tar", good_pairs(PAIRS, first=PAIRS * i))
    write_tar(folder / "set" / "faulty.tar", [*good_pairs(1, first=500), ("000501.jpg", b"no picture"), ("000501.txt", b"no picture")])
    write_tar(folder / "ref" / "00000.tar", [*good_pairs(10), *good_pairs(PAIRS, first=1000)])
    return folder


@pytest.fixture(scope="module")
def local(shards: Path, encoder: EncoderConfig, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> str:  # noqa: ARG001 (it runs)
    """The root of a local run."""
    root = str(tmp_path_factory.mktemp("local"))
    dataset = DatasetConfig(name="set", shards=str(shards / "set" / "*.tar"))
    embed(root, dataset, [encoder], EmbedConfig(batch_size=16, max_drop_fraction=0.5), ClusterConfig(actors=1, cpus_per_actor=0.5))
    return root


@pytest.fixture(scope="module")
def bucket(shards: Path) -> Iterator[Proxy]:
    with faulty_store() as store:
        for path in sorted(shards.glob("*/*.tar")):
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

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*words), cwd=self.cwd, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


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


def test_embed_nearest_dedupe_analyze_report(*, submit: Submitter, encoder: EncoderConfig, bucket: Proxy, local: str, nodes: Nodes) -> None:
    root = f"root={bucket.root}/root"
    with Pages(nodes) as pages:
        for name, pairs in (("ref", "30 of 30"), ("set", f"{PAIRS * SHARDS + 1} of {PAIRS * SHARDS + 2}")):
            done = submit("--", *embed_words(encoder, bucket, name))
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"{name} / tiny: {pairs} pairs embedded" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("submit: lacuna-embed-")
    found, wanted = EmbeddingSet(f"{bucket.root}/root", "set", "tiny"), EmbeddingSet(local, "set", "tiny")
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


def started(running: subprocess.Popen[str]) -> str:
    """The id of the job that a running command has submitted."""
    assert running.stderr is not None
    line = running.stderr.readline()
    found = re.match(r"lacuna submit: (lacuna-embed-\S+) is submitted: python -m jobs.embed ", line)
    assert found, line + running.stderr.read()
    return found[1]


JOINED = """
import sys, time
from jobs.runtime.session import ray_session
from tda.config.cluster import ClusterConfig
with ray_session(ClusterConfig(address=sys.argv[1], wait_seconds=3)):
    print("joined", flush=True)
    time.sleep(600)
"""


def joined(nodes: Nodes) -> subprocess.Popen[str]:
    """A run that has joined the cluster by its address."""
    words = [sys.executable, "-c", JOINED, f"127.0.0.1:{nodes.ports['gcs']}"]
    environment = {**nodes.environment, "PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "joined\n"
    return running


def test_detach_attach_stop_and_a_lost_head(submit: Submitter, encoder: EncoderConfig, bucket: Proxy, nodes: Nodes) -> None:
    words = ["--", *embed_words(encoder, bucket, "set"), "dataset.name=other"]
    running = submit.start(*words)
    job = started(running)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert f"detached; {job} runs on: " in err
    assert err.count(f"attach={job}") == err.count(f"stop={job}") == 1

    again = submit("--no-wait", *words)
    assert again.returncode == 0, again.stderr
    assert re.search(rf"^submit: {job} is (pending|running)$", again.stdout, re.MULTILINE)
    stopped = submit(f"stop={job}")
    assert (stopped.returncode, stopped.stdout) == (0, f"submit: {job} is stopped\n"), stopped.stderr

    driver = joined(nodes)
    running = submit.start("cluster.wait_seconds=3", *words)
    assert started(running) == f"{job}-2"
    nodes.kill("gcs_server")
    nodes.kill("dashboard")
    _, err = running.communicate(timeout=120)
    assert running.returncode == 1
    waiting, lost = err.splitlines()
    assert waiting.startswith(f"lacuna submit: no Ray cluster answers at {nodes.dashboard}: ")
    assert lost == f"lacuna submit: the head of the cluster is lost: no answer for 3 s; the same command attaches to {job}-2 again"

    out, err = driver.communicate(timeout=60)
    assert (driver.returncode, out) == (1, "")
    gcs = f"127.0.0.1:{nodes.ports['gcs']}"
    assert err.splitlines()[-1] == f"lacuna: the head of the cluster at {gcs} is lost: no answer for 3 s; the same command resumes"
