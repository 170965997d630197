// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/export_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "arch/units.h"
#include "codec/affine.h"
#include "format/targets/packed_module.h"
#include "format/targets/target.h"
#include "plan/layout.h"
#include "plan/target_rules.h"
#include "plan/tiers.h"

namespace jang::quantize {
namespace {

using plan::Choice;

// How a tensor is packed in the source: most bits, smallest group over its pieces; nothing where one of them is plain.
Choice packed_as(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor) {
  Choice choice;
  for (const arch::Piece& piece : tensor.pieces) {
    const format::StoredTensor& t = checkpoint.tensors()[static_cast<std::size_t>(piece.source)];
    const format::PackedModule* m = t.made == nullptr ? nullptr : t.made->packed();
    if (m == nullptr) return {};
    choice.bits = std::max(choice.bits, m->format().bits);
    choice.group_size = choice.group_size == 0 ? m->format().group_size : std::min(choice.group_size, m->format().group_size);
  }
  return choice;
}

int width_of_target(const targets::Rules& rules, int bits) {
  if (const int width = plan::allowed_width(rules, bits)) return width;
  return *std::ranges::max_element(rules.widths);
}

Choice merged(const Choice& a, const Choice& b) {
  if (a.bits == 0 || b.bits == 0) return a.bits == 0 ? b : a;
  return {std::max(a.bits, b.bits), std::min(a.group_size, b.group_size)};
}

// Gives all tensors of the list the choice that holds them all.
void level(const std::vector<int>& tensors, std::vector<Choice>* choices) {
  Choice all;
  for (const int i : tensors) all = merged(all, (*choices)[static_cast<std::size_t>(i)]);
  for (const int i : tensors) (*choices)[static_cast<std::size_t>(i)] = all;
}

DType params_of(const Source& source, std::optional<DType> asked) {
  if (asked) return *asked;
  if (const std::optional<DType> only = source.target->rules().params) return *only;
  for (const format::StoredTensor& t : source.checkpoint.tensors())
    if (t.made != nullptr && t.made->packed() != nullptr) {
      const DType params = t.made->packed()->params();
      return source.target->rules().half_params && size_bytes(params) != 2 ? DType::bf16 : params;
    }
  return DType::bf16;
}

}  // namespace

namespace {

// What the source packs and the target does not: its values are rounded to 16 bits, or stand as they are in float32.
void tell_of_unpacked(const Source& source, const std::vector<Choice>& choices, plan::Plan* plan) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const arch::OutTensor& t = source.model.tensors[i];
    if (choices[i].bits == 0 && packed_as(source.checkpoint, t).bits != 0)
      by_reason[t.kept.empty() ? "the target does not pack them" : t.kept].push_back(t.module);
  }
  for (const auto& [reason, modules] : by_reason)
    plan->warnings.push_back(fmt::format("{} packed modules, such as {}, become values of the type {}, rounded where it is narrower: {}",
                                         modules.size(), modules.front(), jang::name(plan->dtype), reason));
}

}  // namespace

Result<plan::Plan> export_plan(Source* source, std::optional<DType> params) {
  arch::Model& model = source->model;
  const targets::Rules rules = source->target->rules();
  std::vector<Choice> choices(model.tensors.size());
  std::vector<int> packed;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (t.quantizable) choices[i] = packed_as(source->checkpoint, t);
    if (choices[i].bits == 0) continue;
    choices[i].bits = width_of_target(rules, choices[i].bits);
    packed.push_back(static_cast<int>(i));
  }
  const bool has_codes = std::ranges::any_of(
      source->checkpoint.tensors(), [](const format::StoredTensor& t) { return t.made != nullptr && t.made->packed() != nullptr; });
  if (!has_codes && !source->packed_by.empty())
    return Status(StatusCode::invalid_argument,
                  fmt::format("the codes of {} are of a kind ({}) that no other target has, so none can be carried over; `jang convert {} "
                              "--target {}` quantizes their values anew",
                              source->checkpoint.path(), source->packed_by, source->checkpoint.path(), source->target->name()));
  if (packed.empty())
    return Status(StatusCode::invalid_argument,
                  fmt::format("{} has no packed module that the target {} packs; `jang convert` makes a directory of a checkpoint",
                              source->checkpoint.path(), source->target->name()));
  if (source->target->keeps_units())
    for (const arch::Unit& unit : arch::units_of(model)) level(unit.tensors, &choices);
  if (rules.one_choice) level(packed, &choices);
  plan::Plan plan;
  plan.target = source->target;
  plan.profile = kExportProfile;
  plan.dtype = params_of(*source, params);
  JANG_TRY(plan::check_params(*plan.target, plan.dtype));
  if (plan.dtype == DType::f32)
    for (std::size_t i = 0; i < choices.size(); ++i) model.tensors[i].keep_dtype = model.tensors[i].keep_dtype || choices[i].bits == 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    const Choice c = choices[i];
    if (c.bits != 0 && columns(t.shape) % c.group_size != 0)
      return Status(StatusCode::unsupported,
                    fmt::format("{} has {} inputs, which a group of {} does not divide, and the target {} wants it alike "
                                "with others",
                                t.module, columns(t.shape), c.group_size, source->target->name()));
    const std::string reason = c.bits == 0 ? "not packed" : fmt::format("{} bits, group {} as the source packs it", c.bits, c.group_size);
    plan.tensors.push_back({static_cast<int>(i), plan::tier_of(t, model.n_experts > 0), c, t.rule + "; " + reason,
                            plan::stored_bytes(*plan.target, t, c, plan.dtype)});
  }
  tell_of_unpacked(*source, choices, &plan);
  JANG_TRY(plan::check_choices(model, plan));
  return plan;
}

}  // namespace jang::quantize
