"""`replay=true`: pairs leave quarantine when what kept them out is gone, and nothing else is touched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_shards import good_pairs, picture, write_tar

from jobs.embed import embed
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.encoders import load_configured
from tda.encoders.pipeline.shard import embed_shard
from tda.errors import UserError
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths

pytestmark = pytest.mark.usefixtures("ray_cluster")
LARGE = {3: "large", 6: "also_large"}  # ordinal -> key


def write_shard(path: Path) -> Path:
    """Eight pairs: two are large pictures, one has no caption."""
    members = list(good_pairs(5))
    members[6:6] = [("large.jpg", picture(50, size=(200, 180))), ("large.txt", b"a large picture")]
    members += [("also_large.jpg", picture(51, size=(190, 200))), ("also_large.txt", b"another"), ("mute.jpg", picture(52))]
    return write_tar(path, members)


@pytest.fixture
def encoder(shared_golden: Path) -> EncoderConfig:
    files = {"config": ".json", "checkpoint": ".safetensors"}
    return EncoderConfig(name="tiny", **{field: str(shared_golden / f"openclip_vit_tiny{end}") for field, end in files.items()})


def embed_all(root: Path, encoder: EncoderConfig, *, replay: bool = False, **limits: Any) -> Outcome:
    dataset, allowed = DatasetConfig(name="set", shards=str(root.parent / "*.tar")), EmbedConfig(max_drop_fraction=0.2, **limits)
    return embed(str(root), dataset, [encoder], allowed, ClusterConfig(cpus_per_actor=0.5, actors=1), replay=replay)


def stamped(root: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def test_from_quarantine_to_rows(encoder: EncoderConfig, tmp_path: Path) -> None:
    root, paths = tmp_path / "root", RootPaths(str(tmp_path / "root"))
    write_shard(tmp_path / "a.tar")
    write_tar(tmp_path / "b.tar", good_pairs(4, first=90))
    first = embed_all(root, encoder, max_pixels=10_000)
    assert first.line.startswith("set / tiny: 9 of 12 pairs embedded, 3 dropped (image_too_large 2, missing_caption 1), 2 shards")
    assert not first.whole, "3 of 12 is more than a fifth"
    before, image_ND = stamped(root), EmbeddingSet(str(root), "set", "tiny").image()

    assert not embed_all(root, encoder, replay=True, max_pixels=10_000).whole
    assert stamped(root) == before, "what fails as it did changes nothing"

    again = embed_all(root, encoder, replay=True)
    assert again.whole
    assert again.line == "set / tiny: 11 of 12 pairs embedded, 1 dropped (missing_caption 1), 2 shards (1 done before)"
    after = stamped(root)
    assert {name for name in before if before[name] != after.get(name)} == {
        "embeddings/set/tiny/a.parquet",
        "embeddings/set/tiny/_records/a.json",
        "quarantine/set/tiny/a.parquet",
    }, "and the other shard is left alone"
    assert recorded(paths, "set", "tiny")["a"].attempt == 2
    assert read_quarantine(paths, "set", "tiny")["key"].to_pylist() == ["mute"]

    found, model = EmbeddingSet(str(root), "set", "tiny"), {"tiny": load_configured(encoder, "cpu")}
    wanted = [embed_shard(str(tmp_path / f"{shard}.tar"), model, EmbedConfig())["tiny"].rows for shard in ("a", "b")]
    assert found.table(["shard"])["shard"].to_pylist() == ["a"] * 7 + ["b"] * 4
    for column in ("ordinal", "key", "caption", "width", "height"):
        assert found.table([column])[column].to_pylist() == [value for shard in wanted for value in getattr(shard, f"{column}s")]
    old = [i for i in range(11) if i not in LARGE]
    assert np.array_equal(found.image()[old].view(np.uint16), image_ND.view(np.uint16)), "rows that were there keep their bytes"
    clean_ND = np.concatenate([shard.image_ND for shard in wanted])
    assert np.allclose(found.image().astype(np.float32), clean_ND.astype(np.float32), atol=2e-3)


def test_another_shard_under_the_name_and_shards_that_were_never_embedded(encoder: EncoderConfig, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_shard(tmp_path / "a.tar")
    embed_all(root, encoder, max_pixels=10_000)
    before = stamped(root)
    members = list(good_pairs(7))
    write_tar(tmp_path / "a.tar", members)
    write_tar(tmp_path / "b.tar", good_pairs(2))
    with pytest.raises(UserError, match=r"a\.tar has changed since it was embedded"):
        embed_all(root, encoder, replay=True)
    outcome = embed_all(root, encoder, replay=True, changed="trust")
    assert not outcome.whole
    assert "a.tar (changed)" in outcome.line or "a (changed)" in outcome.line
    assert "1 not embedded yet, which replay=true does not do" in outcome.line
    assert stamped(root) == before
