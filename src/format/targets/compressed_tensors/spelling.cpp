// SPDX-License-Identifier: Apache-2.0
// What vLLM has in common with other engines, and which units have zero points.
#include "format/targets/compressed_tensors/spelling.h"

#include <set>

#include "format/targets/compressed_tensors/packed_parts.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::compressed_tensors {
namespace {

using arch::OutTensor;

constexpr std::string_view kLoader = "vLLM";

std::int64_t rows_of_matrix(const OutTensor& t) { return t.shape.size() < 2 ? 0 : t.shape[t.shape.size() - 2]; }

// Units whose zero points would end inside a word.
std::set<std::string> symmetric_units(const arch::Model& model) {
  std::set<std::string> units;
  for (const OutTensor& t : model.tensors)
    if (t.quantizable && rows_of_matrix(t) % kZeroPointRows != 0) units.insert(t.unit);
  return units;
}

}  // namespace

Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, bool symmetric, arch::Model* model) {
  spell_for_engines(kLoader, stored, model);
  const std::set<std::string> without_zeros = symmetric_units(*model);
  for (OutTensor& t : model->tensors) t.symmetric = symmetric || without_zeros.contains(t.unit);
  if (!symmetric && !without_zeros.empty())
    model->warnings.push_back("zero points fill words of 32 rows: " + *without_zeros.begin() +
                              (without_zeros.size() > 1 ? " and " + std::to_string(without_zeros.size() - 1) + " more" : "") +
                              " get symmetric codes");
  refuse_unknown(kLoader, facts, model);
  return {};
}

}  // namespace jang::targets::compressed_tensors
