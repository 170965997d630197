# SPDX-License-Identifier: Apache-2.0
"""tokenizer.json of a GGUF file that holds a vocabulary and no tensors: pieces, merges and kinds from the file, normalizer and pre-tokenizer from
what the file calls its kind of text splitting (tokenizer.ggml.pre), as the published tokenizers of these models have them."""

import struct

CONTROL, USER_DEFINED = 3, 4
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = ENDINGS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Classes of DeepSeek's first tokenizer, in escapes: some of their ends have a canonical equivalent.
CHINESE = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
MARKS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
LATIN = ("\\s?["
         "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-"
         "\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-"
         "\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45"
         "\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-"
         "\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
         "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2"
         "\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
         "\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
         "\U000118a0-\U000118df\U0001e900-\U0001e943"
         "]+")


def read_metadata(path):
    """Every key of the file's header and its value; arrays are lists."""
    data = path.read_bytes()
    at = 4

    def take(form):
        nonlocal at
        value, = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return value

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n : at].decode("utf-8")

    def value(kind):
        nonlocal at
        if kind == STRING:
            return text()
        if kind != ARRAY:
            return take(SCALARS[kind])
        item, n = take("I"), take("Q")
        if item in (STRING, ARRAY):
            return [value(item) for _ in range(n)]
        form = f"<{n}{SCALARS[item]}"
        at += struct.calcsize(form)
        return list(struct.unpack_from(form, data, at - struct.calcsize(form)))

    assert data[:4] == b"GGUF" and take("I") in (2, 3)
    _, n_keys = take("Q"), take("Q")
    return {text(): value(take("I")) for _ in range(n_keys)}


def split(pattern, behavior="Isolated"):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def byte_level(use_regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


DIGITS = {"type": "Digits", "individual_digits": True}
DIGITS_THEN_WORDS = sequence(DIGITS, byte_level(True))
BYTE_BPE = {  # tokenizer.ggml.pre: pre-tokenizer
    "llama-bpe": sequence(split(LLAMA3), byte_level(False)),
    "qwen2": sequence(split(QWEN2), byte_level(False)),
    "qwen35": sequence(split(QWEN35), byte_level(False)),
    "gpt-2": byte_level(True),
    "mpt": byte_level(True),
    "starcoder": DIGITS_THEN_WORDS,
    "refact": DIGITS_THEN_WORDS,
    "command-r": DIGITS_THEN_WORDS,
    "falcon": sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(True), split("[0-9][0-9][0-9]")),
    "deepseek-llm": sequence(split("[\r\n]"), split(LATIN), split(MARKS), split(r"\s+$"), split(CHINESE), DIGITS, byte_level(False)),
    "deepseek-coder": sequence(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CHINESE), DIGITS, byte_level(False)),
}
NFC = ("qwen2", "command-r")


def merges_of_scores(tokens, scores):
    """The merges of a SentencePiece BPE model: every way to make a piece of two others, the better piece first."""
    ids = {t: i for i, t in enumerate(tokens)}
    found = []
    for whole, i in ids.items():
        cuts = [(whole[:k], whole[k:]) for k in range(1, len(whole)) if whole[:k] in ids and whole[k:] in ids]
        found += [(-scores[i], n, pair) for n, pair in enumerate(sorted(cuts, key=lambda p: (ids[p[0]], ids[p[1]])))]
    return [pair for _, _, pair in sorted(found, key=lambda f: f[0])]


def bpe(tokens, merges, **more):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": False, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges, **more}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def pieces_decoder(strips):
    steps = [replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    return {"type": "Sequence", "decoders": steps + ([{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if strips else [])}


def sentence_pieces(tokens, scores, unknown):
    return {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")]}, "pre_tokenizer": None, "decoder": pieces_decoder(True),
            "model": bpe(tokens, merges_of_scores(tokens, scores), unk_token=tokens[unknown], fuse_unk=True, byte_fallback=True)}


def gemma4(tokens, merges):
    return {"normalizer": replace(" ", "▁"), "pre_tokenizer": split(" ", "MergedWithPrevious"), "decoder": pieces_decoder(False),
            "model": bpe(tokens, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)}


def word_pieces(tokens, unknown):
    """GGUF marks the beginning of a word, where the tokenizer's own file marks the rest."""
    names = [t[1:] if t.startswith("▁") else t if t.startswith("[") and t.endswith("]") else "##" + t for t in tokens]
    return {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
            "model": {"type": "WordPiece", "unk_token": names[unknown], "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                      "vocab": {t: i for i, t in enumerate(names)}}}, names


def tokenizer_document(path):
    """The document, or None where the kind of the vocabulary is not in the tables above."""
    meta = read_metadata(path)
    key = "tokenizer.ggml."
    tokens, kinds = meta[key + "tokens"], meta[key + "token_type"]
    model, pre, unknown = meta[key + "model"], meta.get(key + "pre"), meta.get(key + "unknown_token_id", 0)
    if model == "gpt2" and pre in BYTE_BPE:
        parts = {"normalizer": {"type": "NFC"} if pre in NFC else None, "pre_tokenizer": BYTE_BPE[pre], "decoder": byte_level(True),
                 "model": bpe(tokens, [m.split(" ", 1) for m in meta[key + "merges"]], ignore_merges=pre == "llama-bpe")}
    elif model == "llama":
        parts = sentence_pieces(tokens, meta[key + "scores"], unknown)
    elif model == "gemma4":
        parts = gemma4(tokens, [m.split(" ", 1) for m in meta[key + "merges"]])
    elif model == "bert":
        parts, tokens = word_pieces(tokens, unknown)
    else:
        return None
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": i, "content": tokens[i], **flags, "special": kind == CONTROL} for i, kind in enumerate(kinds) if kind in (CONTROL, USER_DEFINED)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": None, **parts}
