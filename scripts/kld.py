# SPDX-License-Identifier: Apache-2.0
"""KL divergence and perplexity of bundles against their source model, on text.

usage: kld.py SOURCE BUNDLE... --text FILE --tokens N [--ctx 512] [--device cpu] [--json]

Protocol: the file is tokenised as one stream (lines that spell a special token become that token; a tokenizer that puts a begin token in
front of text does so once), its first N tokens are cut into windows of --ctx that do not overlap, and the first token of each window is
not scored.
KLD = mean over scored tokens of KL(source || bundle) in nats; perplexity = exp of the mean negative log-likelihood. Both models run in
float32 in transformers; a bundle is dequantized (code * scale + bias) first, so the arithmetic of a serving kernel is not in the figure.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracle"))


def token_windows(source, text_file, n_tokens, ctx, begin_token=True):
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(source) / "tokenizer.json"))
    ids = tokenizer.encode(Path(text_file).read_text(encoding="utf-8"), add_special_tokens=begin_token).ids[:n_tokens]
    n = len(ids) // ctx
    if n == 0:
        raise SystemExit(f"{text_file} has {len(ids)} tokens, fewer than one window of {ctx}")
    return torch.tensor(ids[: n * ctx]).view(n, ctx)


def load(directory, device):
    import bundle
    import torch
    from transformers import AutoModelForCausalLM

    if "quantization" in json.loads((Path(directory) / "config.json").read_text()):
        return bundle.load_transformers(directory).to(device)
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval().to(device)


def log_probabilities(model, windows, batch, device):
    """Yields log-softmax [b, ctx-1, vocab] of consecutive batches; position t predicts token t+1."""
    import torch

    with torch.inference_mode():
        for begin in range(0, len(windows), batch):
            logits = model(windows[begin : begin + batch].to(device), use_cache=False).logits
            yield torch.log_softmax(logits[:, :-1].float(), dim=-1)


def measure(models, windows, batch=8, device="cpu", source_cache=None):
    """[(name, kld, ppl)] with the first model as the reference. `source_cache`: list filled on first use and read afterwards."""
    import torch

    cache = source_cache if source_cache is not None else []
    rows = []
    for index, (name, directory) in enumerate(models):
        if index == 0 and cache:
            rows.append((name, 0.0, _perplexity(cache, windows, batch)))
            continue
        model = load(directory, device)
        divergence, nll, n = 0.0, 0.0, 0
        for i, logp in enumerate(log_probabilities(model, windows, batch, device)):
            if index == 0:
                cache.append(logp)
            else:
                for b in range(len(logp)):
                    reference = cache[i][b]
                    divergence += (reference.exp() * (reference - logp[b])).sum(dtype=torch.float64).item()
            target = windows[i * batch : i * batch + len(logp), 1:].to(device)
            nll -= logp.gather(-1, target.unsqueeze(-1)).sum(dtype=torch.float64).item()
            n += target.numel()
        del model
        rows.append((name, divergence / n, float(torch.tensor(nll / n).exp())))
    return rows


def _perplexity(cache, windows, batch):
    import torch

    nll, n = 0.0, 0
    for i, logp in enumerate(cache):
        target = windows[i * batch : i * batch + len(logp), 1:].to(logp.device)
        nll -= logp.gather(-1, target.unsqueeze(-1)).sum(dtype=torch.float64).item()
        n += target.numel()
    return float(torch.tensor(nll / n).exp())


def stored_bits(directory):
    """Payload bits per weight of a directory, scales and biases counted."""
    import bundle

    b = bundle.Bundle(directory)
    return 8 * sum(t.raw.nbytes for t in b.tensors.values()) / b.weight_count()


def main():
    parser = argparse.ArgumentParser(description="KL divergence and perplexity of bundles against their source")
    parser.add_argument("source")
    parser.add_argument("bundles", nargs="*")
    parser.add_argument("--text", required=True)
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--ctx", type=int, default=512)
    parser.add_argument("--batch", type=int, default=0, help="windows per forward; 0 chooses from the vocabulary")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-begin-token", action="store_true", help="no begin token in front, even if the tokenizer would put one")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    start = time.time()
    windows = token_windows(args.source, args.text, args.tokens, args.ctx, not args.no_begin_token)
    vocab = json.loads((Path(args.source) / "config.json").read_text()).get("vocab_size", 1 << 15)
    batch = args.batch or max(1, min(8, (1 << 26) // (vocab * args.ctx)))
    models = [("source", args.source)] + [(Path(b).name, b) for b in args.bundles]
    measured = measure(models, windows, batch, args.device)
    rows = [dict(name=n, bits=stored_bits(d), kld=k, ppl=p) for (n, k, p), (_, d) in zip(measured, models)]
    if args.json:
        print(json.dumps({"schema_version": 1, "text": args.text, "tokens": windows.numel(), "ctx": args.ctx, "models": rows}, indent=1))
        return
    print(f"{windows.numel()} tokens of {Path(args.text).name}, windows of {args.ctx}, float32, {time.time() - start:.0f} s")
    print("| model | stored bits | KLD | perplexity |\n|---|---|---|---|")
    for r in rows:
        print(f"| {r['name']} | {r['bits']:.3f} | {r['kld']:.4f} | {r['ppl']:.2f} |")


if __name__ == "__main__":
    main()
