# SPDX-License-Identifier: Apache-2.0
"""Refits the role prior of plan/tiers.cpp to measured sensitivities, and tests a prior on a model it was not fitted on.

usage: fit_prior.py MODEL=STATS... [--bits 3] [--test MODEL=STATS -o OUT.safetensors]

Every STATS is a file of `jang calibrate` for its MODEL directory. A role's factor is the geometric mean over its units of
KL divergence / (parameters x relative squared error) at --bits, brought to a common scale between models by the roles they share.
With --test the prior fitted on the other models is written as statistics of that model (one point a unit, no activations), so that
`jang convert MODEL --stats OUT --bpw X --rounds 0` allocates by it.
"""

import argparse
import json
import math
import re
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

ROLES = [("embed_tokens", "embedding"), ("lm_head", "lm_head"), ("switch_mlp.gate_proj", "expert_gate"), ("switch_mlp.up_proj", "expert_up"),
         ("switch_mlp.down_proj", "expert_down"), ("q_proj", "attn_q"), ("k_proj", "attn_k"), ("v_proj", "attn_v"), ("o_proj", "attn_o"),
         ("gate_proj", "mlp_gate"), ("up_proj", "mlp_up"), ("down_proj", "mlp_down")]


def role_of(unit):
    return next((role for part, role in ROLES if part in unit), None)


def parameters(model):
    """Weights per unit, experts of one projection together."""
    counts = defaultdict(int)
    for file in sorted(Path(model).glob("*.safetensors")):
        with open(file, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            unit = re.sub(r"mlp\.experts\.\d+\.", "mlp.switch_mlp.", name.removesuffix(".weight"))
            counts[unit] += math.prod(tensor["shape"])
    if "model.embed_tokens" not in counts and "lm_head" in counts:
        counts["model.embed_tokens"] = counts["lm_head"]
    return counts


def read(model, stats):
    """{unit: (role, parameters, {bits: (error, divergence)})} and the metadata."""
    counts, units = parameters(model), {}
    with safe_open(stats, "np") as f:
        for name in f.keys():
            if name.endswith(".sensitivity"):
                unit = name.removesuffix(".sensitivity")
                units[unit] = (role_of(unit), counts[unit], {int(r[0]): (float(r[2]), float(r[3])) for r in f.get_tensor(name)})
        return units, f.metadata()


def factors(units, bits):
    logs = defaultdict(list)
    for role, count, points in units.values():
        if bits in points and role:
            error, divergence = points[bits]
            logs[role].append(math.log(divergence / (count * error)))
    return {role: float(np.mean(v)) for role, v in logs.items()}


def combine(tables):
    """Geometric mean after removing each model's own level over the roles all share."""
    shared = set.intersection(*(set(t) for t in tables))
    levels = [np.mean([t[r] for r in shared]) for t in tables]
    roles = sorted(set().union(*tables))
    return {r: float(np.mean([t[r] - level for t, level in zip(tables, levels) if r in t])) for r in roles}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("fitted", nargs="+", metavar="MODEL=STATS")
    parser.add_argument("--bits", type=int, default=3)
    parser.add_argument("--test", metavar="MODEL=STATS")
    parser.add_argument("-o", "--output")
    args = parser.parse_args()
    tables = [factors(read(*pair.split("=", 1))[0], args.bits) for pair in args.fitted]
    prior = combine(tables)
    base = prior.get("mlp_down", prior.get("expert_down", 0.0))
    for role, value in prior.items():
        print(f"{role:12} {math.exp(value - base):8.3f}   " + "  ".join(f"{math.exp(t[role] - t.get('mlp_down', t.get('expert_down', 0))):8.3f}" if role in t else "       -" for t in tables))
    if args.test:
        units, metadata = read(*args.test.split("=", 1))
        out = {}
        for unit, (role, count, points) in units.items():
            error = points[args.bits][0]
            divergence = math.exp(prior.get(role, base) - base) * count * error * 1e-9
            out[unit + ".sensitivity"] = np.array([[args.bits, 64, error, divergence]], np.float32)
        save_file(out, args.output, metadata={**metadata, "text": "prior", "settings": "fit_prior.py"})


if __name__ == "__main__":
    main()
