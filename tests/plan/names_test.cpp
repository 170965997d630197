// SPDX-License-Identifier: Apache-2.0
// Nearest names: distances by hand, hints that help and none that mislead.
#include "plan/names.h"

#include <gtest/gtest.h>

#include <vector>

namespace jang::plan {
namespace {

TEST(Names, distance_counts_edits_and_swaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("v_porj", "v_proj"), 1);
  EXPECT_EQ(edit_distance("JANG_2S", "jang_2s"), 0);
  EXPECT_EQ(edit_distance(std::string(500, 'a'), std::string(500, 'b')), 96);
}

TEST(Names, hint_names_the_closest_or_nothing) {
  const std::vector<std::string_view> modules = {"model.embed_tokens", "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
                                                 "lm_head"};
  EXPECT_NE(nearest_hint("v_porj", modules).find("model.layers.0.self_attn.v_proj"), std::string::npos);
  EXPECT_NE(nearest_hint("lm_haed", modules).find("lm_head"), std::string::npos);
  EXPECT_EQ(nearest_hint("completely different", modules), "");
  EXPECT_EQ(nearest_hint("", modules), "");
  EXPECT_EQ(nearest_hint("x", {}), "");
}

}  // namespace
}  // namespace jang::plan
