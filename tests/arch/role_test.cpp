// SPDX-License-Identifier: Apache-2.0
// The table of roles: names are permanent and unique.
#include "arch/role.h"

#include <gtest/gtest.h>

#include <set>

namespace jang::arch {
namespace {

TEST(Role, names_are_unique_and_round_trip) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Role::unknown); ++i) {
    const auto role = static_cast<Role>(i);
    EXPECT_TRUE(names.insert(to_string(role)).second) << to_string(role);
    Role back = Role::vision;
    ASSERT_TRUE(role_from_string(to_string(role), &back));
    EXPECT_EQ(back, role);
  }
}

TEST(Role, unknown_name_is_refused) {
  Role role = Role::norm;
  EXPECT_FALSE(role_from_string("attn_Q", &role));
  EXPECT_EQ(role, Role::norm);
}

TEST(Role, vectors_and_convolutions_are_never_quantized) {
  for (const Role role : {Role::norm, Role::bias, Role::conv, Role::state, Role::vision})
    EXPECT_FALSE(is_quantizable(role)) << to_string(role);
  for (const Role role : {Role::router, Role::shared_router, Role::expert_down, Role::tied_embedding}) EXPECT_TRUE(is_quantizable(role));
}

}  // namespace
}  // namespace jang::arch
