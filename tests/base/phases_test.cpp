// SPDX-License-Identifier: Apache-2.0
// Numbers of phases.
#include "base/phases.h"

#include <gtest/gtest.h>

#include <string>

namespace jang {
namespace {

class Written final : public SilentObserver {
 public:
  void phase(int n, int total, std::string_view name) override {
    text += std::to_string(n) + "/" + std::to_string(total) + " " + std::string(name) + ";";
  }
  void count(std::string_view unit) override { text += std::string(unit) + ";"; }
  std::string text;
};

TEST(Phases, are_numbered_by_their_place_in_the_list) {
  Written written;
  Phases phases(written, {"detect", "measure", "write"});
  begin_phase(phases, "detect");
  begin_phase(phases, "measure", "trials");
  begin_phase(phases, "write");
  EXPECT_EQ(written.text, "1/3 detect;2/3 measure;trials;3/3 write;");
}

TEST(Phases, one_left_out_keeps_its_number) {
  Written written;
  Phases phases(written, {"text", "gradients", "anchors"});
  begin_phase(phases, "gradients");
  EXPECT_EQ(written.text, "2/3 gradients;");
}

TEST(PhasesDeathTest, one_that_is_not_listed_is_a_bug) {
  Written written;
  Phases phases(written, {"detect"});
  EXPECT_DEATH(begin_phase(phases, "measure"), "internal error");
}

}  // namespace
}  // namespace jang
