"""Captions to ids: hashed words for small vocabularies, CLIP's byte pairs for CLIP's."""

from zlib import crc32

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tda.encoders.tokens import CLIP_VOCABULARY, ClipTokenizer, HashTokenizer, tokenizer_for, tokenizer_name


def test_words_are_hashed_between_start_and_end() -> None:
    tokens_BL = HashTokenizer(512, 8)(["A Dog, 2 cats!"])
    words = [1 + crc32(word) % 509 for word in (b"a", b"dog", b"2", b"cats")]
    assert tokens_BL.tolist() == [[510, *words, 511, 0, 0]]
    assert tokens_BL.dtype == torch.int64


@given(st.lists(st.text(max_size=200), min_size=1, max_size=4), st.integers(4, 600), st.integers(3, 77))
def test_every_row_begins_ends_and_stays_in_the_vocabulary(texts: list[str], vocab_size: int, context_length: int) -> None:
    tokens_BL = HashTokenizer(vocab_size, context_length)(texts)
    assert tokens_BL.shape == (len(texts), context_length)
    assert (tokens_BL[:, 0] == vocab_size - 2).all()
    assert ((tokens_BL == vocab_size - 1).sum(1) == 1).all()
    assert (tokens_BL.argmax(1) >= 1).all()
    for row, end in zip(tokens_BL, tokens_BL.argmax(1), strict=True):
        assert (row[end + 1 :] == 0).all()
        assert ((row[1:end] >= 1) & (row[1:end] <= vocab_size - 3)).all()


def test_truncation_keeps_the_end() -> None:
    assert HashTokenizer(512, 5)(["one two three four five"])[0, -1] == 511


@pytest.fixture(scope="module")
def clip_tokenizer() -> ClipTokenizer:
    return ClipTokenizer(77)


def test_clip_bpe_is_open_clips_own(clip_tokenizer: ClipTokenizer) -> None:
    import open_clip

    texts = ["a diagram", "", "Ünïcode & emoji 🐈", "word " * 200, "!"]
    assert torch.equal(clip_tokenizer(texts), open_clip.get_tokenizer("ViT-B-16")(texts))


def test_clip_bpe_truncation_keeps_the_end(clip_tokenizer: ClipTokenizer) -> None:
    assert clip_tokenizer(["word " * 200])[0, -1] == CLIP_VOCABULARY - 1


def test_a_giant_word_is_cut_without_a_change_to_the_kept_tokens(clip_tokenizer: ClipTokenizer) -> None:
    word = "abcdefghij" * 150
    assert torch.equal(clip_tokenizer([f"a {word} end"]), clip_tokenizer._bpe([f"a {word} end"]))


def test_the_vocabulary_decides_the_tokenizer() -> None:
    assert isinstance(tokenizer_for(CLIP_VOCABULARY, 16), ClipTokenizer)
    assert isinstance(tokenizer_for(512, 16), HashTokenizer)
    assert tokenizer_name(CLIP_VOCABULARY) == "clip-bpe"
    assert tokenizer_name(512) == "crc32-words"
