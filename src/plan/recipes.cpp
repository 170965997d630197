// SPDX-License-Identifier: Apache-2.0
// mlx-lm's own quantization recipes, decision for decision, as baselines (mlx_lm/convert.py and utils.py, version 0.32): every module that
// can be quantized and whose input the group divides, routers included. Units and tiers play no part.
//
//   uniform_N  N bits; modules that the model class names itself get 8 bits, group 64
//   mixed_L_H  H bits for the head, and for v and down projections of the first and last eighth of the layers and every third between;
//              L bits for the rest. Names are compared as substrings of the path, as there.
#include "plan/recipes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "arch/path.h"
#include "base/check.h"
#include "plan/draft.h"

namespace jang::plan {
namespace {

constexpr int kMlxGroup = 64;
constexpr Choice kMlxOwnRule = {8, 64};
constexpr std::array<std::string_view, 3> kValueNames = {"v_proj", "v_a_proj", "v_b_proj"};

bool contains(std::string_view path, std::string_view part) { return path.find(part) != std::string_view::npos; }

int layer_index(std::string_view path, int location) {
  const std::vector<std::string_view> parts = arch::split_path(path);
  if (location < 0 || static_cast<std::size_t>(location) >= parts.size()) return 0;
  return std::max(0, arch::component_number(parts[static_cast<std::size_t>(location)]));
}

int mixed_bits(const arch::Model& model, const Profile& p, std::string_view path) {
  const int layer = layer_index(path, model.layer_component), n = model.n_layers;
  const bool more = layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
  const bool is_value = std::ranges::any_of(kValueNames, [&](std::string_view v) { return contains(path, v); });
  if (more && (is_value || contains(path, "down_proj"))) return p.high;
  return contains(path, "lm_head") ? p.high : p.low;
}

}  // namespace

Result<std::vector<Choice>> recipe_choices(const arch::Model& model, const Profile& profile, int group_size) {
  const int group = group_size == 0 ? kMlxGroup : group_size;
  const std::set<std::string_view> own(model.eight_bit_modules.begin(), model.eight_bit_modules.end());
  const bool mixed = profile.kind == Kind::mixed;
  if (mixed && !std::ranges::any_of(model.tensors, [](const arch::OutTensor& t) { return contains(t.module, "down_proj"); }))
    return Status(StatusCode::unsupported, fmt::format("mlx-lm makes {} only for models with down_proj modules, this one ({}) has none",
                                                       profile.name, model.model_type));
  std::vector<Choice> choices(model.tensors.size());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (!t.quantizable || elements(t.shape) <= 0 || columns(t.shape) % group != 0) continue;
    if (mixed) {
      choices[i] = {mixed_bits(model, profile, t.module), group};
    } else if (!own.contains(t.module)) {
      choices[i] = {profile.low, group};
    } else {
      choices[i] = kMlxOwnRule;
      if (columns(t.shape) % kMlxOwnRule.group_size != 0)
        return Status(StatusCode::unsupported,
                      fmt::format("mlx-lm wants groups of 64 for {}, which has {} inputs: it cannot make {} at group {}", t.module,
                                  columns(t.shape), profile.name, group));
    }
  }
  return choices;
}

Status assign_recipe(Draft* d) {
  d->plan.allocation = AllocatedBy::mlx_recipe;
  JANG_ASSIGN(const std::vector<Choice> choices, recipe_choices(*d->model, *d->profile, d->options->group_size));
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (!d->model->tensors[i].quantizable) continue;
    d->plan.tensors[i].choice = choices[i];
    if (choices[i].bits == 0)
      d->notes[i] = fmt::format("kept: the group does not divide {} inputs", columns(d->model->tensors[i].shape));
    else if (d->profile->kind == Kind::uniform && choices[i].bits != d->profile->low)
      d->notes[i] = fmt::format("{} bits: mlx-lm's rule for this module of {}", choices[i].bits, d->model->model_type);
    else
      d->notes[i] = fmt::format("{} bits by {}", choices[i].bits, d->profile->name);
  }
  return {};
}

}  // namespace jang::plan
