// SPDX-License-Identifier: Apache-2.0
// Placing tensors of a type nobody listed. See placement.h.
#include "format/targets/mlx/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "arch/extras.h"
#include "arch/generic.h"
#include "arch/generic_rules.h"
#include "arch/path.h"
#include "arch/role.h"

namespace jang::targets::mlx {
namespace {

using arch::component_number;
using arch::kMaxExperts;
using arch::match_generic;
using arch::module_of;
using arch::OutTensor;
using arch::Role;
using arch::split_path;

// A name's components in common words: the classes call a stack of experts switch_mlp.
std::vector<std::string_view> common_path(std::string_view name) {
  std::vector<std::string_view> path = split_path(name);
  std::ranges::replace(path, std::string_view("switch_mlp"), std::string_view("experts"));
  return path;
}

// [2 n, in], or one such per expert.
bool can_be_halved(const Shape& shape) {
  const std::size_t rank = shape.size();
  if (rank != 2 && rank != 3) return false;
  return shape[rank - 2] > 0 && shape[rank - 2] % 2 == 0 && (rank == 2 || shape[0] <= kMaxExperts);
}

// A vector that the class has no place for is its own affair; a matrix makes it refuse the whole.
bool must_be_known(const TensorInfo& t) { return t.shape.size() >= 2; }

}  // namespace

void refuse(arch::Model* model, std::string why) {
  if (model->refusal.empty()) model->refusal = std::move(why);
}

Placer::Placer(const ModelClass& model_class, std::int64_t n_layers, std::span<const TensorInfo> sources, arch::Model* model)
    : class_(model_class),
      n_layers_(static_cast<int>(n_layers)),
      original_(sources),
      sources_(sources.begin(), sources.end()),
      model_(model) {
  for (TensorInfo& t : sources_) t.name = arch::unwrapped(t.name);
}

bool Placer::is_beyond(const std::vector<std::string_view>& path, Role role) const {
  return role != Role::vision && n_layers_ > 0 && arch::layer_of(path) >= n_layers_;
}

Status Placer::run() {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const TensorInfo& t = sources_[i];
    if (t.standing == Standing::stray) continue;  // nobody can tell whether the model lacks it
    if (const std::string_view reason = arch::buffer_reason(t); !reason.empty()) {
      model_->dropped.push_back({original_[i].name, std::string(reason)});
      continue;
    }
    if (!seen.insert(t.name).second) return {StatusCode::corrupt, fmt::format("tensor '{}' occurs twice", t.name)};
    const auto path = common_path(t.name);
    if (is_beyond(path, match_generic(path, t.shape.size()).role))
      model_->dropped.push_back({original_[i].name, fmt::format("beyond the {} layers of config.json", n_layers_)});
    else
      JANG_TRY(place(static_cast<int>(i), path));
  }
  std::set<std::string_view> names;
  for (const OutTensor& t : all_)
    if (!names.insert(t.name).second) return {StatusCode::corrupt, fmt::format("tensor '{}' is there twice, under two names", t.name)};
  return check_stacks();
}

Status Placer::place(int index, const std::vector<std::string_view>& path) {
  const TensorInfo& t = sources_[static_cast<std::size_t>(index)];
  const Place where = place_of(class_, t.name);
  if (where.kind == Place::Kind::moved) {
    for (const Place::Move& m : where.moves) JANG_TRY(move(index, path, m));
    return {};
  }
  OutTensor out = arch::describe_by_name(t, index, path);
  if (where.kind != Place::Kind::module) out.quantizable = false;
  const bool tied_head = class_.tie == TieRule::always && out.role == Role::lm_head;  // spell_generic decides
  if (where.kind == Place::Kind::unknown && out.role != Role::vision && !tied_head) say_unknown(t);
  arch::count_in(out, model_);
  all_.push_back(std::move(out));
  return {};
}

// A tensor under the name, and in the form, that the class keeps it in.
Status Placer::move(int index, const std::vector<std::string_view>& path, const Place::Move& move) {
  const TensorInfo& t = sources_[static_cast<std::size_t>(index)];
  const auto out_path = common_path(move.out);
  const bool stacks = move.layout == LayoutRule::stack_experts;
  const bool halves = move.layout == LayoutRule::first_half || move.layout == LayoutRule::second_half;
  const std::size_t rank = t.shape.size();
  if (stacks ? rank != 2 : halves && !can_be_halved(t.shape))
    return {StatusCode::corrupt,
            fmt::format("tensor '{}' has shape {}, which cannot become '{}'", t.name, jang::to_string(t.shape), move.out)};
  if (stacks) {
    if (const auto known = stacks_.find(move.out); known != stacks_.end()) {
      known->second.by_expert[move.expert] = index;
      return {};
    }
  }
  OutTensor out = arch::describe_by_name(t, index, path);
  const Role named = match_generic(out_path, t.shape.size() + (stacks ? 1 : 0)).role;
  const bool routes = out.role == Role::router || out.role == Role::shared_router;  // classes call them *.gate.gate_proj
  if (named != Role::unknown && !routes) out.role = named;
  out.rule = fmt::format("{}: {}", class_.name, move.out);
  out.unit = halves ? std::string(module_of(t.name)) : std::string(module_of(move.out));
  out.name = move.out;
  out.module = out.canonical = module_of(move.out);
  if (halves) {
    const std::int64_t n_rows = t.shape[rank - 2] / 2, n_all = rows(t.shape);
    out.shape[rank - 2] = n_rows;
    out.pieces.clear();
    for (std::int64_t row = move.layout == LayoutRule::second_half ? n_rows : 0; row < n_all; row += 2 * n_rows)
      out.pieces.push_back({index, row, n_rows});
  }
  if (stacks) stacks_.emplace(move.out, Stack{all_.size(), {{move.expert, index}}});
  out.quantizable = (rank == 2 || rank == 3) && arch::is_quantizable(out.role) && info(t.dtype).is_float && elements(t.shape) > 0;
  model_->n_layers = std::clamp(out.layer + 1, model_->n_layers, std::max(model_->n_layers, arch::kMaxLayers));
  all_.push_back(std::move(out));
  return {};
}

void Placer::say_unknown(const TensorInfo& t) {
  if (!must_be_known(t)) return;
  refuse(model_, fmt::format("mlx-lm's class '{}' has no place for tensor '{}' {}", class_.name, t.name, jang::to_string(t.shape)));
}

// Every expert there, all alike; then the pieces in order make one tensor.
Status Placer::check_stacks() {
  for (auto& [name, stack] : stacks_) {
    OutTensor& out = all_[stack.at];
    const int given = static_cast<int>(stack.by_expert.size()), n = std::max(given, model_->n_experts);
    if (model_->n_experts > 0 && given > model_->n_experts)
      return {StatusCode::corrupt, fmt::format("tensor '{}' has {} experts, config.json says {}", name, given, model_->n_experts)};
    out.pieces.clear();
    for (int e = 0; e < n; ++e) {
      const auto found = stack.by_expert.find(e);
      if (found == stack.by_expert.end())
        return {StatusCode::corrupt, fmt::format("tensor '{}': expert {} of {} is missing; the checkpoint is incomplete", name, e, n)};
      const TensorInfo& t = sources_[static_cast<std::size_t>(found->second)];
      if (t.shape != out.shape || t.dtype != out.source_dtype)
        return {StatusCode::corrupt, fmt::format("tensor '{}' is {} {}, the experts before it are {} {}", t.name, jang::name(t.dtype),
                                                 jang::to_string(t.shape), jang::name(out.source_dtype), jang::to_string(out.shape))};
      out.pieces.push_back({found->second, 0, rows(t.shape)});
    }
    out.shape.insert(out.shape.begin(), n);
  }
  return {};
}

}  // namespace jang::targets::mlx
