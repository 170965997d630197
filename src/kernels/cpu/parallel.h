// SPDX-License-Identifier: Apache-2.0
// Loops over a thread pool. Work too small to be worth waking a thread for stays on the calling thread; which thread does what never
// changes a result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/checked.h"
#include "base/thread_pool.h"

namespace jang::kernels {

class Parallel {
 public:
  explicit Parallel(ThreadPool* pool) : pool_(pool) {}
  [[nodiscard]] int threads() const { return pool_ == nullptr ? 1 : pool_->size(); }

  // f(i) for i in [0, n), each about `cost_ns` nanoseconds (a rough guess of one thread): neighbours are handed out together so that a task
  // outlasts its hand-off.
  template <typename F>
  void run(std::int64_t n, std::int64_t cost_ns, const F& f) const {
    const std::int64_t total = n * std::max<std::int64_t>(cost_ns, 1);
    if (threads() == 1 || n <= 1 || total < kWorthwhileNs) {
      for (std::int64_t i = 0; i < n; ++i) f(i);
      return;
    }
    const std::int64_t tasks = std::clamp<std::int64_t>(total / kTaskNs, 1, std::min<std::int64_t>(n, 8 * threads()));
    const auto task = [&](std::int64_t t, int) {
      for (std::int64_t i = n * t / tasks; i < n * (t + 1) / tasks; ++i) f(i);
    };
    pool_->run(tasks, std::cref(task));
  }

  // f(i) for i in [0, n), each a task of its own.
  template <typename F>
  void each(std::int64_t n, const F& f) const {
    const auto task = [&](std::int64_t i, int) { f(i); };
    if (pool_ != nullptr && n > 1)
      pool_->run(n, std::cref(task));
    else
      for (std::int64_t i = 0; i < n; ++i) f(i);
  }

 private:
  static constexpr std::int64_t kWorthwhileNs = 6000, kTaskNs = 2500;
  ThreadPool* pool_;
};

}  // namespace jang::kernels
