// SPDX-License-Identifier: Apache-2.0
// Invariants of every profile of the table on every model, and the stand-in for measured errors that the planner's tests share.
#include "models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "codec/affine.h"
#include "plan/budget.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/plan.h"
#include "plan/plan_json.h"

namespace jang::plan::testing {

ErrorTable measured_errors(const arch::Model& model, const Options& options) {
  ErrorTable table;
  for (const arch::OutTensor& t : model.tensors) {
    double factor = 0.8;
    for (const char c : t.unit) factor = 0.5 + static_cast<double>((static_cast<int>(factor * 1000) * 31 + c) % 1000) / 1000;
    for (const Choice& c : auto_choices(t, options)) {
      for (const codec::WidthRow& w : codec::kWidths)
        for (const codec::GroupRow& g : codec::kGroups)
          if (w.bits == c.bits && g.size == c.group_size) table[t.unit][c] = w.gaussian_fit * g.error_factor * factor;
    }
  }
  return table;
}

namespace {

// Options that make every profile plannable: auto gets 4.6 stored bits.
Options options_for(const ProfileRow& row) {
  Options options;
  options.profile = row.name;
  if (row.kind == "auto") options.target_bpw = 4.6;
  if (row.name == "JANG_3K") options.floors = Floors::off;  // gate and up at 4 bits alone are over its budget
  return options;
}

Plan plan_of(const arch::Model& model, const Options& options) {
  const ErrorTable errors = measured_errors(model, options);
  const auto plan = make_plan(model, options, &errors);
  EXPECT_TRUE(plan.ok()) << options.profile << ": " << plan.status().message();
  return plan.ok() ? *plan : Plan{};
}

// The 80-input matrices of `ragged` stay in 16 bit, which 4.6 stored bits of such a small model do not pay for.
bool plannable(const Named& m, const ProfileRow& row) { return m.name != "ragged" || row.kind != "auto"; }

// The tests of this folder run over these lists, and over the profiles of one kind in them.
TEST(Models, lists_that_the_tests_run_over_are_not_empty) {
  EXPECT_GE(models().size(), 5u);
  for (const std::string_view kind : {"tiers", "budget", "baseline", "auto"}) {
    int n = 0, n_plannable = 0;
    for (const ProfileRow& row : profiles()) {
      n += row.kind == kind;
      for (const Named& m : models()) n_plannable += row.kind == kind && plannable(m, row);
    }
    EXPECT_GT(n, 0) << kind;
    EXPECT_GT(n_plannable, 0) << kind;
  }
}

TEST(Models, every_profile_stores_exactly_what_its_layout_says) {
  for (const Named& m : models()) {
    for (const ProfileRow& row : profiles()) {
      if (!plannable(m, row)) continue;
      SCOPED_TRACE(m.name + " " + std::string(row.name));
      const Plan plan = plan_of(m.model, options_for(row));
      ASSERT_EQ(plan.tensors.size(), m.model.tensors.size());
      const Layout layout = make_layout(m.model, plan);
      std::uint64_t planned = 0, laid_out = 0;
      for (const TensorPlan& p : plan.tensors) planned += p.bytes;
      for (const StoredPart& p : layout.parts) laid_out += static_cast<std::uint64_t>(p.info.bytes());
      EXPECT_EQ(planned, laid_out);
      EXPECT_EQ(planned, layout.tensor_bytes);
      const Sizes s = sizes(m.model, plan, layout);
      EXPECT_EQ(s.file_bytes, layout.file_bytes);
      EXPECT_DOUBLE_EQ(s.stored_bits, 8.0 * static_cast<double>(planned) / static_cast<double>(s.params));
    }
  }
}

TEST(Models, default_options_serve_every_model_without_a_warning) {
  for (const Named& m : models()) {
    const auto plan = make_plan(m.model, Options{});
    ASSERT_TRUE(plan.ok()) << m.name << ": " << plan.status().message();
    EXPECT_EQ(plan->profile, kDefaultProfile) << m.name;
    // What is odd about `ragged` is in the model itself.
    if (m.name == "ragged") continue;
    EXPECT_EQ(plan->warnings, std::vector<std::string>{}) << m.name;
  }
}

TEST(Models, floors_are_mentioned_where_they_change_what_was_asked) {
  const arch::Model model = hybrid_moe(512, 4);
  const auto mentioned = [&](std::string_view profile) {
    Options options;
    options.profile = profile;
    return std::ranges::any_of(plan_of(model, options).warnings, [](const std::string& w) { return w.starts_with("expert floors"); });
  };
  EXPECT_TRUE(mentioned("JANG_2S"));
  EXPECT_FALSE(mentioned("JANG_4S"));
  EXPECT_FALSE(mentioned("JANG_4K"));
}

TEST(Models, every_choice_is_a_codec_choice_that_divides_the_input) {
  for (const Named& m : models()) {
    for (const ProfileRow& row : profiles()) {
      if (!plannable(m, row)) continue;
      for (const TensorPlan& p : plan_of(m.model, options_for(row)).tensors) {
        const arch::OutTensor& t = m.model.tensors[static_cast<std::size_t>(p.tensor)];
        SCOPED_TRACE(m.name + " " + std::string(row.name) + " " + t.name);
        EXPECT_TRUE(p.reason.starts_with(t.rule + "; ") && p.reason.size() > t.rule.size() + 2) << p.reason;
        if (p.choice.bits == 0) continue;
        EXPECT_TRUE(t.quantizable);
        EXPECT_TRUE(codec::is_width(p.choice.bits));
        EXPECT_TRUE(codec::is_group(p.choice.group_size));
        EXPECT_EQ(columns(t.shape) % p.choice.group_size, 0);
      }
    }
  }
}

TEST(Models, unit_mates_share_their_choice_and_routers_stay_wide) {
  for (const Named& m : models()) {
    for (const ProfileRow& row : profiles()) {
      if (row.kind == "baseline" || !plannable(m, row)) continue;
      std::map<std::string, Choice> by_unit;
      for (const TensorPlan& p : plan_of(m.model, options_for(row)).tensors) {
        const arch::OutTensor& t = m.model.tensors[static_cast<std::size_t>(p.tensor)];
        EXPECT_EQ(by_unit.emplace(t.unit, p.choice).first->second, p.choice) << t.name;
        if (t.role == arch::Role::router || t.role == arch::Role::shared_router) {
          EXPECT_EQ(p.choice, Choice{}) << t.name;
        }
      }
    }
  }
}

TEST(Models, equal_inputs_give_equal_plans) {
  for (const Named& m : models()) {
    for (const ProfileRow& row : profiles()) {
      if (!plannable(m, row)) continue;
      const Options options = options_for(row);
      EXPECT_EQ(json::dump(to_json(m.model, plan_of(m.model, options))), json::dump(to_json(m.model, plan_of(m.model, options))));
    }
  }
}

}  // namespace
}  // namespace jang::plan::testing
