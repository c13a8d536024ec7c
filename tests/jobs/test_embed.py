"""Shards to embeddings as a command: real pairs, two encoders, resumption, and every mistake in one line.

N rows, D dimensions.
"""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_shards import BAD_PAIRS, bad_files, bad_members, good_pairs, write_tar
from PIL import Image
from safetensors.torch import load_file
from typed import typed

from jobs.embed import embed, embed_sets, run
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import EmbedJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.encoders import load_configured
from tda.encoders.pipeline.shard import embed_shard
from tda.encoders.tokens import HashTokenizer
from tda.errors import UserError
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths


@pytest.fixture(scope="module")
def tiny(shared_golden: Path) -> EncoderConfig:
    return _encoder(shared_golden, "tiny", "openclip_vit_tiny")


@pytest.fixture(scope="module")
def quick(shared_golden: Path) -> EncoderConfig:
    return _encoder(shared_golden, "quick", "openclip_vit_tiny_quickgelu")


def _encoder(folder: Path, name: str, file: str) -> EncoderConfig:
    return EncoderConfig(name=name, config=str(folder / f"{file}.json"), checkpoint=str(folder / f"{file}.safetensors"))


def embed_all(root: Path, shards: object, encoders: list[EncoderConfig], **limits: object) -> Outcome:
    cluster = ClusterConfig(cpus_per_actor=0.5, actors=1)
    return embed(str(root), DatasetConfig(name="set", shards=shards), encoders, EmbedConfig(**limits), cluster)  # type: ignore[arg-type]  # as given


def open_clips_own(shared_golden: Path, shard: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) of images and captions by open_clip's model and transform alone."""
    from open_clip.model import CLIP
    from open_clip.transform import image_transform

    model = CLIP(**json.loads((shared_golden / "openclip_vit_tiny.json").read_text())).eval()
    model.load_state_dict(load_file(shared_golden / "openclip_vit_tiny.safetensors"))
    transform = image_transform(32, is_train=False)
    with tarfile.open(shard) as tar:
        data = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # all are files
    images = [transform(Image.open(BytesIO(data[name]))) for name in sorted(data) if name.endswith(".jpg")]
    captions = [data[name].decode() for name in sorted(data) if name.endswith(".txt")]
    with torch.no_grad():
        image_ND, text_ND = model.encode_image(torch.stack(images)), model.encode_text(HashTokenizer(512, 77)(captions))
    return image_ND.numpy(), text_ND.numpy()


def cosine(x_ND: np.ndarray, y_ND: np.ndarray) -> np.ndarray:
    x_ND, y_ND = x_ND.astype(np.float64), y_ND.astype(np.float64)
    return (x_ND * y_ND).sum(1) / np.linalg.norm(x_ND, axis=1) / np.linalg.norm(y_ND, axis=1)


def words(root: Path, *overrides: str) -> list[str]:
    return ["dataset=files", "dataset.name=coco", "encoder=open_clip", "encoder.name=tiny", f"root={root}", *overrides]


def test_the_command_on_real_pairs(shared_data: Path, shared_golden: Path, tiny: EncoderConfig, tmp_path: Path) -> None:
    overrides = [
        f"dataset.shards={shared_data}/coco100.tar",
        f"encoder.config={tiny.config}",
        f"encoder.checkpoint={tiny.checkpoint}",
    ]
    command = [sys.executable, "-m", "jobs.embed", *words(tmp_path / "root", *overrides)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "coco / tiny: 100 of 100 pairs embedded, 0 dropped, 1 shard (0 done before)\n"), (
        done.stderr
    )
    assert "\x1b" not in done.stderr
    made = EmbeddingSet(str(tmp_path / "root"), "coco", "tiny")
    assert len(made) == 100
    for found_ND, wanted_ND in zip((made.image(), made.text()), open_clips_own(shared_golden, shared_data / "coco100.tar"), strict=True):
        assert cosine(found_ND, wanted_ND).min() > 0.9999
    again = typed("embed", *words(tmp_path / "root", *overrides), cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "coco / tiny: 100 of 100 pairs embedded, 0 dropped, 1 shard (1 done before)\n")


def test_a_mistake_at_the_command_is_one_line(shared_data: Path, tmp_path: Path) -> None:
    mistaken = words(tmp_path / "root", f"dataset.shards={shared_data}/coco100.tar", "encoder.checkpoint=absent.pt")
    done = typed("embed", *mistaken, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("lacuna embed: encoder.checkpoint=")
    assert not (tmp_path / "root").exists()


@pytest.mark.usefixtures("ray_cluster")
def test_bad_input_two_encoders_and_resumption(tiny: EncoderConfig, quick: EncoderConfig, tmp_path: Path) -> None:
    folder, root = tmp_path / "shards", tmp_path / "root"
    folder.mkdir()
    whole = write_tar(folder / "good.tar", good_pairs(30))
    write_tar(folder / "bad.tar", bad_members())
    reasons = bad_files(folder, whole)
    shards = sorted(str(folder / name) for name in {"good.tar", "bad.tar", *reasons})

    first = embed_all(root, shards, [tiny], batch_size=8)
    drops = {key: reason for key, (_, reason) in BAD_PAIRS.items() if reason}
    rows = 30 + len(BAD_PAIRS) - len(drops)
    assert not first.whole
    assert first.line.startswith(f"set / tiny: {rows} of {30 + len(BAD_PAIRS)} pairs embedded, {len(drops)} dropped (")
    assert "image_not_decodable 2" in first.line
    assert ", 2 shards (0 done before); " in first.line
    assert "dropped is more than embed.max_drop_fraction=0.05 allows" in first.line
    assert f"{len(reasons)} shards failed: " in first.line

    paths = RootPaths(str(root))
    kept = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("tiny/**/*") if path.is_file()}
    (folder / "page.tar").write_bytes(write_tar(tmp_path / "mended.tar", good_pairs(5, first=100)).read_bytes())
    second = embed_all(root, shards, [tiny, quick], batch_size=8, max_drop_fraction=0.9)
    assert not second.whole
    assert f"set / tiny, quick: {rows + 5} of " in second.line
    assert "3 shards (0 done before)" in second.line
    assert f"{len(reasons) - 1} shards failed: " in second.line
    assert "max_drop_fraction" not in second.line
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept} == kept

    for encoder in ("tiny", "quick"):
        records = recorded(paths, "set", encoder)
        assert records.keys() == {"good", "bad", "page"}
        assert all(record.rows_in == record.rows_out + sum(record.drops.values()) for record in records.values())
        quarantine = read_quarantine(paths, "set", encoder).to_pylist()
        assert {row["key"]: row["reason"] for row in quarantine} == drops
        assert len(EmbeddingSet(str(root), "set", encoder)) == rows + 5
    tiny_ND, quick_ND = (EmbeddingSet(str(root), "set", encoder).image() for encoder in ("tiny", "quick"))
    assert 0.9 < cosine(tiny_ND, quick_ND).min() < 0.99999


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As an actor of one core has it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_three_formats_from_one_decode_are_three_runs(shared_data: Path, shared_golden: Path, tmp_path: Path) -> None:
    formats = {"open_clip": "openclip_vit_tiny.safetensors", "cloob_official": "cloob_rn_tiny.pt", "cloob_laion": "cloob_laion_tiny.pkl"}
    encoders = [
        EncoderConfig(name=name, format=name, checkpoint=str(shared_golden / file), config=str(shared_golden / f"{Path(file).stem}.json"))
        for name, file in formats.items()
    ]
    shard = str(shared_data / "coco100.tar")
    assert embed_all(tmp_path, shard, encoders).whole
    for encoder in encoders:
        assert len(EmbeddingSet(str(tmp_path), "set", encoder.name)) == 100
        require_same_as_alone(tmp_path, "set", encoder, shard)


def require_same_as_alone(root: Path, dataset: str, encoder: EncoderConfig, shard: str) -> None:
    """The data set has the rows, to the bit, that its one shard has when nothing else goes on."""
    made = EmbeddingSet(str(root), dataset, encoder.name)
    alone = embed_shard(shard, {encoder.name: load_configured(encoder, "cpu")}, EmbedConfig())[encoder.name].rows
    assert np.array_equal(made.image(), alone.image_ND)
    assert np.array_equal(made.text(), alone.text_ND)
    for column in ("ordinal", "key", "caption"):
        assert made.table([column])[column].to_pylist() == list(getattr(alone, f"{column}s"))


@pytest.mark.usefixtures("ray_cluster", "one_thread")
def test_several_sets_are_embedded_by_the_same_actors(tiny: EncoderConfig, tmp_path: Path) -> None:
    """Each set is reported on its own, and is what it would be alone."""
    write_tar(tmp_path / "a.tar", good_pairs(6))
    write_tar(tmp_path / "b.tar", good_pairs(9, first=50))
    (tmp_path / "c.tar").write_text("<html>")
    sets = {"one": ["a"], "two": ["b", "c"]}
    datasets = [DatasetConfig(name=name, shards=[str(tmp_path / f"{stem}.tar") for stem in stems]) for name, stems in sets.items()]
    cluster = ClusterConfig(cpus_per_actor=0.5, actors=1)
    one, two = embed_sets(str(tmp_path / "together"), datasets, [tiny], EmbedConfig(), cluster)
    line = "one / tiny: 6 of 6 pairs embedded, 0 dropped, 1 shard (0 done before)"
    assert one == Outcome(whole=True, line=line, numbers={"drop_fraction": 0.0, "failed": 0})
    assert not two.whole
    assert two.line.startswith("two / tiny: 9 of 9 pairs embedded, 0 dropped, 1 shard (0 done before); 1 shard failed: ")
    for name, stem in (("one", "a"), ("two", "b")):
        require_same_as_alone(tmp_path / "together", name, tiny, str(tmp_path / f"{stem}.tar"))


@pytest.mark.usefixtures("ray_cluster")
def test_a_checkpoint_of_another_model_is_the_users_mistake(tiny: EncoderConfig, quick: EncoderConfig, tmp_path: Path) -> None:
    config = json.loads(Path(str(tiny.config)).read_text())
    (tmp_path / "wide.json").write_text(json.dumps({**config, "embed_dim": 64}))
    shard = write_tar(tmp_path / "a.tar", good_pairs(2))
    wide = EncoderConfig(name="wide", config=str(tmp_path / "wide.json"), checkpoint=tiny.checkpoint)
    with pytest.raises(UserError, match=r"openclip_vit_tiny\.safetensors does not fit the configured model") as caught:
        embed_all(tmp_path / "root", str(shard), [quick, wide])
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "root").rglob("*.parquet"))


def test_mistakes_before_any_actor(tiny: EncoderConfig, tmp_path: Path) -> None:
    shard = str(write_tar(tmp_path / "a.tar", good_pairs(1)))
    for message, shards, encoders in (
        ("matches no shard", str(tmp_path / "{00..09}.tar"), [tiny]),
        ("absent.safetensors", shard, [EncoderConfig(name="x", config=tiny.config, checkpoint="absent.safetensors")]),
        ("absent.json", shard, [EncoderConfig(name="x", config="absent.json", checkpoint=tiny.checkpoint)]),
        ("encoders name 'tiny' twice", shard, [tiny, tiny]),
        ("encoder.name is missing", shard, [EncoderConfig(name="")]),
        ("encoder.name='a/b'", shard, [EncoderConfig(name="a/b", config=tiny.config, checkpoint=tiny.checkpoint)]),
    ):
        with pytest.raises(UserError) as caught:
            embed_all(tmp_path / "root", shards, encoders)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "root").exists()


def test_a_root_that_cannot_be_written_is_refused(tiny: EncoderConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    shard = write_tar(tmp_path / "a.tar", good_pairs(1))
    with pytest.raises(UserError, match="cannot be written"):
        embed_all(tmp_path / "file" / "root", str(shard), [tiny])


def test_an_unknown_preset_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder=nope is unknown; choose one of: .*clip_vitb16_laion400m"):
        run(EmbedJob(root=str(tmp_path), dataset=DatasetConfig(name="set", shards="x"), encoders=["nope"]))
