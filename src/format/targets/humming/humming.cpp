// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/humming/humming.h"

#include "format/targets/engine_target.h"
#include "format/targets/hugging_face.h"
#include "format/targets/humming/packed_parts.h"
#include "format/targets/humming/quantization_config.h"
#include "format/targets/humming/read_modules.h"

namespace jang::targets::humming {
namespace {

class Humming final : public EngineTarget {
 public:
  [[nodiscard]] std::string_view name() const override { return "vllm-humming"; }

  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    spell_for_engines(kLoader, stored, model);
    keep_units(
        "vLLM reads output heads of the method humming in 16 bits", [](const arch::OutTensor& t) { return t.role == arch::Role::lm_head; },
        model);
    bool any_experts = false;
    for (arch::OutTensor& t : model->tensors) {
      t.symmetric = has_experts(t);
      any_experts = any_experts || (t.symmetric && t.quantizable);
    }
    if (any_experts)
      model->warnings.emplace_back("routed experts get symmetric codes: vLLM loads no zero points of experts by the method humming");
    refuse_unknown(kLoader, facts, model);
    return {};
  }

  [[nodiscard]] std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                              DType params) const override {
    return packed_parts(tensor, format, params);
  }
  [[nodiscard]] codec::Kind kind(const arch::OutTensor& tensor) const override {
    return tensor.symmetric ? codec::Kind::symmetric : codec::Kind::float_zero;
  }
  [[nodiscard]] Rules rules() const override {
    return {.widths = {}, .one_choice = false, .group_size = 0, .params = {}, .half_params = true, .profile = {}};
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
  static const Humming kTarget;
  return kTarget;
}

}  // namespace jang::targets::humming
