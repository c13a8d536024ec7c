"""Metrics of embedding, which a Ray cluster exports to Prometheus: few names, few tags.

| name | kind | tags |
|---|---|---|
| lacuna_embed_pairs_total, lacuna_embed_dropped_pairs_total | counter | dataset, encoder |
| lacuna_embed_stage_seconds_total | counter | dataset, encoder, stage |
| lacuna_embed_shard_seconds | histogram: the span of a shard on its device | dataset, encoder |
| lacuna_embed_device_busy_ratio, lacuna_embed_roofline_ratio, lacuna_embed_batch_pairs | gauge: of the last shard | dataset, encoder |
"""

from typing import Any

from tda.store.commit.records import ShardRecord

BOUNDARIES = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]  # seconds of a shard
_TAGS = ("dataset", "encoder")


class EmbedMetrics:
    """Made at the first record, in a process that Ray runs."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def count(self, record: ShardRecord) -> None:
        """Count a shard that has been recorded."""
        metrics, tags = self._metrics(), {"dataset": record.dataset, "encoder": record.encoder}
        _count(metrics["pairs"], record.rows_in, tags)
        _count(metrics["dropped"], record.rows_in - record.rows_out, tags)
        for stage, seconds in record.seconds.items():
            _count(metrics["stage"], seconds, {**tags, "stage": stage})
        metrics["shard"].observe(record.seconds.get("span", 0.0), tags)
        for name in ("device_busy", "roofline", "batch_size"):
            if name in record.speed:
                metrics[name].set(record.speed[name], tags)

    def _metrics(self) -> dict[str, Any]:
        if not self._made:
            from ray.util.metrics import Counter, Gauge, Histogram

            staged = (*_TAGS, "stage")
            self._made = {
                "pairs": Counter("lacuna_embed_pairs_total", "Pairs read, dropped ones included", _TAGS),
                "dropped": Counter("lacuna_embed_dropped_pairs_total", "Pairs that were not embedded", _TAGS),
                "stage": Counter("lacuna_embed_stage_seconds_total", "Seconds by stage; stages overlap", staged),
                "shard": Histogram("lacuna_embed_shard_seconds", "Seconds of a shard on its device", BOUNDARIES, _TAGS),
                "device_busy": Gauge("lacuna_embed_device_busy_ratio", "Share of the time that the device was busy", _TAGS),
                "roofline": Gauge("lacuna_embed_roofline_ratio", "Share of the device's matrix rate that the models' work made", _TAGS),
                "batch_size": Gauge("lacuna_embed_batch_pairs", "Pairs of a batch", _TAGS),
            }
        return self._made


def _count(counter: Any, value: float, tags: dict[str, str]) -> None:
    if value > 0:  # Ray refuses to count nothing
        counter.inc(value, tags)
