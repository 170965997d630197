// SPDX-License-Identifier: Apache-2.0
// What long work tells its caller. The library never prints: it talks to an Observer, and the program decides (bar, JSON lines, nothing).
// Event names follow the JSON-lines protocol v1: phase, tick, info, warn, error, done.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "jang/export.h"

namespace jang {

class JANG_API Observer {
 public:
  virtual ~Observer() = default;
  virtual void phase(int n, int total, std::string_view name) = 0;  // n from 1 to the number of phases that run
  // From here on ticks of this phase count `unit` ("tokens") instead of bytes of source read, from 0.
  virtual void count(std::string_view unit) { static_cast<void>(unit); }
  // Progress inside the phase, in bytes of source read. May be called from any thread; implementations throttle.
  virtual void tick(std::int64_t done_bytes, std::int64_t total_bytes, std::string_view label) = 0;
  virtual void info(std::string_view message) = 0;
  virtual void warn(std::string_view message) = 0;
};

// Swallows everything; the default where no observer is given.
class JANG_API SilentObserver : public Observer {
 public:
  void phase(int, int, std::string_view) override {}
  void tick(std::int64_t, std::int64_t, std::string_view) override {}
  void info(std::string_view) override {}
  void warn(std::string_view) override {}
};

// Set from a signal handler or another thread; long work polls it and returns StatusCode::cancelled.
using CancelFlag = std::atomic<bool>;

}  // namespace jang
