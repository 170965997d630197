# SPDX-License-Identifier: Apache-2.0
"""Multimodal checkpoints: one directory that mlx-lm opens as the text model and mlx-vlm as the whole, and with --text-only one of the text alone.

The text tower is packed, the rest has the values of the source rounded to 16 bits, and config.json says of every matrix which it is. Where mlx-vlm is
installed its own loader opens the directory strictly and its text logits are mlx-lm's; else these cases are skipped.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from bundle import Bundle, read_file
from check_logits import bundle_equals_mlx, compare, prompt, source_equals_transformers
from check_mlx import load_mlx, logits_match
from harness import Skip, require

FLAGS = ("-p", "JANG_4K")
LISTED = ("gemma3-vision", "qwen3_5-vision", "qwen3_5_moe-vision", "qwen3_vl", "qwen3_vl_moe", "mistral3", "gemma4-wrapped")  # the engine runs their text
BY_CLASS = ("llama4-wrapped",)
NO_TABLE = ("gemma4-wrapped",)  # whose config does not tell the tensors of the tower
TEXT_RUNS = ("llama4-wrapped", "ministral3-wrapped", "kimi_k25-wrapped")  # the engine runs their text; a quick run compares the first, once
TEXT = "language_model."
NEVER_PACKED = ("vision", "visual", "projector", "embed_vision")


def checkpoint(context, name):
    for root in (context.tiny, context.directory / "wrappers"):
        if root is not None and (root / name / "config.json").exists():
            return root / name
    script = Path(__file__).resolve().parents[2] / "scripts" / "make_tiny_models.py"
    if not context.models or not (context.models / "gutenberg-moe-9m").is_dir():
        raise Skip("no tokenizer for tiny checkpoints on this machine")
    done = subprocess.run([sys.executable, str(script), str(context.directory / "wrappers"), str(context.models / "gutenberg-moe-9m"), name],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"transformers makes no tiny one: {done.stderr.strip()[-200:]}")
    return context.directory / "wrappers" / name


def is_of_tower(name):
    return not name.startswith((TEXT, "model.language_model.", "lm_head.", "mtp."))


def in_mlx_form(values, wanted):
    """Values of a convolution with channels last, when that is the shape they are wanted in."""
    moved = np.moveaxis(values, 1, -1) if values.ndim >= 3 else values
    return moved if moved.shape == wanted and values.shape != wanted else values


def towers_are_the_source_s(context, name):
    source, out = checkpoint(context, name), context.convert(checkpoint(context, name), *FLAGS, keep=True)
    published, _ = read_file(source / "model.safetensors")
    bundle = Bundle(out)
    theirs = {n: t for n, t in published.items() if is_of_tower(n)}
    ours = {n: t for n, t in bundle.tensors.items() if is_of_tower(n)}
    require(theirs, "the source has no tower")
    require(len(ours) == len(theirs), f"{len(ours)} tensors beside the text model, the source has {len(theirs)}")
    left = {n: bundle.dense(n) for n in ours}
    for n, tensor in theirs.items():
        leaf = n.split(".")[-2:] if n.endswith((".weight", ".bias")) else n.split(".")[-1:]
        found = [m for m, v in left.items() if m.split(".")[-len(leaf):] == leaf and np.array_equal(v, in_mlx_form(tensor.f32(), v.shape))]
        require(found, f"nothing in the bundle has the values of {n}")
        left.pop(found[0])
    says = json.loads((out / "config.json").read_text())["quantization"]
    matrices = {n[: -len(".weight")] for n, t in ours.items() if n.endswith(".weight") and len(t.shape) > 1}
    require(all(says.get(m) is False for m in matrices), f"config.json does not say that {sorted(m for m in matrices if says.get(m) is not False)[:3]} are plain")
    packed = [m for m in says if isinstance(says[m], dict)]
    require(packed and all(m.startswith(TEXT) for m in packed), f"packed: {[m for m in packed if not m.startswith(TEXT)][:3]}")
    return f"{len(ours)} tensors beside {len(packed)} packed modules"


def estimate(context, name):
    """What config.json tells of the tower is what the checkpoint holds, and nothing of it is called missing."""
    source = checkpoint(context, name)
    published, _ = read_file(source / "model.safetensors")
    held = sum(int(np.prod(t.shape)) for n, t in published.items() if is_of_tower(n))
    found = context.report("estimate", source)["tower_params"]
    require(found == held, f"{found} weights of the tower by config.json, {held} in the checkpoint")
    out = context.convert(source, *FLAGS, keep=True)
    for directory in (source, out):
        said = [f["message"] for f in context.report("validate", directory)["findings"]]
        require(not any("vision tower" in m for m in said), f"{said}")
    return f"{held} weights"


def text_only(context, name):
    source = checkpoint(context, name)
    out = context.convert(source, *FLAGS, "--text-only", keep=True)
    names = [n for n in Bundle(out).tensors if is_of_tower(n)]
    require(not names, f"{names[:3]} are there")
    config = json.loads((out / "config.json").read_text())
    require("vision_config" not in config, "config.json still speaks of a vision tower")
    require(not any("processor" in p.name for p in out.iterdir()), "a processor's file came along")
    whole = context.convert(source, *FLAGS, keep=True)
    ids = prompt(source)
    import mlx.core as mx

    ours, both = (np.array(load_mlx(d)(mx.array([ids.tolist()])).astype(mx.float32)) for d in (out, whole))
    require(np.array_equal(ours, both), "the text alone computes something else than beside its tower")
    return "the same logits"


def experts_are_upright(context, name):
    """Published [E, in, out], packed as [E, out, in]: near the source's values where a wrong turn would be far off."""
    source = checkpoint(context, name)
    published, _ = read_file(source / "model.safetensors")
    bundle = Bundle(context.convert(source, *FLAGS, keep=True))
    worst, n = 0.0, 0
    for fused, tensor in published.items():
        if not fused.endswith((".experts.gate_up_proj", ".experts.down_proj")):
            continue
        values, half = tensor.f32().swapaxes(1, 2), tensor.shape[2] // 2
        parts = {"down_proj": values} if fused.endswith("down_proj") else {"gate_proj": values[:, :half], "up_proj": values[:, half:]}
        layer = fused.split(".layers.")[1].split(".")[0]
        for part, wanted in parts.items():
            module = next(m for m in bundle.modules if f".layers.{layer}." in m and "shared" not in m and m.endswith(part))
            found = bundle.dense(module + ".weight")
            require(found.shape == wanted.shape, f"{module}: {found.shape}, expected {wanted.shape}")
            worst, n = max(worst, float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))), n + 1
    require(n > 0 and worst < 0.3, f"{n} stacks, {worst:.2f} of the norm away")
    return f"{n} stacks, at most {worst:.2f} of their norm away"


def load_vlm(directory):
    if importlib.util.find_spec("mlx_vlm") is None:
        raise Skip("no Python package mlx_vlm")
    from mlx_vlm.utils import load_model

    return load_model(Path(directory))


def vlm_opens(context, name):
    import mlx.core as mx

    source = checkpoint(context, name)
    out = context.convert(source, *FLAGS, keep=True)
    model = load_vlm(out)
    ids = prompt(source)
    model.set_dtype(mx.float32)
    plain = load_mlx(out)
    plain.set_dtype(mx.float32)
    given = mx.array([ids.tolist()])
    extra = {"position_ids": mx.broadcast_to(mx.arange(len(ids)), (3, 1, len(ids)))} if name.startswith("qwen3") else {}
    theirs = model.language_model(given, **extra)
    error = compare("text", np.array(getattr(theirs, "logits", theirs)[0]), np.array(plain(given)[0]))
    from mlx.utils import tree_flatten

    n = len([k for k, _ in tree_flatten(model.parameters()) if not k.startswith(TEXT)])
    packed = [k for k, _ in tree_flatten(model.parameters()) if k.endswith(".scales") and any(part in k for part in NEVER_PACKED)]
    require(not packed, f"mlx-vlm packs {packed[:3]}")
    return f"strictly, {n} parameters beside the text model; text within {error:.1e} of mlx-lm"


def cases(context):
    for name in LISTED + BY_CLASS:
        yield f"wrapper_towers.{name}", lambda n=name: towers_are_the_source_s(context, n)
        yield f"wrapper_text_only.{name}", lambda n=name: text_only(context, n)
        yield f"wrapper_vlm.{name}", lambda n=name: vlm_opens(context, n)
    for name in ("qwen3_vl_moe", "llama4-wrapped"):
        yield f"wrapper_experts.{name}", lambda n=name: experts_are_upright(context, n)
    for name in TEXT_RUNS[:1] if context.quick else TEXT_RUNS:
        yield f"wrapper_source.{name}", lambda n=name: source_equals_transformers(context, checkpoint(context, n))
    for name in () if context.quick else TEXT_RUNS:
        yield f"wrapper_mlx_lm.{name}", lambda n=name: logits_match(context, checkpoint(context, n), FLAGS)
        yield f"wrapper_engine.{name}", lambda n=name: bundle_equals_mlx(context, checkpoint(context, n), FLAGS)
    for name in LISTED:
        if name not in NO_TABLE:
            yield f"wrapper_estimate.{name}", lambda n=name: estimate(context, n)
        yield f"wrapper_mlx_lm.{name}", lambda n=name: logits_match(context, checkpoint(context, n), FLAGS)
        yield f"wrapper_engine.{name}", lambda n=name: bundle_equals_mlx(context, checkpoint(context, n), FLAGS)
