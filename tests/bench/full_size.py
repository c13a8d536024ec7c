"""Every model of the paper at its full size, with random weights in the layout of the original, from its preset to recorded rows.

python tests/bench/full_size.py [PRESET ...] embeds ../shared/data/coco100.tar (CARP: its captions, two by two) and prints, for each
preset, the parameters, the size of the checkpoint, the pairs embedded and the seconds of encoding. Needs 3 GB of disk for CARP-L.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from jobs.runtime.presets import load_choice
from tda.config.models import EncoderConfig
from tda.encoders.formats import carp, cloob_laion, openai
from tda.encoders.formats import open_clip as clip
from tda.encoders.weights.local_copy import read_config
from tda.store.commit.records import recorded
from tda.store.paths import RootPaths

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
PRESETS = ("clip_vitb16_laion400m", "clip_vitb16_openai", "clip_rn50_openai", "cloob_vitb16_laion400m", "rn50_infoloob_hopfield", "carp_l")
TEXT_TOWER = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")


def built(preset: EncoderConfig) -> nn.Module:
    """The preset's architecture with random weights."""
    torch.manual_seed(0)
    if preset.pretrained:
        return clip.build(clip.registered(preset.config, preset.pretrained)["model_cfg"])
    config = read_config(preset.config)
    if preset.format == "cloob_laion":
        return cloob_laion.build(config)
    return carp.build(config) if preset.format == "carp" else openai.model_of(openai.Sizes(**config))


def write_checkpoint(preset: EncoderConfig, model: nn.Module, folder: Path) -> list[str]:
    """Save the weights as the preset's format has them; the overrides that name the files."""
    path, state = folder / f"{preset.name}.pt", model.state_dict()
    if preset.format == "cloob_laion":
        path = path.with_suffix(".safetensors")  # what upstream's pickle is converted to
        save_file(state, path)
    elif preset.format == "cloob_official":
        nested = {f"transformer.{key}" if key.startswith(TEXT_TOWER) else key: value for key, value in state.items()}
        nested["logit_inv_tau"] = nested.pop("logit_scale")
        torch.save({"epoch": 1, "state_dict": {f"module.{key}": value for key, value in nested.items()}}, path)
    else:
        torch.save(state, path)
    overrides = [f"encoder.checkpoint={path}", "encoder.sha256=null"]
    return [*overrides, f"encoder.tokenizer={write_roberta(folder / 'roberta')}"] if preset.format == "carp" else overrides


def write_roberta(folder: Path) -> Path:
    """A byte-level vocabulary of roberta-large's size."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    words = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values()]
    words += [f"<unused{i}>" for i in range(50_264 - len(words))] + ["<mask>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def data_set(preset: EncoderConfig, shard: Path, folder: Path) -> list[str]:
    """The overrides of the data set: the shard itself, or its captions as pairs of texts."""
    if preset.format != "carp":
        return ["dataset.name=coco", f"dataset.shards={shard}"]
    with tarfile.open(shard) as tar:
        texts = [tar.extractfile(member).read().decode() for member in tar if member.name.endswith(".txt")]  # type: ignore[union-attr]  # files
    pairs = [{"passage": one, "review": other} for one, other in zip(texts[::2], texts[1::2], strict=True)]
    (folder / "captions.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return ["dataset.name=captions", "dataset.modalities=[passage,review]", f"dataset.shards={folder}/captions.jsonl"]


def embed(name: str, shard: Path) -> dict[str, Any]:
    """Build, save, embed by the command; what the record says. Raises CalledProcessError if the command fails."""
    preset = load_choice("encoder", name, "unused")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = built(preset)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        overrides = [*write_checkpoint(preset, model, folder), *data_set(preset, shard, folder)]
        size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix in (".pt", ".safetensors"))
        del model
        words = [sys.executable, "-m", "jobs.embed", "dataset=files", f"encoder={name}", "embed.batch_size=25", f"root={folder}/root"]
        line = subprocess.run([*words, *overrides], check=True, stdout=subprocess.PIPE, text=True).stdout
        (record,) = recorded(RootPaths(f"{folder}/root"), "captions" if preset.format == "carp" else "coco", name).values()
    return {"parameters": parameters, "gigabytes": size / 1e9, "rows": record.rows_out, "seconds": record.seconds["encode"], "line": line}


def main() -> None:
    shard = SHARED / "data" / "coco100.tar"
    if not shard.is_file():
        sys.exit(f"{shard} is not there")
    for name in sys.argv[1:] or PRESETS:
        found = embed(name, shard)
        reported = (
            f"{found['parameters']:>13,} parameters {found['gigabytes']:5.2f} GB {found['rows']:4} rows {found['seconds']:6.1f} s encoding"
        )
        print(f"{name:<24}{reported}", flush=True)


if __name__ == "__main__":
    main()
