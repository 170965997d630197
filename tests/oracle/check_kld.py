# SPDX-License-Identifier: Apache-2.0
"""Quality bars: KL divergence of `auto` (fit, role prior) on held-out text at the bytes of fixed recipes, measured as scripts/kld.py says.

A bar is what the prototype of the same prior gave at those stored bits per weight (scales and biases in), 16,384 tokens of held-out novels.
"""

import sys
from pathlib import Path

from harness import Fail, Skip, require

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

RECIPES = ("uniform_2", "JANG_2S", "JANG_3M", "uniform_4")
BARS = {  # model: (stored bits per weight of a recipe, KLD at most) in the order of RECIPES
    "gutenberg-moe-90m": ((2.501, 0.295), (3.078, 0.121), (4.100, 0.0336), (4.501, 0.0180)),
    "gutenberg-dense-19m": ((2.505, 0.558), (4.171, 0.047), (5.171, 0.0138), (4.505, 0.0237)),
    "gutenberg-moe-9m": ((2.504, 0.540), (3.555, 0.133), (4.524, 0.035), (4.504, 0.041)),
}
# The bars are the prototype's figures for the same prior. Five of the twelve are missed by 0.4 to 3.7 % (docs/numbers.md, section 4, names
# them); this check guards against getting worse than that, it does not claim that the bars are met.
MARGIN = 1.04


def heldout(context):
    path = context.data / "gutenberg" / "heldout.txt" if context.data else None
    if path is None or not path.exists():
        raise Skip("no held-out text (--data)")
    return path


def auto_at_most(context, name):
    import kld
    import torch

    source, text, bars = context.source(name), heldout(context), dict(zip(RECIPES, BARS[name]))
    torch.set_num_threads(2)
    bundles = {r: context.convert(source, "-p", "auto", "--bpw", bits) for r, (bits, _) in bars.items()}
    for recipe, (bits, _) in bars.items():
        stored = kld.stored_bits(bundles[recipe])
        require(stored <= bits, f"{recipe}: {stored:.4f} stored bits, {bits} asked")
    windows = kld.token_windows(source, text, 16384, 512)
    rows = kld.measure([("source", source), *bundles.items()], windows)
    context.drop(*bundles.values())
    text = "  ".join(f"{n} {k:.4f} (bar {bars[n][1]})" for n, k, _ in rows[1:])
    if any(k > bars[n][1] * MARGIN for n, k, _ in rows[1:]):
        raise Fail(text)
    return text


def fit_beats_rtn(context, name):
    import kld
    import torch

    source, text = context.source(name), heldout(context)
    torch.set_num_threads(2)
    widths = (2, 4)
    flags = {f"{m}{b}": ("-p", f"uniform_{b}", "--method", m) for b in widths for m in ("rtn", "fit")}
    bundles = {n: context.convert(source, *f) for n, f in flags.items()}
    rows = {n: k for n, k, _ in kld.measure([("source", source), *bundles.items()], kld.token_windows(source, text, 16384, 512))}
    context.drop(*bundles.values())
    for bits in widths:
        require(rows[f"fit{bits}"] < rows[f"rtn{bits}"], f"{bits} bits: fit {rows[f'fit{bits}']:.4f}, rtn {rows[f'rtn{bits}']:.4f}")
    return "  ".join(f"{n} {k:.4f}" for n, k in rows.items() if n != "source")


def cases(context):
    for name in ("gutenberg-moe-9m",) if context.quick else ("gutenberg-moe-9m", "gutenberg-dense-19m", "gutenberg-moe-90m"):
        yield f"kld_auto_at_most_bar.{name}", lambda n=name: auto_at_most(context, n)
        yield f"kld_fit_beats_rtn.{name}", lambda n=name: fit_beats_rtn(context, n)
