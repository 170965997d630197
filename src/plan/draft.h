// SPDX-License-Identifier: Apache-2.0
// A plan in the making: the units of the model, what was asked, and what has been decided so far with the reasons. Inside src/plan only.
//
//   start_draft      validates the options, finds the units, resolves overrides   (assign.h)
//   assign_tiers     a fixed width per tier                                       (assign.h)
//   assign_recipe    mlx-lm's own recipes                                         (recipes.h)
//   spend_budget     least expected damage for bytes                              (budget.h)
//   finish_draft     overrides, bytes, reasons, warnings                          (assign.h)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arch/units.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "plan/profiles.h"

namespace jang::plan {

// A unit with what has been found out and asked for it.
struct PlannedUnit {
  arch::Unit unit;
  Tier tier = Tier::keep;
  int group_size = 0;               // by the rule of group_for; 0: no group divides the input
  int floor = 0;                    // least width by expert floors, 0 = none
  std::optional<Choice> override_;  // what --tensor asks for
  std::string override_pattern;
};

struct Draft {
  const arch::Model* model = nullptr;
  const Options* options = nullptr;
  const Profile* profile = nullptr;
  bool is_moe = false;
  std::vector<PlannedUnit> units;  // in graph order
  Plan plan;                       // choices and tiers are filled in as they are decided
  std::vector<std::string> notes;  // per tensor: what was decided and why, after the rule of its role

  [[nodiscard]] const arch::OutTensor& tensor(int i) const { return model->tensors[static_cast<std::size_t>(i)]; }
  [[nodiscard]] TensorPlan& planned(int i) { return plan.tensors[static_cast<std::size_t>(i)]; }
  // Gives every tensor of the unit the choice, with a note.
  void decide(const arch::Unit& unit, const Choice& choice, const std::string& note);
};

}  // namespace jang::plan
