# SPDX-License-Identifier: Apache-2.0
"""Random templates over the variables of template_snippets.py: expressions of every operator, filter, test and method, with arguments that
are mostly of the right kind and sometimes not; and statements around them. The same seed gives the same templates.
"""

import random

NAMES = "s u lines pad n m f t no nil xs words mixed d people empty nothing nested quote quotes html undef".split()
BINARY = "+ - * / // % ~ == != < <= > >= in and or".split() + ["not in", "is eq", "is ne", "is in", "is lt"]
FILTERS = {
    "": "upper lower title capitalize trim length count list first last reverse string int float abs sort min max sum join tojson escape e safe "
    "dictsort default d indent".split(),
    "s": ["join({})", "default({})", "trim({})", "indent({})", "sort(attribute={})", "map(attribute={}) | list", "selectattr({}) | list", "sum({})"],
    "i": ["indent({})", "int({})", "replace('a', {})", "float({})", "select('ne', {}) | list"],
    "ss": ["replace({}, {})", "default({}, {})", "selectattr({}, 'eq', {}) | list", "map('replace', {}, {}) | list", "map(attribute={}, default={}) | list"],
}
TESTS = "defined undefined none string number integer float boolean mapping iterable sequence true false even odd callable".split()
METHODS = {
    "": "upper lower title capitalize strip lstrip rstrip split splitlines isdigit isalpha isalnum isspace keys values items".split(),
    "s": ["split({})", "rsplit({})", "strip({})", "startswith({})", "endswith({})", "find({})", "rfind({})", "count({})", "join({})", "get({})", "removeprefix({})", "removesuffix({})", "format({})"],
    "i": ["get({})", "split(none, {})", "rsplit(',', {})"],
    "ss": ["replace({}, {})", "get({}, {})", "split({}, 1)", "find({}, 1)", "rfind({}, 0, 5)"],
}
STRINGS = ["''", "'a'", "','", "' '", "'l'", "'name'", "'age'", "'tag.x'", "'upper'", "'string'", "'odd'", "'xy'", "'%s'", "'{}'", "'-'", "'0'", "'é'", "'k'", "'items'"]
NUMBERS = ["0", "1", "2", "-1", "3", "7", "1.5", "-2", "10", "true", "none"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, choices):
        return self.random.choice(choices)

    def text(self):
        return self.pick(STRINGS) if self.random.random() < 0.85 else self.pick(NAMES)

    def number(self):
        return self.pick(NUMBERS) if self.random.random() < 0.9 else self.pick(["n", "m", "t"])

    def filled(self, table):
        kind = self.pick(list(table))
        pattern = self.pick(table[kind])
        values = [self.number() if k == "i" else self.text() for k in kind]
        return pattern.format(*values) if kind else pattern

    def atom(self):
        return self.pick([self.pick(NAMES), self.pick(NAMES), self.text(), self.number()])

    def expression(self, depth):
        if depth == 0:
            return self.atom()
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        kind = self.random.randrange(12)
        if kind < 3:
            return f"({inner()} {self.pick(BINARY)} {inner()})"
        if kind < 6:
            return f"({inner()} | {self.filled(FILTERS)})"
        if kind == 6:
            return f"({inner()} is {self.pick(['', 'not '])}{self.pick(TESTS)})"
        if kind == 7:
            found = self.filled(METHODS)
            return f"({inner()}).{found if '(' in found else found + '()'}"
        if kind == 8:
            parts = [self.pick(["", self.number()]) for _ in range(3)]
            return f"{self.pick(NAMES)}[{':'.join(parts)}]"  # jinja folds slices of constants by other rules
        if kind == 9:
            return f"({inner()})[{self.pick([self.number(), self.text()])}]"
        if kind == 10:
            return f"({inner()} if {inner()} else {inner()})"
        return self.pick([f"[{inner()}, {inner()}]", f"({inner()},)", "{" + f"{self.text()}: {inner()}" + "}", f"(not {inner()})", f"(-{self.atom()})"])

    def statement(self):
        e = lambda depth=1: self.expression(depth)  # noqa: E731
        blank = lambda: self.pick(["", " ", "\n", "\n  ", " \n", "a", "\n\n"])  # noqa: E731
        tag = lambda inside: "{%" + self.pick(["", "-", "+"]) + f" {inside} " + self.pick(["", "-", "+"]) + "%}"  # noqa: E731
        body = lambda: blank() + "{{" + self.pick(["", "-"]) + " " + e() + " " + self.pick(["", "-"]) + "}}" + blank()  # noqa: E731
        kind = self.random.randrange(7)
        if kind == 0:
            return tag(f"if {e()}") + body() + tag(f"elif {e()}") + body() + tag("else") + blank() + tag("endif") + blank()
        if kind == 1:
            return tag(f"for x in {e()}") + body() + "{{ x }}{{ loop.index }}{{ loop.last }}" + tag("else") + blank() + tag("endfor")
        if kind == 2:
            return tag(f"for x in {e()} if {self.pick(['x', 'x is string', 'x != 1', 'n', 'not x'])}") + "{{ x }}" + blank() + tag("endfor")
        if kind == 3:
            name = self.pick(["q", "n", "s"])
            return tag(f"set {name} = {e()}") + blank() + "{{ " + name + " }}" + tag(f"if {e(0)}") + tag(f"set {name} = 1") + tag("endif") + "{{ " + name + " }}"
        if kind == 4:
            return tag(f"macro m(a, b={e(0)})") + body() + "{{ a }}{{ b }}" + tag("endmacro") + "{{ m(" + e() + ") }}"
        if kind == 5:
            return tag("set q") + body() + tag("endset") + "[{{ q }}]" + tag("filter upper") + body() + tag("endfilter")
        return tag(f"with a={e()}, b=a") + body() + "{{ b is defined }}" + tag("endwith") + "{#" + self.pick(["", "-"]) + " c " + self.pick(["", "-"]) + "#}" + blank()


def templates(seed, count):
    made = Generator(seed)
    for i in range(count):
        yield made.statement() if i % 4 == 0 else "{{ " + made.expression(1 + i % 3) + " }}"
