// SPDX-License-Identifier: Apache-2.0
// Canonical names are those of Hugging Face's classes of a bare decoder, so that only what shares a scheme is to be said.
#include "format/targets/compressed_tensors/spelling.h"

#include <algorithm>
#include <map>
#include <set>

#include "arch/family.h"
#include "arch/registry.h"
#include "format/targets/compressed_tensors/packed_parts.h"

namespace jang::targets::compressed_tensors {
namespace {

using arch::OutTensor;
using arch::Role;

// The last component of the unit that a role's tensors of one layer share; empty: each decides for itself.
std::string_view shared_unit(Role role) {
  switch (role) {
    case Role::attn_q:
    case Role::attn_k:
    case Role::attn_v:
    case Role::attn_gate: return "qkv_proj";
    case Role::mlp_gate:
    case Role::mlp_up:
    case Role::shared_gate:
    case Role::shared_up: return "gate_up_proj";
    case Role::expert_gate:
    case Role::expert_up:
    case Role::expert_gate_up:
    case Role::expert_down: return "all";
    case Role::linear_attn_qkv:
    case Role::linear_attn_z: return "in_proj";
    default: return {};
  }
}

std::string_view reason_to_keep(Role role) {
  switch (role) {
    case Role::embedding: return "vLLM reads embeddings in 16 bits";
    case Role::tied_embedding: return "vLLM reads embeddings in 16 bits, and this one is the output head too";
    case Role::router:
    case Role::shared_router: return "vLLM reads routers in 16 bits";
    case Role::linear_attn_ab: return "vLLM reads the rates of linear attention in 16 bits";
    default: return {};
  }
}

// "model.layers.0.self_attn.q_proj" and "qkv_proj" -> "model.layers.0.self_attn.qkv_proj".
std::string unit_name(const std::string& module, std::string_view last) {
  return module.substr(0, module.rfind('.') + 1) + std::string(last);
}

std::int64_t rows_of_matrix(const OutTensor& t) { return t.shape.size() < 2 ? 0 : t.shape[t.shape.size() - 2]; }

// Units whose zero points would end inside a word.
std::set<std::string> symmetric_units(const arch::Model& model) {
  std::set<std::string> units;
  for (const OutTensor& t : model.tensors)
    if (t.quantizable && rows_of_matrix(t) % kZeroPointRows != 0) units.insert(t.unit);
  return units;
}

bool has_zero_centred_norms(const arch::Family& family) {
  return std::ranges::any_of(family.blocks, [](const arch::Block& block) {
    return std::ranges::any_of(block, [](const arch::Row& row) { return (row.flags & arch::kZeroCentred) != 0; });
  });
}

std::string refusal_of(const arch::Family* family, const arch::SourceFacts& facts, const arch::Model& model) {
  if (family == nullptr) return "the names and shapes that vLLM wants of model type '" + model.model_type + "' are not known here";
  if (family->text_config) return "vLLM's class '" + model.model_type + "' wants the vision tower, and only the text model is taken";
  if (facts.plain_norms && has_zero_centred_norms(*family))
    return "the source is a converted copy whose norms are shifted already; convert the checkpoint it was made from";
  return {};
}

}  // namespace

Status spell(const arch::SourceFacts& facts, bool symmetric, arch::Model* model) {
  for (OutTensor& t : model->tensors) {
    t.add = 0;  // norms as published
    if (!t.quantizable) continue;
    if (const std::string_view why = reason_to_keep(t.role); !why.empty()) {
      t.kept = why;
      t.quantizable = false;
    }
    if (const std::string_view last = shared_unit(t.role); !last.empty()) t.unit = unit_name(t.canonical, last);
  }
  const std::set<std::string> without_zeros = symmetric_units(*model);
  for (OutTensor& t : model->tensors) t.symmetric = symmetric || without_zeros.contains(t.unit);
  if (!symmetric && !without_zeros.empty())
    model->warnings.push_back("zero points fill words of 32 rows: " + *without_zeros.begin() +
                              (without_zeros.size() > 1 ? " and " + std::to_string(without_zeros.size() - 1) + " more" : "") +
                              " get symmetric codes");
  model->refusal = refusal_of(arch::find_family(model->model_type), facts, *model);
  if (!model->refusal.empty())
    model->warnings.insert(model->warnings.begin(), "vLLM would refuse a directory of this model: " + model->refusal);
  return {};
}

}  // namespace jang::targets::compressed_tensors
