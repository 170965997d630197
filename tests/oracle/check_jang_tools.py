# SPDX-License-Identifier: Apache-2.0
"""Bundles that upstream's own converter writes (package jang on PyPI, 2.5.50 when this was made) open here and mean what they mean in mlx-lm.

Its JANG v2 bundles have stock mlx-lm's logits in our engine, `export` takes every code over as it is, and `repair` gives a config whose
entries were damaged the bits back that the converter wrote. Bundles of its `--hadamard`, which only its own loader turns back, are refused.
"""

import json
import shutil
import subprocess
import sys

from check_logits import compare, mlx_logits, ours, prompt
from check_mlx import load_mlx
from harness import require

MODEL = "gutenberg-moe-9m"


def made(context, *flags):
    """A bundle by the package's converter."""
    out = context.fresh("jang_tools")
    done = subprocess.run([sys.executable, "-m", "jang_tools", "convert", str(context.source(MODEL)), "-o", str(out), *flags],
                          capture_output=True, text=True, timeout=600)
    require(done.returncode == 0 and (out / "config.json").exists(), f"the package's converter gave {done.returncode}: {done.stderr[-400:]}")
    return out


def entries(directory):
    map_ = json.loads((directory / "config.json").read_text())["quantization"]
    return {k: (v["bits"], v["group_size"]) for k, v in map_.items() if isinstance(v, dict)}


def opens(context, *flags):
    import mlx.core as mx

    bundle = made(context, *flags)
    done = context.run("validate", bundle)
    require(done.returncode == 0, f"`jang validate` gave {done.returncode}: {done.stdout[-400:]}")
    ids = prompt(bundle)
    model = load_mlx(bundle)
    model.set_dtype(mx.float32)  # scales and biases are cast, the codes stay
    error = compare("logits", ours(context, bundle, ids, 0)[0], mlx_logits(model, ids))
    # Its codes are ours: nothing is rounded on the way into a bundle of this program.
    copy = context.fresh("copy")
    done = context.run("export", bundle, "--target", "mlx", "-o", copy)
    require(done.returncode == 0, f"`jang export` gave {done.returncode}: {done.stderr[-400:]}")
    require(entries(copy) == entries(bundle), "the copy has other bits")
    require((ours(context, copy, ids, 0)[0] == ours(context, bundle, ids, 0)[0]).all(), "the copy has other logits")
    return f"{len(entries(bundle))} modules, largest difference {error:.1e} of the largest logit"


def repaired(context, *flags):
    bundle = made(context, *flags)
    truth = entries(bundle)
    damaged = context.fresh("damaged")
    shutil.copytree(bundle, damaged)
    path = damaged / "config.json"
    config = json.loads(path.read_text())
    for i, name in enumerate(truth):
        config["quantization"][name] = {"bits": 8 if i % 2 else 2, "group_size": 64 if i % 3 else 32}
    path.write_text(json.dumps(config))
    (damaged / "jang_config.json").unlink()  # whose manifest would tell
    out = context.fresh("repaired")
    done = context.run("repair", damaged, "-o", out)
    require(done.returncode == 0, f"`jang repair` gave {done.returncode}: {done.stderr[-400:]}")
    found = entries(out)
    wrong = [n for n, pair in truth.items() if found.get(n) != pair]
    require(not wrong, f"{wrong[0]} became {found.get(wrong[0])}, it is {truth[wrong[0]]}" if wrong else "")
    return f"{len(truth)} entries"


def rotated(context):
    bundle = made(context, "-p", "JANG_4K", "--hadamard")
    for command in ("validate", "run"):
        done = context.run(command, bundle, *(("-p", "It") if command == "run" else ()))
        require(done.returncode != 0 and "hadamard_rotation" in done.stderr, f"`jang {command}` gave {done.returncode}: {done.stderr[-200:]}")


def cases(context):
    more = [("-p", "JANG_4K"), ("-p", "JANG_3M", "-b", "32"), ("-p", "JANG_6M", "-m", "rtn")]
    for flags in [("-p", "JANG_2S")] + ([] if context.quick else more):
        yield f"jang_tools.{''.join(flags[1::2])}", lambda f=flags: opens(context, *f)
    yield "jang_tools.repair", lambda: repaired(context, "-p", "JANG_2S")
    yield "jang_tools.hadamard", lambda: rotated(context)
