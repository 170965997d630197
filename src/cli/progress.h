// SPDX-License-Identifier: Apache-2.0
// Progress of long work on stderr: a redrawn bar on a terminal, plain lines elsewhere, or JSON lines version 1 for programs:
//
//   {"v":1,"ts":float,"type":"phase","n":int,"total":int,"name":str}
//   {"v":1,"ts":float,"type":"tick","done":bytes,"total":bytes,"label":str}     at most one per 100 ms, the last of a phase always
//   {"v":1,"ts":float,"type":"info"|"warn"|"error","msg":str}
//   {"v":1,"ts":float,"type":"done","ok":bool,"output":str?,"error":str?,"elapsed_s":float}
//
// Rate and ETA come from bytes, smoothed; there is no ETA in the first two seconds of a phase. Clock and sink are given, so tests own both.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "jang/observer.h"

namespace jang::cli {

// Exponentially smoothed bytes per second.
class RateMeter {
 public:
  void start(double now, std::int64_t done_bytes);
  void update(double now, std::int64_t done_bytes);
  [[nodiscard]] double bytes_per_second() const { return rate_; }
  // Seconds left, or nullopt in the first two seconds and while nothing moves.
  [[nodiscard]] std::optional<double> eta(double now, std::int64_t total_bytes) const;

 private:
  double start_ = 0, last_ = 0, rate_ = 0;
  std::int64_t done_ = 0;
};

struct ProgressView {
  int phase = 0, phases = 0;
  std::string name, label;
  std::int64_t done_bytes = 0, total_bytes = 0;
  double bytes_per_second = 0;
  std::optional<double> eta_seconds;
  std::string unit = {};  // what is counted; empty: bytes
};
// "[3/5] quantize [#####-----]  50%  120.0 MB/s  ETA 0:12  model.layers.3" cut to `columns` - 1 characters.
[[nodiscard]] std::string format_bar(const ProgressView& view, int columns);
// The same without a bar, for files and pipes.
[[nodiscard]] std::string format_line(const ProgressView& view);

enum class ProgressMode { bar, lines, json, off };

class Progress final : public Observer {
 public:
  using Sink = std::function<void(std::string_view)>;
  using Clock = std::function<double()>;  // seconds since the epoch
  Progress(ProgressMode mode, Sink sink, Clock clock, int columns, bool color, bool quiet);

  void phase(int n, int total, std::string_view name) override;
  void count(std::string_view unit) override;
  void tick(std::int64_t done_bytes, std::int64_t total_bytes, std::string_view label) override;
  void info(std::string_view message) override;
  void warn(std::string_view message) override;
  // Ends the display. Failure: `error` is the message (text modes print it as "error: ..." themselves).
  void finish_ok(std::string_view output);
  void finish_error(std::string_view error);

 private:
  void event(std::string_view type, std::string_view fields);  // fields: ",\"msg\":..." or ""
  void flush_tick();
  void show(bool force);
  void clear_bar();
  void message(std::string_view kind, std::string_view prefix, std::string_view text);

  const ProgressMode mode_;
  const Sink sink_;
  const Clock clock_;
  const int columns_;
  const bool color_, quiet_;
  std::mutex mutex_;
  ProgressView view_;
  RateMeter meter_;
  double begin_ = 0, shown_ = 0;
  bool bar_visible_ = false;
  bool phase_ticked_ = false;
  bool tick_pending_ = false;  // a tick was swallowed by the throttle
};

// Seconds since the epoch.
[[nodiscard]] double wall_clock();

}  // namespace jang::cli
