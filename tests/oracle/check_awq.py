# SPDX-License-Identifier: Apache-2.0
"""Activation-aware scaling against a search written from the formulas (AWQ, arXiv 2306.00978) in torch and MLX.

Both read the text that a statistics file holds. The reference runs transformers over it, takes the inputs of every linear map with hooks,
and searches s = t / sqrt(max(t) min(t)), t = x^r / w^q, x the root mean square of a channel and w the mean size of the weights that read it,
over the whole grid of r and then over q beside the best r, with mx.quantize as the quantizer and the squared error of the maps' outputs as
the loss. The program must choose an exponent whose loss in the reference is within
1e-3 of the best one's (unless its trial of the whole model refused the group), and its bundle must hold the norms of the source divided by these s, to the rounding of their type, and the
rest of the weights as mx.quantize makes them of the rescaled ones.
"""

import json

import mlx.core as mx
import numpy as np
import torch
from bundle import Bundle, read_file
from check_logits import load_peer
from harness import require

STEPS = 20
WEIGHT_EXPONENTS, MORE_OF_INPUTS = (0.15, 0.3, 0.45, 0.6), (0, 0.1, 0.2)
SAMPLED_ROWS = 256
DAMPING = 1e-4  # of the mean square
GRAM_DAMPING = 0.01
GROUP_SIZE = 64
TEXT_WINDOWS = ("--samples", "8", "--seq-len", "256")


def to_bf16(x):
    return torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(torch.bfloat16).to(torch.float32).numpy()


def rounded(weights, bits):
    """mx.quantize with parameters in bf16, as float32 values."""
    with mx.stream(mx.cpu):
        codes, scales, biases = mx.quantize(mx.array(weights).astype(mx.bfloat16), group_size=GROUP_SIZE, bits=bits)
        values = mx.dequantize(codes, scales.astype(mx.float32), biases.astype(mx.float32), group_size=GROUP_SIZE, bits=bits)
        return np.array(values, copy=True)


def inputs_of(model, names, windows):
    """Module name -> float64 inputs [tokens, in]."""
    seen = {name: [] for name in names}
    modules = dict(model.named_modules())
    hooks = [modules[name].register_forward_pre_hook(lambda _, a, n=name: seen[n].append(a[0].reshape(-1, a[0].shape[-1]).double()))
             for name in names]
    with torch.no_grad():
        for window in windows:
            model(torch.from_numpy(window.astype(np.int64))[None])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts).numpy() for name, parts in seen.items()}


class Group:
    """Producer and readers of one layer; `channels` maps a reader's columns to channels."""

    def __init__(self, name, readers, columns, head=None, repeat=1):
        self.name, self.readers = name, readers
        head = head or columns
        c = np.arange(columns)
        self.channels = c // head // repeat * head + c % head


def groups_of(config, layer):
    prefix = f"model.layers.{layer}."
    heads, kv_heads, hidden = config["num_attention_heads"], config["num_key_value_heads"], config["hidden_size"]
    head = config.get("head_dim") or hidden // heads
    attention, mlp = prefix + "self_attn.", prefix + "mlp."
    return [
        Group(prefix + "input_layernorm", [attention + p for p in ("q_proj", "k_proj", "v_proj")], hidden),
        Group(attention + "v_proj", [attention + "o_proj"], heads * head, head, heads // kv_heads),
        Group(prefix + "post_attention_layernorm", [mlp + "gate_proj", mlp + "up_proj"], hidden),
        Group(mlp + "up_proj", [mlp + "down_proj"], config["intermediate_size"]),
    ]


def scales_of(mean_square, sizes, r, q):
    if r == 0:
        return np.ones_like(mean_square)
    x = np.sqrt(mean_square + DAMPING * mean_square.mean()) ** r / (sizes + DAMPING * sizes.mean()) ** q
    return x / np.sqrt(x.max() * x.min())


def folded(group, s, gains):
    """What readers are multiplied by, and the norm stored: exactly what it was divided by. Producers other than norms: bf16 scales."""
    s = to_bf16(s)
    if gains is None:
        return s, None
    norm = to_bf16(gains / s)
    return (gains.astype(np.float64) / norm).astype(np.float32), norm


def losses_of(group, inputs, weights, bits, gains):
    x = inputs[group.readers[0]]
    by_column = np.square(x).mean(axis=0)
    count = np.bincount(group.channels)
    mean_square = np.bincount(group.channels, by_column) / count
    gram = x.T @ x / len(x)
    gram += np.eye(len(gram)) * GRAM_DAMPING * np.trace(gram) / len(gram)
    by_column = sum(np.abs(weights[name]).sum(axis=0, dtype=np.float64) for name in group.readers)
    sizes = np.bincount(group.channels, by_column) / count / sum(len(weights[name]) for name in group.readers)
    losses = {}

    def add(r, q):
        s, _ = folded(group, scales_of(mean_square, sizes, r, q), gains)
        if r == 0:
            s = np.ones_like(s)
        by_reader, total = s[group.channels], 0.0
        for name in group.readers:
            w = weights[name]
            rows = np.arange(min(len(w), SAMPLED_ROWS)) * len(w) // min(len(w), SAMPLED_ROWS)
            d = (rounded(w[rows] * by_reader, bits).astype(np.float64) / by_reader - w[rows])
            total += np.einsum("ri,ij,rj->", d, gram, d, optimize=True) * len(w) / len(rows)
        losses[round(r, 6), round(q, 6)] = total

    for i in range(STEPS + 1):
        add(i / STEPS, 0)
    best = min(losses, key=losses.get)[0]
    for q in WEIGHT_EXPONENTS:
        for more in MORE_OF_INPUTS:
            if 0 < best + more <= 1:
                add(best + more, q)
    return mean_square, sizes, losses


def check(context, name, bits):
    source = context.source(name)
    config = json.loads((source / "config.json").read_text())
    text = context.directory / "awq.txt"
    text.write_text((context.data / "gutenberg" / "calibration.txt").read_text()[:200_000] if
                    (context.data / "gutenberg" / "calibration.txt").exists() else "Once upon a time there was a little house. " * 4000)
    stats = context.fresh("stats")
    done = context.run("calibrate", source, "--text", text, "-o", stats, "--no-sensitivity", *TEXT_WINDOWS)
    require(done.returncode == 0, f"calibrate gave {done.returncode}: {done.stderr[-300:]}")
    bundle_path = context.convert(source, "-p", f"uniform_{bits}", "--group-size", GROUP_SIZE, "--method", "awq+rtn", "--stats", stats,
                                  "--scale-dtype", "bf16")
    rows = json.loads((bundle_path / "jang_config.json").read_text())["quantization"]["activation_aware_scaling"]
    chosen = {row["group"]: (row["exponent"], row.get("of_weights", 0)) for row in rows}
    refused = {row["group"] for row in rows if row.get("refused")}
    windows = read_file(stats)[0]["text.tokens"]
    windows = np.frombuffer(windows.bytes(), np.int32).reshape(windows.shape)
    model = load_peer(source)
    weights = {n: m.weight.detach().float().numpy() for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    norms = {n: p.detach().float().numpy() for n, p in model.named_parameters() if n.endswith("layernorm.weight")}
    bundle = Bundle(bundle_path)
    scaled, worst, same, total = 0, 0.0, 0, 0
    for layer in range(config["num_hidden_layers"]):
        groups = groups_of(config, layer)
        inputs = inputs_of(model, sorted({r for g in groups for r in g.readers}), windows)
        factors, divided = {}, {}
        for group in groups:
            gains = norms.get(group.name + ".weight")
            mean_square, sizes, losses = losses_of(group, inputs, weights, bits, gains)
            require(group.name in chosen, f"{group.name} is not in the bundle's list")
            r, q = chosen[group.name]
            total += 1
            if group.name in refused:
                continue
            none, first = losses[0.0, 0], min(losses, key=losses.get)
            best = losses[first] if 1 - losses[first] / none >= 0.005 else none  # of less gain a group stays as it is
            require((round(r, 6), round(q, 6)) in losses, f"{group.name}: exponents {r} and {q} are none that this search tries")
            ratio = losses[round(r, 6), round(q, 6)] / best
            require(ratio <= 1 + 1e-3, f"{group.name}: exponents {r}, {q} lose {ratio:.5f} of the best, {first}")
            worst, same = max(worst, ratio - 1), same + ((round(r, 6), round(q, 6)) == first)
            if r == 0:
                continue
            scaled += 1
            s, norm = folded(group, scales_of(mean_square, sizes, r, q), gains)
            if norm is not None:
                stored = bundle.tensors[group.name + ".weight"].f32()
                off = np.abs(stored / norm - 1).max()
                require(off <= 2.0**-7, f"{group.name}: the stored norm is off by {off:.2e}")
                s = (gains.astype(np.float64) / stored).astype(np.float32)
            for reader in group.readers:
                factors[reader] = s[group.channels]
            if norm is None:
                divided[group.name] = s
        for reader in inputs:
            w = weights[reader] * factors.get(reader, 1.0)
            if reader in divided:
                w = w / divided[reader][:, None]
            got = np.concatenate([values for _, values in bundle.row_chunks(reader)])
            expected = rounded(w, bundle.params(reader)[0])
            step = np.abs(expected).max() / 2 ** bundle.params(reader)[0]
            off = np.abs(got - expected)
            # where a factor's last bit differs a weight between two codes may take the other one
            require((off > 0.02 * step).mean() < 0.03, f"{reader}: {(off > 0.02 * step).mean():.2%} of the weights are others")
    context.drop(bundle_path)
    require(scaled + len(refused) > 0, "no group was rescaled")
    return (f"{scaled} of {total} groups rescaled, {len(refused)} refused by the trial, {same} exponents the very best, the others within "
            f"{worst:.1e}")


def cases(context):
    for bits in (3, 4):
        yield f"awq_as_from_the_formulas.TinyStories-656K-{bits}b", lambda b=bits: check(context, "TinyStories-656K", b)
    if not context.quick:
        yield "awq_as_from_the_formulas.gutenberg-dense-19m-4b", lambda: check(context, "gutenberg-dense-19m", 4)
