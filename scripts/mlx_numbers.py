# SPDX-License-Identifier: Apache-2.0
"""What a class of mlx-lm makes of the numbers and switches of a config: the shapes of its attention and the modules with a bias.

Used by make_loader_table.py. A class is built tiny again and again, one number or switch changed at a time. The formula of a dimension is the
simplest of a list (FORMS) that agrees with every build; a dimension that none explains, or that differs between layers, has no formula. In a
formula "key!" stands for a key that the config must have; "head_dim" and "num_key_value_heads" without the mark are what the class derives
where the config has none: hidden_size / num_attention_heads and num_attention_heads.
"""

import dataclasses
import itertools
import re

import mlx_classes
import mlx_lm.utils

HEADS, KV, HEAD, HIDDEN = "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size"
# Numbers changed alone, then together, for classes that demand that they agree.
CHANGES = ({HEADS: 8}, {KV: 4}, {HEAD: 48}, {HEAD: 16}, {HIDDEN: 96}, {HEADS: 8, HEAD: 8}, {HIDDEN: 96, HEAD: 24}, {HEADS: 8, KV: 8}, {HEADS: 2, KV: 2},
           {HIDDEN: 128, HEAD: 32})
REMOVED = (HEAD, KV)
OF_ATTENTION = re.compile(r"attn|attention|mixer")
FORMS = (HIDDEN, HEAD, f"{HIDDEN}/{HEADS}", f"{HEADS}*{HEAD}", f"{KV}*{HEAD}", f"2*{HEADS}*{HEAD}", f"{KV}*{HIDDEN}/{HEADS}", f"{HEADS}*{HEAD}+2*{KV}*{HEAD}",
         f"{HIDDEN}+2*{KV}*{HIDDEN}/{HEADS}", f"3*{HIDDEN}", f"3*{HEADS}*{HEAD}")
# Keys that configs leave null where they have nothing to say.
NULLABLE = ("rope_scaling", "rope_parameters", "head_dim", "num_key_value_heads", "q_lora_rank", "sliding_window", "layer_types", "n_inner")


def pattern(name):
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)


def changed(settings, changes, removed=()):
    """The settings with numbers changed where the language model's stand."""
    copy = {**settings, "text_config": dict(settings["text_config"])} if "text_config" in settings else dict(settings)
    text = copy.get("text_config", copy)
    text.update(changes)
    for key in removed:
        text.pop(key, None)
    return copy


def text_of(settings):
    return settings.get("text_config", settings)


def shapes(settings):
    """Pattern -> set of shapes over the layers; None when the class refuses the settings."""
    try:
        made = mlx_classes.parameters(mlx_classes.skeleton(settings))
    except Exception:
        return None
    found = {}
    for name, value in made.items():
        found.setdefault(pattern(name), set()).add(tuple(value.shape))
    return found


def names(settings):
    """Names of the parameters; None when the class refuses the settings."""
    try:
        return set(mlx_classes.parameters(mlx_classes.skeleton(settings)))
    except Exception:
        return None


def evaluate(formula, text, derive):
    """The number, or None when a key is absent or a quotient not whole."""
    total = 0
    for product in formula.split("+"):
        value = 1
        for operator, word in re.findall(r"([*/]|^)([^*/]+)", product):
            if word.isdigit():
                number = int(word)
            else:
                number = text.get(word)
                if number is None and derive and word == HEAD:
                    number = text[HIDDEN] // text[HEADS]
                if number is None and derive and word == KV:
                    number = text.get(HEADS)
            if number is None:
                return None
            if operator == "/":
                if value % number:
                    return None
                value //= number
            else:
                value *= number
        total += value
    return total


def marked(formula, observations):
    """The formula with "!" behind keys whose absence the class settles in a way of its own."""
    for key in REMOVED:
        absent = [(text, n) for text, n in observations if key not in text]
        if key in formula and not (absent and all(evaluate(formula, text, True) == n for text, n in absent)):
            formula = re.sub(rf"\b{key}\b", key + "!", formula)
    return formula


def formula_of(observations):
    """observations: [(the language model's settings, dimension)]."""
    if len({n for _, n in observations}) < 2:
        return None
    given = [(text, n) for text, n in observations if all(key in text for key in REMOVED)]
    for form in FORMS:
        if all(evaluate(form, text, False) == n for text, n in given):
            return marked(form, observations)
    return None


def kept_norms(trials):
    """Modules (patterns) of attention norms that the class takes from every source under their own name and in their own shape."""
    def kept(trial):
        return {pattern(n.removesuffix(".weight")) for n, v in trial.source.items() if v.ndim == 1 and n.endswith("norm.weight")
                and re.search(r"(attn|attention|mixer)\.", n) and n in trial.expected and trial.expected[n].shape == v.shape}
    return set.intersection(*map(kept, trials))


def attention_shapes(name, modules):
    """[(module pattern, rows, columns)] of those modules (patterns) that have heads in their shape; a norm has no columns ("")."""
    base = mlx_classes.config(name)
    if HEADS not in text_of(base):
        return []
    settings = [base, *(changed(base, c) for c in CHANGES), *(changed(base, {}, (key,)) for key in REMOVED)]
    builds = [(text_of(s), made) for s, made in ((s, shapes(s)) for s in settings) if made is not None]
    found = []
    for module in sorted(modules):
        seen = [(text, made.get(f"{module}.weight", set())) for text, made in builds]
        ranks = {len(next(iter(each))) for _, each in seen if len(each) == 1}
        if any(len(each) != 1 for _, each in seen) or ranks not in ({1}, {2}):
            continue
        sides = [formula_of([(text, next(iter(each))[side]) for text, each in seen]) for side in range(*ranks)]
        by_heads = any(side and (HEADS in side or KV in side or HEAD in side) for side in sides)
        of_attention = OF_ATTENTION.search(module) and not re.search(r"mlp|expert", module)
        if all(sides) and (by_heads or of_attention):
            found.append((module, *sides, *[""] * (2 - len(sides))))
    return found


def switches(settings):
    """Fields of the class's arguments, at the top and in text_config, that are true or false: ({field: other value}, where)."""
    _, arguments_class = mlx_lm.utils._get_classes(config=settings)
    arguments = arguments_class.from_dict(settings)
    found = []
    for place in (arguments, getattr(arguments, "text_config", None)):
        if dataclasses.is_dataclass(place):
            found += [{f.name: not getattr(place, f.name)} for f in dataclasses.fields(place)
                      if isinstance(getattr(place, f.name), bool) and f.name != "tie_word_embeddings"]
    text = text_of(settings)
    return [*found, *({k: not v} for k, v in text.items() if isinstance(v, bool) and k != "tie_word_embeddings")]


def biases(name, trials):
    """Modules (patterns) under their own names in every spelling that always have a bias, and those that never take one."""
    base = mlx_classes.config(name)
    try:
        flips = switches(base)
    except Exception:
        flips = []
    pairs = [{**a, **b} for a, b in itertools.combinations(flips, 2)] if len(flips) < 8 else []
    builds = [made for made in (names(changed(base, c)) for c in ({}, *flips, *pairs)) if made is not None]
    builds += [made for made in (names(mlx_classes.config(name, v.items())) for v in mlx_classes.variants(name)) if made is not None]
    own = {pattern(n) for n in builds[0]}
    kept = set.intersection(*({pattern(n) for n, v in t.source.items() if v.ndim == 2} & own for t in trials)) if trials else set()
    modules = sorted(n.removesuffix(".weight") for n in kept if n.endswith(".weight"))
    with_bias = {pattern(n.removesuffix(".bias")) for made in builds for n in made if n.endswith(".bias")}
    without = {pattern(n.removesuffix(".weight")) for made in builds for n in made
               if n.endswith(".weight") and n.removesuffix("weight") + "bias" not in made}
    always = [m for m in modules if m in with_bias - without]
    never = [m for m in modules if m not in with_bias]
    return [m for m in always if refuses(trials, m, False)], [m for m in never if refuses(trials, m, True)]


def refuses(trials, module, more):
    """True when the class does not load a source that has one bias more, or all but one."""
    import mlx.core as mx

    for trial in trials:
        names = [n for n in trial.source if pattern(n) == f"{module}.{'weight' if more else 'bias'}"]
        if not names:
            continue
        weights = dict(trial.source)
        if more:
            weights[names[0].removesuffix("weight") + "bias"] = mx.zeros((weights[names[0]].shape[0],))
        else:
            weights.pop(names[0])
        try:
            made = mlx_classes.sanitize(trial.model, weights)
        except Exception:
            continue
        if trial.loads(made, {}):
            return False
    return True


def not_null(name):
    """Keys of NULLABLE that the class cannot be built with a null for."""
    base = mlx_classes.config(name)
    return [key for key in NULLABLE if key in text_of(base) and shapes(changed(base, {key: None})) is None]


def not_absent(name):
    """Keys of NULLABLE that stand where the class asks for its own, and without which it cannot be built."""
    base = mlx_classes.config(name)
    return [key for key in NULLABLE if key in base and shapes(changed(base, {}, (key,))) is None]
