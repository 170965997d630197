# SPDX-License-Identifier: Apache-2.0
"""End to end conversion time: `jang convert` against `mlx_lm convert` on the same checkpoint, all cores, alternating runs.

usage: convert_end_to_end.py SRC [SRC...] --binary build/release/jang [--runs 5] [--bits 4] [--no-fit] [--work DIR]

Contestants, run in turn (A B C D, A B C D, ...) so that a slow phase of the machine hits all:
  jang rtn     a process: jang convert --method rtn -p uniform_N. Writes with fsync, re-opens and checks before it renames.
  jang fit     a process: jang convert --method fit -p uniform_N
  mlx_lm cold  a process: python -m mlx_lm convert -q --q-bits N, interpreter and imports included
  mlx_lm warm  mlx_lm.convert() called again in a process that has imported everything and converted once before; only the call is timed
The source is read once before, so every contestant starts with a warm page cache; outputs are deleted after each run, outside the timing.
Bytes moved = source weights read + weights written. Peak RSS is VmHWM of the process, which counts mapped pages of the source; anonymous
is the peak of RssAnon; both read from /proc every 10 ms (ru_maxrss is not used: a child inherits its parent's). Prints Markdown.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Reads "source\tout\tbits\n", converts, answers with the seconds of the call.
WARM_SERVER = """
import sys, time, os
answers = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
from mlx_lm import convert
for line in sys.stdin:
    source, out, bits = line.rstrip("\\n").split("\\t")
    start = time.perf_counter()
    convert(source, out, quantize=True, q_bits=int(bits))
    print(time.perf_counter() - start, file=answers, flush=True)
"""


class MemoryPeak(threading.Thread):
    """Samples the memory of a process until it ends; .rss and .anonymous in bytes, 0 where /proc has no such lines."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.rss, self.anonymous, self.stop = pid, 0, 0, threading.Event()

    def run(self):
        while not self.stop.wait(0.01):
            try:
                for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.rss = max(self.rss, int(line.split()[1]) * 1024)
                    elif line.startswith("RssAnon:"):
                        self.anonymous = max(self.anonymous, int(line.split()[1]) * 1024)
            except (OSError, ValueError):
                return


def run_process(command):
    """(seconds, peak RSS bytes, peak anonymous bytes) of a command; its output is shown when it fails."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        sampler = MemoryPeak(process.pid)
        sampler.start()
        process.wait()
        seconds = time.perf_counter() - start
        sampler.stop.set()
        sampler.join()
        if process.returncode != 0:
            output.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))}\n{output.read().decode()[-2000:]}")
    return seconds, sampler.rss, sampler.anonymous


class Warm:
    """A Python process that stays up and converts on request."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WARM_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.sampler = MemoryPeak(self.process.pid)
        self.sampler.start()

    def convert(self, source, out, bits):
        self.process.stdin.write(f"{source}\t{out}\t{bits}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("the warm mlx_lm process ended")
        return float(answer), self.sampler.rss, self.sampler.anonymous

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def weight_bytes(directory):
    return sum(p.stat().st_size for p in Path(directory).glob("*.safetensors"))


def warm_page_cache(directory):
    for path in Path(directory).glob("*.safetensors"):
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def machine_line():
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        flags = next(line for line in lines if line.startswith("flags"))
        model += ", AVX-512" if " avx512f" in flags else ", AVX2" if " avx2" in flags else ""
    except (OSError, StopIteration):
        pass
    versions = []
    import importlib.metadata as metadata

    for name in ("mlx", "mlx-lm"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {system}, {', '.join(versions)}"


def contestants(args, warm):
    """name -> function(source, out) -> (seconds, peak RSS, peak anonymous)."""
    profile = ["-p", f"uniform_{args.bits}"]
    table = {"jang rtn": lambda s, o: run_process([args.binary, "convert", str(s), "-o", str(o), "--method", "rtn", *profile])}
    if not args.no_fit:
        table["jang fit"] = lambda s, o: run_process([args.binary, "convert", str(s), "-o", str(o), "--method", "fit", *profile])
    if not args.no_mlx:
        mlx = [sys.executable, "-m", "mlx_lm", "convert", "-q", "--q-bits", str(args.bits)]
        table["mlx_lm cold"] = lambda s, o: run_process([*mlx, "--hf-path", str(s), "--mlx-path", str(o)])
        table["mlx_lm warm"] = lambda s, o: warm.convert(s, o, args.bits)
    return table


def measure(source, table, runs, work):
    """name -> {"seconds": [...], "rss": max, "anonymous": max, "moved": bytes}."""
    warm_page_cache(source)
    results = {name: {"seconds": [], "rss": 0, "anonymous": 0, "moved": 0} for name in table}
    for index in range(runs + 1):  # the first round warms up and is not counted
        for name, contestant in table.items():
            out = work / "out"
            seconds, rss, anonymous = contestant(source, out)
            row = results[name]
            row["moved"] = weight_bytes(source) + weight_bytes(out)
            shutil.rmtree(out)
            os.sync()
            if index > 0:
                row["seconds"].append(seconds)
                row["rss"], row["anonymous"] = max(row["rss"], rss), max(row["anonymous"], anonymous)
    return results


def table_lines(source, results):
    reference = statistics.median(results["jang rtn"]["seconds"])
    yield f"| {Path(source).name} | median s | min | max | GB/s moved | peak RSS MB | anonymous MB | time over jang rtn |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, row in results.items():
        median = statistics.median(row["seconds"])
        yield (
            f"| {name} | {median:.3f} | {min(row['seconds']):.3f} | {max(row['seconds']):.3f} | {row['moved'] / median / 1e9:.2f} "
            f"| {row['rss'] / 1e6:.0f} | {row['anonymous'] / 1e6:.0f} | {median / reference:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description="End to end conversion: jang against mlx_lm, alternating runs.")
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--no-fit", action="store_true")
    parser.add_argument("--no-mlx", action="store_true", help="where MLX is not installed or the model is too large for it")
    parser.add_argument("--work", type=Path, help="directory for outputs (default: the system's temporary directory)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    title = f"{machine_line()}; uniform_{args.bits}, group 64, {args.runs} runs each, alternating, warm page cache"
    print(title, file=sys.stderr if args.json else sys.stdout)
    warm = None if args.no_mlx else Warm()
    collected = {}
    try:
        for source in args.sources:
            with tempfile.TemporaryDirectory(prefix="jang-bench-", dir=args.work) as work:
                results = measure(source.resolve(), contestants(args, warm), args.runs, Path(work))
            collected[source.name] = results
            if not args.json:
                print("\n" + "\n".join(table_lines(source, results)), flush=True)
    finally:
        if warm:
            warm.close()
    if args.json:
        document = {"schema_version": 1, "machine": machine_line(), "bits": args.bits, "runs": args.runs, "models": collected}
        print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
