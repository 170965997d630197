# SPDX-License-Identifier: Apache-2.0
"""The chat templates and the tokenizer vectors that llama.cpp keeps in its tree (models/templates/*.jinja; models/ggml-vocab-*.gguf with .inp, texts,
and .out, the ids that the models' own tokenizers make of them). --public DIR names the tree; without it everything here is skipped.

A template renders as jinja2 does. Of a vocabulary tokenizer.json is made (gguf_vocabulary.py): the `tokenizers` library must make the published ids
with it, which shows that the file is right, and the program what the library makes, of these texts and of others.
"""

import json
from pathlib import Path

import check_templates
import check_tokenizer
import gguf_vocabulary
from harness import Skip, require

SEPARATOR = "\n__ggml_vocab_test__\n"


def vectors(vocabulary):
    """(text, ids) of a vocabulary's two files."""
    texts = Path(f"{vocabulary}.inp").read_text(encoding="utf-8").split(SEPARATOR)
    ids = [[int(n) for n in line.split()] for line in Path(f"{vocabulary}.out").read_text(encoding="utf-8").split("\n")]
    require(len(ids) >= len(texts) - 1, f"{len(texts)} texts and {len(ids)} lines of ids")
    return list(zip(texts, ids))


def published_ids(context, vocabulary):
    from tokenizers import Tokenizer

    document = gguf_vocabulary.tokenizer_document(vocabulary)
    if document is None:
        raise Skip("how this vocabulary splits texts is not in gguf_vocabulary.py")
    file = context.fresh("public") / "tokenizer.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(document), encoding="utf-8")
    library = Tokenizer.from_file(str(file))
    pairs = vectors(vocabulary)
    ours = check_tokenizer.lines(context, file, [text for text, _ in pairs], "--no-special")
    unlike = []
    for (text, ids), made in zip(pairs, ours):
        expected = library.encode(text, add_special_tokens=False).ids
        require(made["ids"] == expected, f"{text[:80]!r}: {made['ids'][:40]}, the library has {expected[:40]}")
        if expected != ids:
            unlike.append(f"{text[:40]!r}: {expected[:20]}, published {ids[:20]}")
    require(not unlike, f"the library's own ids of {len(unlike)} of {len(pairs)} texts are not the published ones: {'; '.join(unlike[:2])}")
    return f"{len(pairs)} texts; {check_tokenizer.compare(context, file, 100 if context.quick else 600)}"


def nothing():
    raise Skip("give llama.cpp's tree with --public")


def cases(context):
    tree = getattr(context, "public", None)
    if not tree:
        yield "public", nothing
        return
    models = Path(tree) / "models"
    templates, vocabularies = sorted(models.glob("templates/*.jinja")), sorted(models.glob("ggml-vocab-*.gguf"))
    require(templates and vocabularies, f"{models} has no templates or no vocabularies")
    for path in templates:
        yield f"public_template_{path.stem}", lambda p=path: check_templates.renders_the_same(context, p.name, p.read_text(encoding="utf-8"))
    for path in vocabularies:
        if Path(f"{path}.out").exists():
            yield f"public_tokenizer_{path.stem.removeprefix('ggml-vocab-')}", lambda p=path: published_ids(context, p)
