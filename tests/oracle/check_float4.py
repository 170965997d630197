# SPDX-License-Identifier: Apache-2.0
"""Sources of 4-bit floats against the formulas of those who write them: nvfp4 of compressed-tensors and ModelOpt, whose values transformers computes
with, and gpt_oss's mxfp4, which transformers' own function unpacks."""

import json
import shutil

import numpy as np
from bundle import read_tensors, reference_logits
from check_compressed_tensors import to_torch
from check_logits import compare, ours, prompt
from harness import require

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)


def float4(context, spelling):
    """nvfp4 as compressed-tensors and ModelOpt write it: nearest element times a scale of torch's own float8, and one number for all."""
    import torch
    from safetensors.torch import save_file

    source = context.source("gutenberg-dense-19m")
    table, packed, values = torch.tensor(E2M1), {}, {}
    for name, tensor in read_tensors(source).items():
        weight = to_torch(tensor)
        if "_proj" not in name or not name.endswith(".weight"):
            packed[name], values[name] = weight, tensor.f32()
            continue
        groups = weight.float().reshape(weight.shape[0], -1, 16)
        whole = groups.abs().max() / (6 * 448)
        scale = (groups.abs().amax(2) / 6 / whole).to(torch.float8_e4m3fn)
        step = scale.float() * whole if spelling == "modelopt" else scale.float() / (1 / whole)
        codes = (groups / step.clamp_min(1e-30)[..., None]).unsqueeze(-1).sub(table).abs().argmin(-1).reshape(weight.shape)
        values[name] = (table[codes].reshape(groups.shape) * step[..., None]).reshape(weight.shape).numpy()
        module, pairs = name.removesuffix(".weight"), (codes[:, ::2] | codes[:, 1::2] << 4).to(torch.uint8)
        packed[module + (".weight" if spelling == "modelopt" else ".weight_packed")] = pairs.contiguous()
        packed[module + ".weight_scale"] = scale
        packed[module + (".weight_scale_2" if spelling == "modelopt" else ".weight_global_scale")] = (whole if spelling == "modelopt" else 1 / whole).reshape(1)
    out = context.fresh("float4")
    out.mkdir(parents=True)
    for path in source.glob("*"):
        if path.suffix in (".json", ".txt") and "index" not in path.name:
            shutil.copy(path, out)
    save_file(packed, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "modelopt", "quant_algo": "NVFP4"} if spelling == "modelopt" else {
        "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}
    (out / "config.json").write_text(json.dumps(config))
    error = compare(f"nvfp4 of {spelling}", ours(context, out, prompt(source), 0)[0], reference_logits(source, values, prompt(source)))
    context.drop(out)
    return f"largest difference {error:.1e} of the largest logit"


def gpt_oss_blocks(context):
    """The experts of gpt_oss in mxfp4, whose values 16 bits hold exactly, against transformers' own unpacking."""
    import torch
    from safetensors.torch import save_file
    from transformers import GptOssConfig
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    n_experts, hidden, ffn, vocab = 4, 64, 96, 128
    generator = torch.Generator().manual_seed(3)
    real = lambda *shape: torch.randn(shape, generator=generator).to(torch.bfloat16)  # noqa: E731
    prefix = "model.layers.0."
    weights = {"model.embed_tokens.weight": real(vocab, hidden), "model.norm.weight": real(hidden), "lm_head.weight": real(vocab, hidden),
               prefix + "input_layernorm.weight": real(hidden), prefix + "post_attention_layernorm.weight": real(hidden), prefix + "self_attn.sinks": real(2),
               prefix + "mlp.router.weight": real(n_experts, hidden), prefix + "mlp.router.bias": real(n_experts),
               prefix + "mlp.experts.gate_up_proj_bias": real(n_experts, 2 * ffn), prefix + "mlp.experts.down_proj_bias": real(n_experts, hidden)}
    for part in ("q", "k", "v", "o"):
        weights[f"{prefix}self_attn.{part}_proj.weight"], weights[f"{prefix}self_attn.{part}_proj.bias"] = real(hidden, hidden), real(hidden)
    expected = {}
    for part, rows, columns in (("gate_up_proj", 2 * ffn, hidden), ("down_proj", hidden, ffn)):
        blocks = torch.randint(0, 256, (n_experts, rows, columns // 32, 16), generator=generator, dtype=torch.uint8)
        scales = torch.randint(118, 130, (n_experts, rows, columns // 32), generator=generator, dtype=torch.uint8)
        weights[f"{prefix}mlp.experts.{part}_blocks"], weights[f"{prefix}mlp.experts.{part}_scales"] = blocks, scales
        expected[part] = convert_moe_packed_tensors(blocks, scales).float().numpy().swapaxes(1, 2)  # [E, out, in]
    out = context.fresh("gpt_oss")
    out.mkdir(parents=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config = GptOssConfig(vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                          num_local_experts=n_experts, num_experts_per_tok=2, layer_types=["full_attention"]).to_dict()
    config["quantization_config"] = {"quant_method": "mxfp4"}
    (out / "config.json").write_text(json.dumps(config))
    bundle = context.convert(out, "-p", "uniform_4", "--tensor", ".*=16")
    tensors = read_tensors(bundle)
    value = lambda name: tensors[f"{prefix}mlp.experts.{name}"].f32()  # noqa: E731
    bias = weights[prefix + "mlp.experts.gate_up_proj_bias"].float().numpy()
    for name, wanted in (("gate_proj.weight", expected["gate_up_proj"][:, ::2]), ("up_proj.weight", expected["gate_up_proj"][:, 1::2]),
                         ("down_proj.weight", expected["down_proj"]), ("gate_proj.bias", bias[:, ::2]), ("up_proj.bias", bias[:, 1::2])):
        require(np.array_equal(value(name), wanted), f"{name} is not what transformers unpacks")
    context.drop(out, bundle)
    return f"{n_experts} experts"


def cases(context):
    for spelling in ("compressed-tensors", "modelopt"):
        yield f"float4_opened.{spelling}", lambda s=spelling: float4(context, s)
    yield "float4_opened.gpt_oss", lambda: gpt_oss_blocks(context)
