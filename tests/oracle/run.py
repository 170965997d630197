# SPDX-License-Identifier: Apache-2.0
"""Runs the oracle checks: the program against MLX, mlx-lm and transformers on real checkpoints.

usage: run.py --binary build/release/jang --models DIR [--gemma DIR] [--tiny DIR] [--data DIR] [--templates DIR] [--public DIR] [--only PATTERN] [--quick]

DIR of --models holds the reference checkpoints by name, --gemma a Gemma 3 270M, --tiny random checkpoints of every family (made by
scripts/make_tiny_models.py into a temporary directory when not given), --data the text (default: `data` beside the models), --public llama.cpp's tree with its templates and tokenizer vectors. Prints one line
per case, `ok name`, `FAIL name: why` or `skip name: why`, and last `N passed, N failed, N skipped`. Exit code 1 when a case failed.
"""

import argparse
import importlib.util
import re
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402

CHECKS = {  # module: packages it needs
    "check_rtn": ("numpy", "mlx", "mlx_lm"),
    "check_fit": ("numpy",),
    "check_mlx": ("numpy", "mlx", "mlx_lm", "torch", "transformers"),
    "check_configs": ("numpy", "torch", "transformers", "safetensors"),
    "check_experts": ("numpy", "mlx", "mlx_lm", "torch", "transformers"),
    "check_logits": ("numpy", "mlx", "mlx_lm", "torch", "transformers"),
    "check_gradients": ("numpy", "torch", "transformers"),
    "check_contract": ("numpy",),
    "check_tokenizer": ("tokenizers",),
    "check_kld": ("numpy", "torch", "transformers", "tokenizers"),
    "check_templates": ("transformers", "jinja2"),
    "check_public_templates": ("transformers", "jinja2", "tokenizers"),
    "check_awq": ("numpy", "mlx", "torch", "transformers"),
    "check_gguf": ("numpy", "gguf", "safetensors"),
    "check_wrappers": ("numpy", "mlx", "mlx_lm", "torch", "transformers"),
    "check_readers": ("mlx", "mlx_lm", "torch", "transformers"),
    "check_compressed_tensors": ("numpy", "torch", "transformers", "safetensors", "compressed_tensors"),
    "check_awq_gptq": ("numpy", "torch", "transformers", "safetensors"),
    "check_humming": ("numpy", "torch", "transformers"),
    "check_jang_tools": ("numpy", "mlx", "mlx_lm", "jang_tools"),
    "check_float4": ("numpy", "torch", "transformers", "safetensors"),
    "check_eval": ("numpy", "scipy", "torch", "transformers", "tokenizers"),
}
SCRIPT_CHECKS = {"check_arch_names.py": ("mlx", "mlx_lm")}  # programs of their own, run in a process


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def case(self, name, function):
        start = time.time()
        try:
            remark = function()
        except harness.Skip as why:
            self.skipped += 1
            print(f"skip {name}: {why}", flush=True)
        except harness.Fail as why:
            self.failed += 1
            print(f"FAIL {name}: {why}", flush=True)
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAIL {name}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})", flush=True)
        else:
            self.passed += 1
            print(f"ok {name}" + (f"  {remark}" if remark else "") + f"  [{time.time() - start:.1f} s]", flush=True)

    def script(self, path, arguments):
        """Runs a check that is a program; its own ok/FAIL/skip lines are counted."""
        done = subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAIL ", "skip "))]
        print("\n".join(lines), flush=True)
        self.passed += sum(line.startswith("ok ") for line in lines)
        self.failed += sum(line.startswith("FAIL ") for line in lines)
        self.skipped += sum(line.startswith("skip ") for line in lines)
        if done.returncode != 0 and not any(line.startswith("FAIL ") for line in lines):
            self.failed += 1
            print(f"FAIL {path.stem}: exit code {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)


def missing_packages(names):
    return [n for n in names if importlib.util.find_spec(n) is None]


def make_tiny(context):
    """Writes the random checkpoints of every family into the run's own directory, where the script and its packages are present."""
    script = HERE.parent.parent / "scripts" / "make_tiny_models.py"
    tokenizer = context.models / "gutenberg-moe-9m"
    if not script.exists() or not tokenizer.is_dir() or missing_packages(("torch", "transformers")):
        return None
    out = context.directory / "tiny"
    quick = ["--quick"] if context.quick else []
    done = subprocess.run([sys.executable, str(script), str(out), str(tokenizer), *quick], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"note: {script.name} gave {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)
    return out if out.is_dir() else None


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs the oracle checks on real checkpoints.")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--gemma")
    parser.add_argument("--tiny")
    parser.add_argument("--data")
    parser.add_argument("--templates", help="a directory with more chat templates, *.jinja below it")
    parser.add_argument("--public", help="llama.cpp's tree; its chat templates and tokenizer vectors are checked")
    parser.add_argument("--only", default="", help="regular expression; only cases whose name it matches somewhere")
    parser.add_argument("--quick", action="store_true", help="fewer combinations")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    args = parser.parse_args()
    args.data = args.data or str(Path(args.models).resolve().parent / "data")
    return args


def quiet_peers():
    """Two torch threads and no progress bars: the output is the list of cases."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(2)
    if importlib.util.find_spec("transformers"):
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()


def run_modules(context, tally, args):
    wanted = re.compile(args.only)
    for module_name, packages in CHECKS.items():
        lacking = missing_packages(packages)
        if lacking:
            tally.skipped += 1
            print(f"skip {module_name}: no Python package {', '.join(lacking)}", flush=True)
            continue
        module = __import__(module_name)
        for name, function in module.cases(context):
            if wanted.search(name):
                print(name) if args.list else tally.case(name, function)
    for file_name, packages in SCRIPT_CHECKS.items():
        path = HERE / file_name
        if not path.exists() or not wanted.search(path.stem) or args.list:
            continue
        if missing_packages(packages):
            tally.skipped += 1
            print(f"skip {path.stem}: no Python package {', '.join(missing_packages(packages))}", flush=True)
            continue
        tiny = ["--tiny", str(context.tiny)] if context.tiny else []
        gemma = [str(context.gemma)] if context.gemma else []
        tally.script(path, ["--binary", context.binary, "--models", str(context.models), *tiny, *gemma])


def main():
    args = parse_arguments()
    if not Path(args.binary).exists():
        print(f"no program at {args.binary}: build it first (cmake --preset release && cmake --build --preset release)", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary bundles go
    context = harness.Context(args.binary, args.models, args.gemma, args.tiny, args.data, args.quick)
    context.templates, context.public = args.templates, args.public
    tally = Tally()
    try:
        quiet_peers()
        if context.tiny is None:
            context.tiny = make_tiny(context)
        run_modules(context, tally, args)
    finally:
        context.close()
    if args.list:
        return 0
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    if tally.passed + tally.failed + tally.skipped == 0:
        print("no case has such a name", file=sys.stderr)
        return 1
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
