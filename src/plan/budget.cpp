// SPDX-License-Identifier: Apache-2.0
// Profiles that are a number of bytes: K profiles and `auto` (--bpw or --size). The budget of a K profile N is the file bytes of uniform_N.
// Where tensors that must stay wider do not leave room for its floors (routers of a tiny model, `--tensor lm_head=16`), it is what N bits
// for everything else come to, so that a K profile serves every model.
//
//   cost of a choice for a unit = relative squared error * sum over its tensors of parameters * role factor
//
// or, in `auto` with measured sensitivities, the divergence they predict (CostTable).
// The error is the codec's figure for Gaussian weights in K profiles (pure), and the measured one in `auto`. Bytes are those of the real
// files: the knapsack counts payloads, and an estimate of the header text a choice adds; the exact layout of its answer corrects the
// capacity until the files meet the budget from below.
#include "plan/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "codec/affine.h"
#include "format/targets/target.h"
#include "plan/allocate.h"
#include "plan/assign.h"
#include "plan/draft.h"
#include "plan/recipes.h"
#include "plan/tiers.h"

namespace jang::plan {
namespace {

// What `auto` considers beside every width at its first group: where fewer or more scales pay.
constexpr Choice kFinerAndCoarser[] = {{2, 32}, {3, 32}, {2, 128}, {3, 128}, {4, 128}, {5, 128}, {6, 128}, {8, 128}};
// Header text of the scales and biases entries of a module beside its name, about: dtype, shape, offsets, punctuation.
constexpr std::uint64_t kCompanionText = 2 * 92;
constexpr int kMaxRounds = 12;

struct Knapsack {
  std::vector<Item> items;
  std::vector<const PlannedUnit*> units;     // of the items
  std::vector<std::vector<Choice>> choices;  // of the items, in the order of their options
};

struct Target {
  std::uint64_t bytes = 0;
  bool whole_files = true;  // false: payloads only
};

class Budget {
 public:
  Budget(Draft* draft, const ErrorTable* errors, const CostTable* costs) : d_(*draft), errors_(errors), costs_(costs) {}

  Status run() {
    JANG_ASSIGN(Target target, find_target());
    JANG_TRY(make_items());
    JANG_TRY(make_room(&target));
    const Allocation best = search(target);
    const Layout layout = apply(best);
    for (std::size_t k = 0; k < knapsack_.items.size(); ++k) {
      const Choice& c = choice(best, k);
      const PlannedUnit& u = *knapsack_.units[k];
      const std::string name(d_.profile->name);
      if (is_auto())
        d_.decide(u.unit, c, c.bits == 0 ? "kept by " + name : fmt::format("{} bits, group {} by {}", c.bits, c.group_size, name));
      else
        d_.decide(u.unit, c, fmt::format("{}: {} bits by the budget of {}{}", to_string(u.tier), c.bits, name, group_note(d_, u)));
    }
    d_.plan.allocation = !is_auto() ? AllocatedBy::role_prior : costs_ ? AllocatedBy::measured_sensitivities : AllocatedBy::measured_errors;
    d_.plan.budget_bytes = target.bytes + (target.whole_files ? 0 : layout.file_bytes - layout.tensor_bytes);
    if (!best.exact) d_.plan.warnings.push_back("the budget was spent near-optimally: the exact search reached its limit");
    return {};
  }

 private:
  [[nodiscard]] bool is_auto() const { return d_.profile->kind == Kind::automatic; }
  [[nodiscard]] const Choice& choice(const Allocation& a, std::size_t k) const {
    return knapsack_.choices[k][static_cast<std::size_t>(a.choice[k])];
  }

  Result<Target> find_target() const {
    if (!is_auto()) {
      const Profile* uniform = find_profile(fmt::format("uniform_{}", d_.profile->low));
      JANG_CHECK(uniform);
      JANG_ASSIGN(const std::vector<Choice> choices, recipe_choices(*d_.model, *uniform, 0));
      Plan plan = d_.plan;
      for (std::size_t i = 0; i < choices.size(); ++i) plan.tensors[i].choice = choices[i];
      return Target{make_layout(*d_.model, plan).file_bytes, true};
    }
    if (d_.options->target_bytes) return Target{*d_.options->target_bytes, true};
    double params = 0;
    for (const arch::OutTensor& t : d_.model->tensors) params += static_cast<double>(elements(t.shape));
    const double bpw = *d_.options->target_bpw;
    auto bytes = static_cast<std::uint64_t>(std::floor(bpw * params / 8));
    while (bytes > 0 && static_cast<double>(bytes) * 8 / params > bpw) --bytes;  // the division as sizes() makes it
    return Target{bytes, false};
  }

  // Choices of one unit within its floors.
  std::vector<Choice> choices_of(const PlannedUnit& u) const {
    std::vector<Choice> choices;
    if (is_auto()) {
      choices = auto_choices(d_.tensor(u.unit.tensors.front()), *d_.options);
      for (const int i : u.unit.tensors) {
        const std::vector<Choice> other = auto_choices(d_.tensor(i), *d_.options);
        std::erase_if(choices, [&](const Choice& c) { return std::ranges::find(other, c) == other.end(); });
      }
      std::erase_if(choices, [&](const Choice& c) { return c.bits > 0 && c.bits < u.floor; });
      return choices;
    }
    const Profile& p = *d_.profile;
    const int least = std::max(u.tier == Tier::critical ? p.critical : u.tier == Tier::important ? p.important : p.compress, u.floor);
    for (const codec::WidthRow& w : codec::kWidths)
      if (w.bits >= least && rules_.allows(w.bits)) choices.push_back({w.bits, u.group_size});
    return choices;
  }

  // Expected damage of a choice: from the costs where there are any, else error times the unit's prior. Nullopt when it was not measured.
  std::optional<double> cost_of(const PlannedUnit& u, const Choice& c, double weight) const {
    if (!is_auto() || !costs_) {
      const std::optional<double> error = error_of(u, c);
      return error ? std::optional<double>(weight * *error) : std::nullopt;
    }
    if (c.bits == 0) return 0.0;
    const auto unit = costs_->find(u.unit.name);
    if (unit == costs_->end()) return std::nullopt;
    const auto found = unit->second.find(c);
    return found == unit->second.end() ? std::nullopt : std::optional<double>(found->second);
  }

  // Relative squared error of a choice; nullopt when it was not measured.
  std::optional<double> error_of(const PlannedUnit& u, const Choice& c) const {
    if (c.bits == 0) return 0.0;
    if (!is_auto()) return gaussian_error(c, d_.plan.method);
    const auto unit = errors_->find(u.unit.name);
    if (unit == errors_->end()) return std::nullopt;
    const auto found = unit->second.find(c);
    return found == unit->second.end() ? std::nullopt : std::optional<double>(found->second);
  }

  Status add_item(const PlannedUnit& u) {
    double weight = 0;
    for (const int i : u.unit.tensors)
      weight += static_cast<double>(elements(d_.tensor(i).shape)) * role_factor(d_.tensor(i).role, d_.is_moe);
    Item item;
    std::vector<Choice> choices;
    bool measured = false;
    for (const Choice& c : choices_of(u)) {
      const std::optional<double> cost = cost_of(u, c, weight);
      if (!cost) continue;
      if (!std::isfinite(*cost) || *cost < 0)
        return {StatusCode::invalid_argument,
                fmt::format("the measured error of {} at {} bits, group {} is not a number >= 0", u.unit.name, c.bits, c.group_size)};
      measured = measured || c.bits > 0;
      Option option{0, *cost};
      for (const int i : u.unit.tensors) {
        option.bytes += stored_bytes(*d_.plan.target, d_.tensor(i), c, d_.plan.dtype);
        if (c.bits > 0) option.bytes += companion_text(d_.tensor(i));
      }
      item.options.push_back(option);
      choices.push_back(c);
    }
    if (!measured)
      return {StatusCode::invalid_argument,
              fmt::format("no measured error for {}: the table belongs to another model or other options", u.unit.name)};
    knapsack_.items.push_back(std::move(item));
    knapsack_.units.push_back(&u);
    knapsack_.choices.push_back(std::move(choices));
    return {};
  }

  // Only `auto` can trade header text for payload: in K profiles every item has its companions whatever its width.
  [[nodiscard]] std::uint64_t companion_text(const arch::OutTensor& t) const {
    return is_auto() && d_.options->target_bytes ? 2 * t.module.size() + kCompanionText : 0;
  }

  Status make_items() {
    JANG_CHECK(!is_auto() || errors_);
    for (const PlannedUnit& u : d_.units) {
      if (u.override_) {
        d_.decide(u.unit, *u.override_, {});
      } else if (u.tier != Tier::keep && u.group_size > 0) {
        JANG_TRY(add_item(u));
      }
    }
    return {};
  }

  // Writes the choices into the draft and lays out the files.
  Layout apply(const Allocation& a) {
    for (std::size_t k = 0; k < knapsack_.items.size(); ++k) {
      for (const int i : knapsack_.units[k]->unit.tensors) d_.planned(i).choice = choice(a, k);
    }
    return make_layout(*d_.model, d_.plan);
  }

  Allocation smallest() const {
    Allocation a;
    for (const Item& item : knapsack_.items) {
      const auto least = std::ranges::min_element(item.options, {}, [](const Option& o) { return std::pair(o.bytes, o.cost); });
      a.choice.push_back(static_cast<int>(least - item.options.begin()));
      a.bytes += least->bytes;
      a.cost += least->cost;
    }
    return a;
  }

  Status too_small(const Target& target, std::uint64_t least) const {
    double params = 0;
    for (const arch::OutTensor& t : d_.model->tensors) params += static_cast<double>(elements(t.shape));
    std::string message;
    if (target.whole_files)
      message = fmt::format("{} needs at least {} bytes for this model, the budget is {}", d_.profile->name, least, target.bytes);
    else
      message = fmt::format("{} needs at least {:.4f} stored bits per weight for this model, {} were asked", d_.profile->name,
                            std::ceil(static_cast<double>(least) * 8 / params * 1e4) / 1e4, *d_.options->target_bpw);
    const bool floors = std::ranges::any_of(d_.units, [](const PlannedUnit& u) { return u.floor > 0; });
    if (floors) message += "; expert floors are on, --floors off lifts them";
    return {StatusCode::invalid_argument, message};
  }

  static std::uint64_t used(const Target& target, const Layout& layout) {
    return target.whole_files ? layout.file_bytes : layout.tensor_bytes;
  }

  // The number of the K profile for every item, or the next width that its floor allows.
  [[nodiscard]] Allocation at_own_width() const {
    Allocation a;
    for (std::size_t k = 0; k < knapsack_.items.size(); ++k) {
      const auto choice = std::ranges::find_if(knapsack_.choices[k], [&](const Choice& c) { return c.bits >= d_.profile->low; });
      a.choice.push_back(static_cast<int>(choice - knapsack_.choices[k].begin()));
    }
    return a;
  }

  // Refuses a budget that somebody asked for and that is too small; widens that of a K profile, see above.
  Status make_room(Target* target) {
    const std::uint64_t least = used(*target, apply(smallest()));
    if (least <= target->bytes) return {};
    if (is_auto()) return too_small(*target, least);
    target->bytes = used(*target, apply(at_own_width()));
    return {};
  }

  // Allocates, lays out, corrects the capacity by what the exact files say, and keeps the best that fits. Precondition: the smallest does.
  Allocation search(const Target& target) {
    Allocation best = smallest();
    const std::uint64_t least = used(target, apply(best));
    auto signed_bytes = [](std::uint64_t bytes) { return static_cast<std::int64_t>(std::min(bytes, std::uint64_t{1} << 62)); };
    std::int64_t fits = signed_bytes(best.bytes), too_much = std::numeric_limits<std::int64_t>::max();
    std::int64_t capacity = signed_bytes(best.bytes + (target.bytes - least));
    for (int round = 0; round < kMaxRounds; ++round) {
      const std::optional<Allocation> found = allocate(knapsack_.items, static_cast<std::uint64_t>(capacity));
      JANG_CHECK(found.has_value());
      const std::uint64_t bytes = used(target, apply(*found));
      if (bytes <= target.bytes) {
        if (found->cost < best.cost) best = *found;
        fits = capacity;
        capacity += signed_bytes(target.bytes - bytes);
      } else {
        too_much = capacity;
        capacity = std::min(capacity, signed_bytes(found->bytes)) - signed_bytes(bytes - target.bytes);
      }
      if (capacity <= fits || capacity >= too_much) break;
    }
    return best;
  }

  Draft& d_;
  const targets::Rules rules_ = d_.options->target->rules();
  const ErrorTable* errors_;
  const CostTable* costs_;
  Knapsack knapsack_;
};

}  // namespace

std::vector<Choice> auto_choices(const arch::OutTensor& tensor, const Options& options) {
  std::vector<Choice> choices;
  if (tier_of(tensor, false) == Tier::keep) return choices;
  const int group = group_for(tensor, options.group_size == 0 ? kDefaultGroup : options.group_size);
  if (group == 0) return choices;
  choices.push_back({0, 0});
  const targets::Rules rules = options.target->rules();
  for (const codec::WidthRow& w : codec::kWidths)
    if (rules.allows(w.bits)) choices.push_back({w.bits, group});
  for (const Choice& c : kFinerAndCoarser) {
    const bool is_new = c.group_size != group && columns(tensor.shape) % c.group_size == 0;
    if (options.group_size == 0 && is_new && rules.allows(c.bits)) choices.push_back(c);
  }
  std::ranges::sort(choices);
  return choices;
}

Status spend_budget(Draft* draft, const ErrorTable* errors, const CostTable* costs) {
  if (draft->profile->kind == Kind::automatic && !errors) return {StatusCode::invalid_argument, "profile auto needs measured errors"};
  return Budget(draft, errors, costs).run();
}

}  // namespace jang::plan
