# SPDX-License-Identifier: Apache-2.0
"""The engine's gradients against torch's: the squared gradients that `jang calibrate` writes are those of transformers in float32.

The cotangents at the logits are made anew from their definition (src/calibrate/fisher.h): signs from a counter, one bit a word. Statistics
hold sums of squares over rows and over columns of every matrix, experts each; the bar is 2e-4 of the largest sum, which is 1e-4 of a
gradient, and the total must agree as closely. A token whose two best experts change places between float32 sums would be a difference of its
own size; windows are short, so that none does.
"""

import re

import numpy as np
from bundle import read_file
from check_logits import load_peer
from check_mlx import tiny_checkpoints
from harness import BRIEF, NO_GRADIENTS, ONCE, REFERENCE_MODELS, Fail, require

TOLERANCE = 2e-4
WINDOWS, LENGTH, SEED = 2, 48, 1
MASK = (1 << 64) - 1
TEXT = " ".join(f"The {a} of the {b} was {c}, and nobody knew why it had been so." for a in ("ship", "house", "letter", "captain")
                for b in ("sea", "town", "night", "king", "old man") for c in ("gone", "cold", "there", "in the garden"))


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signs(window, position, vocab):
    key = mix(SEED ^ mix(window ^ mix(position)))
    words = np.array([mix((key + i) & MASK) for i in range(-(-vocab // 64))], np.uint64)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[:vocab]
    return bits.astype(np.float64) * 2 - 1


def cotangents(logits, window):
    """[length, vocab] of float64 logits; the last position predicts nothing."""
    out = np.zeros_like(logits)
    for t in range(len(logits) - 1):
        root = np.exp(0.5 * (logits[t] - np.logaddexp.reduce(logits[t])))
        z = signs(window, t, logits.shape[1])
        out[t] = root * z - root * root * (root * z).sum()
    return out


# Parts of names as these families are published, and as the program calls them.
PARTS = (("gpt_neox.", ""), ("backbone.", ""), ("embed_in", "embed_tokens"), ("embed_out", "lm_head"), ("attention.query_key_value", "self_attn.qkv_proj"),
         ("attention.dense", "self_attn.o_proj"), ("mlp.dense_h_to_4h", "mlp.up_proj"), ("mlp.dense_4h_to_h", "mlp.down_proj"),
         ("block_sparse_moe.", "mlp."), ("mlp.router.", "mlp.gate."), ("mlp.c_fc", "mlp.up_proj"), ("mlp.c_proj", "mlp.down_proj"),
         ("self_attn.dense", "self_attn.o_proj"), ("mlp.fc1", "mlp.up_proj"),
         ("mlp.fc2", "mlp.down_proj"), ("feed_forward.w1", "mlp.gate_proj"), ("feed_forward.w2", "mlp.down_proj"),
         ("feed_forward.w3", "mlp.up_proj"), ("feed_forward.", "mlp."), ("self_attn.out_proj", "self_attn.o_proj"), ("embeddings", "embed_tokens"),
         ("router.proj", "mlp.gate"),
         *((f"mixer.{m}", f"mamba.{m}") for m in ("in_proj", "out_proj")), *((f"mixer.{m}_proj", f"self_attn.{m}_proj") for m in "qkvo"),
         ("mixer.", "mlp."), ("shared_mlp.input_linear", "mlp.shared_experts.gate_up_proj"),
         ("shared_mlp.output_linear", "mlp.shared_experts.down_proj"))


def canonical(name):
    for published, ours in PARTS:
        name = name.replace(published, ours)
    name = re.sub(r"(layers\.\d+)\.experts\.", r"\1.mlp.experts.", name)  # of gemma4, beside the MLP
    return re.sub(r"(^|\.)(language_model|model)(?=\.)", "", name).lstrip(".")


def parameters_of(model):
    """canonical name -> function from nothing to the gradient [matrices, out, in] of that module."""
    found = {}

    def stacked(parts):
        return np.stack([np.zeros(tuple(p.shape), np.float32) if p.grad is None else p.grad.numpy() for p in parts])

    experts, in_turns = {}, model.config.model_type == "gpt_oss"  # experts transposed, gate and up in turns
    for name, p in model.named_parameters():
        name = canonical(name)
        listed = re.match(r"(.*)\.experts\.(\d+)\.(\w+)\.weight$", name)
        fused = re.match(r"(.*)\.experts\.(gate_up_proj|up_proj|down_proj)$", name)
        alone = re.match(r"(.*)\.shared_experts\.(gate_up_proj|down_proj)\.weight$", name) if not getattr(model.config, "num_local_experts", 1) else None
        if listed:
            experts.setdefault(f"{listed[1]}.experts.{listed[3]}", {})[int(listed[2])] = p
        elif fused and in_turns:
            maps = ("gate_proj", "up_proj") if fused[2] == "gate_up_proj" else ("down_proj",)
            for i, part in enumerate(maps):
                found[f"{fused[1]}.experts.{part}"] = lambda p=p, i=i, n=len(maps): p.grad.numpy().swapaxes(1, 2)[:, i::n]
        elif fused and fused[2] == "gate_up_proj":
            half = p.shape[1] // 2
            found[fused[1] + ".experts.gate_proj"] = lambda p=p, h=half: p.grad.numpy()[:, :h]
            found[fused[1] + ".experts.up_proj"] = lambda p=p, h=half: p.grad.numpy()[:, h:]
        elif fused:
            found[f"{fused[1]}.experts.{fused[2]}"] = lambda p=p: p.grad.numpy()
        elif alone and alone[2] == "gate_up_proj":  # without experts gate and up are maps of their own here
            half = p.shape[0] // 2
            found[alone[1] + ".gate_proj"] = lambda p=p, h=half: p.grad.numpy()[None, :h]
            found[alone[1] + ".up_proj"] = lambda p=p, h=half: p.grad.numpy()[None, h:]
        elif alone:
            found[alone[1] + ".down_proj"] = lambda p=p: p.grad.numpy()[None]
        elif name.endswith(".weight") and p.dim() == 2:
            found[name[: -len(".weight")]] = lambda p=p: p.grad.numpy()[None]
    for name, parts in experts.items():
        found[name] = lambda parts=parts: stacked([parts[i] for i in range(len(parts))])
    return found


def squares_of(model, tokens, modules):
    """canonical module -> (sums over columns [matrices, out], sums over rows [matrices, in]) of the squared gradients, float64."""
    import torch

    gradients, sums = {name: f for name, f in parameters_of(model).items() if name in modules}, {}
    for w, window in enumerate(tokens):
        model.zero_grad(set_to_none=True)
        logits = model(torch.tensor([window.tolist()]), use_cache=False).logits[0].float()
        eps = cotangents(logits.detach().numpy().astype(np.float64), w)
        (logits * torch.tensor(eps, dtype=torch.float32)).sum().backward()
        for name, gradient in gradients.items():
            squares = gradient().astype(np.float64) ** 2
            rows, columns = sums.get(name, (0, 0))
            sums[name] = (rows + squares.sum(2), columns + squares.sum(1))
    return sums


def gradients_equal_torch(context, directory):
    out = context.fresh("gradients").with_suffix(".safetensors")
    text = context.fresh("text").with_suffix(".txt")
    text.write_text(TEXT)  # given text: the random one begins with a token that the tiny checkpoints pad with, a row of zeros
    done = context.run("calibrate", directory, "-o", out, "--text", text, "--samples", WINDOWS, "--seq-len", LENGTH, "--seed", SEED)
    require(done.returncode == 0, f"`jang calibrate {directory}` gave {done.returncode}: {done.stderr.strip()[-400:]}")
    tensors, _ = read_file(out)
    modules = [n[: -len(".fisher_rows")] for n in tensors if n.endswith(".fisher_rows")]
    require(modules, "the file holds no gradients")
    sums = squares_of(load_peer(directory), tensors["text.tokens"].raw, {canonical(m) for m in modules})
    worst = 0.0
    for module in modules:
        require(canonical(module) in sums, f"{module} is no module of the peer")
        for kind, reference in zip(("fisher_rows", "fisher_columns"), sums[canonical(module)]):
            ours = tensors[f"{module}.{kind}"].f32().astype(np.float64).reshape(reference.shape)
            require(reference.max() > 0, f"{module}: the peer's gradients are zero")
            error = float(np.abs(ours - reference).max() / reference.max())
            total = abs(float(ours.sum() / reference.sum()) - 1)
            if max(error, total) > TOLERANCE:
                raise Fail(f"{module}.{kind}: off by {error:.2e} of the largest, the total by {total:.2e}; bar {TOLERANCE:.0e}")
            worst = max(worst, error, total)
    return f"{len(modules)} modules, largest difference {worst:.1e}"


def are_refused(context, directory):
    done = context.run("calibrate", directory, "-o", context.fresh("gradients").with_suffix(".safetensors"), "--samples", 1, "--seq-len", LENGTH)
    require(done.returncode == 4 and "one at a time" in done.stderr, f"calibrate gave {done.returncode}: {done.stderr.strip()[-200:]}")
    return "refused by name"


def cases(context):
    for name in REFERENCE_MODELS[:1] if context.quick else REFERENCE_MODELS[:3]:
        yield f"gradients.{name}", lambda n=name: gradients_equal_torch(context, context.source(n))
    for path in tiny_checkpoints(context):
        if path.name in NO_GRADIENTS:
            if not context.quick:
                yield f"gradients.tiny/{path.name}", lambda p=path: are_refused(context, p)
            continue
        if (context.quick and path.name in BRIEF + ONCE) or (path / "peer").is_dir():  # the peer's matrices are cut otherwise
            continue
        yield f"gradients.tiny/{path.name}", lambda p=path: gradients_equal_torch(context, p)
