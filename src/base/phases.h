// SPDX-License-Identifier: Apache-2.0
// Phases of long work: announced where they begin, numbered where the command is put together.
//
// Whoever does a part of a command says by name that a phase begins. It does not number it: a calibration is a command of its own and also
// a part of a conversion, and what runs before and after is not its business. Whoever runs the command lists the phases to come and hands a
// Phases down in the place of the caller's observer.
#pragma once

#include <string_view>
#include <vector>

#include "base/log.h"

namespace jang {

// Ticks of the phase count `counted` ("tokens"); empty: bytes of source.
void begin_phase(Observer& observer, std::string_view name, std::string_view counted = {});

// Passes everything on, and numbers the phases by their place in the list. Phases may be left out: what an interrupted run has done already
// keeps its numbers.
class Phases final : public Observer {
 public:
  // `to` outlives this; the names are literals.
  Phases(Observer& to, std::vector<std::string_view> to_come) : to_(to), to_come_(std::move(to_come)) {}

  // Precondition: the list has the name, not before the last one that began. The numbers are not used.
  void phase(int n, int total, std::string_view name) override;
  void count(std::string_view unit) override { to_.count(unit); }
  void tick(std::int64_t done, std::int64_t total, std::string_view label) override { to_.tick(done, total, label); }
  void info(std::string_view message) override { to_.info(message); }
  void warn(std::string_view message) override { to_.warn(message); }

 private:
  Observer& to_;
  std::vector<std::string_view> to_come_;
  std::ptrdiff_t begun_ = 0;
};

}  // namespace jang
