"""CARP's files against what magiCARP computed from them; its tokenizer from a folder made here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from text_pairs import roberta_folder

from tda.config.models import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.formats.carp import ADDED_TOKEN, CarpEncoder, CarpTokenizer
from tda.errors import UserError


def _load(golden: Path, tokenizer: Path | None = None, checkpoint: Path | None = None, config: Path | None = None) -> CarpEncoder:
    encoder = load(
        "carp",
        str(checkpoint or golden / "carp_v1_tiny.pt"),
        str(config or golden / "carp_v1_tiny.json"),
        device="cpu",
        tokenizer=str(tokenizer) if tokenizer else None,
    )
    assert isinstance(encoder, CarpEncoder)
    return encoder


@pytest.mark.parametrize("tower", ["passage", "review"])
def test_features_are_upstreams(shared_golden: Path, tower: str) -> None:
    golden = np.load(shared_golden / "carp_v1_tiny_io.npz")
    tokens, mask = (torch.from_numpy(golden[f"{tower}_{part}"]) for part in ("input_ids", "attention_mask"))
    encoder = _load(shared_golden)
    np.testing.assert_allclose(encoder.encode_text(tokens, mask, tower=tower).numpy(), golden[f"{tower}_features_norm"], atol=1e-6)
    raw = encoder.encode_text(tokens, mask, tower=tower, normalise=False).numpy()
    assert np.abs(raw - golden[f"{tower}_features"]).max() < 1e-5 * np.abs(golden[f"{tower}_features"]).max()
    torch.testing.assert_close(encoder.encode_text(tokens, tower=tower), encoder.encode_text(tokens, mask, tower=tower))
    assert (encoder.dim, encoder.modalities) == (96, ("passage", "review"))


def test_padding_changes_nothing(shared_golden: Path) -> None:
    golden = np.load(shared_golden / "carp_v1_tiny_io.npz")
    tokens = torch.from_numpy(golden["review_input_ids"])
    encoder = _load(shared_golden)
    alone = torch.cat([encoder.encode_text(row[None, : int((row != 1).sum())], tower="review") for row in tokens])
    np.testing.assert_allclose(alone.numpy(), golden["review_features_norm"], atol=1e-6)


def test_epsilon_is_roberta_larges_where_the_configuration_does_not_say(shared_golden: Path, tmp_path: Path) -> None:
    reported = json.loads((shared_golden / "carp_v1_tiny.json").read_text())
    del reported["roberta"]["layer_norm_eps"]
    (tmp_path / "carp.json").write_text(json.dumps(reported))
    golden = np.load(shared_golden / "carp_v1_tiny_io.npz")
    found = _load(shared_golden, config=tmp_path / "carp.json").encode_text(torch.from_numpy(golden["passage_input_ids"]))
    np.testing.assert_allclose(found.numpy(), golden["passage_features_norm"], atol=1e-6)


def test_tokenizer_has_the_added_token_pads_and_cuts(tmp_path: Path) -> None:
    folder = roberta_folder(tmp_path / "roberta")
    tokenize = CarpTokenizer(str(folder), 262, 1, 16)
    quoted, long = tokenize([f"a {ADDED_TOKEN}", "b" * 50])
    assert tokenize(["ab", "c"]).tolist()[1][2:] == [2, 1]  # padded to the longest of the call
    assert quoted[0] == 0
    assert 261 in quoted  # one token, the last of the vocabulary
    assert long.shape == (16,)
    assert long[-1] == 2  # cut, with its end


def test_tokenizer_is_asked_for_when_it_is_needed(shared_golden: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.tokenizer=None is not a folder with roberta-large's vocab.json"):
        _load(shared_golden).tokenize(["a story"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is not a folder with roberta-large's vocab.json and merges.txt"):
        _load(shared_golden, tmp_path / "empty").tokenize(["a story"])
    with pytest.raises(UserError, match=r"is another model's: it has 262 tokens, \[quote\] included, and the weights 300"):
        _load(shared_golden, roberta_folder(tmp_path / "roberta")).tokenize(["a story"])


def test_a_damaged_vocabulary_is_refused(shared_golden: Path, tmp_path: Path) -> None:
    folder = roberta_folder(tmp_path / "roberta")
    (folder / "vocab.json").write_text('{"<s>": 0, "<pa')
    with pytest.raises(UserError, match="roberta holds no RoBERTa tokenizer"):
        _load(shared_golden, folder).tokenize(["a story"])


def test_identity_holds_the_tokenizers_content(shared_golden: Path, tmp_path: Path) -> None:
    one, other = roberta_folder(tmp_path / "one"), roberta_folder(tmp_path / "other")
    checkpoint, config = str(shared_golden / "carp_v1_tiny.pt"), str(shared_golden / "carp_v1_tiny.json")
    settings = EncoderConfig(name="e", format="carp", checkpoint=checkpoint, config=config, tokenizer=str(other))
    encoder = _load(shared_golden, one)
    assert describe(settings) == (encoder.weights_sha256, {**encoder.preprocessing, "precision": "auto"})
    (other / "merges.txt").write_text("#version: 0.2\na b\n")
    assert describe(settings)[1]["text"] != encoder.preprocessing["text"]


def test_there_are_no_images_and_no_other_towers(shared_golden: Path) -> None:
    encoder = _load(shared_golden)
    with pytest.raises(UserError, match=r"no images: set dataset.modalities=\[passage,review\]"):
        encoder.encode_image(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserError, match="no images: it was given one of 4 x 5 pixels"):
        encoder.preprocess(Image.new("RGB", (4, 5)))
    with pytest.raises(UserError, match="tower='image' is unknown; choose one of: passage, review"):
        encoder.encode_text(torch.zeros(1, 3, dtype=torch.int64), tower="image")


def test_other_files_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    state = torch.load(shared_golden / "carp_v1_tiny.pt", weights_only=True)
    state["projC.weight"] = state.pop("projB.weight")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"1 missing \(projB.weight\); 1 unexpected \(projC.weight\)"):
        _load(shared_golden, checkpoint=tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"cloob_rn_tiny.json is not a CARP model: it lacks latent_dim, roberta"):
        _load(shared_golden, config=shared_golden / "cloob_rn_tiny.json")
