// SPDX-License-Identifier: Apache-2.0
// Fixed thread pool: one mutex hands out indices. Tasks are large (a megabyte of weights), so the lock is not contended.
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace jang {

ThreadPool::ThreadPool(int n_threads) {
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

void ThreadPool::run(std::int64_t n, const std::function<void(std::int64_t, int)>& task) {
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    next_ = 0;
    n_ = n;
    busy_ = static_cast<int>(threads_.size());
    ++generation_;
  }
  start_.notify_all();
  drain(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  task_ = nullptr;
}

void ThreadPool::drain(int thread) {
  for (;;) {
    std::int64_t i = 0;
    const std::function<void(std::int64_t, int)>* task = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (next_ >= n_) return;
      i = next_++;
      task = task_;
    }
    (*task)(i, thread);
  }
}

void ThreadPool::worker(int thread) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    drain(thread);
    std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

int available_threads() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace jang
