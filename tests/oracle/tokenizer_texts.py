# SPDX-License-Identifier: Apache-2.0
"""Texts to compare tokenizers on: written ones that reach every rule, and random ones made of their parts. Seeded, so a failure repeats."""

import random

WRITTEN = [
    "",
    " ",
    "  ",
    "\n",
    "\t\t\n \r\n\r \u0085\u00a0\u1680\u180e\u2003\u2028\u2029\u202f\u205f\u3000\ufeff\u200b x",
    "Hello world",
    " Hello  world ",
    "Hello, world! It's 2024-01-31; they'll've said \"don't\" we'RE I'M he'D 'S 'ſ 'T x's",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX. thequickbrownfox",
    "Pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism",
    "3.14159 1,000,000 0x7fff 1e-10 ½ ² ³ ¹ Ⅷ ٣٤٥ १२३ 10𝟘𝟙 ①②",
    "def f(x):\n    return x**2  # comment\n\n\nclass A(B):\n\tpass\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * c->d; }\n\n    \n  }//\r\n",
    '{"key": [1, 2.5, null, true], "s": "\\u00e9\\n"}',
    "https://example.com/a/b?c=d&e=%20#frag user@example.org",
    "你好，世界！这是一个测试。 東京タワー 日本語のテキスト 한국어 텍스트 조선말",
    "Привет, мир! Съешь же ещё этих мягких французских булок",
    "مرحبا بالعالم، كيف حالك؟ שלום עולם हिन्दी में पाठ ไทยภาษา ភាសាខ្មែរ မြန်မာ",
    "Ünïcödé ÀÉÎÕÜ ß ẞ ﬁ ﬀ ﬃ İ ı ſ K Å Ω e\u0301 o\u0308\u0304 \u1e9b\u0323 \u0344 가각",
    "naïve café résumé coöperate Ångström ŒUVRE æther ĳ ǆ ŉ",
    "😀😃 👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 🇩🇪🇫🇷 👍🏽 ❤️ ☺ ✈️ 1️⃣ 🫠",
    "\u0000\u0001\u0002\u007f\u0080\u009f\u00ad\ufffd\uffff\U0001ffff\U0010ffff",
    "a\u0300\u0301\u0302\u0303\u0304 \u0300x \u200d\u200c\u2060 \u0915\u094d\u0937",
    "▁ ▁▁ a▁b ▁the Ġ Ġthe Ċ <0x0A> <0xFF> <0x00> <unk> [UNK] [CLS] ## ##ing </w> <s> </s>",
    "don’t “quoted” ‘single’ — – … • · © ® ™ € £ ¥ ₿ § ¶ † ‡ ‰",
    "x" * 70,
    "ab" * 60,
    " " * 50 + "x" + " " * 3,
    "\n" * 20 + "\t" * 9,
    "!?!?!?...,,,;;;:::---___===+++***///\\\\\\|||~~~```^^^$$$%%%&&&@@@###",
    "a.b,c;d:e!f?g(h)i[j]k{l}m<n>o/p\\q|r~s`t'u\"v",
    "word  two   three    four     five",
    "CamelCaseWord snake_case_word kebab-case-word SCREAMING_CASE mixedUP123abc456",
    "The story begins. Once upon a time, there was a little girl named Lily. She liked to play.",
    "½⅓¼ ª º ⁴₅ ﷺ ㎏ ㋿ ℡ Ⓐ 𝒳 𝔸 ｆｕｌｌｗｉｄｔｈ １２３ ｶﾞ",
    "\U0002ebf0\U00031350\U0001f6dc\U000105c9\u1c89\U00010d50 \U0001e030",
]

PARTS = [
    "the", " the", "ing", " a", "Hello", " world", "'s", "'ll", "'T", "n't", " do not", " .", " ,", "\n", "\n\n", "\r\n", " ", "  ", "    ", "\t", "1", "23",
    "456", "7890", ".", ",", "!", "?", "...", "-", "_", "(", ")", "[", "]", "{", "}", "<", ">", "/", "\\", "\"", "'", "`", "@", "#", "$", "%", "^", "&", "*",
    "é", "e\u0301", "ü", "ñ", "ß", "İ", "ſ", "你", "好", "世界", "日本", "の", "カタ", "ー", "한국", "말", "Привет", "мир", "שלום", "مرحبا", "हिन्दी", "ไทย", "😀",
    "👩\u200d👧", "🇩🇪", "👍🏽", "❤️", "\u200b", "\u00a0", "\u3000", "\ufeff", "\u0300", "\u0323", "\u0345", "▁", "Ġ", "<0x41>", "<0xE4>", "##", "</w>", "aaaa", "zzz", "Zx",
    "ﬁ", "２", "½", "²", "Ⅷ", "٣", "\u0000", "\u0085", "\u2028", "\u180e", "\ufffd", "//", "==", "+=", "->", "def ", "return", "class ", "import", "\u1161", "\uac00", "\u11a8",
]


def random_text(rng, specials):
    kind = rng.random()
    if kind < 0.5:
        pool = PARTS + specials if rng.random() < 0.5 else PARTS
        return "".join(rng.choice(pool) for _ in range(rng.randrange(1, 30)))
    if kind < 0.65:  # random bytes made valid
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
        return data.decode("utf-8", rng.choice(["ignore", "replace"]))
    if kind < 0.8:  # random characters of one block
        base = rng.choice([0x20, 0x80, 0x250, 0x300, 0x370, 0x590, 0x900, 0xE00, 0x1100, 0x1E00, 0x2000, 0x2100, 0x2E80, 0x3040, 0x4E00, 0xA640, 0xAC00, 0xF900, 0xFB00, 0xFE00,
                           0xFF00, 0x10400, 0x11000, 0x1D400, 0x1E000, 0x1F1E6, 0x1F300, 0x20000, 0x2EBF0])
        return "".join(chr(base + rng.randrange(200)) + (" " if rng.random() < 0.15 else "") for _ in range(rng.randrange(1, 25)))
    if kind < 0.88:  # any characters
        def any_character():
            c = rng.randrange(0x110000)
            return chr(c) if not 0xD800 <= c <= 0xDFFF else "x"
        return "".join(any_character() for _ in range(rng.randrange(1, 15)))
    if kind < 0.94:  # long runs
        return "".join(rng.choice(PARTS + specials) * rng.randrange(1, 40) for _ in range(rng.randrange(1, 4)))
    words = "the of and to in that it was he for with his as had you not be her on at by which have or from this him but all she they were my are me one".split()
    return " ".join(rng.choice(words) for _ in range(rng.randrange(1, 40))).capitalize() + rng.choice([".", "!", "", "\n"])


def texts(seed, n_random, specials=()):
    rng = random.Random(seed)
    specials = list(specials)
    written = list(WRITTEN)
    for special in specials[:40]:
        written += [special, f"a{special}b", f" {special} ", f"x  {special}  {special}y", special.strip()[:-1]]
    return written + [random_text(rng, specials) for _ in range(n_random)]
