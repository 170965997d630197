// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/gptq/gptq.h"

#include "format/targets/engine_target.h"
#include "format/targets/gptq/packed_parts.h"
#include "format/targets/gptq/quantization_config.h"
#include "format/targets/gptq/read_modules.h"
#include "format/targets/hugging_face.h"

namespace jang::targets::gptq {
namespace {

class Gptq final : public EngineTarget {
 public:
  [[nodiscard]] std::string_view name() const override { return "gptq"; }

  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    spell_for_engines(kLoader, stored, model);
    keep_units(
        "GPTQ's loaders read output heads in 16 bits", [](const arch::OutTensor& t) { return t.role == arch::Role::lm_head; }, model);
    keep_units(
        "GPTQ's loaders want rows in multiples of 32, and a fused map has others",
        [](const arch::OutTensor& t) { return t.shape.size() < 2 || t.shape[t.shape.size() - 2] % kRowMultiple != 0; }, model);
    for (arch::OutTensor& t : model->tensors) t.symmetric = true;
    refuse_unknown(kLoader, facts, model);
    return {};
  }

  [[nodiscard]] std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                              DType params) const override {
    return packed_parts(tensor, format, params);
  }
  [[nodiscard]] std::uint64_t bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const override {
    return packed_bytes(tensor, format, params);
  }
  [[nodiscard]] codec::Kind kind(const arch::OutTensor& /*tensor*/) const override { return codec::Kind::symmetric; }
  [[nodiscard]] Rules rules() const override {
    return {.widths = {4, 8}, .one_choice = false, .group_size = 128, .params = DType::f16, .profile = {}};
  }

  [[nodiscard]] bool recognises(const format::Checkpoint& checkpoint) const override { return is_packed(checkpoint); }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_modules(bundle); }

 private:
  [[nodiscard]] json::Value packing(const Record& record) const override { return quantization_config(record.model, record.tensors); }
  void check_packing(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override {
    check_config(bundle, findings);
  }
};

}  // namespace

const Target& target() {
  static const Gptq kTarget;
  return kTarget;
}

}  // namespace jang::targets::gptq
