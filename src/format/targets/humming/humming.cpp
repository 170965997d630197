// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/humming/humming.h"

#include "format/targets/hugging_face.h"
#include "format/targets/humming/packed_parts.h"
#include "format/targets/humming/quantization_config.h"
#include "format/targets/humming/read_modules.h"
#include "format/targets/record.h"
#include "format/targets/side_file_names.h"

namespace jang::targets::humming {
namespace {

constexpr std::string_view kLoader = "vLLM";

class Humming final : public Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "vllm-humming"; }
  [[nodiscard]] std::string_view loader() const override { return kLoader; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const override {
    if (!model.refusal.empty()) return {};
    return {"vllm", "serve", directory};
  }

  void published(const json::Value& /*config*/, std::vector<TensorInfo>* /*tensors*/, arch::SourceFacts* /*facts*/) const override {}
  [[nodiscard]] Status spell(std::span<const TensorInfo> /*stored*/, const arch::SourceFacts& facts, arch::Model* model) const override {
    spell_for_engines(kLoader, model);
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
  [[nodiscard]] bool keeps_units() const override { return true; }
  [[nodiscard]] Rules rules() const override {
    return {.widths = {}, .one_choice = false, .group_size = 0, .params = {}, .half_params = true, .profile = {}};
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
  static const Humming kTarget;
  return kTarget;
}

}  // namespace jang::targets::humming
