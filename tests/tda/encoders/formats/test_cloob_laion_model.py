"""The CLOOB-LAION towers against a forward pass written anew, in NumPy, on the parameters as Haiku keeps them.

B batch, L positions, W width, D shared space.
"""

from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from haiku_parameters import CONFIG, haiku_parameters

from tda.encoders import load
from tda.encoders.formats.cloob_laion_convert import state_dict
from tda.encoders.formats.cloob_laion_model import CloobLaion
from tda.errors import UserError

END = 10  # the last word of the vocabulary
TEXTS = [[9, 3, 4, 10, 0, 0, 0], [9, 10, 0, 0, 0, 0, 0], [9, 1, 2, 3, 4, 5, 10], [9, 1, 2, 3, 4, 5, 6], [9, 3, 10, 4, 10, 0, 0]]
gelu = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 2**0.5)))


class Plain:
    """One tower by the paper and upstream's quirks, a row at a time."""

    def __init__(self, root: str, parameters: dict[str, Any], heads: int, layers: int) -> None:
        self.root, self.parameters, self.heads, self.layers = root, parameters, heads, layers

    def of(self, name: str) -> Any:
        return {leaf: x.astype(np.float64) for leaf, x in self.parameters[f"{self.root}/{name}"].items()}

    def linear(self, name: str, x_LW: Any) -> Any:
        return x_LW @ self.of(name)["w"] + self.of(name)["b"]

    def norm(self, name: str, x_LW: Any) -> Any:
        centred = x_LW - x_LW.mean(1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * self.of(name)["scale"] + self.of(name)["offset"]

    def attention(self, name: str, x_LW: Any, read_L: Any) -> Any:
        query, key, value = (self.linear(f"{name}/multi_head_attention/{part}", x_LW) for part in ("query", "key", "value"))
        width, mixed = x_LW.shape[1] // self.heads, np.empty_like(x_LW)
        for head in range(self.heads):
            at = slice(head * width, (head + 1) * width)
            for row in range(len(x_LW)):
                scores = key[:, at] @ query[row, at] / np.sqrt(width) if read_L[row] else np.zeros(len(x_LW))
                weights = np.exp(scores - scores.max())
                mixed[row, at] = weights / weights.sum() @ value[:, at]
        return self.linear(f"{name}/multi_head_attention/linear", mixed)

    def features(self, x_LW: Any, read_L: Any) -> Any:
        x_LW = x_LW + self.of("pos_embed")["w"]
        for layer in range(self.layers):
            attention, feed_forward = f"layer_{layer}/self_attention", f"layer_{layer}/feed_forward"
            x_LW = x_LW + self.attention(attention, self.norm(f"{attention}/layer_norm", x_LW), read_L)
            hidden = gelu(self.linear(f"{feed_forward}/linear_0", self.norm(f"{feed_forward}/layer_norm", x_LW)))
            x_LW = x_LW + self.linear(f"{feed_forward}/linear_1", hidden)
        return self.linear("proj", x_LW[:1])[0]


def plain_text(tokens: list[int]) -> Any:
    tower = Plain("text_encoder", haiku_parameters()["params"][1], CONFIG["text_encoder"]["n_heads"], 2)
    last = tokens.index(END) if END in tokens else len(tokens)
    return tower.features(tower.of("embed")["embeddings"][tokens], [i <= last for i in range(len(tokens))])


def plain_image(pixels_3HW: Any) -> Any:
    tower = Plain("vi_t_image_encoder", haiku_parameters()["params"][0], CONFIG["image_encoder"]["n_heads"], 2)
    kernel_HWIO, first = tower.of("embed")["w"], tower.parameters["vi_t_image_encoder"]["class_embed"]
    cut = [pixels_3HW[:, y : y + 2, x : x + 2].astype(np.float64) for y in range(0, 6, 2) for x in range(0, 6, 2)]
    patches = [np.einsum("ihw,hwio->o", patch, kernel_HWIO) for patch in cut]
    return tower.features(np.stack([first, *patches]), [True] * 10)


@pytest.fixture(scope="module")
def model() -> CloobLaion:
    made = CloobLaion(CONFIG)
    made.load_state_dict(state_dict(haiku_parameters(), Path("w.pkl")))
    return made.eval().requires_grad_(requires_grad=False)


def test_text_features_are_those_of_the_plain_forward_pass(model: CloobLaion) -> None:
    found_BD = model.text(torch.tensor(TEXTS)).numpy()
    np.testing.assert_allclose(found_BD, np.stack([plain_text(tokens) for tokens in TEXTS]), atol=2e-5)


def test_image_features_are_those_of_the_plain_forward_pass(model: CloobLaion) -> None:
    pixels_B3HW = np.random.default_rng(1).standard_normal((4, 3, 6, 6)).astype(np.float32)
    found_BD = model.image(torch.from_numpy(pixels_B3HW)).numpy()
    np.testing.assert_allclose(found_BD, np.stack([plain_image(pixels) for pixels in pixels_B3HW]), atol=2e-5)


def test_outputs_are_normalised_features(model: CloobLaion) -> None:
    tokens_BL, pixels_B3HW = torch.tensor(TEXTS), torch.randn(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    for found_BD, raw_BD in (
        (model.encode_text(tokens_BL), model.text(tokens_BL)),
        (model.encode_image(pixels_B3HW), model.image(pixels_B3HW)),
    ):
        torch.testing.assert_close(found_BD, raw_BD / raw_BD.norm(dim=1, keepdim=True))
        assert found_BD.shape == (len(raw_BD), CONFIG["d_embed"])


def test_rows_of_a_batch_do_not_meet(model: CloobLaion) -> None:
    tokens_BL = torch.tensor(TEXTS)
    torch.testing.assert_close(model.encode_text(tokens_BL)[2:3], model.encode_text(tokens_BL[2:3]))


def test_the_padding_is_read_and_what_follows_the_first_end_is_padding(model: CloobLaion) -> None:
    padded, other = torch.tensor([[9, 3, 10, 0, 0, 0, 0]]), torch.tensor([[9, 3, 10, 0, 0, 5, 0]])
    assert not torch.allclose(model.encode_text(padded), model.encode_text(other)), "its attention sees the padding"


def test_texts_are_padded_to_the_context_and_must_not_be_cut(shared_golden: Path, model: CloobLaion) -> None:
    encoder = load("cloob_laion", str(shared_golden / "cloob_laion_tiny.pkl"), str(shared_golden / "cloob_laion_tiny.json"), device="cpu")
    tokens = encoder.tokenize(["a dog", "a dog on a mat"])
    assert tokens.shape == (2, 77)
    with pytest.raises(UserError, match="exactly 77 tokens, padding included, not 76: its attention sees the padding"):
        encoder.encode_text(tokens[:, :76])
    with pytest.raises(UserError, match="exactly 7 tokens, padding included, not 8"):
        model.encode_text(torch.zeros(1, 8, dtype=torch.int64))


def test_every_parameter_has_a_part_in_its_tower() -> None:
    made = CloobLaion(CONFIG)
    (made.encode_text(torch.tensor(TEXTS))[:, 0].sum() + made.encode_image(torch.ones(2, 3, 6, 6))[:, 0].sum()).backward()
    assert [name for name, weight in made.named_parameters() if weight.grad is None] == []
