// SPDX-License-Identifier: Apache-2.0
// The table of mlx-lm's classes as it is asked: patterns, aliases, where a tensor goes; and that no class of the table is empty.
#include <gtest/gtest.h>

#include <algorithm>

#include "arch/path.h"
#include "format/targets/mlx/class_lookup.h"

namespace jang::targets::mlx {
namespace {

bool fits(std::string_view pattern, std::string_view name, std::vector<int>* numbers = nullptr) {
  return fits_pattern(pattern, arch::split_path(name), numbers);
}

TEST(ModelClass, patterns_compare_whole_components) {
  EXPECT_TRUE(fits("a.b", "a.b"));
  EXPECT_FALSE(fits("a.b", "a.bc"));
  EXPECT_FALSE(fits("a.b", "a"));
  EXPECT_FALSE(fits("a", "a.b"));
  EXPECT_TRUE(fits("a.{b,cd}.e", "a.cd.e"));
  EXPECT_FALSE(fits("a.{b,cd}.e", "a.c.e"));
  EXPECT_FALSE(fits("a.{b,cd}.e", "a.b,cd.e"));
  std::vector<int> numbers;
  EXPECT_TRUE(fits("layers.*.experts.*.w", "layers.12.experts.3.w", &numbers));
  EXPECT_EQ(numbers, (std::vector<int>{12, 3}));
  EXPECT_FALSE(fits("layers.*.w", "layers.x.w"));
  EXPECT_FALSE(fits("layers.*.w", "layers.99999999999.w"));
}

TEST(ModelClass, aliases_lead_to_the_class_that_serves_them) {
  const ModelClass* c = find_class("minimax_m2", true);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->name, "minimax");
  EXPECT_EQ(find_class("no_such_type", true), nullptr);
  ASSERT_NE(find_class("granitemoehybrid", false), nullptr);
  EXPECT_EQ(find_class("granitemoehybrid", false)->name, "granitemoehybrid:dense");
  EXPECT_EQ(find_class("granitemoehybrid", true)->name, "granitemoehybrid");
}

TEST(ModelClass, experts_are_stacked_under_the_name_of_the_class) {
  const Place p = place_of(*find_class("mixtral", true), "model.layers.7.block_sparse_moe.experts.5.w2.weight");
  ASSERT_EQ(p.kind, Place::Kind::moved);
  ASSERT_EQ(p.moves.size(), 1u);
  EXPECT_EQ(p.moves[0].out, "model.layers.7.block_sparse_moe.switch_mlp.down_proj.weight");
  EXPECT_EQ(p.moves[0].layout, LayoutRule::stack_experts);
  EXPECT_EQ(p.moves[0].expert, 5);
}

TEST(ModelClass, fused_experts_go_two_ways) {
  const Place p = place_of(*find_class("granitemoe", true), "model.layers.0.block_sparse_moe.input_linear.weight");
  ASSERT_EQ(p.moves.size(), 2u);
  EXPECT_NE(p.moves[0].layout, p.moves[1].layout);
  EXPECT_NE(p.moves[0].out, p.moves[1].out);
}

TEST(ModelClass, other_tensors_have_their_kinds) {
  const ModelClass& c = *find_class("deepseek_v3", true);
  EXPECT_EQ(place_of(c, "model.layers.0.self_attn.o_proj.weight").kind, Place::Kind::module);
  EXPECT_EQ(place_of(c, "model.layers.0.self_attn.kv_b_proj.weight").kind, Place::Kind::plain);
  EXPECT_EQ(place_of(c, "model.layers.0.self_attn.made_up.weight").kind, Place::Kind::unknown);
  EXPECT_EQ(place_of(*find_class("gemma4", true), "model.vision_tower.x.weight").kind, Place::Kind::dropped);
}

TEST(ModelClass, every_row_of_the_table_says_something) {
  ASSERT_GT(model_classes().size(), 80u);
  for (const ModelClass& c : model_classes()) {
    EXPECT_GE(c.modules.size() + c.rows.size(), 1u) << c.name;
    for (const ClassRow& row : c.rows) {
      const auto stars = [](std::string_view s) { return std::count(s.begin(), s.end(), '*'); };
      EXPECT_EQ(stars(row.source), stars(row.out) + (row.layout == LayoutRule::stack_experts ? 1 : 0)) << c.name << " " << row.source;
      const bool has_pair = row.layout != LayoutRule::first_half || std::ranges::any_of(c.rows, [&](const ClassRow& other) {
                              return other.source == row.source && other.layout == LayoutRule::second_half;
                            });
      EXPECT_TRUE(has_pair) << c.name << " " << row.source;
    }
  }
}

}  // namespace
}  // namespace jang::targets::mlx
