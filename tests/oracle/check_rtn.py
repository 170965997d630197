# SPDX-License-Identifier: Apache-2.0
"""--method rtn against mx.quantize and mlx_lm.convert: equal codes, scales and biases, byte for byte.

Definition: the source is cast to the scale dtype first (as `mlx_lm convert --dtype` does), then mx.quantize of MLX's CPU backend, group by
group, with the bits and group that the bundle's own config records for the module.
"""

import json
import shutil

import numpy as np
from bundle import Bundle, Tensor, read_file, read_tensors, source_weight, write_file
from harness import DTYPES, GROUPS, REFERENCE_MODELS, WIDTHS, Fail, Skip, first_difference, looks_like_a_model, require


def mlx():
    import mlx.core as mx

    mx.set_default_device(mx.cpu)
    return mx


def to_mlx(tensor, raw):
    mx = mlx()
    array = mx.array(np.ascontiguousarray(raw))
    return array.view(mx.bfloat16) if tensor.dtype == "BF16" else array


def stored(array):
    """Raw bytes of an mx array."""
    mx = mlx()
    return np.array(array.view(mx.uint16) if array.dtype in (mx.bfloat16, mx.float16) else array).tobytes()


def compare_with_mx_quantize(source, directory, dtype):
    """Every quantized module of the bundle against mx.quantize of its source; returns the number of weights compared."""
    mx = mlx()
    tensors, bundle, count = read_tensors(source), Bundle(directory), 0
    require(bundle.modules, "nothing was quantized")
    scale_type = {"bf16": (mx.bfloat16, "BF16"), "fp16": (mx.float16, "F16")}[dtype]
    for module in bundle.modules:
        bits, group = bundle.params(module)
        pieces = [to_mlx(t, t.raw[rows]) for _, t, rows in source_weight(tensors, module)]
        weight = (pieces[0] if len(pieces) == 1 else mx.concatenate(pieces)).astype(scale_type[0])
        expected = mx.quantize(weight, group_size=group, bits=bits)
        for part, value in zip(("weight", "scales", "biases"), expected):
            ours = bundle.tensors[f"{module}.{part}"]
            require(ours.dtype == ("U32" if part == "weight" else scale_type[1]), f"{module}.{part} is stored as {ours.dtype}")
            if ours.bytes() != stored(value):
                raise Fail(f"{module}.{part}, {bits} bits, group {group}, {dtype}: {first_difference(ours.bytes(), stored(value))}")
        count += weight.size
    return count


def real_checkpoint(context, name, combinations):
    source, count = context.source(name), 0
    for bits, group, dtype in combinations:
        out = context.convert(source, "--method", "rtn", "-p", f"uniform_{bits}", "--group-size", group, "--scale-dtype", dtype)
        count += compare_with_mx_quantize(source, out, dtype)
        context.drop(out)
    return f"{len(combinations)} combinations, {count / 1e6:.1f} M weights"


# ---- adversarial groups ---------------------------------------------------------------------------------------------------------------


def adversarial_rows(columns, limit, smallest, seed):
    """float64 [rows, columns]; every run of 32 in a row is one hard group. limit: largest magnitude; smallest: least positive value."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(columns)
    rows = [np.abs(normal), -np.abs(normal), np.abs(normal) + 5, -np.abs(normal) - 5, np.zeros(columns), -np.zeros(columns)]
    rows += [np.where(rng.random(columns) < 0.5, 0.0, -0.0)]
    rows += [np.full(columns, c) for c in (1.0, -1.0, limit, -limit, 1e-7, -1e-7, smallest, -smallest, 0.1, -3.3)]
    rows += [np.where(rng.random(columns) < 0.5, limit, -limit), rng.uniform(-limit, limit, columns)]
    rows += [rng.integers(-20, 20, columns) * smallest, normal * smallest * 1000, normal * 1e-7, normal * 1e-6, normal * 1e-8]
    outlier = normal * 1e-3
    outlier[rng.integers(0, 32) :: 32] = 1000.0
    rows += [outlier, -outlier, np.where(np.arange(columns) % 32 == 7, limit, 0.0), np.where(np.arange(columns) % 32 == 31, -1.0, 0.0)]
    symmetric = normal.copy()
    symmetric[0::32], symmetric[1::32] = 4.0, -4.0
    rows += [np.clip(symmetric, -4, 4)]
    for bits in WIDTHS:  # unit steps, so that every odd multiple of one half ties between two codes
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        ties = rng.integers(2 * low, 2 * high + 1, columns) / 2
        ties[0::32], ties[1::32] = low, high
        rows += [ties, -ties, ties / 64]
    return np.stack(rows)


def as_tensor(values, dtype):
    """float64 -> Tensor of a storage type; bf16 by round to nearest even."""
    if dtype == "BF16":
        word = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
        raw = ((word + 0x7FFF + ((word >> 16) & 1)) >> 16).astype(np.uint16)
        return Tensor(dtype, raw.shape, raw)
    raw = values.astype(np.float16 if dtype == "F16" else np.float32)
    return Tensor(dtype, raw.shape, raw)


def adversarial_checkpoint(context, dtype, limit, edit=None):
    """A one-layer llama whose matrices are adversarial groups. edit(tensors) may change it before it is written."""
    tokenizer = next((m for m in REFERENCE_MODELS if context.models and (context.models / m / "tokenizer.json").exists()), None)
    if tokenizer is None:
        raise Skip("no tokenizer to give the checkpoint")
    directory = context.fresh("adversarial").parent
    hidden, inner, vocab = 256, 512, 96
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=hidden, intermediate_size=inner, num_hidden_layers=1)
    config.update(num_attention_heads=4, num_key_value_heads=2, vocab_size=vocab, max_position_embeddings=128, rms_norm_eps=1e-6)
    config.update(rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu", bos_token_id=0, eos_token_id=0)
    config["torch_dtype"] = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}[dtype]
    layer = {"mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner)}
    attention = {"q": hidden, "k": hidden // 2, "v": hidden // 2, "o": hidden}
    layer.update({f"self_attn.{n}_proj": (rows, hidden) for n, rows in attention.items()})
    shapes = {"model.embed_tokens": (vocab, hidden), **{f"model.layers.0.{n}": s for n, s in layer.items()}, "lm_head": (vocab, hidden)}
    smallest = {"BF16": 2.0**-133, "F16": 2.0**-24, "F32": 2.0**-149}[dtype]
    tensors = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        rows = np.concatenate([adversarial_rows(shape[1], limit, smallest, seed * 100 + i) for i in range(12)])[: shape[0]]
        tensors[name + ".weight"] = as_tensor(rows, dtype)
    for name in ("model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm", "model.norm"):
        tensors[name + ".weight"] = as_tensor(np.ones(hidden), dtype)
    if edit:
        edit(tensors)
    write_file(directory / "model.safetensors", tensors, {"format": "pt"})
    (directory / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(context.models / tokenizer / name, directory / name)
    return directory


def adversarial(context, dtype, scale_dtype):
    # 65504 rounds to 65536 in bf16, which fp16 cannot hold: that cast has a case of its own below
    limit = 32000.0 if dtype == "BF16" and scale_dtype == "fp16" else 65504.0
    source, count = adversarial_checkpoint(context, dtype, limit), 0
    for bits in WIDTHS:
        for group in GROUPS:
            out = context.convert(source, "--method", "rtn", "-p", f"uniform_{bits}", "--group-size", group, "--scale-dtype", scale_dtype)
            count += compare_with_mx_quantize(source, out, scale_dtype)
            context.drop(out)
    return f"{len(WIDTHS) * len(GROUPS)} combinations, {count / 1e6:.1f} M weights"


def refused(context, dtype, value, name, method):
    """A source with one NaN or Inf: exit code 3, the tensor's name, nothing left behind."""

    def edit(tensors):
        tensor = tensors[name]
        raw = tensor.raw.copy()
        raw.reshape(-1)[raw.size * 2 // 3] = as_tensor(np.array([value]), dtype).raw[0]
        tensors[name] = Tensor(dtype, tensor.shape, raw)

    source = adversarial_checkpoint(context, dtype, 100.0, edit)
    out = context.fresh("refused")
    done = context.run("convert", source, "-o", out, "--method", method, "-p", "uniform_4")
    require(done.returncode == 3, f"exit code {done.returncode}, expected 3: {done.stderr.strip()[-200:]}")
    require(name in done.stderr, f"stderr does not name {name}: {done.stderr.strip()[-200:]}")
    require(not out.exists() and not looks_like_a_model(out.parent), "something that looks like a model was left behind")


def overflow_is_not_silent(context, method):
    """bf16 values that fp16 cannot hold: refused naming the tensor, or stored so that every scale and bias is finite."""

    def edit(tensors):
        tensors["model.layers.0.mlp.up_proj.weight"] = as_tensor(np.linspace(-1e6, 1e6, 512 * 256).reshape(512, 256), "BF16")

    source = adversarial_checkpoint(context, "BF16", 100.0, edit)
    out = context.fresh("overflow")
    done = context.run("convert", source, "-o", out, "--method", method, "-p", "uniform_4", "--scale-dtype", "fp16")
    if done.returncode != 0:
        require("up_proj" in done.stderr, f"refused without naming the tensor: {done.stderr.strip()[-200:]}")
        require(not out.exists(), "an output directory was left behind")
        return f"refused with exit code {done.returncode}"
    bundle = Bundle(out)
    for name, tensor in bundle.tensors.items():
        require(tensor.dtype == "U32" or np.isfinite(tensor.f32()).all(), f"{name} holds Inf or NaN")
    return "stored with finite parameters"


# ---- whole bundles against mlx_lm.convert ---------------------------------------------------------------------------------------------


def mlx_lm_convert(source, out, profile):
    import contextlib
    import io

    from mlx_lm import convert

    mlx()
    recipe = dict(quant_predicate=profile) if profile.startswith("mixed") else dict(q_bits=int(profile[-1]))
    with contextlib.redirect_stdout(io.StringIO()):
        convert(str(source), str(out), quantize=True, q_group_size=64, **recipe)


def loaded_parameters(directory):
    """module path -> (bits, group_size, mode) of the model that stock mlx-lm builds from a directory."""
    from pathlib import Path

    from mlx_lm.utils import load_model

    mlx()
    model, _ = load_model(Path(directory), lazy=True)
    return {path: (m.bits, m.group_size, m.mode) for path, m in model.named_modules() if hasattr(m, "bits")}


def equals_mlx_lm(context, name, profile):
    source = context.source(name)
    theirs = context.fresh("mlx")
    mlx_lm_convert(source, theirs, profile)
    ours = context.convert(source, "--method", "rtn", "-p", profile)
    a, b = read_tensors(ours), read_tensors(theirs)
    require(set(a) == set(b), f"tensor names differ: {sorted(set(a) ^ set(b))[:6]}")
    for key in a:
        forms = [(t[key].dtype, t[key].shape) for t in (a, b)]
        require(forms[0] == forms[1], f"{key}: {forms[0]}, MLX {forms[1]}")
        if a[key].bytes() != b[key].bytes():
            raise Fail(f"{key}: {first_difference(a[key].bytes(), b[key].bytes())}")
    require(loaded_parameters(ours) == loaded_parameters(theirs), "mlx-lm loads other bits or groups from our config")
    metadata = [read_file(p)[1] for p in ours.glob("model*.safetensors")]
    require(all(m.get("format") == "mlx" for m in metadata), "a shard lacks the metadata format: mlx")
    context.drop(ours, theirs)
    return f"{len(a)} tensors"


def cases(context):
    every = [(b, g, d) for b in WIDTHS for g in GROUPS for d in DTYPES]
    some = [(b, GROUPS[(i + j) % 3], DTYPES[(i + j) % 2]) for i, b in enumerate(WIDTHS) for j in (0, 1)]
    plan = {"TinyStories-656K": every, "gutenberg-moe-9m": every, "gutenberg-dense-19m": some, "gutenberg-moe-90m": some}
    plan["gemma"] = some[::3]
    for name, combinations in plan.items():
        chosen = combinations[:: 4 if context.quick else 1]
        yield f"rtn_equals_mx_quantize.{name}", lambda n=name, c=chosen: real_checkpoint(context, n, c)
    for dtype in ("BF16", "F16", "F32"):
        for scale in DTYPES:
            yield f"rtn_adversarial.{dtype}-{scale}", lambda d=dtype, s=scale: adversarial(context, d, s)
    for dtype in ("BF16", "F16", "F32"):
        for value in (float("nan"), float("inf"), float("-inf")):
            for method in ("rtn", "fit"):
                name = "model.layers.0.mlp.down_proj.weight"
                yield f"refuses_{value}.{dtype}-{method}", lambda d=dtype, v=value, m=method, n=name: refused(context, d, v, n, m)
    yield "refuses_nan.norm", lambda: refused(context, "BF16", float("nan"), "model.norm.weight", "fit")
    for method in ("rtn", "fit"):
        yield f"overflow_is_not_silent.{method}", lambda m=method: overflow_is_not_silent(context, m)
    profiles = ("uniform_4", "mixed_3_6", "uniform_2", "mixed_2_6", "mixed_3_4", "mixed_4_6")[: 2 if context.quick else 6]
    for name in ("gutenberg-dense-19m", "gutenberg-moe-9m", "gutenberg-moe-90m"):
        for profile in profiles:
            yield f"uniform_equals_mlx_lm_convert.{name}-{profile}", lambda n=name, p=profile: equals_mlx_lm(context, n, p)
