"""Captions that would take seconds: the same tokens, after a bounded number of merges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from tda.encoders.clip_bpe import LONGEST_TOKEN, BoundedBpe, shortened

LENGTH = 77
GOLDEN = [  # open_clip's ids, written down: start, words, end
    ("a photo of a cat", [320, 1125, 539, 320, 2368]),
    ("two red cubes &amp; a sphere!", [1237, 736, 31413, 261, 320, 6987, 256]),
]
WORDS = st.sampled_from(["a", "dog", "telecommunications", "-" * 40, "Ünïcode", "🐈", "42", "don't", "&amp;", "<b>", "ß", "\x00", "the"])


@pytest.fixture(scope="module")
def plain() -> SimpleTokenizer:
    return SimpleTokenizer(context_length=LENGTH)


@pytest.fixture(scope="module")
def bounded() -> BoundedBpe:
    return BoundedBpe(LENGTH)


@pytest.mark.parametrize(("caption", "ids"), GOLDEN)
def test_normal_captions_have_the_ids_that_are_written_down(bounded: BoundedBpe, caption: str, ids: list[int]) -> None:
    row = bounded([caption])[0].tolist()
    assert row == [49406, *ids, 49407, *[0] * (LENGTH - len(ids) - 2)]


@given(st.lists(st.one_of(WORDS, st.text(max_size=12)), max_size=120), st.sampled_from([" ", "\n", "", " , "]))
def test_every_caption_has_the_tokens_of_the_library(plain: SimpleTokenizer, bounded: BoundedBpe, words: list[str], between: str) -> None:
    caption = between.join(words)
    assert torch.equal(bounded([caption]), plain([caption]))


@pytest.mark.parametrize("length", [75, 76, 77, 78])
def test_a_caption_that_just_fills_the_context_is_as_in_the_library(plain: SimpleTokenizer, bounded: BoundedBpe, length: int) -> None:
    assert torch.equal(bounded(["a " * length]), plain(["a " * length]))


@pytest.mark.parametrize("unit", ["-", "a", "abcdefghij", "telecommunications", "é", "漢", "=-", "&#x61;", "A", "!?"])
def test_a_giant_word_has_the_tokens_of_the_library(plain: SimpleTokenizer, bounded: BoundedBpe, unit: str) -> None:
    caption = f"a {unit * (4000 // len(unit))} end"
    assert torch.equal(bounded([caption]), plain([caption]))


def test_words_behind_the_end_of_the_context_are_not_merged(bounded: BoundedBpe, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = 0

    def counted(self: SimpleTokenizer, word: str, merge: object = SimpleTokenizer.bpe) -> str:
        nonlocal letters
        letters += len(word)
        return merge(self, word)  # type: ignore[operator]

    monkeypatch.setattr(SimpleTokenizer, "bpe", counted)
    hostile = " ".join(f"{n:03d}".translate(str.maketrans("0123456789", "qwzxjkvbpy")) * 333 for n in range(65))  # 65 words of 999 letters
    bounded([hostile, "x" * 65_536, "&#x71;" * 10_000])
    assert letters <= 2 * LONGEST_TOKEN * LENGTH + 1000


def test_giant_words_are_not_kept(bounded: BoundedBpe) -> None:
    before = len(bounded.cache)
    bounded(["qzxj" * 500])
    assert len(bounded.cache) == before


@given(st.text(max_size=3000))
def test_texts_of_normal_length_are_not_shortened(text: str) -> None:
    assert shortened(text, LENGTH) == text


def test_giant_texts_are_cut_between_words_and_keep_their_beginning() -> None:
    text = "word " * 13_000
    cut = shortened(text, 64)
    assert text.startswith(cut)
    assert cut.endswith("word")
    assert 16_384 <= len(cut) < 16_400


def test_blanks_before_a_caption_do_not_count() -> None:
    assert shortened(" " * 30_000 + "a dog", 64).strip() == "a dog"


def test_a_giant_word_between_words_is_cut() -> None:
    cut = shortened(f"a {'x' * 60_000} end", 64)
    assert cut == f"a {'x' * LONGEST_TOKEN * 64} end"
