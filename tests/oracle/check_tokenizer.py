# SPDX-License-Identifier: Apache-2.0
"""Token ids and decoded text of the program against the `tokenizers` library: real tokenizers, and small ones trained on the spot that reach
every component; and of directories against AutoTokenizer, where files beside tokenizer.json count. A tokenizer is one case; its texts go through the program in one run each of encode (with bos and eos, without, with special
texts left as text) and decode."""

import json
import random
from pathlib import Path

import harness
import tokenizer_texts

REPOSITORY = Path(__file__).resolve().parents[2]
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


TOKEN = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
# (name, tokenizer_config.json, special_tokens_map.json, added_tokens.json) beside one tokenizer.json.
BESIDE = [
    ("added-by-table", {"added_tokens_decoder": {"62": {**TOKEN, "content": "<|im_start|>"}}}, None, None),
    ("added-with-other-ids", {"added_tokens_decoder": {"99": {**TOKEN, "content": "<|im_start|>"}, "70": {**TOKEN, "content": "<tool>", "special": False}}}, None, None),
    ("flags-replaced", {"added_tokens_decoder": {"1": {**TOKEN, "content": "<s>", "lstrip": True, "normalized": True}}}, None, None),
    ("special-taken-away", {"added_tokens_decoder": {"1": {**TOKEN, "content": "<s>", "special": False}}}, None, None),
    ("pieces-of-the-vocabulary", {"added_tokens_decoder": {"34": {**TOKEN, "content": "\u2581world", "special": False}, "35": {**TOKEN, "content": "x", "special": False}}}, None, None),
    ("flags-missing", {"added_tokens_decoder": {"62": {"content": "<|im_start|>"}, "63": {"content": "<tool>", "special": True}}}, None, None),
    ("added-tokens-json", {}, None, {"<|im_start|>": 62, "<tool>": 63}),
    ("added-tokens-json-named", {"pad_token": "<pad>", "additional_special_tokens": ["<tool>"]}, None, {"<|im_start|>": 63, "<tool>": 62}),
    ("added-tokens-json-beside-table", {"added_tokens_decoder": {"62": {**TOKEN, "content": "<tool>"}}}, None, {"<|im_start|>": 62}),
    ("named-new", {"pad_token": "<pad>"}, None, None),
    ("named-object", {"pad_token": {**TOKEN, "content": "<pad>", "lstrip": True, "__type": "AddedToken"}}, None, None),
    ("named-in-table", {"pad_token": "<pad>", "added_tokens_decoder": {"62": {**TOKEN, "content": "<pad>", "special": False, "normalized": True}}}, None, None),
    ("map", {}, {"pad_token": "<pad>", "additional_special_tokens": ["<tool>", "[X]"]}, None),
    ("map-beside-table", {"added_tokens_decoder": {"62": {**TOKEN, "content": "<|im_start|>"}}}, {"pad_token": "<pad>"}, None),
    ("extra", {"extra_special_tokens": ["<tool>"], "additional_special_tokens": ["[X]"]}, None, None),
    ("extra-named", {"extra_special_tokens": {"tool_token": "<tool>"}, "image_token": "[X]"}, None, None),
    ("order", {"added_tokens_decoder": {"63": {**TOKEN, "content": "<tool>"}, "62": {**TOKEN, "content": "[X]"}, "100": {**TOKEN, "content": "<pad>"}}}, None, None),
    ("no-config", None, {"pad_token": "<pad>"}, {"<|im_start|>": 62}),
]
BESIDE_TEXTS = ["<|im_start|>a", "x <s> a", "a<tool> x", "<pad> a", "[X]a ", "x world  a", "<|im_start|> <tool>[X]<pad><s></s>", "", " a"]


def side_directory(context, tokenizer_json, config, special_map=None, added=None, model_type="llama"):
    folder = context.fresh("beside")
    folder.mkdir()
    files = {"tokenizer.json": tokenizer_json, "config.json": {"model_type": model_type}, "tokenizer_config.json": config, "special_tokens_map.json": special_map,
             "added_tokens.json": added}
    for name, value in files.items():
        if value is not None:
            (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder


def beside_auto_tokenizer(context, folder, texts):
    """Ids and text of a directory, side files counted, against AutoTokenizer."""
    import importlib.util

    if importlib.util.find_spec("transformers") is None:
        raise harness.Skip("no Python package transformers")
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(str(folder))
    for flags, add_special in ((), True), (("--no-special",), False):
        ours = lines(context, folder, texts, *flags)
        for text, document in zip(texts, ours):
            expected = theirs.encode(text, add_special_tokens=add_special)
            harness.require(document["ids"] == expected, f"{' '.join(flags)} {text!r}: {document['ids']}, transformers has {expected}")
    special = {i for i, t in theirs.added_tokens_decoder.items() if t.special}
    id_lists = [theirs.encode(text) for text in texts]
    for flags, kept in ((), id_lists), (("--no-special",), [[i for i in ids if i not in special] for ids in id_lists]):
        for ids, rest, document in zip(id_lists, kept, lines(context, folder, id_lists, "--decode", *flags)):
            expected = theirs.decode(rest, skip_special_tokens=False, clean_up_tokenization_spaces=False) if rest else ""
            harness.require(document["text"] == expected, f"decode {ids}: {document['text']!r}, transformers has {expected!r}")
    return f"{len(texts)} texts"


def small_llama():
    return json.loads((REPOSITORY / "tests/data/bugs/11-added-tokens-only-in-tokenizer-config/model/tokenizer.json").read_text(encoding="utf-8"))


def beside(context, config, special_map, added):
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    folder = side_directory(context, small_llama(), None if config is None else {**names, **config}, special_map, added)
    return beside_auto_tokenizer(context, folder, BESIDE_TEXTS)


def prefix_space(context, tokenizer_class, model_type, value, pre_tokenizer, normalizer):
    """add_prefix_space where the family's own class does what tokenizer.json says but for the prefix."""
    source = small_llama()
    if pre_tokenizer["type"] == "ByteLevel" or pre_tokenizer["type"] == "Sequence":
        source = json.loads((REPOSITORY / "tests/data/bugs/09-regex-class-in-class/tokenizer.json").read_text(encoding="utf-8"))
    source["pre_tokenizer"], source["normalizer"] = pre_tokenizer, normalizer
    config = {"tokenizer_class": tokenizer_class, **({} if value is None else {"add_prefix_space": value})}
    config = {**config, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"} if pre_tokenizer["type"] == "Metaspace" else config
    folder = side_directory(context, source, config, model_type=model_type)
    return beside_auto_tokenizer(context, folder, ["x a", " x a", "world", "a  b"])


def prefix_cases():
    byte_level = lambda prefix: {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True}  # noqa: E731
    metaspace = lambda scheme: {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": False}  # noqa: E731
    for value in (True, False):
        for stored in (True, False):
            yield f"gpt2-{stored}-{value}", ("GPT2TokenizerFast", "gpt2", value, byte_level(stored), None)
            yield f"generic-{stored}-{value}", ("PreTrainedTokenizerFast", "llama", value, byte_level(stored), None)
            yield f"llama-bytes-{stored}-{value}", ("LlamaTokenizerFast", "llama", value, byte_level(stored), None)
        for scheme in ("always", "first", "never"):
            yield f"llama-{scheme}-{value}", ("LlamaTokenizerFast", "llama", value, metaspace(scheme), None)


NESTED = [r" ?[^(\s|[.,!?])]+", r"[a[bc]d]+", r"[^a[bc]]+", r"[a-z&&[^aeiou]]+", r"[\w&&[^\d_]]+", r"[^\w&&[a-f]]+", r"[a-w&&[^c-g]z]+", r"[^[^a]]+", r"[[:digit:]a]+", r"[^[:space:]]+",
          r"[[:xdigit:]]+", r"[[:word:]&&[^[:digit:]]]+", r"[a&b]+", r"[\p{L}&&[^\p{Lu}]]+", r"[\S&&[^a]]+", r"[a[^b\S]]+", r"[\p{L}&&\p{Latin}]+|\s+", r"[^\p{L}[\p{N}&&[^5]]]+", r"[\W&&\S]+"]


def nested_class(context, pattern):
    source = json.loads((REPOSITORY / "tests/data/bugs/09-regex-class-in-class/tokenizer.json").read_text(encoding="utf-8"))
    source["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern
    source["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"  # so that the ids show what matched
    path = context.fresh("nested.json")
    path.write_text(json.dumps(source), encoding="utf-8")
    return compare(context, path, None if context.quick else 300)


def cases(context):
    import tokenizer_made

    for name, *files in BESIDE:
        yield f"tokenizer/beside-{name}", lambda files=files: beside(context, *files)
    for name, arguments in prefix_cases():
        yield f"tokenizer/prefix-space-{name}", lambda arguments=arguments: prefix_space(context, *arguments)
    for i, pattern in enumerate(NESTED):
        yield f"tokenizer/nested-class-{i}", lambda pattern=pattern: nested_class(context, pattern)

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
