# SPDX-License-Identifier: Apache-2.0
"""Evaluation: perplexity, divergence, choice scores and statistics of `jang eval` against torch, transformers and scipy; `jang compare` when
it is interrupted; its page in a browser.

Perplexity of a source: within 0.1 % of transformers. Divergence and same-top of a bundle: within 1 % of torch on its dequantized weights.
Choice scores: item by item.
"""

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from harness import REFERENCE_MODELS, Skip, require

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

TOKENS = 4096


def data(context, relative):
    path = context.data / relative if context.data else None
    if path is None or not path.exists():
        raise Skip(f"no {relative} (--data)")
    return path


def text_of(context, name):
    return data(context, "wikitext2/wiki.test.raw" if name == "gemma" else "gutenberg/heldout.txt")


def near(got, wanted, relative, what):
    require(abs(got - wanted) <= relative * abs(wanted), f"{what}: {got:.6g}, expected {wanted:.6g} within {100 * relative:g} %")
    return abs(got / wanted - 1) if wanted else 0.0


def torch_logp(source, model, windows, batch):
    """Concatenated log-softmax [tokens, vocab] of the scored positions, and their targets."""
    import kld
    import torch

    parts = list(kld.log_probabilities(model, windows, batch, "cpu"))
    return torch.cat([p.reshape(-1, p.shape[-1]) for p in parts]), windows[:, 1:].reshape(-1)


def n_tokens(context, name):
    return 1024 if name == "gemma" else TOKENS // 2 if context.quick else TOKENS


def perplexity(context, name):
    import kld

    source, text, n = context.source(name), text_of(context, name), n_tokens(context, name)
    report = context.report("eval", "ppl", source, "-f", text, "--tokens", n)
    windows = kld.token_windows(source, text, n, 512)
    (_, _, wanted), = kld.measure([("source", source)], windows, batch=1 if name == "gemma" else 4)
    require(report["tokens"] == windows.numel() - len(windows), f"{report['tokens']} tokens scored")
    require(math.isclose(math.exp(report["nll"]), report["perplexity"], rel_tol=1e-12), "perplexity is not exp(nll)")
    off = near(report["perplexity"], wanted, 1e-3, "perplexity")
    return f"{report['perplexity']:.4f}, off by {100 * off:.1e} %"


def divergence(context, name, profile):
    import kld
    import torch

    source, text, n = context.source(name), text_of(context, name), n_tokens(context, name)
    bundle = context.convert(source, "-p", profile, "--method", "rtn")
    report = context.report("eval", "kld", bundle, "--ref", source, "-f", text, "--tokens", n)
    windows = kld.token_windows(source, text, n, 512)
    batch = 1 if name == "gemma" else 4
    a, target = torch_logp(source, kld.load(source, "cpu"), windows, batch)
    b, _ = torch_logp(source, kld.load(bundle, "cpu"), windows, batch)
    context.drop(bundle)
    tokens = torch.cat([(p.exp() * (p - q)).sum(-1, dtype=torch.float64) for p, q in zip(a.split(64), b.split(64))])
    nll = -b.gather(-1, target.unsqueeze(-1)).double()
    off = near(report["kld_mean"], tokens.mean().item(), 1e-2, "KLD")
    near(report["kld_stderr"], tokens.std().item() / math.sqrt(len(tokens)), 1e-2, "standard error of KLD")
    near(report["same_top"], (a.argmax(-1) == b.argmax(-1)).double().mean().item(), 1e-2, "same top")
    near(report["perplexity"], nll.mean().exp().item(), 1e-2, "perplexity")
    for key, percent in (("50", 50), ("90", 90), ("95", 95), ("99", 99), ("99.9", 99.9), ("max", 100)):
        near(report["kld_percentiles"][key], torch.quantile(tokens, percent / 100).item(), 2e-2, f"percentile {key}")
    return f"KLD {report['kld_mean']:.5f}, off by {100 * off:.1e} %"


def protocols(context):
    """Other protocols, scored by the plainest loop there is."""
    import kld
    import torch
    from tokenizers import Tokenizer

    source, text = context.source("gutenberg-moe-9m"), text_of(context, "gutenberg-moe-9m")
    ids = Tokenizer.from_file(str(source / "tokenizer.json")).encode(text.read_text()).ids[:700]
    model = kld.load(source, "cpu")

    def nll(tokens):
        with torch.inference_mode():
            logp = torch.log_softmax(model(torch.tensor([tokens])).logits[0].double(), -1)
        return [-logp[i - 1, tokens[i]].item() for i in range(1, len(tokens))]

    def mean_exp(values):
        return math.exp(sum(values) / len(values)), len(values)

    halves = [v for b in range(0, 700 - 127, 128) for v in nll(ids[b : b + 128])[64:]]
    sliding, reached = [], 0
    for begin in range(0, 700, 48):
        end = min(begin + 128, 700)
        values = nll(ids[begin:end])
        sliding += values[-(end - reached) :] if begin else values
        reached = end
        if end == 700:
            break
    for flags, (wanted, count) in (
        (("--protocol", "llama.cpp", "--ctx", 128), mean_exp(halves)),
        (("--protocol", "sliding", "--ctx", 128, "--stride", 48), mean_exp(sliding)),
    ):
        report = context.report("eval", "ppl", source, "-f", text, "--tokens", 700, *flags)
        require(report["tokens"] == count, f"{flags[1]}: {report['tokens']} tokens scored, expected {count}")
        near(report["perplexity"], wanted, 1e-3, flags[1])


def determinism(context):
    source, text = context.source("gutenberg-moe-9m"), text_of(context, "gutenberg-moe-9m")
    bundle = context.convert(source, "-p", "JANG_2S", keep=True)
    reports = [context.report("eval", "kld", bundle, "--ref", source, "-f", text, "--tokens", 2048, "-t", t) for t in (1, 2, 3)]
    for report in reports:
        del report["seconds"]
    require(reports[0] == reports[1] == reports[2], "threads change the result")


def choice_scores(model, tokenizer, prompt, choices, limit):
    """Log-likelihood of each choice behind the prompt, and how many tokens were cut."""
    import torch

    prefix = tokenizer.encode(prompt).ids
    whole = [tokenizer.encode(prompt + c).ids for c in choices]
    while not all(w[: len(prefix)] == prefix for w in whole):  # a tokenizer may join characters across the border
        prefix.pop()
    longest = max(len(w) for w in whole) - len(prefix)
    cut = max(0, len(prefix) + longest - 1 - limit)
    scores = []
    for w in whole:
        tokens = w[cut:]
        with torch.inference_mode():
            logp = torch.log_softmax(model(torch.tensor([tokens])).logits[0].double(), -1)
        scores.append(sum(logp[i - 1, tokens[i]].item() for i in range(len(prefix) - cut, len(tokens))))
    return scores, cut


def read_questions(path):
    rows = list(csv.reader(path.open(newline="", encoding="utf-8"), strict=True))
    rows = rows[1:] if rows[0][-1] == "answer" else rows
    return [(r[0], r[1:5], "ABCD".index(r[5]) if r[5] in "ABCD" else int(r[5])) for r in rows]


def block(question, choices):
    return question + "".join(f"\n{letter}. {c}" for letter, c in zip("ABCD", choices)) + "\nAnswer:"


def mmlu(context, name, shots):
    import kld
    from tokenizers import Tokenizer

    source, folder = context.source(name), data(context, "mmlu")
    log = context.fresh("items")
    report = context.report("eval", "mmlu", source, "--data", folder, "--subset", 200, "--shots", shots, "--items", log)
    items = [json.loads(line) for line in log.read_text().splitlines()]
    require(len(items) == 200 and report["items"] == 200, f"{len(items)} items")
    model, tokenizer = kld.load(source, "cpu"), Tokenizer.from_file(str(source / "tokenizer.json"))
    limit = json.loads((source / "config.json").read_text())["max_position_embeddings"]
    worst, n_cut = 0.0, 0
    step = 50 if context.quick else 8
    for item in items[::step]:
        subject, index = item["id"].split("/")
        dev = read_questions(folder / "dev" / f"{subject}_dev.csv")
        question, choices, answer = read_questions(folder / "test" / f"{subject}_test.csv")[int(index)]
        for k in range(shots, -1, -1):
            prompt = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
            prompt += "".join(f"{block(q, c)} {'ABCD'[a]}\n\n" for q, c, a in dev[:k]) + block(question, choices)
            wanted, cut = choice_scores(model, tokenizer, prompt, [" A", " B", " C", " D"], limit)
            if not cut:
                break
        n_cut += cut > 0
        require(item["answer"] == answer and item.get("cut", False) == (cut > 0), f"{item['id']}: answer or cut")
        off = max(abs(g - w) for g, w in zip(item["log_likelihood"], wanted))
        worst = max(worst, off)
        require(off < 2e-3, f"{item['id']}: {item['log_likelihood']} against {wanted}")
        ranked = sorted(wanted)
        if ranked[-1] - ranked[-2] > 4e-3:
            require(item["choice"] == wanted.index(ranked[-1]), f"{item['id']}: choice {item['choice']}")
    return f"{len(items[::step])} items, {n_cut} cut, off by at most {worst:.1e} nats"


def choice_tasks(context):
    """JSONL tasks: raw and length-normalised choice, last words with their perplexity."""
    import kld
    from tokenizers import Tokenizer

    source = context.source("gutenberg-moe-9m")
    model, tokenizer = kld.load(source, "cpu"), Tokenizer.from_file(str(source / "tokenizer.json"))
    tasks = [
        {"context": "She looked at him and", "choices": ["smiled.", "the of and in", "said nothing at all, for a long while."], "answer": 2},
        {"context": "It was the best of times, it was the", "choices": ["worst of times", "dog", "“queer” naïve café"], "answer": "dog"},
        {"context": "The captain of the ship gave the order to ", "choices": ["sail", "x"], "answer": 0, "subject": "sea"},
    ]
    path, log = context.fresh("tasks"), context.fresh("log")
    path.write_text("".join(json.dumps(t) + "\n" for t in tasks))
    context.report("eval", "choice", source, "-f", path, "--items", log)
    for task, item in zip(tasks, map(json.loads, log.read_text().splitlines())):
        joined = [c if task["context"].endswith(" ") else " " + c for c in task["choices"]]
        wanted, _ = choice_scores(model, tokenizer, task["context"], joined, 512)
        require(max(abs(a - b) for a, b in zip(item["log_likelihood"], wanted)) < 2e-3, f"{item} against {wanted}")
        norm = [w / len(c) for w, c in zip(wanted, task["choices"])]
        require(item["choice"] == wanted.index(max(wanted)) and item["choice_norm"] == norm.index(max(norm)), f"choice of {item}")
    texts = ["He opened the door and looked out of the window", "Once upon a time there was a king and a queen", "I do not know what you mean"]
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    report = context.report("eval", "choice", source, "-f", path)
    nll = [-choice_scores(model, tokenizer, t.rsplit(" ", 1)[0], [" " + t.rsplit(" ", 1)[1]], 512)[0][0] for t in texts]
    near(report["word_perplexity"], math.exp(sum(nll) / len(nll)), 2e-3, "word perplexity")


def statistics(context):
    """Every figure of the documents from their logs, by scipy and numpy."""
    import numpy
    from scipy import stats

    source, text, folder = context.source("gutenberg-moe-9m"), text_of(context, "gutenberg-moe-9m"), data(context, "mmlu")
    bundle = context.convert(source, "-p", "JANG_2S", keep=True)
    log = context.fresh("windows")
    report = context.report("eval", "kld", bundle, "--ref", source, "-f", text, "--tokens", 2048, "--items", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    kld = numpy.concatenate([line["kld"] for line in lines])
    nll = numpy.concatenate([line["nll"] for line in lines])
    same = "".join(line["same"] for line in lines)
    near(report["kld_mean"], kld.mean(), 1e-12, "mean")
    near(report["kld_stderr"], stats.sem(kld), 1e-12, "standard error")
    near(report["stderr"], stats.sem(nll) * math.exp(nll.mean()), 1e-12, "standard error of the perplexity")
    for key, value in report["kld_percentiles"].items():
        near(value, numpy.percentile(kld, 100 if key == "max" else float(key)), 1e-12, f"percentile {key}")

    def wilson(k, n, interval):
        wanted = stats.binomtest(k, n).proportion_ci(method="wilson")
        require(abs(wanted.low - interval[0]) + abs(wanted.high - interval[1]) < 1e-9, f"Wilson of {k} in {n}: {interval}")

    wilson(same.count("1"), len(same), report["same_top_interval"])
    logs = [context.fresh("a"), context.fresh("b")]
    context.report("eval", "mmlu", source, "--data", folder, "--subset", 200, "--items", logs[0])
    second = context.report("eval", "mmlu", bundle, "--data", folder, "--subset", 200, "--items", logs[1], "--against", logs[0])
    right = [[json.loads(line)["correct"] for line in p.read_text().splitlines()] for p in logs]
    b = sum(y and not x for x, y in zip(*right))
    c = sum(x and not y for x, y in zip(*right))
    require((second["against"]["only_first"], second["against"]["only_second"]) == (b, c), "discordant pairs")
    near(second["against"]["p"], stats.binomtest(min(b, c), b + c).pvalue if b + c else 1.0, 1e-9, "McNemar")
    wilson(sum(right[1]), 200, second["accuracy_interval"])
    for subject in second["subjects"]:
        wilson(subject["correct"], subject["items"], subject["interval"])


def heed_interrupts():
    """A shell starts what runs in its background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted_compare(context):
    source, text = context.source("gutenberg-moe-9m"), text_of(context, "gutenberg-moe-9m")
    flags = ("-p", "JANG_2S,uniform_2:rtn,auto@JANG_2S", "-f", text, "--tokens", 4096, "--no-speed", "-q", "-t", 1)
    whole = context.report("compare", source, *flags, "-o", context.fresh("whole"))
    work, stops = context.fresh("stopped"), 0
    for wait in (0.2, 0.5, 1.0, 1.5, 2.0):
        child = subprocess.Popen([context.binary, "compare", *map(str, (source, *flags)), "-o", str(work)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts)
        time.sleep(wait)
        child.send_signal(signal.SIGKILL if stops % 2 else signal.SIGINT)
        stops += child.wait() != 0
    done = context.report("compare", source, *flags, "-o", work)
    for a, b in zip(whole["models"], done["models"]):
        a.pop("convert_seconds"), b.pop("convert_seconds")
    require(stops > 0, "nothing was interrupted")
    require(whole["models"] == done["models"], "the result after interruptions differs")
    return f"{stops} times stopped"


def page_in_browser(context):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise Skip("no Chromium on this machine")
    source, text = context.source("gutenberg-moe-9m"), text_of(context, "gutenberg-moe-9m")
    work = context.fresh("page")
    report = context.report("compare", source, "-p", "JANG_2S,uniform_2:rtn,auto@3.5bpw", "-f", text, "--tokens", 2048, "-o", work, "-q")
    picture = ElementTree.parse(Path(report["output"]) / "frontier.svg").getroot()
    require(picture.tag == "{http://www.w3.org/2000/svg}svg", "frontier.svg is no SVG")
    net = context.fresh("net")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
                           "--disable-component-update", f"--user-data-dir={context.fresh('profile')}", f"--log-net-log={net}",
                           "--enable-logging=stderr", "--dump-dom", f"file://{report['report']}" if report["report"].startswith("/")
                           else f"file://{Path(report['report']).resolve()}"], capture_output=True, text=True, timeout=120)
    require("CONSOLE" not in done.stderr, f"console: {[line for line in done.stderr.splitlines() if 'CONSOLE' in line][:3]}")
    require(done.stdout.count("<svg") >= 2 and "JANG_2S" in done.stdout, "the page is not there")
    embedded = done.stdout.split('id="data">')[1].split("</script>")[0]
    require(json.loads(embedded)["models"] == report["models"], "the embedded document is another one")
    own = [u for u in net.read_text(errors="replace").split('"url":"')[1:] if u.startswith(("http", "ws"))] if net.exists() else []
    own = [u.split('"')[0] for u in own]
    browsers = ("google", "gstatic", "gvt1.com")  # what the browser asks for by itself: dictionaries, updates
    foreign = [u for u in own if not any(host in u for host in browsers)]
    require(not foreign, f"requests: {foreign[:3]}")


def cases(context):
    for name in REFERENCE_MODELS[:2] if context.quick else (*REFERENCE_MODELS, "gemma"):
        yield f"eval_perplexity_equals_transformers.{name}", lambda n=name: perplexity(context, n)
    pairs = [("gutenberg-moe-9m", "JANG_2S"), ("TinyStories-656K", "uniform_4")]
    if not context.quick:
        pairs += [("gutenberg-moe-9m", "uniform_3"), ("gutenberg-dense-19m", "JANG_4K"), ("gutenberg-moe-90m", "uniform_2"), ("gemma", "JANG_4S")]
    for name, profile in pairs:
        yield f"eval_kld_equals_torch.{name}.{profile}", lambda n=name, p=profile: divergence(context, n, p)
    yield "eval_protocols_equal_plain_loops", lambda: protocols(context)
    yield "eval_threads_change_nothing", lambda: determinism(context)
    yield "eval_mmlu_scores_item_by_item.zero_shot", lambda: mmlu(context, "gutenberg-moe-9m", 0)
    yield "eval_mmlu_scores_item_by_item.five_shot", lambda: mmlu(context, "gutenberg-dense-19m", 5)
    yield "eval_choice_tasks_item_by_item", lambda: choice_tasks(context)
    yield "eval_statistics_equal_scipy", lambda: statistics(context)
    yield "compare_goes_on_after_interruptions", lambda: interrupted_compare(context)
    yield "compare_page_opens_in_a_browser", lambda: page_in_browser(context)
