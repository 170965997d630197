# SPDX-License-Identifier: Apache-2.0
"""Every model class of mlx-lm: a tiny random checkpoint of it converts and opens there, or is refused before any work with a reason.

Checkpoints are spelled as published ones are: of every class by inverting its own sanitize() (scripts/mlx_classes.py), and of those that
transformers has too, as transformers saves them. Of a bundle that is made:

  - `jang validate` finds no error, and stock mlx-lm's load_model opens it;
  - every tensor, dequantized, is near what the class makes of the source, so that no expert stands in another's place;
  - its logits are those of the class with the dequantized tensors in float32. Both sides run in float32 and differ by summation order:
    1e-6 to 1e-5 of the largest logit; the bar is 1e-3. A few classes need a GPU for their forward pass: said, not skipped.

A refusal must give its reason, exit with 4 and leave nothing behind.
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from harness import Fail, Skip, require

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

TOLERANCE = 1e-3
FAR = 0.25  # of a tensor's norm; 2-bit groups of random values err by less, another expert's values by 1.4
FLAGS = ("-p", "JANG_4M")
QUICK = ("mixtral", "minimax", "granitemoe", "ernie4_5_moe", "nemotron_h", "deepseek_v3", "gpt_oss", "dbrx", "phi3")
FROM_TRANSFORMERS = (  # model types with a class in both
    "mixtral", "minimax_m2", "granitemoe", "granitemoehybrid", "ernie4_5_moe", "ernie4_5", "nemotron_h", "nemotron", "olmoe", "qwen2_moe",
    "phimoe", "deepseek_v3", "dots1", "glm4_moe", "glm4", "glm", "jamba", "lfm2_moe", "lfm2", "llama4_text", "gpt_oss", "dbrx",
    "exaone4", "hunyuan_v1_dense", "phi3", "phi", "olmo2", "olmo3", "cohere", "cohere2", "gemma", "gemma2", "granite", "starcoder2", "stablelm",
    "gpt2", "gpt_neox", "gptj", "helium", "smollm3", "seed_oss", "mamba", "mamba2", "apertus", "falcon_h1", "bamba", "opt",
)
QUICK_TRANSFORMERS = ("mixtral", "minimax_m2", "granitemoe", "ernie4_5_moe", "nemotron_h", "opt")


# Families of this project: check_arch_names and check_mlx put them to the test.
LISTED = ("qwen2", "qwen3", "qwen3_moe", "gemma3_text", "gemma3", "qwen3_5", "qwen3_5_moe", "qwen3_next",
          "mixtral", "qwen2_moe", "granitemoe",  # these three: mlx-lm reads no head_dim, transformers and this program do
          "gpt_oss",  # mlx-lm has its biases whatever attention_bias says
          "ernie4_5_moe")  # mlx-lm has no correction of the router's scores
NEEDS = {"Metal": "needs a GPU of Apple's", "metal": "needs a GPU of Apple's", "GPU": "needs a GPU", "gpu": "needs a GPU"}  # by a word of the error
NO_FORWARD = ("phi3small",)  # classes whose forward pass ends the process on a CPU


def classes():
    import mlx_classes

    mx.set_default_device(mx.cpu)
    return mlx_classes


def write_source(directory, settings, weights):
    directory.mkdir(parents=True)
    mx.save_safetensors(str(directory / "model.safetensors"), weights, metadata={"format": "pt"})
    (directory / "config.json").write_text(json.dumps(settings, indent=1))


def convert(context, source):
    """Path of the bundle, or the reason of the refusal as a str."""
    out = context.fresh("experts")
    done = context.run("convert", source, "-o", out, *FLAGS)
    if done.returncode != 0:
        require(done.returncode == 4, f"convert gave {done.returncode}: {done.stderr.strip()[-300:]}")
        left = [p for p in out.parent.iterdir()]
        require(not left, f"a refusal left {left}")
        why = [line for line in done.stderr.splitlines() if "why:" in line]
        require(why and ("mlx-lm" in why[0] or "already quantized" in why[0]), f"a refusal without a reason: {done.stderr.strip()[-300:]}")
        return why[0].split("why:")[1].strip()
    return out


def stored(directory):
    weights = {}
    for path in sorted(Path(directory).glob("model*.safetensors")):
        weights.update(mx.load(str(path)))
    return weights


def dequantized(directory, settings):
    """The bundle's tensors, packed modules unpacked to float32; what a class computes as it loads, it rounds to the type stored."""
    weights = stored(directory)
    for path, how in settings.get("quantization", {}).items():
        if isinstance(how, dict):
            parts = [weights.pop(f"{path}.{p}") for p in ("weight", "scales", "biases")]
            weights[f"{path}.weight"] = mx.dequantize(*[parts[0], *(p.astype(mx.float32) for p in parts[1:])],
                                                      group_size=how["group_size"], bits=how["bits"])
    return weights


def compare_tensors(made, wanted):
    require(made.keys() == wanted.keys(), f"tensors {sorted(made.keys() ^ wanted.keys())[:3]}")
    for name, value in wanted.items():
        require(made[name].shape == value.shape, f"{name}: {made[name].shape} and {value.shape}")
        if not mx.issubdtype(value.dtype, mx.floating):
            continue
        value = value.astype(mx.float32)
        norm = mx.sqrt(mx.sum(value * value)).item()
        error = mx.sqrt(mx.sum((made[name] - value) ** 2)).item()
        require(error <= FAR * norm + 1e-6, f"{name} differs from the source's by {error / max(norm, 1e-12):.2f} of its norm")


def logits(model, vocab):
    ids = mx.array(np.random.default_rng(3).integers(1, vocab, (1, 7)))
    try:
        out = model(ids)
    except (IndexError, TypeError):  # some classes ask their cache what to mask
        from mlx_lm.models.cache import make_prompt_cache

        out = model(ids, cache=make_prompt_cache(model))
    return np.array((out[0] if isinstance(out, tuple) else out).astype(mx.float32))


def fresh_class(settings, source):
    """The class of a config, after it has seen the source; and what it makes of the source."""
    mlx_classes = classes()
    model = mlx_classes.build({k: v for k, v in settings.items() if k not in ("quantization", "quantization_config")}, seed=5)
    return model, mlx_classes.sanitize(model, source)


def check_bundle(context, bundle, source):
    from mlx_lm.utils import load_model

    done = context.run("validate", bundle, "--deep")
    require(done.returncode == 0, f"validate gave {done.returncode}: {done.stdout.strip()[-300:]}")
    model, settings = load_model(bundle)
    weights = dequantized(bundle, settings)
    reference, wanted = fresh_class(settings, source)
    made = {n: v.astype(mx.float32) if mx.issubdtype(v.dtype, mx.floating) else v
            for n, v in classes().sanitize(reference, weights).items()}
    compare_tensors(made, wanted)
    reference.load_weights(list(made.items()), strict=True)
    packed = sum(isinstance(v, dict) for v in settings.get("quantization", {}).values())
    model.set_dtype(mx.float32)
    if settings["model_type"] in NO_FORWARD:
        return f"{packed} modules packed; opens"
    vocab = min(settings.get("vocab_size") or settings["text_config"]["vocab_size"], 128)
    try:
        expected = logits(reference, vocab)
    except Exception as error:
        needs = next((why for word, why in NEEDS.items() if word in str(error)), None)
        if needs is None:
            raise Fail(f"the class itself cannot run this tiny model: {type(error).__name__}: {str(error)[:120]}")
        return f"{packed} modules packed; opens; its forward pass {needs}"
    ours = logits(model, vocab)
    require(np.isfinite(expected).all() and np.abs(expected).std() > 0, "the reference logits say nothing")
    error = float(np.abs(ours - expected).max() / np.abs(expected).max())
    if error > TOLERANCE:
        raise Fail(f"logits differ by {error:.2e} of the largest, bar {TOLERANCE:.0e}")
    return f"{packed} modules packed, logits differ by {error:.1e} of the largest"


def converts_or_is_refused(context, source, weights):
    made = convert(context, source)
    if isinstance(made, str):
        return f"refused: {made[:150]}"
    try:
        return check_bundle(context, made, weights)
    finally:
        context.drop(made)


def one_class(context, name, variant):
    mlx_classes = classes()
    settings = mlx_classes.config(name, variant.items())
    spellings = mlx_classes.sources(name, mlx_classes.build(settings))
    if not spellings:
        raise Skip("no known spelling of its checkpoints")
    spelling, weights = spellings[0]
    source = context.fresh("source")
    write_source(source, settings, weights)
    remark = converts_or_is_refused(context, source, weights)
    context.drop(source)
    return f"{spelling}: {remark}"


SPECIAL = {
    "nemotron_h": {"hybrid_override_pattern": "M*E-", "num_hidden_layers": 4, "moe_shared_expert_intermediate_size": 64},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "lfm2": {"layer_types": ["conv", "full_attention"]}, "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "jamba": {"attn_layer_offset": 1, "attn_layer_period": 2, "expert_layer_offset": 1, "expert_layer_period": 2},
    "phimoe": {"lm_head_bias": True}, "gpt2": {"vocab_size": 128}, "mamba2": {"num_heads": 4, "head_dim": 32, "expand": 2, "n_groups": 1},
    "falcon_h1": {"mamba_d_ssm": 128}, "cohere2": {"layer_types": ["sliding_attention", "full_attention"], "head_dim": 16},
}
# Keys of COMMON that mean something else to transformers, or only hinder it.
NEED_BIASES = ("phimoe", "starcoder2")  # as all published ones
NOT_FOR_TRANSFORMERS = ("head_dim", "attention_bias", "use_bias", "rope_scaling", "rope_theta", "partial_rotary_factor", "moe_layer_freq",
                        "mlp_only_layers", "sliding_window", "n_inner", "n_layer", "n_head", "n_embd", "time_step_limit", "num_layers",
                        "n_layers", "n_heads", "n_kv_heads")

# Classes of families with rows of their own that make maps of one width, or with biases, whatever the config says: there it says so.
AS_WIDE = {"granite": {"head_dim": 16}, "phi3": {"head_dim": 16}, "starcoder2": {"head_dim": 16, "use_bias": True},
           "gpt_neox": {"intermediate_size": 256, "attention_bias": True},
           "granitemoehybrid": {"head_dim": 16, "shared_intermediate_size": 128},  # alone, the MLP is as wide as the first in one, the second in the other
           **{t: {"head_dim": 16} for t in ("stablelm", "internlm3", "helium", "phi", "lfm2", "lfm2_moe", "mimo", "minicpm", "bailing_moe")}}

# Settings that a class of mlx-lm does not follow, or cannot be built with: no bundle may come of them that does not open there.
WIDE_HEADS = {"head_dim": 32}  # of hidden_size 64 and 4 heads; not olmoe: the norm of transformers' class is over hidden_size, whatever it says
HEADS_OF_THEIR_OWN = ("mixtral", "granite", "phi", "phi3", "helium", "qwen2_moe", "phimoe", "starcoder2", "stablelm", "granitemoe", "minimax_m2",
                      "glm4", "glm4_moe", "dots1", "exaone4", "cohere", "cohere2", "gemma", "gemma2", "seed_oss", "smollm3", "olmo2", "olmo3",
                      "ernie4_5", "ernie4_5_moe", "nemotron", "hunyuan_v1_dense", "jamba", "apertus", "lfm2_moe", "lfm2", "gpt_oss")
MISFITS = (*((t, "wide-heads", WIDE_HEADS) for t in HEADS_OF_THEIR_OWN), ("phimoe", "no-head-bias", {"lm_head_bias": False}),
           ("deepseek_v2", "no-scaling", {"num_key_value_heads": 4, "head_dim": 16}), ("starcoder2", "no-bias", {"use_bias": False}),
           ("phimoe", "no-bias", {"attention_bias": False}),
           ("jamba", "attention-only", {"attn_layer_offset": 0, "attn_layer_period": 1}),
           ("jamba", "mamba-only", {"attn_layer_offset": 7, "attn_layer_period": 8}), ("helium", "mlp-bias", {"mlp_bias": True}),
           ("olmoe", "bias", {"attention_bias": True}), ("granite", "bias", {"attention_bias": True, "mlp_bias": True}))


def from_transformers(context, model_type, overrides={}):
    import torch
    import transformers

    numbers = {k: v for k, v in classes().COMMON.items() if k not in NOT_FOR_TRANSFORMERS} | SPECIAL.get(model_type, {})
    numbers = {"head_dim": 16, "attention_bias": model_type in NEED_BIASES, "use_bias": model_type in NEED_BIASES, **numbers}
    numbers |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **overrides}
    try:
        torch.manual_seed(11)
        settings = transformers.AutoConfig.for_model(model_type, **numbers)
        model = transformers.AutoModelForCausalLM.from_config(settings).float()
    except Exception as error:
        raise Skip(f"transformers makes no tiny one: {str(error)[:100]}")
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.3)
    source = context.fresh("source")
    model.save_pretrained(source)
    remark = converts_or_is_refused(context, source, stored(source))
    context.drop(source)
    return remark


def cases(context):
    mlx_classes = classes()
    names = mlx_classes.names()
    require(len(names) > 50, "mlx-lm has no model classes here")
    for name in names:
        if name in LISTED or (context.quick and name not in QUICK):
            continue
        yield f"experts_open.{name}", lambda n=name: one_class(context, n, AS_WIDE.get(n, {}))
        for i, form in enumerate(mlx_classes.DENSE_FORMS.get(name, ())[:1]):
            yield f"experts_open.{name}-dense{i or ''}", lambda n=name, f=form: one_class(context, n, {**f, **AS_WIDE.get(n, {})})
        if name in mlx_classes.VARIANTS and not context.quick:
            for i, form in enumerate(mlx_classes.VARIANTS[name]):
                yield f"experts_open.{name}-{i + 1}", lambda n=name, f=form: one_class(context, n, f)
    for model_type in FROM_TRANSFORMERS:
        if not context.quick or model_type in QUICK_TRANSFORMERS:
            yield f"experts_open_transformers.{model_type}", lambda t=model_type: from_transformers(context, t)
    for model_type, label, overrides in MISFITS:
        if not context.quick or model_type in QUICK:
            yield f"experts_misfit.{model_type}-{label}", lambda t=model_type, o=overrides: from_transformers(context, t, o)
