"""Captions to ids: hashed words for small vocabularies, CLIP's byte pairs for CLIP's."""

from pathlib import Path
from zlib import crc32

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tda.encoders import HASHED_WORDS
from tda.encoders.tokens import (
    CLIP_VOCABULARY,
    HASHED_VOCABULARY,
    ClipTokenizer,
    HashTokenizer,
    NoTokenizer,
    folder_of,
    require_word,
    tokenizer_for,
    tokenizer_name,
)
from tda.errors import UserError


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


@pytest.mark.parametrize(
    ("vocab_size", "named", "kind"),
    [
        (CLIP_VOCABULARY, None, ClipTokenizer),
        (49_410, None, ClipTokenizer),  # as open_clip does: its ids are below
        (64_000, None, ClipTokenizer),
        (32_064, None, NoTokenizer),
        (30_522, None, NoTokenizer),
        (30_522, HASHED_WORDS, HashTokenizer),
        (HASHED_VOCABULARY, None, HashTokenizer),
        (HASHED_VOCABULARY + 1, None, NoTokenizer),
        (CLIP_VOCABULARY, HASHED_WORDS, HashTokenizer),
    ],
)
def test_texts_are_hashed_only_where_that_is_named_or_the_vocabulary_is_tiny(vocab_size: int, named: str | None, kind: type) -> None:
    made = tokenizer_for(vocab_size, 16, named)
    assert type(made) is kind
    assert made.name == tokenizer_name(vocab_size, named)


def test_a_vocabulary_without_a_tokenizer_refuses_texts_in_one_line() -> None:
    with pytest.raises(
        UserError, match=r"the model has 32,064 tokens, which is not CLIP's vocabulary \(49,408\): give encoder\.tokenizer=FOLDER"
    ):
        tokenizer_for(32_064, 16)(["a dog"])


def test_a_longer_vocabulary_gets_the_ids_of_open_clip() -> None:
    from open_clip.tokenizer import SimpleTokenizer

    texts = ["a photo of a cat", "Zwölf Boxkämpfer", "x" * 3000]
    assert torch.equal(tokenizer_for(49_410, 77)(texts), SimpleTokenizer(context_length=77)(texts))


@pytest.mark.parametrize("named", [None, HASHED_WORDS])
def test_the_word_is_taken_by_every_format(named: str | None) -> None:
    assert require_word(named) == named
    assert folder_of(named) is None


def test_a_folder_has_to_be_there_and_is_no_option_of_fixed_vocabularies(tmp_path: Path) -> None:
    assert folder_of(str(tmp_path)) == str(tmp_path)
    for missing in (str(tmp_path / "none"), ""):
        with pytest.raises(UserError, match="is not a folder with the model's tokenizer"):
            folder_of(missing)
    with pytest.raises(UserError, match="models of this format have CLIP's vocabulary, or crc32-words"):
        require_word(str(tmp_path))
