// SPDX-License-Identifier: Apache-2.0
// Units, groups, fixed tiers, and the last step that turns a draft into a plan.
#include "plan/assign.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "codec/affine.h"
#include "format/targets/target.h"
#include "plan/draft.h"
#include "plan/overrides.h"
#include "plan/target_rules.h"
#include "plan/tiers.h"

namespace jang::plan {
namespace {

// Routed experts of mixtures this large take groups of 128: they are nearly all the weights, and half the scales are saved.
constexpr int kLargeMixture = 150;
constexpr int kLargeMixtureGroup = 128;
constexpr int kFloorsFrom = 512;  // experts, Floors::automatic
constexpr std::size_t kNamesShown = 3;

bool floors_apply(const arch::Model& model, const Options& options, const Profile& profile) {
  if (is_baseline(profile.kind) || options.floors == Floors::off) return false;
  return options.floors == Floors::on || model.n_experts >= kFloorsFrom;
}

std::vector<PlannedUnit> start_units(const Draft& d, bool floors) {
  std::vector<PlannedUnit> units;
  for (arch::Unit& unit : arch::units_of(*d.model)) {
    PlannedUnit u;
    u.unit = std::move(unit);
    u.tier = tier_of(*d.model, u.unit);
    u.group_size = codec::kMaxGroup;
    for (const int i : u.unit.tensors) {
      const arch::OutTensor& t = d.tensor(i);
      u.group_size = std::min(u.group_size, group_for(t, group_request(*d.model, t, *d.options)));
      if (floors) u.floor = std::max(u.floor, expert_floor(t.role));
    }
    units.push_back(std::move(u));
  }
  return units;
}

std::string join_names(const arch::Model& model, const std::vector<int>& tensors) {
  std::string text;
  for (std::size_t i = 0; i < std::min(tensors.size(), kNamesShown); ++i)
    text += (i ? ", " : "") + model.tensors[static_cast<std::size_t>(tensors[i])].module;
  if (tensors.size() > kNamesShown) text += fmt::format(" and {} more", tensors.size() - kNamesShown);
  return text;
}

void warn(Draft* d, const std::vector<int>& tensors, std::string_view what) {
  if (!tensors.empty()) d->plan.warnings.push_back(fmt::format("{}: {}", what, join_names(*d->model, tensors)));
}

int asked_bits(const Profile& p, Tier tier) {
  return tier == Tier::critical ? p.critical : tier == Tier::important ? p.important : p.compress;
}

std::uint64_t bytes_at(const Draft& d, const arch::OutTensor& t, const Choice& choice) {
  return stored_bytes(*d.plan.target, t, choice, d.plan.dtype);
}

// Bits that the profile would give a matrix that the target keeps; 0: it would keep it too, or that is not known before measuring.
int bits_if_packed(const Draft& d, arch::OutTensor t) {
  t.quantizable = true;
  const Tier tier = tier_of(t, d.is_moe);
  const Profile& p = *d.profile;
  if (p.kind == Kind::automatic || (tier == Tier::keep && !is_baseline(p.kind))) return 0;
  return p.kind == Kind::tiers ? asked_bits(p, tier) : p.low;
}

// What the target's loaders want in 16 bits, and what it costs.
void warn_of_kept(Draft* d) {
  std::map<std::string, std::pair<std::vector<int>, std::int64_t>> by_reason;
  for (std::size_t i = 0; i < d->model->tensors.size(); ++i) {
    const arch::OutTensor& t = d->model->tensors[i];
    const int group = t.kept.empty() ? 0 : group_for(t, group_request(*d->model, t, *d->options));
    const int bits = group == 0 ? 0 : bits_if_packed(*d, t);
    if (bits == 0) continue;
    auto& [tensors, bytes] = by_reason[t.kept];
    tensors.push_back(static_cast<int>(i));
    bytes += static_cast<std::int64_t>(bytes_at(*d, t, {})) - static_cast<std::int64_t>(bytes_at(*d, t, {bits, group}));
  }
  for (const auto& [reason, kept] : by_reason)
    warn(d, kept.first, fmt::format("{}: {} bytes more than packed as {} packs them", reason, kept.second, d->profile->name));
}

// Modules that get more bits than their own tier asks for, because they share a scheme with others.
void warn_of_raised(Draft* d) {
  if (!d->plan.target->keeps_units() || d->profile->kind != Kind::tiers) return;
  std::vector<int> raised;
  std::uint64_t bytes = 0;
  for (const PlannedUnit& u : d->units) {
    for (const int i : u.unit.tensors) {
      const arch::OutTensor& t = d->tensor(i);
      const Choice& choice = d->planned(i).choice;
      const int own = std::max(asked_bits(*d->profile, tier_of(t, d->is_moe)), u.floor > 0 ? expert_floor(t.role) : 0);
      if (choice.bits == 0 || u.override_ || own >= choice.bits) continue;
      raised.push_back(i);
      bytes += bytes_at(*d, t, choice) - bytes_at(*d, t, {own, choice.group_size});
    }
  }
  warn(d, raised,
       fmt::format("{} wants one scheme for modules that it fuses: {} bytes more than each at its own width", d->plan.target->loader(),
                   bytes));
}

// Matrices that stay in 16 bits because their rows do not fall into groups.
struct Undivided {
  std::string why;  // "no group of 32, 64 or 128 divides the 50 inputs of mlp_down"
  std::vector<int> tensors;
};

// By role and length of rows. mlx-lm's recipes have one group for all; elsewhere a unit without a group stays whole.
std::vector<Undivided> undivided_classes(const Draft& d) {
  std::map<std::pair<arch::Role, std::int64_t>, std::vector<int>> classes;
  const bool baseline = is_baseline(d.profile->kind);
  for (const PlannedUnit& u : d.units) {
    if (u.override_ || (!baseline && (u.tier == Tier::keep || u.group_size != 0))) continue;
    for (const int i : u.unit.tensors) {
      const arch::OutTensor& t = d.tensor(i);
      const bool is_kept = t.quantizable && elements(t.shape) > 0 && d.plan.tensors[static_cast<std::size_t>(i)].choice.bits == 0;
      if (is_kept && (baseline || group_for(t, codec::kMaxGroup) == 0)) classes[{t.role, columns(t.shape)}].push_back(i);
    }
  }
  std::vector<Undivided> out;
  for (auto& [key, tensors] : classes) {
    const int request = d.options->group_size == 0 ? kDefaultGroup : d.options->group_size,
              other = group_for(d.tensor(tensors[0]), request);
    std::string why =
        baseline ? fmt::format("the group of {} of {} does not divide", request, d.profile->name) : "no group of 32, 64 or 128 divides";
    why += fmt::format(" the {} inputs of {}", key.second, arch::to_string(key.first));
    if (baseline && other != 0) why += fmt::format(" (--group-size {} does)", other);
    out.push_back({std::move(why), std::move(tensors)});
  }
  return out;
}

// Everything about the result that a user might not expect. Expert floors are worth a word where they change a width that was asked for.
void add_warnings(Draft* d) {
  std::vector<int> unknown, floored;
  const bool baseline = is_baseline(d->profile->kind);
  for (const PlannedUnit& u : d->units) {
    for (const int i : u.unit.tensors) {
      const TensorPlan& p = d->planned(i);
      if (d->tensor(i).role == arch::Role::unknown) unknown.push_back(i);
      const bool raised = d->profile->kind == Kind::tiers && u.floor > asked_bits(*d->profile, u.tier);
      if (raised && p.choice.bits > 0 && !u.override_) floored.push_back(i);
    }
  }
  for (const Undivided& undivided : undivided_classes(*d)) warn(d, undivided.tensors, "kept in 16 bits, " + undivided.why);
  if (!baseline) warn(d, unknown, "no rule knows these tensors, treated as CRITICAL");
  warn_of_kept(d);
  warn_of_raised(d);
  warn(d, floored, "expert floors are on (gate 4, down 3 bits), --floors off lifts them");
}

// Errors: unsupported (nothing is packed, and not because somebody asked for that).
Status check_packs(const Draft& d) {
  if (std::ranges::any_of(d.plan.tensors, [](const TensorPlan& t) { return t.choice.bits > 0; })) return {};
  // A budget may be so large that nothing has to be.
  const auto could_be = [](const PlannedUnit& u) { return u.tier != Tier::keep && u.group_size != 0 && !u.override_; };
  if (has_budget(d.profile->kind) && std::ranges::any_of(d.units, could_be)) return {};
  const std::vector<Undivided> classes = undivided_classes(d);
  std::string why;
  const auto kept = std::ranges::find_if(d.model->tensors, [](const arch::OutTensor& t) { return !t.kept.empty(); });
  if (classes.empty() && kept != d.model->tensors.end() && d.profile->kind != Kind::automatic && d.options->overrides.empty())
    why = kept->kept;
  if (classes.empty() && why.empty()) return {};
  for (std::size_t i = 0; i < std::min(classes.size(), kNamesShown); ++i) why += (i == 0 ? "" : "; ") + classes[i].why;
  return {StatusCode::unsupported, fmt::format("{} would pack nothing of this model: {}", d.profile->name, why)};
}

}  // namespace

void Draft::decide(const arch::Unit& unit, const Choice& choice, const std::string& note) {
  for (const int i : unit.tensors) {
    planned(i).choice = choice;
    notes[static_cast<std::size_t>(i)] = note;
  }
}

int group_for(const arch::OutTensor& tensor, int request) {
  int best = 0;
  if (elements(tensor.shape) <= 0) return best;
  for (const codec::GroupRow& g : codec::kGroups)
    if (g.size <= request && columns(tensor.shape) % g.size == 0) best = std::max(best, g.size);
  return best;
}

int group_request(const arch::Model& model, const arch::OutTensor& tensor, const Options& options) {
  if (options.group_size != 0) return options.group_size;
  return model.n_experts >= kLargeMixture && is_routed_expert(tensor.role) ? kLargeMixtureGroup : kDefaultGroup;
}

std::string group_note(const Draft& d, const PlannedUnit& u) {
  const arch::OutTensor& first = d.tensor(u.unit.tensors.front());
  const int request = group_request(*d.model, first, *d.options);
  return u.group_size == request ? ""
                                 : fmt::format("; group {}: {} does not divide {} inputs", u.group_size, request, columns(first.shape));
}

std::string reason_to_keep(const arch::OutTensor& tensor, Tier tier) {
  if (!tensor.kept.empty()) return "kept: " + tensor.kept;
  if (!tensor.quantizable) return "kept: not the weight of a module that can be quantized";
  if (tier == Tier::keep) return fmt::format("kept: a {} decides for all weights behind it", arch::to_string(tensor.role));
  return fmt::format("kept: no group of 32, 64 or 128 divides {} inputs", columns(tensor.shape));
}

Result<Draft> start_draft(const arch::Model& model, const Options& options) {
  Draft d;
  d.model = &model;
  d.options = &options;
  JANG_ASSIGN(const std::string name, canonical_profile(options.profile));
  d.profile = find_profile(name);
  JANG_CHECK(d.profile);
  d.is_moe = model.n_experts > 0;
  if (options.group_size != 0 && !codec::is_group(options.group_size))
    return Status(StatusCode::invalid_argument, fmt::format("group size {} is not one of 32, 64, 128", options.group_size));
  if (options.param_dtype && *options.param_dtype != DType::bf16 && *options.param_dtype != DType::f16 &&
      *options.param_dtype != DType::f32)
    return Status(StatusCode::invalid_argument,
                  fmt::format("scales cannot be stored as {}; use bf16, fp16 or fp32", jang::name(*options.param_dtype)));

  d.plan.target = options.target;
  d.plan.profile = name;
  d.plan.method = options.method;
  d.plan.dtype = param_dtype(model, options);
  d.units = start_units(d, floors_apply(model, options, *d.profile));
  d.notes.resize(model.tensors.size());
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const Tier tier = tier_of(model.tensors[i], d.is_moe);
    d.plan.tensors.push_back({static_cast<int>(i), tier, {}, {}, 0});
    d.notes[i] = reason_to_keep(model.tensors[i], tier);
  }
  JANG_TRY(resolve_overrides(&d));
  return d;
}

void assign_tiers(Draft* d) {
  d->plan.allocation = AllocatedBy::tiers;
  const Profile& p = *d->profile;
  const targets::Rules rules = d->options->target->rules();
  for (const PlannedUnit& u : d->units) {
    if (u.tier == Tier::keep || u.group_size == 0) continue;
    const int asked = asked_bits(p, u.tier), least = std::max(asked, u.floor), bits = allowed_width(rules, least);
    std::string note = fmt::format("{}: {} bits by {}", to_string(u.tier), asked, p.name);
    if (least != asked) note += fmt::format("; expert floor: {} bits", least);
    if (bits != least)
      note +=
          fmt::format("; {}: {} bits are the least that the target {} has", d->options->target->loader(), bits, d->options->target->name());
    d->decide(u.unit, {bits, u.group_size}, note + group_note(*d, u));
  }
}

Result<Plan> finish_draft(Draft d) {
  for (const PlannedUnit& u : d.units) {
    if (u.override_) d.decide(u.unit, *u.override_, override_note(u));
  }
  for (TensorPlan& p : d.plan.tensors) {
    const arch::OutTensor& t = d.tensor(p.tensor);
    p.reason = t.rule + "; " + d.notes[static_cast<std::size_t>(p.tensor)];
    p.bytes = stored_bytes(*d.plan.target, t, p.choice, d.plan.dtype);
  }
  JANG_TRY(check_packs(d));
  add_warnings(&d);
  return std::move(d.plan);
}

}  // namespace jang::plan
