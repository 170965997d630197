// SPDX-License-Identifier: Apache-2.0
// Protocols: which tokens are scored, once each, and by how much context.
#include "eval/windows.h"

#include <set>

#include <gtest/gtest.h>

namespace jang::eval {
namespace {

Protocol protocol(std::string_view name, std::optional<std::int64_t> ctx = {}, std::optional<std::int64_t> stride = {}) {
  const auto p = make_protocol(name, ctx, stride);
  EXPECT_TRUE(p.ok()) << p.status().message();
  return p.ok() ? p.value() : Protocol{};
}

std::vector<Window> windows(std::int64_t n, const Protocol& p) {
  const auto w = make_windows(n, p);
  EXPECT_TRUE(w.ok()) << w.status().message();
  return w.ok() ? w.value() : std::vector<Window>{};
}

std::vector<std::int64_t> scored(const std::vector<Window>& ws) {
  std::vector<std::int64_t> tokens;
  for (const Window& w : ws)
    for (std::int64_t t = w.first_scored; t < w.n_tokens; ++t) tokens.push_back(w.begin + t);
  return tokens;
}

TEST(Windows, default_scores_all_but_the_first_of_each) {
  const auto ws = windows(25, protocol("windows", 8));
  ASSERT_EQ(ws.size(), 3u);
  EXPECT_EQ(scored(ws).size(), 21u);
  for (const std::int64_t t : scored(ws)) EXPECT_NE(t % 8, 0);
  EXPECT_EQ(ws[2].begin, 16);
}

TEST(Windows, protocols_have_their_own_context) {
  EXPECT_EQ(protocol("windows").ctx, 512);
  EXPECT_EQ(protocol("gptq").ctx, 2048);
  EXPECT_EQ(protocol("sliding").stride, 512);
  EXPECT_TRUE(protocol("llama.cpp").begin_each);
  for (const std::string_view name : protocol_names()) EXPECT_EQ(protocol(name).name, name);
}

TEST(Windows, llama_cpp_scores_the_second_half) {
  // llama-perplexity: for j in [n/2, n-1) the logits of j score token j + 1: n - n/2 - 1 tokens of each window.
  const auto ws = windows(512 * 3 + 7, protocol("llama.cpp"));
  ASSERT_EQ(ws.size(), 3u);
  EXPECT_EQ(scored(ws).size(), 3u * 255);
  EXPECT_EQ(ws[1].first_scored, 257);
}

TEST(Windows, sliding_scores_every_token_once) {
  for (const std::int64_t n : {2, 5, 8, 9, 16, 17, 100}) {
    for (const std::int64_t stride : {1, 3, 7}) {
      const auto ws = windows(n, protocol("sliding", 8, stride));
      const auto tokens = scored(ws);
      EXPECT_EQ(std::set<std::int64_t>(tokens.begin(), tokens.end()).size(), tokens.size());
      EXPECT_EQ(static_cast<std::int64_t>(tokens.size()), n - 1) << n << " " << stride;
      for (const Window& w : ws) {
        EXPECT_LE(w.begin + w.n_tokens, n);
        // At least ctx - stride tokens of context after the first window.
        if (w.begin > 0) {
          EXPECT_GE(w.first_scored, 8 - stride);
        }
      }
    }
  }
}

TEST(Windows, impossible_requests_are_refused) {
  for (const auto& p : {make_protocol("window", {}, {}), make_protocol("windows", 1, {}), make_protocol("windows", kMaxContext + 1, {}),
                        make_protocol("windows", 64, 32), make_protocol("sliding", 64, 64), make_protocol("sliding", 64, 0)}) {
    ASSERT_FALSE(p.ok());
    EXPECT_EQ(p.status().code(), StatusCode::invalid_argument);
  }
  EXPECT_EQ(make_windows(511, protocol("windows")).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(make_windows(0, protocol("sliding")).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(make_windows(1, protocol("sliding")).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::eval
