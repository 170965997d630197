#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/format/targets/mlx/class_table.cpp: what every model class of the installed mlx-lm loads. Run it again for another mlx-lm.

usage: make_loader_table.py OUTPUT.cpp [CLASS ...]     (clang-format the output)

Nothing is taken from the text of a class. Each is built tiny with random weights, and its own sanitize() is run on checkpoints spelled in
every way that mlx_classes.py knows. Which source tensor a parameter came from, whole, as a stack of experts or as half of a fused tensor, is
found by comparing values. Then bundles are made: first with everything in its final name in 16 bits, then with all modules packed, then with
each group of modules packed alone. A group of modules is in the table only when sanitize() leaves its packed weight, scales and biases alone
and everything else comes out as it does from the source, under every setting of the class that was tried, and when the class then loads the
result strictly, quantized as config.json says. What a class transforms as it loads (transposed, multiplied, split in other ways) is in no
row: it is kept as the source has it, which loads as the source does.
"""

import collections
import re
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx_classes
import mlx_lm
import mlx_numbers
from mlx_classes import N_EXPERTS
from mlx_numbers import pattern

LISTED = {"qwen2", "qwen3", "qwen3_moe", "gemma3_text", "gemma3", "qwen3_5", "qwen3_5_moe", "qwen3_next"}  # arch/families/<family>.cpp; llama serves others too
GROUP, BITS = 32, 4
# Tensors that checkpoints carry beside the language model's; probed for being dropped by the class.
PROBES = ("vision_tower", "vision_model", "multi_modal_projector", "mm_projector", "visual", "audio_tower", "embed_audio", "embed_vision",
          "vision_adapter", "vision_projection", "vision_embedder", "patch_merge_mlp", "model.vision_tower", "model.multi_modal_projector",
          "model.visual", "model.audio_tower", "model.embed_audio", "model.embed_vision", "model.vision_adapter", "model.vision_projection",
          "mtp", "model.mtp", "mtp_block", "model.mtp_block", "model.mtp_layers", "model.mtp_emb_norm", "model.mtp_hidden_norm",
          "model.mtp_linear_proj")
PROBE_ENDS = ("mlp.moe_statics.e_score_correction_bias",)
EXPERT_KEYS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")

Row = collections.namedtuple("Row", "source out layout")  # patterns of full names; layout: whole, stack, first_half, second_half


def fingerprint(value):
    return (tuple(value.shape), bytes(memoryview(mx.contiguous(value.astype(mx.float32)))))


def origin(value, index, halves):
    """[source names], layout of a parameter's value; None when it is not made of source tensors by copying."""
    found = index.get(fingerprint(value))
    if found is not None:
        return [found], "whole"
    if value.ndim >= 2:
        found = halves.get(fingerprint(value))
        if found is not None:
            return [found[0]], found[1]
    if value.ndim == 3:
        each = [index.get(fingerprint(value[e])) for e in range(value.shape[0])]
        if None not in each:
            return each, "stack"
    return None


def index_source(source):
    index, halves = {}, {}
    for name, value in source.items():
        index.setdefault(fingerprint(value), name)
        if value.ndim >= 2 and value.shape[-2] % 2 == 0:
            half = value.shape[-2] // 2
            halves.setdefault(fingerprint(value[..., :half, :]), (name, "first_half"))
            halves.setdefault(fingerprint(value[..., half:, :]), (name, "second_half"))
    return index, halves


def stack_pattern(names):
    """The one pattern of a list of experts: equal but for one number that counts 0, 1, ...; its place is marked by a second '*'."""
    parts = [n.split(".") for n in names]
    if len({len(p) for p in parts}) != 1:
        return None
    differing = [i for i in range(len(parts[0])) if len({p[i] for p in parts}) > 1]
    if len(differing) != 1 or [p[differing[0]] for p in parts] != [str(e) for e in range(len(parts))]:
        return None
    return pattern(names[0])


class Trial:
    """One setting of a class and one spelling of its checkpoint."""

    def __init__(self, model, settings, source):
        self.model, self.settings, self.source = model, settings, source
        self.expected = mlx_classes.sanitize(model, source)
        index, halves = index_source(source)
        paths = mlx_classes.quantizable(model)
        self.spelled = {pattern(n) for n in source}
        self.parts = {}  # Row -> [(out name, [source names])]
        for name, value in self.expected.items():
            module = name.removesuffix(".weight")
            if not name.endswith(".weight") or module not in paths or value.shape[-1] % GROUP:
                continue
            made_of = origin(value, index, halves)
            if made_of is None:
                continue
            names, layout = made_of
            spelled = stack_pattern(names) if layout == "stack" else pattern(names[0])
            if spelled is not None:
                self.parts.setdefault(Row(spelled, pattern(name), layout), []).append((name, names))

    def transforms(self, row):
        """True when this source has the row's tensors, and the class makes something else of them under this setting."""
        return row.source in self.spelled and all(r.source != row.source for r in self.parts)

    def holds(self, rows, packed):
        """True when the class loads the bundle made by these rows, with the modules of `packed` quantized."""
        bundle, wanted = dict(self.source), dict(self.expected)
        modules = {}
        for row in rows:
            for name, names in self.parts.get(row, []):
                for source in names:
                    bundle.pop(source, None)
                if row not in packed:
                    bundle[name] = self.expected[name]
                    continue
                module = name.removesuffix(".weight")
                parts = zip(("weight", "scales", "biases"), mx.quantize(self.expected[name], group_size=GROUP, bits=BITS))
                wanted.pop(name)
                for part, value in parts:
                    bundle[f"{module}.{part}"] = wanted[f"{module}.{part}"] = value
                modules[module] = {"group_size": GROUP, "bits": BITS, "mode": "affine"}
        try:
            made = mlx_classes.sanitize(self.model, bundle)
        except Exception:
            return False
        if made.keys() != wanted.keys():
            return False
        if not all(made[n].shape == wanted[n].shape and mx.array_equal(made[n], wanted[n]).item() for n in wanted):
            return False
        return self.loads(made, modules)

    def loads(self, weights, modules):
        model = mlx_classes.build(self.settings, seed=1)
        if hasattr(model, "sanitize"):
            try:  # some classes change themselves by what they see
                mlx_classes.sanitize(model, self.source)
            except Exception:
                return False
        try:
            nn.quantize(model, group_size=GROUP, bits=BITS, class_predicate=lambda p, m: modules.get(p, False))
            model.load_weights(list(weights.items()), strict=True)
        except Exception:
            return False
        return True


def choose_rows(trials):
    """Rows that hold in every trial, taken one after the other as long as all of them hold together."""
    found = {row for t in trials for row in t.parts}
    rows = sorted((row for row in found if not any(t.transforms(row) for t in trials)), key=lambda r: (r.layout == "whole", r.source != r.out, r))

    def fine(chosen):
        return all(t.holds(chosen, set()) and t.holds(chosen, set(chosen)) for t in trials)

    if not fine(rows):
        chosen = []
        for row in rows:
            if fine([*chosen, row]):
                chosen.append(row)
        rows = chosen
    return [row for row in rows if all(t.holds(rows, {row}) for t in trials)] if rows else []


def drop_conflicts(rows):
    """A source tensor goes one way, whatever the setting; where settings disagree it is kept as it is."""
    def way(row):
        return (row.layout in ("first_half", "second_half"), "" if row.layout.endswith("half") else row.out)
    ways = collections.defaultdict(set)
    for row in rows:
        ways[row.source].add(way(row))
    for source in sorted(s for s, w in ways.items() if len(w) > 1):
        print(f"  kept, for its settings disagree: {source}", file=sys.stderr)
    return [row for row in rows if len(ways[row.source]) == 1]


def experts_key(name):
    """The config key that counts a class's routed experts."""
    def counts(settings):
        shapes = mlx_classes.parameters(mlx_classes.build(settings))
        return sorted((n, tuple(v.shape)) for n, v in shapes.items() if "expert" in n or "switch" in n)

    if not mlx_classes.is_mixture(mlx_classes.build(mlx_classes.config(name))):
        return ""
    base = mlx_classes.config(name)
    for key in EXPERT_KEYS:
        changed = mlx_classes.config(name, {key: 2 * N_EXPERTS}.items())
        try:
            if counts(changed) != counts(base):
                return key
        except Exception:
            continue
    return "moe_num_experts" if name == "dbrx" else ""


def heads(names):
    return [n for n in names if re.search(r"(^|\.)(lm_head|embed_out|output)\.weight$", n) and ".layers." not in n and ".h." not in n]


def tie_rule(name):
    """by_flag, always (no head of its own ever), by_absence (tied when there is no head), never (a head is demanded)."""
    untied = mlx_classes.build(mlx_classes.config(name))
    own = mlx_classes.parameters(untied)
    if not heads(own):
        return "always"
    headless = {n: v for n, v in own.items() if n not in heads(own)}
    fresh = mlx_classes.build(mlx_classes.config(name))
    try:
        made = mlx_classes.sanitize(fresh, headless)
        fresh.load_weights(list(made.items()), strict=True)
        if not heads(made):
            return "by_absence"
    except Exception:
        pass
    try:
        tied = mlx_classes.build(mlx_classes.config(name, mlx_classes.TIE.items()))
        made = mlx_classes.sanitize(tied, {n: v for n, v in mlx_classes.parameters(tied).items()})
        tied.load_weights(list(made.items()), strict=True)
        if not heads(mlx_classes.parameters(tied)):
            return "by_flag"
    except Exception:
        pass
    return "never"


def dropped(trial):
    """Probes that the class leaves out as it loads."""
    found = []
    names = {**{probe: f"{probe}.layers.0.proj.weight" for probe in PROBES}, **{end: f"model.layers.1.{end}" for end in PROBE_ENDS}}
    for probe, name in names.items():
        try:
            made = mlx_classes.sanitize(trial.model, {**trial.source, name: mx.ones((32, 32))})
        except Exception:
            continue
        if made.keys() == trial.expected.keys():
            found.append(probe)
    return found


def describe(name, variants):
    trials = []
    for variant in variants:
        settings = mlx_classes.config(name, variant.items())
        try:
            model = mlx_classes.build(settings)
        except Exception:
            continue
        for _, source in mlx_classes.sources(name, model):
            fresh = mlx_classes.build(settings)  # sanitize() may have changed the other
            trials.append(Trial(fresh, settings, source))
    if not trials:
        return None
    rows = drop_conflicts(choose_rows(trials))
    covered = {row.source for row in rows}
    plain = sorted({pattern(n) for t in trials for n in t.source} - covered - {row.out for row in rows})
    required = mlx_classes.required_keys(mlx_classes.config(name))
    biased, unbiased = mlx_numbers.biases(name, trials)
    return {"rows": rows, "plain": plain, "drops": dropped(trials[0]), "experts": experts_key(name), "tie": tie_rule(name),
            "required": required + [key for key in mlx_numbers.not_absent(name) if key not in required], "not_null": mlx_numbers.not_null(name),
            "shapes": mlx_numbers.attention_shapes(name, {row.out.removesuffix(".weight") for row in rows} | mlx_numbers.kept_norms(trials)),
            "biased": biased, "unbiased": unbiased, "trials": len(trials)}


def braces(names):
    """Dotted names that differ in one component become one pattern, a.{b,c}.d."""
    names = sorted(set(names))
    changed = True
    while changed:
        changed = False
        width = max((len(n.split(".")) for n in names), default=0)
        for place in range(width - 1, -1, -1):
            groups = collections.OrderedDict()
            for n in names:
                parts = n.split(".")
                key = (len(parts), tuple(parts[:place]), tuple(parts[place + 1:])) if place < len(parts) else (n,)
                groups.setdefault(key, []).append(parts[place] if place < len(parts) else None)
            merged = []
            for key, values in groups.items():
                if values[0] is None:
                    merged.append(key[0])
                    continue
                single = sorted({v for value in values for v in value.strip("{}").split(",")})
                mergeable = len(values) > 1 and "*" not in single
                changed = changed or mergeable
                for middle in ["{" + ",".join(single) + "}"] if mergeable else values:
                    merged.append(".".join([*key[1], middle, *key[2]]))
            names = sorted(merged)
    return names


def literal(text):
    return '"' + text + '"'


def spans(identifier, values):
    return f"constexpr std::string_view {identifier}[] = {{{', '.join(map(literal, values))}}};\n" if values else ""


def code(name, table):
    tag = "k" + "".join(part.capitalize() for part in re.split(r"[_\-:]", name))
    same = braces(r.source.removesuffix(".weight") for r in table["rows"] if r.layout == "whole" and r.source == r.out)
    moved = [r for r in table["rows"] if r.layout != "whole" or r.source != r.out]
    text = spans(f"{tag}Modules", same) + spans(f"{tag}Plain", braces(table["plain"]))
    if moved:
        layouts = {"whole": "whole", "stack": "stack_experts", "first_half": "first_half", "second_half": "second_half"}
        body = "".join(f"    {{{literal(r.source)}, {literal(r.out)}, LayoutRule::{layouts[r.layout]}}},\n" for r in sorted(moved))
        text += f"constexpr ClassRow {tag}Rows[] = {{\n{body}}};\n"
    lists = (("Drops", "drops"), ("Required", "required"), ("NotNull", "not_null"))
    patterns = (("Biased", "biased"), ("Unbiased", "unbiased"))
    text += "".join(spans(tag + part, table[key]) for part, key in lists) + "".join(spans(tag + part, braces(table[key])) for part, key in patterns)
    sides = sorted({shape[1:] for shape in table["shapes"]})
    same_shape = [(names, *side) for side in sides for names in braces(n for n, *s in table["shapes"] if tuple(s) == side)]
    if same_shape:
        body = "".join(f"    {{{', '.join(map(literal, shape))}}},\n" for shape in same_shape)
        text += f"constexpr ClassShape {tag}Shapes[] = {{\n{body}}};\n"
    fields = [literal(name), f"TieRule::{table['tie']}", literal(table["experts"])]
    for part, there in (("Modules", same), ("Plain", table["plain"]), ("Rows", moved), *((p, table[k]) for p, k in (*lists, *patterns)),
                        ("Shapes", same_shape)):
        fields.append(tag + part if there else "{}")
    return text, "    {" + ", ".join(fields) + "},\n"


HEAD = """// SPDX-License-Identifier: Apache-2.0
// What the model classes of mlx-lm load. Written by scripts/make_loader_table.py from mlx-lm {version}; do not edit. One table of data,
// so it is not split.
//
// Of every class: modules that may be packed under the names they have; other tensors it takes, kept as they are; rows that move: renamed,
// stacked from one tensor per expert, or cut from a fused pair; tensors it leaves out; keys of the config it demands, and those that must
// not be null; modules that always or never have a bias; shapes of attention in numbers of the config.
#include "format/targets/mlx/class_table.h"

namespace jang::targets::mlx {{
namespace {{

"""
MIDDLE = "constexpr ModelClass kClasses[] = {\n"


def main():
    mx.set_default_device(mx.cpu)
    everything = sorted([*mlx_classes.names(), *(f"{n}:dense" for n in mlx_classes.DENSE_FORMS)])
    output, wanted = sys.argv[1], sys.argv[2:] or [n for n in everything if n not in LISTED]
    version = mlx_lm.__version__
    definitions, rows, left = "", "", dict(mlx_classes.LEFT_OUT)
    for name in wanted:
        name, _, form = name.partition(":")
        table = describe(name, mlx_classes.DENSE_FORMS[name] if form else mlx_classes.variants(name))
        if table is None:
            left[name] = "no known spelling of its checkpoints"
            print(f"{name}: left out", file=sys.stderr, flush=True)
            continue
        name += ":" + form if form else ""
        text, row = code(name, table)
        definitions += f"// {name}\n{text}\n"
        rows += row
        moved = sum(r.layout != "whole" for r in table["rows"])
        print(f"{name}: {table['trials']} trials, {len(table['rows'])} rows, {moved} stacked or cut, tie {table['tie']}, "
              f"experts {table['experts'] or '-'}, plain matrices kept: "
              f"{[p for p in table['plain'] if p.endswith('proj.weight') or 'expert' in p][:6]}", file=sys.stderr, flush=True)
    text = HEAD.format(version=version) + definitions + MIDDLE + rows + "};\n"
    text += "constexpr ClassAlias kAliases[] = {\n"
    text += "".join(f"    {{{literal(a)}, {literal(b)}}},\n" for a, b in mlx_classes.aliases().items()) + "};\n\n}  // namespace\n\n"
    text += f'std::string_view version() {{ return "{version}"; }}\n'
    text += "std::span<const ModelClass> model_classes() { return kClasses; }\nstd::span<const ClassAlias> class_aliases() { return kAliases; }\n\n"
    text += "}  // namespace jang::targets::mlx\n"
    with open(output, "w") as file:
        file.write(text)
    print("left out:", left, file=sys.stderr)


if __name__ == "__main__":
    main()
