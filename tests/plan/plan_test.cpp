// SPDX-License-Identifier: Apache-2.0
// What make_plan decides: tiers, groups, floors, overrides, types, refusals.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include "models.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/overrides.h"

namespace jang::plan {
namespace {

using testing::with_profile;

using arch::Role;

TensorPlan at(const arch::Model& model, const Plan& plan, std::string_view module) {
  for (const TensorPlan& p : plan.tensors)
    if (model.tensors[static_cast<std::size_t>(p.tensor)].module == module) return p;
  ADD_FAILURE() << "no module " << module;
  return {};
}

Plan plan_of(const arch::Model& model, const Options& options) {
  const auto plan = make_plan(model, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : Plan{};
}

Options with_override(std::string profile, std::string_view text) {
  Options options = with_profile(std::move(profile));
  const auto o = parse_override(text);
  EXPECT_TRUE(o.ok()) << o.status().message();
  if (o.ok()) options.overrides.push_back(*o);
  return options;
}

void expect_refused(const arch::Model& model, const Options& options, std::string_view part) {
  const auto plan = make_plan(model, options);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), StatusCode::invalid_argument);
  EXPECT_NE(plan.status().message().find(part), std::string::npos) << plan.status().message();
}

TEST(Plan, tier_profiles_give_every_role_its_width) {
  const arch::Model model = testing::qwen3_moe();
  for (const ProfileRow& row : profiles()) {
    if (row.kind != "tiers") continue;
    const Plan plan = plan_of(model, with_profile(std::string(row.name)));
    EXPECT_EQ(plan.allocation, AllocatedBy::tiers);
    EXPECT_EQ(plan.budget_bytes, 0u);
    EXPECT_EQ(at(model, plan, "model.layers.3.self_attn.v_proj").choice, (Choice{row.critical, 64}));
    EXPECT_EQ(at(model, plan, "lm_head").choice, (Choice{row.critical, 64}));
    EXPECT_EQ(at(model, plan, "model.embed_tokens").choice, (Choice{row.important, 64}));
    EXPECT_EQ(at(model, plan, "model.layers.0.mlp.switch_mlp.gate_proj").choice, (Choice{row.compress, 64}));
    EXPECT_EQ(at(model, plan, "model.layers.0.mlp.gate").choice, Choice{});
    EXPECT_EQ(at(model, plan, "model.norm").choice, Choice{});
  }
}

TEST(Plan, published_triples_are_in_the_table) {
  int seen = 0;
  for (const ProfileRow& row : profiles()) {
    if (row.name == "JANG_2S") {
      EXPECT_TRUE(row.critical == 6 && row.important == 4 && row.compress == 2 && ++seen);
    }
    if (row.name == "JANG_1L") {
      EXPECT_TRUE(row.critical == 8 && row.important == 8 && row.compress == 2 && ++seen);
    }
    if (row.name == "JANG_3S") {
      EXPECT_TRUE(row.critical == 6 && row.important == 3 && row.compress == 3 && ++seen);
    }
    if (row.name == "JANG_6M") {
      EXPECT_TRUE(row.critical == 8 && row.important == 6 && row.compress == 6 && ++seen);
    }
  }
  EXPECT_EQ(seen, 4);
}

TEST(Plan, dense_mlp_of_a_mixture_and_odd_roles_are_critical) {
  testing::ModelBuilder b("qwen3_moe", 1, 8);
  b.add("dense", Role::mlp_down, {64, 64});
  b.add("fused", Role::attn_qkv, {64, 64});
  b.add("tied", Role::tied_embedding, {64, 64});
  b.add("shared", Role::shared_up, {64, 64});
  b.add("mystery", Role::unknown, {64, 64});
  b.add("linear", Role::linear_attn_z, {64, 64});
  arch::Model model = b.take();
  const Plan plan = plan_of(model, with_profile("JANG_2S"));
  for (const char* module : {"dense", "fused", "tied", "shared", "mystery"})
    EXPECT_EQ(at(model, plan, module).tier, Tier::critical) << module;
  EXPECT_EQ(at(model, plan, "linear").tier, Tier::important);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("mystery"), std::string::npos);
  model.n_experts = 0;
  EXPECT_EQ(at(model, plan_of(model, with_profile("JANG_2S")), "dense").tier, Tier::compress);
}

TEST(Plan, jang_2s_of_a_large_mixture_is_close_to_two_code_bits) {
  const arch::Model model = testing::hybrid_moe(256, 8);
  const Plan plan = plan_of(model, with_profile("JANG_2S"));
  const Choice expert{2, 128};
  EXPECT_EQ(at(model, plan, "model.layers.0.mlp.switch_mlp.gate_proj").choice, expert);
  EXPECT_EQ(at(model, plan, "model.layers.0.mlp.switch_mlp.down_proj").choice, expert);
  EXPECT_EQ(at(model, plan, "model.layers.0.linear_attn.in_proj_qkv").choice, (Choice{4, 64}));
  EXPECT_LT(sizes(model, plan, make_layout(model, plan)).code_bits, 2.2);
}

TEST(Plan, groups_fall_back_to_what_divides_the_input) {
  const arch::Model model = testing::ragged();
  const Plan plan = plan_of(model, with_profile("JANG_4M"));
  EXPECT_EQ(at(model, plan, "model.layers.0.self_attn.q_proj").choice, (Choice{8, 32}));  // 96 inputs
  EXPECT_NE(at(model, plan, "model.layers.0.self_attn.q_proj").reason.find("group 32"), std::string::npos);
  EXPECT_EQ(at(model, plan, "model.layers.0.self_attn.o_proj").choice, (Choice{8, 64}));  // 128 inputs
  EXPECT_EQ(at(model, plan, "model.layers.0.mlp.down_proj").choice, Choice{});            // 80 inputs
  EXPECT_NE(at(model, plan, "model.layers.0.mlp.down_proj").reason.find("80"), std::string::npos);
  bool warned = false;
  for (const std::string& w : plan.warnings) warned |= w.find("down_proj") != std::string::npos;
  EXPECT_TRUE(warned);
  Options coarse = with_profile("JANG_4M");
  coarse.group_size = 128;
  const Plan asked = plan_of(model, coarse);
  EXPECT_EQ(at(model, asked, "model.layers.0.self_attn.o_proj").choice, (Choice{8, 128}));
  EXPECT_EQ(at(model, asked, "model.layers.0.self_attn.q_proj").choice, (Choice{8, 32}));
}

TEST(Plan, floors_are_automatic_from_512_experts_and_bind_the_unit) {
  const arch::Model large = testing::hybrid_moe(512, 4), small = testing::hybrid_moe(256, 4);
  const auto gate = "model.layers.0.mlp.switch_mlp.gate_proj", up = "model.layers.0.mlp.switch_mlp.up_proj",
             down = "model.layers.0.mlp.switch_mlp.down_proj";
  Options options = with_profile("JANG_2S");
  const Plan automatic = plan_of(large, options);
  EXPECT_EQ(at(large, automatic, gate).choice.bits, 4);
  EXPECT_EQ(at(large, automatic, up).choice.bits, 4);  // shares a decision with gate
  EXPECT_EQ(at(large, automatic, down).choice.bits, 3);
  EXPECT_NE(at(large, automatic, down).reason.find("floor"), std::string::npos);
  ASSERT_EQ(automatic.warnings.size(), 1u);
  EXPECT_NE(automatic.warnings[0].find("floors"), std::string::npos);
  EXPECT_EQ(at(small, plan_of(small, options), gate).choice.bits, 2);
  options.floors = Floors::off;
  EXPECT_EQ(at(large, plan_of(large, options), gate).choice.bits, 2);
  options.floors = Floors::on;
  EXPECT_EQ(at(small, plan_of(small, options), gate).choice.bits, 4);
  const arch::Model apart = testing::qwen3_moe();  // gate and up decide alone
  EXPECT_EQ(at(apart, plan_of(apart, options), up).choice.bits, 2);
  options.profile = "uniform_2";
  EXPECT_EQ(at(large, plan_of(large, options), gate).choice.bits, 2);
}

TEST(Plan, overrides_change_exactly_what_they_match) {
  const arch::Model model = testing::qwen3_moe();
  const Plan before = plan_of(model, with_profile("JANG_2S"));
  const Plan after = plan_of(model, with_override("JANG_2S", R"(layers\.[01]\..*v_proj=8:128)"));
  for (std::size_t i = 0; i < before.tensors.size(); ++i) {
    const std::string& module = model.tensors[i].module;
    const bool matches = module == "model.layers.0.self_attn.v_proj" || module == "model.layers.1.self_attn.v_proj";
    EXPECT_EQ(after.tensors[i].choice, matches ? (Choice{8, 128}) : before.tensors[i].choice) << module;
  }
  EXPECT_NE(at(model, after, "model.layers.0.self_attn.v_proj").reason.find("--tensor"), std::string::npos);
  EXPECT_EQ(at(model, plan_of(model, with_override("JANG_2S", "lm_head=16")), "lm_head").choice, Choice{});
  EXPECT_EQ(at(model, plan_of(model, with_override("uniform_4", "lm_head=6")), "lm_head").choice, (Choice{6, 64}));
  EXPECT_EQ(at(model, plan_of(model, with_override("JANG_2S", "mlp.gate$=8")), "model.layers.0.mlp.gate").choice, (Choice{8, 64}));
}

TEST(Plan, later_override_wins) {
  const arch::Model model = testing::qwen3_moe();
  Options options = with_override("JANG_2S", "switch_mlp=4");
  options.overrides.push_back(*parse_override("layers.0.*gate_proj$=6"));
  const Plan plan = plan_of(model, options);
  EXPECT_EQ(at(model, plan, "model.layers.0.mlp.switch_mlp.gate_proj").choice.bits, 6);
  EXPECT_EQ(at(model, plan, "model.layers.0.mlp.switch_mlp.up_proj").choice.bits, 4);
  std::swap(options.overrides[0], options.overrides[1]);
  EXPECT_EQ(at(model, plan_of(model, options), "model.layers.0.mlp.switch_mlp.gate_proj").choice.bits, 4);
}

TEST(Plan, override_of_one_tensor_moves_its_unit) {
  const arch::Model model = testing::hybrid_moe(16, 4);  // gate and up share a decision
  const Plan plan = plan_of(model, with_override("JANG_2S", "layers.1.mlp.switch_mlp.gate_proj=6"));
  EXPECT_EQ(at(model, plan, "model.layers.1.mlp.switch_mlp.up_proj").choice.bits, 6);
  EXPECT_EQ(at(model, plan, "model.layers.1.mlp.switch_mlp.down_proj").choice.bits, 2);
  Options options = with_override("JANG_2S", "layers.1.mlp.switch_mlp.gate_proj=6");
  options.overrides.push_back(*parse_override("layers.1.mlp.switch_mlp.up_proj=3"));
  expect_refused(model, options, "disagree");
}

TEST(Plan, bad_overrides_are_refused) {
  const arch::Model model = testing::ragged();
  expect_refused(model, with_override("JANG_2S", "self_attn.v_porj=8"), "v_proj");
  expect_refused(model, with_override("JANG_2S", "input_layernorm=8"), "cannot be quantized");
  expect_refused(model, with_override("JANG_2S", "q_proj=8:64"), "96 inputs");
  expect_refused(model, with_override("JANG_2S", "mlp.down_proj=8"), "80 inputs");
  EXPECT_TRUE(make_plan(model, with_override("JANG_2S", "input_layernorm=16")).ok());
}

TEST(Plan, parse_override_accepts_the_grammar_and_nothing_else) {
  const auto o = parse_override("a=b.*=3:32");
  ASSERT_TRUE(o.ok());
  EXPECT_EQ(o->pattern, "a=b.*");
  EXPECT_EQ(o->choice, (Choice{3, 32}));
  EXPECT_EQ(parse_override("x=16")->choice, Choice{});
  for (const char* text : {"", "x", "=4", "x=", "x=7", "x=4:", "x=4:48", "x=16:64", "x=4 ", "x=+4", "x=4:64:1", "x=-4", "x=99999999999",
                           "(=4", "[=4", "*=4", "a{99999}=4"})
    EXPECT_EQ(parse_override(text).status().code(), StatusCode::invalid_argument) << text;
  EXPECT_FALSE(parse_override(std::string(300, 'a') + "=4").ok());
}

TEST(Plan, stored_type_follows_most_weights) {
  arch::Model model = testing::llama_tied();
  EXPECT_EQ(param_dtype(model, {}), DType::bf16);
  for (arch::OutTensor& t : model.tensors)
    if (t.quantizable) t.source_dtype = DType::f32;
  EXPECT_EQ(param_dtype(model, {}), DType::bf16);  // every float32 value fits its range
  for (arch::OutTensor& t : model.tensors)
    if (t.quantizable) t.source_dtype = DType::f16;
  EXPECT_EQ(param_dtype(model, {}), DType::f16);
  model.tensors[0].source_dtype = DType::bf16;  // the embedding alone is not most of it
  EXPECT_EQ(param_dtype(model, {}), DType::f16);
  Options options;
  options.param_dtype = DType::f32;
  EXPECT_EQ(plan_of(model, options).dtype, DType::f32);
  options.param_dtype = DType::i32;
  expect_refused(model, options, "I32");
}

TEST(Plan, impossible_options_are_refused) {
  const arch::Model model = testing::llama_tied();
  expect_refused(model, with_profile("JANG_9Z"), "JANG_");
  Options options;
  options.group_size = 48;
  expect_refused(model, options, "48");
  options = {};
  options.target_bpw = 4.0;
  expect_refused(model, options, "auto");
  expect_refused(model, with_profile("auto"), "--bpw");
  EXPECT_EQ(check_options(model, with_profile("auto")).code(), StatusCode::invalid_argument);
  options.profile = "auto";
  EXPECT_TRUE(check_options(model, options).ok());  // no table needed
  expect_refused(model, options, "measured");
  options.target_bytes = 1000;
  expect_refused(model, options, "both");
}

TEST(Plan, canonical_profile_takes_every_spelling) {
  const std::pair<const char*, const char*> kSpellings[] = {
      {"1", "JANG_1L"},       {"2", "JANG_2S"},       {"3", "JANG_3K"},           {"4", "JANG_4K"},  {"5", "JANG_5K"},
      {"6", "JANG_6K"},       {"7", "JANG_6M"},       {"8", "JANG_6M"},           {"4K", "JANG_4K"}, {"2s", "JANG_2S"},
      {"jang_4k", "JANG_4K"}, {"Jang-3M", "JANG_3M"}, {"UNIFORM_3", "uniform_3"}, {"auto", "auto"},  {"mixed_2_6", "mixed_2_6"}};
  for (const auto& [typed, name] : kSpellings) {
    const auto found = canonical_profile(typed);
    ASSERT_TRUE(found.ok()) << typed;
    EXPECT_EQ(*found, name);
  }
  for (const ProfileRow& row : profiles()) EXPECT_EQ(*canonical_profile(row.name), row.name);
  for (const char* typed : {"", "0", "9", "JANG_", "K", "uniform_7", "JANG_4KK"})
    EXPECT_EQ(canonical_profile(typed).status().code(), StatusCode::invalid_argument) << typed;
  EXPECT_NE(canonical_profile("unifrom_3").status().message().find("uniform_3"), std::string::npos);
  EXPECT_NE(canonical_profile("JANG_4KK").status().message().find("JANG_4K"), std::string::npos);
}

}  // namespace
}  // namespace jang::plan
