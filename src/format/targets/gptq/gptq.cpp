// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/gptq/gptq.h"

#include "format/targets/gptq/packed_parts.h"
#include "format/targets/gptq/quantization_config.h"
#include "format/targets/gptq/read_modules.h"
#include "format/targets/hugging_face.h"
#include "format/targets/record.h"
#include "format/targets/side_file_names.h"

namespace jang::targets::gptq {
namespace {

constexpr std::string_view kLoader = "vLLM";

class Gptq final : public Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "gptq"; }
  [[nodiscard]] std::string_view loader() const override { return kLoader; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const override {
    if (!model.refusal.empty()) return {};
    return {"vllm", "serve", directory};
  }

  void published(const json::Value& /*config*/, std::vector<TensorInfo>* /*tensors*/, arch::SourceFacts* /*facts*/) const override {}
  [[nodiscard]] Status spell(std::span<const TensorInfo> /*stored*/, const arch::SourceFacts& facts, arch::Model* model) const override {
    spell_for_engines(kLoader, model);
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
  [[nodiscard]] bool keeps_units() const override { return true; }
  [[nodiscard]] Rules rules() const override {
    return {.widths = {4, 8}, .one_choice = false, .group_size = 128, .params = DType::f16, .profile = {}};
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override { return {{"format", "pt"}}; }
  [[nodiscard]] std::vector<Document> documents(const Record& record) const override {
    return engine_documents(record, name(), quantization_config(record.model, record.tensors));
  }
  [[nodiscard]] Copying copies(std::string_view file_name) const override { return copied_by_name(file_name); }

  [[nodiscard]] bool recognises(const format::Checkpoint& checkpoint) const override { return is_packed(checkpoint); }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_modules(bundle); }
  void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override {
    check_config(bundle, findings);
    check_engine_record(bundle, findings);
  }
};

}  // namespace

const Target& target() {
  static const Gptq kTarget;
  return kTarget;
}

}  // namespace jang::targets::gptq
