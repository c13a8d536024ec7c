"""Cutting a batch of texts to its longest caption changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.encoders.formats.open_clip import build
from tda.encoders.formats.trim_text import CutText, can_be_cut

VOCABULARY, CONTEXT = 40, 24
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 32, "heads": 4, "layers": 2},
}
MODEL = build(CONFIG).eval().double()  # so that what is left of rounding is far below what a wrong column would do


@st.composite
def _tokens(draw: st.DrawFn) -> list[int]:
    """A caption of any length, id 0 among its words; what follows the end is anything but a second end, and the end may be lost."""
    words = draw(st.lists(st.integers(0, VOCABULARY - 3), max_size=CONTEXT))
    after = draw(st.lists(st.integers(0, VOCABULARY - 2), min_size=CONTEXT, max_size=CONTEXT))
    return [VOCABULARY - 2, *words, VOCABULARY - 1, *after][:CONTEXT]


@settings(max_examples=30, deadline=None)
@given(st.lists(_tokens(), min_size=1, max_size=6))
def test_cut_text_features_are_the_whole_ones(rows: list[list[int]]) -> None:
    tokens_BL = torch.tensor(rows)
    with torch.inference_mode():
        whole, cut = MODEL.encode_text(tokens_BL), CutText(MODEL).encode_text(tokens_BL)
        shorter = CutText(MODEL).encode_text(tokens_BL[:, : int(tokens_BL.argmax(-1).max()) + 1])
    torch.testing.assert_close(cut, whole, rtol=1e-9, atol=1e-12)
    assert torch.equal(cut, shorter)


@pytest.mark.parametrize("field", [{"no_causal_mask": True}, {"pool_type": "last"}, {"proj_type": "none"}])
def test_towers_that_read_to_the_right_or_pool_elsewhere_are_not_cut(field: dict[str, object]) -> None:
    other = build({**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **field, "width": 16}})
    assert can_be_cut(MODEL)
    assert not can_be_cut(other)
