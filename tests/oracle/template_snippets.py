# SPDX-License-Identifier: Apache-2.0
"""Small templates, by subject, each compared with jinja2 under VARIABLES. They are chosen for the corners: what is undefined, what Python
prints, what the sandbox refuses, where white space goes.
"""

VARIABLES = {
    "s": "Hello, World",
    "u": "naïve ÄÖ ß 日本 😀",
    "lines": "a\nb\r\nc\n\n d\u2028e",
    "pad": "  x y\t\n",
    "n": 7,
    "m": -3,
    "f": 2.5,
    "big": 9007199254740993,
    "t": True,
    "no": False,
    "nil": None,
    "xs": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "d": {"b": 1, "a": 2, "items": "I", "keys": 5, "get": "G", "name": "dict"},
    "people": [{"name": "Ann", "age": 30, "tag": {"x": 1}}, {"name": "bob", "age": 25, "tag": {"x": 2}}, {"name": "Cid", "age": 30}],
    "empty": [],
    "nothing": "",
    "nested": {"list": [{"a": [1, 2, {"b": "c"}]}]},
    "quote": "it's",
    "quotes": "it's \"x\" \\ \n\t\x01",
    "html": "<a href='x'>&\"</a>",
}


def each(*expressions):
    return ["{{ " + e + " }}" for e in expressions]


SNIPPETS = {
    "literals": each(
        "1", "-1", "1_000", "1.5", "1e3", "1.5e-7", "1E+2", "'a'", '"b"', "'a' 'b' \"c\"", "'\\n\\t\\\\\\'\\x41\\u00e9\\U0001F600\\101'",
        "'\\q\\é'", "true", "True", "false", "none", "None", "[]", "[1, 'a', none]", "[1, 2,]", "()", "(1,)", "(1, 2)", "1, 2", "{}", "{'a': 1, 'b': [2]}", "{'a': 1,}",
        "{1: 2, true: 3, 1.0: 4, none: 5}", "{'a': 1, 'a': 2}", "'a\nb'", "007", "1.", "1.e5", ".5", "1__0", "1_", "'", "[", "{{", "0777",
        "9223372036854775807", "(1)", "((1, 2), 3)", "{'a': {'b': {}}}", "'}}'", "'%}'", "{'x': '}'}['x']",
    ),
    "numbers": each(
        "1 + 2", "n / 2", "6 / 3", "n // 2", "m // 2", "n % 3", "m % 2", "7 % -3", "-7 % 3", "-7 // 2", "7.5 // 2", "-7.5 // 2", "7.5 % 2", "-7.5 % 2",         "1 + 2 * 3 - 4 / 2", "(1 + 2) * 3", "1 / 0", "1 // 0", "1 % 0", "1.0 / 0", "0.1 + 0.2", "1e16", "1e15", "123456789.123", "1e-4", "1e-5", "1e22", "1e300 * 1e10", "-0.0",
        "100000000000000000.0", "big", "big + 1", "big * 1.0", "big == big * 1.0", "t + t", "t * 3", "-t", "+f", "-f", "1 == 1.0", "1 < 1.5 < 2", "1 < 3 < 2", "3 > 2 > 1", "1 == 1 == 1", "n - m - 1", "2 - -2",
        "1 if n > 3 else 2", "5.0", "5.0 | int", "7 / 7", "n ~ 1", "f ~ '' ~ 1.0", "3 * 'ab'", "'ab' * 2", "'ab' * -1", "[1] * 2", "2 * (1, 2)", "'a' + 1", "1 + 'a'", "'a' + none", "[1] + [2]", "(1,) + (2,)",
        "[1] + (2,)", "{} + {}", "'a' - 'b'", "none + 1", "1 - 1 == 0", "5 // 0.5", "5 % 0.3", "1e1000", "nothing * 5", "m | abs", "-n | abs", "-5 | abs",
    ),
    "comparison": each(
        "'a' < 'b'", "'a' < 'B'", "[1, 2] < [1, 3]", "[1] < [1, 0]", "(1, 2) == (1, 2)", "[1] == (1,)", "1 < 'a'", "none < 1", "none == none", "{} == {}", "{'a': 1} == {'a': 1.0}", "d == d", "'ä' > 'z'",
        "1 in xs", "9 in xs", "9 not in xs", "'a' in d", "'z' in d", "'ell' in s", "'' in s", "1 in s", "1 in none", "1 in 5", "[1] in d", "'a' in undef", "undef in xs", "undef == undef", "undef == none", "undef != 1",
        "undef < 1", "not undef", "undef and 1", "undef or 1", "1 and 2", "0 and 2", "0 or ''", "'' or 'x'", "not 1", "not not 1", "not 1 == 2", "1 in [1] == true", "true == 1", "xs == [3, 1, 2]", "xs != [3]",
        "'x' if undef", "'x' if undef else 'y'", "('x' if no)", "'a' if no else 'b' if no else 'c'", "1 if 0 else 2 if 0 else 3", "('x' if no) is defined", "('x' if no).y", "1 == true", "'1' == 1", "1 <= 1.0", "range(3) == range(3)",
        "[undef] == [undef]", "1 < 2 == true", "not (1 in xs)", "t is true and no is false", "(1 if undef) ~ 'x'",
    ),
    "access": each(
        "d.a", "d['a']", "d['items']", "d['keys']", "d['get']", "d.name", "d.zzz", "d['zzz']", "d.zzz.y", "d.zzz['y']", "d.zzz()", "d.items() | list", "d.keys() | list", "d.values() | list",
        "d.items() | length", "d.get('a')", "d.get('zz')", "d.get('zz', 5)", "d.get(key='a')", "d.update({})", "d.pop('a')", "d.pop", "d.clear", "d.setdefault('x', 1)", "d.update is defined", "d.items is defined", "d.__class__",
        "d.__class__ is defined", "''.__class__.__mro__", "d['__class__']", "s.__len__", "s._x", "xs.append(1)", "xs.append", "xs.append is defined", "xs.pop()", "xs.sort()", "xs[0]", "xs[-1]", "xs[9]", "xs[9].y",
        "xs['a']", "xs.0", "xs.9", "xs[1:]", "xs[:-1]", "xs[::-1]", "xs[::2]", "xs[5:]", "xs[-2:]", "xs[1:1]", "xs[::0]", "xs[none:2]", "xs['a':]", "xs[1.5]", "xs[true]", "s[0]", "s[-1]", "s[1:4]", "s[::-1]", "s[100]", "s[100:]", "u[2]", "u[-1]", "u[1:9]",
        "u[::-1]", "u[::3]", "u[-3:-1]", "s[::-2]", "xs[2::-1]", "xs[-1:-10:-1]", "(1,2,3)[1:]", "range(10)[2]", "range(10)[2:5] | list", "range(10)[20]", "n[0]", "n.x", "nil.x", "nil['x']", "nil.x.y", "undef.x", "undef['x']", "undef[0]", "undef[1:]", "undef()",
        "nested.list[0].a[2]['b']", "nested['list'][0]['a'][2].b", "nested.list.0.a.1", "d[[1]]", "d[1]", "people[0].name", "people.0.name", "people[0]['tag'].x", "people[2].tag", "people[2].tag.x", "people[-1].name", "s['upper']()", "xs[1,2]", "'abc'[1]", "{'a': 1}.a",
        "{'a': 1}['a']", "[1,2][0]", "s.nope", "s.nope()", "s.nope is undefined", "(d.zzz or {}).y", "(d.zzz or {}).y is defined", "xs.__add__", "mixed[6].k", "xs[n]", "xs[m]", "xs[m:]",
    ),
    "printing": each(
        "mixed", "d", "nested", "quote", "[quote]", "quotes", "[quotes]", "['\\'\"']", "u", "[u]", "['\\u00a0\\u200b\\xad\\ufeff\\U0001F600\\u0378']", "t", "nil", "[t, nil, 1.0, -0.0, 1e100]", "undef", "[undef]", "()", "('a',)", "{'a': (1,)}", "range(3)", "range(1, 9, 2)",
        "d.items()", "d.keys()", "d.values()", "{}.items()", "namespace(a=1)", "dict(a=1, b=2)", "dict({'x': 1}, y=2)", "dict([('a', 1)])", "dict()", "[[]]", "[{}]", "'a' ~ [1] ~ none", "1.0", "1e5", "123456.789e3", "[1e16, 1e-7]", "n ~ f ~ nil ~ t", "['\\x00\\x7f\\x80']",
        "[\"\\\\\"]", "xs | string", "nil | string", "t ~ ''", "{'a': undef}", "[none, true]|join(',')", "[1.5, 2.0]|join('|')",
    ),
    "string_methods": each(
        "s.upper()", "s.lower()", "s.title()", "s.capitalize()", "u.upper()", "u.lower()", "u.title()", "u.capitalize()", "'ΑΣ'.lower()", "'ΑΣ Σ ΣΑ'.lower()", "'ǆ ﬁ ŉ'.upper()", "'ǆ ﬁ'.title()", "'İ'.lower() | length", "'they\\'re bill\\'s'.title()",
        "pad.strip() ~ '|'", "pad.lstrip() ~ '|'", "pad.rstrip() ~ '|'", "'xxaxx'.strip('x')", "'abcba'.strip('ab')", "'xya'.lstrip('yx')", "'a\u00a0'.strip()", "s.strip(none)", "s.split()", "s.split(', ')", "s.split('')", "s.split(',', 1)", "'a b  c'.split(' ')", "'a b  c'.split()", "' a b '.split(none, 1)",
        "'a,b,c'.split(',', 1)", "'a,b,c'.rsplit(',', 1)", "'a b c'.rsplit(none, 1)", "' a b  c '.rsplit(maxsplit=1)", "'a,b,c'.split(sep=',', maxsplit=-1)", "''.split()", "''.split(',')", "'aXbXc'.split('X')[-1]", "lines.splitlines()", "lines.splitlines(true)", "''.splitlines()", "'a\\n'.splitlines()",
        "s.replace('l', 'L')", "s.replace('l', 'L', 2)", "s.replace('', '-')", "s.replace('', '-', 3)", "s.replace('zz', 'y')", "s.startswith('He')", "s.startswith(('x', 'H'))", "s.startswith('ell', 1)", "s.endswith('ld')", "s.endswith(('a', 'ld'))", "s.endswith('lo', 0, 5)", "s.startswith(1)",
        "s.startswith('')", "s.find('o')", "s.find('o', 5)", "s.find('zz')", "s.rfind('o')", "s.rfind('o', 0, 6)", "u.find('日')", "u.rfind('日')", "s.count('l')", "s.count('')", "u.count('')", "s.count('o', 5)", "s.find('')", "s.rfind('')", "s.find('H', -50)", "s.find('d', -1)",
        "','.join(['a', 'b'])", "','.join([1])", "''.join('abc')", "','.join({'a': 1})", "','.join(undef)", "'a'.join([])",         "'12'.isdigit()", "''.isdigit()", "'1²'.isdigit()", "'ab'.isalpha()", "'a1'.isalnum()", "'a b'.isalpha()", "' \\n'.isspace()", "''.isspace()", "'日本'.isalpha()",
        "s.removeprefix('He')", "s.removesuffix('ld')", "s.removeprefix('x')", "'{} {}'.format(1, 'a')", "'{1} {0}'.format(1, 'a')",         "'{{}} {}'.format(1)", "'{}'.format()", "'{'.format()", "'}'.format()", "'{0} {}'.format(1, 2)",
        "'{}'.format(none)", "'{}{}'.format([1], {})",                     ),
    "filters_text": each(
        "s | upper", "s | lower", "s | title", "'foo-bar (baz) [qux] {x} <y>' | title", "\"it's o'neill\" | title", "s | capitalize", "pad | trim ~ '|'", "'xxaxx' | trim('x')", "n | upper", "nil | upper", "undef | upper", "s | replace('l', 'L')", "s | replace('l', 'L', 1)", "s | replace('', '.')", "n | replace(7, 8)", "s | replace('o')", "xs | join", "xs | join(', ')",
        "xs | join(d='-')", "people | join(', ', attribute='name')", "people | join('|', 'age')", "'abc' | join('-')", "undef | join(',')", "5 | join", "d | join(',')", "[1, undef, none] | join(',')", "lines | indent", "lines | indent(2)", "lines | indent(2, true)", "lines | indent(first=true, width=1)", "lines | indent(2, blank=true)", "lines | indent('> ')", "'a' | indent", "'' | indent",
        "'a\\n' | indent", "5 | indent", "html | escape", "html | e", "html | e | e", "html | safe", "(html | safe) + '<'", "'<' + (html | e)",
        "html | e | upper", "html | e | length", "html | escape ~ '<'", "[html | e]", "n | string", "n | string | length", "u | length", "'é' | length", "undef | length", "5 | length", "nil | length", "d | length", "s | list", "u | list", "d | list", "5 | list", "s | reverse", "xs | reverse | list", "u | reverse", "d | reverse | list", "s | first", "s | last", "xs | first", "xs | last", "empty | first", "empty | last", "'' | first", "empty | first is defined",
        "d | first", "d | last", "5 | first", "undef | first", "undef | last", "(xs | map('string')) | last", "d.values() | first", "d.items() | last", "s | default('x')", "undef | default('x')", "undef | default", "nothing | default('x')", "nothing | default('x', true)", "nil | d('x')", "nil | d('x', boolean=true)", "undef.x | default('y')", "d.zzz | default('y')", "undef | d(undef2) | d('z')", "s | d('x') | upper",
        "'a' | float", "'1.5' | float", "' 1.5 ' | float", "'1_0.5' | float", "'inf' | float", "'nan' | float", "n | float", "nil | float", "nil | float(9)", "'x' | float('d')", "'42' | int", "'42.9' | int", "'x' | int", "'x' | int(5)", "' 7 ' | int", "'-7' | int", "'1_000' | int", "'1e3' | int", "f | int",
        "-2.9 | int", "nil | int", "t | int", "undef | int", "[] | int", "'' | int", "m | abs", "-2.5 | abs", "'x' | abs",         "'  ' | trim | length", "xs | nofilter if no else 'k'", "xs | nofilter",
    ),
    "filters_sequence": each(
        "xs | sort", "xs | sort(true)", "xs | sort(reverse=true)", "words | sort", "words | sort(case_sensitive=true)", "people | sort(attribute='age') | map(attribute='name') | list", "people | sort(attribute='name', reverse=true) | map(attribute='name') | join", "mixed | sort", "d | sort", "'cba' | sort", "[[2, 1], [1, 2]] | sort", "[1, 2.5, true] | sort",
        "[none, none] | sort", "undef | sort", "people | sort(attribute='zz')", "d | dictsort", "{'b': 1, 'A': 2, 'c': 0} | dictsort", "{'b': 1, 'A': 2, 'c': 0} | dictsort(true)", "{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value')", "{'b': 1, 'A': 2} | dictsort(false, 'value', true)", "d | dictsort(by='x')", "xs | dictsort", "[1, 2, 1, 'a', 'A', true] | unique | list", "['a', 'A'] | unique(true) | list",
        "people | unique(attribute='age') | map(attribute='name') | list", "[[1]] | unique | list", "xs | min", "xs | max", "words | min", "words | max", "words | max(true)", "people | min(attribute='age')", "empty | min", "mixed | min", "empty | max is defined", "xs | sum", "people | sum('age')", "people | sum(attribute='age', start=10)", "words | sum", "[[1], [2]] | sum(start=[])", "empty | sum", "xs | sum(start='a')", "[1.5, 2] | sum",
        "xs | map('string') | list", "words | map('upper') | join", "words | map('replace', 'a', 'z') | list", "people | map(attribute='name') | list", "people | map(attribute='tag.x') | list", "people | map(attribute='tag', default='q') | list", "people | map(attribute='zz') | list", "people | map(attribute='zz', default='q') | list", "people | map(attribute='tag.x', default={'x': 5}) | list", "people | map(attribute='zz.name', default=people[0]) | list", "people | map(attribute='a.b', default='u') | list", "xs | map('nofilter') | list", "xs | map | list", "undef | map('upper') | list", "[[1, 2], [3]] | map('length') | list",
        "[[1, 2], [3]] | map(attribute=0) | list", "xs | map('string', foo=1) | list", "xs | map(attribute='a', foo=1) | list", "5 | map('string') | list", "xs | select('odd') | list", "xs | select('gt', 1) | list", "xs | select('in', [1, 2]) | list", "mixed | select | list", "mixed | reject | list", "mixed | select('string') | list", "xs | reject('odd') | list", "xs | select('nope') | list", "xs | select('>', 1) | list", "undef | select | list", "5 | select | list",
        "people | selectattr('tag') | map(attribute='name') | list", "people | selectattr('tag', 'defined') | list | length", "people | selectattr('age', 'equalto', 30) | map(attribute='name') | list", "people | selectattr('age', '==', 30) | list | length", "people | rejectattr('age', 'eq', 30) | map(attribute='name') | list", "people | selectattr('tag.x', 'eq', 1) | list | length", "people | selectattr('zz.y') | list", "people | selectattr('name', 'in', ['Ann']) | first", "people | rejectattr('tag') | list | length",
        "(people | selectattr('age')) | length", "(people | selectattr('age')) is iterable", "(people | selectattr('age')) is sequence", "(people | selectattr('zz'))[0]", "(people | map(attribute='name'))[0] is defined", "1 if (empty | select) else 2", "d | items | list", "undef | items | list", "xs | items | list",         "xs | count", "range(5) | length", "range(2, 10, 3) | list", "range(5, 0, -2) | list", "range(0) | list", "range(100001)", "range(100000) | length", "range(1, 2, 0)",
        "range('a')", "range()", "range(2.0)", "range(-5, 5) | list", "range(n) | sum", "xs | list | length", "(1, 2) | list", "xs | first | string", "d.items() | map('first') | list", "d.items() | sort | list | first", "d.keys() | sort | join", "xs | reverse | first", "xs | join(none)", "[xs, words] | map('join', '-') | list", "xs | tojson | length",
    ),
    "tojson": each(
        "mixed | tojson", "d | tojson", "nested | tojson(indent=2)", "nested | tojson(indent=0)", "mixed | tojson(indent='--')", "u | tojson", "u | tojson(ensure_ascii=true)", "quotes | tojson", "html | tojson", "d | tojson(sort_keys=true)", "d | tojson(separators=(',', ':'))", "d | tojson(indent=1, separators=(', ', '='))", "undef | tojson", "[undef] | tojson", "nil | tojson", "1.0 | tojson", "1e22 | tojson", "[1e-7, 0.1] | tojson",
        "t | tojson", "(1, 2) | tojson", "{1: 2, none: 3, true: 4, 1.5: 6} | tojson", "{(1, 2): 3} | tojson", "[] | tojson(indent=2)", "{} | tojson(indent=2)", "[[], {}] | tojson(indent=2)", "range(3) | tojson", "d.items() | tojson", "(xs | map('string')) | tojson", "'\\u2028\\x7f\\x00' | tojson", "namespace() | tojson", "d | tojson(indent=4) | length", "d | tojson(true)", "d | tojson(false, 2)", "('inf' | float) | tojson", "('nan' | float) | tojson", "{'a': {'b': [1, {'c': none}]}} | tojson(indent=2)", "d | tojson(foo=1)",
        "(html | e) | tojson", "'</script>' | tojson", "people | tojson(indent=4, ensure_ascii=false, sort_keys=true, separators=(',', ': '))", "s | tojson | tojson",
    ),
    "tests": each(
        "s is defined", "undef is defined", "undef is undefined", "undef is not defined", "d.zzz is defined", "d.a is defined", "d['a'] is defined", "nil is none", "undef is none", "s is string", "n is string", "n is number", "t is number", "f is number", "s is number", "n is integer", "t is integer", "f is float", "n is float", "t is boolean", "n is boolean", "t is true", "n is true", "1 is true", "no is false", "0 is false", "d is mapping",
        "xs is mapping", "xs is iterable", "s is iterable", "n is iterable", "nil is iterable", "d is iterable", "undef is iterable", "xs is sequence", "s is sequence", "d is sequence", "n is sequence", "d.items() is sequence", "d.items() is iterable", "range(3) is sequence", "undef is sequence", "n is even", "n is odd", "f is even", "s is even", "n is divisibleby(7)", "n is divisibleby 7", "n is divisibleby 0", "nil is odd", "n is eq 7", "n is equalto(7)", "n is sameas 7", "nil is sameas none", "d is sameas d",
        "xs is sameas [3, 1, 2]", "n is lt 8", "n is gt(8)", "n is ge 7", "n is le 6", "n is ne 7", "n is greaterthan 3", "n is lessthan 3", "n is lt 'a'", "1 is in xs", "1 is in(xs)", "1 is not in xs", "'a' is in d", "range is callable", "s is callable", "s.upper is callable", "d.items is callable", "undef is callable", "namespace is callable",         "s is nope", "s is nope if no else 1", "s is defined is true", "s is string and n is number", "not s is string", "s is not string", "s is string == true", "1 if s is defined else 2", "s is defined or 1", "n is eq n + 0", "n is eq(n) + 1", "n is divisibleby 7 and t", "xs is eq [3, 1, 2]", "'x' is in ['x', 'y'] and t", "n is in range(10)", "(n is odd) ~ 'x'", "n is number is true", "-1 is number", "s is string | upper", "n is none or n is number", "none is eq none", "s.upper is defined",
    ),
    "statements": [
        "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if no %}a{% endif %}b", "{% if undef %}a{% else %}b{% endif %}", "{% if n %}{% if m %}x{% endif %}{% endif %}", "{% if xs and d %}y{% endif %}", "{% if not empty %}y{% endif %}",
        "{% for x in xs %}{{ x }},{% endfor %}", "{% for x in empty %}a{% else %}b{% endfor %}", "{% for x in undef %}a{% else %}b{% endfor %}", "{% for x in nil %}a{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}",
        "{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }},{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in ['xy'] %}{{ a ~ b }}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
        "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}", "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in xs %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "{% for x in xs %}{{ loop.zzz }}{% endfor %}", "{% for x in xs %}{{ loop.zzz.y }}{% endfor %}", "{{ loop }}", "{{ loop.index }}",
        "{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}:{{ loop.length }}:{{ loop.last }} {% endfor %}", "{% for x in xs if x > 9 %}a{% else %}none{% endfor %}", "{% set ns = namespace(go=true) %}{% for x in range(5) if ns.go %}{{ x }}{% if x == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}", "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% for x in xs %}{% set outer = loop %}{% for y in words %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
        "{% for x in range(10) %}{% if x == 3 %}{% continue %}{% endif %}{% if x == 6 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in xs %}{% break %}{% else %}e{% endfor %}z", "{% break %}", "{% for x in xs %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% for x in xs %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% for y in xs %}{{ x }}{% set x = x + y %}{% endfor %}{{ x }}", "{% for y in xs %}{{ x }}{% set x = y %}{{ x }}{% endfor %}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% if no %}{% set x = 2 %}{% endif %}{{ x }}|{{ x is defined }}", "{% if no %}{% set n = 2 %}{% endif %}{{ n }}",
        "{% for x in xs %}{{ n }}{% set n = x %}{% endfor %}{{ n }}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}", "{% macro m() %}{{ q }}{% endmacro %}{{ m() }}{% set q = 1 %}{{ m() }}", "{% set n = n + 1 %}{{ n }}", "{% for i in [1] %}{{ q }}{% endfor %}{% set q = 2 %}", "{% for i in [1] %}{{ n }}{% endfor %}{% set n = 2 %}", "{% for x in x %}a{% else %}b{% endfor %}", "{% for xs in xs %}{{ xs }}{% endfor %}{{ xs }}", "{% for loop in xs %}{% endfor %}", "{{ 1 }}",
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set (a, b) = 'xy' %}{{ b }}", "{% set a = 1, %}{{ a }}", "{% set a %}b{{ n }}{% endset %}[{{ a }}]", "{% set a | upper %}b{{ n }}{% endset %}[{{ a }}]", "{% set a | trim | upper %} b {% endset %}[{{ a }}]", "{% set ns = namespace(a=1, b='x') %}{% for x in xs %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}{{ ns.b }}", "{% set ns = namespace() %}{% set ns.x = [1] %}{{ ns.x }}{{ ns.y }}{{ ns.y is defined }}", "{% set d.x = 1 %}", "{% set undef.x = 1 %}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}",
        "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.b }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{{ namespace(_x=1) }}", "{% set ns = namespace(x=1) %}{{ ns['x'] }}{{ ns['y'] is defined }}", "{% set ns = namespace() %}{% set ns.t %}abc{% endset %}{{ ns.t }}", "{% set ns = namespace(x=0) %}{{ ns == ns }}{{ ns == namespace(x=0) }}", "{% set true = 1 %}", "{% set 1 = 1 %}", "{% set x %}", "{% set x = %}", "{% set x = 1 %}{% set y = x %}{{ y }}", "{% set xs = xs + [4] %}{{ xs }}", "{% set x = [] %}{% set _ = x.append(1) %}{{ x }}",
        "{% macro m(a, b=2, c=b) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 5) }} {{ m(c=1, a=2) }} {{ m() }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a=1, b) %}{% endmacro %}",
        "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% macro m() %} x {% endmacro %}[{{ m() }}][{{ m() | trim }}][{{ m() | length }}]", "{% macro m() %}{% set z = 1 %}{% endmacro %}{{ m() }}{{ z is defined }}",         "{% macro a() %}A{% macro b() %}B{% endmacro %}{{ b() }}{% endmacro %}{{ a() }}{{ b is defined }}", "{% if t %}{% macro m() %}M{% endmacro %}{% endif %}{{ m() }}", "{{ m() }}{% macro m() %}M{% endmacro %}", "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(messages) %}{{ messages }}{% endmacro %}{{ m(xs) }}", "{% macro m(x, caller=1) %}{{ caller }}{% endmacro %}{{ m(2) }}", "{% macro m(*a) %}{% endmacro %}",
        "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aac{% endfilter %}", "{% filter nope %}{% endfilter %}", "{% with a=1, b=2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% set a = 5 %}{% with a=1, b=a %}{{ a }}{{ b }}{% endwith %}", "{% with a, b = (1, 2) %}{{ b }}{% endwith %}",
        "{% raw %}{{ x }}{% if %}{% endraw %}!", "{% raw -%}  a {%- endraw %} b", "{%- raw %} a {% endraw -%}  b", "{% raw %}\n x\n{% endraw %}\ny", "{# c #}a{#- c -#} b", "a {#- x #} b", "{# {{ }} {% #}x", "{#", "{% raw %}", "{{ 1 }", "{% if %}", "{% if 1 %}", "{% endif %}", "{% for x in xs %}{% endif %}", "{% nope %}", "{%%}", "{{ }}", "{{}}", "{{ n }} {{- n }} {{ n -}} {{ n }}", "{% generation %}a{{ n }}{% endgeneration %}", "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}",
        "{{ raise_exception('no') }}", "{% if no %}{{ raise_exception('no') }}{% endif %}ok", "{{ raise_exception(1) }}", "{{ raise_exception() }}", "{{ raise_exception('a' ~ n ~ [1]) }}", "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}", "{{ strftime_now('%d %B %Y, %A %b %a %j %y %I %p %e') }}", "{{ strftime_now('%-d %%') }}", "{{ strftime_now() }}", "{{ strftime_now is defined }}", "{% set strftime_now = 1 %}{{ strftime_now }}", "{{ 2 }}",
        "{% do xs %}", "{% trans %}x{% endtrans %}", "{% debug %}",
        "{% if 1 -%} a {%- else -%} b {%- endif -%} c", "{%+ if 1 %} a{% endif %}", "   {%+ if 1 %}a{% endif +%}\nb", "{% if 1 %}\n  a\n  {% endif %}\nb", "  {% if 1 %}  a  {% endif %}  b", "a\n  {{ n }}\n  b", "a\n{%- if 1 %}\nb\n{%- endif %}\nc", "{{ n }}\n", "{{ n }}\n\n", "\n{{ n }}", "a\r\nb\rc\n", "{% set x = 1 %}\n{% set y = 2 %}\n\n{{ x }}", "{% for x in xs -%}\n  {{ x }}\n{%- endfor %}", "{% for x in xs %}\n  {{- x }}\n{% endfor %}", "\t{% if 1 %}\tx{% endif %}", "a {% if 1 %}b{% endif %}\nc", "x{# c #}\ny", "  {# c #}  \ny", "{#- c #}\n y", "{{ 'a' -}}\n\n {{- 'b' }}", "{{ 3 }}",
        "{{ 'a\nb' }}\n{{ n }}", "{% if (1,\n2) %}x{% endif %}", "{{ {\n'a': 1} }}", "{%if n%}x{%endif%}", "{{n}}{{-n-}}{{n}}", "{%-if n-%} x {%-endif-%}", "a\u00a0{%- if 1 %}x{% endif %}", "{{ '\u00e9' }}é{{ 'x' }}", "{{ n\u00a0}}", "{{ é }}", "{% set é = 1 %}{{ é }}", "{{ n.__class__ }}", "{{ ''.join(['a']) }}", "{{ xs.__len__() }}", "{{ 4 }}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}",
        "{{ n|string|length }}", "{{ -n|abs }}", "{{ not n|string }}", "{{ 'a' ~ 'b'|upper }}", "{{ 1 + 2|string|length }}", "{{ n is odd|string }}", "{{ (n is odd)|string }}", "{{ -xs[0] }}", "{{ -n.x }}", "{{ xs|first + 1 }}", "{{ s.split(',')[0].strip()|upper }}", "{{ s|upper|lower|title }}", "{{ [1,2,3]|sum ~ 'x' }}", "{{ 'a'.upper().lower()[0] }}", "{{ 2 * 3 ~ 4 }}", "{{ 1 ~ 2 + 3 }}", "{{ 1 + 1 ~ 2 }}", "{{ 4 ~ 2 * 3 }}", "{{ 'x' if n and not m or t else 'y' }}", "{{ n if n else m if m else 0 }}", "{{ n == 7 and m == -3 }}", "{{ 1 < 2 and 2 < 3 }}", "{{ not n in xs }}", "{{ n not in xs and t }}",
        "{{ (n, m)[0] }}", "{{ [n, m][-1] }}", "{{ {'a': n}['a'] }}", "{{ ('a' 'b').upper() }}", "{{ 'a' 'b' | upper }}", "{{ [x for x in xs] }}", "{{ lambda: 1 }}", "{{ xs[0] = 1 }}", "{{ n := 1 }}", "{{ n; }}", "{{ a.b.c }}", "{{ d.a.b.c }}", "{{ `x` }}", "{{ @ }}", "{{ n & 1 }}", "{{ n ! 1 }}", "{{ n $ }}", "{{ n != 1 }}", "{{ n <> 1 }}", "{{ n, }}", "{{ , }}", "{{ (n }}", "{{ n) }}", "{{ [n) }}", "{{ n..a }}", "{{ .a }}", "{{ d.'a' }}", "{{ d.1 }}", "{{ 1.a }}", "{{ 1.5.a }}", "{{ s|upper() }}", "{{ s|upper(1) }}", "{{ s | }}", "{{ s is }}", "{{ | upper }}", "{{ s|9 }}", "{{ s is 9 }}", "{{ f(x=1, 2) }}", "{{ f(a=1, a=2) }}",
    ],
}

# Valid for jinja2, refused here: what the message says, and templates.
REFUSED = {
    "64 bits": each(
        "12345678901234567890", "9223372036854775807 + 1", "'99999999999999999999' | int", "1e300 | int", "-9223372036854775807 - 2", "9223372036854775807 * 2",
    ),
    "formatting with the operator %": each("'%s' % 'x'", "'%s %s' % ('a', 1)", "'%(a)s' % {'a': 1}", "s % n", "'%05.1f' % f"),
    "of str.format()": each("'{:>5}'.format(1)", "'{!r}'.format('x')", "'{0.a}'.format(d)", "'{a[0]}'.format(a=xs)", "'{:{}}'.format('a', 5)"),
    "of strftime_now()": each("strftime_now('%U')", "strftime_now('%d %c')", "strftime_now('%_d')"),
    "the operator **": each("2 ** 10", "-n ** 2", "(n) ** 0.5"),
    "in another base than ten": each("0x1F", "0b101", "0o17"),
    "the argument 'base' of the filter 'int'": each("'0x1f' | int(0, 16)", "'ff' | int(base=16)"),
    "sorting by several attributes": each("people | sort(attribute='age,name')"),
    "\\N{...} in a string": each("'\\N{BULLET}'"),
    "* in a call": each("range(*[1, 4]) | list", "dict(**{'a': 1})"),
    "of a macro": ["{% macro m() %}{{ " + name + " }}{% endmacro %}{{ m() }}" for name in ("varargs", "kwargs", "caller")],
    "a recursive for loop": ["{% for x in xs recursive %}{{ x }}{% endfor %}"],
    "tag 'block'": ["{% block a %}x{% endblock %}"],
    "tag 'autoescape'": ["{% autoescape true %}x{% endautoescape %}"],
    "tag 'call'": ["{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}"],
    "tag 'print'": ["{% print n %}"],
    "filter 'groupby'": each("people | groupby('age') | list", "[people] | map('groupby', 'age') | list"),
    "test 'escaped'": each("s is escaped", "[s] | select('escaped') | list"),
    "str method 'center'": each("s.center(20)", "s['center'](20)"),
    "list method 'index'": each("xs.index(1)"),
    "loop method 'changed'": ["{% for x in xs %}{{ loop.changed(x) }}{% endfor %}"],
}
