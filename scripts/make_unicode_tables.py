# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/unicode/tables.cpp: the character sets that the Hugging Face `tokenizers` library uses, measured on the library itself.

usage: make_unicode_tables.py > src/text/unicode/tables.cpp      (needs the package `tokenizers`, and a Python whose unicodedata is 14.0)

The library takes its sets from six sources with six Unicode versions; token ids follow them, so they are measured, code point by code point,
instead of taken from one Unicode version. `newer_*` are what its regex engine assigns and Unicode 14, which PCRE2 10.40 to 10.42 knows, does
not: regex.cpp adds them to PCRE2's own classes.
"""

import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Cf".split()
SCRIPTS = "Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic Hebrew Thai Devanagari".split()


def ranges(points):
    result = []
    for c in sorted(points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def between(transform, expected):
    """Code points c for which transform("a" + c + "b") is `expected`."""
    return [c for c in CODE_POINTS if transform("a" + chr(c) + "b") == expected]


def removed(split):
    """Code points that a pre-tokenizer drops."""
    found = set()
    for i in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[i : i + 4096]
        kept = set()
        for _, (begin, end) in split.pre_tokenize_str("".join(map(chr, block))):
            kept.update(range(begin, end))
        found.update(c for j, c in enumerate(block) if j not in kept)
    return found


def matched(pattern):
    return removed(pre_tokenizers.Split(Regex(pattern), "removed"))


def print_ranges(name, comment, points):
    print(f"\n// {comment}")
    print(f"constexpr Range {name}_ranges[] = {{")
    line = "   "
    for first, last in ranges(points):
        item = f" {{{first:#x}, {last:#x}}},"
        if len(line) + len(item) > 140:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")
    print(f"const std::span<const Range> {name} = {name}_ranges;")


def main():
    if unicodedata.unidata_version != "14.0.0":
        raise SystemExit(f"unicodedata is {unicodedata.unidata_version}, not 14.0.0")
    bert = normalizers.BertNormalizer
    lengths = lambda split: lambda text: len(split.pre_tokenize_str(text))  # noqa: E731
    print("// SPDX-License-Identifier: Apache-2.0")
    print(f"// Character sets of the `tokenizers` library {tokenizers.__version__}, measured on it. Written by scripts/make_unicode_tables.py: do not edit.")
    print('#include "text/unicode/tables.h"\n\nnamespace jang::text::tables {')
    print("// clang-format off")
    print_ranges("word", "Word characters (\\w) of the added tokens and of the Whitespace pre-tokenizer.",
                 between(lengths(pre_tokenizers.Whitespace()), 1))
    print_ranges("numeric", "Digits pre-tokenizer.", between(lengths(pre_tokenizers.Digits(individual_digits=True)), 3))
    print_ranges("punctuation", "Punctuation and Bert pre-tokenizers.", removed(pre_tokenizers.Punctuation("removed")))
    print_ranges("bert_removed", "Dropped by the Bert normalizer's clean_text.",
                 between(bert(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False).normalize_str, "ab"))
    print_ranges("bert_marks", "Dropped by the Bert normalizer's strip_accents, after NFD.",
                 between(bert(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False).normalize_str, "ab"))
    print_ranges("combining_marks", "Dropped by the StripAccents normalizer.", between(normalizers.StripAccents().normalize_str, "ab"))
    new = {c for c in CODE_POINTS if unicodedata.category(chr(c)) == "Cn"}
    names = []
    for kind, values in (("category", CATEGORIES), ("script", SCRIPTS)):
        for value in values:
            points = matched(f"\\p{{{value}}}") & new
            if points:
                names.append(value)
                print_ranges(f"newer_{value.lower()}", f"{kind.capitalize()} {value}.", points)
    print("\nconstexpr NamedRanges newer_rows[] = {")
    for value in names:
        print(f'    {{"{value}", newer_{value.lower()}_ranges}},')
    print("};\nconst std::span<const NamedRanges> newer = newer_rows;")
    print("// clang-format on\n\n}  // namespace jang::text::tables")


main()
