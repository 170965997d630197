// SPDX-License-Identifier: Apache-2.0
// Facts of the machine: known on Linux, and consistent with each other.
#include "base/machine.h"

#include <cstring>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace jang {
namespace {

TEST(Machine, resident_memory_grows_with_what_is_touched) {
  const std::uint64_t before = resident_bytes();
  if (before == 0) GTEST_SKIP() << "this system does not say";
  // Not from the heap, which may hand out what is resident already.
  constexpr std::size_t kBytes = 64 << 20;
  void* const fresh = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(fresh, MAP_FAILED);
  std::memset(fresh, 1, kBytes);
  EXPECT_GT(resident_bytes(), before + (32 << 20));
  EXPECT_LT(resident_bytes(), physical_memory_bytes());
  munmap(fresh, kBytes);
}

TEST(Machine, processor_is_one_line) { EXPECT_EQ(processor_name().find('\n'), std::string::npos); }

}  // namespace
}  // namespace jang
