"""A real run on a cluster of separate processes: commands submitted from another folder with the wheel, root and shards in a bucket."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bad_shards import good_pairs, write_tar
from chaos import wait_for
from faulty_store import Proxy, faulty_store
from ray_nodes import Nodes, ray_nodes
from remote import REPOSITORY, Done, Pages, Submitter, ended, metrics_of, stages_of

from jobs.embed import embed
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import publish_bytes, read_bytes

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}  # 127.0.0.1, the same in IPv6, ::1
PAIRS, SHARDS = 20, 2
DRAWN = set(re.findall(r"ray_lacuna_\w+", (REPOSITORY / "cluster" / "grafana.json").read_text()))


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


@pytest.fixture
def submit(nodes: Nodes, site: Path, tmp_path: Path) -> Submitter:
    return Submitter(nodes, site, tmp_path)


def embed_words(encoder: EncoderConfig, bucket: Proxy, name: str, actors: int = 2) -> list[str]:
    given = [f"dataset.name={name}", f"dataset.shards={bucket.root}/{name}/*.tar", "encoder.name=tiny", f"encoder.config={encoder.config}"]
    small = [f"cluster.actors={actors}", "cluster.cpus_per_actor=0.5", "embed.batch_size=16", "embed.max_drop_fraction=0.5"]
    return ["jobs.embed", *given, f"encoder.checkpoint={encoder.checkpoint}", *small, f"root={bucket.root}/root"]


def test_every_process_listens_on_this_machine_alone(nodes: Nodes) -> None:
    assert nodes.addresses()
    assert nodes.addresses() <= LOOPBACK


def assert_same_vectors(found: EmbeddingSet, wanted: EmbeddingSet) -> None:
    for mine_ND, theirs_ND in zip((found.image(), found.text()), (wanted.image(), wanted.text()), strict=True):
        assert np.array_equal(mine_ND.view(np.uint16), theirs_ND.view(np.uint16))


def test_embed_nearest_dedupe_analyze_watch_report(
    *, submit: Submitter, encoder: EncoderConfig, bucket: Proxy, local: str, nodes: Nodes
) -> None:
    root, pairs = f"{bucket.root}/root", {"ref": "30 of 30", "set": f"{PAIRS * SHARDS + 1} of {PAIRS * SHARDS + 2}"}
    small = [f"root={root}", "cluster.cpus_per_actor=0.5"]
    with Pages(nodes) as pages:
        embedded = submit.together(*(embed_words(encoder, bucket, name, actors) for name, actors in (("ref", 1), ("set", 2))))
        for name, done in zip(pairs, embedded, strict=True):
            assert f"{name} / tiny: {pairs[name]} pairs embedded" in done.stdout
            assert done.stdout.splitlines()[-1].startswith("submit: lacuna-embed-")
        wanted = EmbeddingSet(local, "set", "tiny")
        assert_same_vectors(EmbeddingSet(root, "set", "tiny"), wanted)
        repeated = submit("driver_cpus=0.5", "--", *embed_words(encoder, bucket, "set"))
        assert (repeated.returncode, repeated.stdout.count("is done already")) == (0, 1), repeated.stderr
        pair = ["dataset.name=set", "reference.name=ref", "encoder.name=tiny"]
        publish_bytes(f"{bucket.root}/run/epoch_1.safetensors", Path(str(encoder.checkpoint)).read_bytes())
        watch = submit.watch(*watch_words(encoder, bucket), *small)
        submit.together(["jobs.nearest", *pair, *small])
        submit.together(["jobs.dedupe", *pair, small[0], "dedupe.rule=image", "dedupe.threshold=0.999"])
        parts = "analysis.parts=[gap,retrieval]"
        submit.together(["jobs.analyze", "dataset.name=set-minus-ref", "encoder.name=tiny", parts, *small])
        assert_watched(ended(watch), root, wanted)
        submit.together(["jobs.report", small[0]])
    metrics = json.loads(read_bytes(f"{root}/analysis/set-minus-ref/tiny/metrics.json"))
    assert metrics["pairs"] == PAIRS * SHARDS + 1 - 10
    assert b"<html" in read_bytes(f"{root}/report/index.html")
    assert DRAWN - metrics_of(pages.text) == {"ray_lacuna_train_loss", "ray_lacuna_train_learning_rate"}  # nothing was trained
    stages = {("embed", "embed"), ("nearest", "nearest"), ("analyze", "analyze")}  # dedupe may end before Ray's next report of metrics
    assert stages <= stages_of(pages.text)


def watch_words(encoder: EncoderConfig, bucket: Proxy) -> list[str]:
    words = [
        word
        for word in embed_words(encoder, bucket, "set", 1)
        if not word.startswith(("encoder.checkpoint", "root", "jobs", "cluster.cpus"))
    ]
    named = ["watch.pattern=epoch_{epoch}.safetensors", "watch.settle_seconds=0", "watch.submit=mine", "analysis.parts=[gap]", "once=true"]
    return [*words, f"checkpoints={bucket.root}/run", *named]


def assert_watched(done: Done, root: str, wanted: EmbeddingSet) -> None:
    """The checkpoint was analysed by a job of the cluster: the vectors of a local run, under its step."""
    assert (done.returncode, done.stdout) == (0, "watch tiny: 1 checkpoint, 1 analysed\n"), done.stdout + done.stderr
    assert_same_vectors(EmbeddingSet(root, "set", "tiny@1"), wanted)
    assert json.loads(read_bytes(f"{root}/analysis/set/tiny@1/metrics.json"))["encoder"] == "tiny@1"
    (ledger,) = json.loads(read_bytes(f"{root}/watch/tiny/checkpoints.json"))["checkpoints"]
    assert (ledger["state"], ledger["attempts"]) == ("succeeded", 1)


@pytest.mark.long
def test_every_stage_is_on_the_metrics_page(
    *, submit: Submitter, encoder: EncoderConfig, bucket: Proxy, nodes: Nodes, tmp_path: Path
) -> None:
    """What is left of the stages, and with them all that the dashboard draws."""
    root = f"root={bucket.root}/other"
    row_ND = np.eye(8, dtype=np.float32)
    np.savez(tmp_path / "rows.npz", image=row_ND, text=row_ND)
    publish_bytes(f"{bucket.root}/rows.npz", (tmp_path / "rows.npz").read_bytes())
    model = ["encoder.name=mine", f"encoder.config={encoder.config}", "train.steps=40", "train.batch_size=8", "train.warmup_steps=1"]
    shards = ["dataset=files", "dataset.name=ref", f"dataset.shards={bucket.root}/ref/*.tar"]
    with Pages(nodes) as pages:
        submit.together(
            ["jobs.train", *shards, *model, root, "cluster.cpus_per_actor=0.5"],
            ["jobs.ingest", "dataset.name=rows", "encoder.name=e", f"source={bucket.root}/rows.npz", root],
            [*embed_words(encoder, bucket, "set", 1)[:-1], root],
        )
        submit.together(["jobs.export", "dataset.name=rows", "encoder.name=e", "format=parquet", f"to={bucket.root}/exported", root])
    assert metrics_of(pages.text) >= DRAWN
    assert {("train", "train"), ("ingest", "embed"), ("embed", "embed"), ("export", "export")} <= stages_of(pages.text)


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


def joining(nodes: Nodes, words: list[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    """The command as a driver of this machine that joins the cluster by its address; once it waits for its actors it touches `flag`."""
    command = [sys.executable, "-m", "held_driver", str(folder / "flag"), words[0].removeprefix("jobs."), *words[1:]]
    command += [f"cluster.address=127.0.0.1:{nodes.ports['gcs']}", "cluster.wait_seconds=3"]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "support")])
    (folder / "hold").touch()
    env = {**nodes.environment, "PYTHONPATH": paths, **environment}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_driver_with_a_wrong_token_is_refused(nodes: Nodes, encoder: EncoderConfig, bucket: Proxy, tmp_path: Path) -> None:
    driver = joining(nodes, [*embed_words(encoder, bucket, "set"), "dataset.name=fourth"], tmp_path, RAY_AUTH_TOKEN="0" * 64)
    _, err = driver.communicate(timeout=240)
    address = f"127.0.0.1:{nodes.ports['gcs']}"
    reason = "the token of RAY_AUTH_TOKEN is not its token"
    line = f"lacuna embed: cluster.address={address} cannot be joined: {reason}; cluster=local starts a Ray on this machine\n"
    assert (driver.returncode, err) == (2, line)


def test_detach_attach_stop_and_a_lost_head(
    *, submit: Submitter, encoder: EncoderConfig, bucket: Proxy, nodes: Nodes, tmp_path: Path
) -> None:
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

    driver = joining(nodes, [*words[1:], "dataset.name=third"], tmp_path)
    wait_for(lambda: (tmp_path / "flag").exists() or driver.poll() is not None)
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
    line = f"the head of the cluster at 127.0.0.1:{nodes.ports['gcs']} is lost: no answer for 3 s; "
    assert err.splitlines()[-1].startswith(f"lacuna embed: {line}"), err
    assert err.endswith("; recorded shards are kept; the same command resumes from here\n")
