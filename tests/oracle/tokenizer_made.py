# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers that together use every component and option of tokenizer.json. MADE: name -> function that gives a Tokenizer."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import tokenizer_texts

CORPUS = [t for t in tokenizer_texts.WRITTEN if t] * 3 + [
    "the story of the little girl who liked to play with the red ball in the park",
    "once upon a time there was a king who had three sons and a daughter",
    "it was the best of times, it was the worst of times, it was the age of wisdom",
    "naïve café résumé; Привет мир; 你好世界; 日本語; 한국어",
] * 5
SPECIALS = ["<unk>", "<s>", "</s>", "<pad>"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def bpe(vocab_size=600, alphabet=(), specials=SPECIALS, pre=None, normalizer=None, train_prefix=None, train_suffix=None, **options):
    affixes = {k: v for k, v in (("continuing_subword_prefix", train_prefix), ("end_of_word_suffix", train_suffix)) if v is not None}
    t = Tokenizer(models.BPE(unk_token="<unk>", **affixes, **options))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=list(specials), show_progress=False, initial_alphabet=list(alphabet),
                                  **affixes)
    t.train_from_iterator(CORPUS, trainer)
    return t


def byte_level(pre, normalizer=None, add_prefix_space=False):
    t = bpe(700, alphabet=pre_tokenizers.ByteLevel.alphabet(), pre=pre, normalizer=normalizer, specials=["<|end|>", "<|im|>"])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    return t


def byte_level_regex(pattern, behavior="isolated", invert=False):
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior, invert=invert),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))


def byte_level_ignore_merges():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.model.ignore_merges = True
    t.add_tokens(["<|new|>"])
    return t


def sentencepiece_bpe(fuse_unk=True, byte_fallback=True, drop_bytes=(), pre=None, normalizer=None, decoder=None):
    byte_pieces = [f"<0x{b:02X}>" for b in range(256) if b not in drop_bytes] if byte_fallback else []
    normalizer = normalizer or normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    corpus_alphabet = [c for c in "abcdefghijklmnopqrstuvwxyz▁ABCDEF.,!?0123456789"]
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse_unk, byte_fallback=byte_fallback))
    t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    trainer = trainers.BpeTrainer(vocab_size=300 + len(byte_pieces) + 4, special_tokens=SPECIALS + byte_pieces, show_progress=False,
                                  initial_alphabet=corpus_alphabet, limit_alphabet=60)
    t.train_from_iterator([w for line in CORPUS for w in line.split(" ")], trainer)
    # The trainer's specials are added tokens; byte pieces must not match text, so the vocabulary is rebuilt without them.
    import json

    d = json.loads(t.to_str())
    d["added_tokens"] = [a for a in d["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(d))
    t.decoder = decoder or decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>",
                                                     special_tokens=[("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))])
    return t


def unigram(byte_fallback=False, pre=None, normalizer=None, decoder=None, drop_bytes=()):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre or pre_tokenizers.Metaspace()
    byte_pieces = [f"<0x{b:02X}>" for b in range(256) if b not in drop_bytes] if byte_fallback else []
    t.train_from_iterator(CORPUS[:60] if byte_fallback else CORPUS, trainers.UnigramTrainer(
        vocab_size=400 + len(byte_pieces), special_tokens=SPECIALS + byte_pieces, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        import json

        d = json.loads(t.to_str())
        d["model"]["byte_fallback"] = True
        d["model"]["vocab"] = [v for v in d["model"]["vocab"] if len(v[0].encode()) < 3 or v[0].isascii() or v[0].startswith("▁")]
        d["added_tokens"] = [a for a in d["added_tokens"] if not a["content"].startswith("<0x")]
        t = Tokenizer.from_str(json.dumps(d))
    t.decoder = decoder or (decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]) if byte_fallback else decoders.Metaspace())
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 2)])
    return t


def wordpiece(pre=None, normalizer=None, **options):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", **options))
    t.normalizer = normalizer or normalizers.BertNormalizer()
    t.pre_tokenizer = pre or pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=specials, show_progress=False))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def wordlevel(pre, normalizer=None, decoder=None):
    """The pieces of `pre` show as ids; the vocabulary is whatever the corpus and the written texts give."""
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS + tokenizer_texts.PARTS, trainers.WordLevelTrainer(vocab_size=3000, special_tokens=SPECIALS, show_progress=False))
    if decoder:
        t.decoder = decoder
    return t


def shows(normalizer=None, pre=None, decoder=None):
    """Characters as byte-level ids behind `normalizer` and `pre`: every change of text and every cut shows."""
    steps = [s for s in (pre, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)) if s is not None]
    t = bpe(500, alphabet=pre_tokenizers.ByteLevel.alphabet(), pre=pre_tokenizers.Sequence(steps), normalizer=normalizer)
    t.decoder = decoder or decoders.ByteLevel()
    return t


def added(normalizer=None, pre=None):
    t = shows(normalizer, pre)
    t.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("word", single_word=True), AddedToken("Ünï", normalized=True),
        AddedToken("<a", normalized=False), AddedToken("<a>b", normalized=False), AddedToken("  ", normalized=False, rstrip=True),
        AddedToken("ing", single_word=True, normalized=True, lstrip=True), AddedToken("THE STORY", normalized=True), "mid dle"])
    t.add_special_tokens([AddedToken("<sp>", normalized=True, rstrip=True), AddedToken("<s p>", normalized=False), AddedToken("[X]", lstrip=True, special=True)])
    return t


def roberta():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    t.post_processor = processors.RobertaProcessing(("<|end|>", 0), ("<|im|>", 1))
    return t


def sequence_processor():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<|im|> <|im|> $A <|end|>", pair="$A $B", special_tokens=[("<|im|>", 1), ("<|end|>", 0)])])
    return t


def precompiled(rule):
    """A SentencePiece model with a real character map, trained on the spot and taken over by transformers' converter."""

    def make():
        import importlib.util
        import io

        import harness

        if importlib.util.find_spec("sentencepiece") is None:
            raise harness.Skip("no Python package sentencepiece")
        import sentencepiece

        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=340, model_type="unigram",
                                                 normalization_rule_name=rule, hard_vocab_limit=False, minloglevel=2)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        from sentencepiece import sentencepiece_model_pb2

        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(model.getvalue())
        vocab = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
        t = Tokenizer(models.Unigram(vocab, 0))
        t.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
        t.pre_tokenizer = pre_tokenizers.Metaspace()
        t.decoder = decoders.Metaspace()
        return t

    return make


BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
P = pre_tokenizers
N = normalizers

MADE = {
    "bpe-gpt2": lambda: byte_level(P.ByteLevel(add_prefix_space=False)),
    "bpe-gpt2-prefix": lambda: byte_level(P.ByteLevel(add_prefix_space=True)),
    "bpe-llama3": lambda: byte_level_regex(LLAMA3),
    "bpe-o200k": lambda: byte_level_regex(O200K),
    "bpe-cl100k": lambda: byte_level_regex(CL100K),
    "bpe-deepseek": lambda: byte_level(P.Sequence([P.Split(Regex(r"\p{N}{1,3}"), "isolated"), P.Split(Regex("[一-龥\u3040-ゟ゠-ヿ]+"), "isolated"),
                                                   P.Split(Regex(DEEPSEEK), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])),
    "bpe-qwen3.5": lambda: byte_level_regex(QWEN35),
    "bpe-starcoder": lambda: byte_level(P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)])),
    "bpe-ignore-merges": byte_level_ignore_merges,
    "bpe-nfc": lambda: byte_level(P.ByteLevel(add_prefix_space=False), normalizer=N.NFC()),
    "bpe-byte-level-twice": lambda: byte_level(P.Sequence([P.ByteLevel(add_prefix_space=True), P.Whitespace(), P.ByteLevel(add_prefix_space=False)])),
    "bpe-prefix": lambda: bpe(train_prefix="##", pre=P.Whitespace()),
    "bpe-suffix": lambda: _with_decoder(bpe(train_suffix="</w>", pre=P.BertPreTokenizer(), normalizer=N.Lowercase()), decoders.BPEDecoder()),
    "bpe-prefix-suffix": lambda: bpe(train_prefix="@@", train_suffix="</w>", pre=P.WhitespaceSplit()),
    "bpe-fuse-unk": lambda: bpe(fuse_unk=True, pre=P.WhitespaceSplit(), vocab_size=120),
    "bpe-no-fuse-unk": lambda: bpe(fuse_unk=False, pre=P.WhitespaceSplit(), vocab_size=120),
    "spbpe": sentencepiece_bpe,
    "spbpe-no-fuse": lambda: sentencepiece_bpe(fuse_unk=False, drop_bytes=(0xE4, 0xC3, 0x41)),
    "spbpe-fuse-few-bytes": lambda: sentencepiece_bpe(fuse_unk=True, drop_bytes=tuple(range(0xD0, 0xF5))),
    "spbpe-no-bytes": lambda: sentencepiece_bpe(byte_fallback=False),
    "spbpe-metaspace-first": lambda: sentencepiece_bpe(normalizer=N.NFC(), pre=P.Metaspace(prepend_scheme="first", split=False)),
    "spbpe-metaspace-first-split": lambda: sentencepiece_bpe(normalizer=N.Strip(), pre=P.Metaspace(prepend_scheme="first", split=True)),
    "spbpe-gemma": lambda: sentencepiece_bpe(normalizer=N.Replace(" ", "▁"), pre=P.Split(" ", "merged_with_previous"),
                                             decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])),
    "unigram": unigram,
    "unigram-bytes": lambda: unigram(byte_fallback=True),
    "unigram-few-bytes": lambda: unigram(byte_fallback=True, drop_bytes=(0xE4, 0xD0, 0xF0)),
    "unigram-never": lambda: unigram(pre=P.Metaspace(prepend_scheme="never"), decoder=decoders.Metaspace(prepend_scheme="never")),
    "unigram-first": lambda: unigram(pre=P.Metaspace(prepend_scheme="first"), normalizer=N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")])),
    "unigram-t5": lambda: unigram(pre=P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), normalizer=N.Lowercase()),
    "unigram-nmt-nfkc": precompiled("nmt_nfkc"),
    "unigram-nmt-nfkc-cf": precompiled("nmt_nfkc_cf"),
    "wordpiece": wordpiece,
    "wordpiece-cased": lambda: wordpiece(normalizer=N.BertNormalizer(lowercase=False)),
    "wordpiece-accents": lambda: wordpiece(normalizer=N.BertNormalizer(lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False)),
    "wordpiece-short-words": lambda: wordpiece(max_input_chars_per_word=8),
    "wordlevel-whitespace": lambda: wordlevel(P.Whitespace()),
    "wordlevel-bert": lambda: wordlevel(P.BertPreTokenizer(), decoder=decoders.WordPiece(prefix="##", cleanup=True)),
    "wordlevel-delimiter": lambda: wordlevel(P.CharDelimiterSplit("e")),
    "wordlevel-fixed": lambda: wordlevel(P.FixedLength(length=3)),
    "wordlevel-none": lambda: wordlevel(None),
    "wordlevel-ctc": lambda: wordlevel(P.Split("", "isolated"), decoder=decoders.CTC(pad_token="<pad>", word_delimiter_token=" ", cleanup=True)),
    "digits": lambda: shows(pre=P.Digits(individual_digits=False)),
    "digits-individual": lambda: shows(pre=P.Digits(individual_digits=True)),
    **{f"punctuation-{b}": lambda b=b: shows(pre=P.Punctuation(b)) for b in BEHAVIORS},
    **{f"split-{b}": lambda b=b: wordlevel(P.Split(Regex(r"\s+|[aeiou]{2}|\d"), b)) for b in BEHAVIORS},
    **{f"split-inverted-{b}": lambda b=b: wordlevel(P.Split(Regex(r"\w+"), b, invert=True)) for b in BEHAVIORS},
    **{f"split-text-{b}": lambda b=b: wordlevel(P.Split("th", b)) for b in BEHAVIORS},
    "split-empty-matches": lambda: wordlevel(P.Split(Regex(r"x*|\b"), "isolated")),
    "split-word-boundary": lambda: wordlevel(P.Split(Regex(r"\b\w{1,3}\b|\B\W"), "isolated")),
    "split-lines": lambda: wordlevel(P.Split(Regex(r"^.|.$|\A\s|\w\Z"), "isolated")),
    "split-scripts": lambda: wordlevel(P.Split(Regex(r"\p{Han}+|[\p{Hiragana}\p{Katakana}]+|\p{Cyrillic}+|\P{Latin}|[^\p{Arabic}\p{Thai}\s]{1,4}"), "isolated")),
    "split-classes": lambda: wordlevel(P.Split(Regex(r"[^\S\r\n]+|[\P{L}a-c]|[^\P{N}7]|\h{2}|[^\W\d_]+?|\p{^Lu}"), "isolated")),
    "split-quantifiers": lambda: wordlevel(P.Split(Regex(r"(?:ab)++|a{2}|(?>x{,3})y|[t-z]{2,3}+|(?<=e)r|(?<!t)h(?=e)|(?m:o.{1,2})|(?i:THE(?-i:Q)?)"), "isolated")),
    "nfc": lambda: shows(N.NFC()), "nfd": lambda: shows(N.NFD()), "nfkc": lambda: shows(N.NFKC()), "nfkd": lambda: shows(N.NFKD()),
    "lowercase": lambda: shows(N.Lowercase()), "nmt": lambda: shows(N.Nmt()),
    "strip": lambda: shows(N.Strip()), "strip-left": lambda: shows(N.Strip(left=True, right=False)), "strip-right": lambda: shows(N.Strip(left=False, right=True)),
    "strip-accents": lambda: shows(N.Sequence([N.NFD(), N.StripAccents()])), "strip-accents-alone": lambda: shows(N.StripAccents()),
    "replace-text": lambda: shows(N.Replace("the", "THE-")), "replace-regex": lambda: shows(N.Replace(Regex(r"\s{2,}|\d"), "<>")),
    "replace-empty-matches": lambda: wordlevel(None, normalizer=N.Replace(Regex("x*"), "-")), "replace-by-nothing": lambda: shows(N.Replace("e", "")),
    "prepend": lambda: shows(N.Prepend("~~")),
    "bert-clean": lambda: shows(N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)),
    "bert-chinese": lambda: shows(N.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)),
    "bert-marks": lambda: shows(N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)),
    "byte-level-normalizer": lambda: _with_decoder(bpe(500, alphabet=P.ByteLevel.alphabet(), normalizer=N.ByteLevel()), decoders.ByteLevel()),
    "metaspace-first-behind-split": lambda: wordlevel(P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first")]), normalizer=N.NFKC()),
    "metaspace-first-behind-prefix": lambda: wordlevel(P.Sequence([P.Digits(), P.Metaspace(replacement="_", prepend_scheme="first")]), normalizer=N.Prepend("ab")),
    "metaspace-always": lambda: wordlevel(P.Metaspace(prepend_scheme="always", split=False), decoder=decoders.Metaspace(prepend_scheme="always")),
    "added": added,
    "added-lowercase": lambda: added(N.Lowercase()),
    "added-nfkd-metaspace": lambda: added(N.Sequence([N.NFKD(), N.StripAccents()]), P.Metaspace(prepend_scheme="first")),
    "added-prepend": lambda: added(N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])),
    "roberta": roberta,
    "sequence-processor": sequence_processor,
    "decoder-strip": lambda: wordlevel(P.Whitespace(), decoder=decoders.Sequence([decoders.Fuse(), decoders.Strip("e", 2, 0)])),
    "decoder-replace": lambda: wordlevel(P.Whitespace(), decoder=decoders.Sequence([decoders.Fuse(), decoders.Replace("th", "TH"), decoders.Replace(Regex("[aeiou]+"), "*")])),
    "decoder-replace-tokens": lambda: wordlevel(P.Whitespace(), decoder=decoders.Sequence([decoders.Replace(Regex("e$|^t"), "#"), decoders.Strip("o", 1, 0), decoders.WordPiece(prefix="i", cleanup=True)])),
    "decoder-metaspace-fused": lambda: wordlevel(P.Metaspace(), decoder=decoders.Sequence([decoders.Fuse(), decoders.Metaspace(), decoders.ByteFallback()])),
    "decoder-byte-level-plain": lambda: wordlevel(P.WhitespaceSplit(), decoder=decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])),
    "decoder-bpe": lambda: wordlevel(P.WhitespaceSplit(), decoder=decoders.Sequence([decoders.BPEDecoder(suffix="e"), decoders.ByteFallback()])),
}


def _with_decoder(tokenizer, decoder):
    tokenizer.decoder = decoder
    return tokenizer
