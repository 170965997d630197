// SPDX-License-Identifier: Apache-2.0
// Rows of a report to sums by class and layer, and those to pictures and tables. Names come from files and are hostile: they are text
// wherever they appear, and layer numbers that no model has count as none.
#include "experiment/model_page.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "experiment/charts.h"
#include "experiment/heat_map.h"
#include "experiment/page.h"
#include "experiment/svg.h"

namespace jang::experiment {
namespace {

constexpr int kMostLayers = 1024;
constexpr std::string_view kRest = "norms and others";
constexpr std::string_view kNotMatrices[] = {"norm", "bias", "conv", "state", "vision"};

// The first component of digits; -1: none, or none of a model.
int layer_of(std::string_view name) {
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    int layer = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), layer);
    if (!part.empty() && error == std::errc() && end == part.data() + part.size()) return layer >= 0 && layer < kMostLayers ? layer : -1;
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return -1;
}

std::string class_of(const TensorReport& row) {
  if (row.role) return std::ranges::find(kNotMatrices, *row.role) == std::end(kNotMatrices) ? *row.role : std::string(kRest);
  if (row.group_size == 0) return std::string(kRest);
  std::string_view module = row.name;
  if (module.ends_with(".weight")) module.remove_suffix(7);
  return std::string(module.substr(module.find_last_of('.') + 1));
}

// Weighted sums over the tensors of a class in one layer.
struct Sum {
  double params = 0, bits = 0, measured = 0, error = 0, sensitivity = 0;
  bool has_sensitivity = false;
};
struct ClassSums {
  std::string name;
  std::uint64_t bytes = 0, params = 0;
  std::vector<Sum> layers;
};

std::vector<ClassSums> sums_of(const ModelReport& report, const ModelFacts& facts) {
  std::vector<ClassSums> classes;
  std::map<std::string, std::size_t, std::less<>> by_name;
  int n_layers = 1;
  for (const TensorReport& row : report.tensors) n_layers = std::max(n_layers, layer_of(row.name) + 1);
  for (const TensorReport& row : report.tensors) {
    const std::string name = class_of(row);
    const auto [at, is_new] = by_name.emplace(name, classes.size());
    if (is_new) classes.push_back({name, 0, 0, {}});
    ClassSums& c = classes[at->second];
    c.bytes += row.bytes;
    c.params += row.params;
    const int layer = layer_of(row.name);
    const auto n = static_cast<double>(row.params);
    c.layers.resize(std::max<std::size_t>(c.layers.size(), layer >= 0 ? static_cast<std::size_t>(n_layers) : 1));
    Sum& sum = c.layers[static_cast<std::size_t>(std::max(layer, 0))];
    sum.params += n;
    sum.bits += n * row.bits;
    if (row.error) {
      sum.measured += n;
      sum.error += n * *row.error;
    }
    if (const auto s = facts.sensitivities.find(row.name); s != facts.sensitivities.end()) {
      sum.sensitivity += s->second;
      sum.has_sensitivity = true;
    }
  }
  return classes;
}

std::string bits_section(const std::vector<ClassSums>& classes, const std::string& title) {
  std::vector<ClassBits> rows;
  for (const ClassSums& c : classes) {
    if (c.name == kRest) continue;
    ClassBits& row = rows.emplace_back(ClassBits{c.name, {}});
    for (const Sum& s : c.layers) row.bits.push_back(s.params > 0 ? s.bits / s.params : -1);
  }
  if (rows.empty()) return "";
  return "<h2>Where the bits are</h2>\n" + figure(bits_chart(title, rows), "Columns are layers, rows kinds of matrices; 16 is a kept one.");
}

std::string bytes_section(std::vector<ClassSums> classes) {
  std::ranges::stable_sort(classes, [](const ClassSums& a, const ClassSums& b) { return a.bytes > b.bytes; });
  double total = 0;
  for (const ClassSums& c : classes) total += static_cast<double>(c.bytes);
  if (total <= 0) return "";
  constexpr double kBar = 430, kNames = 150, kStep = 24;
  Svg svg(860, kStep * static_cast<double>(classes.size()) + 8, "Bytes by kind of tensor");
  const auto widest = static_cast<double>(classes.front().bytes);
  double y = 4;
  for (const ClassSums& c : classes) {
    const auto bytes = static_cast<double>(c.bytes);
    const double bits = c.params > 0 ? bytes * 8 / static_cast<double>(c.params) : 0;
    svg.text(kNames - 8, y + 15, c.name, "tick", Anchor::end);
    svg.rect(kNames, y + 2, kBar * bytes / widest, kStep - 6, "bar");
    svg.text(kNames + kBar * bytes / widest + 8, y + 15,
             fmt::format("{:.2f} MB, {:.1f} %, {:.2f} bits a weight", bytes / 1e6, bytes / total * 100, bits), "tick");
    y += kStep;
  }
  return "<h2>Where the bytes go</h2>\n" + figure(svg.str(), "Scales and biases are counted.");
}

// Ten times more is two shades warmer.
int shade_of(double value, double at_warmest) {
  if (!(value > 0)) return kCoolest;
  return std::clamp(static_cast<int>(std::lround(kWarmest + 2 * std::log10(at_warmest / value))), kWarmest, kCoolest);
}

// "6e2", "1e-4": one digit and the power of ten, for a narrow cell.
std::string power_text(double value) {
  std::string text = fmt::format("{:.0e}", value);
  if (const std::size_t at = text.find('e'); at != std::string::npos) {
    if (text[at + 1] == '+') text.erase(at + 1, 1);
    const std::size_t digits = text[at + 1] == '-' ? at + 2 : at + 1;
    while (text.size() > digits + 1 && text[digits] == '0') text.erase(digits, 1);
  }
  return text;
}

template <typename Value>
std::string heat_section(const std::vector<ClassSums>& classes, std::string_view heading, std::string_view caption, Value value_of) {
  double largest = 0;
  std::vector<HeatRow> rows;
  for (const ClassSums& c : classes)
    for (const Sum& s : c.layers) largest = std::max(largest, value_of(s).value_or(0));
  for (const ClassSums& c : classes) {
    HeatRow row{c.name, {}};
    bool any = false;
    for (const Sum& s : c.layers) {
      const std::optional<double> value = value_of(s);
      any = any || value;
      row.cells.push_back(value ? HeatCell{shade_of(*value, largest), power_text(*value), short_number(*value)} : HeatCell{});
    }
    if (any) rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  return fmt::format("<h2>{}</h2>\n", heading) + figure(heat_map(heading, rows), caption);
}

std::string tensors_section(const ModelReport& report, const ModelFacts& facts) {
  std::vector<Cells> rows;
  for (const TensorReport& row : report.tensors) {
    const auto s = facts.sensitivities.find(row.name);
    rows.push_back({row.name, row.role.value_or("-"), row.tier.value_or("-"), fmt::format("{}", row.bits),
                    row.group_size > 0 ? fmt::format("{}", row.group_size) : "-", fmt::format("{}", row.params),
                    fmt::format("{}", row.bytes), row.error ? short_number(*row.error) : "-",
                    s != facts.sensitivities.end() ? short_number(s->second) : "-", row.rule.value_or("-")});
  }
  return "<h2>Tensors</h2>\n<details><summary>" + fmt::format("{} tensors", rows.size()) + "</summary>\n" +
         table({"tensor", "role", "tier", "bits", "group", "weights", "bytes", "error", "sensitivity", "rule"}, rows) + "</details>\n";
}

std::vector<std::string> facts_of(const ModelReport& report, const ModelFacts& given) {
  std::vector<std::string> facts = given.facts;
  if (report.profile) facts.push_back("profile " + *report.profile + (report.method ? ", method " + *report.method : ""));
  facts.push_back(fmt::format("{} weights in {:.2f} MB ({:.2f} MiB) of files", report.params, static_cast<double>(report.file_bytes) / 1e6,
                              static_cast<double>(report.file_bytes) / 1048576.0));
  if (report.code_bits > 0) facts.push_back(fmt::format("code bits {:.3f} per quantized weight", report.code_bits));
  facts.push_back(fmt::format("stored bits {:.3f} per weight, scales and biases counted", report.stored_bits));
  if (const auto error = mean_error(report)) facts.push_back(fmt::format("mean error {:.4g}, squared error over squared norm", *error));
  return facts;
}

}  // namespace

std::string model_page(const ModelReport& report, const ModelFacts& facts) {
  const std::vector<ClassSums> classes = sums_of(report, facts);
  std::string out = page_begin(facts.title, facts_of(report, facts));
  out += bits_section(classes, facts.title) + bytes_section(classes);
  out += heat_section(classes, "Error of the weights",
                      "Squared error over squared norm, as measured while the weights were packed. Ten times more is two shades warmer.",
                      [](const Sum& s) { return s.measured > 0 ? std::optional(s.error / s.measured) : std::nullopt; });
  out += heat_section(classes, "Sensitivity", facts.sensitivity_meaning,
                      [](const Sum& s) { return s.has_sensitivity ? std::optional(s.sensitivity) : std::nullopt; });
  return out + tensors_section(report, facts) + page_end();
}

}  // namespace jang::experiment
