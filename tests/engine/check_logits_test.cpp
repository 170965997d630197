// SPDX-License-Identifier: Apache-2.0
// Rows of logits that can be used, and those that cannot.
#include "engine/check_logits.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace jang::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

TEST(CheckLogits, finite_rows_and_tokens_ruled_out_pass) {
  EXPECT_TRUE(check_logits(std::vector<float>{1, -2, 0, -0.0f, kLargest, -kLargest, 1e-45f}, 7).ok());
  EXPECT_TRUE(check_logits(std::vector<float>{-kInfinity, -kInfinity, 3, -kInfinity}, 4).ok());
  EXPECT_TRUE(check_logits(std::vector<float>{-kInfinity, -kLargest}, 2).ok());
  EXPECT_TRUE(check_logits({}, 5).ok());
}

TEST(CheckLogits, one_bad_value_anywhere_is_found) {
  for (const std::int64_t vocab : {1, 2, 7, 64, 257}) {
    for (std::int64_t at = 0; at < 3 * vocab; ++at) {
      for (const float bad : {kNotANumber, -kNotANumber, kInfinity}) {
        std::vector<float> logits(static_cast<std::size_t>(3 * vocab), -1.0f);
        logits[static_cast<std::size_t>(at)] = bad;
        EXPECT_EQ(check_logits(logits, vocab).code(), StatusCode::corrupt) << vocab << " " << at << " " << bad;
      }
    }
  }
}

TEST(CheckLogits, a_row_that_rules_out_every_token_is_an_error) {
  std::vector<float> logits(12, -kInfinity);
  logits[0] = logits[5] = 1;  // the third row has none
  const Status status = check_logits(logits, 4);
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("every token"), std::string::npos) << status.message();
  EXPECT_TRUE(check_logits(std::span(logits).first(8), 4).ok());
}

TEST(CheckLogits, the_message_says_what_was_found) {
  EXPECT_NE(
      check_logits(std::vector<float>{kNotANumber, 1, kInfinity, kNotANumber}, 4).message().find("2 of the 4 logits of a token are NaN"),
      std::string::npos);
  EXPECT_NE(check_logits(std::vector<float>{0, kInfinity}, 2).message().find("1 of the 2 logits of a token are +infinity"),
            std::string::npos);
}

}  // namespace
}  // namespace jang::engine
