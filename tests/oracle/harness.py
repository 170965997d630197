# SPDX-License-Identifier: Apache-2.0
"""What every oracle check shares: the program under test, converted bundles kept for reuse, and how a case passes, fails or is skipped.

A case is (name, function without arguments). It fails by raising Fail (or any other exception), is skipped by raising Skip, and may return
a short remark that is printed behind its name.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

WIDTHS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)
DTYPES = ("bf16", "fp16")
REFERENCE_MODELS = ("TinyStories-656K", "gutenberg-moe-9m", "gutenberg-dense-19m", "gutenberg-moe-90m")

# Tiny checkpoints whose MLX class computes something else than transformers beyond a few tokens; bundles of them are compared with
# transformers only.
MLX_DIFFERS = {"mistral": "its llama class has no sliding window", "qwen2-window": "no sliding window", "qwen3-window": "no sliding window",
               "qwen3_moe-window": "no sliding window", "gemma3_text-softcap": "no softcap",
               "phi3-longrope": "its RoPE turns by the long factors at once", "gemma": "the exact GELU, not its approximation",
               "gemma2": "no sliding window", "starcoder2": "no sliding window, and the exact GELU",
               "gpt_neox": "the approximation of GELU, not the exact one",
               "ernie4_5_moe": "no correction of the router's scores"}

# Tiny checkpoints of which a quick run makes two comparisons: the source's logits, and those of a bundle. They are made of blocks that others
# are compared in at length, or that tests of ops and models compare on every device.
BRIEF = ("granitemoehybrid", "granitemoehybrid-dense", "mamba2", "gpt_oss", "granitemoe", "ernie4_5_moe", "dots1", "exaone_moe",
         "gemma4_text", "gemma4_text-moe", "gemma4_text-edge")

# Tiny checkpoints whose layers read keys of each other, or the tokens: there are no gradients of them.
NO_GRADIENTS = ("gemma4_text-edge",)

# Tiny checkpoints of which a quick run makes one comparison, the source's logits.
ONCE = ("ministral3", "mistral4")


class Fail(Exception):
    pass


class Skip(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Fail(message)


class Context:
    def __init__(self, binary, models, gemma=None, tiny=None, data=None, quick=False):
        self.binary = str(Path(binary).resolve())
        self.models = Path(models).resolve() if models else None
        self.gemma = Path(gemma).resolve() if gemma else None
        self.tiny = Path(tiny).resolve() if tiny else None
        self.data = Path(data).resolve() if data else None
        self.quick = quick
        self.directory = Path(tempfile.mkdtemp(prefix="jang-oracle-"))
        self._bundles = {}

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def fresh(self, stem):
        """A path that does not exist yet, in a directory of its own."""
        return Path(tempfile.mkdtemp(prefix=stem + "-", dir=self.directory)) / "out"

    def source(self, name):
        path = self.gemma if name == "gemma" else self.models / name if self.models else None
        if path is None or not (path / "config.json").exists():
            raise Skip(f"{name} is not on this machine")
        return path

    def run(self, *arguments, timeout=1200):
        """Runs the program; returns CompletedProcess with text streams."""
        return subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)

    def report(self, *arguments):
        """Runs a reporting command with --json; returns the document."""
        done = self.run(*arguments, "--json")
        require(done.returncode == 0, f"`jang {' '.join(map(str, arguments))}` gave {done.returncode}: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)

    def convert(self, source, *flags, keep=False):
        """Path of the bundle of `source` with these flags. keep: made once and shared between cases; else the caller drops it."""
        key = (str(source), *map(str, flags))
        if key in self._bundles:
            return self._bundles[key]
        out = self.fresh("bundle")
        done = self.run("convert", source, "-o", out, *flags)
        require(done.returncode == 0, f"convert {' '.join(key[1:])} gave {done.returncode}: {done.stderr.strip()[-400:]}")
        if keep:
            self._bundles[key] = out
        return out

    def drop(self, *paths):
        for path in paths:
            if path not in self._bundles.values():
                shutil.rmtree(Path(path).parent, ignore_errors=True)


def hashes(directory):
    """relative file name -> sha256 of every file below a directory."""
    result = {}
    for path in sorted(Path(directory).rglob("*")):
        if path.is_file():
            result[str(path.relative_to(directory))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return result


def looks_like_a_model(directory):
    """Paths below a directory that a model loader could take for a model."""
    return [str(p) for p in Path(directory).rglob("config.json")]


def first_difference(a, b):
    """Where two byte strings that are not equal differ first, for messages."""
    if len(a) != len(b):
        return f"{len(a)} against {len(b)} bytes"
    at = next(i for i in range(len(a)) if a[i] != b[i])
    return f"byte {at} of {len(a)}: {a[at]:#04x} against {b[at]:#04x}"


def environment_note():
    """Versions of the peers the checks compare with."""
    import importlib.metadata as metadata

    names = ("mlx", "mlx-lm", "transformers", "torch", "numpy")
    return ", ".join(f"{n} {metadata.version(n)}" for n in names) + f", {os.cpu_count()} cores"
