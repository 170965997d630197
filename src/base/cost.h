// SPDX-License-Identifier: Apache-2.0
// What a piece of work takes: seconds that pass and seconds of the processor, which other work of the machine does not lengthen.
#pragma once

#include "base/clock.h"
#include "base/machine.h"

namespace jang {

struct Cost {
  double wall = 0, cpu = 0;  // seconds; cpu: of all threads
  friend Cost operator+(Cost a, Cost b) { return {a.wall + b.wall, a.cpu + b.cpu}; }
  friend Cost operator*(double n, Cost c) { return {n * c.wall, n * c.cpu}; }
  Cost& operator+=(Cost other) { return *this = *this + other; }
};

// Of what runs between its construction and cost().
class Stopwatch {
 public:
  [[nodiscard]] Cost cost() const { return {seconds_since(begun_), process_cpu_seconds() - cpu_}; }

 private:
  Clock::time_point begun_ = Clock::now();
  double cpu_ = process_cpu_seconds();
};

}  // namespace jang
