// SPDX-License-Identifier: Apache-2.0
// See the header. Numbers are written with two decimals, so equal charts are equal bytes.
#include "experiment/svg.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/utf8.h"
#include "experiment/markup.h"

namespace jang::experiment {
namespace {

std::string number(double x) {
  std::string text = fmt::format("{:.2f}", std::isfinite(x) ? x : 0.0);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string closed(std::string_view tooltip, std::string_view name) {
  return tooltip.empty() ? std::string("/>\n") : fmt::format("><title>{}</title></{}>\n", escape_markup(tooltip), name);
}

// 1, 2 or 5 times a power of ten, at least `raw`.
double nice_step(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double m : {1.0, 2.0, 5.0})
    if (m * power >= raw * (1 - 1e-9)) return m * power;
  return 10 * power;
}

void make_log_ticks(Axis& axis) {
  const double decades = std::log10(axis.high / axis.low);
  const std::array<double, 3> marks = {1, 2, 5};
  const std::size_t n_marks = decades <= 2.5 ? 3 : 1;
  for (double power = std::pow(10.0, std::floor(std::log10(axis.low))); power <= axis.high; power *= 10)
    for (std::size_t i = 0; i < n_marks; ++i)
      if (const double tick = marks[i] * power; tick >= axis.low && tick <= axis.high) axis.ticks.push_back(tick);
}

}  // namespace

Svg::Svg(double width, double height, std::string_view title)
    : head_(fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", number(width), number(height),
                        escape_markup(title))) {}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css) {
  body_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{}\"/>\n", number(x1), number(y1), number(x2), number(y2),
                       escape_markup(css));
}

void Svg::rect(double x, double y, double width, double height, std::string_view css, std::string_view tooltip) {
  body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{}\"", number(x), number(y), number(width),
                       number(height), escape_markup(css)) +
           closed(tooltip, "rect");
}

void Svg::circle(double x, double y, double radius, std::string_view css, std::string_view tooltip) {
  body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"{}\"", number(x), number(y), number(radius), escape_markup(css)) +
           closed(tooltip, "circle");
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view css) {
  std::string text;
  for (const auto& [x, y] : points) text += fmt::format("{}{},{}", text.empty() ? "" : " ", number(x), number(y));
  body_ += fmt::format("<polyline points=\"{}\" class=\"{}\"/>\n", text, escape_markup(css));
}

void Svg::text(double x, double y, std::string_view text, std::string_view css, Anchor anchor, double degrees) {
  const std::string_view name = anchor == Anchor::start ? "start" : anchor == Anchor::middle ? "middle" : "end";
  const std::string turn = degrees == 0 ? "" : fmt::format(" transform=\"rotate({} {} {})\"", number(degrees), number(x), number(y));
  body_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\" class=\"{}\"{}>{}</text>\n", number(x), number(y), name,
                       escape_markup(css), turn, escape_markup(text));
}

std::string Svg::str() const { return head_ + body_ + "</svg>\n"; }

double Axis::at(double value) const {
  const auto scale = [&](double v) { return logarithmic ? std::log(v) : v; };
  const double clamped = std::clamp(value, low, high);
  return from + (to - from) * (scale(clamped) - scale(low)) / (scale(high) - scale(low));
}

Axis make_axis(const std::vector<double>& values, bool logarithmic, double from, double to) {
  Axis axis;
  axis.logarithmic = logarithmic;
  axis.from = from;
  axis.to = to;
  std::vector<double> usable;
  for (const double v : values)
    if (std::isfinite(v) && (!logarithmic || v > 0)) usable.push_back(v);
  if (usable.empty()) usable = {logarithmic ? 0.1 : 0.0, 1.0};
  const auto [least, most] = std::minmax_element(usable.begin(), usable.end());
  if (logarithmic) {
    const double margin = std::pow(*most / *least, 0.06) * 1.15;
    axis.low = *least / margin;
    axis.high = *most * margin;
    make_log_ticks(axis);
    return axis;
  }
  const double span = *most > *least ? *most - *least : std::max(std::abs(*most), 1.0) * 0.2;
  axis.low = *least - span * 0.08;
  axis.high = *most + span * 0.08;
  if (*least >= 0) axis.low = std::max(axis.low, 0.0);
  const double step = nice_step((axis.high - axis.low) / 7);
  for (double tick = std::ceil(axis.low / step) * step; tick <= axis.high * (1 + 1e-12); tick += step)
    axis.ticks.push_back(std::abs(tick) < step * 1e-9 ? 0 : tick);
  return axis;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size != 0 && (size < 0.001 || size >= 1e6)) return fmt::format("{:.2g}", value);
  return fmt::format("{:.4g}", value);
}

void LabelPlacer::avoid(double x, double y, double radius) { taken_.push_back({x - radius, y - radius, x + radius, y + radius}); }

double LabelPlacer::overlap(const Box& box) const {
  double area = 0;
  for (const Box& t : taken_)
    area += std::max(0.0, std::min(box.right, t.right) - std::max(box.left, t.left)) *
            std::max(0.0, std::min(box.bottom, t.bottom) - std::max(box.top, t.top));
  const double outside = std::max(0.0, left_ - box.left) + std::max(0.0, box.right - right_) + std::max(0.0, top_ - box.top) +
                         std::max(0.0, box.bottom - bottom_);
  return area + outside * 100;
}

LabelPlacer::Place LabelPlacer::place(double x, double y, std::string_view text, double font_size) {
  const double width = static_cast<double>(utf8::count(text)) * font_size * 0.58, height = font_size;
  Place best;
  Box best_box{};
  double best_overlap = -1;
  // Right, left, above, below, then the same further away.
  for (const double gap : {8.0, 16.0, 26.0, 38.0}) {
    const std::array<std::pair<double, double>, 6> offsets = {
        {{gap, height * 0.35}, {-gap, height * 0.35}, {0, -gap}, {0, gap + height * 0.7}, {gap, -gap}, {-gap, gap + height * 0.7}}};
    for (const auto& [dx, dy] : offsets) {
      const Anchor anchor = dx > 0 ? Anchor::start : dx < 0 ? Anchor::end : Anchor::middle;
      const double left = x + dx - (anchor == Anchor::start ? 0 : anchor == Anchor::end ? width : width / 2);
      const Box box{left, y + dy - height * 0.8, left + width, y + dy + height * 0.2};
      const double covered = overlap(box);
      if (best_overlap >= 0 && covered >= best_overlap) continue;
      best_overlap = covered;
      best_box = box;
      best = {x + dx, y + dy, anchor};
      if (covered <= 0) break;
    }
    if (best_overlap <= 0) break;
  }
  taken_.push_back(best_box);
  return best;
}

}  // namespace jang::experiment
