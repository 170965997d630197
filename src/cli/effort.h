// SPDX-License-Identifier: Apache-2.0
// What levels of effort take, as text and JSON, and how long a conversion still has to go.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json.h"
#include "jang/effort.h"
#include "jang/observer.h"

namespace jang::cli {

// "about 2:10 on this machine: allocate 1:20, text 0:31, quantize 9.0 s"
[[nodiscard]] std::string effort_line(const EffortLevel& level);
// A row for every level.
[[nodiscard]] std::string effort_table(const std::vector<EffortLevel>& levels);
[[nodiscard]] Json effort_document(const EffortLevel& level);
[[nodiscard]] Json effort_document(const std::vector<EffortLevel>& levels);

// Passes everything on, and says at the beginning of a phase how long all that is left will take: what was estimated of it, times what the
// phases behind took over what was estimated of them.
class RemainingTime final : public Observer {
 public:
  using Seconds = std::function<double()>;
  RemainingTime(Observer& to, EffortLevel estimate, Seconds now);
  void phase(int n, int total, std::string_view name) override;
  void count(std::string_view unit) override { to_.count(unit); }
  void tick(std::int64_t done, std::int64_t total, std::string_view label) override { to_.tick(done, total, label); }
  void info(std::string_view message) override { to_.info(message); }
  void warn(std::string_view message) override { to_.warn(message); }

 private:
  Observer& to_;
  std::vector<EffortPart> left_;  // by phase
  Seconds now_;
  double begun_, done_ = 0;  // seconds estimated of the phases that have begun before this one
  double current_ = 0;
};

}  // namespace jang::cli
