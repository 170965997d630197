// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that run indexed tasks. Results must not depend on which thread ran a task: tasks write to their own slots and the
// caller combines them in index order.
//
// Made for many short runs: a decoding step has hundreds. Threads that have just worked look for the next run a few microseconds before
// they sleep; the caller never waits for a thread that has taken no task, so a thread the system has put aside delays nobody.
#pragma once

#include <atomic>
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
  using Task = std::function<void(std::int64_t, int)>;
  void run_batch(std::int64_t begin, std::uint32_t n, const Task& task);
  void worker(int thread);
  void drain(int thread);
  [[nodiscard]] bool wait_for_work();
  void wait_until_done(std::uint32_t n);

  std::vector<std::thread> threads_;
  // Tasks of the current run that nobody has taken. Task, begin_ and n_ may be read by whoever has taken one: the run cannot end, and they
  // cannot change, before that task is counted in done_.
  std::atomic<std::uint32_t> left_ = 0;
  std::atomic<std::uint32_t> done_ = 0;
  std::atomic<const Task*> task_ = nullptr;
  std::atomic<std::int64_t> begin_ = 0;
  std::atomic<std::uint32_t> n_ = 0;

  std::mutex mutex_;  // for sleeping only
  std::condition_variable start_, finished_;
  std::atomic<int> sleeping_ = 0;
  std::atomic<bool> caller_sleeps_ = false, stop_ = false;
};

// Processors this process may run on, at least 1.
[[nodiscard]] int available_threads();

}  // namespace jang
