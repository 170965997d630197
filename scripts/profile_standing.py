#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where profiles stand against uniform widths at equal bytes, from compare.json files of `jang compare`.

usage: profile_standing.py COMPARE_JSON...

Each comparison holds uniform_N recipes of one method and the profiles in question. For every other recipe: its divergence over that of
uniform widths at its bytes, interpolated between the two nearest (logarithm of the divergence over bytes), and - where a profile needs more
or fewer bytes than any of them - nothing. Below 1 the profile wins. Prints Markdown; the first column of a model is the ratio, the second the
profile's stored bits.
"""

import json
import math
import sys
from pathlib import Path


def standing(path):
    """Name of the model and {recipe: (ratio or None, bits)}."""
    document = json.loads(Path(path).read_text())
    rows = [m for m in document["models"] if m.get("kld_mean")]
    uniform = sorted((m["file_bytes"], math.log(m["kld_mean"])) for m in rows if m["name"].startswith("uniform_"))
    ratios = {}
    for m in rows:
        if m["name"].startswith("uniform_"):
            continue
        at = next((i for i in range(len(uniform) - 1) if uniform[i][0] <= m["file_bytes"] <= uniform[i + 1][0]), None)
        ratio = None
        if at is not None:
            (x0, y0), (x1, y1) = uniform[at], uniform[at + 1]
            expected = y0 + (y1 - y0) * (m["file_bytes"] - x0) / (x1 - x0)
            ratio = m["kld_mean"] / math.exp(expected)
        ratios[m["name"]] = (ratio, m["stored_bits"])
    return document["model"], ratios


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    models = [standing(path) for path in sys.argv[1:]]
    names = list(dict.fromkeys(name for _, ratios in models for name in ratios))
    print("| recipe | " + " | ".join(model for model, _ in models) + " |")
    print("|---|" + "---|" * len(models))
    for name in names:
        cells = []
        for _, ratios in models:
            ratio, bits = ratios.get(name, (None, None))
            cells.append("" if bits is None else f"{'-' if ratio is None else f'{ratio:.2f}'} ({bits:.2f} bits)")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
