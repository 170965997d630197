// SPDX-License-Identifier: Apache-2.0
// The pages of `plan --html` and `inspect --html`.
#include <gtest/gtest.h>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;
using PageEndToEnd = ProgramTest;

TEST_F(PageEndToEnd, pages_hold_pictures_and_ask_for_nothing) {
  ASSERT_EQ(run({"plan", kBundledModel, "-p", "2S", "--html", "plan.html"}).code, 0);
  ASSERT_EQ(run({"convert", kBundledModel, "-p", "2S", "-m", "rtn", "-o", "a", "-q"}).code, 0);
  ASSERT_EQ(run({"inspect", "a", "--html", "model.html"}).code, 0);
  const std::string plan = read_file(dir_ / "plan.html"), model = read_file(dir_ / "model.html");
  for (const std::string* page : {&plan, &model}) {
    EXPECT_TRUE(contains(*page, "default-src 'none'"));
    for (const char* outside : {"http://", "https://", "<script", "src=", "@import", "url("})
      EXPECT_FALSE(contains(*page, outside)) << outside;
    for (const char* part : {"Where the bits are", "Where the bytes go", "expert_down, layer 3", "JANG_2S"})
      EXPECT_TRUE(contains(*page, part)) << part;
  }
  EXPECT_FALSE(contains(plan, "Error of the weights"));
  EXPECT_TRUE(contains(model, "Error of the weights"));
  EXPECT_NE(run({"inspect", "a", "--html", "no/such/folder/x.html"}).code, 0);
}

}  // namespace
}  // namespace jang::cli
