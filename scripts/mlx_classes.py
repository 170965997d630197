# SPDX-License-Identifier: Apache-2.0
"""Tiny instances of the model classes of the installed mlx-lm, and the names that published checkpoints of them use.

Used by make_loader_table.py (the table of what each class loads) and tests/oracle/check_experts.py (which puts the table to the test).

    names()            every class that can be instantiated, by the name of its file
    aliases()          model types that mlx-lm sends to a class of another name
    config(name)       a tiny config.json of the class, by `variants(name)` ways
    build(config)      the class with random weights, float32
    sources(name, model)  its weights as checkpoints spell them: dicts that the class's own sanitize() turns into its parameters
"""

import dataclasses
import importlib
import pkgutil
import re

import mlx.core as mx
import mlx_lm.models
import mlx_lm.utils
from mlx.utils import tree_flatten, tree_unflatten

N_EXPERTS = 4

# One value for every common key. A class takes the keys it knows; widths are multiples of 32, so that every matrix can be quantized.
COMMON = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "vocab_size": 128, "rms_norm_eps": 1e-5, "norm_eps": 1e-5, "layer_norm_eps": 1e-5, "layer_norm_epsilon": 1e-5, "layernorm_epsilon": 1e-5,
    "max_position_embeddings": 512, "rope_theta": 10000.0, "rope_scaling": None, "partial_rotary_factor": 1.0, "rotary_dim": 16,
    "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False, "use_bias": False, "use_qk_norm": True, "hidden_act": "silu",
    # experts, in every spelling
    "num_experts": N_EXPERTS, "n_routed_experts": N_EXPERTS, "num_local_experts": N_EXPERTS, "moe_num_experts": N_EXPERTS,
    "num_experts_per_tok": 2, "num_experts_per_token": 2, "moe_k": 2, "moe_topk": 2, "moe_top_k": 2, "top_k_experts": 2,
    "moe_intermediate_size": 32, "shared_intermediate_size": 64, "shared_expert_intermediate_size": 64, "n_shared_experts": 1,
    "num_shared_experts": 1, "num_shared_expert": 1, "moe_num_shared_experts": 1, "first_k_dense_replace": 1, "num_dense_layers": 1,
    "moe_layer_freq": 1, "decoder_sparse_step": 1, "mlp_only_layers": [], "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.5,
    "norm_topk_prob": True, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
    # latent attention
    "kv_lora_rank": 32, "q_lora_rank": 32, "qk_rope_head_dim": 16, "qk_nope_head_dim": 16, "v_head_dim": 32,
    # linear attention and state spaces
    "layer_group_size": 2, "group_norm_size": 1, "conv_kernel": 4, "n_groups": 1, "state_size": 16, "use_conv_bias": True,
    "conv_bias": False, "conv_L_cache": 3, "mamba_d_conv": 4, "mamba_d_state": 16, "mamba_expand": 2, "mamba_n_heads": 4, "mamba_d_head": 32,
    "mamba_n_groups": 1, "mamba_proj_bias": False, "mamba_conv_bias": True, "mamba_num_heads": 4, "mamba_head_dim": 32, "ssm_state_size": 16,
    "time_step_limit": [0.001, 100.0], "time_step_rank": 8, "time_step_min": 0.001, "time_step_max": 100.0,
    # GPT-2's spelling
    "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 512, "n_ctx": 512, "n_inner": 128, "num_heads": 4, "num_kv_heads": 2,
    "num_layers": 2, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2,
    # muP-like multipliers, none of them 1
    "logits_scaling": 2.0, "attention_multiplier": 0.2, "embedding_multiplier": 3.0, "residual_multiplier": 0.5,
    "sliding_window": 64, "sliding_window_size": 64, "dim_model_base": 32, "scale_depth": 1.4, "scale_emb": 2.0,
}
DELTA = {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 32, "linear_value_head_dim": 32,
         "linear_conv_kernel_dim": 4, "full_attention_interval": 2, "num_hidden_layers": 2}
FULL = {"layer_types": ["full_attention", "full_attention"]}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window_pattern": 2}
LATENT = {"num_key_value_heads": 4}
KDA = {"linear_attn_config": {"kda_layers": [1], "full_attn_layers": [2], "num_heads": 4, "head_dim": 32, "short_conv_kernel_size": 4},
       "model_max_length": 512, "num_key_value_heads": 4}

# What a class needs beyond COMMON. "text": its numbers stand in text_config, under this model_type.
SPECIAL = {
    "afm7": {"hidden_dim": 64, "num_kv_reuse_layers": 1, "hidden_dim_scale_factor": 2.0},
    "afmoe": FULL,
    "apertus": {"post_norm": False, "qk_norm": True},
    "baichuan_m1": {"sliding_window_layers": [0], "conv_window": 2, "num_swa_attention_heads": 4, "num_swa_key_value_heads": 2},
    "bailing_hybrid": {"num_hidden_layers": 2, "num_key_value_heads": 4},
    "bailing_moe_linear": {"num_hidden_layers": 2, "num_key_value_heads": 4},
    "bailing_moe_v3": {"num_key_value_heads": 4},
    "cohere2": {"head_dim": 16, "sliding_window_pattern": 2},
    "dbrx": {"d_model": 64, "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": N_EXPERTS, "moe_top_k": 2, "moe_jitter_eps": 0},
             "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0}},
    "deepseek_v2": {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "mscale": 1.0,
                                     "mscale_all_dim": 1.0, "beta_fast": 32, "beta_slow": 1}, "topk_method": "greedy", **LATENT},
    "deepseek_v3": LATENT, "deepseek_v32": {"index_head_dim": 32, "index_n_heads": 2, "index_topk": 64, **LATENT},
    "exaone": {"head_dim": 16}, "plamo": {"num_key_value_heads": 4, "n_shared_head": 2},
    "glm4_moe_lite": LATENT,
    "mistral4": {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128,
                                     "llama_4_scaling_beta": 0.1, "mscale": 1.0, "mscale_all_dim": 1.0, "beta_fast": 32, "beta_slow": 1},
                 **LATENT},
    "glm_moe_dsa": {"index_head_dim": 32, "index_n_heads": 2, "index_topk": 64, "rope_parameters": {"rope_theta": 10000.0}, **LATENT},
    "ernie4_5_moe": {"moe_layer_start_index": 1, "moe_layer_end_index": 1, "moe_layer_interval": 1},
    "exaone4": {**MIXED, "sliding_window_pattern": "LG"}, "exaone_moe": {"is_moe_layer": [False, True], **FULL},
    "falcon_h1": {"attention_in_multiplier": 2.0, "attention_out_multiplier": 0.5, "key_multiplier": 0.5, "lm_head_multiplier": 0.5,
                  "mlp_multipliers": [0.5, 2.0], "ssm_in_multiplier": 2.0, "ssm_out_multiplier": 0.5, "ssm_multipliers": [0.5, 2, 0.5, 2, 0.5],
                  "mamba_d_ssm": 128},
    "gear": FULL,
    "gemma3": {"text": "gemma3_text", **MIXED},
    "gemma3n": {"text": "gemma3n_text", "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 32, "vocab_size_per_layer_input": 128,
                "altup_num_inputs": 2, "altup_active_idx": 0, "altup_coef_clip": 120.0, "altup_correct_scale": True, "laurel_rank": 32,
                "activation_sparsity_pattern": [0.0, 0.0], "rope_local_base_freq": 1e4, "query_pre_attn_scalar": 32,
                "final_logit_softcapping": 30.0, "intermediate_size": [128, 128], **MIXED},
    "gemma4": {"text": "gemma4_text", "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 32, "vocab_size_per_layer_input": 128,
               "global_head_dim": 32, "enable_moe_block": True, **MIXED},
    "gemma4_text": {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 32, "vocab_size_per_layer_input": 128, "global_head_dim": 32,
                    "enable_moe_block": True, **MIXED},
    "gpt_neox": {"rotary_emb_base": 10000, "rotary_pct": 0.5}, "gptj": {"rotary_dim": 16},
    "gpt_oss": {"sliding_window": 64, **MIXED},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hunyuan": {"moe_topk": [2, 2], "num_shared_expert": [1, 1], "use_mixed_mlp_moe": True, "use_cla": False, "cla_share_factor": 2,
                "head_dim": 16, "rope_scaling": {"factor": 1.0, "alpha": 1.0, "type": "dynamic"}},
    "hunyuan_v1_dense": {"rope_scaling": {"factor": 1.0, "alpha": 1.0, "type": "dynamic"}},
    "jamba": {"attn_layer_offset": 1, "attn_layer_period": 2, "expert_layer_offset": 1, "expert_layer_period": 2},
    "kimi_k25": {"text": "kimi_k2", **LATENT}, "kimi_vl": {"text": "deepseek_v3", **LATENT},
    "kimi_k3": {"text": "kimi_linear", "hidden_act": "situ", "activation_situ_beta": 2.0, **KDA},
    "kimi_linear": KDA,
    "laguna": {"mlp_layer_types": ["dense", "sparse"], "rope_parameters": {
        "full_attention": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 1.0},
        "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 1.0}}, **MIXED},
    "lfm2": {"block_dim": 64, "block_multiple_of": 32, "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": True, "block_ff_dim": 128,
             "full_attn_idxs": [1], "layer_types": ["conv", "full_attention"]},
    "lfm2-vl": {"text": "lfm2", "block_dim": 64, "block_multiple_of": 32, "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": True,
                "block_ff_dim": 128, "full_attn_idxs": [1], "layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"use_expert_bias": True, "full_attn_idxs": [1], "layer_types": ["conv", "full_attention"]},
    "lille-130m": {"block_size": 512},
    "llama4": {"text": "llama4_text", "num_experts_per_tok": 1, "intermediate_size_mlp": 128, "no_rope_layers": [1, 1, 1, 0],
               "num_hidden_layers": 4, "interleave_moe_layer_step": 1,
               "attention_chunk_size": 64, "attn_scale": 0.1, "floor_scale": 8192, "attn_temperature_tuning": 4},
    "llama4_text": {"intermediate_size_mlp": 128, "no_rope_layers": [1, 0]},
    "longcat_flash": {"attention_method": "MLA", "zero_expert_type": "identity", "ffn_hidden_size": 128, "expert_ffn_hidden_size": 32,
                      "zero_expert_num": 2, "num_layers": 1, "mla_scale_q_lora": True, "mla_scale_kv_lora": True},
    "longcat_flash_ngram": {"ffn_hidden_size": 128, "expert_ffn_hidden_size": 32, "zero_expert_num": 2, "num_layers": 1, "hidden_size": 384,
                            "mla_scale_q_lora": True, "mla_scale_kv_lora": True, "ngram_vocab_size_ratio": 3},
    "mamba2": {"head_dim": 32, "num_heads": 4, "intermediate_size": 128},
    "mellum": {"rope_parameters": {"full_attention": {"rope_theta": 10000.0, "rope_type": "default"},
                                   "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}, **MIXED},
    "mimo": {"num_nextn_predict_layers": 1},
    "mimo_v2_flash": {"hybrid_layer_pattern": [0, 1], "moe_layer_freq": [0, 1], "add_swa_attention_sink_bias": True,
                      "add_full_attention_sink_bias": False, "swa_rope_theta": 10000.0, "swa_num_attention_heads": 4,
                      "swa_num_key_value_heads": 2, "swa_head_dim": 32, "swa_v_head_dim": 32},
    "minicpm3": {"rope_scaling": {"original_max_position_embeddings": 128, "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}},
    "minimax_m3_vl": {"text": "minimax_m3_vl_text", "dense_intermediate_size": 128, "moe_layer_freq": [0, 1], "num_hidden_layers": 2,
                      "mlp_layer_types": ["dense", "sparse"], **FULL},
    "ministral3": {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128,
                                       "llama_4_scaling_beta": 0.1, "mscale": 1.0, "mscale_all_dim": 1.0, "beta_fast": 32, "beta_slow": 1}},
    "mistral3": {"text": "ministral3",
                 "rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128,
                                     "llama_4_scaling_beta": 0.1, "mscale": 1.0, "mscale_all_dim": 1.0, "beta_fast": 32, "beta_slow": 1}},
    "muse_spark": {"text": "muse_spark_text", "post_norm_eps": 1e-5, "layer_rope_theta": [10000.0, 10000.0], "final_logit_softcapping": 30.0,
                   "output_multiplier": 1.0, "moe_hidden_size": 64, "num_shared_experts": 0, "rope_parameters": {"rope_theta": 10000.0},
                   **MIXED},
    "nemotron-nas": {"block_configs": [{"attention": {"n_heads_in_group": 2, "no_op": False, "replace_with_linear": False},
                                        "ffn": {"ffn_mult": 2.0, "no_op": False, "replace_with_linear": False}}] * 2},
    "nemotron": {"hidden_act": "relu2"},
    "nemotron_h": {"hybrid_override_pattern": "M*E-", "num_hidden_layers": 4, "moe_shared_expert_intermediate_size": 64},
    "olmo3": MIXED, "olmo_hybrid": {**DELTA, "linear_allow_neg_eigval": False, "layer_types": ["linear_attention", "full_attention"]},
    "openelm": {"num_transformer_layers": 2, "model_dim": 64, "ffn_dim_divisor": 32, "num_query_heads": [4, 4], "num_kv_heads": [2, 2],
                "ffn_multipliers": [2.0, 2.0]},
    "phi3small": {"dense_attention_every_n_layers": 1, "ff_intermediate_size": 128, "gegelu_limit": 20.0},
    "phixtral": {"num_vocab": 128, "model_dim": 64},
    "phi": {"partial_rotary_factor": 0.5}, "stablelm": {"partial_rotary_factor": 0.5, "use_qkv_bias": False},
    "pixtral": {"text": "mistral"},
    "qwen2_vl": {"text": "qwen2"}, "qwen3_vl": {"text": "qwen3"}, "qwen3_vl_moe": {"text": "qwen3_moe"},
    "qwen3_5": {"text": "qwen3_5_text", **DELTA}, "qwen3_5_moe": {"text": "qwen3_5_moe_text", **DELTA}, "qwen3_next": DELTA,
    "qwen": {"hidden_size": 64, "kv_channels": 16, "no_bias": True},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "attention_window_size": 64, "lru_width": 64, "conv1d_width": 4,
                        "attention_window_size": 64, "logits_soft_cap": 30.0, "embeddings_scale_by_sqrt_dim": True, "conv1d_width": 4,
                        "hidden_act": "gelu"},
    "rwkv7": {"head_dim": 32, "decay_low_rank_dim": 32, "gate_low_rank_dim": 32, "a_low_rank_dim": 32, "v_low_rank_dim": 32},
    "spark2_5": {"hidden_act": "gelu", "rope_parameters": {"full_attention": {"rope_theta": 10000.0, "rope_type": "default"},
                                     "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}, **MIXED},
    "step3p5": {"num_attention_groups": 2, "share_expert_dim": 64, "moe_layers_enum": "1", **FULL},
}
# Other settings of a class under which its sanitize() takes another way.
VARIANTS = {
    "bailing_moe": ({"norm_head": True},), "bailing_moe_linear": ({"norm_head": True},),
    "nemotron_h": ({"hybrid_override_pattern": "M*-M"},),
    "gemma4_text": ({"enable_moe_block": False},), "gemma4": ({"enable_moe_block": False},),
}
TIE = {"tie_word_embeddings": True}
# Classes that take other tensors when the config counts no experts: settings of that form. They have a second row in the table.
DENSE_FORMS = {
    "granitemoehybrid": ({"num_local_experts": 0, "num_experts_per_tok": 0},
                         {"num_local_experts": 0, "num_experts_per_tok": 0, "tie_word_embeddings": True}),
}

# Files that are no class of their own, or need a package of another maker.
LEFT_OUT = {"olmo": "needs the package ai2-olmo", "prism_hadamard_qwen35": "opens packs of its own maker only"}


def names():
    found = []
    for module in pkgutil.iter_modules(mlx_lm.models.__path__):
        if module.name in LEFT_OUT:
            continue
        loaded = importlib.import_module(f"mlx_lm.models.{module.name}")
        if hasattr(loaded, "Model") and hasattr(loaded, "ModelArgs"):
            found.append(module.name)
    return sorted(found)


def aliases():
    return dict(sorted(mlx_lm.utils.MODEL_REMAPPING.items()))


def variants(name):
    return ({}, TIE, *VARIANTS.get(name, ()))


def config(name, variant=()):
    """config.json of a tiny model of this class."""
    special = dict(SPECIAL.get(name, {}))
    text = special.pop("text", None)
    numbers = {**COMMON, **special, **dict(variant)}
    if text is None:
        return {"model_type": name, **numbers}
    return {"model_type": name, "text_config": {"model_type": text, **numbers}, "vocab_size": numbers["vocab_size"],
            "tie_word_embeddings": numbers["tie_word_embeddings"]}


def skeleton(settings):
    """The class of a config as its constructor leaves it; nothing is computed until a value is asked for."""
    model_class, arguments_class = mlx_lm.utils._get_classes(config=settings)
    return model_class(arguments_class.from_dict(settings))


def build(settings, seed=0):
    """The class of a config, random weights of a size that keeps logits lively. Its flat parameters can be read with `parameters`."""
    mx.random.seed(seed)
    model = skeleton(settings)
    weights = {}
    for name, value in tree_flatten(model.parameters()):
        if not mx.issubdtype(value.dtype, mx.floating):
            weights[name] = value
            continue
        spread = 0.5 / max(value.shape[-1], 1) ** 0.5 * 4 if value.ndim > 1 else 0.1
        weights[name] = (mx.random.normal(value.shape) * spread + (1.0 if value.ndim == 1 and "norm" in name else 0.0)).astype(mx.float32)
    model.update(tree_unflatten(list(weights.items())))
    model.eval()
    return model


def parameters(model):
    return dict(tree_flatten(model.parameters()))


def quantizable(model):
    """Paths of the modules that can be quantized."""
    return {path for path, module in model.named_modules() if hasattr(module, "to_quantized")}


# How checkpoints spell the experts of a class. Each takes the class's name and value, and gives the source's tensors or None.
def _each(pattern, out):
    def spell(name, value):
        match = re.fullmatch(pattern, name)
        if match is None or value.ndim < 2:
            return None
        return {out(match, e): value[e] for e in range(value.shape[0])}
    return spell


PROJECTIONS = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
EXPERT_SPELLINGS = {
    "experts.*.gate_proj": _each(r"(.+?)(?:\.experts|\.switch_mlp)\.(gate_proj|up_proj|down_proj)\.(weight|bias)",
                                 lambda m, e: f"{m[1]}.experts.{e}.{m[2]}.{m[3]}"),
    "experts.*.w1": _each(r"(.+?)(?:\.experts|\.switch_mlp)\.(gate_proj|up_proj|down_proj)\.(weight|bias)",
                          lambda m, e: f"{m[1]}.experts.{e}.{PROJECTIONS[m[2]]}.{m[3]}"),
    "block_sparse_moe.experts.*.w1": _each(r"(.+?)\.mlp\.switch_mlp\.(gate_proj|up_proj|down_proj)\.(weight)",
                                           lambda m, e: f"{m[1]}.block_sparse_moe.experts.{e}.{PROJECTIONS[m[2]]}.{m[3]}"),
    "experts.*.up_proj (fc1)": _each(r"(.+?)\.switch_mlp\.(fc1|fc2)\.(weight)",
                                     lambda m, e: f"{m[1]}.experts.{e}.{'up_proj' if m[2] == 'fc1' else 'down_proj'}.{m[3]}"),
    "moe.mlp.*.fc1": _each(r"(.+?\.moe)\.switch_mlp\.(fc1|fc2)\.(weight|bias)", lambda m, e: f"{m[1]}.mlp.{e}.{m[2]}.{m[3]}"),
    "layers.*.ffn.experts.*.w1": _each(r"model\.layers\.(\d+)\.mlp\.experts\.switch_mlp\.(gate_proj|up_proj|down_proj)\.(weight)",
                                       lambda m, e: f"layers.{m[1]}.ffn.experts.{e}.{PROJECTIONS[m[2]]}.{m[3]}"),
}


def _fuse(weights, gate, up, fused, join):
    """Takes pairs (gate, up) out of the weights and puts what `join` makes of them under the name `fused`."""
    for name in [n for n in weights if n.endswith(gate)]:
        other = name.removesuffix(gate) + up
        if other in weights:
            weights[name.removesuffix(gate) + fused] = join(weights.pop(name), weights.pop(other))


def _rename(weights, old, new, change=lambda v: v):
    for name in [n for n in weights if n.endswith(old)]:
        weights[name.removesuffix(old) + new] = change(weights.pop(name))


def _rows(gate, up):
    return mx.concatenate([gate, up], axis=-2)


def _transposed(gate, up):
    return mx.concatenate([gate.swapaxes(-1, -2), up.swapaxes(-1, -2)], axis=-1)


def _interleaved(gate, up):
    return mx.stack([gate, up], axis=2).reshape(gate.shape[0], -1, gate.shape[-1])


def _fused_switch(owner, target, join, transpose_down=False):
    def spell(weights):
        _fuse(weights, f".{owner}.gate_proj.weight", f".{owner}.up_proj.weight", f".{target}.gate_up_proj", join)
        _rename(weights, f".{owner}.down_proj.weight", f".{target}.down_proj",
                (lambda v: v.swapaxes(-1, -2)) if transpose_down else (lambda v: v))
    return spell


def _granite(weights):
    _fuse(weights, ".block_sparse_moe.switch_mlp.gate_proj.weight", ".block_sparse_moe.switch_mlp.up_proj.weight",
          ".block_sparse_moe.input_linear.weight", _rows)
    _rename(weights, ".block_sparse_moe.switch_mlp.down_proj.weight", ".block_sparse_moe.output_linear.weight")


def _granite_dense(weights):
    for name in [n for n in weights if n.endswith(".mlp.gate_proj.weight")]:
        base = name.removesuffix("mlp.gate_proj.weight")
        weights[base + "shared_mlp.input_linear.weight"] = mx.concatenate(
            [weights.pop(name), weights.pop(base + "mlp.up_proj.weight")], axis=0)
        weights[base + "shared_mlp.output_linear.weight"] = weights.pop(base + "mlp.down_proj.weight")


def _gpt_oss(weights):
    _fuse(weights, ".experts.gate_proj.weight", ".experts.up_proj.weight", ".experts.gate_up_proj", _interleaved)
    _fuse(weights, ".experts.gate_proj.bias", ".experts.up_proj.bias", ".experts.gate_up_proj_bias",
          lambda g, u: mx.stack([g, u], axis=-1).reshape(g.shape[0], -1))
    _rename(weights, ".experts.down_proj.weight", ".experts.down_proj")
    _rename(weights, ".experts.down_proj.bias", ".experts.down_proj_bias")


def _dbrx(weights):
    for part in ("w1", "v1", "w2"):
        stacks = {}
        for name in [n for n in weights if re.search(rf"\.experts\.\d+\.{part}\.weight$", n)]:
            base, e = re.fullmatch(rf"(.+\.experts)\.(\d+)\.{part}\.weight", name).groups()
            stacks.setdefault(base, {})[int(e)] = weights.pop(name)
        for base, each in stacks.items():
            values = [each[e].T if part == "w2" else each[e] for e in sorted(each)]
            weights[f"{base}.mlp.{part}"] = mx.concatenate(values, axis=0)


def _step(weights):
    for old, new in ((".mlp.switch_mlp.", ".moe."), (".mlp.gate.gate.", ".moe.gate."), (".mlp.gate.router_bias", ".moe.router_bias"),
                     (".mlp.share_expert.", ".share_expert.")):
        for name in [n for n in weights if old in n]:
            weights[name.replace(old, new)] = weights.pop(name)
    for name in [n for n in weights if n.endswith(".weight") and "norm" in n]:
        weights[name] = weights[name] - 1


WHOLE_SPELLINGS = {  # of classes whose checkpoints fuse experts or rename more than experts
    "granitemoe": _granite, "granitemoehybrid": lambda w: (_granite(w), None if any("input_linear" in n for n in w) else _granite_dense(w)),
    "gpt_oss": _gpt_oss, "dbrx": _dbrx, "step3p5": _step,
    "mistral4": _fused_switch("switch_mlp", "experts", _rows),
    "gemma4_text": _fused_switch("experts.switch_glu", "experts", _rows), "gemma4": _fused_switch("experts.switch_glu", "experts", _rows),
    "llama4": _fused_switch("experts", "experts", _transposed, True),
    "qwen3_vl_moe": _fused_switch("switch_mlp", "experts", _transposed, True),
    "qwen3_5_moe": _fused_switch("switch_mlp", "experts", _rows),
    "muse_spark": _fused_switch("experts", "experts", _rows),
}


def _kv_b(weights):
    """kv_b_proj from the two factors that classes with latent attention split it into."""
    for name in [n for n in weights if n.endswith(".embed_q.weight")]:
        base = name.removesuffix("embed_q.weight")
        keys, values = weights.pop(name).swapaxes(-1, -2), weights.pop(base + "unembed_out.weight")
        weights[base + "kv_b_proj.weight"] = mx.concatenate([keys, values], axis=1).reshape(-1, keys.shape[-1])


def _gpt2(weights):
    for name in [n for n in weights if n.startswith("model.")]:
        value = weights.pop(name)
        transposed = value.ndim == 2 and name.split(".")[-2] in ("c_attn", "c_proj", "c_fc")
        weights[name.removeprefix("model.")] = value.T if transposed else value


def _gpt_neox(weights):
    for name in list(weights):
        new = re.sub(r"^model\.h\.", "gpt_neox.layers.", name)
        new = re.sub(r"^model\.(embed_in|final_layer_norm)\.", r"gpt_neox.\1.", new)
        weights[new] = weights.pop(name)


WHOLE_SPELLINGS.update({"gpt2": _gpt2, "gpt_neox": _gpt_neox})

SMALL_SPELLINGS = (  # (what a class calls it, what its checkpoints call it)
    (".gate.gate_proj.weight", ".gate.weight"), (".gate.gate_proj.bias", ".gate.bias"), (".mlp.gate.proj.weight", ".mlp.gate.weight"),
)
DENSE_W = tuple((f".feed_forward.{p}.weight", f".feed_forward.{w}.weight") for p, w in PROJECTIONS.items())


def _prefixed(*rules):
    """Renames the beginning of every name by the first rule that fits."""
    def spell(name):
        for old, new in rules:
            if name.startswith(old):
                return new + name.removeprefix(old)
        return name
    return spell


PREFIX_SPELLINGS = {
    "": lambda name: name,
    "model.language_model": _prefixed(("language_model.model.", "model.language_model."), ("language_model.lm_head.", "lm_head.")),
    "no language_model": _prefixed(("language_model.", "")),
    "wrapped": _prefixed(("model.language_model.", "model.language_model."), ("model.", "language_model.model."),
                         ("lm_head.", "language_model.lm_head.")),
    "model.language_model of text": _prefixed(("model.language_model.", "model.language_model."), ("model.", "model.language_model.")),
    "transformer": _prefixed(("model.", "transformer.")),
}


def sanitize(model, weights):
    """What the class makes of these weights; they are copied, because some classes write into them."""
    copied = {name: mx.array(value) for name, value in weights.items()}
    return model.sanitize(copied) if hasattr(model, "sanitize") else copied


def _gives(model, weights):
    """True when the class's own sanitize() makes tensors of the names and shapes of its parameters of these weights."""
    wanted = parameters(model)
    try:
        made = sanitize(model, weights)
    except Exception:
        return False
    return made.keys() == wanted.keys() and all(made[n].shape == wanted[n].shape for n in wanted)


def _torch_convolutions(weights):
    """Depthwise convolutions as PyTorch keeps them, [channels, 1, kernel]; the classes keep [channels, kernel, 1]."""
    return {n: v.swapaxes(1, 2) if v.ndim == 3 and v.shape[-1] == 1 and "conv" in n else v for n, v in weights.items()}


def _candidates(name, own):
    """(description, weights) of every way of spelling the parameters that some checkpoint uses."""
    for spelling, weights in _spellings(name, own):
        turned = _torch_convolutions(weights)
        if any(turned[n].shape != weights[n].shape for n in weights):
            yield spelling + ", convolutions of PyTorch", turned
        yield spelling, weights


def _spellings(name, own):
    whole = []
    if name in WHOLE_SPELLINGS:
        weights = dict(own)
        WHOLE_SPELLINGS[name](weights)
        whole.append((f"as {name}", weights))
    for spelling, spell in EXPERT_SPELLINGS.items():
        weights = {}
        for n, value in own.items():
            made = spell(n, value)
            weights.update(made if made is not None else {n: value})
        if weights.keys() != own.keys():
            whole.append((spelling, weights))
    for spelling, weights in [*whole, ("own names", own)]:
        yield spelling, weights
        small = dict(weights)
        for old, new in SMALL_SPELLINGS:
            _rename(small, old, new)
        dense_w = dict(small)
        for old, new in DENSE_W:
            _rename(dense_w, old, new)
        for attempt in (small, dense_w):
            latent = dict(attempt)
            _kv_b(latent)
            yield spelling, latent
            yield spelling, attempt


def sources(name, model):
    """[(spelling, weights)]: checkpoints of this class under every known spelling that its sanitize() accepts, published ones first."""
    own = parameters(model)
    if not hasattr(model, "sanitize"):
        return [("own names", own)]
    found, seen = [], set()
    for spelling, weights in _candidates(name, own):
        for prefix, rename in PREFIX_SPELLINGS.items():
            renamed = {rename(n): v for n, v in weights.items()}
            key = frozenset((n, tuple(v.shape)) for n, v in renamed.items())
            if len(renamed) != len(weights) or key in seen:
                continue
            seen.add(key)
            if _gives(model, renamed):
                found.append((spelling + (f" under {prefix}" if prefix else ""), renamed))
    found.sort(key=lambda f: f[1].keys() == own.keys() and "PyTorch" not in f[0])
    return found


def is_mixture(model):
    return any(type(module).__name__ in ("SwitchLinear", "SwitchGLU", "SwitchMLP") for _, module in model.named_modules()) or any(
        re.search(r"\.experts\.\d+\.", name) for name in parameters(model))


def required_keys(settings):
    """Keys of a config, at the top and in text_config, without which the class refuses it."""
    def refuses(changed):
        try:
            model_class, arguments_class = mlx_lm.utils._get_classes(config=changed)
            arguments_class.from_dict(changed)
        except Exception:
            return True
        return False

    _, arguments_class = mlx_lm.utils._get_classes(config=settings)
    found = [f.name for f in dataclasses.fields(arguments_class)
             if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name != "model_type"]
    return [key for key in found if key in settings and refuses({k: v for k, v in settings.items() if k != key})]
