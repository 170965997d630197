// SPDX-License-Identifier: Apache-2.0
// Budgets are met from below, to the byte of the real files, within their floors.
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/affine.h"
#include "models.h"
#include "plan/budget.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/overrides.h"
#include "plan/plan.h"

namespace jang::plan {
namespace {

using testing::with_profile;

std::uint64_t file_bytes(const arch::Model& model, const Plan& plan) { return make_layout(model, plan).file_bytes; }

Plan measured_plan_of(const arch::Model& model, const Options& options) {
  const ErrorTable errors = testing::measured_errors(model, options);
  const auto plan = make_plan(model, options, &errors);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : Plan{};
}

// K profiles of a model: JANG_3K has no room for the expert floors of fused gate and up projections, so it is asked without.
Options k_options(const testing::Named& m, std::string_view profile) {
  Options options;
  options.profile = profile;
  if (m.name == "hybrid_512" && profile == "JANG_3K") options.floors = Floors::off;
  return options;
}

// Fewest bytes by which one tensor of the plan could grow; the largest number when nothing can.
std::uint64_t smallest_step(const arch::Model& model, const Plan& plan, const Options& options) {
  std::uint64_t least = ~std::uint64_t{0};
  for (const TensorPlan& p : plan.tensors) {
    const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
    if (!t.quantizable || p.tier == Tier::keep) continue;
    std::vector<Choice> choices;
    if (needs_errors(options)) choices = auto_choices(t, options);
    for (const codec::WidthRow& w : codec::kWidths) {
      if (!needs_errors(options)) choices.push_back({w.bits, p.choice.group_size});
    }
    for (const Choice& c : choices) {
      const std::uint64_t bytes = stored_bytes(targets::default_target(), t, c, plan.dtype);
      if (bytes > p.bytes) least = std::min(least, bytes - p.bytes);
    }
  }
  return least;
}

void expect_met_from_below(const arch::Model& model, const Plan& plan, const Options& options, std::uint64_t budget, std::uint64_t used) {
  EXPECT_LE(used, budget);
  EXPECT_TRUE(static_cast<double>(budget - used) <= 0.001 * static_cast<double>(budget) ||
              budget - used <= smallest_step(model, plan, options))
      << used << " of " << budget;
}

TEST(Budget, k_profiles_spend_the_bytes_of_uniform) {
  for (const testing::Named& m : testing::models()) {
    if (m.name == "ragged") continue;
    for (const ProfileRow& row : profiles()) {
      if (row.kind != "budget") continue;
      SCOPED_TRACE(m.name + " " + std::string(row.name));
      const Plan plan = measured_plan_of(m.model, k_options(m, row.name));
      const Plan uniform = measured_plan_of(m.model, with_profile(std::string("uniform_") + row.name[5]));
      EXPECT_EQ(plan.budget_bytes, file_bytes(m.model, uniform));
      expect_met_from_below(m.model, plan, with_profile(row.name), plan.budget_bytes, file_bytes(m.model, plan));
      EXPECT_EQ(plan.allocation, AllocatedBy::role_prior);
    }
  }
}

TEST(Budget, k_profiles_keep_their_floors) {
  for (const testing::Named& m : testing::models()) {
    if (m.name == "ragged") continue;
    for (const ProfileRow& row : profiles()) {
      if (row.kind != "budget") continue;
      const int n = row.name[5] - '0';
      bool above = false, below = false;
      for (const TensorPlan& p : measured_plan_of(m.model, k_options(m, row.name)).tensors) {
        if (p.tier == Tier::keep) continue;
        EXPECT_GE(p.choice.bits, p.tier == Tier::critical ? n : n - 1) << m.name << " " << row.name;
        above = above || p.choice.bits > n;
        below = below || p.choice.bits < n;
      }
      EXPECT_TRUE(above || !below) << m.name << " " << row.name;  // the bytes saved went somewhere
    }
  }
}

// What uniform_N has no room for: matrices that stay in 16 bit in a tiny model, an override, expert floors above N.
TEST(Budget, k_profiles_make_room_for_what_must_stay_wider) {
  Options wide_head = with_profile("");
  wide_head.overrides.push_back(*parse_override("embed_tokens=16"));
  Options floors = with_profile("");
  floors.floors = Floors::on;
  const std::vector<std::pair<arch::Model, Options>> cases = {
      {testing::ragged(), with_profile("")}, {testing::llama_tied(), wide_head}, {testing::hybrid_moe(512, 4), floors}};
  bool wider = false;
  for (const auto& [model, asked] : cases) {
    for (const ProfileRow& row : profiles()) {
      if (row.kind != "budget") continue;
      SCOPED_TRACE(model.model_type + " " + std::string(row.name));
      Options options = asked;
      options.profile = row.name;
      const Plan plan = measured_plan_of(model, options);
      const std::uint64_t uniform = file_bytes(model, measured_plan_of(model, with_profile(std::string("uniform_") + row.name[5])));
      const int n = row.name[5] - '0';
      EXPECT_GE(plan.budget_bytes, uniform);
      wider = wider || plan.budget_bytes > uniform;
      EXPECT_LE(file_bytes(model, plan), plan.budget_bytes);
      for (const TensorPlan& p : plan.tensors) {
        if (p.tier == Tier::keep || p.choice.bits == 0) continue;
        EXPECT_GE(p.choice.bits, p.tier == Tier::critical ? n : n - 1);
      }
    }
  }
  EXPECT_TRUE(wider);
}

TEST(Budget, size_is_met_with_headers_for_any_number) {
  for (const testing::Named& m : testing::models()) {
    Options options = with_profile("auto");
    options.target_bpw = 64.0;
    const std::uint64_t whole = file_bytes(m.model, measured_plan_of(m.model, options));
    options.target_bpw.reset();
    for (int percent = 30; percent <= 105; percent += 5) {
      options.target_bytes = whole / 100 * static_cast<std::uint64_t>(percent) + 13;
      SCOPED_TRACE(m.name + " " + std::to_string(percent));
      const Plan plan = measured_plan_of(m.model, options);
      EXPECT_EQ(plan.budget_bytes, *options.target_bytes);
      EXPECT_EQ(plan.allocation, AllocatedBy::measured_errors);
      expect_met_from_below(m.model, plan, options, plan.budget_bytes, file_bytes(m.model, plan));
    }
  }
}

TEST(Budget, bpw_bounds_the_stored_bits) {
  const arch::Model model = testing::qwen3_moe();
  for (const double bpw : {2.6, 3.078, 4.0, 4.507, 6.25, 9.0}) {
    Options options = with_profile("auto");
    options.target_bpw = bpw;
    const Plan plan = measured_plan_of(model, options);
    const Layout layout = make_layout(model, plan);
    const Sizes s = sizes(model, plan, layout);
    EXPECT_LE(s.stored_bits, bpw);
    EXPECT_GT(s.stored_bits, 0.995 * bpw);
    EXPECT_LE(layout.file_bytes, plan.budget_bytes);
  }
}

TEST(Budget, more_bytes_never_cost_more) {
  const arch::Model model = testing::llama_tied();
  double before = 1e300;
  for (double bpw = 2.5; bpw < 8; bpw += 0.25) {
    Options options = with_profile("auto");
    options.target_bpw = bpw;
    const ErrorTable errors = testing::measured_errors(model, options);
    const Plan plan = measured_plan_of(model, options);
    double cost = 0;  // all roles of this model but v have factors between .4 and 4; v is what must not be starved
    for (const TensorPlan& p : plan.tensors) {
      const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
      if (t.role == arch::Role::attn_v && p.choice.bits > 0) cost += errors.at(t.unit).at(p.choice);
    }
    EXPECT_LE(cost, before * 1.5);
    before = cost;
  }
  EXPECT_LT(before, 1e-3);
}

TEST(Budget, sensitive_roles_get_more_bits) {
  const arch::Model model = testing::qwen3_moe();
  Options options = with_profile("auto");
  options.target_bpw = 3.5;
  double v = 0, q = 0, gate = 0;
  const Plan plan = measured_plan_of(model, options);
  for (const TensorPlan& p : plan.tensors) {
    const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
    const double bits = p.choice.bits == 0 ? 16 : p.choice.bits;
    if (t.role == arch::Role::attn_v) v += bits;
    if (t.role == arch::Role::attn_q) q += bits;
    if (t.role == arch::Role::expert_gate) gate += bits;
  }
  EXPECT_GT(v, q);
  EXPECT_GT(q, gate);
}

TEST(Budget, too_small_budgets_name_the_smallest) {
  const arch::Model model = testing::qwen3_moe();
  Options options = with_profile("auto");
  options.target_bytes = 1000;
  const ErrorTable errors = testing::measured_errors(model, options);
  const auto refused = make_plan(model, options, &errors);
  ASSERT_EQ(refused.status().code(), StatusCode::invalid_argument);
  const std::string message = refused.status().message();
  const std::size_t number = message.find("at least ");
  ASSERT_NE(number, std::string::npos) << message;
  const std::uint64_t least = std::stoull(message.substr(number + 9));
  options.target_bytes = least;
  ASSERT_TRUE(make_plan(model, options, &errors).ok());
  options.target_bytes = least - 1;
  EXPECT_FALSE(make_plan(model, options, &errors).ok());
  options.target_bytes.reset();
  options.target_bpw = 1.0;
  EXPECT_NE(make_plan(model, options, &errors).status().message().find("bits per weight"), std::string::npos);
}

TEST(Budget, floors_and_overrides_hold_inside_a_budget) {
  const arch::Model model = testing::hybrid_moe(512, 4);
  for (const char* profile : {"JANG_4K", "auto"}) {
    Options options = with_profile(profile);
    if (options.profile == "auto") options.target_bpw = 4.5;
    options.overrides.push_back(*parse_override("lm_head=8:128"));
    const Plan plan = measured_plan_of(model, options);
    EXPECT_LE(file_bytes(model, plan), plan.budget_bytes);
    for (const TensorPlan& p : plan.tensors) {
      const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
      if (t.role == arch::Role::expert_gate && p.choice.bits > 0) {
        EXPECT_GE(p.choice.bits, 4);
      }
      if (t.role == arch::Role::expert_down && p.choice.bits > 0) {
        EXPECT_GE(p.choice.bits, 3);
      }
      if (t.role == arch::Role::lm_head) {
        EXPECT_EQ(p.choice, (Choice{8, 128}));
      }
    }
  }
}

TEST(Budget, auto_choices_are_those_measured) {
  arch::OutTensor t;
  t.role = arch::Role::attn_q;
  t.quantizable = true;
  t.shape = {64, 256};
  const std::vector<Choice> all = {{0, 0},   {2, 32}, {2, 64},  {2, 128}, {3, 32},  {3, 64}, {3, 128}, {4, 64},
                                   {4, 128}, {5, 64}, {5, 128}, {6, 64},  {6, 128}, {8, 64}, {8, 128}};
  EXPECT_EQ(auto_choices(t, {}), all);
  Options coarse;
  coarse.group_size = 128;
  const std::vector<Choice> fixed = {{0, 0}, {2, 128}, {3, 128}, {4, 128}, {5, 128}, {6, 128}, {8, 128}};
  EXPECT_EQ(auto_choices(t, coarse), fixed);
  t.shape = {64, 80};
  EXPECT_TRUE(auto_choices(t, {}).empty());
  t.shape = {64, 256};
  t.role = arch::Role::router;
  EXPECT_TRUE(auto_choices(t, {}).empty());
  EXPECT_TRUE(needs_errors(with_profile("AUTO")));
  EXPECT_FALSE(needs_errors(with_profile("JANG_4K")));
}

TEST(Budget, tables_that_do_not_fit_are_refused) {
  const arch::Model model = testing::llama_tied();
  Options options = with_profile("auto");
  options.target_bpw = 4;
  ErrorTable errors = testing::measured_errors(model, options);
  errors.begin()->second.begin()->second = -1;
  EXPECT_EQ(make_plan(model, options, &errors).status().code(), StatusCode::invalid_argument);
  errors.erase(errors.begin());
  EXPECT_EQ(make_plan(model, options, &errors).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::plan
