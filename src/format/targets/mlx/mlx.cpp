// SPDX-License-Identifier: Apache-2.0
// The target's table of functions.
#include "format/targets/mlx/mlx.h"

#include <algorithm>
#include <iterator>

#include "arch/describe.h"
#include "arch/family.h"
#include "arch/registry.h"
#include "format/targets/mlx/documents.h"
#include "format/targets/mlx/generic_spelling.h"
#include "format/targets/mlx/quantization.h"
#include "format/targets/mlx/spelling.h"
#include "format/targets/mlx/towers.h"
#include "format/targets/side_file_names.h"

namespace jang::targets::mlx {
namespace {

bool is_copied(const arch::OutTensor& tensor, const codec::WeightFormat* format) { return format != nullptr && !tensor.copied_to.empty(); }

class Mlx final : public Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "mlx"; }
  [[nodiscard]] std::string_view loader() const override { return "stock mlx-lm"; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const override {
    if (!model.refusal.empty()) return {};
    return {"mlx_lm.generate", "--model", directory, "--prompt", "Once upon a time"};
  }

  void published(const json::Value& config, std::vector<TensorInfo>* tensors, arch::SourceFacts* facts) const override {
    if (const arch::Family* family = arch::family_of(config)) unspell_family(*family, tensors, facts);
  }

  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    const arch::Family* family = arch::knows_tensors(*model) ? arch::family_of(model->config) : nullptr;
    JANG_TRY(family != nullptr ? spell_family(*family, stored, model) : spell_generic(stored, facts, model));
    if (!model->refusal.empty())
      model->warnings.insert(model->warnings.begin(), std::string(loader()) + " would refuse a bundle of this model: " + model->refusal);
    return {};
  }

  void spell_towers(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, bool text_only, arch::Model* model) const override {
    mlx::spell_towers(stored, facts.file_format, text_only, model);
  }

  [[nodiscard]] std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                              DType params) const override {
    std::vector<StoredPart> parts = whole_parts(tensor, format, params, kPlaneNames);
    if (!is_copied(tensor, format)) return parts;
    arch::OutTensor copy = tensor;
    copy.module = tensor.copied_to;
    std::ranges::copy(whole_parts(copy, format, params, kPlaneNames), std::back_inserter(parts));
    return parts;
  }
  [[nodiscard]] std::uint64_t bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const override {
    return Target::bytes(tensor, format, params) * (is_copied(tensor, format) ? 2 : 1);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override {
    return {{"format", std::string(kFileFormat)}};
  }
  [[nodiscard]] std::vector<Document> documents(const Record& record) const override { return mlx::documents(record); }
  [[nodiscard]] Copying copies(std::string_view file_name) const override { return copied_by_name(file_name); }

  // Also every directory that is packed in no way at all: a source.
  [[nodiscard]] bool recognises(const format::Checkpoint& /*checkpoint*/) const override { return true; }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return read_modules(bundle); }
  void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override { check_documents(bundle, findings); }
};

}  // namespace

const Target& target() {
  static const Mlx kTarget;
  return kTarget;
}

}  // namespace jang::targets::mlx
