# SPDX-License-Identifier: Apache-2.0
"""Writes a synthetic Llama-class checkpoint: real shapes, random weights. For memory and speed measurements only; the model says nothing.

usage: make_synthetic.py OUT --class 8b|1b [--dtype bf16|fp16|fp32] [--tokenizer DIR] [--shard-gb 5] [--layers N]

Weights are normal numbers scaled by 1/sqrt(inputs), cut at random offsets out of one pool (each tensor with a scale of its own), so that
writing is bound by the disk and not by the generator. Needs numpy only; memory stays under 0.5 GB. --tokenizer: a checkpoint whose
tokenizer files are copied. Sizes in bf16: 8b 16.1 GB, 1b 2.5 GB.
"""

import argparse
import json
import shutil
import struct
from pathlib import Path

import numpy as np

CLASSES = {  # hidden, layers, intermediate, heads, kv heads, head dim, vocabulary, tied
    "8b": (4096, 32, 14336, 32, 8, 128, 128256, False),
    "1b": (2048, 16, 8192, 32, 8, 64, 128256, True),
}
DTYPES = {"bf16": ("BF16", "bfloat16", 2), "fp16": ("F16", "float16", 2), "fp32": ("F32", "float32", 4)}
POOL = 1 << 24


def tensor_shapes(name, layers):
    """(name, shape) in file order."""
    hidden, n_layers, inner, heads, kv_heads, head_dim, vocab, tied = CLASSES[name]
    yield "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers or n_layers):
        prefix = f"model.layers.{i}."
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "self_attn.q_proj.weight", (heads * head_dim, hidden)
        yield prefix + "self_attn.k_proj.weight", (kv_heads * head_dim, hidden)
        yield prefix + "self_attn.v_proj.weight", (kv_heads * head_dim, hidden)
        yield prefix + "self_attn.o_proj.weight", (hidden, heads * head_dim)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        yield prefix + "mlp.gate_proj.weight", (inner, hidden)
        yield prefix + "mlp.up_proj.weight", (inner, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not tied:
        yield "lm_head.weight", (vocab, hidden)


def config(name, layers, dtype):
    hidden, n_layers, inner, heads, kv_heads, head_dim, vocab, tied = CLASSES[name]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers or n_layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": vocab,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-05,
        "rope_theta": 500000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "torch_dtype": DTYPES[dtype][1],
        "bos_token_id": 0,
        "eos_token_id": 0,
    }


def encode(values, dtype):
    """float32 -> bytes of the storage type; bf16 by round to nearest even."""
    if dtype == "bf16":
        word = values.view(np.uint32)
        return ((word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16).tobytes()
    return values.astype(np.float16 if dtype == "fp16" else np.float32).tobytes()


def write_tensor(file, shape, dtype, pool, rng):
    if len(shape) == 1:
        file.write(encode(np.ones(shape, np.float32), dtype))
        return
    scale = np.float32(rng.uniform(0.7, 1.4) / np.sqrt(shape[1]))
    left = shape[0] * shape[1]
    while left > 0:
        n = min(left, POOL // 2)
        begin = int(rng.integers(0, POOL - n))
        file.write(encode(pool[begin : begin + n] * scale, dtype))
        left -= n


def shards(shapes, item_bytes, shard_bytes):
    """Lists of (name, shape), each at most shard_bytes of payload unless one tensor is larger."""
    current, size = [], 0
    for name, shape in shapes:
        n = int(np.prod(shape)) * item_bytes
        if current and size + n > shard_bytes:
            yield current
            current, size = [], 0
        current.append((name, shape))
        size += n
    yield current


def main():
    parser = argparse.ArgumentParser(description="Writes a synthetic Llama-class checkpoint with random weights.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--class", dest="size", choices=CLASSES, required=True)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--tokenizer", type=Path, help="checkpoint whose tokenizer files are copied")
    parser.add_argument("--shard-gb", type=float, default=5.0)
    parser.add_argument("--layers", type=int, default=0, help="fewer layers than the class has")
    args = parser.parse_args()

    args.out.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pool = rng.standard_normal(POOL, dtype=np.float32)
    stored, _, item_bytes = DTYPES[args.dtype]
    parts = list(shards(tensor_shapes(args.size, args.layers), item_bytes, int(args.shard_gb * 1e9)))
    weight_map, total = {}, 0
    for i, part in enumerate(parts):
        file_name = f"model-{i + 1:05}-of-{len(parts):05}.safetensors"
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in part:
            n = int(np.prod(shape)) * item_bytes
            header[name] = {"dtype": stored, "shape": list(shape), "data_offsets": [offset, offset + n]}
            offset += n
            weight_map[name] = file_name
        total += offset
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(args.out / file_name, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, shape in part:
                write_tensor(file, shape, args.dtype, pool, rng)
        print(f"{file_name}: {offset / 1e9:.2f} GB", flush=True)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (args.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    (args.out / "config.json").write_text(json.dumps(config(args.size, args.layers, args.dtype), indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if args.tokenizer and (args.tokenizer / name).exists():
            shutil.copyfile(args.tokenizer / name, args.out / name)
    print(f"{args.out}: {total / 1e9:.2f} GB, {total // item_bytes / 1e9:.3f} G weights")


if __name__ == "__main__":
    main()
