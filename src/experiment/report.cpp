// SPDX-License-Identifier: Apache-2.0
// The page: tables, charts, embedded document.
#include "experiment/report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/divergence.h"
#include "eval/items.h"
#include "experiment/charts.h"
#include "experiment/markup.h"
#include "experiment/page.h"
#include "experiment/svg.h"

namespace jang::experiment {
namespace {

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
           figure(bits_chart(r.name, r.classes), "Columns are layers; 16 is a tensor that is kept.") +
           table({"tensors", "bits by layer"}, rows) + "</details>\n";
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
             fmt::format("<style>{}svg {{ background: var(--panel); font-family: system-ui, sans-serif; }}</style>\n", page_style()));
  svg.insert(svg.find(' '), " xmlns=\"http://www.w3.org/2000/svg\"");
  return svg;
}

std::string html_report(const CompareReport& report, const json::Value& document) {
  std::string out = page_begin(report.model + ": recipes compared", report.facts) + "<h2>Size and quality</h2>\n";
  out += figure(
      frontier_chart(report),
      "Down and left is better. Whiskers are 95 % intervals; the dashed line joins the recipes (&#9733; below) that no other beats in "
      "both. "
      "<span class=\"key auto\">auto</span>, <span class=\"key jang\">JANG profiles</span>, <span class=\"key base\">baselines</span>, "
      "<span class=\"key gguf\">GGUF</span>.");
  out += main_table(report) + divergence_section(report) + gains_section(report) + task_section(report) + bits_section(report);
  out += fmt::format("<script type=\"application/json\" id=\"data\">\n{}\n</script>\n", embedded_json(document));
  return out + page_end();
}

}  // namespace jang::experiment
