"""Pairs a second of `jobs.embed` beside what it is built of, and beside its rivals, on the same shards with the same small model.

python tests/bench/embed.py [--pairs 600] [--turns 3] [--only lacuna bare ...]
python tests/bench/embed.py --parts        a real image's decoding and resizing alone, in milliseconds of one CPU

bare: the model alone, on tensors that are decoded already. clip_retrieval: clip-retrieval's `clip_inference`, as it is published, in an
environment of its own. ray_data: Ray Data's `read_webdataset` and `map_batches` with open_clip, likewise. The environments are made once,
under the system's temporary folder (`LACUNA_BENCH_ENVS` names another place); a rival that cannot be installed is named and left out.
Rates leave out starting Ray and loading the model. The last lines are two encoders in one pass against two passes, where decoding binds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve()
SHARED = HERE.parents[2].parent / "shared"
ENVS = Path(os.environ.get("LACUNA_BENCH_ENVS", Path(tempfile.gettempdir()) / "lacuna-bench-envs"))
# OpenAI's package asks for pkg_resources, which later setuptools lack
PACKAGES = {"clip_retrieval": ("clip-retrieval", "setuptools<81"), "ray_data": ("ray[data]", "webdataset", "open-clip-torch")}
CONTESTANTS = ("lacuna", "bare", "bare_uncut", "clip_retrieval", "ray_data")
BATCH = 64
MODEL = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 6, "width": 384, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 4},
}


def write_inputs(folder: Path, pairs: int, shards: int = 3) -> None:
    """Shards of the hundred real pairs over and over, under keys of their own, and the model with random weights."""
    import torch

    from tda.encoders.formats.open_clip import build

    with tarfile.open(SHARED / "data" / "coco100.tar") as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar if member.name.endswith((".jpg", ".txt"))]  # type: ignore[union-attr]  # files
    (folder / "shards").mkdir()
    for shard in range(shards):
        with tarfile.open(folder / "shards" / f"{shard:05d}.tar", "w") as out:
            for number in range(pairs // shards):
                for name, data in members[2 * (number % 100) : 2 * (number % 100) + 2]:
                    info = tarfile.TarInfo(f"{shard:05d}{number:05d}{Path(name).suffix}")
                    info.size = len(data)
                    out.addfile(info, BytesIO(data))
    (folder / "configs").mkdir()
    (folder / "configs" / "bench-small.json").write_text(json.dumps(MODEL))
    torch.manual_seed(0)
    torch.save(build(MODEL).state_dict(), folder / "model.pt")


def lacuna(folder: Path) -> float:
    """Seconds from the first shard's first byte to the last record."""
    from jobs.embed import embed
    from tda.config.cluster import ClusterConfig
    from tda.config.datasets import DatasetConfig
    from tda.config.models import EncoderConfig
    from tda.config.stages import EmbedConfig
    from tda.store.commit.records import recorded
    from tda.store.paths import RootPaths

    root = tempfile.mkdtemp(dir=folder)
    encoder = EncoderConfig(name="small", config=str(folder / "configs/bench-small.json"), checkpoint=str(folder / "model.pt"))
    dataset = DatasetConfig(name="bench", shards=str(folder / "shards/*.tar"))
    outcome = embed(root, dataset, [encoder], EmbedConfig(batch_size=BATCH), ClusterConfig(actors=1, cpus_per_actor=2))
    assert outcome.whole, outcome.line
    records = recorded(RootPaths(root), "bench", "small").values()
    written = [(Path(root) / f"embeddings/bench/small/_records/{record.shard}.json").stat().st_mtime for record in records]
    begun = [end - record.seconds["span"] - record.seconds["write"] for end, record in zip(written, records, strict=True)]
    print(json.dumps([{**record.speed, **record.seconds} for record in records][-1]), file=sys.stderr)
    return max(written) - min(begun)


def _count(shard: Path) -> int:
    with tarfile.open(shard) as tar:
        return len(tar.getnames()) // 2


def bare(folder: Path, *, cut: bool = True) -> float:
    """The towers on one batch of decoded pixels and tokens, as often as there are batches; `cut`: our text tower, else open_clip's."""
    import torch
    from PIL import Image

    from tda.encoders import load

    torch.set_num_threads(2)
    encoder = load("open_clip", str(folder / "model.pt"), str(folder / "configs/bench-small.json"), "auto", "auto")
    if not cut:
        encoder.model = encoder.model.clip
    with tarfile.open(folder / "shards/00000.tar") as tar:
        found = [(member.name, tar.extractfile(member).read()) for member in list(tar)[: 2 * BATCH]]  # type: ignore[union-attr]  # files
    pixels_B3HW = torch.stack(
        [encoder.preprocess(Image.open(BytesIO(data)).convert("RGB")) for name, data in found if name.endswith("jpg")]
    )
    tokens_BL = encoder.tokenize([data.decode() for name, data in found if name.endswith("txt")])
    encoder.encode_image(pixels_B3HW[:2])
    left = sum(_count(path) for path in (folder / "shards").glob("*.tar"))
    start = time.perf_counter()
    while left > 0:
        for features_BD in (encoder.encode_image(pixels_B3HW[:left]), encoder.encode_text(tokens_BL[:left])):
            features_BD.cpu()
        left -= BATCH
    return time.perf_counter() - start


CLIP_RETRIEVAL = """
import sys, time, json, pathlib, glob
import open_clip
folder, out = sys.argv[1:]
open_clip.add_model_config(folder + "/configs")
from clip_retrieval.clip_inference import main as entry, reader, writer
began, ended = [], []
own, flush = reader.WebdatasetReader.__iter__, writer.NumpyWriter.flush
def iterate(self):
    began.append(time.time())
    yield from own(self)
def flushed(self):
    flush(self)
    ended.append(time.time())
reader.WebdatasetReader.__iter__, writer.NumpyWriter.flush = iterate, flushed
shards = sorted(glob.glob(folder + "/shards/*.tar"))
entry.main(input_dataset="{" + ",".join(shards) + "}" if len(shards) > 1 else shards[0], output_folder=out, input_format="webdataset",
           batch_size=%d, num_prepro_workers=2, clip_model="open_clip:bench-small/" + folder + "/model.pt", use_jit=False)
print("\\nseconds", max(ended) - min(began), flush=True)
"""

RAY_DATA = """
import sys, time, json, glob, io, os
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray, numpy as np
folder, out = sys.argv[1:]
ray.init(address="local", include_dashboard=False, log_to_driver=False, object_store_memory=500_000_000)
def prepared(row):
    from PIL import Image
    import open_clip
    global transform, tokenizer
    if "transform" not in globals():
        from open_clip.transform import image_transform
        transform, tokenizer = image_transform(224, is_train=False), open_clip.get_tokenizer("ViT-B-32")
    return {"pixels": transform(Image.open(io.BytesIO(row["jpg"]))).numpy(), "tokens": tokenizer([row["txt"].decode()])[0].numpy()}
class Model:
    def __init__(self):
        import open_clip, torch
        open_clip.add_model_config(folder + "/configs")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = open_clip.create_model("bench-small", pretrained=folder + "/model.pt").eval().to(self.device)
    def __call__(self, batch):
        import torch
        pixels, tokens = (torch.from_numpy(batch[name]).to(self.device) for name in ("pixels", "tokens"))
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            image, text = self.model.encode_image(pixels, normalize=True), self.model.encode_text(tokens, normalize=True)
        return {name: x.float().cpu().numpy().astype(np.float16) for name, x in (("image", image), ("text", text))}
class Timed(Model):
    def __init__(self):
        super().__init__()
        open(out + ".began", "a").write(f"{time.time()}\\n")
data = ray.data.read_webdataset(sorted(glob.glob(folder + "/shards/*.tar")), decoder=None)
gpus = int(ray.cluster_resources().get("GPU", 0) > 0)
data.map(prepared).map_batches(Timed, batch_size=%d, concurrency=1, num_gpus=gpus).write_parquet(out)
print("\\nseconds", time.time() - float(open(out + ".began").readline()), flush=True)
"""
RIVALS = {"clip_retrieval": CLIP_RETRIEVAL, "ray_data": RAY_DATA}


def environment(name: str) -> Path:
    """The rival's own Python, made where it is not there yet. Raises CalledProcessError, which says why not."""
    folder = ENVS / name
    if not (folder / "made").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True, capture_output=True, text=True
        )
        subprocess.run(
            [*uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *PACKAGES[name]],
            check=True,
            capture_output=True,
            text=True,
        )
        (folder / "made").touch()
    return folder / "bin/python"


def seconds(name: str, folder: Path) -> float:
    """Of one contestant in a process of its own. Raises CalledProcessError."""
    if name in RIVALS:
        out = tempfile.mkdtemp(dir=folder)
        words = [str(environment(name)), "-c", RIVALS[name] % BATCH, str(folder), f"{out}/made"]
    else:
        words = [sys.executable, str(HERE), "--contestant", name, "--folder", str(folder)]
    away = {"OMP_NUM_THREADS": "2", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **away}, cwd=folder, timeout=900)
    (reported,) = (line for line in done.stdout.splitlines() if line.startswith("seconds "))  # among what libraries say
    return float(reported.split()[1])


def shared_decode(folder: Path, turns: int) -> tuple[float, float]:
    """Seconds of two tiny models in one pass, and of two passes, by the same pipeline; medians of interleaved turns."""
    from tda.config.stages import EmbedConfig
    from tda.encoders import load
    from tda.encoders.pipeline.shard import Pipeline

    golden = SHARED / "golden"
    names = {"tiny": "openclip_vit_tiny", "quick": "openclip_vit_tiny_quickgelu"}
    encoders = {
        short: load("open_clip", str(golden / f"{long}.safetensors"), str(golden / f"{long}.json"), "cpu") for short, long in names.items()
    }
    pipeline, shard = Pipeline(EmbedConfig(batch_size=BATCH)), str(folder / "shards/00000.tar")
    ways: dict[str, list[dict[str, Any]]] = {"one": [encoders], "two": [{name: encoder} for name, encoder in encoders.items()]}
    found: dict[str, list[float]] = {"one": [], "two": []}
    pipeline.embed_shard(shard, encoders)
    for _ in range(turns):
        for way, passes in ways.items():
            start = time.perf_counter()
            for models in passes:
                pipeline.embed_shard(shard, models)
            found[way].append(time.perf_counter() - start)
    return statistics.median(found["one"]), statistics.median(found["two"])


def parts() -> None:
    """CPU time of decoding and resizing the hundred real images, the least of three turns."""
    from PIL import Image

    from tda.encoders.formats.open_clip import OPENAI_MEAN, OPENAI_STD, image_transform
    from tda.encoders.images.resize import frame_of
    from tda.encoders.pipeline.preprocess import ExactFeed, FastFeed
    from tda.store.images.decode import decode_pixels, decode_rgb

    with tarfile.open(SHARED / "data" / "coco100.tar") as tar:
        jpegs = [tar.extractfile(member).read() for member in tar if member.name.endswith(".jpg")]  # type: ignore[union-attr]  # files
    image = {"size": 224, "resize_mode": "shortest", "interpolation": "bicubic", "mean": OPENAI_MEAN, "std": OPENAI_STD}
    pixels, transform, frame = [decode_pixels(jpeg, 10**8) for jpeg in jpegs], image_transform(image), frame_of(image)
    assert frame is not None
    exact, fast = ExactFeed(image, transform.transforms[:-2]), FastFeed(frame, on_device=False)
    ways: dict[str, tuple[Any, list[Any]]] = {
        "decode, Pillow": (lambda jpeg: np_of(decode_rgb(jpeg, 10**8)), jpegs),
        "decode, ours": (lambda jpeg: decode_pixels(jpeg, 10**8), jpegs),
        "open_clip's transform": (lambda x: transform(Image.fromarray(x)), pixels),
        "resize=exact, to 8 bits": (exact.prepare, pixels),
        "resize=fast, to 8 bits": (fast.prepare, pixels),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(3):
        for name, (way, items) in ways.items():
            start = time.process_time()
            for item in items:
                way(item)
            least[name] = min(least[name], (time.process_time() - start) / len(items))
    for name, value in least.items():
        print(f"{name:<26}{value * 1000:6.2f} ms")


def np_of(image: Any) -> Any:
    import numpy as np

    return np.array(image)


def compare(folder: Path, pairs: int, turns: int, names: list[str]) -> None:
    took: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(turns):
        for name in list(took):
            try:
                took[name].append(seconds(name, folder))
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                reported = str(error.stderr or error).strip().splitlines()[-3:]
                print(f"{name} is left out: {' | '.join(reported)}")
                del took[name]
    table = Table(title=f"{pairs} pairs, batches of {BATCH}, on {_machine()}, median of {turns} interleaved turns")
    for heading in ("", "seconds", "pairs/s", "lacuna's rate to it"):
        table.add_column(heading, justify="right" if heading else "left")
    middle = {name: statistics.median(values) for name, values in took.items()}
    for name, value in middle.items():
        ratio = statistics.median(other / own for other, own in zip(took[name], took["lacuna"], strict=False)) if "lacuna" in took else 0.0
        table.add_row(name, f"{value:.1f}", f"{pairs / value:.1f}", f"{ratio:.2f}")
    Console(width=100).print(table)


def _machine() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPUs in float32"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--contestant", choices=CONTESTANTS[:3])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--parts", action="store_true")
    given = parser.parse_args()
    if given.parts:
        parts()
        return
    if given.contestant:
        run = {"lacuna": lacuna, "bare": bare, "bare_uncut": lambda folder: bare(folder, cut=False)}[given.contestant]
        print("seconds", run(given.folder))
        return
    with tempfile.TemporaryDirectory() as temporary:
        write_inputs(Path(temporary), given.pairs)
        compare(Path(temporary), given.pairs, given.turns, given.only)
        one, two = shared_decode(Path(temporary), given.turns)
    print(f"two encoders, {given.pairs // 3} pairs: one pass {one:.2f} s, two passes {two:.2f} s, ratio {one / two:.2f} (target: 0.65)")


if __name__ == "__main__":
    main()
