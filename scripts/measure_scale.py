#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory and time of estimate, plan and convert on checkpoints of the size of real models.

The checkpoints are sparse files: headers are real, weights are holes, which read as zeros and take no disk. What a conversion holds in
memory and how fast it reads does not depend on the values; its output does take disk. Peak memory is the resident set of the process as
the system counts it, page cache not included.

  python3 scripts/measure_scale.py build/release/jang WORK_DIR [--convert MODEL ...] [--profile JANG_4K] [--method rtn]

Models are configurations in tests/data/configs. All are planned and estimated, those of --convert are converted too (Qwen3-8B unless said
otherwise).
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import time

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "configs"
MODELS = ["Qwen3-8B", "Qwen3-30B-A3B", "Qwen3.5-122B-A10B"]
SHARD_BYTES = 5_000_000_000


def mlp(prefix, hidden, ffn):
    yield prefix + ".gate_proj.weight", [ffn, hidden]
    yield prefix + ".up_proj.weight", [ffn, hidden]
    yield prefix + ".down_proj.weight", [hidden, ffn]


def attention(layer, c, gated):
    head = c["head_dim"]
    q, kv, hidden = c["num_attention_heads"] * head, c["num_key_value_heads"] * head, c["hidden_size"]
    yield layer + ".self_attn.q_proj.weight", [2 * q if gated else q, hidden]
    yield layer + ".self_attn.k_proj.weight", [kv, hidden]
    yield layer + ".self_attn.v_proj.weight", [kv, hidden]
    yield layer + ".self_attn.o_proj.weight", [hidden, q]
    yield layer + ".self_attn.q_norm.weight", [head]
    yield layer + ".self_attn.k_norm.weight", [head]


def delta_net(layer, c):
    k = c["linear_num_key_heads"] * c["linear_key_head_dim"]
    v, heads, hidden = c["linear_num_value_heads"] * c["linear_value_head_dim"], c["linear_num_value_heads"], c["hidden_size"]
    at = layer + ".linear_attn."
    yield at + "in_proj_qkv.weight", [2 * k + v, hidden]
    yield at + "in_proj_z.weight", [v, hidden]
    yield at + "in_proj_a.weight", [heads, hidden]
    yield at + "in_proj_b.weight", [heads, hidden]
    yield at + "out_proj.weight", [hidden, v]
    yield at + "conv1d.weight", [2 * k + v, 1, c["linear_conv_kernel_dim"]]
    yield at + "A_log", [heads]
    yield at + "dt_bias", [heads]
    yield at + "norm.weight", [c["linear_value_head_dim"]]


def experts(layer, c, fused):
    n, ffn, hidden = c["num_experts"], c["moe_intermediate_size"], c["hidden_size"]
    yield layer + ".mlp.gate.weight", [n, hidden]
    if fused:
        yield layer + ".mlp.experts.gate_up_proj", [n, 2 * ffn, hidden]
        yield layer + ".mlp.experts.down_proj", [n, hidden, ffn]
        yield layer + ".mlp.shared_expert_gate.weight", [1, hidden]
        yield from mlp(layer + ".mlp.shared_expert", hidden, c["shared_expert_intermediate_size"])
    else:
        for e in range(n):
            yield from mlp(f"{layer}.mlp.experts.{e}", hidden, ffn)


def tensors(config):
    """Names and shapes as published checkpoints of qwen3, qwen3_moe and qwen3_5_moe have them."""
    hybrid = config["model_type"] == "qwen3_5_moe"
    c = config.get("text_config", config)
    root = "model.language_model" if hybrid else "model"
    yield root + ".embed_tokens.weight", [c["vocab_size"], c["hidden_size"]]
    for i in range(c["num_hidden_layers"]):
        layer = f"{root}.layers.{i}"
        softmax = not hybrid or (i + 1) % c["full_attention_interval"] == 0
        yield from attention(layer, c, hybrid) if softmax else delta_net(layer, c)
        yield from experts(layer, c, hybrid) if "num_experts" in c else mlp(layer + ".mlp", c["hidden_size"], c["intermediate_size"])
        yield layer + ".input_layernorm.weight", [c["hidden_size"]]
        yield layer + ".post_attention_layernorm.weight", [c["hidden_size"]]
    yield root + ".norm.weight", [c["hidden_size"]]
    if not config.get("tie_word_embeddings", False):
        yield "lm_head.weight", [c["vocab_size"], c["hidden_size"]]


def n_bytes(shape):
    n = 2
    for d in shape:
        n *= d
    return n


def write_shard(path, rows):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in rows:
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + n_bytes(shape)]}
        at += n_bytes(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        f.truncate(8 + len(text) + at)


def make_checkpoint(name, directory):
    directory.mkdir()
    config = json.loads((CONFIGS / f"{name}.json").read_text())
    (directory / "config.json").write_text(json.dumps(config))
    shards, filled = [[]], 0
    for row in tensors(config):
        if shards[-1] and filled + n_bytes(row[1]) > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(row)
        filled += n_bytes(row[1])
    names, weight_map = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))], {}
    for file, rows in zip(names, shards):
        write_shard(directory / file, rows)
        weight_map.update({tensor: file for tensor, _ in rows})
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return sum(n_bytes(shape) for rows in shards for _, shape in rows)


def measured(words):
    """Runs a command; seconds by the clock, seconds of processors and peak resident bytes of that process alone."""
    start = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{error}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jang")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--convert", nargs="*", default=["Qwen3-8B"])
    parser.add_argument("--profile", default="JANG_4K")
    parser.add_argument("--method", default="rtn")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    print("| model | source, GB | command | seconds | CPU seconds | peak resident, MiB | source, MB/s |\n|---|---|---|---|---|---|---|")
    for name in arguments.models:
        source, made = arguments.work / name, arguments.work / f"{name}.made"
        size = make_checkpoint(name, source)
        try:
            commands = {"estimate": ["estimate", source, "-p", arguments.profile], "plan": ["plan", source, "-p", arguments.profile]}
            if name in arguments.convert:
                commands["convert"] = ["convert", source, "-p", arguments.profile, "-m", arguments.method, "-o", made, "-q"]
            for what, words in commands.items():
                seconds, cpu, peak = measured([arguments.jang, *map(str, words)])
                speed = f"{size / 1e6 / seconds:.0f}" if what == "convert" else "-"
                print(f"| {name} | {size / 1e9:.1f} | {what} | {seconds:.2f} | {cpu:.2f} | {peak / 2**20:.0f} | {speed} |", flush=True)
        finally:
            shutil.rmtree(source, ignore_errors=True)
            shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    main()
