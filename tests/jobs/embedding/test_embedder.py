"""The actor's class in this process: shards in flight, what records and metrics tell, and a device that is lost."""

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import ray.util.metrics
from bad_shards import good_pairs, write_tar

from jobs.embedding.embedder import EXIT_DEVICE_LOST, Embedder, EmbedPlan, ShardTask
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.encoders import describe
from tda.encoders.pipeline.errors import DeviceLostError
from tda.errors import ShardError
from tda.store.commit.records import Identity, recorded_shards

MODALITIES = ("image", "text")


class Exported:
    """Stands for Ray's metrics, which only a worker can export: what every metric was reported, by name and tags."""

    def __init__(self) -> None:
        self.values: dict[str, dict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))

    def metric(self, kind: str) -> Any:
        exported = self

        class Metric:
            def __init__(self, name: str, description: str, *others: Any) -> None:
                assert description
                self.name, self.keys = name, others[-1]

            def _tell(self, value: float, tags: dict[str, str], *, add: bool) -> None:
                assert tuple(tags) == tuple(self.keys)
                values = exported.values[self.name]
                values[tuple(tags.values())] = value + (values[tuple(tags.values())] if add else 0)

            def inc(self, value: float, tags: dict[str, str]) -> None:
                assert kind == "Counter"
                assert value > 0
                self._tell(value, tags, add=True)

            def set(self, value: float, tags: dict[str, str]) -> None:
                assert kind == "Gauge"
                self._tell(value, tags, add=False)

            def observe(self, value: float, tags: dict[str, str]) -> None:
                assert kind == "Histogram"
                self._tell(value, tags, add=True)

        return Metric


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    exported = Exported()
    for kind in ("Counter", "Gauge", "Histogram"):
        monkeypatch.setattr(ray.util.metrics, kind, exported.metric(kind))
    return exported


@pytest.fixture
def embedder(shared_golden: Path, tmp_path: Path) -> Embedder:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    config = EncoderConfig(name="tiny", **{field: str(shared_golden / f"openclip_vit_tiny{end}") for field, end in files.items()})
    limits = EmbedConfig(batch_size=4)
    sha256, preprocessing = describe(config, limits.resize)
    identity = Identity(encoder="tiny", weights_sha256=sha256, preprocessing=preprocessing, dtype="float16", modalities=MODALITIES)
    plan = EmbedPlan(
        root=str(tmp_path / "root"),
        encoders={"tiny": config},
        identities={"tiny": identity},
        modalities=MODALITIES,
        limits=limits,
        device="cpu",
        threads=1,
        decode_threads=2,
    )
    return Embedder(plan)


def task(folder: Path, name: str, pairs: int) -> ShardTask:
    return ShardTask("set", name, str(write_tar(folder / f"{name}.tar", good_pairs(pairs))), ("tiny",))


def test_two_shards_at_once_are_reported_in_their_records_and_metrics(embedder: Embedder, exported: Exported, tmp_path: Path) -> None:
    tasks, records = [task(tmp_path, "a", 6), task(tmp_path, "b", 9)], {}
    workers = [threading.Thread(target=lambda one=one: records.update({one.name: embedder.embed(one, 1)})) for one in tasks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert embedder.still_for() == 0.0
    for name, pairs in (("a", 6), ("b", 9)):
        (record,) = records[name]
        assert (record.shard, record.rows_in, record.rows_out) == (name, pairs, pairs)
        assert {"read", "decode", "resize", "batch", "encode", "write", "wait", "span"} <= record.seconds.keys()
        assert record.speed.keys() == {"pairs_per_second", "device_busy", "roofline", "binds", "decode_threads", "batch_size"}
    values = exported.values
    assert values["lacuna_embed_pairs_total"] == {("set", "tiny"): 15}
    assert values["lacuna_embed_batch_pairs"] == {("set", "tiny"): 4}
    spans = sum(records[name][0].seconds["span"] for name in "ab")
    assert values["lacuna_embed_stage_seconds_total"]["set", "tiny", "span"] == pytest.approx(spans)
    assert values["lacuna_embed_shard_seconds"]["set", "tiny"] == pytest.approx(spans)
    assert 0 < values["lacuna_embed_device_busy_ratio"]["set", "tiny"] <= 1
    assert values["lacuna_embed_roofline_ratio"]["set", "tiny"] > 0
    assert "lacuna_embed_dropped_pairs_total" not in values


@pytest.mark.usefixtures("exported")
def test_the_way_of_resizing_is_part_of_the_identity(embedder: Embedder) -> None:
    config = embedder.plan.encoders["tiny"]
    reported = {way: describe(config, way)[1] for way in ("fast", "exact")}
    assert {way: preprocessing["resize"] for way, preprocessing in reported.items()} == {"fast": "fast", "exact": "exact"}


@pytest.mark.usefixtures("exported")
def test_a_lost_device_ends_the_process(embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    class Lost:
        def embed_shard(self, *_: Any, **__: Any) -> None:
            raise DeviceLostError("tiny: RuntimeError: CUDA error: an illegal memory access was encountered")

    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr("os._exit", end)
    one = task(tmp_path, "a", 2)
    embedder._model("tiny")
    embedder._pipeline = Lost()
    with pytest.raises(SystemExit) as caught:
        embedder.embed(one, 1)
    assert caught.value.code == EXIT_DEVICE_LOST
    assert capfd.readouterr().err == f"{one.url}: tiny: RuntimeError: CUDA error: an illegal memory access was encountered\n"


@pytest.mark.usefixtures("exported")
def test_a_shard_that_is_written_while_it_is_read_is_a_mixture(embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard, read = write_tar(tmp_path / "torn.tar", good_pairs(4)), embedder._made

    def torn(*given: Any) -> dict[str, Any]:
        made = read(*given)
        write_tar(shard, good_pairs(9, first=40))
        return made

    task = ShardTask("set", "torn", str(shard), ("tiny",))
    monkeypatch.setattr(embedder, "_made", torn)
    with pytest.raises(ShardError, match=r"changed.*while it was read: \d+ bytes, .*; then \d+ bytes.*Run again when it is written"):
        embedder.embed(task, 1)
    assert not recorded_shards(embedder.paths, "set", "tiny")
    monkeypatch.undo()
    (record,) = embedder.embed(task, 2)
    assert record.rows_out == 9
