# SPDX-License-Identifier: Apache-2.0
"""The engine's logits against its peers: `jang logits --exact` on source checkpoints is transformers in float32, on bundles mlx-lm in float32.

Both sides compute in float32, so they differ by the order of sums: about sqrt(terms) * eps per product, 1e-6 to 1e-5 of the largest logit
for these depths. The bar is 1e-4 of the largest logit; a wrong norm offset, rotation, window or expert changes logits by their own size.
Greedy continuations must be equal token for token, unless the peer's own two best logits are closer than the bar where they part.
"""

import json

import numpy as np
from bundle import load_transformers, model_class, read_file
from check_mlx import load_mlx, text_config, tiny_checkpoints
from harness import BRIEF, MLX_DIFFERS, ONCE, REFERENCE_MODELS, Fail, require

TOLERANCE = 1e-4
N_IDS, N_CONTINUE = 96, 64
BUNDLE_PROFILES = {"JANG_2S": ("-p", "JANG_2S"), "JANG_4K": ("-p", "JANG_4K"), "uniform_3": ("-p", "uniform_3")}


def prompt(directory):
    vocab = min(text_config(directory)["vocab_size"], 4096)
    return np.random.default_rng(11).integers(3, vocab, N_IDS)


def ours(context, directory, ids, n_continue, *flags):
    """(logits [n, vocab] float32, continuation) of `jang logits --exact`."""
    out = context.fresh("logits").with_suffix(".safetensors")
    done = context.run("logits", directory, "--ids", ",".join(map(str, ids)), "-n", n_continue, "--exact", "-o", out, *flags)
    require(done.returncode == 0, f"`jang logits {directory}` gave {done.returncode}: {done.stderr.strip()[-400:]}")
    tensors, _ = read_file(out)
    require(tensors["ids"].raw.tolist() == list(ids), "the file does not hold the ids that were given")
    return tensors["logits"].f32(), tensors["continuation"].raw.tolist()


def compare(name, logits, reference):
    require(logits.shape == reference.shape, f"{name}: shapes {logits.shape} and {reference.shape}")
    require(np.isfinite(reference).all() and np.isfinite(logits).all(), f"{name}: logits are not finite")
    require(reference.std() > 0, f"{name}: the reference logits are all equal")
    error = float(np.abs(logits - reference).max() / np.abs(reference).max())
    if error > TOLERANCE:
        worst = np.abs(logits - reference).max(-1)
        raise Fail(f"{name}: largest difference {error:.2e} of the largest logit, bar {TOLERANCE:.0e}; first bad position "
                   f"{int(np.argmax(worst > TOLERANCE * np.abs(reference).max()))}")
    return error


def compare_greedy(ids, continuation, next_logits):
    """next_logits(all ids) -> reference logits of the last position. Teacher forced: one reference forward over everything."""
    reference = next_logits(list(ids) + continuation[:-1])[len(ids) - 1 :]
    for i, token in enumerate(continuation):
        best = int(reference[i].argmax())
        if token == best:
            continue
        gap = float(reference[i][best] - reference[i][token])
        require(gap <= TOLERANCE * np.abs(reference).max(), f"continuation parts at token {i}: {token}, the peer says {best} by {gap:.3g}")


def load_peer(directory):
    """transformers model of a source checkpoint, float32; of one whose class it lacks, of the same in another's spelling."""
    import torch
    from transformers import AutoConfig

    directory = directory / "peer" if (directory / "peer").is_dir() else directory
    config = AutoConfig.from_pretrained(directory)
    return model_class(config).from_pretrained(directory, config=config, dtype=torch.float32, attn_implementation="eager").eval()


def torch_logits(model, ids):
    import torch

    with torch.inference_mode():
        return model(torch.tensor([list(map(int, ids))]), use_cache=False).logits[0].float().numpy()


def source_equals_transformers(context, directory):
    ids = prompt(directory)
    logits, continuation = ours(context, directory, ids, N_CONTINUE)
    model = load_peer(directory)
    error = compare("prompt", logits, torch_logits(model, ids))
    compare_greedy(ids, continuation, lambda all_ids: torch_logits(model, all_ids))
    return f"largest difference {error:.1e} of the largest logit, {N_CONTINUE} tokens equal"


def exact_embed_scale(model):
    """The MLX class of Gemma 3 rounds sqrt(hidden) to bf16 in its graph; transformers in float32, and we, do not."""
    import mlx.core as mx

    inner = getattr(model, "language_model", model)
    if not hasattr(inner, "args") or not getattr(inner.args, "model_type", "").startswith("gemma3"):
        return
    rounded = mx.array(inner.args.hidden_size**0.5, mx.bfloat16).astype(mx.float32)
    embed = inner.model.embed_tokens
    plain = type(embed).__call__
    ratio = inner.args.hidden_size**0.5 / rounded
    exact = type("ExactScale", (type(embed),), {"__call__": lambda self, x: plain(self, x) * ratio})
    embed.__class__ = exact


def mlx_logits(model, ids):
    import mlx.core as mx

    return np.array(model(mx.array([list(map(int, ids))]))[0])


def bundle_equals_mlx(context, directory, flags):
    import mlx.core as mx

    bundle = context.convert(directory, *flags, keep=True)
    ids = prompt(bundle)
    logits, continuation = ours(context, bundle, ids, 16)
    model = load_mlx(bundle)
    # float32 throughout: scales and biases are cast, the codes stay
    model.set_dtype(mx.float32)
    exact_embed_scale(model)
    error = compare("prompt", logits, mlx_logits(model, ids))
    compare_greedy(ids, continuation, lambda all_ids: mlx_logits(model, all_ids))
    return f"largest difference {error:.1e} of the largest logit"


def bundle_equals_transformers(context, directory, flags):
    """For bundles whose MLX class computes something else than transformers (a sliding window it ignores, a RoPE type it lacks)."""
    bundle = context.convert(directory, *flags, keep=True)
    ids = prompt(bundle)
    logits, _ = ours(context, bundle, ids, 1)
    error = compare("prompt", logits, torch_logits(load_transformers(bundle, config_from=directory), ids))
    return f"largest difference {error:.1e} of the largest logit"


def cases(context):
    for name in REFERENCE_MODELS + ("gemma",):
        yield f"logits_source.{name}", lambda n=name: source_equals_transformers(context, context.source(n))
    for path in tiny_checkpoints(context):
        yield f"logits_source.tiny/{path.name}", lambda p=path: source_equals_transformers(context, p)
    quick = tuple(BUNDLE_PROFILES.items())[:1]
    for profile, flags in quick if context.quick else BUNDLE_PROFILES.items():
        for name in REFERENCE_MODELS + ("gemma",):
            yield f"logits_bundle.{name}-{profile}", lambda n=name, f=flags: bundle_equals_mlx(context, context.source(n), f)
        for path in tiny_checkpoints(context):
            if context.quick and path.name in BRIEF and path.name not in MLX_DIFFERS:  # check_mlx has one
                continue
            if context.quick and path.name in ONCE:
                continue
            check = bundle_equals_transformers if path.name in MLX_DIFFERS else bundle_equals_mlx
            yield f"logits_bundle.tiny/{path.name}-{profile}", lambda p=path, f=flags, c=check: c(context, p, f)
