# SPDX-License-Identifier: Apache-2.0
"""Odd directories: what mlx-lm or transformers load, `jang convert` takes, and the bundle opens in mlx-lm.

The directories are made from two of tests/data/bugs. Whether a peer really loads one is asked of the peer: a case whose peers both refuse
fails, because then nobody needs it.
"""

import json
import shutil
from pathlib import Path

from harness import Skip, require

BUGS = Path(__file__).resolve().parent.parent / "data" / "bugs"
INDEX = "model.safetensors.index.json"


def members(text, file="config.json"):
    """Puts JSON members in front of those of a file, as text: Python's json would not write some of them."""

    def edit(model):
        path = model / file
        path.write_text("{" + text + "," + path.read_text().lstrip()[1:])

    return edit


def file(name, data):
    def edit(model):
        path = model / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return edit


def index(change):
    def edit(model):
        path = model / INDEX
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def set_place(tensor, shard):
    return index(lambda d: d["weight_map"].__setitem__(tensor, shard))


ONE_FILE = {
    "adapters": lambda model: None,
    "consolidated": file("consolidated.safetensors", b"junk"),
    "optimizer": file("optimizer-00001-of-00004.safetensors", b"junk"),
    "original_folder": file("original/consolidated.00.safetensors", b"junk"),
    "empty_index": file(INDEX, b'{"weight_map": {}}'),
    "stale_index": file(INDEX, b'{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
    "duplicate_key": members('"use_cache": false'),
    "infinity": members('"time_step_limit": [0.0, Infinity]'),
    "nan": members('"loss": NaN'),
    "huge_integer": members('"max_tokens": 1000000000000000019884624838656'),
    "huge_double": members('"huge": 1e400'),
    "left_over_bitsandbytes": members('"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}'),
    "left_over_fp8": members('"quantization_config": {"quant_method": "fp8"}'),
    "left_over_mlx": members('"quantization": {"group_size": 64, "bits": 4}'),
    "unknown_end_id": file("generation_config.json", b'{"eos_token_id": [2, 1000000, -1]}'),
}
SHARDS = {
    "stale_entry": lambda model: None,
    "wrong_shard": set_place("model.norm.weight", "model-00001-of-00002.safetensors"),
    "not_listed": index(lambda d: d["weight_map"].pop("model.norm.weight")),
    "shard_not_needed": set_place("mtp.x", "model-00003-of-00003.safetensors"),
    "no_index": lambda model: (model / INDEX).unlink(),
}


def load_mlx(model):
    from mlx_lm.utils import load_model

    load_model(model, lazy=True)


def load_transformers(model):
    import transformers

    transformers.AutoModelForCausalLM.from_pretrained(model)


def who_loads(model):
    peers, refusals = [], []
    for name, load in (("mlx-lm", load_mlx), ("transformers", load_transformers)):
        try:
            load(model)
            peers.append(name)
        except Exception as error:
            refusals.append(f"{name}: {type(error).__name__}: {error}"[:160])
    require(peers, f"no peer loads it: {'; '.join(refusals)}")
    return ", ".join(peers)


def cases(context):
    def case(bug, edit):
        source = BUGS / bug / "model"
        if not source.is_dir():
            raise Skip(f"{bug} is not in this tree")
        model = context.fresh("odd").parent / "model"
        shutil.copytree(source, model, copy_function=shutil.copyfile)
        edit(model)
        peers = who_loads(model)
        bundle = context.fresh("bundle")
        done = context.run("convert", model, "-o", bundle, "-p", "4")
        require(done.returncode == 0, f"{peers} load it, jang does not: {done.stderr.strip()[-300:]}")
        load_mlx(bundle)
        return f"loaded by {peers}"

    for bug, edits in (("03-stray-safetensors", ONE_FILE), ("04-stale-index-entry", SHARDS)):
        for name, edit in edits.items():
            yield f"readers.{name}", lambda bug=bug, edit=edit: case(bug, edit)
