# SPDX-License-Identifier: Apache-2.0
"""Sources of 4-bit floats against the formulas of those who write them: nvfp4 of compressed-tensors and ModelOpt, whose values transformers computes
with, and gpt_oss's mxfp4, which transformers' own function unpacks."""

import json
import shutil

import numpy as np
from bundle import read_tensors, reference_logits
from check_compressed_tensors import to_torch
from check_logits import compare, ours, prompt, torch_logits
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
    """The experts of gpt_oss in mxfp4, whose values 16 bits hold exactly: against transformers' own unpacking, and the engine's logits of
    such a source against transformers' of what it unpacks."""
    import torch
    from safetensors.torch import save_file
    from transformers import GptOssConfig, GptOssForCausalLM
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    n_experts, hidden, ffn, vocab = 4, 64, 96, 128
    generator = torch.Generator().manual_seed(3)
    real = lambda *shape: (0.3 * torch.randn(shape, generator=generator)).to(torch.bfloat16)  # noqa: E731
    weights = {"model.embed_tokens.weight": real(vocab, hidden), "model.norm.weight": real(hidden), "lm_head.weight": real(vocab, hidden)}
    unpacked = {}
    for layer in range(2):
        prefix = f"model.layers.{layer}."
        weights |= {prefix + "input_layernorm.weight": real(hidden), prefix + "post_attention_layernorm.weight": real(hidden),
                    prefix + "self_attn.sinks": real(2), prefix + "mlp.router.weight": real(n_experts, hidden),
                    prefix + "mlp.router.bias": real(n_experts), prefix + "mlp.experts.gate_up_proj_bias": real(n_experts, 2 * ffn),
                    prefix + "mlp.experts.down_proj_bias": real(n_experts, hidden)}
        for part in ("q", "k", "v", "o"):
            weights[f"{prefix}self_attn.{part}_proj.weight"], weights[f"{prefix}self_attn.{part}_proj.bias"] = real(hidden, hidden), real(hidden)
        for part, rows, columns in (("gate_up_proj", 2 * ffn, hidden), ("down_proj", hidden, ffn)):
            blocks = torch.randint(0, 256, (n_experts, rows, columns // 32, 16), generator=generator, dtype=torch.uint8)
            scales = torch.randint(118, 126, (n_experts, rows, columns // 32), generator=generator, dtype=torch.uint8)
            weights[f"{prefix}mlp.experts.{part}_blocks"], weights[f"{prefix}mlp.experts.{part}_scales"] = blocks, scales
            unpacked[f"{prefix}mlp.experts.{part}"] = convert_moe_packed_tensors(blocks, scales).float()
    out = context.fresh("gpt_oss")
    out.mkdir(parents=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config = GptOssConfig(vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                          num_local_experts=n_experts, num_experts_per_tok=2, sliding_window=24)
    (out / "config.json").write_text(json.dumps(config.to_dict() | {"quantization_config": {"quant_method": "mxfp4"}}))
    bundle = context.convert(out, "-p", "uniform_4", "--tensor", ".*=16")
    tensors = read_tensors(bundle)
    for layer in range(2):
        experts = f"model.layers.{layer}.mlp.experts."
        pair, down = (unpacked[experts + name].numpy().swapaxes(1, 2) for name in ("gate_up_proj", "down_proj"))  # [E, out, in]
        bias = weights[experts + "gate_up_proj_bias"].float().numpy()
        for name, wanted in (("gate_proj.weight", pair[:, ::2]), ("up_proj.weight", pair[:, 1::2]), ("down_proj.weight", down),
                             ("gate_proj.bias", bias[:, ::2]), ("up_proj.bias", bias[:, 1::2])):
            require(np.array_equal(tensors[experts + name].f32(), wanted), f"{experts}{name} is not what transformers unpacks")

    config._attn_implementation = "eager"
    model = GptOssForCausalLM(config).float().eval()
    state = {name: value.float() for name, value in weights.items() if not name.endswith(("_blocks", "_scales"))} | unpacked
    missing, unexpected = model.load_state_dict(state, strict=False)
    require(not missing and not unexpected, f"transformers lacks {missing[:2]}, does not know {unexpected[:2]}")
    ids = np.random.default_rng(5).integers(0, vocab, 48)
    error = compare("mxfp4", ours(context, out, ids, 0)[0], torch_logits(model, ids))
    context.drop(out, bundle)
    return f"{n_experts} experts, logits within {error:.1e} of the largest"


def cases(context):
    for spelling in ("compressed-tensors", "modelopt"):
        yield f"float4_opened.{spelling}", lambda s=spelling: float4(context, s)
    yield "float4_opened.gpt_oss", lambda: gpt_oss_blocks(context)
