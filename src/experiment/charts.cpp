// SPDX-License-Identifier: Apache-2.0
// One function per picture. Layout constants are pixels of the view box.
#include "experiment/charts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/divergence.h"
#include "eval/items.h"
#include "experiment/heat_map.h"
#include "experiment/svg.h"

namespace jang::experiment {
namespace {

constexpr double kWidth = 860, kLeft = 78, kRight = 836, kFont = 12.5;
constexpr double kNames = 190;  // where the plot of a chart with a row per model begins
constexpr double kRow = 30;

double megabytes(const CompareRow& row) { return static_cast<double>(row.file_bytes) / 1e6; }

void draw_x_axis(Svg& svg, const Axis& x, double top, double bottom, std::string_view title) {
  for (const double tick : x.ticks) {
    svg.line(x.at(tick), top, x.at(tick), bottom, "grid");
    svg.text(x.at(tick), bottom + 17, short_number(tick), "tick", Anchor::middle);
  }
  svg.line(x.from, bottom, x.to, bottom, "frame");
  svg.text((x.from + x.to) / 2, bottom + 37, title, "label", Anchor::middle);
}

void draw_y_axis(Svg& svg, const Axis& y, double left, double right, std::string_view title) {
  for (const double tick : y.ticks) {
    svg.line(left, y.at(tick), right, y.at(tick), "grid");
    svg.text(left - 7, y.at(tick) + 4, short_number(tick), "tick", Anchor::end);
  }
  svg.line(left, y.from, left, y.to, "frame");
  svg.text(18, (y.from + y.to) / 2, title, "label", Anchor::middle, -90);
}

std::string tooltip(const CompareRow& row) {
  return fmt::format("{}: {:.2f} MB, {:.3f} stored bits, KLD {:.4g} ± {:.2g}", row.name, megabytes(row), row.stored_bits,
                     row.divergence->kld.mean, eval::kZ95 * row.divergence->kld.standard_error);
}

bool is_drawn(const CompareRow& row) { return row.divergence && std::isfinite(row.divergence->kld.mean) && row.divergence->kld.mean > 0; }

// 95 % interval of a mean that cannot be negative; the lower end stays drawable on a logarithmic axis.
eval::Interval kld_interval(const eval::Divergence& d) {
  const double half = eval::kZ95 * d.kld.standard_error;
  return {std::max(d.kld.mean - half, d.kld.mean / 20), d.kld.mean + half};
}

std::string css(std::string_view shape, const CompareRow& row) { return fmt::format("{} {}", shape, kind_of(row)); }

}  // namespace

std::string_view kind_of(const CompareRow& row) {
  if (row.is_source) return "source";
  if (row.is_gguf) return "gguf";
  if (row.name.starts_with("auto")) return "auto";
  return row.name.starts_with("JANG") ? "jang" : "base";
}

std::string frontier_chart(const CompareReport& report) {
  constexpr double top = 18, bottom = 410;
  std::vector<double> sizes, values;
  for (const CompareRow& row : report.rows) {
    if (!is_drawn(row)) continue;
    sizes.push_back(megabytes(row));
    const eval::Interval i = kld_interval(*row.divergence);
    values.insert(values.end(), {i.low, i.high});
  }
  Svg svg(kWidth, 460, "Divergence from the source over file size");
  const Axis x = make_axis(sizes, false, kLeft, kRight), y = make_axis(values, true, bottom, top);
  draw_x_axis(svg, x, top, bottom, "weight files, MB (10^6 bytes)");
  draw_y_axis(svg, y, kLeft, kRight, "KLD from the source, nats per token");
  LabelPlacer labels(kLeft + 2, top, kRight, bottom - 2);
  std::vector<std::pair<double, double>> line;
  for (const std::size_t i : frontier(report.rows))
    line.emplace_back(x.at(megabytes(report.rows[i])), y.at(report.rows[i].divergence->kld.mean));
  if (line.size() > 1) svg.polyline(line, "frontier");
  for (const CompareRow& row : report.rows)
    if (is_drawn(row)) labels.avoid(x.at(megabytes(row)), y.at(row.divergence->kld.mean), 6);
  for (const CompareRow& row : report.rows) {
    if (!is_drawn(row)) continue;
    const double px = x.at(megabytes(row)), py = y.at(row.divergence->kld.mean);
    const eval::Interval i = kld_interval(*row.divergence);
    svg.line(px, y.at(i.low), px, y.at(i.high), css("whisker", row));
    svg.line(px - 4, y.at(i.low), px + 4, y.at(i.low), css("whisker", row));
    svg.line(px - 4, y.at(i.high), px + 4, y.at(i.high), css("whisker", row));
    svg.circle(px, py, 5, css("dot", row), tooltip(row));
    const LabelPlacer::Place place = labels.place(px, py, row.name, kFont);
    svg.text(place.x, place.y, row.name, css("name", row), place.anchor);
  }
  return svg.str();
}

std::string percentile_chart(const CompareReport& report) {
  std::vector<const CompareRow*> rows;
  std::vector<double> values;
  for (const CompareRow& row : report.rows) {
    if (!is_drawn(row) || !std::isfinite(row.divergence->percentiles.back())) continue;
    rows.push_back(&row);
    for (const double p : row.divergence->percentiles) values.push_back(std::max(p, 1e-7));
  }
  const double top = 18, bottom = top + kRow * static_cast<double>(rows.size());
  Svg svg(kWidth, bottom + 50, "Divergence of single tokens");
  const Axis x = make_axis(values, true, kNames, kRight);
  draw_x_axis(svg, x, top, bottom, "KLD of a token, nats");
  double y = top + kRow / 2;
  for (const CompareRow* row : rows) {
    const auto& p = row->divergence->percentiles;
    svg.text(kNames - 10, y + 4, row->name, css("name", *row), Anchor::end);
    svg.line(x.at(std::max(p.front(), 1e-7)), y, x.at(p.back()), y, css("whisker", *row));
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double px = x.at(std::max(p[i], 1e-7));
      svg.circle(px, y, i == 0 ? 6 : 4, css(i == 0 ? "dot" : "ring", *row),
                 fmt::format("{}, {}: {:.4g}", row->name, eval::kKldPercentiles[i].key, p[i]));
    }
    const double mean = row->divergence->kld.mean;
    svg.line(x.at(mean), y - 8, x.at(mean), y + 8, css("mark", *row));
    y += kRow;
  }
  return svg.str();
}

std::string accuracy_chart(const CompareReport& report) {
  std::vector<const CompareRow*> rows;
  std::vector<double> values = {25};
  for (const CompareRow& row : report.rows) {
    if (!row.task) continue;
    rows.push_back(&row);
    values.insert(values.end(), {row.task->raw.interval.low * 100, row.task->raw.interval.high * 100});
  }
  const double top = 18, bottom = top + kRow * static_cast<double>(rows.size());
  Svg svg(kWidth, bottom + 50, "Accuracy on MMLU");
  const Axis x = make_axis(values, false, kNames, kRight);
  draw_x_axis(svg, x, top, bottom, "accuracy, %; 25 % is chance");
  svg.line(x.at(25), top, x.at(25), bottom, "chance");
  double y = top + kRow / 2;
  for (const CompareRow* row : rows) {
    const eval::Accuracy& a = row->task->raw;
    svg.text(kNames - 10, y + 4, row->name, css("name", *row), Anchor::end);
    svg.line(x.at(a.interval.low * 100), y, x.at(a.interval.high * 100), y, css("whisker", *row));
    svg.circle(x.at(a.value() * 100), y, 5, css("dot", *row),
               fmt::format("{}: {:.1f} %, {} of {}", row->name, a.value() * 100, a.correct, a.n));
    y += kRow;
  }
  return svg.str();
}

std::string bits_chart(std::string_view name, const std::vector<ClassBits>& classes) {
  std::vector<HeatRow> rows;
  for (const ClassBits& c : classes) {
    HeatRow& row = rows.emplace_back(HeatRow{c.name, {}});
    for (const double bits : c.bits) {
      const int shade = std::clamp(static_cast<int>(std::lround(bits)), kWarmest, kCoolest);  // the coolest stands for 16
      row.cells.push_back(bits < 0 ? HeatCell{} : HeatCell{shade, fmt::format("{:.2g}", bits), fmt::format("{:.3g} bits", bits)});
    }
  }
  return heat_map(fmt::format("Bits per layer of {}", name), rows);
}

}  // namespace jang::experiment
