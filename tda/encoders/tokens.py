"""Captions -> token ids. Shapes: B captions, L context length."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from tda.encoders import HASHED_WORDS, NO_TOKENIZER
from tda.encoders.weights.offline import offline
from tda.errors import UserError
from tda.store.files import file_sha256

CLIP_VOCABULARY = 49_408
HASHED_VOCABULARY = 4_096  # at most: no vocabulary of subwords is so small; a model of such a size was trained on hashed words
_WORD = re.compile(r"[a-z0-9]+")


class HashTokenizer:
    """Whole words hashed into a small vocabulary, for models that were trained with no vocabulary file.

    CLIP's byte-pair encoding has 49,408 entries, which would make the token table of a toy model most of its weights.
    Here a word, `[a-z0-9]+` of the lower-cased caption, has the id 1 + crc32(word) mod (V - 3); start is V - 2, end is
    V - 1 and padding is 0, as in CLIP: the end is the largest id, where `argmax` pooling finds it. A caption
    that is too long is cut, and keeps its end. Words may collide: 1 pair of words in V - 3.
    """

    name = HASHED_WORDS

    def __init__(self, vocab_size: int, context_length: int) -> None:
        assert vocab_size > 3, vocab_size
        assert context_length > 2, context_length
        self.vocab_size, self.context_length = vocab_size, context_length
        self.sot, self.eot = vocab_size - 2, vocab_size - 1

    def __call__(self, texts: list[str]) -> Tensor:
        """B captions -> (B, L) int64."""
        tokens_BL = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        for row, text in zip(tokens_BL, texts, strict=True):
            words = _WORD.findall(text.lower())[: self.context_length - 2]
            ids = [self.sot, *(1 + crc32(word.encode()) % (self.vocab_size - 3) for word in words), self.eot]
            row[: len(ids)] = torch.tensor(ids)
        return tokens_BL


class ClipTokenizer:
    """CLIP's byte-pair encoding (open_clip's), cut to the context length with the end restored."""

    name = "clip-bpe"

    def __init__(self, context_length: int = 77) -> None:
        from tda.encoders.clip_bpe import BoundedBpe

        self.vocab_size, self.context_length = CLIP_VOCABULARY, context_length
        self._bpe = BoundedBpe(context_length)

    def __call__(self, texts: list[str]) -> Tensor:
        """B captions -> (B, L) int64; truncation keeps the end token, padding is 0. No caption takes more than a second."""
        tokens_BL: Tensor = self._bpe(texts)
        return tokens_BL


class FolderTokenizer:
    """A tokenizer of Hugging Face from a local folder, through open_clip's wrapper; nothing is fetched, no code of the folder is run."""

    def __init__(self, folder: str | None, vocab_size: int, context_length: int, options: Mapping[str, Any]) -> None:
        self.folder, self.vocab_size, self.context_length, self.options = folder, vocab_size, context_length, dict(options)
        self._tokenizer: Any = None

    def __call__(self, texts: list[str]) -> Tensor:
        """B captions -> (B, L) int64, cut and padded by the tokenizer's files. Raises UserError if they belong to another model."""
        from tda.encoders.clip_bpe import shortened

        self.open()
        tokens_BL: Tensor = self._tokenizer([shortened(text, self.context_length) for text in texts])
        largest = int(tokens_BL.max()) if len(texts) else 0
        if largest >= self.vocab_size:
            raise UserError(
                f"encoder.tokenizer={self.folder} is another model's: it gives id {largest}, the weights have {self.vocab_size}"
            )
        return tokens_BL

    def open(self) -> None:
        """Read the folder, unless it has been read. Raises UserError if it holds no tokenizer."""
        self._tokenizer = self._tokenizer or self._open()

    def _open(self) -> Any:
        from open_clip.tokenizer import HFTokenizer

        folder = _require_folder(self.folder)
        try:
            with offline():
                safe = {**self.options, "local_files_only": True, "trust_remote_code": False}
                return HFTokenizer(folder, context_length=self.context_length, **safe)
        except Exception as error:  # noqa: BLE001 (the library raises any exception on invalid files)
            reported = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(f"encoder.tokenizer={self.folder} holds no tokenizer: {reported}") from None


def folder_of(tokenizer: str | None) -> str | None:
    """The folder that encoder.tokenizer names; None where it is not given or is the word for hashed words. UserError if it is not there."""
    return None if tokenizer in (None, HashTokenizer.name) else _require_folder(tokenizer)


def _require_folder(tokenizer: str | None) -> str:
    if not tokenizer or not Path(tokenizer).is_dir():
        raise UserError(f"encoder.tokenizer={tokenizer} is not a folder with the model's tokenizer (tokenizer.json)")
    return tokenizer


def folder_sha256(folder: str | None) -> str | None:
    """SHA-256 of the names and contents of a folder's files; None if there is no folder."""
    if not folder or not Path(folder).is_dir():
        return None
    files = sorted(file for file in Path(folder).iterdir() if file.is_file())
    return hashlib.sha256("".join(f"{file.name} {file_sha256(file)}\n" for file in files).encode()).hexdigest()


class NoTokenizer:
    """Stands for the tokenizer of a vocabulary that nobody named: the model loads, its tokens can be given, texts are refused."""

    name = NO_TOKENIZER

    def __init__(self, vocab_size: int, context_length: int) -> None:
        self.vocab_size, self.context_length = vocab_size, context_length

    def __call__(self, _: list[str]) -> Tensor:
        """Raises UserError."""
        raise UserError(unknown_vocabulary(self.vocab_size))


Tokenizer = HashTokenizer | ClipTokenizer | NoTokenizer


def unknown_vocabulary(vocab_size: int) -> str:
    """The line for a vocabulary without a tokenizer."""
    return (
        f"the model has {vocab_size:,} tokens, which is not CLIP's vocabulary ({CLIP_VOCABULARY:,}): give encoder.tokenizer=FOLDER with "
        f"its tokenizer, or encoder.tokenizer={HASHED_WORDS} for a model that was trained on hashed words"
    )


def require_word(named: str | None) -> str | None:
    """The value of encoder.tokenizer of a format that knows no folder of a tokenizer. Raises UserError for anything but the word."""
    if named not in (None, HashTokenizer.name):
        raise UserError(f"encoder.tokenizer={named}: models of this format have CLIP's vocabulary, or {HashTokenizer.name}")
    return named


def tokenizer_for(vocab_size: int, context_length: int, named: str | None = None) -> Tokenizer:
    """CLIP's own tokenizer where the vocabulary holds its ids, as in open_clip; hashed words where they are `named`, or it is tiny."""
    if tokenizer_name(vocab_size, named) == HashTokenizer.name:
        return HashTokenizer(vocab_size, context_length)
    return ClipTokenizer(context_length) if vocab_size >= CLIP_VOCABULARY else NoTokenizer(vocab_size, context_length)


def tokenizer_name(vocab_size: int, named: str | None = None) -> str:
    """Name of the tokenizer that `tokenizer_for` gives."""
    if named == HashTokenizer.name or vocab_size <= HASHED_VOCABULARY:
        return HashTokenizer.name
    return ClipTokenizer.name if vocab_size >= CLIP_VOCABULARY else NoTokenizer.name
