// SPDX-License-Identifier: Apache-2.0
// Thread pool by two counters: tasks left to take, tasks done. Sleeping and waking use the usual pair of flags in sequential order: the
// sleeper announces itself, then looks at the counter; the waker changes the counter, then looks for sleepers. One of them sees the other.
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

#include "base/check.h"

namespace jang {
namespace {

// Looks before a thread sleeps: about ten microseconds, longer than the gaps between the runs of a decoding step.
constexpr int kLooks = 200;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  JANG_CHECK(n_threads >= 1);
  for (int t = 1; t < n_threads; ++t) threads_.emplace_back([this, t] { worker(t); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void ThreadPool::run(std::int64_t n, const Task& task) {
  if (threads_.empty() || n == 1) {
    for (std::int64_t i = 0; i < n; ++i) task(i, 0);
    return;
  }
  constexpr std::int64_t kBatch = 1 << 30;
  for (std::int64_t begin = 0; begin < n; begin += kBatch) run_batch(begin, static_cast<std::uint32_t>(std::min(kBatch, n - begin)), task);
}

void ThreadPool::run_batch(std::int64_t begin, std::uint32_t n, const Task& task) {
  task_.store(&task, std::memory_order_relaxed);
  begin_.store(begin, std::memory_order_relaxed);
  n_.store(n, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  left_.store(n);  // publishes the above
  if (sleeping_.load() > 0) {
    { std::lock_guard lock(mutex_); }  // a sleeper is either before its look, and sees left_, or already waiting
    start_.notify_all();
  }
  drain(0);
  wait_until_done(n);
}

void ThreadPool::drain(int thread) {
  std::uint32_t left = left_.load();
  while (left > 0) {
    if (!left_.compare_exchange_weak(left, left - 1)) continue;
    const std::uint32_t n = n_.load(std::memory_order_relaxed);
    (*task_.load(std::memory_order_relaxed))(begin_.load(std::memory_order_relaxed) + (n - left), thread);
    if (done_.fetch_add(1) + 1 == n && caller_sleeps_.load()) {
      { std::lock_guard lock(mutex_); }
      finished_.notify_one();
    }
    left = left_.load();
  }
}

void ThreadPool::wait_until_done(std::uint32_t n) {
  for (int i = 0; i < kLooks; ++i) {
    if (done_.load() == n) return;
    relax();
  }
  std::unique_lock lock(mutex_);
  caller_sleeps_ = true;
  finished_.wait(lock, [&] { return done_.load() == n; });
  caller_sleeps_ = false;
}

// False when the pool ends.
bool ThreadPool::wait_for_work() {
  for (int i = 0; i < kLooks; ++i) {
    if (left_.load() > 0) return true;
    relax();
  }
  std::unique_lock lock(mutex_);
  ++sleeping_;
  start_.wait(lock, [&] { return stop_.load() || left_.load() > 0; });
  --sleeping_;
  return !stop_.load();
}

void ThreadPool::worker(int thread) {
  while (wait_for_work()) drain(thread);
}

int available_threads() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace jang
