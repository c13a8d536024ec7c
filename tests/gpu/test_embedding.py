"""Embedding on a CUDA device: the pixels of the CPU's own code, the vectors within 16 bits, the device fed from beside.

B batch, N rows, H x W pixels.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from bad_shards import good_pairs, write_tar

from tda.config.stages import EmbedConfig
from tda.encoders import load
from tda.encoders.base import Encoder
from tda.encoders.images.resize import Frame
from tda.encoders.pipeline.preprocess import FastFeed
from tda.encoders.pipeline.roofline import gemm_rate
from tda.encoders.pipeline.shard import Pipeline, embed_shard

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")]


def encoder(golden: Path, device: str, precision: str) -> Encoder:
    return load("open_clip", str(golden / "openclip_vit_tiny.safetensors"), str(golden / "openclip_vit_tiny.json"), device, precision)


def test_the_device_resizes_to_the_very_bytes_of_the_cpu() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((240, 320), (500, 333), (224, 224), (90, 400))]
    feed = FastFeed(Frame((224, 224), "shortest", "bicubic"), on_device=True)
    on_cpu, on_device = (feed.collate([feed.prepare(image) for image in images], torch.device(name)) for name in ("cpu", "cuda"))
    assert torch.equal(on_cpu, on_device.cpu())


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("bf16", 0.999)])
def test_rows_are_the_cpus_within_the_precision(shared_golden: Path, tmp_path: Path, precision: str, least: float) -> None:
    shard, limits = str(write_tar(tmp_path / "a.tar", good_pairs(70))), EmbedConfig(dtype="float32", batch_size=16)
    wanted = embed_shard(shard, {"tiny": encoder(shared_golden, "cpu", "fp32")}, limits)["tiny"]
    found = embed_shard(shard, {"tiny": encoder(shared_golden, "cuda", precision)}, limits)["tiny"]
    assert found.rows.ordinals == wanted.rows.ordinals
    for column in ("image_ND", "text_ND"):
        assert (getattr(found.rows, column) * getattr(wanted.rows, column)).sum(1).min() > least
    assert found.speed["device_busy"] > 0


def test_the_same_shard_gives_the_same_bytes(shared_golden: Path, tmp_path: Path) -> None:
    shard, tiny = str(write_tar(tmp_path / "a.tar", good_pairs(50))), encoder(shared_golden, "cuda", "bf16")
    pipeline = Pipeline(EmbedConfig(batch_size=16), threads=4)
    first, second = (pipeline.embed_shard(shard, {"tiny": tiny})["tiny"].rows.image_ND for _ in range(2))
    pipeline.close()
    assert first.tobytes() == second.tobytes()


def test_too_large_a_batch_is_halved_until_it_fits(shared_golden: Path, tmp_path: Path) -> None:
    tiny, shard = encoder(shared_golden, "cuda", "fp32"), str(write_tar(tmp_path / "a.tar", good_pairs(64)))
    encode_image = tiny.model.encode_image

    def greedy(pixels_B3HW: torch.Tensor) -> torch.Tensor:
        if len(pixels_B3HW) > 20:
            torch.empty(2**50, dtype=torch.uint8, device="cuda")  # no device has as much: a real error of the allocator
        return encode_image(pixels_B3HW)

    tiny.model.encode_image = greedy
    made = embed_shard(shard, {"tiny": tiny}, EmbedConfig(batch_size=64))["tiny"]
    assert (made.speed["batch_size"], len(made.rows)) == (16, 64)


def test_16_bits_are_faster_than_32() -> None:
    assert gemm_rate(torch.device("cuda"), "bf16") > gemm_rate(torch.device("cuda"), "fp32")
