# SPDX-License-Identifier: Apache-2.0
"""Chat templates against jinja2 as transformers sets it up: every template found renders the same text, or fails where jinja2 fails.

Templates come from --templates DIR (any number of .jinja files below it), from the model directories, and from installed packages; the
snippets of template_snippets.py are templates of their own. A template jinja2 itself cannot compile must not compile here.
"""

import json
import os
import subprocess
from pathlib import Path

from chat_inputs import variable_sets
from harness import Fail, Skip, require
from template_random import templates
from template_snippets import REFUSED, SNIPPETS, VARIABLES

EXIT_UNSUPPORTED = 4
NOW = 1735689600  # 2025-01-01T00:00:00Z
MAX_LISTED = 5
REFUSED_AT_RANDOM = ("formatting with the operator %", "list method 'count'", "tuple method 'count'")


def compile_reference(source):
    """The environment of transformers with a fixed clock."""
    import datetime

    from transformers.utils.chat_template_utils import _compile_jinja_template

    template = _compile_jinja_template(source)
    moment = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)
    template.globals["strftime_now"] = moment.strftime
    return template


def reference(template, variables):
    """('text', text) or ('error', message)."""
    try:
        return "text", template.render(**variables)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"


class Program:
    """`jang template` on one template file."""

    def __init__(self, context, source, name):
        self.binary = context.binary
        self.directory = context.directory
        self.template = context.directory / f"{abs(hash((name, source)))}.jinja"
        self.template.write_text(source, encoding="utf-8", newline="")
        self.variables = context.directory / "variables.json"

    def render(self, variables):
        self.variables.write_text(json.dumps(variables, ensure_ascii=False), encoding="utf-8")
        done = subprocess.run(
            [self.binary, "template", str(self.template), "-f", str(self.variables), "--now", str(NOW)],
            capture_output=True,
            timeout=60,
            env={**os.environ, "NO_COLOR": "1"},
        )
        if done.returncode == 0:
            return "text", done.stdout.decode("utf-8")
        return "unsupported" if done.returncode == EXIT_UNSUPPORTED else "error", done.stderr.decode("utf-8", "replace")


def difference(ours, theirs):
    if ours[0] == "unsupported" and theirs[0] == "error":
        return None
    if ours[0] != theirs[0]:
        return f"{ours[0]} {ours[1][-300:]!r} against {theirs[0]} {theirs[1][-300:]!r}"
    if ours[0] == "error":
        raised = theirs[1].removeprefix("TemplateError: ")
        if theirs[1].startswith("TemplateError: ") and raised.split("\n")[0][:100] not in ours[1]:
            return f"the message {raised!r} is not in {ours[1]!r}"
        return None
    if ours[1] == theirs[1]:
        return None
    at = next((i for i, (a, b) in enumerate(zip(ours[1], theirs[1])) if a != b), min(len(ours[1]), len(theirs[1])))
    return f"character {at}: {ours[1][max(0, at - 30) : at + 40]!r} against {theirs[1][max(0, at - 30) : at + 40]!r}"


def renders_the_same(context, name, source):
    program = Program(context, source, name)
    try:
        template = compile_reference(source)
    except Exception as error:
        kind, message = program.render({})
        require(kind != "text", f"jinja2 cannot compile it ({error}), we can")
        return "does not compile"
    wrong, n, failing = [], 0, 0
    for title, variables in variable_sets(context.quick):
        theirs = reference(template, variables)
        found = difference(program.render(variables), theirs)
        n += 1
        failing += theirs[0] == "error"
        if found:
            wrong.append(f"{title}: {found}")
    if wrong:
        raise Fail(f"{len(wrong)} of {n} differ; " + "; ".join(wrong[:MAX_LISTED]))
    return f"{n} renders, {failing} of them errors in both"


def reference_of(source):
    try:
        template = compile_reference(source)
    except Exception as error:
        return "error", str(error)
    return reference(template, VARIABLES)


def snippet_group(context, title, sources):
    wrong = []
    for source in sources:
        program = Program(context, source, title)
        found = difference(program.render(VARIABLES), reference_of(source))
        if found:
            wrong.append(f"{source!r}: {found}")
    if wrong:
        raise Fail(f"{len(wrong)} of {len(sources)} differ; " + "; ".join(wrong[: 4 * MAX_LISTED]))
    return f"{len(sources)} snippets"


def random_group(context, seed, count):
    """Templates whose reference text shows an address of a Python object are left out, and those that come upon what is refused."""
    sources = [s for s in templates(seed, count) if " at 0x" not in reference_of(s)[1].lower()]
    kept = []
    for source in sources:
        kind, message = Program(context, source, "random").render(VARIABLES)
        if kind != "unsupported" or not any(words in message for words in REFUSED_AT_RANDOM):
            kept.append(source)
    require(len(kept) > 0.9 * len(sources), f"{len(sources) - len(kept)} of {len(sources)} are refused")
    return snippet_group(context, "random", kept)


def refused(context):
    """What jinja2 renders and we refuse is refused by name."""
    for words, sources in REFUSED.items():
        for source in sources:
            kind, message = Program(context, source, "refused").render(VARIABLES)
            require(kind != "text", f"{source!r} gave {message!r}")
            require(words in message, f"{source!r} is refused with {message!r}, which does not say {words!r}")
    return f"{sum(map(len, REFUSED.values()))} snippets"


def names_of_jinja():
    """(expression, what it is, name): everything jinja2 and the immutable sandbox offer a template by name."""
    environment = compile_reference("").environment
    for name in environment.filters:
        yield f"s | {name}", "filter", name
    for name in environment.tests:
        if name.isalpha():
            yield f"s is {name}", "test", name
    for name in environment.globals:
        yield f"{name} is defined", "function", name
    for value, kind in (("s", str), ("xs", list), ("(1,)", tuple), ("d", dict)):
        for name in dir(kind):
            if environment.is_safe_attribute(kind(), name, getattr(kind, name)):
                yield f"{value}.{name} is defined", f"{kind.__name__} method", name


def every_name_is_known(context):
    """A name of jinja2's is offered or refused by name: never taken for a mistake, or for an attribute that is not there."""
    wrong, n, refusals = [], 0, 0
    for expression, what, name in names_of_jinja():
        kind, message = Program(context, "{{ " + expression + " }}", "name").render(VARIABLES)
        n += 1
        refusals += kind == "unsupported"
        if kind == "unsupported":
            good = f"{what} '{name}' is not supported in chat templates" in message
        else:
            good = "there is no" not in message and (kind != "text" or not expression.endswith("is defined") or message == "True")
        if not good:
            wrong.append(f"{expression!r}: {kind} {message!r}")
    if wrong:
        raise Fail(f"{len(wrong)} of {n}: " + "; ".join(wrong[: 4 * MAX_LISTED]))
    return f"{n} names, {refusals} of them refused"


def templates_of_models(directory):
    for config in sorted(directory.glob("*/tokenizer_config.json")):
        found = json.loads(config.read_text(encoding="utf-8")).get("chat_template")
        if isinstance(found, str):
            yield config.parent.name, found


def found_templates(context):
    extra = getattr(context, "templates", None)
    if extra:
        for path in sorted(Path(extra).rglob("*.jinja")):
            yield str(path.relative_to(extra)), path.read_text(encoding="utf-8")
    if context.models and context.models.is_dir():
        yield from templates_of_models(context.models)
    import transformers

    for path in sorted(Path(transformers.__file__).resolve().parent.parent.glob("*/**/chat_template*.jinja")):
        yield str(path.relative_to(path.parents[3])), path.read_text(encoding="utf-8")


def no_template(context):
    raise Skip("no chat template on this machine; give a directory of them with --templates")


def cases(context):
    for title, sources in SNIPPETS.items():
        yield f"template_snippets_{title}", lambda t=title, s=sources: snippet_group(context, t, s)
    for seed in range(1 if context.quick else 5):
        yield f"template_random_{seed}", lambda s=seed: random_group(context, s, 400)
    yield "template_snippets_refused", lambda: refused(context)
    yield "template_names", lambda: every_name_is_known(context)
    found = list(found_templates(context))
    for name, source in found:
        yield f"template_{name}", lambda n=name, s=source: renders_the_same(context, n, s)
    if not found:
        yield "template_found", lambda: no_template(context)
