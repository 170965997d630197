// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that run indexed tasks. Results must not depend on which thread ran a task: tasks write to their own slots and the
// caller combines them in index order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace jang {

class ThreadPool {
 public:
  // n_threads >= 1; the calling thread of run() is one of them, so n_threads - 1 are started.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(threads_.size()) + 1; }
  // Calls task(i, thread) for every i in [0, n), each once, thread in [0, size()); returns when all are done.
  // Tasks are handed out in index order. Not re-entrant, one caller at a time. A task must not throw.
  void run(std::int64_t n, const std::function<void(std::int64_t index, int thread)>& task);

 private:
  void worker(int thread);
  void drain(int thread);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(std::int64_t, int)>* task_ = nullptr;
  std::int64_t next_ = 0, n_ = 0;
  std::uint64_t generation_ = 0;
  int busy_ = 0;
  bool stop_ = false;
};

// Processors this process may run on, at least 1.
[[nodiscard]] int available_threads();

}  // namespace jang
