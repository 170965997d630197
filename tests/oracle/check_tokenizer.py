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


MODES = (((), True, False), (("--no-special",), False, False), (("--no-special", "--plain"), False, True))


def compare_encode(context, file, tokenizer, texts, modes=MODES):
    for flags, add_special, plain in modes:
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


SWEPT = ("bpe-gpt2", "bpe-llama3", "bpe-o200k", "bpe-deepseek", "split-scripts", "split-classes", "split-word-boundary", "wordlevel-whitespace", "wordlevel-bert",
         "digits", "punctuation-isolated", "wordpiece", "nfc", "nfd", "nfkc", "nfkd", "lowercase", "strip-accents-alone", "bert-clean", "bert-marks", "unigram-nmt-nfkc",
         "added", "spbpe")


def sweep(context, file):
    """Every character, in blocks of neighbours: as they are, and each between letters."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    step = 1 if not context.quick else 37
    points = [c for c in range(0, 0x110000, step) if not 0xD800 <= c <= 0xDFFF and not 0xE0200 <= c < 0xFFF00 and not 0x32500 <= c < 0xE0000 and c < 0x100100]
    blocks = [points[i : i + 64] for i in range(0, len(points), 64)]
    texts = ["".join(map(chr, block)) for block in blocks] + ["a" + "a".join(map(chr, block)) + "1" for block in blocks]
    if step == 1:  # a mark behind each
        texts += [" ".join(chr(c) + "\u0301\u0323" for c in block) for block in blocks]
    compare_encode(context, file, tokenizer, texts, modes=MODES[:1])
    return f"{len(points)} characters"


def cases(context):
    import tokenizer_made

    for name, path in real_files(context):
        yield f"tokenizer/{name}", lambda path=path: compare(context, path())
    for name, make in tokenizer_made.MADE.items():
        yield f"tokenizer/made-{name}", lambda name=name, make=make: compare(context, made(context, name, make), None if context.quick else 300)
    for name in SWEPT:
        yield f"tokenizer/every-character-{name}", lambda name=name: sweep(context, made(context, name, tokenizer_made.MADE[name]))


def made(context, name, make):
    path = context.fresh(name)
    make().save(str(path))
    return path
