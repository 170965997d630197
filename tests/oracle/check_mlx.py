# SPDX-License-Identifier: Apache-2.0
"""Stock mlx-lm opens our bundles, generates text, and its logits are those of transformers run on our dequantized weights.

Tolerance of the logits: both sides run in float32 (scales, biases and norms are cast, the codes stay), so they differ by summation order
only: relative rounding error about sqrt(terms) * eps per matrix product, 1e-6 to 1e-5 of the largest logit for these depths. The bar is
1e-3 of the largest logit; a wrong rename, norm offset or expert order changes logits by their own size.
"""

import json

import numpy as np
from bundle import load_transformers
from harness import BRIEF, MLX_DIFFERS, ONCE, REFERENCE_MODELS, Fail, Skip, require

PROFILES = {"JANG_2S": ("-p", "JANG_2S"), "JANG_4K": ("-p", "JANG_4K"), "auto": ("-p", "auto", "--bpw", "3.5")}
TOLERANCE = 1e-3


def load_mlx(directory):
    import mlx.core as mx
    from mlx_lm.utils import load_model

    mx.set_default_device(mx.cpu)
    return load_model(directory)[0]


def generate_text(directory, n_tokens):
    """Text that `mlx_lm generate` would print for a bundle."""
    import mlx.core as mx
    from mlx_lm import generate, load

    mx.set_default_device(mx.cpu)
    model, tokenizer = load(str(directory))
    return generate(model, tokenizer, prompt="Once upon a time there was", max_tokens=n_tokens)


def greedy(directory, n_tokens):
    """Token ids that follow a fixed prompt, for checkpoints without a tokenizer."""
    import mlx.core as mx
    from mlx_lm.generate import generate_step

    steps = generate_step(mx.array([1, 5, 9, 2]), load_mlx(directory), max_tokens=n_tokens)
    return [int(token) for token, _ in steps]


def generates(context, source, flags):
    directory = context.convert(source, *flags, keep=True)
    if (directory / "tokenizer.json").exists():
        text = generate_text(directory, 6 if context.quick or source == context.gemma else 16)
        require(text.strip(), "generated nothing")
        return repr(text[:60])
    ids = greedy(directory, 8)
    require(len(ids) == 8, f"generated {len(ids)} tokens of 8")
    return f"ids {ids}"


def text_config(directory):
    config = json.loads((directory / "config.json").read_text())
    return config.get("text_config") or config


def mlx_logits(directory, ids):
    import mlx.core as mx

    model = load_mlx(directory)
    model.set_dtype(mx.float32)
    return np.array(model(mx.array(ids)))


def transformers_logits(source, directory, ids):
    """Logits of the source's own config with the bundle's weights, so that a config spoilt on the way shows."""
    import torch

    model = load_transformers(directory, config_from=source)
    embedding = model.get_input_embeddings()
    if hasattr(embedding, "embed_scale") and model.config.model_type.startswith("gemma3"):  # the MLX class rounds this constant to bf16
        embedding.embed_scale.copy_(embedding.embed_scale.to(torch.bfloat16))
    with torch.inference_mode():
        return model(torch.from_numpy(ids), use_cache=False).logits.float().numpy()


def logits_match(context, source, flags):
    directory = context.convert(source, *flags, keep=True)
    vocab = min(text_config(directory)["vocab_size"], 4096)
    ids = np.random.default_rng(7).integers(1, vocab, (2, 24))
    ours, reference = mlx_logits(directory, ids), transformers_logits(source, directory, ids)
    require(ours.shape == reference.shape, f"shapes {ours.shape} and {reference.shape}")
    require(np.isfinite(ours).all() and np.isfinite(reference).all(), "logits are not finite")
    error = float(np.abs(ours - reference).max() / np.abs(reference).max())
    require(np.abs(reference).std() > 0, "the reference logits are all equal")
    if error > TOLERANCE:
        raise Fail(f"largest difference {error:.2e} of the largest logit, bar {TOLERANCE:.0e}")
    agree = float((ours.argmax(-1) == reference.argmax(-1)).mean())
    return f"largest difference {error:.1e} of the largest logit, same best token in {agree:.1%}"


def tiny_checkpoints(context):
    """Directories of random checkpoints of every family, as scripts/make_tiny_models.py writes them."""
    if context.tiny is None or not context.tiny.is_dir():
        return []
    return sorted(p for p in context.tiny.iterdir() if (p / "config.json").exists())


def missing_tiny():
    raise Skip("no directory of tiny checkpoints: scripts/make_tiny_models.py writes them, --tiny names it")


def cases(context):
    for name in REFERENCE_MODELS + ("gemma",):
        for profile, flags in PROFILES.items():
            yield f"mlx_generates.{name}-{profile}", lambda n=name, f=flags: generates(context, context.source(n), f)
            yield f"logits_match_transformers.{name}-{profile}", lambda n=name, f=flags: logits_match(context, context.source(n), f)
    for i, path in enumerate(tiny_checkpoints(context)):
        if context.quick and path.name in ONCE:
            continue
        # Of many families one profile each is enough to see that names, shapes and widths are those of the class.
        profiles = list(PROFILES.items())[i % len(PROFILES) :][:1] if context.quick else PROFILES.items()
        for profile, flags in profiles:
            # random checkpoints are so small that norms and group parameters outweigh 3.5 bits per weight
            flags = ("-p", "auto", "--bpw", "6") if profile == "auto" else flags
            if not (context.quick and path.name in BRIEF):
                yield f"mlx_generates.tiny/{path.name}-{profile}", lambda p=path, f=flags: generates(context, p, f)
            if (path / "peer").is_dir():  # transformers has no class: check_logits compares the engine with both
                continue
            if any(word in MLX_DIFFERS.get(path.name, "") for word in ("softcap", "GELU", "factor", "correction")):  # windows are longer than the texts here
                continue
            yield f"logits_match_transformers.tiny/{path.name}-{profile}", lambda p=path, f=flags: logits_match(context, p, f)
    if not tiny_checkpoints(context):
        yield "mlx_generates.tiny", missing_tiny
