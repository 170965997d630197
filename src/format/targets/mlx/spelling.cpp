// SPDX-License-Identifier: Apache-2.0
// Names and shapes of the listed families. The mapping is one to one, so that a finished bundle is read by the same tables as its source.
#include "format/targets/mlx/spelling.h"

#include <algorithm>

#include "arch/bind.h"
#include "arch/describe.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "format/targets/mlx/config.h"
#include "format/targets/mlx/differences.h"
#include "format/targets/mlx/families.h"
#include "format/targets/mlx/quantization.h"

namespace jang::targets::mlx {
namespace {

using arch::OutTensor;
using arch::Role;

constexpr std::string_view kFeedForward = ".mlp.", kCanonicalExperts = ".mlp.experts.", kStackedExperts = ".mlp.switch_mlp.";

void replace_part(std::string* name, std::string_view from, std::string_view to) {
  if (const std::size_t at = name->find(from); at != std::string::npos) name->replace(at, from.size(), to);
}

std::string component(std::string_view name) { return "." + std::string(name) + "."; }

// [C, 1, K] and [C, K, 1] are the same bytes.
void swap_taps(Shape* shape) {
  if (shape->size() == 3) std::swap((*shape)[1], (*shape)[2]);
}

// Pieces of a convolution were counted in rows of the published form; a converted copy stores other rows.
void spell_tensor(const FamilyRow& row, std::span<const arch::Rename> parts, std::span<const TensorInfo> stored, OutTensor* t) {
  for (std::string* name : {&t->name, &t->module}) *name = arch::rename_parts_back(*name, parts);
  for (std::string* name : {&t->name, &t->module, &t->rule}) {
    replace_part(name, kCanonicalExperts, ".mlp" + component(row.stack));
    if (!row.feed_forward.empty()) replace_part(name, kFeedForward, component(row.feed_forward));
  }
  if (!row.router.empty() && t->role == Role::router)
    for (std::string* name : {&t->name, &t->module, &t->rule})
      replace_part(name, ".gate", component(row.router).substr(0, row.router.size() + 1));
  if (row.bare_correction)
    for (std::string* name : {&t->name, &t->module, &t->rule})
      replace_part(name, ".gate.e_score_correction_bias", ".e_score_correction_bias");
  if (row.plain_router && t->role == Role::router) t->quantizable = false;
  if (row.cuts_kv_b && t->canonical.ends_with(".kv_b_proj")) {
    t->quantizable = false;
    t->kept = "mlx-lm cuts kv_b_proj into heads when it loads it, and would encode packed ones once more";
  }
  t->name.insert(0, row.prefix);
  t->module.insert(0, row.prefix);
  if (t->role != Role::conv) return;
  swap_taps(&t->shape);
  for (arch::Piece& p : t->pieces) p.n_rows = rows(stored[static_cast<std::size_t>(p.source)].shape);
}

// Where mlx-lm's mixed recipes look for the layer number: the first component of digits in the path of the first down_proj module, or the
// last component when there is none.
int layer_component(const std::vector<OutTensor>& tensors) {
  for (const OutTensor& t : tensors) {
    if (t.module.find("down_proj") == std::string::npos) continue;
    const auto parts = arch::split_path(t.module);
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (arch::component_number(parts[i]) >= 0) return static_cast<int>(i);
    return static_cast<int>(parts.size()) - 1;
  }
  return 2;
}

}  // namespace

Status spell_family(const arch::Family& family, std::span<const TensorInfo> stored, arch::Model* model) {
  const FamilyRow& row = family_row(family.name);
  const json::Value& text = *arch::language_config(family, &model->config);
  JANG_ASSIGN(arch::Geometry geometry, arch::read_geometry(text, family.reads));
  geometry.tied = model->tied;
  for (OutTensor& t : model->tensors) {
    if (t.role == Role::vision) continue;  // towers.h
    spell_tensor(row, row.parts.empty() ? family.parts : row.parts, stored, &t);
    const bool ends = t.role == Role::attn_o || t.role == Role::mlp_down || t.role == Role::expert_down || t.role == Role::lm_head;
    if (row.ends_8bit && ends) model->eight_bit_modules.push_back(t.module);
    if (row.routers_8bit && (t.role == Role::router || t.role == Role::shared_router)) model->eight_bit_modules.push_back(t.module);
  }
  model->layer_component = layer_component(model->tensors);
  if (row.scales_rope) model->refusal = rope_refusal(text);
  if (model->refusal.empty()) model->refusal = layers_refusal(family, geometry, text);
  if (model->refusal.empty()) model->refusal = head_refusal(family, model->tied);
  if (model->refusal.empty()) model->refusal = map_refusal(family, geometry);
  if (model->refusal.empty()) model->refusal = kinds_refusal(family, text);
  for (std::string& difference : differences(family, text)) model->warnings.push_back(std::move(difference));
  if (std::string difference = tied_difference(family, model->tied); !difference.empty()) model->warnings.push_back(std::move(difference));
  finish_config(family, row, geometry, &model->config);
  return {};
}

// Copies that mlx-lm's tools have converted hold norms that are shifted already. They are known by their convolutions, as in the classes;
// a model without one, by the format that those tools and our writer name in every file.
void unspell_family(const arch::Family& family, std::vector<TensorInfo>* tensors, arch::SourceFacts* facts) {
  bool has_convolutions = false, has_published_ones = false;
  const FamilyRow& row = family_row(family.name);
  for (TensorInfo& t : *tensors) {
    if (arch::is_of_dropped_part(family, t.name)) continue;
    t.name = arch::rename_parts(std::move(t.name), row.parts);
    if (!row.router.empty()) replace_part(&t.name, component(row.router), ".gate.");
    replace_part(&t.name, kStackedExperts, kCanonicalExperts);
    for (const char* block : {".block_sparse_moe", ".feed_forward"})
      replace_part(&t.name, block + component("switch_mlp"), block + component("experts"));
    const bool is_convolution = arch::ends_with_path(t.name, "conv1d.weight") || arch::ends_with_path(t.name, "conv.conv.weight");
    if (!is_convolution || t.shape.empty()) continue;
    has_convolutions = true;
    if (t.shape.back() != 1)
      has_published_ones = true;
    else
      swap_taps(&t.shape);
  }
  facts->plain_norms = has_convolutions ? !has_published_ones : facts->file_format == kFileFormat;
}

}  // namespace jang::targets::mlx
