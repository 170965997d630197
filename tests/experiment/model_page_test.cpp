// SPDX-License-Identifier: Apache-2.0
// Names from files stay text, numbers reach the page, and layers that no model has cost nothing.
#include "experiment/model_page.h"

#include <gtest/gtest.h>

#include "../support/contains.h"

namespace jang::experiment {
namespace {

using test::contains;

ModelReport two_layers() {
  ModelReport report;
  report.profile = "JANG_2S";
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    report.tensors.push_back({layer + ".mlp.down_proj.weight", "mlp_down", "COMPRESS", "rule", 2 + l, 64, 1000, 300, l == 0 ? 0.1 : 0.001});
    report.tensors.push_back({layer + ".input_layernorm.weight", "norm", "KEEP", "rule", 16, 0, 10, 20, std::nullopt});
  }
  report.tensors.push_back({"lm_head.weight", "lm_head", "CRITICAL", "rule", 6, 64, 500, 400, 0.01});
  return report;
}

TEST(ModelPage, shows_bits_errors_and_sensitivities_by_layer) {
  ModelFacts facts{"a model", {"a fact"}, {}, "what it is"};
  const std::string without = model_page(two_layers(), facts);
  EXPECT_TRUE(contains(without, "mlp_down, layer 0: 2 bits"));
  EXPECT_TRUE(contains(without, "mlp_down, layer 1: 3 bits"));
  EXPECT_TRUE(contains(without, "mlp_down, layer 0: 0.1"));
  EXPECT_TRUE(contains(without, "<li>a fact</li>"));
  EXPECT_FALSE(contains(without, "Sensitivity"));
  facts.sensitivities["model.layers.1.mlp.down_proj.weight"] = 7;
  const std::string with = model_page(two_layers(), facts);
  EXPECT_TRUE(contains(with, "<h2>Sensitivity</h2>"));
  EXPECT_TRUE(contains(with, "mlp_down, layer 1: 7"));
}

TEST(ModelPage, the_largest_error_is_the_warmest) {
  const std::string page = model_page(two_layers(), {"m", {}, {}, ""});
  EXPECT_TRUE(contains(page, "class=\"b2\"><title>mlp_down, layer 0: 0.1<"));
  EXPECT_TRUE(contains(page, "class=\"b6\"><title>mlp_down, layer 1: 0.001<"));
  for (const char* label : {">1e-1<", ">1e-3<"}) EXPECT_TRUE(contains(page, label)) << label;
}

TEST(ModelPage, hostile_names_stay_text) {
  ModelReport report = two_layers();
  const std::string evil = "<script>alert('&\"')</script>\x01";
  report.profile = evil;
  report.tensors.push_back({evil + ".layers.3.x.weight", evil, evil, evil, 4, 64, 10, 10, 0.5});
  report.tensors.push_back({"model.layers.999999999.x.weight", std::nullopt, std::nullopt, std::nullopt, 4, 64, 10, 10, std::nullopt});
  const std::string page = model_page(report, {evil, {evil}, {}, ""});
  EXPECT_FALSE(contains(page, "<script"));
  EXPECT_FALSE(contains(page, "\x01"));
  EXPECT_TRUE(contains(page, "&lt;script&gt;"));
  EXPECT_LT(page.size(), 60'000u);
}

TEST(ModelPage, a_report_without_tensors_is_a_page_all_the_same) {
  EXPECT_TRUE(contains(model_page({}, {"empty", {}, {}, ""}), "0 tensors"));
}

}  // namespace
}  // namespace jang::experiment
