// SPDX-License-Identifier: Apache-2.0
// The thread pool: every index exactly once, thread numbers in range, order of handing out, reuse, and results that do not depend on the
// number of threads.
#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace jang {
namespace {

class ThreadPoolSizes : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolSizes, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolSizes, runs_every_index_once) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.size(), GetParam());
  for (const std::int64_t n : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(n));
    std::atomic<bool> in_range = true;
    pool.run(n, [&](std::int64_t i, int thread) {
      if (i < 0 || i >= n || thread < 0 || thread >= pool.size())
        in_range = false;
      else
        ++runs[static_cast<std::size_t>(i)];
    });
    EXPECT_TRUE(in_range);
    for (std::size_t i = 0; i < runs.size(); ++i) ASSERT_EQ(runs[i], 1) << "index " << i << " of " << n;
  }
}

TEST_P(ThreadPoolSizes, survives_many_short_runs) {
  ThreadPool pool(GetParam());
  std::atomic<std::int64_t> sum = 0;
  for (int run = 0; run < 2000; ++run) pool.run(run % 5, [&](std::int64_t i, int) { sum += i + 1; });
  EXPECT_EQ(sum, 400 * (0 + 1 + 3 + 6 + 10));
}

TEST_P(ThreadPoolSizes, results_by_slot_do_not_depend_on_threads) {
  std::vector<double> slots(500), expected(500);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = 1.0 / (1.0 + static_cast<double>(i));
  ThreadPool pool(GetParam());
  pool.run(500, [&](std::int64_t i, int) { slots[static_cast<std::size_t>(i)] = 1.0 / (1.0 + static_cast<double>(i)); });
  EXPECT_EQ(slots, expected);
}

TEST_P(ThreadPoolSizes, one_thread_number_is_never_used_twice_at_once) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> inside(static_cast<std::size_t>(GetParam()));
  std::atomic<bool> overlapped = false;
  pool.run(200, [&](std::int64_t, int thread) {
    auto& mine = inside[static_cast<std::size_t>(thread)];
    if (mine.fetch_add(1) != 0) overlapped = true;
    std::this_thread::yield();
    mine.fetch_sub(1);
  });
  EXPECT_FALSE(overlapped);
}

TEST(ThreadPool, single_thread_runs_in_index_order_on_the_caller) {
  ThreadPool pool(1);
  std::vector<std::int64_t> order;
  std::set<std::thread::id> ids;
  pool.run(10, [&](std::int64_t i, int) {
    order.push_back(i);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(order, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(ids, std::set{std::this_thread::get_id()});
}

TEST(ThreadPool, threads_work_at_the_same_time) {
  // Two tasks that each wait for the other finish only when they overlap.
  ThreadPool pool(2);
  std::atomic<int> arrived = 0;
  std::atomic<bool> met = true;
  pool.run(2, [&](std::int64_t, int) {
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (arrived < 2) {
      if (std::chrono::steady_clock::now() > deadline) {
        met = false;
        return;
      }
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(met);
}

TEST(ThreadPool, run_returns_after_the_last_task_ended) {
  ThreadPool pool(4);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> ended = 0;
    pool.run(8, [&](std::int64_t i, int) {
      std::this_thread::sleep_for(std::chrono::microseconds(50 * (8 - i)));
      ++ended;
    });
    ASSERT_EQ(ended, 8);
  }
}

TEST(ThreadPool, available_threads_is_positive) {
  EXPECT_GE(available_threads(), 1);
  EXPECT_LE(available_threads(), 1 << 16);
}

}  // namespace
}  // namespace jang
