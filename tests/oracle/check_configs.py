# SPDX-License-Identifier: Apache-2.0
"""Configs that say one thing in several ways, or two things at once: the engine computes what transformers computes of the same directory.

Each case is a tiny random llama or gemma3 whose config.json is edited as found in the wild (RoPE parameters at the top and inside, under
both names, under both spellings of the type; a head beside a tied flag). Both sides read the directory; the bar is that of check_logits: both
in float32 up to summation order, 1e-3 of the largest logit.
"""

import json

import numpy as np
from harness import require

TOLERANCE = 1e-3
IDS = list(range(3, 43))
LLAMA = dict(hidden_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=16, num_hidden_layers=2, intermediate_size=64, vocab_size=64,
             max_position_embeddings=256, tie_word_embeddings=False)
YARN = {"rope_type": "yarn", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}

ROPES = {  # what the config says in place of its own RoPE keys
    "yarn_original_at_top": {"rope_parameters": {**YARN, "rope_theta": 1e4}, "rope_theta": 1e4, "original_max_position_embeddings": 16},
    "yarn_original_twice": {"rope_scaling": {**YARN, "original_max_position_embeddings": 64}, "original_max_position_embeddings": 16},
    "yarn_without_original": {"rope_scaling": YARN, "rope_theta": 1e4},
    "yarn_factor_null": {"rope_scaling": {**YARN, "factor": None, "original_max_position_embeddings": 64}, "rope_theta": 1e4},
    "llama3_original_twice": {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 128}, "original_max_position_embeddings": 32},
    "both_objects": {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    "empty_scaling": {"rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}},
    "both_types": {"rope_scaling": {"rope_type": "default", "type": "linear", "factor": 4.0}, "rope_theta": 1e4},
    "old_type": {"rope_scaling": {"type": "linear", "factor": 4.0}, "rope_theta": 1e4},
    "both_thetas": {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "rope_theta": 1e4},
}
GEMMA_ROPES = {
    "by_layer_type": {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                                          "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}},
    "old_keys": {"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_theta": 1e6, "rope_local_base_freq": 1e3},
    "scaling_over_full": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 500.0},
                                              "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}},
                          "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
}
ROPE_KEYS = ("rope_parameters", "rope_scaling", "rope_theta", "rope_local_base_freq", "original_max_position_embeddings")


def make(directory, model_type, numbers):
    import torch
    import transformers

    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(model_type, **numbers)).float()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.3)
    model.save_pretrained(directory)


def edit(directory, keys):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    for key in ROPE_KEYS if any(k in ROPE_KEYS for k in keys) else ():
        config.pop(key, None)
    path.write_text(json.dumps({**config, **keys}))


def expected(directory):
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    with torch.inference_mode():
        return model(torch.tensor([IDS]), use_cache=False).logits[0].numpy()


def ours(context, directory):
    out = context.fresh("logits")
    done = context.run("logits", directory, "--ids", ",".join(map(str, IDS)), "--exact", "-o", out)
    require(done.returncode == 0, f"logits gave {done.returncode}: {done.stderr.strip()[-300:]}")
    from safetensors.numpy import load_file

    return load_file(out)["logits"]


def compare(context, directory):
    want, got = expected(directory), ours(context, directory)
    require(np.abs(want).std() > 0 and got.shape == want.shape, f"shapes {got.shape} and {want.shape}")
    error = float(np.abs(got - want).max() / np.abs(want).max())
    require(error <= TOLERANCE, f"logits differ by {error:.2e} of the largest, bar {TOLERANCE:.0e}")
    return f"{error:.1e}"


def rope_case(context, model_type, numbers, keys):
    directory = context.fresh("config")
    make(directory, model_type, numbers)
    edit(directory, keys)
    remark = compare(context, directory)
    bundle = context.convert(directory, "-p", "JANG_6M", "--tensor", ".=16", "--scale-dtype", "fp16")
    again = float(np.abs(ours(context, bundle) - expected(directory)).max() / np.abs(expected(directory)).max())
    require(again < 2e-2, f"the bundle's config gives logits that differ by {again:.2e}")  # weights were rounded to float16
    return f"{remark}, bundle in 16 bits {again:.1e}"


def head_case(context, equal):
    import safetensors.torch

    directory = context.fresh("config")
    make(directory, "llama", LLAMA)
    edit(directory, {"tie_word_embeddings": True})
    if equal:
        weights = safetensors.torch.load_file(directory / "model.safetensors")
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
        safetensors.torch.save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    return compare(context, directory)


def cases(context):
    gemma = {**LLAMA, "num_hidden_layers": 2, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"],
             "query_pre_attn_scalar": 16, "tie_word_embeddings": True}
    for name, keys in ROPES.items():
        yield f"configs.rope-{name}", lambda k=keys: rope_case(context, "llama", LLAMA, k)
    for name, keys in GEMMA_ROPES.items():
        yield f"configs.gemma3-rope-{name}", lambda k=keys: rope_case(context, "gemma3_text", gemma, k)
    yield "configs.tied_flag_with_own_head", lambda: head_case(context, False)
    yield "configs.tied_flag_with_equal_head", lambda: head_case(context, True)
