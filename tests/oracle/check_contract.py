# SPDX-License-Identifier: Apache-2.0
"""Contracts of the program that need real runs: same bytes for any thread count, budgets met from below, reported sizes equal to the disk,
plan files that reproduce a conversion, and broken sources refused with nothing left behind.
"""

import json
import shutil
import struct

from bundle import Bundle
from harness import REFERENCE_MODELS, Fail, hashes, looks_like_a_model, require

BUDGET_FRACTION = 0.999  # a budget is met from below within 0.1 %


def weight_file_bytes(directory):
    return sum(p.stat().st_size for p in directory.glob("*.safetensors"))


# ---- determinism ----------------------------------------------------------------------------------------------------------------------


def same_bytes_for_any_threads(context, name, flags):
    source, first = context.source(name), None
    for threads in (1, 2, 3, 8):
        out = context.convert(source, *flags, "--threads", threads)
        found = hashes(out)
        context.drop(out)
        if first is None:
            first = found
        require(found == first, f"{threads} threads: {sorted(k for k in set(found) | set(first) if found.get(k) != first.get(k))} differ")
    return f"{len(first)} files"


def plan_file_reproduces(context, name, flags):
    source = context.source(name)
    direct = context.convert(source, *flags)
    plan = context.fresh("plan")
    plan.write_text(json.dumps(context.report("plan", source, *flags)))
    again = context.convert(source, "--plan", plan)
    a, b = hashes(direct), hashes(again)
    context.drop(direct, again)
    require(a == b, f"{sorted(k for k in set(a) | set(b) if a.get(k) != b.get(k))} differ")


# ---- sizes and budgets ----------------------------------------------------------------------------------------------------------------


def sizes_are_real(context, name, flags):
    source = context.source(name)
    planned = context.report("plan", source, *flags)
    out = context.fresh("sizes")
    converted = context.report("convert", source, "-o", out, *flags)
    inspected = context.report("inspect", out)
    bundle, real = Bundle(out), weight_file_bytes(out)
    payload = sum(t.raw.nbytes for t in bundle.tensors.values())
    for title, document in (("plan", planned), ("convert", converted), ("inspect", inspected)):
        require(document["file_bytes"] == real, f"{title} says {document['file_bytes']} file bytes, the disk has {real}")
        require(sum(t["bytes"] for t in document["tensors"]) == payload, f"{title}: bytes of the tensors do not add up to {payload}")
        bits = 8 * payload / document["params"]
        require(abs(document["stored_bits"] - bits) < 1e-6 * bits, f"{title}: stored_bits {document['stored_bits']}, {bits} by the files")
    index = json.loads((out / "model.safetensors.index.json").read_text())
    require(index["metadata"]["total_size"] == payload, f"index total_size {index['metadata']['total_size']}, payload {payload}")
    require(set(index["weight_map"]) == set(bundle.tensors), "the index and the files hold different tensors")
    require(converted["seconds"] > 0 and converted["peak_rss_bytes"] > 0, "convert reports no time or no memory")
    by_name = {t["name"]: t for t in converted["tensors"]}
    for module in bundle.modules:
        row = by_name.get(module + ".weight") or by_name.get(module)
        require(row is not None, f"{module} is not in the report")
        said, stored = (row["bits"], row["group_size"]), bundle.params(module)
        require(said == stored, f"{module}: the report says (bits, group) {said}, the bundle {stored}")
    context.drop(out)
    return f"{real} bytes, {converted['stored_bits']:.4f} stored bits"


def smallest_step_bytes(document):
    """Least bytes by which any single decision can change the file: group 128 to 64 of the smallest quantized tensor."""
    sizes = [t["params"] for t in document["tensors"] if t["bits"] and t["bits"] < 16]
    return min(sizes) // 64 * 4 - min(sizes) // 128 * 4 if sizes else 0


def budgets_are_met(context, name):
    """--size over a ladder between the smallest and the largest bundle; --bpw likewise."""
    source, worst, tried = context.source(name), 1.0, 0
    low = context.report("plan", source, "-p", "uniform_2", "--group-size", "64")["file_bytes"]
    high = context.report("plan", source, "-p", "uniform_8", "--group-size", "64")["file_bytes"]
    n = 5 if context.quick else 14
    for budget in (low + (high - low) * i // n + 13 * i for i in range(1, n)):
        report = context.report("plan", source, "-p", "auto", "--size", budget)
        tried, worst = tried + 1, min(worst, report["file_bytes"] / budget)
        require(report["file_bytes"] <= budget, f"--size {budget}: {report['file_bytes']} bytes, above the budget")
        short = budget - report["file_bytes"]
        if short > max(budget * (1 - BUDGET_FRACTION), smallest_step_bytes(report)):
            raise Fail(f"--size {budget}: {report['file_bytes']} bytes, {short} short")
    for bpw in (2.6, 4.37, 6.1) if context.quick else (2.6, 3.0, 3.5, 4.0, 4.37, 5.0, 6.1):
        report = context.report("plan", source, "-p", "auto", "--bpw", bpw)
        tried, worst = tried + 1, min(worst, report["stored_bits"] / bpw)
        require(report["stored_bits"] <= bpw, f"--bpw {bpw}: {report['stored_bits']} stored bits, above the budget")
        require(report["stored_bits"] >= bpw * BUDGET_FRACTION, f"--bpw {bpw}: only {report['stored_bits']} stored bits")
    return f"{tried} budgets, least used {worst:.5f}"


def budget_holds_on_disk(context, name):
    source = context.source(name)
    budget = context.report("plan", source, "-p", "uniform_3")["file_bytes"] + 1001
    out = context.convert(source, "-p", "auto", "--size", budget)
    real = weight_file_bytes(out)
    context.drop(out)
    require(budget * BUDGET_FRACTION <= real <= budget, f"{real} bytes on disk for a budget of {budget}")
    return f"{real} of {budget}"


def k_budgets_are_met(context, name):
    source, text = context.source(name), []
    for profile, nominal in (("JANG_3K", 3), ("JANG_4K", 4), ("JANG_5K", 5), ("JANG_6K", 6)):
        report = context.report("plan", source, "-p", profile)
        budget = report.get("budget_bytes")
        require(budget, f"{profile}: the report has no budget_bytes")
        text.append(f"{profile} {report['stored_bits']:.3f} b, {report['file_bytes'] / budget:.5f} of its budget")
        require(report["file_bytes"] <= budget, f"{text[-1]}: above the budget")
        short = budget - report["file_bytes"]
        require(short <= max(budget * (1 - BUDGET_FRACTION), smallest_step_bytes(report)), f"{text[-1]}: {short} bytes short")
        require(nominal - 1 < report["stored_bits"] < nominal + 1.6, f"{text[-1]}: far from its name")
    return "; ".join(text)


# ---- hostile sources ------------------------------------------------------------------------------------------------------------------


def writable_copy(context, source):
    directory = context.fresh("hostile").parent
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, directory / path.name)
    return directory


def truncate(keep):
    def edit(directory):
        path = sorted(directory.glob("*.safetensors"))[-1]
        data = path.read_bytes()
        path.write_bytes(data[: keep(len(data))])

    return edit


def edit_header(change):
    """Replaces the header of the first shard by change(bytes of the header)."""

    def edit(directory):
        path = sorted(directory.glob("*.safetensors"))[0]
        data = path.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = change(data[8 : 8 + length])
        path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])

    return edit


def edit_entry(change):
    """change(header as a dict, name of its first tensor)."""

    def apply(header):
        document = json.loads(header)
        change(document, next(k for k in document if k != "__metadata__"))
        return json.dumps(document).encode()

    return edit_header(apply)


def set_length(value):
    def edit(directory):
        path = sorted(directory.glob("*.safetensors"))[0]
        path.write_bytes(struct.pack("<Q", value) + path.read_bytes()[8:])

    return edit


def edit_index(change):
    def edit(directory):
        path = directory / "model.safetensors.index.json"
        document = json.loads(path.read_text())
        change(document["weight_map"])
        path.write_text(json.dumps(document))

    return edit


def shift_offsets(by_begin, by_end):
    def change(header, name):
        begin, end = header[name]["data_offsets"]
        header[name]["data_offsets"] = [begin + by_begin, end + by_end]

    return edit_entry(change)


def write_text(name, text):
    return lambda directory: (directory / name).write_text(text)


HOSTILE = {
    "truncated_in_data": truncate(lambda n: n - 1),
    "truncated_in_half": truncate(lambda n: n // 2),
    "truncated_in_header": truncate(lambda n: 100),
    "truncated_in_length": truncate(lambda n: 5),
    "empty_file": truncate(lambda n: 0),
    "header_length_huge": set_length(2**63),
    "header_length_past_end": set_length(1 << 40),
    "header_length_zero": set_length(0),
    "header_not_json": edit_header(lambda h: b"x" + h[1:]),
    "header_byte_edited": edit_header(lambda h: h.replace(b'"dtype"', b'"dtypo"', 1)),
    "header_dtype_unknown": edit_entry(lambda h, n: h[n].update(dtype="B16F")),
    "header_dtype_wrong_size": edit_entry(lambda h, n: h[n].update(dtype="F32")),
    "header_shape_negative": edit_entry(lambda h, n: h[n].update(shape=[-1] + h[n]["shape"][1:])),
    "header_shape_overflows": edit_entry(lambda h, n: h[n].update(shape=[2**32, 2**32])),
    "header_shape_transposed": edit_entry(lambda h, n: h[n].update(shape=[h[n]["shape"][0] + 1] + h[n]["shape"][1:])),
    "header_offsets_overlap": shift_offsets(-2, -2),
    "header_offsets_past_end": shift_offsets(1 << 40, 1 << 40),
    "header_tensor_missing": edit_entry(lambda h, n: h.pop(n)),
    "index_names_outside_path": edit_index(lambda m: m.update({sorted(m)[0]: "../escape.safetensors"})),
    "index_not_json": write_text("model.safetensors.index.json", '{"weight_map": {'),
    "config_not_json": write_text("config.json", '{"model_type": '),
    "config_empty": write_text("config.json", ""),
}


def hostile(context, name, edit, flags):
    directory = writable_copy(context, context.source(name))
    edit(directory)
    out = context.fresh("hostile-out")
    done = context.run("convert", directory, "-o", out, *flags, timeout=120)
    shutil.rmtree(directory)
    require(done.returncode == 3, f"exit code {done.returncode}, expected 3: {done.stderr.strip()[-300:]}")
    require(done.stderr.strip(), "no message")
    require(not out.exists(), "an output directory was left behind")
    require(not looks_like_a_model(out.parent), f"left behind: {looks_like_a_model(out.parent)}")


# Indexes that disagree with files which hold all that the model needs: read as transformers reads them, with a warning.
SETTLED = {
    "index_entry_missing": edit_index(lambda m: m.pop(sorted(m)[3])),
    "index_entry_unknown": edit_index(lambda m: m.update({"model.layers.99.ghost.weight": sorted(m.values())[0]})),
    "index_names_missing_file": edit_index(lambda m: m.update({sorted(m)[0]: "model-99999-of-99999.safetensors"})),
}


def settled(context, name, edit):
    directory = writable_copy(context, context.source(name))
    edit(directory)
    out, plain = context.fresh("settled-out"), context.convert(context.source(name), "-p", "uniform_4")
    done = context.run("convert", directory, "-o", out, "-p", "uniform_4", timeout=120)
    shutil.rmtree(directory)
    require(done.returncode == 0, f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    require("index" in done.stderr, f"no warning: {done.stderr.strip()[-300:]}")
    weights = lambda path: {n: h for n, h in hashes(path).items() if n.endswith(".safetensors")}
    require(weights(out) == weights(plain), "other weights than those of the intact checkpoint")
    context.drop(out)
    context.drop(plain)


def never_into_existing(context, name):
    out = context.convert(context.source(name), "-p", "uniform_4")
    before = hashes(out)
    done = context.run("convert", context.source(name), "-o", out, "-p", "uniform_2")
    require(done.returncode != 0, "wrote into an existing directory")
    require(hashes(out) == before, "changed an existing directory")
    forced = context.run("convert", context.source(name), "-o", out, "-p", "uniform_2", "--force")
    require(forced.returncode == 0, f"--force gave {forced.returncode}: {forced.stderr.strip()[-300:]}")
    require(Bundle(out).quantization["bits"] == 2, "--force did not replace the directory")
    require([p.name for p in out.parent.iterdir()] == [out.name], f"left beside the bundle: {[p.name for p in out.parent.iterdir()]}")
    context.drop(out)


def cases(context):
    auto = ("-p", "auto", "--bpw", "3.5")
    recipes = {"JANG_2S": ("-p", "JANG_2S"), "rtn4": ("-p", "uniform_4", "--method", "rtn"), "auto": auto, "JANG_4K": ("-p", "4K")}
    for name in ("TinyStories-656K", "gutenberg-moe-9m", "gutenberg-dense-19m")[: 2 if context.quick else 3]:
        for title, flags in recipes.items():
            yield f"same_bytes_for_any_threads.{name}-{title}", lambda n=name, f=flags: same_bytes_for_any_threads(context, n, f)
            yield f"plan_file_reproduces.{name}-{title}", lambda n=name, f=flags: plan_file_reproduces(context, n, f)
            yield f"sizes_are_real.{name}-{title}", lambda n=name, f=flags: sizes_are_real(context, n, f)
    for name in REFERENCE_MODELS[:2] if context.quick else REFERENCE_MODELS:  # every budget measures the model anew
        yield f"auto_budgets_are_met.{name}", lambda n=name: budgets_are_met(context, n)
    for name in REFERENCE_MODELS:
        yield f"k_budgets_are_met.{name}", lambda n=name: k_budgets_are_met(context, n)
    yield "budget_holds_on_disk.gutenberg-moe-9m", lambda: budget_holds_on_disk(context, "gutenberg-moe-9m")
    yield "never_into_existing.TinyStories-656K", lambda: never_into_existing(context, "TinyStories-656K")
    for title, edit in HOSTILE.items():
        yield f"hostile.{title}", lambda e=edit: hostile(context, "gutenberg-moe-9m", e, ("-p", "JANG_2S"))
    for title, edit in SETTLED.items():
        yield f"settled.{title}", lambda e=edit: settled(context, "gutenberg-moe-9m", e)
    yield "hostile.truncated_in_data-auto", lambda: hostile(context, "gutenberg-moe-9m", HOSTILE["truncated_in_data"], auto)
