// SPDX-License-Identifier: Apache-2.0
// Reports as documents: shared keys, nulls for what is not known.
#include "jang/report.h"

#include <gtest/gtest.h>

#include "json/json.h"

namespace jang {
namespace {

ModelReport sample() {
  ModelReport report;
  report.profile = "JANG_2S";
  report.params = 300;
  report.file_bytes = 1234;
  report.tensors = {{"a.weight", "attn_q", "CRITICAL", "rule a", 2, 64, 100, 30, 0.1},
                    {"b.weight", std::nullopt, std::nullopt, std::nullopt, 2, 64, 300, 90, 0.2},
                    {"c.weight", "norm", "KEEP", "rule c", 16, 0, 7, 14, std::nullopt}};
  return report;
}

TEST(ModelReport, mean_error_is_weighted_by_weights) {
  EXPECT_NEAR(mean_error(sample()).value(), (0.1 * 100 + 0.2 * 300) / 400, 1e-12);
  EXPECT_FALSE(mean_error(ModelReport{}).has_value());
}

TEST(ModelReport, document_has_the_shared_keys_and_nulls_for_the_unknown) {
  const json::Value v = json::parse(to_json(sample()), "report").value();
  EXPECT_EQ(v["profile"], "JANG_2S");
  EXPECT_TRUE(v["method"].is_null());
  EXPECT_EQ(v["file_bytes"], 1234);
  EXPECT_EQ(v["tensors"][0]["role"], "attn_q");
  EXPECT_TRUE(v["tensors"][1]["rule"].is_null());
  EXPECT_TRUE(v["tensors"][2]["error"].is_null());
}

}  // namespace
}  // namespace jang
