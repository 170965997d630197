// SPDX-License-Identifier: Apache-2.0
// The targets' table of functions.
#include "format/targets/compressed_tensors/compressed_tensors.h"

#include "format/targets/compressed_tensors/documents.h"
#include "format/targets/compressed_tensors/packed_parts.h"
#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/compressed_tensors/read_modules.h"
#include "format/targets/compressed_tensors/spelling.h"
#include "format/targets/record.h"
#include "format/targets/side_file_names.h"

namespace jang::targets::compressed_tensors {
namespace {

class Vllm final : public Target {
 public:
  Vllm(std::string_view name, bool symmetric) : name_(name), symmetric_(symmetric) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::string_view loader() const override { return "vLLM"; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const override {
    if (!model.refusal.empty()) return {};
    return {"vllm", "serve", directory};
  }

  // Names are those of Hugging Face, which the families' own forms read.
  void published(const json::Value& /*config*/, std::vector<TensorInfo>* /*tensors*/, arch::SourceFacts* /*facts*/) const override {}
  [[nodiscard]] Status spell(std::span<const TensorInfo> /*stored*/, const arch::SourceFacts& facts, arch::Model* model) const override {
    return compressed_tensors::spell(facts, symmetric_, model);
  }

  [[nodiscard]] std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                              DType params) const override {
    return packed_parts(tensor, format, params);
  }
  [[nodiscard]] std::uint64_t bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const override {
    return packed_bytes(tensor, format, params);
  }
  [[nodiscard]] codec::Kind kind(const arch::OutTensor& tensor) const override {
    return tensor.symmetric ? codec::Kind::symmetric : codec::Kind::integer_zero;
  }
  [[nodiscard]] bool keeps_units() const override { return true; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override { return {{"format", "pt"}}; }
  [[nodiscard]] std::vector<Document> documents(const Record& record) const override {
    return compressed_tensors::documents(record, name_);
  }
  [[nodiscard]] Copying copies(std::string_view file_name) const override { return copied_by_name(file_name); }

  [[nodiscard]] bool recognises(const format::Checkpoint& checkpoint) const override { return is_packed(checkpoint); }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_modules(bundle); }
  void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override {
    check_config(bundle, findings);
    check_engine_record(bundle, findings);
  }

 private:
  std::string_view name_;
  bool symmetric_;
};

}  // namespace

const Target& vllm() {
  static const Vllm kTarget("vllm", false);
  return kTarget;
}

const Target& vllm_symmetric() {
  static const Vllm kTarget("vllm-symmetric", true);
  return kTarget;
}

}  // namespace jang::targets::compressed_tensors
