# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of every bundle against the MLX model class itself.

For each checkpoint: the tensors of `plan --json` are exactly the parameters of the class that mlx-lm picks for the bundle's config, with as
many elements each; only modules the class can quantize were quantized; mlx-lm opens the bundle strictly; and sanitising it once more
changes nothing (no norm is shifted twice, no convolution turned back).

usage: check_arch_names.py --binary JANG [--models DIR] [--tiny DIR] [MODEL_DIR ...]  (DIR: checkpoints)
Prints `ok name`, `FAIL name: why` or `skip name: why`; exit code 1 when a case failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes, load_model


CUT = (".kv_b_proj.", ".embed_q.", ".unembed_out.")  # classes of latent attention cut kv_b_proj into two maps by heads when they load it
TOWERS = ("vision_tower.", "multi_modal_projector.")  # kept for mlx-vlm; the text classes of mlx-lm leave them out


def whole(names):
    """Names that a class keeps as a bundle has them."""
    return [n for n in names if not any(part in n for part in CUT)]


def run(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        raise AssertionError(f"`{' '.join(map(str, arguments[:2]))}` gave {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def expect_equal_sets(what, found, wanted):
    extra, absent = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    if extra or absent:
        raise AssertionError(f"{what}: {len(extra)} too many {extra[:3]}, {len(absent)} missing {absent[:3]}")


def copied_head(planned, weights):
    """The name of a head that repeats the tied embedding's bytes, which a class may want; no plan lists it twice."""
    tied = next((t["name"] for t in planned if t["role"] == "tied_embedding"), None)
    head = next((n for n in weights if n.endswith("lm_head.weight")), None)
    return head if tied and head and mx.array_equal(weights[tied], weights[head]).item() else None


def check_parameters(planned, weights, model):
    parameters = dict(tree_flatten(model.parameters()))
    parameters.pop(copied_head(planned, weights), None)
    cut = any(".embed_q." in name for name in parameters)
    expect_equal_sets("parameters", *((whole(n) if cut else n) for n in ([t["name"] for t in planned], parameters)))
    modules = dict(model.named_modules())
    for tensor in planned:
        if tensor["name"] not in parameters:  # cut
            if (tensor.get("bits") or 16) < 16:
                raise AssertionError(f"{tensor['name']}: planned {tensor['bits']} bits, the class would encode it once more")
            continue
        name, wanted = tensor["name"], parameters[tensor["name"]]
        if tensor["params"] != wanted.size:
            raise AssertionError(f"{name}: {tensor['params']} elements, the class has {wanted.size}")
        if "shape" in tensor and list(tensor["shape"]) != list(wanted.shape):
            raise AssertionError(f"{name}: shape {tensor['shape']}, the class has {list(wanted.shape)}")
        if 0 < (tensor.get("bits") or 0) < 16 and not hasattr(modules[name.removesuffix(".weight")], "to_quantized"):
            raise AssertionError(f"{name}: planned {tensor['bits']} bits, its module cannot be quantized")


def is_text(name):
    """Whether the text class has a place for it, or has to say why not: ERNIE's drops the correction of its router as it loads it."""
    return not name.startswith(TOWERS) and not name.endswith(".moe_statics.e_score_correction_bias")


def text_weights(bundle):
    weights = {}
    for file in sorted(bundle.glob("model*.safetensors")):
        weights.update(mx.load(str(file)))
    return {name: value for name, value in weights.items() if is_text(name)}


def check_sanitize(weights, model):
    again = model.sanitize(dict(weights)) if hasattr(model, "sanitize") else dict(weights)
    cut = any(".embed_q." in name for name in again)
    expect_equal_sets("sanitize", *((whole(n) if cut else n) for n in (again, weights)))
    for name, value in weights.items():
        if name not in again:
            continue
        if again[name].shape != value.shape or not mx.array_equal(again[name], value, equal_nan=True).item():
            raise AssertionError(f"{name}: sanitising the bundle changes it")


def check(binary, source, scratch):
    bundle = scratch / "bundle"
    planned = json.loads(run(binary, "plan", source, "--json", "-p", "uniform_8", "--method", "rtn"))["tensors"]
    planned = [t for t in planned if is_text(t["name"])]
    run(binary, "convert", source, "-o", bundle, "-p", "uniform_8", "--method", "rtn")
    config = json.loads((bundle / "config.json").read_text())
    model_class, arguments_class = _get_classes(config=config)
    model = model_class(arguments_class.from_dict(config))
    weights = text_weights(bundle)
    check_sanitize(weights, model)  # first: it also takes the head out of classes that tie by its absence
    check_parameters(planned, weights, model)
    load_model(bundle, lazy=True, strict=True)
    return len(planned)


def checkpoints(args):
    found = [Path(p) for p in args.model]
    for root in (args.models, args.tiny):
        if root and Path(root).is_dir():
            found += sorted(p for p in Path(root).iterdir() if (p / "config.json").exists())
    return found


def main():
    parser = argparse.ArgumentParser(description="Bundles' names and shapes against the MLX model classes.")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--models")
    parser.add_argument("--tiny")
    parser.add_argument("model", nargs="*")
    args = parser.parse_args()
    mx.set_default_device(mx.cpu)
    sources = checkpoints(args)
    if not sources:
        print("skip arch_names: no checkpoints given")
    failed = 0
    for source in sources:
        name = f"arch_names.{source.name}"
        try:
            with tempfile.TemporaryDirectory(prefix="jang-arch-") as scratch:
                print(f"ok {name}  {check(str(Path(args.binary).resolve()), source, Path(scratch))} tensors", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {name}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
