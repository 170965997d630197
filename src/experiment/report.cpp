// SPDX-License-Identifier: Apache-2.0
// The page: style sheet, tables, charts, embedded document.
#include "experiment/report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/divergence.h"
#include "eval/items.h"
#include "experiment/charts.h"
#include "experiment/markup.h"
#include "experiment/svg.h"

namespace jang::experiment {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6676; --page: #ffffff; --panel: #f5f7fa; --grid: #dfe4ea; --frame: #98a2b0;
  --auto: #0b6e4f; --jang: #2457c5; --base: #8a5a00; --gguf: #8d3a8f;
  --source: #55606e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a3adba; --page: #12161c; --panel: #1a2029; --grid: #2b333e;
  --frame: #667180; --auto: #4cd4a4; --jang: #86abff; --base: #f0b44c; --gguf: #e08be2;
  --source: #b4bdc9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, li { color: var(--soft); } ul { padding-left: 1.2rem; margin: .4rem 0; }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: .8rem; overflow-x: auto; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; }
svg { display: block; width: 100%; min-width: 34rem; height: auto; } svg text { font-size: 12.5px; fill: var(--ink); }
.scroll { overflow-x: auto; margin-top: .8rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .55rem; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
tr.front td:first-child::after { content: " \2605"; color: var(--soft); }
.grid { stroke: var(--grid); } .frame { stroke: var(--frame); } svg text.tick { fill: var(--soft); font-size: 11.5px; }
svg text.label { fill: var(--soft); } svg text.name { font-weight: 600; } svg text.cell { fill: #10151b; font-size: 10.5px; }
.frontier { fill: none; stroke: var(--frame); stroke-width: 1.5; stroke-dasharray: 5 4; }
.chance { stroke: var(--frame); stroke-dasharray: 3 3; stroke-width: 1.5; } .whisker, .mark { stroke-width: 1.7; } .mark { stroke-width: 3; }
.auto { stroke: var(--auto); } .jang { stroke: var(--jang); } .base { stroke: var(--base); } .gguf { stroke: var(--gguf); }
.source { stroke: var(--source); }
.dot.auto { fill: var(--auto); } .dot.jang { fill: var(--jang); } .dot.base { fill: var(--base); }
.dot.gguf { fill: var(--gguf); } .dot.source { fill: var(--source); }
.ring { fill: var(--panel); stroke-width: 2; } svg text.auto, svg text.jang, svg text.base, svg text.gguf, svg text.source { stroke: none; }
svg text.auto { fill: var(--auto); } svg text.jang { fill: var(--jang); } svg text.base { fill: var(--base); }
svg text.gguf { fill: var(--gguf); } svg text.source { fill: var(--source); }
.key { font-weight: 600; } .key.auto { color: var(--auto); } .key.jang { color: var(--jang); } .key.base { color: var(--base); }
.key.gguf { color: var(--gguf); }
.b2 { fill: #f7c6bd; } .b3 { fill: #f9dcae; } .b4 { fill: #f1ecb0; } .b5 { fill: #d2eab4; } .b6 { fill: #b0e0c0; } .b7 { fill: #a9dcd6; }
.b8 { fill: #a8cdea; } .b9 { fill: #c5bfe8; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
)css";

using Cells = std::vector<std::string>;

std::string table(const Cells& header, const std::vector<Cells>& rows, const std::vector<bool>& marked = {}) {
  std::string out = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const std::string& cell : header) out += "<th scope=\"col\">" + escape_markup(cell) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += r < marked.size() && marked[r] ? "<tr class=\"front\">" : "<tr>";
    for (const std::string& cell : rows[r]) out += "<td>" + escape_markup(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string figure(const std::string& svg, std::string_view caption_html) {
  return fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", svg, caption_html);
}

std::string percent(double share) { return fmt::format("{:.1f} %", share * 100); }
std::string megabytes(std::uint64_t bytes) { return bytes == 0 ? "-" : fmt::format("{:.2f}", static_cast<double>(bytes) / 1e6); }
std::string positive(double x, int decimals) { return x > 0 ? fmt::format("{:.{}f}", x, decimals) : "-"; }

// "self, 4.1 s"
std::string calibration(const CompareRow& r) {
  if (r.calibration_text.empty()) return "-";
  return r.calibration_text + (r.calibration_seconds ? fmt::format(", {:.1f} s", *r.calibration_seconds) : "");
}

std::string main_table(const CompareReport& report) {
  const std::vector<std::size_t> front = frontier(report.rows);
  const bool with_task = std::any_of(report.rows.begin(), report.rows.end(), [](const CompareRow& r) { return r.task.has_value(); });
  const bool is_calibrated = std::ranges::any_of(report.rows, [](const CompareRow& r) { return !r.calibration_text.empty(); });
  std::vector<Cells> rows;
  std::vector<bool> marked;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const CompareRow& r = report.rows[i];
    Cells cells = {r.name, fmt::format("{:.3f}", r.stored_bits), megabytes(r.file_bytes)};
    cells.push_back(r.divergence ? fmt::format("{:.4f} ± {:.4f}", r.divergence->kld.mean, r.divergence->kld.standard_error) : "0");
    cells.push_back(r.perplexity ? fmt::format("{:.2f}", r.perplexity->perplexity.value) : "-");
    cells.push_back(r.divergence && r.divergence->n > 0
                        ? percent(static_cast<double>(r.divergence->n_same) / static_cast<double>(r.divergence->n))
                    : r.is_source ? "100 %"
                                  : "-");
    if (with_task) cells.push_back(r.task ? percent(r.task->raw.value()) : "-");
    cells.push_back(positive(r.decode_tokens_per_second, 1));
    cells.push_back(positive(r.prefill_tokens_per_second, 0));
    cells.push_back(megabytes(r.memory_bytes));
    cells.push_back(r.convert_seconds ? fmt::format("{:.1f}", *r.convert_seconds) : "-");
    if (is_calibrated) cells.push_back(calibration(r));
    rows.push_back(std::move(cells));
    marked.push_back(std::find(front.begin(), front.end(), i) != front.end());
  }
  Cells header = {"recipe", "stored bits", "files, MB", "KLD ± s.e.", "perplexity", "same top"};
  if (with_task) header.push_back("MMLU");
  header.insert(header.end(), {"decode, tok/s", "prefill, tok/s", "memory, MB", "convert, s"});
  if (is_calibrated) header.push_back("calibration");
  return table(header, rows, marked);
}

std::string divergence_section(const CompareReport& report) {
  std::vector<Cells> rows;
  for (const CompareRow& r : report.rows) {
    if (!r.divergence) continue;
    const eval::Divergence& d = *r.divergence;
    Cells cells = {r.name, fmt::format("{:.4f}", d.kld.mean)};
    for (const double p : d.percentiles) cells.push_back(short_number(p));
    cells.push_back(fmt::format("{} – {}", percent(d.same.low), percent(d.same.high)));
    cells.push_back(fmt::format("{:.4f} ± {:.4f}", d.ratio.value, d.ratio.standard_error));
    rows.push_back(std::move(cells));
  }
  if (rows.empty()) return "";
  return "<h2>Divergence of single tokens</h2>\n" +
         figure(percentile_chart(report),
                "The full dot is the median, the bar the mean; rings are the percentiles 90, 95, 99 and 99.9 and the maximum.") +
         table({"recipe", "mean", "median", "90 %", "95 %", "99 %", "99.9 %", "max", "same top, 95 % interval", "perplexity ratio ± s.e."},
               rows);
}

std::string gains_section(const CompareReport& report) {
  std::vector<Cells> rows;
  Cells header = {"recipe"};
  for (const CompareRow& r : report.rows) {
    if (r.gains.empty()) continue;
    Cells cells = {r.name};
    for (const RoleGain& g : r.gains) {
      if (rows.empty()) header.push_back(g.role);
      cells.push_back(fmt::format("{:.4f}", g.gain));
    }
    rows.push_back(std::move(cells));
  }
  if (rows.empty()) return "";
  return "<h2>Gain of the weights</h2>\n<p>&lt;w, q&gt; / &lt;w, w&gt; over the weights of a role: w the source's, q the recipe's. 1 keeps "
         "their length; a fit by least squares shrinks by its relative squared error.</p>\n" +
         table(header, rows);
}

std::string task_section(const CompareReport& report) {
  std::vector<Cells> rows;
  for (const CompareRow& r : report.rows) {
    if (!r.task) continue;
    const eval::Accuracy& a = r.task->raw;
    Cells cells = {r.name, fmt::format("{} of {}", a.correct, a.n), percent(a.value()),
                   fmt::format("{} – {}", percent(a.interval.low), percent(a.interval.high))};
    if (r.against_source)
      cells.insert(cells.end(), {fmt::format("{} / {}", r.against_source->only_first, r.against_source->only_second),
                                 short_number(r.against_source->p), r.holm_p ? short_number(*r.holm_p) : "-"});
    else
      cells.insert(cells.end(), {"-", "-", "-"});
    rows.push_back(std::move(cells));
  }
  if (rows.empty()) return "";
  return "<h2>MMLU</h2>\n" +
         figure(accuracy_chart(report), "Intervals are Wilson's at 95 %. Two models differ only where the paired test says so.") +
         table({"recipe", "right", "accuracy", "95 % interval", "lost / won against the source", "p (exact McNemar)", "p (Holm)"}, rows);
}

std::string bits_section(const CompareReport& report) {
  std::string out;
  for (const CompareRow& r : report.rows) {
    if (r.is_source || r.classes.empty()) continue;
    std::vector<Cells> rows;
    for (const ClassBits& c : r.classes) {
      Cells cells = {c.name, ""};
      for (const double b : c.bits) cells[1] += (cells[1].empty() ? "" : " ") + (b < 0 ? std::string("-") : fmt::format("{:.3g}", b));
      rows.push_back(std::move(cells));
    }
    out += fmt::format("<details><summary>{}</summary>\n", escape_markup(r.name)) +
           figure(bits_chart(r), "Columns are layers; 16 is a tensor that is kept.") + table({"tensors", "bits by layer"}, rows) +
           "</details>\n";
  }
  return out.empty() ? "" : "<h2>Where the bits are</h2>\n" + out;
}

}  // namespace

std::vector<std::size_t> frontier(const std::vector<CompareRow>& rows) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i].divergence && std::isfinite(rows[i].divergence->kld.mean)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (rows[a].file_bytes != rows[b].file_bytes) return rows[a].file_bytes < rows[b].file_bytes;
    return rows[a].divergence->kld.mean < rows[b].divergence->kld.mean;
  });
  std::vector<std::size_t> front;
  for (const std::size_t i : order)
    if (front.empty() || rows[i].divergence->kld.mean < rows[front.back()].divergence->kld.mean) front.push_back(i);
  return front;
}

std::string frontier_picture(const CompareReport& report) {
  std::string svg = frontier_chart(report);
  svg.insert(svg.find('\n') + 1,
             fmt::format("<style>{}svg {{ background: var(--panel); font-family: system-ui, sans-serif; }}</style>\n", kStyle));
  svg.insert(svg.find(' '), " xmlns=\"http://www.w3.org/2000/svg\"");
  return svg;
}

std::string html_report(const CompareReport& report, const json::Value& document) {
  const std::string model = escape_markup(report.model);
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  out += fmt::format("<title>{}: recipes compared</title>\n<style>{}</style>\n</head>\n<body>\n<h1>{}: recipes compared</h1>\n<ul>\n",
                     model, kStyle, model);
  for (const std::string& fact : report.facts) out += fmt::format("<li>{}</li>\n", escape_markup(fact));
  out += "</ul>\n<h2>Size and quality</h2>\n";
  out += figure(
      frontier_chart(report),
      "Down and left is better. Whiskers are 95 % intervals; the dashed line joins the recipes (&#9733; below) that no other beats in "
      "both. "
      "<span class=\"key auto\">auto</span>, <span class=\"key jang\">JANG profiles</span>, <span class=\"key base\">baselines</span>, "
      "<span class=\"key gguf\">GGUF</span>.");
  out += main_table(report) + divergence_section(report) + gains_section(report) + task_section(report) + bits_section(report);
  out += fmt::format("<script type=\"application/json\" id=\"data\">\n{}\n</script>\n</body>\n</html>\n", embedded_json(document));
  return out;
}

}  // namespace jang::experiment
