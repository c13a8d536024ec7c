"""Which fields of a model's own configuration reach a library's factory, and with what values. All others are refused by name.

A factory's keywords can name code to run or a model to fetch (`trust_remote_code`, `attn_implementation`, a timm name `hf-hub:...`).
"""

import re
from collections.abc import Mapping
from typing import Any

from tda.errors import UserError


def _fields(*words: str) -> frozenset[str]:
    return frozenset(" ".join(words).split())


_TOWER = """mlp_ratio ls_init_value final_ln_after_pool pool_type output_tokens act_kwargs norm_kwargs block_type qk_norm
    scaled_cosine_attn scale_heads scale_attn_inner scale_attn scale_fc width layers"""
_MODEL = _fields(
    """embed_dim vision_cfg text_cfg quick_gelu custom_text init_logit_scale init_logit_bias nonscalar_logit_scale output_dict"""
)
_VISION = _fields(
    _TOWER,
    """head_width patch_size image_size image_mean image_std patch_dropout attentional_pool attn_pooler_queries attn_pooler_heads
    no_ln_pre pos_embed_type timm_model_name timm_model_pretrained timm_pool timm_proj timm_proj_bias timm_drop timm_drop_path""",
)
_TEXT = _fields(
    _TOWER,
    """context_length vocab_size hf_tokenizer_name tokenizer_mode tokenizer_kwargs heads embed_cls pad_id eos_id
    no_causal_mask proj_bias proj_type hf_model_name hf_model_pretrained hf_proj_type hf_pooler_type""",
)
_INNER = {  # of a field that is an object: its own fields
    "act_kwargs": frozenset({"approximate"}),
    "norm_kwargs": frozenset({"eps", "elementwise_affine", "bias"}),
    "tokenizer_kwargs": _fields("""clean strip_sep_token language tokenizer_mode use_fast padding_side truncation_side model_max_length
        add_prefix_space do_lower_case additional_special_tokens trust_remote_code"""),
}
_ROBERTA = _fields("""vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act hidden_dropout_prob
    attention_probs_dropout_prob max_position_embeddings type_vocab_size initializer_range layer_norm_eps pad_token_id bos_token_id
    eos_token_id position_embedding_type use_cache classifier_dropout architectures model_type transformers_version
    gradient_checkpointing output_past""")
_TIMM_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")  # a model of timm's registry; with a colon or slash it would be a hub's


def require_open_clip_fields(config: Mapping[str, Any], name: str | None) -> None:
    """Raise UserError, in one line, unless each field of an open_clip model's configuration is known and cannot run or fetch anything."""
    what = f"encoder.config={name}"
    _require_known(config, _MODEL, what, "")
    for tower, known in (("vision_cfg", _VISION), ("text_cfg", _TEXT)):
        _require_known(config[tower], known, what, f"{tower}.")
    timm = config["vision_cfg"].get("timm_model_name")
    if timm and not (isinstance(timm, str) and _TIMM_NAME.fullmatch(timm)):
        raise UserError(f"{what} has vision_cfg.timm_model_name={timm!r}; give the name of a model of timm's registry, nothing is fetched")


def require_tokenizer_options(options: Mapping[str, Any], name: str | None) -> None:
    """Raise UserError unless each option of a tokenizer is known and harmless."""
    _require_known(options, _INNER["tokenizer_kwargs"], f"encoder.config={name}", "text_cfg.tokenizer_kwargs.")
    if options.get("trust_remote_code"):
        raise UserError(
            f"encoder.config={name} has text_cfg.tokenizer_kwargs.trust_remote_code: no code of a model's folder is run; remove the field"
        )


def require_roberta_fields(config: Mapping[str, Any], name: str | None) -> None:
    """Raise UserError unless each field of a RoBERTa's configuration is known."""
    _require_known(config, _ROBERTA, f"encoder.config={name}", "roberta.")


def _require_known(given: Any, known: frozenset[str], what: str, under: str) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{what} is not a model's: {under.rstrip('.') or 'it'} is a {type(given).__name__}, not an object")
    for field, value in given.items():
        if field not in known:
            raise UserError(f"{what} has the field {under}{field}={_short(value)}, which is not known here: remove it")
        if isinstance(value, Mapping) and f"{under}{field}" not in ("vision_cfg", "text_cfg"):
            _require_inner(field, value, what, under)
        elif isinstance(value, list) and not all(item is None or isinstance(item, bool | int | float | str) for item in value):
            raise UserError(f"{what} has {under}{field}={_short(value)}: give plain values")


def _require_inner(field: str, value: Mapping[str, Any], what: str, under: str) -> None:
    if field not in _INNER:
        raise UserError(f"{what} has {under}{field}={_short(value)}: it is an object, and a plain value is right")
    if field == "tokenizer_kwargs":
        require_tokenizer_options(value, what.removeprefix("encoder.config="))
    else:
        _require_known(value, _INNER[field], what, f"{under}{field}.")


def _short(value: Any) -> str:
    return f"{value!r:.60}"
