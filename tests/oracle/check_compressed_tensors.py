# SPDX-License-Identifier: Apache-2.0
"""`--target vllm` against the compressed-tensors package, in both directions, and against transformers.

Out: the package finds a scheme for every packed module in our config, and decompresses every tensor to (code - zero) * scale, bit for bit in
the type of the scales and, with the scales widened, in float32. Back: a model that the package's own compressor packed has, in our engine,
the logits that its decompressed weights have in transformers.

Before release 0.18 the package padded 3, 5 and 6 bits to whole words, where engines read the dense stream; those widths need a newer one.
"""

import importlib.metadata
import json
import shutil

import numpy as np
from bundle import read_tensors, reference_logits, stacked_experts, unpack
from check_logits import compare, ours, prompt
from harness import GROUPS, WIDTHS, Skip, require

PACKED = ".weight_packed"


def packs_densely():
    return tuple(map(int, importlib.metadata.version("compressed-tensors").split(".")[:2])) >= (0, 18)


def need_dense(bits):
    if 32 % bits and not packs_densely():
        raise Skip(f"compressed-tensors {importlib.metadata.version('compressed-tensors')} pads {bits} bits to whole words")


def to_torch(tensor):
    import torch

    raw = torch.from_numpy(np.array(tensor.raw))
    return raw.view(torch.bfloat16) if tensor.dtype == "BF16" else raw


def modules_of(tensors):
    return sorted(name[: -len(PACKED)] for name in tensors if name.endswith(PACKED))


def state_of(tensors, module):
    names = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape")
    return {n: to_torch(tensors[f"{module}.{n}"]) for n in names if f"{module}.{n}" in tensors}


def read_config(directory):
    """The package's own reading of quantization_config."""
    from compressed_tensors.quantization import QuantizationConfig

    document = json.loads((directory / "config.json").read_text())["quantization_config"]
    return QuantizationConfig.model_validate(document)


def scheme_of(config, module):
    from compressed_tensors.utils.match import match_name

    found = [s for s in config.config_groups.values() if any(match_name(module, t) for t in s.targets)]
    require(len(found) == 1, f"{len(found)} config groups are for {module}")
    require(not any(match_name(module, t) for t in config.ignore), f"{module} is packed and ignored")
    return found[0]


def decompress(state, scheme):
    from compressed_tensors.compressors.base import BaseCompressor

    return BaseCompressor.get_value_from_registry("pack-quantized").decompress(state, scheme)["weight"]


def own_values(tensors, module, bits):
    """(code - zero) * scale in float32, which is exact, from the bytes."""
    out, columns = tensors[module + ".weight_shape"].raw.tolist()
    codes = unpack(tensors[module + PACKED].raw.view(np.uint32), bits)[:, :columns].astype(np.float32)
    scales = tensors[module + ".weight_scale"].f32()
    zeros = np.full(scales.shape, 1 << (bits - 1), np.float32)
    if module + ".weight_zero_point" in tensors:
        columnwise = np.ascontiguousarray(tensors[module + ".weight_zero_point"].raw.view(np.uint32).T)
        zeros = unpack(columnwise, bits)[:, :out].T.astype(np.float32)
    group = columns // scales.shape[1]
    return (codes - np.repeat(zeros, group, 1)) * np.repeat(scales, group, 1)


def check_directory(directory, expected_bits=None):
    """Every packed module; returns their number and the widths seen."""
    import torch

    tensors, config = read_tensors(directory), read_config(directory)
    modules, widths = modules_of(tensors), set()
    require(modules, "nothing is packed")
    for module in modules:
        scheme = scheme_of(config, module)
        bits = scheme.weights.num_bits
        widths.add(bits)
        require(expected_bits in (None, bits), f"{module} has {bits} bits")
        require(scheme.weights.symmetric == (module + ".weight_zero_point" not in tensors), f"{module}: zero points and scheme disagree")
        state, values = state_of(tensors, module), own_values(tensors, module, bits)
        weight = decompress(state, scheme)
        expected = torch.from_numpy(values).to(weight.dtype)
        require(torch.equal(weight, expected), f"{module}: {int((weight != expected).sum())} values differ at {bits} bits")
        state["weight_scale"] = state["weight_scale"].float()
        require(np.array_equal(decompress(state, scheme).numpy(), values), f"{module}: values differ in float32 at {bits} bits")
    return len(modules), widths


def uniform(context, target, bits, group, dtype):
    need_dense(bits)
    out = context.convert(context.source("gutenberg-moe-9m"), "--target", target, "-p", f"uniform_{bits}", "--group-size", group,
                          "--scale-dtype", dtype)
    n, _ = check_directory(out, bits)
    context.drop(out)
    return f"{n} modules"


def mixed(context, name, profile):
    if not packs_densely():
        raise Skip("a mixture of widths needs compressed-tensors 0.18")
    out = context.convert(context.source(name), "--target", "vllm", "-p", profile)
    n, widths = check_directory(out)
    context.drop(out)
    require(len(widths) > 1, f"only {widths} bits in {profile}")
    return f"{n} modules of {sorted(widths)} bits"


def all_values(tensors):
    """Hugging Face's names to float32 values of a directory, packed modules unpacked by own_values."""
    values, parts = {}, set()
    for module in modules_of(tensors):
        out, columns = tensors[module + ".weight_shape"].raw.tolist()
        values[module + ".weight"] = own_values(tensors, module, tensors[module + PACKED].shape[1] * 32 // columns)
        parts.update(f"{module}.weight_{p}" for p in ("packed", "scale", "zero_point", "shape"))
    values.update({name: tensor.f32() for name, tensor in tensors.items() if name not in parts})
    return values


def check_loaded(model, values, dtype):
    """Every parameter is our float32 value, rounded to the type of the scales where it was packed: bit for bit."""
    import torch

    state = model.state_dict()
    if any(name.endswith(".experts.gate_up_proj") for name in state):
        values = stacked_experts(values)
    packed = 0
    for name, value in values.items():
        value = torch.from_numpy(np.ascontiguousarray(value))
        rounded, loaded = value.to(dtype).float(), state[name].float()
        packed += int(not torch.equal(rounded, value))
        require(torch.equal(loaded, rounded), f"{name}: {int((loaded != rounded).sum())} of {loaded.numel()} parameters differ")
    require(packed > 0, "no value was rounded")
    return len(values)


def loads_in_transformers(context, name, target, profile, dequantize):
    """transformers' own loader, which unpacks by the package. Where it keeps modules packed its logits are ours. Where it unpacks them at
    load (the only way that it takes zero points, and mixtures) it rounds the values to the type of the scales, and transformers 5.24 leaves
    experts in that type: they are multiplied in bf16 even in a model of float32, which alone moves logits of the mixture by a tenth. So
    there its parameters are compared, bit for bit, and the logits of the values in transformers' own class in float32."""
    import torch
    from transformers import AutoModelForCausalLM, CompressedTensorsConfig

    if profile != "uniform_4" and not packs_densely():
        raise Skip("a mixture of widths needs compressed-tensors 0.18")
    source = context.source(name)
    out = context.convert(source, "--target", target, "-p", profile, "--scale-dtype", "bf16")
    ids = prompt(out)
    options = {"quantization_config": CompressedTensorsConfig(dequantize=True)} if dequantize else {}
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, **options).eval()
    logits, _ = ours(context, out, ids, 0)
    if not dequantize:
        with torch.no_grad():
            error = compare("loaded", logits, model(torch.tensor([ids.tolist()])).logits[0].numpy())
        context.drop(out)
        return f"largest difference {error:.1e} of the largest logit"
    values = all_values(read_tensors(out))
    n = check_loaded(model, values, torch.bfloat16)
    error = compare("values", logits, reference_logits(source, values, ids))
    context.drop(out)
    return f"{n} parameters equal; of their values before rounding, largest difference {error:.1e} of the largest logit"


def opens_what_the_package_packs(context, bits, group, symmetric):
    """The package's min/max observer and compressor over the dense model; targets by class, as llm-compressor writes them."""
    import torch
    from compressed_tensors.compressors.base import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams
    from safetensors.torch import save_file

    need_dense(bits)
    source = context.source("gutenberg-dense-19m")
    args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, strategy="group", group_size=group)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    packed, plain = {}, {}
    for name, tensor in read_tensors(source).items():
        weight = to_torch(tensor)
        module = name.removesuffix(".weight")
        if "_proj" not in module:
            packed[name] = plain[name] = weight
            continue
        groups = weight.reshape(weight.shape[0], -1, group)
        scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), args)
        state = {"weight": weight, "weight_scale": scale}
        if not symmetric:
            state["weight_zero_point"] = zero.to(torch.int8)
        state = compressor.compress(state, scheme)
        packed.update({f"{module}.{k}": v.contiguous() for k, v in state.items()})
        state["weight_scale"] = state["weight_scale"].float()
        plain[name] = decompress(state, scheme)
    out = context.fresh("packed")
    out.mkdir(parents=True)
    for path in source.glob("*"):
        if path.suffix in (".json", ".txt") and "index" not in path.name:
            shutil.copy(path, out)
    save_file(packed, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    groups = {"group_0": {**scheme.model_dump(mode="json"), "format": "pack-quantized"}}
    config["quantization_config"] = {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
                                     "config_groups": groups, "ignore": ["lm_head"], "kv_cache_scheme": None,
                                     "global_compression_ratio": None}
    (out / "config.json").write_text(json.dumps(config))
    done = context.run("validate", out)
    require(done.returncode == 0, f"validate: {done.stdout.strip()[-300:]} {done.stderr.strip()[-300:]}")
    from transformers import AutoModelForCausalLM

    ids = prompt(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    missing = model.load_state_dict({k: v.float() for k, v in plain.items()}, strict=False)
    require(not missing.unexpected_keys, f"unexpected {missing.unexpected_keys[:3]}")
    with torch.no_grad():
        theirs = model(torch.tensor([ids.tolist()])).logits[0].numpy()
    logits, _ = ours(context, out, ids, 0)
    error = compare("packed by the package", logits, theirs)
    context.drop(out)
    return f"largest difference {error:.1e} of the largest logit"


def cases(context):
    few = context.quick
    for target in ("vllm", "vllm-symmetric"):
        for bits in WIDTHS:
            for group in (64,) if few else GROUPS:
                for dtype in ("bf16",) if few else ("bf16", "fp16"):
                    yield (f"compressed_tensors_decompresses.{target}.{bits}.{group}.{dtype}",
                           lambda a=(target, bits, group, dtype): uniform(context, *a))
    for name, profile in (("gutenberg-moe-9m", "JANG_2L"),) if few else (("gutenberg-moe-9m", "JANG_2L"), ("gutenberg-dense-19m", "JANG_3L")):
        yield f"compressed_tensors_decompresses.{name}.{profile}", lambda n=name, p=profile: mixed(context, n, p)
    for name, target, profile, dequantize in (("gutenberg-dense-19m", "vllm-symmetric", "JANG_3L", False),
                                              ("gutenberg-dense-19m", "vllm", "uniform_4", True),
                                              ("gutenberg-moe-9m", "vllm-symmetric", "uniform_4", True)):
        yield (f"compressed_tensors_transformers_logits.{name}.{target}.{profile}",
               lambda a=(name, target, profile, dequantize): loads_in_transformers(context, *a))
    for bits, group, symmetric in ((4, 128, False), (3, 64, True)) if few else [(b, g, s) for b in WIDTHS for g, s in ((128, False), (32, True))]:
        yield (f"compressed_tensors_packs.{bits}.{group}.{'symmetric' if symmetric else 'zero_points'}",
               lambda a=(bits, group, symmetric): opens_what_the_package_packs(context, *a))
