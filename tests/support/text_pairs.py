"""Data sets of two texts a pair in every container, a tokenizer to read them, and every fault of their rows."""

import json
from pathlib import Path
from typing import Any

from bad_shards import Members

MODALITIES = ("passage", "review")


def story(i: int) -> dict[str, str]:
    return {"passage": f"Once, in year {i}, a fox crossed river number {i * 7 % 13}.", "review": f"The {i}th fox needs a reason to cross."}


def write_lines(path: Path, rows: list[Any]) -> Path:
    """JSONL; bytes are written as they are."""
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    return path


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    return path


def members(rows: list[dict[str, str]]) -> Members:
    for i, row in enumerate(rows):
        for modality in MODALITIES:
            yield f"{i:09d}.{modality}.txt", row[modality].encode()


# what is written as a line -> the reason of its drop
BAD_LINES: list[tuple[bytes, str]] = [
    (b'{"passage": "cut in the mid\n', "bad_row"),
    (b"null\n", "bad_row"),
    (b'["a", "list"]\n', "bad_row"),
    (b'{"passage": "alone"}\n', "missing_caption"),
    (b'{"passage": null, "review": "alone"}\n', "missing_caption"),
    (b'{"passage": 3, "review": "a number"}\n', "missing_caption"),
    (b'{"passage": " ", "review": "nothing to review"}\n', "empty_caption"),
    (b'{"passage": "caf\xe9", "review": "latin-1"}\n', "caption_not_utf8"),
    (b'{"passage": "half \\ud83d a fox", "review": "a surrogate"}\n', "caption_not_utf8"),
    (json.dumps({"passage": "long " * 20_000, "review": "too long"}).encode() + b"\n", "caption_too_long"),
    (b'{"passage": "' + b"x" * 2_000_000 + b'", "review": "a giant line"}\n', "caption_too_long"),
]


def roberta_folder(folder: Path) -> Path:
    """A byte-level vocabulary of RoBERTa's layout: special tokens first, one id a byte, the mask last; 262 with CARP's token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    words = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values(), "<mask>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def small_carp(folder: Path, *, vocab_size: int = 262) -> dict[str, str]:
    """A random CARP of the tokenizer's vocabulary: checkpoint, config and tokenizer, as `EncoderConfig` names them."""
    import torch

    from tda.encoders.formats import carp

    roberta = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
        "initializer_range": 0.2,
    }
    config = {"latent_dim": 24, "roberta": roberta}
    folder.mkdir(exist_ok=True)
    (folder / "carp.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    torch.save(carp.build(config).state_dict(), folder / "carp.pt")
    return {
        "format": "carp",
        "checkpoint": str(folder / "carp.pt"),
        "config": str(folder / "carp.json"),
        "tokenizer": str(roberta_folder(folder / "roberta")),
    }
