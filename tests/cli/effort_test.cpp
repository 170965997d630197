// SPDX-License-Identifier: Apache-2.0
// How the estimates of effort are told.
#include "cli/effort.h"

#include <gtest/gtest.h>

#include "../support/contains.h"

namespace jang::cli {
namespace {

TEST(EffortText, names_the_largest_parts_and_what_cannot_be_had) {
  const std::vector<EffortLevel> levels = {
      {.level = 3, .seconds = 130, .parts = {{"allocate", 80}, {"text", 31}, {"quantize", 9}, {"grams", 5}, {"measure", 5}}},
      {.level = 4, .refusal = "it does not run"}};
  EXPECT_EQ(effort_line(levels[0]), "about 2:10 on this machine: allocate 1:20, text 31.0 s, quantize 9.0 s");
  EXPECT_TRUE(test::contains(effort_table(levels), "4       -            it does not run")) << effort_table(levels);
  const Json document = effort_document(levels);
  EXPECT_EQ(document[0]["parts"].size(), 5u);
  EXPECT_FALSE(document[1].contains("seconds"));
}

// What is left follows what the phases behind took.
class EffortInfos final : public SilentObserver {
 public:
  void info(std::string_view message) override { all += std::string(message) + "\n"; }
  std::string all;
};

TEST(EffortRemaining, is_refined_by_the_phases_that_are_done) {
  double now = 100;
  EffortInfos infos;
  EffortLevel level;
  level.parts = {{"train", 60}, {"text", 10}, {"grams", 20}, {"quantize", 10}};
  RemainingTime remaining(infos, level, [&] { return now; });
  remaining.phase(1, 4, "detect");
  EXPECT_EQ(infos.all, "");
  remaining.phase(2, 4, "text");
  EXPECT_TRUE(test::contains(infos.all, "about 1:40 left")) << infos.all;
  now += 20;  // twice what was said
  remaining.phase(3, 4, "quantize");
  EXPECT_TRUE(test::contains(infos.all, "about 3:00 left")) << infos.all;
  now += 15;
  remaining.phase(4, 4, "train");
  EXPECT_TRUE(test::contains(infos.all, "about 52.5 s left")) << infos.all;  // 35 of 40 seconds: 7/8 of 60
}

}  // namespace
}  // namespace jang::cli
