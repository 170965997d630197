# SPDX-License-Identifier: Apache-2.0
"""Speed beside llama.cpp: the same Llama checkpoint at about equal stored bits, same threads, alternating runs of one sitting.

usage: generate_beside_llama_cpp.py SRC --binary build/release/jang [--bits 2,3,4,5,6,8] [--threads 1,2] [--runs 3] [-p 512] [-n 128] [--work DIR]

SRC: a bf16 or fp16 checkpoint of the llama family; scripts/make_synthetic.py makes one. Needs llama-cpp-python (it brings llama.cpp), gguf
and numpy. Contestants, in turn (A B, A B, ...) so that a slow phase of the machine hits both:
  jang       a process: jang bench BUNDLE of `jang convert -p uniform_N` (N + 1/2 bits a weight)
  llama.cpp  its library, warm, in this process: every matrix in one type (`pure`): Q2_K 2.625, Q3_K 3.44, Q4_K 4.5, Q5_K 5.5, Q6_K 6.56,
             Q8_0 8.5 bits; its own choice of kernels and repacking
Each run is a prompt of -p random tokens (t/s over the prompt) and, on an empty cache, -n tokens one by one. Medians. Prints Markdown.
"""

import argparse
import ctypes
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

FTYPES = {2: "Q2_K", 3: "Q3_K_M", 4: "Q4_K_M", 5: "Q5_K_M", 6: "Q6_K", 8: "Q8_0"}
BATCH = 512


def tensors(directory):
    """(name, float array or None, dtype, shape) of every tensor of a checkpoint, from its safetensors files."""
    for path in sorted(Path(directory).glob("*.safetensors")):
        with open(path, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            header = json.loads(f.read(length))
        data = np.memmap(path, mode="r", offset=8 + length)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = data[begin:end]
            if entry["dtype"] == "BF16":
                values = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                values = raw.view({"F16": np.float16, "F32": np.float32}[entry["dtype"]]).astype(np.float32)
            yield name, values.reshape(entry["shape"])


def write_gguf(directory, path):
    """The checkpoint as GGUF in f16; ids only, no tokenizer."""
    config = json.loads((Path(directory) / "config.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(path, "llama", use_temp_file=True)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(config.get("head_dim", config["hidden_size"] // heads))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name, values in tensors(directory):
        if name.endswith(("q_proj.weight", "k_proj.weight")):  # GGUF keeps the two halves of a rotary pair side by side
            n = heads if "q_proj" in name else kv_heads
            values = values.reshape(n, 2, values.shape[0] // n // 2, -1).swapaxes(1, 2).reshape(values.shape)
        to = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(to, values.astype(np.float16 if values.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize_gguf(source, path, bits):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + FTYPES[bits])
    params.pure = True
    if llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(params)):
        sys.exit(f"llama.cpp could not quantize to {FTYPES[bits]}")


class Llama:
    """One model of llama.cpp with its context."""

    def __init__(self, path, threads, n_context):
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_threads, params.n_threads_batch = n_context, BATCH, BATCH, threads, threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.model or not self.context:
            sys.exit(f"llama.cpp could not load {path}")
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def run(self, n_tokens, at_once):
        """Tokens a second of reading n_tokens random tokens, at_once to a step, from an empty cache."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        ids = np.random.default_rng(1).integers(0, self.vocab, n_tokens)
        start = time.perf_counter()
        for i in range(0, n_tokens, at_once):
            step = ids[i : i + at_once]
            tokens = (llama_cpp.llama_token * len(step))(*step.tolist())
            if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(step))):
                sys.exit("llama.cpp could not run")
            llama_cpp.llama_synchronize(self.context)
        return n_tokens / (time.perf_counter() - start)


def run_jang(binary, bundle, threads, prompt, gen):
    out = subprocess.run([binary, "bench", bundle, "-p", str(prompt), "-n", str(gen), "-r", "1", "-t", str(threads), "--json"],
                         check=True, capture_output=True, text=True)
    document = json.loads(out.stdout)
    speeds = {row["test"][:2]: row["avg_ts"] for row in document["rows"]}
    return speeds["pp"], speeds["tg"], document["read_gbps"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("source")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--bits", default="2,3,4,5,6,8")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--gen", type=int, default=128)
    parser.add_argument("--work")
    args = parser.parse_args()
    quiet = llama_cpp.llama_cpp.llama_log_callback(lambda level, text, data: None)  # kept: the library holds no reference
    llama_cpp.llama_log_set(quiet, None)
    llama_cpp.llama_backend_init()
    print(f"llama.cpp of llama-cpp-python {llama_cpp.__version__}: {llama_cpp.llama_print_system_info().decode().strip(' |')}\n")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(args.work or temporary)
        f16 = work / "f16.gguf"
        if not f16.exists():
            write_gguf(args.source, f16)
        print("| weights | threads | jang pp | llama.cpp pp | ratio | jang tg | llama.cpp tg | ratio | jang GB/s | llama.cpp GB/s | read probe |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for bits in map(int, args.bits.split(",")):
            model, bundle = work / f"{FTYPES[bits]}.gguf", work / f"uniform_{bits}"
            if not model.exists():
                quantize_gguf(f16, model, bits)
            if not bundle.exists():
                subprocess.run([args.binary, "convert", args.source, "-p", f"uniform_{bits}", "-m", "rtn", "-o", bundle, "-q"], check=True)
            bundle_bytes = sum(p.stat().st_size for p in bundle.glob("*.safetensors"))
            for threads in map(int, args.threads.split(",")):
                llama = Llama(model, threads, args.prompt + args.gen)
                llama.run(min(args.prompt, 64), BATCH)  # warm
                ours, theirs = [], []
                for _ in range(args.runs):
                    ours.append(run_jang(args.binary, bundle, threads, args.prompt, args.gen))
                    theirs.append((llama.run(args.prompt, BATCH), llama.run(args.gen, 1)))
                llama.close()
                (pp, tg, read), (their_pp, their_tg) = map(lambda runs: map(statistics.median, zip(*runs)), (ours, theirs))
                print(f"| {bits} bit / {FTYPES[bits][:4]} | {threads} | {pp:.1f} | {their_pp:.1f} | {pp / their_pp:.2f} | {tg:.2f} | {their_tg:.2f} | "
                      f"{tg / their_tg:.2f} | {tg * bundle_bytes / 1e9:.1f} | {their_tg * model.stat().st_size / 1e9:.1f} | {read:.1f} |", flush=True)


if __name__ == "__main__":
    main()
