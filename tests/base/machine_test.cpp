// SPDX-License-Identifier: Apache-2.0
// Facts of the machine: known on Linux, and consistent with each other.
#include "base/machine.h"

#include <vector>

#include <gtest/gtest.h>

namespace jang {
namespace {

TEST(Machine, resident_memory_grows_with_what_is_touched) {
  const std::uint64_t before = resident_bytes();
  if (before == 0) GTEST_SKIP() << "this system does not say";
  const std::vector<char> touched(64 << 20, 1);
  EXPECT_GT(resident_bytes(), before + (32 << 20));
  EXPECT_LT(resident_bytes(), physical_memory_bytes());
  EXPECT_EQ(touched[12345], 1);
}

TEST(Machine, processor_is_one_line) { EXPECT_EQ(processor_name().find('\n'), std::string::npos); }

}  // namespace
}  // namespace jang
