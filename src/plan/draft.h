// SPDX-License-Identifier: Apache-2.0
// A plan in the making: the units of the model, what was asked, and what has been decided so far with the reasons. Inside src/plan only.
//
//   start_draft      validates the options, finds the units, resolves overrides
//   assign_tiers     a fixed width per tier            (assign.cpp)
//   assign_recipe    mlx-lm's own recipes              (recipes.cpp)
//   spend_budget     least expected damage for bytes   (budget.cpp)
//   finish_draft     overrides, bytes, reasons, warnings
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/layout.h"
#include "plan/plan.h"
#include "plan/profiles.h"

namespace jang::plan {

// Quantizable tensors that share one choice.
struct Unit {
  std::string name;
  std::vector<int> members;         // indices into Model::tensors
  Tier tier = Tier::keep;           // strongest of the members'
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
  std::vector<Unit> units;         // in order of their first member
  Plan plan;                       // choices and tiers are filled in as they are decided
  std::vector<std::string> notes;  // per tensor: what was decided and why, after the rule of its role

  [[nodiscard]] const arch::OutTensor& tensor(int i) const { return model->tensors[static_cast<std::size_t>(i)]; }
  [[nodiscard]] TensorPlan& planned(int i) { return plan.tensors[static_cast<std::size_t>(i)]; }
  // Gives every member of the unit the choice, with a note.
  void decide(const Unit& unit, const Choice& choice, const std::string& note);
};

// Largest codec group that is at most `request` and divides the input dimension; 0 when none does.
[[nodiscard]] int group_for(const arch::OutTensor& tensor, int request);
// Group asked for a tensor before its shape is looked at: Options::group_size, else 128 for routed experts of large mixtures, else 64.
[[nodiscard]] int group_request(const arch::Model& model, const arch::OutTensor& tensor, const Options& options);
// "; group 32 for 96 inputs" when the unit's group is not the one asked for, else "".
[[nodiscard]] std::string group_note(const Draft& draft, const Unit& unit);
// Why a unit or tensor stays in 16 bit: "kept: ...".
[[nodiscard]] std::string reason_to_keep(const arch::OutTensor& tensor, Tier tier);

[[nodiscard]] Result<Draft> start_draft(const arch::Model& model, const Options& options);
void assign_tiers(Draft* draft);
[[nodiscard]] Status assign_recipe(Draft* draft);
[[nodiscard]] Status spend_budget(Draft* draft, const ErrorTable* errors, const CostTable* costs);
[[nodiscard]] Plan finish_draft(Draft draft);

// Choice of every tensor under the recipe, in the order of Model::tensors. Errors: unsupported where mlx-lm itself fails.
[[nodiscard]] Result<std::vector<Choice>> recipe_choices(const arch::Model& model, const Profile& profile, int group_size);

// A note on what --tensor did.
[[nodiscard]] std::string override_note(const Unit& unit);
// Sets Unit::override_ where patterns match. Errors: invalid_argument.
[[nodiscard]] Status resolve_overrides(Draft* draft);

}  // namespace jang::plan
