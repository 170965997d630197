// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/effort.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/units.h"

namespace jang::cli {
namespace {

constexpr std::size_t kNamedParts = 3;
constexpr double kWorthTelling = 5;  // seconds left
constexpr double kLeastKnown = 1;    // seconds of finished phases that say how far off the estimate is
constexpr double kLeastOff = 0.2, kMostOff = 5;

std::string parts_text(const EffortLevel& level) {
  std::string out;
  for (std::size_t i = 0; i < std::min(kNamedParts, level.parts.size()); ++i)
    out += fmt::format("{}{} {}", i == 0 ? "" : ", ", level.parts[i].name, format_duration(level.parts[i].seconds));
  return out;
}

// Gram matrices are made while the weights are quantized.
std::string_view phase_of(std::string_view part) { return part == "grams" ? "quantize" : part; }

}  // namespace

std::string effort_line(const EffortLevel& level) {
  return fmt::format("about {} on this machine: {}", format_duration(level.seconds), parts_text(level));
}

std::string effort_table(const std::vector<EffortLevel>& levels) {
  std::string out = "effort  takes about  most of it\n";
  for (const EffortLevel& level : levels)
    out += level.refusal.empty() ? fmt::format("{:<6}  {:<11}  {}\n", level.level, format_duration(level.seconds), parts_text(level))
                                 : fmt::format("{:<6}  {:<11}  {}\n", level.level, "-", printable(level.refusal));
  return out;
}

Json effort_document(const EffortLevel& level) {
  if (!level.refusal.empty()) return {{"level", level.level}, {"refusal", level.refusal}};
  Json parts = Json::array();
  for (const EffortPart& part : level.parts) parts.push_back({{"name", part.name}, {"seconds", part.seconds}});
  return {{"level", level.level}, {"seconds", level.seconds}, {"cpu_seconds", level.cpu_seconds}, {"parts", std::move(parts)}};
}

Json effort_document(const std::vector<EffortLevel>& levels) {
  Json all = Json::array();
  for (const EffortLevel& level : levels) all.push_back(effort_document(level));
  return all;
}

RemainingTime::RemainingTime(Observer& to, EffortLevel estimate, Seconds now)
    : to_(to), left_(std::move(estimate.parts)), now_(std::move(now)), begun_(now_()) {}

void RemainingTime::phase(int n, int total, std::string_view name) {
  to_.phase(n, total, name);
  const double took = now_() - begun_;
  done_ += current_;
  current_ = 0;
  for (const EffortPart& part : left_)
    if (phase_of(part.name) == name) current_ += part.seconds;
  std::erase_if(left_, [&](const EffortPart& part) { return phase_of(part.name) == name; });
  double left = current_;
  for (const EffortPart& part : left_) left += part.seconds;
  if (done_ >= kLeastKnown) left *= std::clamp(took / done_, kLeastOff, kMostOff);
  if (current_ > 0 && left >= kWorthTelling) to_.info(fmt::format("about {} left", format_duration(left)));
}

}  // namespace jang::cli
