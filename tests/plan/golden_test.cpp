// SPDX-License-Identifier: Apache-2.0
// Frozen plans: one text file per model, tier and (bits:group) of every module under a few profiles, reviewed as a diff.
// With JANG_UPDATE_GOLDEN set the files are written anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "../support/paths.h"
#include "models.h"
#include "plan/make_plan.h"
#include "plan/plan.h"

namespace jang::plan {
namespace {

constexpr const char* kProfiles[] = {"JANG_2S", "JANG_4M", "JANG_4K", "auto", "uniform_4", "mixed_2_6"};

std::string show(const Choice& c) { return c.bits == 0 ? "-" : std::to_string(c.bits) + ":" + std::to_string(c.group_size); }

std::string table_of(const arch::Model& model) {
  std::vector<Plan> plans;
  std::string text = "# module tier";
  for (const char* profile : kProfiles) {
    Options options;
    options.profile = profile;
    if (options.profile == "auto") options.target_bpw = 4.5;
    const ErrorTable errors = testing::measured_errors(model, options);
    auto plan = make_plan(model, options, &errors);
    EXPECT_TRUE(plan.ok()) << plan.status().message();
    if (!plan.ok()) return {};
    plans.push_back(*plan);
    text.append(" ").append(profile);
  }
  text += "\n";
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    text.append(model.tensors[i].module).append(" ").append(to_string(plans[0].tensors[i].tier));
    for (const Plan& plan : plans) text.append(" ").append(show(plan.tensors[i].choice));
    text += "\n";
  }
  return text;
}

TEST(Golden, plans_are_as_frozen) {
  for (const testing::Named& m : testing::models()) {
    if (m.name == "ragged") continue;
    const std::string path = test::source_dir() + "/tests/golden/plans/" + m.name + ".txt";
    const std::string table = table_of(m.model);
    if (std::getenv("JANG_UPDATE_GOLDEN")) std::ofstream(path) << table;
    std::ostringstream frozen;
    frozen << std::ifstream(path).rdbuf();
    EXPECT_EQ(table, frozen.str()) << path;
  }
}

}  // namespace
}  // namespace jang::plan
