# SPDX-License-Identifier: Apache-2.0
"""Token ids and decoded text of the program against the `tokenizers` library: real tokenizers, and small ones trained on the spot that reach
every component. A tokenizer is one case; its texts go through the program in one run each of encode (with bos and eos, without, with special
texts left as text) and decode."""

import json
import random

import harness
import tokenizer_texts

N_RANDOM = 1200
N_RANDOM_QUICK = 150


def lines(context, tokenizer_file, inputs, *flags):
    """Documents of `jang tokenize --jsonl`, one an input."""
    path = context.fresh("lines")
    path.write_text("".join(json.dumps(value) + "\n" for value in inputs), encoding="ascii")
    done = context.run("tokenize", tokenizer_file, "-f", path, "--jsonl", *flags)
    harness.require(done.returncode == 0, f"tokenize {' '.join(flags)} gave {done.returncode}: {done.stderr.strip()[-400:]}")
    documents = [json.loads(line) for line in done.stdout.split("\n") if line]
    harness.require(len(documents) == len(inputs), f"{len(documents)} documents for {len(inputs)} inputs")
    return documents


def compare_encode(context, file, tokenizer, texts):
    for flags, add_special, plain in ((), True, False), (("--no-special",), False, False), (("--no-special", "--plain"), False, True):
        tokenizer.encode_special_tokens = plain
        ours = lines(context, file, texts, *flags)
        for text, document, encoding in zip(texts, ours, tokenizer.encode_batch(texts, add_special_tokens=add_special)):
            harness.require(document["ids"] == encoding.ids,
                            f"{' '.join(flags) or 'encode'} of {text[:200]!r}: {document['ids'][:60]}, the library has {encoding.ids[:60]}")
    tokenizer.encode_special_tokens = False


def compare_decode(context, file, tokenizer, id_lists):
    special = {i for i, t in tokenizer.get_added_tokens_decoder().items() if t.special}
    for flags, kept in ((), id_lists), (("--no-special",), [[i for i in ids if i not in special] for ids in id_lists]):
        ours = lines(context, file, id_lists, "--decode", *flags)
        for ids, expected_ids, document in zip(id_lists, kept, ours):
            expected = tokenizer.decode(expected_ids, skip_special_tokens=False) if expected_ids else ""
            harness.require(document["text"] == expected, f"decode {' '.join(flags)} of {ids[:60]}: {document['text'][:200]!r}, the library has {expected[:200]!r}")


def compare(context, file, n_random=None, seed=1):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    specials = [t.content for _, t in sorted(tokenizer.get_added_tokens_decoder().items())]
    rng = random.Random(seed)
    specials = specials if len(specials) <= 40 else rng.sample(specials, 40)
    n_random = n_random or (N_RANDOM_QUICK if context.quick else N_RANDOM)
    texts = tokenizer_texts.texts(seed, n_random, specials)
    compare_encode(context, file, tokenizer, texts)
    id_lists = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=True)]
    size = tokenizer.get_vocab_size()
    id_lists += [[rng.randrange(size + 3) for _ in range(rng.randrange(1, 12))] for _ in range(n_random)]
    compare_decode(context, file, tokenizer, id_lists)
    return f"{3 * len(texts)} encoded, {2 * len(id_lists)} decoded"


def real_files(context):
    """(name, function giving the path) of the tokenizers at hand."""
    found = []
    for model in harness.REFERENCE_MODELS:
        found.append((model, lambda model=model: context.source(model) / "tokenizer.json"))
    found.append(("gemma", lambda: context.source("gemma") / "tokenizer.json"))
    folder = context.data / "tokenizers" if context.data else None
    for path in sorted(folder.glob("*.json")) if folder and folder.is_dir() else []:
        found.append((path.stem, lambda path=path: path))
    for path in sorted(folder.glob("*.model")) if folder and folder.is_dir() else []:
        found.append((path.stem, lambda path=path: converted(context, path)))
    return found


def converted(context, sentencepiece_model):
    """tokenizer.json of a SentencePiece model, as transformers makes it."""
    import importlib.util
    import shutil

    if importlib.util.find_spec("transformers") is None or importlib.util.find_spec("sentencepiece") is None:
        raise harness.Skip("no Python package transformers, sentencepiece")
    from transformers import LlamaTokenizerFast

    source = context.fresh("spm")
    source.mkdir()
    shutil.copy(sentencepiece_model, source / "tokenizer.model")
    out = context.fresh("converted")
    LlamaTokenizerFast.from_pretrained(str(source)).save_pretrained(str(out))
    return out / "tokenizer.json"


def cases(context):
    import tokenizer_made

    for name, path in real_files(context):
        yield f"tokenizer/{name}", lambda path=path: compare(context, path())
    for name, make in tokenizer_made.MADE.items():
        yield f"tokenizer/made-{name}", lambda name=name, make=make: compare(context, made(context, name, make), None if context.quick else 300)


def made(context, name, make):
    path = context.fresh(name)
    make().save(str(path))
    return path
