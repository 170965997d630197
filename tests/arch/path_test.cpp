// SPDX-License-Identifier: Apache-2.0
// Dotted paths compared by component.
#include "arch/path.h"

#include <gtest/gtest.h>

namespace jang::arch {
namespace {

TEST(Path, splits_at_dots_and_keeps_empty_components) {
  EXPECT_EQ(split_path("a.bc.d"), (std::vector<std::string_view>{"a", "bc", "d"}));
  EXPECT_EQ(split_path(""), (std::vector<std::string_view>{""}));
  EXPECT_EQ(split_path("a..b."), (std::vector<std::string_view>{"a", "", "b", ""}));
}

TEST(Path, prefixes_and_suffixes_end_at_dots) {
  EXPECT_TRUE(starts_with_path("mtp.fc.weight", "mtp"));
  EXPECT_FALSE(starts_with_path("mtpx.fc.weight", "mtp"));
  EXPECT_TRUE(ends_with_path("model.norm.weight", "norm.weight"));
  EXPECT_FALSE(ends_with_path("model.q_norm.weight", "norm.weight"));
  EXPECT_FALSE(starts_with_path("a", ""));
  EXPECT_FALSE(ends_with_path("a", ""));
}

TEST(Path, component_numbers_are_digits_only) {
  EXPECT_EQ(component_number("17"), 17);
  EXPECT_EQ(component_number("999999999"), 999999999);
  for (const char* bad : {"", "-1", "1a", "w1", "9999999999"}) EXPECT_EQ(component_number(bad), -1) << bad;
}

TEST(Path, stars_become_layer_then_expert) {
  EXPECT_EQ(expand("l.*.e.*.w", 3, 12), "l.3.e.12.w");
  EXPECT_EQ(expand("l.*.e.*.w", 3), "l.3.e.*.w");
  EXPECT_EQ(expand("plain", 3, 1), "plain");
}

TEST(Path, module_is_the_name_without_weight) {
  EXPECT_EQ(module_of("a.q_proj.weight"), "a.q_proj");
  EXPECT_EQ(module_of("a.A_log"), "a.A_log");
  EXPECT_EQ(module_of("a.weight.bias"), "a.weight.bias");
}

TEST(Path, whole_components_are_replaced) {
  const auto replaced = [](std::string path, std::string_view from, std::string_view to) {
    replace_path(&path, from, to);
    return path;
  };
  EXPECT_EQ(replaced("model.layers.0.mlp.c_fc.weight", "mlp.c_fc", "mlp.up_proj"), "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(replaced("model.layers.0.my_mlp.c_fc.weight", "mlp.c_fc", "x"), "model.layers.0.my_mlp.c_fc.weight");
  EXPECT_EQ(replaced("model.layers.0.mlp.c_fc2.weight", "mlp.c_fc", "x"), "model.layers.0.mlp.c_fc2.weight");
  EXPECT_EQ(replaced("embed_out", "embed_out", "lm_head"), "lm_head");
  EXPECT_EQ(replaced("a_norm.norm.norm", "norm", "x"), "a_norm.x.norm") << "the first";
}

}  // namespace
}  // namespace jang::arch
