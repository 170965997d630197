// SPDX-License-Identifier: Apache-2.0
// Plan files: what is written reads back to the same bytes, what does not fit the model is refused.
#include <gtest/gtest.h>

#include <functional>

#include "models.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/plan.h"
#include "plan/plan_json.h"

namespace jang::plan {
namespace {

json::Value document_of(const arch::Model& model, const Options& options) {
  const ErrorTable errors = testing::measured_errors(model, options);
  const auto plan = make_plan(model, options, &errors);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return to_json(model, *plan);
}

TEST(PlanJson, every_profile_round_trips_to_the_same_bytes) {
  for (const testing::Named& m : testing::models()) {
    for (const ProfileRow& row : profiles()) {
      Options options;
      options.profile = row.name;
      if (row.kind == "auto") options.target_bpw = 7;
      if (row.name == "JANG_3K") options.floors = Floors::off;
      const std::string written = json::dump(document_of(m.model, options), 2);
      const auto parsed = json::parse(written, "plan");
      ASSERT_TRUE(parsed.ok()) << parsed.status().message();
      const auto plan = from_json(m.model, *parsed);
      ASSERT_TRUE(plan.ok()) << m.name << " " << row.name << ": " << plan.status().message();
      EXPECT_EQ(json::dump(to_json(m.model, *plan), 2), written);
    }
  }
}

TEST(PlanJson, scaling_is_read_back_and_checked) {
  const arch::Model model = testing::hybrid_moe(16, 4);
  Plan made = from_json(model, document_of(model, {})).value();
  made.activation_aware = true;
  made.scaling = {{"model.layers.0.input_layernorm", 0.35, 0.125, 0, 0.3, false}, {"model.layers.0.mlp.experts.up_proj", 0, 0, 3, 0, true}};
  made.scaling_trial = ScalingTrial{4096, 0.0313, 0.03, 0.0002};
  made.unscaled = {{"model.layers.1.input_layernorm", "nobody knows its readers"}};
  for (const auto& [method, name] : {std::pair{Method::fit, "awq"}, {Method::rtn, "awq+rtn"}, {Method::gptq, "awq+gptq"}}) {
    made.method = method;
    const json::Value d = to_json(model, made);
    EXPECT_EQ(d["method"], name);
    const auto read = from_json(model, d);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->method, method);
    EXPECT_EQ(json::dump(to_json(model, *read), 2), json::dump(d, 2));
  }
  const json::Value good = to_json(model, made);
  const std::vector<std::pair<std::string, std::function<void(json::Value&)>>> hostile = {
      {"rescaled twice", [](json::Value& d) { d["scaling"].push_back(d["scaling"][0]); }},
      {"between 0 and 1", [](json::Value& d) { d["scaling"][0]["exponent"] = 1.5; }},
      {"between 0 and 1", [](json::Value& d) { d["scaling"][0]["exponent"] = -0.1; }},
      {"'exponent' is missing", [](json::Value& d) { d["scaling"][0].erase("exponent"); }},
      {"exponent", [](json::Value& d) { d["scaling"][0]["exponent"] = "much"; }},
      {"'group' is missing", [](json::Value& d) { d["scaling"][0].erase("group"); }},
      {"not a list", [](json::Value& d) { d["scaling"] = 1; }},
      {"'group' is missing", [](json::Value& d) { d["scaling"][0] = 1; }},
      {"experts_left", [](json::Value& d) { d["scaling"][1]["experts_left"] = -1; }},
      {"weights is not between", [](json::Value& d) { d["scaling"][0]["of_weights"] = 1.5; }},
      {"of_weights", [](json::Value& d) { d["scaling"][0]["of_weights"] = "half"; }},
      {"refused, and rescaled", [](json::Value& d) { d["scaling"][0]["refused"] = true; }},
      {"refused", [](json::Value& d) { d["scaling"][1]["refused"] = 1; }},
      {"not an object", [](json::Value& d) { d["scaling_trial"] = 1; }},
      {"positions", [](json::Value& d) { d["scaling_trial"]["positions"] = -1; }},
      {"divergence", [](json::Value& d) { d["scaling_trial"]["divergence"] = "little"; }},
      {"only the methods awq", [](json::Value& d) { d["method"] = "fit"; }},
      {"'reason' is missing", [](json::Value& d) { d["unscaled"][0].erase("reason"); }},
      {"not a list", [](json::Value& d) { d["unscaled"] = "none"; }},
  };
  for (const auto& [what, edit] : hostile) {
    json::Value d = good;
    edit(d);
    const Status status = from_json(model, d).status();
    EXPECT_EQ(status.code(), StatusCode::corrupt) << what;
    EXPECT_NE(status.message().find(what), std::string::npos) << what << ": " << status.message();
  }
}

TEST(PlanJson, target_is_read_back_and_must_be_known) {
  const arch::Model model = testing::hybrid_moe(16, 4);
  json::Value d = document_of(model, {});
  EXPECT_EQ(d["target"], "mlx");
  d["target"] = "nowhere";
  const auto unknown = from_json(model, d);
  EXPECT_EQ(unknown.status().code(), StatusCode::corrupt);
  EXPECT_NE(unknown.status().message().find("\"nowhere\" is no target"), std::string::npos) << unknown.status().message();
  d.erase("target");  // plans of versions with one target only
  const auto old = from_json(model, d);
  ASSERT_TRUE(old.ok()) << old.status().message();
  EXPECT_EQ(old->target, &targets::default_target());
}

TEST(PlanJson, document_has_the_shared_keys) {
  const arch::Model model = testing::hybrid_moe(16, 4);
  Options options;
  options.profile = "JANG_2S";
  const json::Value d = document_of(model, options);
  for (const char* key : {"schema_version", "target", "profile", "method", "dtype", "allocation", "budget_bytes", "params", "code_bits",
                          "stored_bits", "file_bytes", "tensors", "warnings"})
    EXPECT_TRUE(d.contains(key)) << key;
  std::uint64_t params = 0;
  for (const json::Value& t : d["tensors"]) {
    for (const char* key : {"name", "module", "role", "tier", "rule", "bits", "group_size", "shape", "params", "bytes", "reason", "error"})
      EXPECT_TRUE(t.contains(key)) << key;
    params += t["params"].get<std::uint64_t>();
    if (t["name"] == "model.layers.0.linear_attn.A_log") {
      EXPECT_EQ(t["bits"], 32);
    }
    if (t["name"] == "model.layers.0.mlp.gate.weight") {
      EXPECT_EQ(t["bits"], 16);
    }
    if (t["name"] == "lm_head.weight") {
      EXPECT_TRUE(t["bits"] == 6 && t["group_size"] == 64 && t["tier"] == "CRITICAL");
    }
  }
  EXPECT_EQ(d["params"], params);
}

TEST(PlanJson, edited_widths_are_taken) {
  const arch::Model model = testing::qwen3_moe();
  json::Value d = document_of(model, {});
  for (json::Value& t : d["tensors"]) {
    if (t["name"] == "lm_head.weight") t["bits"] = 3;
    if (t["name"] == "model.embed_tokens.weight") {
      t["bits"] = 16;
      t["group_size"] = 0;
    }
  }
  d.erase("allocation");
  const auto plan = from_json(model, d);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->tensors.front().choice, Choice{});
  EXPECT_EQ(plan->tensors.back().choice, (Choice{3, 64}));
  EXPECT_EQ(plan->allocation, AllocatedBy::file);
  EXPECT_EQ(plan->tensors.back().bytes, stored_bytes(targets::default_target(), model.tensors.back(), {3, 64}, plan->dtype));
}

// Edits one row and expects the code and a word of the message.
void expect_refused(const std::string& name, const char* key, const json::Value& value, StatusCode code, std::string_view part) {
  const arch::Model model = testing::hybrid_moe(16, 4);
  json::Value d = document_of(model, {});
  for (json::Value& t : d["tensors"])
    if (t["name"] == name) t[key] = value;
  const auto plan = from_json(model, d);
  ASSERT_FALSE(plan.ok()) << name << " " << key;
  EXPECT_EQ(plan.status().code(), code);
  EXPECT_NE(plan.status().message().find(part), std::string::npos) << plan.status().message();
}

TEST(PlanJson, rows_that_do_not_fit_the_model_are_refused) {
  const std::string head = "lm_head.weight", norm = "model.norm.weight", gate = "model.layers.0.mlp.switch_mlp.gate_proj.weight";
  expect_refused(head, "name", "lm_haed.weight", StatusCode::not_found, "lm_head");
  expect_refused(head, "name", norm, StatusCode::corrupt, "twice");
  expect_refused(head, "name", 3, StatusCode::corrupt, "name");
  expect_refused(head, "shape", json::Value::array({4096, 128}), StatusCode::corrupt, "shape");
  expect_refused(head, "shape", json::Value::array({4096, -256}), StatusCode::corrupt, "shape");
  expect_refused(head, "shape", json::Value::array({4096.0, 256.5}), StatusCode::corrupt, "shape");
  expect_refused(head, "shape", nullptr, StatusCode::corrupt, "shape");
  expect_refused(head, "role", "router", StatusCode::corrupt, "role");
  expect_refused(head, "tier", "SUPER", StatusCode::corrupt, "tier");
  expect_refused(head, "bits", 7, StatusCode::corrupt, "7");
  expect_refused(head, "bits", -1, StatusCode::corrupt, "bits");
  expect_refused(head, "bits", 4.5, StatusCode::corrupt, "bits");
  expect_refused(head, "group_size", 48, StatusCode::corrupt, "48");
  expect_refused(head, "group_size", 0, StatusCode::corrupt, "group_size");
  expect_refused(head, "reason", 1, StatusCode::corrupt, "reason");
  expect_refused(norm, "group_size", 64, StatusCode::corrupt, "norm");
  expect_refused(gate, "bits", 5, StatusCode::corrupt, "share");
}

TEST(PlanJson, broken_documents_are_refused) {
  const arch::Model model = testing::qwen3_moe();
  const json::Value good = document_of(model, {});
  const std::pair<const char*, json::Value> kEdits[] = {{"schema_version", 2}, {"schema_version", nullptr}, {"profile", "JANG_9"},
                                                        {"profile", 4},        {"method", "best"},          {"dtype", "I8"},
                                                        {"dtype", "bf16 "},    {"budget_bytes", -1},        {"tensors", "none"},
                                                        {"tensors", nullptr},  {"warnings", "text"},        {"allocation", 1}};
  for (const auto& [key, value] : kEdits) {
    json::Value d = good;
    d[key] = value;
    EXPECT_EQ(from_json(model, d).status().code(), StatusCode::corrupt) << key << " = " << value;
  }
  json::Value fewer = good;
  fewer["tensors"].erase(fewer["tensors"].size() - 1);
  EXPECT_EQ(from_json(model, fewer).status().code(), StatusCode::not_found);
  EXPECT_EQ(from_json(model, json::Value::array()).status().code(), StatusCode::corrupt);
  EXPECT_EQ(from_json(testing::llama_tied(), good).status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace jang::plan
