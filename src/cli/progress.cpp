// SPDX-License-Identifier: Apache-2.0
// See the header for the protocol. Every public call takes the lock: ticks come from worker threads.
#include "cli/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "cli/json.h"
#include "cli/terminal.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

constexpr double kJsonSeconds = 0.1;     // between tick events
constexpr double kBarSeconds = 0.1;      // between redraws
constexpr double kLineSeconds = 5.0;     // between plain lines
constexpr double kSampleSeconds = 0.25;  // between rate samples: shorter ones see single reads
constexpr double kSmoothingSeconds = 5.0;
constexpr double kNoEtaSeconds = 2.0;
constexpr int kBarCells = 20;

std::string json_string(std::string_view text) { return dump(Json(std::string(text))); }

int percent_of(const ProgressView& view) {
  if (view.total_bytes <= 0) return 0;
  const double share = static_cast<double>(view.done_bytes) / static_cast<double>(view.total_bytes);
  return static_cast<int>(std::clamp(share, 0.0, 1.0) * 100.0);  // rounded down: 100 means done
}

std::string speed_of(const ProgressView& view) {
  if (!view.unit.empty()) return view.bytes_per_second > 0 ? fmt::format("  {:.3g} {}/s", view.bytes_per_second, view.unit) : "";
  return view.bytes_per_second > 0 ? fmt::format("  {:.1f} MB/s", view.bytes_per_second / 1e6) : "";
}

std::string eta_of(const ProgressView& view) { return view.eta_seconds ? fmt::format("  ETA {}", format_duration(*view.eta_seconds)) : ""; }

std::string label_of(const ProgressView& view) { return view.label.empty() ? "" : fmt::format("  {}", printable(view.label)); }

}  // namespace

void RateMeter::start(double now, std::int64_t done_bytes) {
  start_ = last_ = now;
  done_ = done_bytes;
  rate_ = 0;
}

void RateMeter::update(double now, std::int64_t done_bytes) {
  const double elapsed = now - last_;
  if (elapsed < kSampleSeconds) return;
  const double sample = static_cast<double>(std::max<std::int64_t>(done_bytes - done_, 0)) / elapsed;
  const double weight = 1.0 - std::exp(-elapsed / kSmoothingSeconds);
  rate_ = rate_ == 0 ? sample : rate_ + weight * (sample - rate_);
  last_ = now;
  done_ = done_bytes;
}

std::optional<double> RateMeter::eta(double now, std::int64_t total_bytes) const {
  if (now - start_ < kNoEtaSeconds || rate_ <= 0) return std::nullopt;
  const double left = static_cast<double>(std::max<std::int64_t>(total_bytes - done_, 0)) / rate_;
  return std::max(0.0, left - (now - last_));
}

std::string format_bar(const ProgressView& view, int columns) {
  const int percent = percent_of(view);
  const int cells = percent * kBarCells / 100;
  std::string line = fmt::format("[{}/{}] {}", view.phase, view.phases, printable(view.name));
  if (view.total_bytes > 0) {
    line +=
        fmt::format(" [{}{}] {:>3}%{}{}{}", std::string(static_cast<std::size_t>(cells), '#'),
                    std::string(static_cast<std::size_t>(kBarCells - cells), '-'), percent, speed_of(view), eta_of(view), label_of(view));
  }
  const auto width = static_cast<std::size_t>(std::max(columns, 20) - 1);  // the last column would wrap on some terminals
  if (line.size() <= width) return line;
  line.resize(width);
  while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();  // never half a UTF-8 character
  if (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0xc0) line.pop_back();
  return line;
}

std::string format_line(const ProgressView& view) {
  std::string line = fmt::format("[{}/{}] {}", view.phase, view.phases, printable(view.name));
  if (view.total_bytes > 0 && !view.unit.empty())
    return line + fmt::format("  {}%  {} of {} {}{}{}", percent_of(view), view.done_bytes, view.total_bytes, view.unit, speed_of(view),
                              eta_of(view));
  if (view.total_bytes > 0) {
    line += fmt::format("  {}%  {} of {}{}{}", percent_of(view),
                        format_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(view.done_bytes, 0))),
                        format_bytes(static_cast<std::uint64_t>(view.total_bytes)), speed_of(view), eta_of(view));
  }
  return line;
}

Progress::Progress(ProgressMode mode, Sink sink, Clock clock, int columns, bool color, bool quiet)
    : mode_(mode), sink_(std::move(sink)), clock_(std::move(clock)), columns_(columns), color_(color), quiet_(quiet), begin_(clock_()) {}

void Progress::phase(int n, int total, std::string_view name) {
  const std::lock_guard lock(mutex_);
  flush_tick();
  view_ = ProgressView{n, total, std::string(name), "", 0, 0, 0, std::nullopt};
  phase_ticked_ = false;
  meter_.start(clock_(), 0);
  if (mode_ == ProgressMode::json) event("phase", fmt::format(",\"n\":{},\"total\":{},\"name\":{}", n, total, json_string(name)));
  if (mode_ == ProgressMode::bar || mode_ == ProgressMode::lines) show(true);
}

void Progress::count(std::string_view unit) {
  const std::lock_guard lock(mutex_);
  flush_tick();
  view_.unit = unit;
  view_.done_bytes = view_.total_bytes = 0;
  view_.bytes_per_second = 0;
  view_.eta_seconds.reset();
  meter_.start(clock_(), 0);
}

void Progress::tick(std::int64_t done_bytes, std::int64_t total_bytes, std::string_view label) {
  const std::lock_guard lock(mutex_);
  if (mode_ == ProgressMode::off) return;
  const double now = clock_();
  // Workers may report out of order; the display never runs backwards.
  view_.done_bytes = std::max(done_bytes, view_.done_bytes);
  view_.total_bytes = total_bytes;
  view_.label = label;
  meter_.update(now, view_.done_bytes);
  view_.bytes_per_second = meter_.bytes_per_second();
  view_.eta_seconds = meter_.eta(now, total_bytes);
  tick_pending_ = true;
  show(!phase_ticked_ && mode_ != ProgressMode::lines);
  phase_ticked_ = true;
}

void Progress::show(bool force) {
  const double now = clock_();
  const double interval = mode_ == ProgressMode::json ? kJsonSeconds : mode_ == ProgressMode::bar ? kBarSeconds : kLineSeconds;
  if (!force && now - shown_ < interval) return;
  shown_ = now;
  tick_pending_ = false;
  switch (mode_) {
    case ProgressMode::bar:
      sink_("\r\x1b[K" + format_bar(view_, columns_));
      bar_visible_ = true;
      break;
    case ProgressMode::lines: sink_(format_line(view_) + "\n"); break;
    case ProgressMode::json:
      event("tick", fmt::format(",\"done\":{},\"total\":{},\"label\":{}", view_.done_bytes, view_.total_bytes, json_string(view_.label)));
      break;
    case ProgressMode::off: break;
  }
}

void Progress::flush_tick() {
  // Plain lines stay few: only programs are promised the last tick.
  if (tick_pending_ && mode_ == ProgressMode::json) show(true);
  tick_pending_ = false;
}

void Progress::event(std::string_view type, std::string_view fields) {
  sink_(fmt::format("{{\"v\":1,\"ts\":{:.3f},\"type\":\"{}\"{}}}\n", clock_(), type, fields));
}

void Progress::clear_bar() {
  if (bar_visible_) sink_("\r\x1b[K");
  bar_visible_ = false;
}

void Progress::message(std::string_view kind, std::string_view prefix, std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (mode_ == ProgressMode::json) return event(kind, fmt::format(",\"msg\":{}", json_string(text)));
  if (quiet_) return;
  clear_bar();
  sink_(fmt::format("{}{}\n", prefix, printable(text)));
}

void Progress::info(std::string_view text) { message("info", "", text); }
void Progress::warn(std::string_view text) { message("warn", styled("warning: ", Style::yellow, color_), text); }

void Progress::finish_ok(std::string_view output) {
  const std::lock_guard lock(mutex_);
  flush_tick();
  clear_bar();
  if (mode_ != ProgressMode::json) return;
  const std::string place = output.empty() ? "" : fmt::format(",\"output\":{}", json_string(output));
  event("done", fmt::format(",\"ok\":true{},\"elapsed_s\":{:.3f}", place, clock_() - begin_));
}

void Progress::finish_error(std::string_view error) {
  const std::lock_guard lock(mutex_);
  flush_tick();
  clear_bar();
  if (mode_ != ProgressMode::json) return;
  event("error", fmt::format(",\"msg\":{}", json_string(error)));
  event("done", fmt::format(",\"ok\":false,\"error\":{},\"elapsed_s\":{:.3f}", json_string(error), clock_() - begin_));
}

double wall_clock() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace jang::cli
