// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "plan/target_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/affine.h"
#include "format/targets/target.h"

namespace jang::plan {
namespace {

std::string listed(const std::vector<int>& widths) {
  std::string text;
  for (std::size_t i = 0; i < widths.size(); ++i)
    text += (i == 0 ? "" : i + 1 == widths.size() ? " or " : ", ") + std::to_string(widths[i]);
  return text;
}

// Whether a profile can come out as the target wants it.
bool fits(const targets::Rules& rules, const Profile& p) {
  if (p.kind == Kind::uniform) return rules.allows(p.low);
  if (p.kind == Kind::mixed) return !rules.one_choice && rules.allows(p.low) && rules.allows(p.high);
  return !rules.one_choice;
}

// "uniform_4", "JANG_4K, uniform_4 or uniform_8": of tiers, budgets and mixtures only the default.
std::string fitting_profiles(const targets::Rules& rules) {
  std::vector<std::string_view> names;
  for (const ProfileRow& row : profiles())
    if (const Profile& p = *find_profile(row.name); fits(rules, p) && (p.kind == Kind::uniform || p.name == kDefaultProfile))
      names.push_back(p.name);
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}-p {}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  return text;
}

}  // namespace

Options with_group_of_target(const arch::Model& model, const Options& options) {
  Options out = options;
  const int most = options.target->rules().group_size;
  if (most == 0 || options.group_size != 0) return out;
  out.group_size = most;
  for (auto g = codec::kGroups.rbegin(); g != codec::kGroups.rend(); ++g) {
    if (g->size > most) continue;
    const bool divides = std::ranges::all_of(model.tensors, [&](const arch::OutTensor& t) {
      return !t.quantizable || elements(t.shape) <= 0 || columns(t.shape) % g->size == 0;
    });
    if (!divides) continue;
    out.group_size = g->size;
    break;
  }
  return out;
}

int allowed_width(const targets::Rules& rules, int bits) {
  for (const codec::WidthRow& w : codec::kWidths)
    if (w.bits >= bits && rules.allows(w.bits)) return w.bits;
  return 0;
}

Status check_params(const targets::Target& target, DType params) {
  const targets::Rules rules = target.rules();
  if (rules.half_params && size_bytes(params) != 2)
    return {StatusCode::invalid_argument, fmt::format("the target {} stores scales in 16 bits, not as {}; say --scale-dtype bf16 or fp16",
                                                      target.name(), jang::name(params))};
  if (!rules.params || *rules.params == params) return {};
  return {StatusCode::invalid_argument, fmt::format("the target {} stores scales as {}, not as {}; leave --scale-dtype out", target.name(),
                                                    jang::name(*rules.params), jang::name(params))};
}

Status check_profile(const Draft& d) {
  const targets::Rules rules = d.options->target->rules();
  const Profile& p = *d.profile;
  JANG_TRY(check_params(*d.options->target, d.plan.dtype));
  if (fits(rules, p)) return {};
  return {StatusCode::invalid_argument,
          fmt::format("the target {} packs {} in {} bits{}, which {} does not give; say {}", d.options->target->name(),
                      rules.one_choice ? "every module alike," : "modules", listed(rules.widths), rules.one_choice ? " and one group" : "",
                      p.name, fitting_profiles(rules))};
}

Status check_choices(const arch::Model& model, const Plan& plan) {
  const targets::Rules rules = plan.target->rules();
  const TensorPlan* first = nullptr;
  for (const TensorPlan& t : plan.tensors) {
    if (t.choice.bits == 0) continue;
    const std::string& module = model.tensors[static_cast<std::size_t>(t.tensor)].module;
    if (!rules.allows(t.choice.bits))
      return {StatusCode::invalid_argument, fmt::format("{} would get {} bits, and the target {} packs modules in {} bits only", module,
                                                        t.choice.bits, plan.target->name(), listed(rules.widths))};
    if (first == nullptr) first = &t;
    if (rules.one_choice && t.choice != first->choice)
      return {StatusCode::invalid_argument,
              fmt::format("{} would get {} bits in groups of {}, {} {} in groups of {}, and the target {} packs all modules alike", module,
                          t.choice.bits, t.choice.group_size, model.tensors[static_cast<std::size_t>(first->tensor)].module,
                          first->choice.bits, first->choice.group_size, plan.target->name())};
  }
  return {};
}

}  // namespace jang::plan
