// SPDX-License-Identifier: Apache-2.0
// The targets' table of functions.
#include "format/targets/compressed_tensors/compressed_tensors.h"

#include "format/targets/compressed_tensors/packed_parts.h"
#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/compressed_tensors/read_modules.h"
#include "format/targets/compressed_tensors/spelling.h"
#include "format/targets/engine_target.h"

namespace jang::targets::compressed_tensors {
namespace {

class Vllm final : public EngineTarget {
 public:
  Vllm(std::string_view name, bool symmetric) : name_(name), symmetric_(symmetric) {}

  [[nodiscard]] std::string_view name() const override { return name_; }

  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    return compressed_tensors::spell(stored, facts, symmetric_, model);
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

  [[nodiscard]] bool recognises(const format::Checkpoint& checkpoint) const override { return is_packed(checkpoint); }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_modules(bundle); }

 private:
  [[nodiscard]] json::Value packing(const Record& record) const override { return quantization_config(record.model, record.tensors); }
  void check_packing(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override {
    check_config(bundle, findings);
  }

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
