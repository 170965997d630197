# SPDX-License-Identifier: Apache-2.0
"""GGUF files read by the program, against the package `gguf`.

Values: a random Llama whose matrices are random blocks of one type is written by GGUFWriter, and `jang compare` makes a float32 checkpoint
of it; every value must have the bits of gguf.quants.dequantize, with q and k taken apart as llama.cpp's converter put them together.
Source: the unquantized file that the program writes for llama-quantize, read by GGUFReader, must hold the values of the checkpoint.
"""

import json
import os
import stat

import numpy as np
from bundle import read_tensors
from harness import Fail, require

HIDDEN, HEADS, KV_HEADS, VOCAB = 256, 8, 4, 256
HEAD = HIDDEN // HEADS
NOT_WEIGHTS = ("Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64", "NVFP4", "Q1_0")  # Q8_K: the package does not decode it


def packages():
    import gguf
    from safetensors.numpy import save_file

    return gguf, save_file


def shapes():
    """Source name -> (GGUF name, shape)."""
    kv = KV_HEADS * HEAD
    layer, block = "model.layers.0.", "blk.0."
    return {
        "model.embed_tokens.weight": ("token_embd.weight", (VOCAB, HIDDEN)),
        "model.norm.weight": ("output_norm.weight", (HIDDEN,)),
        "lm_head.weight": ("output.weight", (VOCAB, HIDDEN)),
        layer + "input_layernorm.weight": (block + "attn_norm.weight", (HIDDEN,)),
        layer + "post_attention_layernorm.weight": (block + "ffn_norm.weight", (HIDDEN,)),
        layer + "self_attn.q_proj.weight": (block + "attn_q.weight", (HIDDEN, HIDDEN)),
        layer + "self_attn.k_proj.weight": (block + "attn_k.weight", (kv, HIDDEN)),
        layer + "self_attn.v_proj.weight": (block + "attn_v.weight", (kv, HIDDEN)),
        layer + "self_attn.o_proj.weight": (block + "attn_output.weight", (HIDDEN, HIDDEN)),
        layer + "mlp.gate_proj.weight": (block + "ffn_gate.weight", (512, HIDDEN)),
        layer + "mlp.up_proj.weight": (block + "ffn_up.weight", (512, HIDDEN)),
        layer + "mlp.down_proj.weight": (block + "ffn_down.weight", (HIDDEN, 512)),
    }


def write_source(context, save_file, random):
    """A random Llama of one layer, and a text; returns the directory, its values, and the text's path."""
    directory = context.fresh("gguf-source")
    directory.mkdir(parents=True)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "num_hidden_layers": 1,
              "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "intermediate_size": 512, "vocab_size": VOCAB,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float32"}
    (directory / "config.json").write_text(json.dumps(config))
    values = {name: random.standard_normal(shape, dtype=np.float32) * 0.05 for name, (_, shape) in shapes().items()}
    save_file(values, directory / "model.safetensors", metadata={"format": "pt"})
    give_tokenizer(context, directory)
    text = directory.parent / "text.txt"
    text.write_text("a plain text of letters " * 20)
    return directory, values, text


def give_tokenizer(context, directory):
    """A byte-level tokenizer, so that a text becomes tokens of this vocabulary."""
    source = json.loads((context.source("gutenberg-moe-9m") / "tokenizer.json").read_text())
    vocab = sorted(source["model"]["vocab"].items(), key=lambda item: item[1])
    single = [token for token, _ in vocab if len(token) == 1][: VOCAB - 1]
    source["model"]["vocab"] = {token: i + 1 for i, token in enumerate(single)}
    source["model"]["merges"] = []
    source["added_tokens"] = source["added_tokens"][:1]
    (directory / "tokenizer.json").write_text(json.dumps(source))


def random_blocks(kind, rows, columns, random, gguf):
    """Bytes of a matrix. Scales are kept small and finite: random bytes of a scale would be infinite now and then."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (rows, columns // values, size), dtype=np.uint8)
    name = kind.name
    small = lambda: random.uniform(0.0005, 0.002, (rows, columns // values)).astype(np.float16).view(np.uint8).reshape(rows, -1, 2)
    if name == "F32":
        return (random.standard_normal((rows, columns)) * 0.05).astype(np.float32)
    if name in ("F16", "BF16"):
        x = (random.standard_normal((rows, columns)) * 0.05).astype(np.float32)
        return x.astype(np.float16) if name == "F16" else (x.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    if name == "MXFP4":
        raw[:, :, 0] = random.integers(110, 126, raw.shape[:2])
    elif name == "IQ1_M":  # d is in the top nibbles of the four words of scales
        bits = random.uniform(0.0005, 0.002, raw.shape[:2]).astype(np.float16).view(np.uint16)
        for k in range(4):
            at = 48 + 2 * k + 1
            raw[:, :, at] = (raw[:, :, at] & 0x0F) | ((bits >> (4 * k)) & 15).astype(np.uint8) << 4
    else:
        places = {"Q2_K": (80, 82), "Q3_K": (108,), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,), "Q4_1": (0, 2), "Q5_1": (0, 2),
                  "Q4_K": (0, 2), "Q5_K": (0, 2)}.get(name, (0,))
        for at in places:
            raw[:, :, at : at + 2] = small()
    return raw.reshape(rows, -1)


def as_in_the_file(name, rows):
    """Rows of q and k in llama.cpp's order, others as they are."""
    heads = HEADS if "q_proj" in name else KV_HEADS if "k_proj" in name else 0
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape) if heads else rows


def compare_with(context, source, recipe, text, *options):
    work = context.fresh("gguf")
    return work, context.run("compare", source, "-p", recipe, "-f", text, "--ctx", 32, "--tokens", 64, "--no-speed", "-o", work, *options)


def dequantized(context, source, file, text):
    work, done = compare_with(context, source, f"gguf:{file}", text)
    folder = work / "bundles" / f"gguf-{file.name}"
    require(folder.is_dir(), f"{file.name}: {done.stderr.strip()[-400:]}")
    return {name: t.raw for name, t in read_tensors(folder).items()}


def type_is_decoded(context, kind):
    gguf, save_file = packages()
    random = np.random.default_rng(kind.value)
    source, _, text = write_source(context, save_file, random)
    file = source.parent / f"{kind.name}.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(1)
    expected = {}
    for name, (stored, shape) in shapes().items():
        if len(shape) == 1:
            data = random.standard_normal(shape, dtype=np.float32)
            writer.add_tensor(stored, data)
            expected[name] = data
            continue
        data = random_blocks(kind, *shape, random, gguf)
        values = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(shape)
        expected[name] = values
        writer.add_tensor(stored, as_in_the_file(name, data), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ours = dequantized(context, source, file, text)
    require(set(ours) == set(expected), f"tensors {set(ours) ^ set(expected)}")
    for name, values in expected.items():
        same = np.ascontiguousarray(ours[name]).view(np.uint32).reshape(-1) == np.ascontiguousarray(values).view(np.uint32).reshape(-1)
        if not same.all():
            at = int(np.argmin(same))
            raise Fail(f"{name}, value {at}: {ours[name].reshape(-1)[at]!r} instead of {values.reshape(-1)[at]!r}")
    return f"{sum(v.size for v in expected.values())} values"


def source_is_written(context):
    gguf, save_file = packages()
    source, values, text = write_source(context, save_file, np.random.default_rng(1))
    tool = source.parent / "bin" / "llama-quantize"  # copies: what it is given is what we want to see
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\ncp "$1" "$2"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    work, done = compare_with(context, source, "gguf:F32", text, "--gguf-tools", tool.parent)
    require(done.returncode == 0, done.stderr.strip()[-400:])
    (plain,) = [work / "gguf" / name for name in os.listdir(work / "gguf") if name.startswith("plain-") and name.endswith(".gguf")]
    reader = gguf.GGUFReader(plain)
    stored = {t.name: t for t in reader.tensors}
    require(len(stored) == len(values), f"{len(stored)} tensors")
    for name, (there, shape) in shapes().items():
        require(np.array_equal(stored[there].data.reshape(shape), as_in_the_file(name, values[name])), there)
    field = lambda key: reader.fields[key].contents()
    require(field("general.architecture") == "llama" and field("llama.attention.head_count_kv") == KV_HEADS, "sizes")
    require(len(field("tokenizer.ggml.tokens")) == VOCAB, "vocabulary")


def cases(context):
    gguf, _ = packages()
    for kind in gguf.GGMLQuantizationType:
        if kind.name not in NOT_WEIGHTS:
            yield f"gguf_decodes_as_the_package.{kind.name}", lambda k=kind: type_is_decoded(context, k)
    yield "gguf_source_is_written_as_the_package_reads", lambda: source_is_written(context)
