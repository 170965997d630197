# SPDX-License-Identifier: Apache-2.0
"""Edits of tiny checkpoints (make_tiny_models.py) from the names that transformers saves to those that a family is published under."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file


def edit_weights(directory, change):
    path = directory / "model.safetensors"
    weights = change(load_file(path))
    save_file({k: weights[k].contiguous() for k in sorted(weights)}, path, metadata={"format": "pt"})


def edit_config(directory, change):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config, indent=1))


def keep_peer(directory):
    """What transformers has a class for, below the checkpoint that says the same in the spelling of a class that it lacks."""
    peer = directory / "peer"
    peer.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(directory / name, peer / name)


def publish_kimi(directory):
    """Names as published; transformers 5 saves the text's layers under the tower's."""
    def change(weights):
        return {n.replace("language_model.model.blocks.", "language_model.model.layers.").replace("model.mm_projector.", "mm_projector."): v
                for n, v in weights.items()}
    edit_weights(directory, change)


def publish_solar(directory):
    """A width of dense layers, of which there are none: mlx-lm demands it."""
    edit_config(directory, lambda c: c.update(intermediate_size=256))


def publish_exaone(directory):
    """The numbers under their published names; mlx-lm reads no others."""
    edit_config(directory, lambda c: c.update(num_layers=c.pop("num_hidden_layers"), layer_norm_epsilon=c.pop("rms_norm_eps"),
                                              activation_function=c.pop("hidden_act"), architectures=["ExaoneForCausalLM"]))


def publish_internlm2(directory):
    """InternLM 2's names: for every key-value head its queries, its key, its value in one map."""
    keep_peer(directory)
    edit_config(directory, lambda c: c.update(model_type="internlm2", bias=False, architectures=["InternLM2ForCausalLM"]))
    names = {"self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
             "mlp.down_proj": "feed_forward.w2", "post_attention_layernorm": "ffn_norm", "input_layernorm": "attention_norm",
             "embed_tokens": "tok_embeddings", "lm_head": "output"}

    def change(weights):
        out = {}
        for name, value in weights.items():
            if ".q_proj." in name:
                q, k, v = (weights[name.replace("q_proj", p)].unflatten(0, (2, -1)) for p in ("q_proj", "k_proj", "v_proj"))
                out[name.replace("self_attn.q_proj", "attention.wqkv")] = torch.cat([q, k, v], 1).flatten(0, 1)
            elif ".k_proj." not in name and ".v_proj." not in name:
                for ours, theirs in names.items():
                    name = name.replace(ours, theirs)
                out[name] = value
        return out
    edit_weights(directory, change)


def publish_mimo(directory):
    keep_peer(directory)
    edit_config(directory, lambda c: c.update(model_type="mimo", architectures=["MiMoForCausalLM"]))


def publish_minicpm(directory):
    """MiniCPM's numbers; it has Granite's layers."""
    keep_peer(directory)
    edit_config(directory, lambda c: c.update(model_type="minicpm", architectures=["MiniCPMForCausalLM"], scale_emb=6.0,
                                              scale_depth=0.5 * c["num_hidden_layers"] ** 0.5, dim_model_base=c["hidden_size"] // 2))


def publish_bailing(directory):
    """Ling 2's names; it has GLM-4.5's layers and one map for queries, keys and values."""
    keep_peer(directory)
    edit_config(directory, lambda c: c.update(
        model_type="bailing_moe", architectures=["BailingMoeV2ForCausalLM"], num_experts=c.pop("n_routed_experts"),
        num_shared_experts=c.pop("n_shared_experts"), score_function="sigmoid", moe_router_enable_expert_bias=True, use_bias=False,
        use_qkv_bias=False, norm_head=False, partial_rotary_factor=0.5, rope_theta=10000.0))
    names = {"self_attn.o_proj": "attention.dense", "self_attn.q_norm": "attention.query_layernorm",
             "self_attn.k_norm": "attention.key_layernorm", "mlp.gate.e_score_correction_bias": "mlp.gate.expert_bias",
             "embed_tokens": "word_embeddings"}

    def change(weights):
        out = {}
        for name, value in weights.items():
            if ".q_proj." in name:
                maps = [weights[name.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj")]
                out[name.replace("self_attn.q_proj", "attention.query_key_value")] = torch.cat(maps)
            elif ".k_proj." not in name and ".v_proj." not in name:
                for ours, theirs in names.items():
                    name = name.replace(ours, theirs)
                out[name] = value
        return out
    edit_weights(directory, change)
