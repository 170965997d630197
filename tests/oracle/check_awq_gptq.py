# SPDX-License-Identifier: Apache-2.0
"""`--target awq`, `--target gptq`, `jang export` and the imports against the published packings, written here a second time in numpy.

AutoAWQ's GEMM (0.2.9): qweight [in, out/8], nibble i of word j holds output column 8j + {0,2,4,6,1,3,5,7}[i]; qzeros likewise per group;
value = (q - z) * s. GPTQ (AutoGPTQ, GPTQModel): qweight [in*b/32, out], a stream of b bits down every column; qzeros [in/g, out*b/32], one
along every row, holding z - 1 in the format gptq and z in gptq_v2 (shift_zeros); g_idx says the group of every input.

Out: the formulas unpack our files to the values that our own reader has, and in transformers these values have our engine's logits. Back:
files that the formulas packed have, in our engine, the logits of the values in transformers. Where AutoAWQ and GPTQModel are installed,
their own functions unpack our files; AutoAWQ's also repack them for kernels of GPTQ's layout, which our engine reads again.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from bundle import read_tensors, reference_logits
from check_compressed_tensors import check_directory, to_torch
from check_logits import compare, mlx_logits, ours, prompt
from harness import Skip, require

AWQ_ORDER = np.array([0, 2, 4, 6, 1, 3, 5, 7])


def bits_of(words, bits):
    """[n, m] words to [n, m*32/bits] codes, a stream along the second axis, least significant bit first."""
    words = np.ascontiguousarray(words).view(np.uint32)
    stream = (words[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    stream = stream.reshape(words.shape[0], -1, bits)
    return (stream << np.arange(bits, dtype=np.uint32)).sum(-1).astype(np.int64)


def words_of(codes, bits):
    """The inverse: [n, m] codes to [n, m*bits/32] words."""
    stream = ((codes[:, :, None].astype(np.uint32) >> np.arange(bits, dtype=np.uint32)) & 1).reshape(codes.shape[0], -1, 32)
    return (stream << np.arange(32, dtype=np.uint32)).sum(-1, dtype=np.uint32).view(np.int32)


def unpack_awq(qweight, qzeros, scales):
    def nibbles(words):
        codes = bits_of(words, 4).reshape(words.shape[0], -1, 8)
        out = np.empty_like(codes)
        out[:, :, AWQ_ORDER] = codes
        return out.reshape(words.shape[0], -1)

    group = qweight.shape[0] // scales.shape[0]
    zeros, steps = np.repeat(nibbles(qzeros), group, 0), np.repeat(scales.astype(np.float32), group, 0)
    return ((nibbles(qweight) - zeros).astype(np.float32) * steps).T


def pack_awq(codes, zeros, scales):
    def words(matrix):
        return words_of(matrix.reshape(matrix.shape[0], -1, 8)[:, :, AWQ_ORDER].reshape(matrix.shape), 4)

    return {"qweight": words(codes.T), "qzeros": words(zeros.T), "scales": np.ascontiguousarray(scales.T).astype(np.float16)}


def shift_zeros(words, bits, delta):
    """Zero points of the format gptq are one less: of whole words, borrows included, where codes fill them; mod 8, code by code, at 3."""
    if bits == 3:
        return words_of((bits_of(words, 3) + delta) % 8, 3)
    ones = np.uint32(sum(1 << s for s in range(0, 32, bits)))
    unsigned = np.ascontiguousarray(words).view(np.uint32)
    return (unsigned + ones if delta > 0 else unsigned - ones).view(np.int32)


def unpack_gptq(qweight, qzeros, scales, g_idx, bits, less_one):
    codes = bits_of(np.ascontiguousarray(qweight.T), bits)  # [out, in]
    zeros = bits_of(shift_zeros(qzeros, bits, 1) if less_one else qzeros, bits).T  # [out, groups]
    return (codes - zeros[:, g_idx]).astype(np.float32) * scales.astype(np.float32).T[:, g_idx]


def pack_gptq(codes, zeros, scales, g_idx, bits, less_one):
    qzeros = words_of(np.ascontiguousarray(zeros.T), bits)
    return {"qweight": np.ascontiguousarray(words_of(codes, bits).T), "qzeros": shift_zeros(qzeros, bits, -1) if less_one else qzeros,
            "scales": np.ascontiguousarray(scales.T).astype(np.float16), "g_idx": g_idx.astype(np.int32)}


def bits_of_module(tensors, module):
    return tensors[module + ".qzeros"].shape[1] * 32 // tensors[module + ".qweight"].shape[1]


def values_of(tensors, method):
    """Hugging Face's names to float32 values: packed modules by the formulas, everything else as it is."""
    out, modules = {}, [n[: -len(".qweight")] for n in tensors if n.endswith(".qweight")]
    for m in modules:
        raw = {k: np.array(tensors[f"{m}.{k}"].raw) for k in ("qweight", "qzeros", "scales")}
        if method == "awq":
            out[m + ".weight"] = unpack_awq(raw["qweight"], raw["qzeros"], raw["scales"])
        else:
            g_idx = np.array(tensors[m + ".g_idx"].raw)
            out[m + ".weight"] = unpack_gptq(raw["qweight"], raw["qzeros"], raw["scales"], g_idx, bits_of_module(tensors, m), 1)
    for name, tensor in tensors.items():
        if name.rsplit(".", 1)[0] not in modules:
            out[name] = tensor.f32()
    return out, modules


def written(context, name, method, *flags):
    """Our files: every value by the formula is the one that stands in transformers when the logits are ours."""
    source = context.source(name)
    out = context.convert(source, "--target", method, *flags)
    tensors = read_tensors(out)
    values, modules = values_of(tensors, method)
    require(modules, "nothing is packed")
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    require(config["quant_method"] == method, f"config.json says {config}")
    ids = prompt(source)
    error = compare(name, ours(context, out, ids, 0)[0], reference_logits(source, values, ids))
    widths = [4] if method == "awq" else sorted({bits_of_module(tensors, m) for m in modules})
    checked = ask_autoawq(context, out, tensors, modules, values, ids) if method == "awq" else ask_gptqmodel(tensors, modules, values)
    context.drop(out)
    return f"{len(modules)} modules of {widths} bits, largest difference {error:.1e} of the largest logit{checked}"


def autoawq_packing():
    """AutoAWQ's own functions for its files, of a module that needs torch alone; importing the package would ask for its kernels."""
    import importlib.util

    spec = importlib.util.find_spec("awq")
    paths = [Path(d) / "utils" / "packing_utils.py" for d in (spec.submodule_search_locations if spec else [])]
    for path in filter(Path.exists, paths):
        own = importlib.util.spec_from_file_location("awq_packing_utils", path)
        module = importlib.util.module_from_spec(own)
        own.loader.exec_module(module)
        return module
    return None


def ask_autoawq(context, directory, tensors, modules, values, ids):
    """AutoAWQ unpacks every module to our values, and what it makes of the file for kernels of GPTQ's layout has the same logits."""
    packing = autoawq_packing()
    if packing is None:
        return ""
    import torch
    from safetensors.torch import save_file

    made = {name: to_torch(t) for name, t in tensors.items() if name.rsplit(".", 1)[0] not in modules}
    for m in modules:
        qweight, qzeros, scales = (to_torch(tensors[f"{m}.{k}"]) for k in ("qweight", "qzeros", "scales"))
        group = qweight.shape[0] // scales.shape[0]
        theirs = packing.dequantize_gemm(qweight, qzeros, scales.float(), 4, group).numpy().T
        require(np.array_equal(theirs, values[m + ".weight"]), f"AutoAWQ unpacks {m} to other values")
        qweight, qzeros = packing.unpack_reorder_pack(qweight, qzeros, 4)
        made.update({f"{m}.qweight": qweight, f"{m}.qzeros": qzeros, f"{m}.scales": scales})
    out = context.fresh("repacked")
    out.mkdir(parents=True)
    for path in directory.glob("*"):
        if path.suffix in (".json", ".txt") and "index" not in path.name:
            shutil.copy(path, out)
    save_file({k: v.contiguous() for k, v in made.items()}, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((directory / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": group, "desc_act": False, "sym": False}
    (out / "config.json").write_text(json.dumps(config))
    same = np.array_equal(ours(context, out, ids, 0)[0], ours(context, directory, ids, 0)[0])
    context.drop(out)
    require(same, "what AutoAWQ makes of our file for GPTQ's kernels has other logits")
    return "; AutoAWQ unpacks to the same values and repacks to the same logits"


def loaded_by_transformers(context, method, flags):
    """transformers loads our directory with GPTQModel's plain torch kernels, which compute in float16: sums of products that are rounded to
    11 bits, so the bar is 2^-8 of the largest logit."""
    import importlib.util

    import torch

    if not importlib.util.find_spec("gptqmodel") or not importlib.util.find_spec("optimum"):
        raise Skip("transformers loads these files with the packages gptqmodel and optimum")
    from transformers import AutoModelForCausalLM, AwqConfig, GPTQConfig

    source = context.source("gutenberg-dense-19m")
    out = context.convert(source, "--target", method, *flags)
    kernel = GPTQConfig(bits=4, backend="torch") if method == "gptq" else AwqConfig(backend="torch_awq")
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float16, device_map="cpu", quantization_config=kernel).eval()
    require("gptqmodel" in type(model.model.layers[0].self_attn.q_proj).__module__, "the maps are not packed")
    ids = prompt(source)
    with torch.inference_mode():
        theirs = model(torch.tensor([list(map(int, ids))])).logits[0].float().numpy()
    error = float(np.abs(ours(context, out, ids, 0)[0] - theirs).max() / np.abs(theirs).max())
    context.drop(out)
    require(error <= 2.0**-8, f"largest difference {error:.1e} of the largest logit, bar {2.0**-8:.1e}")
    return f"largest difference {error:.1e} of the largest logit, in float16"


def gptqmodel_values(parts, bits, less_one):
    """The values [out, in] that GPTQModel's own module makes of its tensors, without its kernels; Skip where it cannot be imported."""
    import torch

    try:
        from gptqmodel.nn_modules.qlinear import PackableQuantLinear
        from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module
    except Exception as error:
        raise Skip(f"GPTQModel: {error}") from error
    module = PackableQuantLinear.__new__(PackableQuantLinear)
    torch.nn.Module.__init__(module)
    for name, part in parts.items():
        tensor = torch.from_numpy(np.array(part))
        module.register_buffer(name, tensor.float() if name == "scales" else tensor)  # float32: the products are exact
    module._wf_device = lambda: torch.device("cpu")
    settings = {"bits": bits, "enable_wf_unsqueeze": True, "pack_dtype": torch.int32, "pack_dtype_bits": 32, "pack_factor": 32 // bits,
                "maxq": 2**bits - 1, "dequant_dtype": torch.int16, "in_features": len(parts["g_idx"]), "planar": False}
    for name, value in settings.items():
        setattr(module, name, value)
    if less_one:
        convert_gptq_v1_to_v2_format_module(module, bits, torch.int32)
    module._init_wf_unsqueeze_buffers()
    return module.dequantize_weight().numpy().T


def gptqmodel_agrees(context, bits, less_one):
    """The formulas here are those of the package, zero points of 0 and any order of columns included."""
    rng = np.random.default_rng(bits)
    codes, zeros = rng.integers(0, 2**bits, (64, 128)), rng.integers(0, 2**bits, (64, 4))
    zeros[::7] = 0
    scales, g_idx = rng.random((64, 4)).astype(np.float16), rng.permutation(128) // 32
    parts = pack_gptq(codes, zeros, scales, g_idx, bits, less_one)
    values = unpack_gptq(*(parts[k] for k in ("qweight", "qzeros", "scales")), g_idx, bits, less_one)
    require(np.array_equal(values, (codes - zeros[:, g_idx]).astype(np.float32) * scales.astype(np.float32)[:, g_idx]), "the formulas differ")
    require(np.array_equal(gptqmodel_values(parts, bits, less_one), values), "GPTQModel has other values")


def ask_gptqmodel(tensors, modules, values):
    try:
        for m in modules[:32]:
            parts = {k: np.array(tensors[f"{m}.{k}"].raw) for k in ("qweight", "qzeros", "scales", "g_idx")}
            theirs = gptqmodel_values(parts, bits_of_module(tensors, m), 1)
            require(np.array_equal(theirs, values[m + ".weight"]), f"GPTQModel unpacks {m} to other values")
    except Skip:
        return ""
    return "; GPTQModel unpacks to the same values"


def random_module(rng, weight, bits, group):
    """Plain asymmetric rounding with whole zero points."""
    out, columns = weight.shape
    groups = weight.reshape(out, -1, group)
    low, high = np.minimum(groups.min(-1), 0), np.maximum(groups.max(-1), 0)
    scale = np.maximum((high - low) / (2**bits - 1), 1e-6).astype(np.float16)
    zero = np.clip(np.round(-low / scale.astype(np.float32)), 0, 2**bits - 1).astype(np.int64)
    codes = np.round(groups / scale[:, :, None].astype(np.float32)) + zero[:, :, None]
    return np.clip(codes, 0, 2**bits - 1).astype(np.int64).reshape(out, columns), zero, scale


def opened_by_peer(target, directory, ids, theirs):
    """Stock mlx-lm has the same logits; compressed-tensors decompresses every module to the values of its bytes."""
    import importlib.util

    if target == "mlx" and importlib.util.find_spec("mlx_lm"):
        import mlx.core as mx
        from check_mlx import load_mlx

        model = load_mlx(directory)
        model.set_dtype(mx.float32)
        return f", in mlx-lm {compare('mlx-lm', mlx_logits(model, ids), theirs):.1e}"
    if target == "vllm" and importlib.util.find_spec("compressed_tensors"):
        return f", {check_directory(directory)[0]} modules as compressed-tensors has them"
    return ""


def opened(context, method, bits, group, act_order=False, v2=False, export=False):
    """Files that the formulas pack: our engine has the logits of their values."""
    import torch
    from safetensors.torch import save_file

    source = context.source("gutenberg-dense-19m")
    rng = np.random.default_rng(5)
    packed, values = {}, {}
    for name, tensor in read_tensors(source).items():
        module, weight = name.removesuffix(".weight"), tensor.f32()
        if "_proj" not in module or name.endswith(".bias"):
            packed[name] = to_torch(tensor)
            values[name] = weight
            continue
        columns = weight.shape[1]
        size = columns if group == -1 else group
        order = rng.permutation(columns) if act_order else np.arange(columns)
        codes, zeros, scales = random_module(rng, weight[:, order], bits, size)
        g_idx = np.empty(columns, np.int64)
        g_idx[order] = np.arange(columns) // size
        codes = codes[:, np.argsort(order)]
        if method == "awq":
            parts = pack_awq(codes, zeros, scales)
            values[name] = unpack_awq(parts["qweight"], parts["qzeros"], parts["scales"])
        else:
            parts = pack_gptq(codes, zeros, scales, g_idx, bits, 0 if v2 else 1)
            values[name] = unpack_gptq(*(parts[k] for k in ("qweight", "qzeros", "scales")), g_idx, bits, 0 if v2 else 1)
        error = np.square(values[name] - weight).sum() / np.square(weight).sum()
        require(error < 0.5 * 4.0 ** (2 - bits) * 4, f"the formulas pack {name} badly: {error:.2e}")
        packed.update({f"{module}.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in parts.items()})
    out = context.fresh("packed")
    out.mkdir(parents=True)
    for path in source.glob("*"):
        if path.suffix in (".json", ".txt") and "index" not in path.name:
            shutil.copy(path, out)
    save_file(packed, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    quantization = {"quant_method": method, "bits": bits, "group_size": group}
    if method == "awq":
        quantization.update(zero_point=True, version="gemm", modules_to_not_convert=None)
    else:
        quantization.update(desc_act=act_order, sym=False, lm_head=False, checkpoint_format="gptq_v2" if v2 else "gptq")
    config["quantization_config"] = quantization
    (out / "config.json").write_text(json.dumps(config))
    done = context.run("validate", out)
    require(done.returncode == 0, f"validate: {done.stdout.strip()[-300:]} {done.stderr.strip()[-300:]}")
    ids = prompt(source)
    theirs = reference_logits(source, values, ids)
    error = compare("packed by the formulas", ours(context, out, ids, 0)[0], theirs)
    remark = f"largest difference {error:.1e} of the largest logit"
    if export:
        for target, flags in (("mlx", ("--scale-dtype", "fp32")), ("vllm", ())):
            to = context.fresh("exported")
            report = context.report("export", out, "--target", target, "-o", to, *flags)
            require(report["exact_modules"] == report["modules"] > 0, f"{target}: {report['exact_modules']} of {report['modules']} modules exact")
            error = compare(f"exported to {target}", ours(context, to, ids, 0)[0], theirs)
            remark += f"; as {target} {error:.1e}" + opened_by_peer(target, to, ids, theirs)
            context.drop(to)
    context.drop(out)
    return remark


def float8(context, strategy):
    """compressed-tensors' and transformers' float8 weights, made by torch's own type."""
    import torch
    from safetensors.torch import save_file

    source = context.source("gutenberg-dense-19m")
    packed, values = {}, {}
    for name, tensor in read_tensors(source).items():
        weight = to_torch(tensor)
        if "_proj" not in name or not name.endswith(".weight"):
            packed[name] = weight
            values[name] = tensor.f32()
            continue
        w, (out, columns) = weight.float(), weight.shape
        if strategy == "tensor":
            scale = w.abs().max().reshape(1) / 448
            whole = scale.expand(out, columns)
        elif strategy == "channel":
            scale = w.abs().amax(1, keepdim=True) / 448
            whole = scale.expand(out, columns)
        else:
            pad = torch.zeros(-(-out // 128) * 128, -(-columns // 128) * 128)
            pad[:out, :columns] = w
            scale = pad.reshape(pad.shape[0] // 128, 128, -1, 128).abs().amax((1, 3)) / 448
            whole = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)[:out, :columns]
        codes = (w / whole).to(torch.float8_e4m3fn)
        packed[name] = codes
        packed[name + ("_scale_inv" if strategy == "block" else "_scale")] = scale.contiguous()
        values[name] = (codes.float() * whole).numpy()
    out = context.fresh("float8")
    out.mkdir(parents=True)
    for path in source.glob("*"):
        if path.suffix in (".json", ".txt") and "index" not in path.name:
            shutil.copy(path, out)
    save_file(packed, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [128, 128]} if strategy == "block" else {
        "quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": {
            "targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": strategy, "symmetric": True}}}}
    (out / "config.json").write_text(json.dumps(config))
    ids = prompt(source)
    error = compare(f"float8 by {strategy}", ours(context, out, ids, 0)[0], reference_logits(source, values, ids))
    bundle = context.convert(out, "-p", "uniform_4")
    context.drop(out, bundle)
    return f"largest difference {error:.1e} of the largest logit"


def mlx_mode(context, mode, bits, group):
    """Directories that mlx_lm.convert makes in the modes of narrow floats, against MLX's own dequantize."""
    try:
        import mlx.core as mx
        from mlx_lm import convert
    except ImportError as error:
        raise Skip(str(error)) from error
    source = context.source("gutenberg-dense-19m")
    out = context.fresh("mlx")
    convert(str(source), str(out), quantize=True, q_bits=bits, q_group_size=group, q_mode=mode)
    tensors = mx.load(str(next(out.glob("model*.safetensors"))))
    values = {}
    for name, tensor in tensors.items():
        module = name.removesuffix(".weight")
        if name.endswith(".scales"):
            continue
        if module + ".scales" in tensors:
            w = mx.dequantize(tensor, tensors[module + ".scales"], None, group_size=group, bits=bits, mode=mode).astype(mx.float32)
            values[name] = np.array(w)
        else:
            values[name] = np.array(tensor.astype(mx.float32))
    ids = prompt(source)
    error = compare(mode, ours(context, out, ids, 0)[0], reference_logits(source, values, ids))
    bundle = context.convert(out, "-p", "uniform_4")
    context.drop(out, bundle)
    return f"largest difference {error:.1e} of the largest logit"


def cases(context):
    few = context.quick
    for name, method, flags in (("gutenberg-dense-19m", "awq", ()), ("gutenberg-moe-9m", "awq", ("--group-size", "64")),
                                ("gutenberg-dense-19m", "gptq", ("-p", "JANG_4M")), ("gutenberg-moe-9m", "gptq", ("-p", "uniform_8"))):
        yield f"awq_gptq_written.{name}.{method}", lambda a=(name, method, *flags): written(context, *a)
    rows = [("awq", 4, 128, False, False, True), ("awq", 4, 32, False, False, False), ("gptq", 4, 128, False, False, True),
            ("gptq", 3, 64, False, True, False), ("gptq", 4, 128, True, False, False), ("gptq", 8, -1, False, False, False)]
    rows += [] if few else [("gptq", 2, 32, False, False, False), ("gptq", 8, 64, True, True, False), ("gptq", 4, 32, False, True, True),
                            ("awq", 4, 64, False, False, True)]
    for method, bits, group, act_order, v2, export in rows:
        label = f"{method}.{bits}.{group}{'.act_order' if act_order else ''}{'.v2' if v2 else ''}"
        yield f"awq_gptq_opened.{label}", lambda a=(method, bits, group, act_order, v2, export): opened(context, *a)
    for method, flags in (("awq", ()), ("gptq", ("-p", "uniform_4"))):
        yield f"awq_gptq_transformers.{method}", lambda a=(method, flags): loaded_by_transformers(context, *a)
    for bits in (2, 3, 4, 8):
        for less_one in (0, 1):
            yield f"awq_gptq_formulas.{bits}.{'v1' if less_one else 'v2'}", lambda a=(bits, less_one): gptqmodel_agrees(context, *a)
    for strategy in ("tensor", "channel", "block"):
        yield f"float8_opened.{strategy}", lambda s=strategy: float8(context, s)
    for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
        yield f"mlx_mode_opened.{mode}", lambda a=(mode, bits, group): mlx_mode(context, *a)
