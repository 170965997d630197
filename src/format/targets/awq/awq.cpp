// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/awq/awq.h"

#include "codec/column_codes.h"
#include "format/targets/awq/gemm.h"
#include "format/targets/engine_target.h"
#include "format/targets/hugging_face.h"
#include "format/targets/layout.h"

namespace jang::targets::awq {
namespace {

class Awq final : public EngineTarget {
 public:
  [[nodiscard]] std::string_view name() const override { return "awq"; }

  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    spell_for_engines(kLoader, stored, model);
    keep_units(
        "AutoAWQ packs no output heads", [](const arch::OutTensor& t) { return t.role == arch::Role::lm_head; }, model);
    // Stacked experts are cut where their rows end, and rows are written in blocks of 32.
    const auto does_not_fit = [](const arch::OutTensor& t) {
      return matrix_rows(t) % (has_experts(t) ? codec::kColumnBlock : kRowsPerWord) != 0;
    };
    keep_units("AutoAWQ's words hold eight rows (of experts, 32 go together), and some of a fused map's rows are no multiple", does_not_fit,
               model);
    refuse_unknown(kLoader, facts, model);
    return {};
  }

  [[nodiscard]] std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                              DType params) const override {
    return gemm_parts(tensor, format, params);
  }
  [[nodiscard]] std::uint64_t bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const override {
    return gemm_bytes(tensor, format, params);
  }
  [[nodiscard]] codec::Kind kind(const arch::OutTensor& /*tensor*/) const override { return codec::Kind::integer_zero; }
  [[nodiscard]] Rules rules() const override {
    return {.widths = {kBits}, .one_choice = true, .group_size = 128, .params = DType::f16, .profile = "uniform_4"};
  }

  [[nodiscard]] bool recognises(const format::Checkpoint& checkpoint) const override { return is_gemm(checkpoint); }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_gemm(bundle); }

 private:
  [[nodiscard]] json::Value packing(const Record& record) const override { return quantization_config(record.model, record.tensors); }
  void check_packing(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override { check_gemm(bundle, findings); }
};

}  // namespace

const Target& target() {
  static const Awq kTarget;
  return kTarget;
}

}  // namespace jang::targets::awq
