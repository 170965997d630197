# SPDX-License-Identifier: Apache-2.0
"""`--target vllm-humming` against the formula of the method and, where it can be imported, against humming-kernels' own schema.

The layout: weight I32 [out, in*b/32], a dense stream along the row; weight_scale and zero_point [out, in/g]; value = (code - zero) * scale,
and zero = 2^(b-1) where there is none. vLLM finds a module's scheme by the name of the map that it fuses the module into: `dynamic` rules
"-:" and `ignore` leave it out, the first rule "+:" that matches from the first letter on changes it. In transformers the values have our
engine's logits. The package (0.1.19) unpacks on a card only, so its unpacking is replaced by ours, and its schema checks names, types and
shapes and computes the values.
"""

import json
import re
from unittest import mock

import numpy as np
from bundle import read_tensors, reference_logits, unpack
from check_compressed_tensors import to_torch
from check_logits import compare, ours, prompt
from harness import require

FUSED = {"q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj", "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj"}
SCALE = ".weight_scale"


def name_in_vllm(module):
    if ".experts." in module:
        return module[: module.index(".experts.") + len(".experts")]
    head, last = module.rsplit(".", 1)
    return f"{head}.{FUSED.get(last, last)}"


def scheme_of(config, module):
    """vLLM 0.33's way from a module to its scheme; None where it is left out."""
    name = name_in_vllm(module)
    if "lm_head" in name or any(entry in name for entry in config.get("ignore", [])):
        return None
    if any(rule[:1] == "-" and re.match(rule[2:], name) for rule in config.get("dynamic", {})):
        return None
    scheme = {k: v for k, v in config.items() if k != "dynamic"}
    for rule, change in config.get("dynamic", {}).items():
        if rule[:1] == "+" and re.match(rule[2:], name):
            return scheme | change
    return scheme


def formula(tensors, module, scheme):
    bits = int(scheme["b_dtype"].removeprefix("uint"))
    codes = unpack(tensors[module + ".weight"].raw.view(np.uint32), bits).astype(np.float64)
    scales = tensors[module + SCALE].f32()
    zeros = np.full(scales.shape, 2.0 ** (bits - 1))
    if scheme["has_zero_point"]:
        require(scheme["is_fp_zero_point"], f"{module} has whole zero points")
        zeros = tensors[module + ".zero_point"].f32()
    group = codes.shape[1] // scales.shape[1]
    require(group == scheme["weight_scale_group_size"], f"{module}: groups of {group}, and config.json says {scheme}")
    return ((codes - np.repeat(zeros, group, 1)) * np.repeat(scales.astype(np.float64), group, 1)).astype(np.float32)


def ask_the_package(tensors, modules, schemes, values):
    """Every module as humming-kernels takes it; "" where the package cannot be imported."""
    try:
        import humming.utils.weight as weight
        import torch
        from humming.schema import HummingInputSchema, HummingWeightSchema
    except Exception:
        return ""
    def unpacked(words, bits):
        return torch.from_numpy(unpack(words.numpy().view(np.uint32), bits).astype(np.int32))

    with mock.patch.object(weight.ops, "unpack_weight", unpacked), mock.patch.object(torch.Tensor, "cuda", lambda tensor: tensor):
        for module, scheme in zip(modules, schemes):
            schema = HummingWeightSchema.from_config(scheme)
            require(HummingInputSchema.from_config(scheme) == HummingInputSchema(), f"{module}: the scheme rounds activations")
            names = ("weight", "weight_scale", "zero_point")
            parts = {n: to_torch(tensors[f"{module}.{n}"]) for n in names if f"{module}.{n}" in tensors}
            out, columns = values[module + ".weight"].shape
            schema.validate_tensors(parts, out, columns, parts["weight_scale"].dtype)
            # Their float32 products round twice, ours once.
            theirs = schema.dequant_tensors(parts).float().numpy()
            largest = float(np.abs(values[module + ".weight"]).max())
            off = float(np.abs(theirs - values[module + ".weight"]).max())
            require(off <= largest * 2.0**-20, f"humming-kernels has other values of {module}, off by {off:.1e}")
    return "; humming-kernels takes them and has the same values"


def written(context, name, *flags):
    source = context.source(name)
    out = context.convert(source, "--target", "vllm-humming", *flags)
    tensors = read_tensors(out)
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    require(config["quant_method"] == "humming", f"config.json says {config}")
    modules = [n[: -len(SCALE)] for n in tensors if n.endswith(SCALE)]
    schemes = [scheme_of(config, m) for m in modules]
    require(modules and all(schemes), "a packed module is left out")
    values = {m + ".weight": formula(tensors, m, s) for m, s in zip(modules, schemes)}
    parts = {f"{m}.{p}" for m in modules for p in ("weight", "weight_scale", "zero_point")}
    values.update({n: t.f32() for n, t in tensors.items() if n not in parts})
    for n in values:  # maps that are not packed are left out by a rule, or are none of vLLM's linear ones
        if n.removesuffix(".weight") not in modules and "_proj" in n:
            require(scheme_of(config, n.removesuffix(".weight")) is None, f"{n} is not packed, and vLLM would want it packed")
    ids = prompt(source)
    error = compare(name, ours(context, out, ids, 0)[0], reference_logits(source, values, ids))
    told = ask_the_package(tensors, modules, schemes, values)
    context.drop(out)
    widths = sorted({s["b_dtype"] for s in schemes})
    return f"{len(modules)} modules of {', '.join(widths)}, largest difference {error:.1e} of the largest logit{told}"


def cases(context):
    for name, flags in (("gutenberg-dense-19m", ("-p", "JANG_3L")), ("gutenberg-moe-9m", ("-p", "JANG_2L", "--scale-dtype", "fp16"))):
        yield f"humming_formula.{name}", lambda n=name, f=flags: written(context, n, *f)
    if not context.quick:
        for bits in (2, 5, 8):
            yield (f"humming_formula.gutenberg-moe-9m.{bits}",
                   lambda b=bits: written(context, "gutenberg-moe-9m", "-p", f"uniform_{b}", "--group-size", "128"))
