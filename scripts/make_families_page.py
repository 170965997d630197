# SPDX-License-Identifier: Apache-2.0
"""Writes docs/families.md, the matrix of families, from what the oracles printed: nothing in it is claimed that a case did not show.

A family is a row, its tiny checkpoints (scripts/make_tiny_models.py) are its cases: `phi3` and `phi3-longrope` are of phi3.

    converts    every profile that was run makes a bundle that mlx-lm opens and generates from (mlx_generates)
    mlx-lm      logits of the bundle in mlx-lm are those of transformers with the bundle's weights (logits_match_transformers)
    engine      logits of the source here are those of transformers in float32 (logits_source), the largest difference of all cases
    gradients   squared gradients of every matrix are those of torch (gradients)
    tokenizer, template    cases on published files whose names belong to the family; `-`: the run had none

usage: make_families_page.py LOG [LOG ...] > docs/families.md      LOG: output of tests/oracle/run.py
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

from harness import MLX_DIFFERS  # noqa: E402

LINE = re.compile(r"^(ok|FAIL|skip) ([^\s:]+)(.*)$")
NUMBER = re.compile(r"largest difference ([0-9.e+-]+)")
VERSIONS = re.compile(r"(mlx \d.*cores)")
# Names of published tokenizers and templates, as the oracles call their cases.
PUBLISHED = {"llama": "llama", "mistral": "mistral", "qwen2": "qwen2|qwen.?2", "qwen3": "qwen.?3", "gemma": "gemma-?1|gemma\\.", "gemma2": "gemma-?2",
             "gemma3_text": "gemma-?3", "phi3": "phi-?[34]", "olmo2": "olmo", "granite": "granite", "smollm3": "smollm3",
             "seed_oss": "seed.?oss", "cohere2": "command|cohere|c4ai", "exaone4": "exaone", "glm4": "glm-?4", "ernie4_5": "ernie",
             "hunyuan_v1_dense": "hunyuan", "starcoder2": "starcoder", "gpt_neox": "pythia|neox"}
HEADER = """# Families

What was tried, by family, with the peers of the last run of the oracles.
This page is made by `scripts/make_families_page.py` from that run's output and is not edited by hand.

| column | what a `yes` or a number says |
|---|---|
| converts | bundles of random checkpoints open in stock mlx-lm and generate |
| mlx-lm | the bundle's logits there are those of transformers with the bundle's weights |
| engine | the source's logits here against transformers in float32: the largest difference, of the largest logit |
| gradients | squared gradients of every matrix against torch: the largest difference |
| tokenizer, template | published files of the family give the same ids and texts as `tokenizers` and jinja2 do; `-` where the run had none |

Where `differs` stands, mlx-lm's class computes something else than transformers of the source itself, and conversion says so.
Families of the program that the run did not try have no row here; those without a table of their own ([guide](guide.md#sources)) convert by the table of mlx-lm's classes and do not run in the engine.

| family | converts | mlx-lm | engine | gradients | tokenizer | template |
|---|---|---|---|---|---|---|"""


def read(paths):
    """case name -> (outcome, remark)"""
    cases = {}
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if found := LINE.match(line):
                cases[found[2]] = (found[1], found[3])
    return cases


def verdict(found):
    """yes, or what failed, of [(outcome, remark)]."""
    if not found:
        return "-"
    failed = sum(outcome == "FAIL" for outcome, _ in found)
    return f"**{failed} of {len(found)} fail**" if failed else "yes"


def largest(found):
    if not found or any(outcome != "ok" for outcome, _ in found):
        return verdict(found)
    numbers = [n[1] for _, remark in found if (n := NUMBER.search(remark))]
    return max(numbers, key=float) if numbers else "yes"


def cell_of_mlx(cases, names):
    same = [name for name in names if name not in MLX_DIFFERS]  # bundles of the others are compared with transformers only
    texts = [verdict(pick(cases, "logits_match_transformers", names) + pick(cases, "logits_bundle", same))] if same else []
    texts += [f"`{name}` differs: {MLX_DIFFERS[name]}" for name in names if name in MLX_DIFFERS]
    return "; ".join(texts)


def pick(cases, check, names):
    return [case for key, case in cases.items() for name in names if re.fullmatch(rf"{check}\.tiny/{re.escape(name)}(-(JANG|auto|uniform)\w*)?", key)]


def published(cases, kind, family):
    pattern = PUBLISHED.get(family)
    if pattern is None:
        return "-"
    return verdict([case for name, case in cases.items() if name.startswith(kind) and re.search(pattern, name, re.IGNORECASE)])


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    cases = read(sys.argv[1:])
    tiny = sorted({key.split(".tiny/", 1)[1] for key in cases if key.startswith(("logits_source.tiny/", "mlx_source.tiny/"))})
    if not tiny:
        sys.exit("the logs have no case of a tiny checkpoint")
    families = {}
    for name in tiny:
        families.setdefault(name.split("-")[0], []).append(name)
    print(HEADER)
    for family, names in families.items():
        row = [family, verdict(pick(cases, "mlx_generates", names)), cell_of_mlx(cases, names), largest(pick(cases, "logits_source", names)),
               largest(pick(cases, "gradients", names)), published(cases, "tokenizer", family), published(cases, "template", family)]
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
