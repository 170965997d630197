// SPDX-License-Identifier: Apache-2.0
// From choices to formats; counting.
#include "plan/layout.h"

#include <vector>

#include "base/check.h"

namespace jang::plan {

const codec::WeightFormat* format_of(const targets::Target& target, const arch::OutTensor& tensor, const Choice& choice) {
  if (choice.bits == 0) return nullptr;
  const codec::WeightFormat* format = codec::find_format(target.kind(tensor), choice.bits, choice.group_size);
  JANG_CHECK(format != nullptr);
  return format;
}

std::uint64_t stored_bytes(const targets::Target& target, const arch::OutTensor& tensor, const Choice& choice, DType plan_dtype) {
  return target.bytes(tensor, format_of(target, tensor, choice), plan_dtype);
}

Layout make_layout(const arch::Model& model, const Plan& plan, std::uint64_t max_shard_bytes) {
  std::vector<targets::Coding> codings;
  codings.reserve(plan.tensors.size());
  for (const TensorPlan& p : plan.tensors)
    codings.push_back({p.tensor, format_of(*plan.target, model.tensors[static_cast<std::size_t>(p.tensor)], p.choice)});
  return targets::make_layout(*plan.target, model, codings, plan.dtype, max_shard_bytes);
}

Sizes sizes(const arch::Model& model, const Plan& plan, const Layout& layout) {
  Sizes s;
  double code_bits = 0, quantized = 0;
  for (const arch::OutTensor& t : model.tensors) s.params += static_cast<std::uint64_t>(elements(t.shape));
  for (const TensorPlan& p : plan.tensors) {
    if (p.choice.bits == 0) continue;
    const auto n = static_cast<double>(elements(model.tensors[static_cast<std::size_t>(p.tensor)].shape));
    quantized += n;
    code_bits += n * p.choice.bits;
  }
  s.code_bits = quantized > 0 ? code_bits / quantized : 0;
  s.stored_bits = s.params > 0 ? static_cast<double>(layout.tensor_bytes) * 8 / static_cast<double>(s.params) : 0;
  s.file_bytes = layout.file_bytes;
  return s;
}

}  // namespace jang::plan
