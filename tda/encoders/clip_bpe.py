"""open_clip's byte pairs in bounded time: a caption's words are merged only until the context is full.

Merging a word takes the square of its length, and the library merges all words of a caption before it cuts them to the context.
L: context length.
"""

import re
from collections.abc import Iterator

from open_clip.tokenizer import SimpleTokenizer

LONGEST_TOKEN = 40  # letters of a token: 32 of CLIP's vocabulary, and some more since merges near a cut may differ
_CACHED_WORDS = 1_000_000
_CACHED_LENGTH = 64  # letters of a word that is kept: others do not come again
_CHARACTERS = 2**14  # of a text that any tokenizer gets whole


class BoundedBpe(SimpleTokenizer):  # type: ignore[misc]  # open_clip leaves it without types
    """open_clip's tokenizer, with the same tokens for the same captions: what it leaves out is behind the end of the context."""

    cache: dict[str, str]

    def __init__(self, context_length: int) -> None:
        super().__init__(context_length=context_length)
        self._longest = LONGEST_TOKEN * context_length
        self._special = dict(self.cache)

    def encode(self, text: str) -> list[int]:
        """Ids of the caption's words; at least L of them where it has so many."""
        if len(self.cache) > _CACHED_WORDS:  # it caches every word, without a bound
            self.cache = dict(self._special)
        ids: list[int] = []
        for word in self._words(self.clean_fn(text)):
            ids += [self.encoder[token] for token in self._merged(word)]
            if len(ids) >= self.context_length:
                break
        return ids

    def _words(self, text: str) -> Iterator[str]:
        for found in self.pat.finditer(text):
            yield "".join(self.byte_encoder[byte] for byte in found[0].encode()[: self._longest])

    def _merged(self, word: str) -> list[str]:
        tokens: list[str] = self.bpe(word).split(" ")
        if len(word) > _CACHED_LENGTH:
            self.cache.pop(word, None)
        return tokens


def shortened(text: str, context_length: int) -> str:
    """A text for a tokenizer of another library: giant words and giant texts are cut where no token of the context is lost.

    A text of fewer than 16,384 characters without a word of 40 L letters is not changed.
    """
    longest = LONGEST_TOKEN * context_length
    if len(text) > longest:
        text = re.sub(rf"(\S{{{longest}}})\S+", r"\1", text)
    most = max(_CHARACTERS, longest)
    if len(text) <= most:
        return text
    text = re.sub(r"\s{2,}", " ", text)
    end = text.find(" ", most)
    return text if end < 0 else text[:end]
