// SPDX-License-Identifier: Apache-2.0
// What the targets of NVIDIA's serving engines share: Hugging Face's names as the families' own forms read them, one loader, units that are
// never cut, packing described in config.json and a record beside it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/targets/target.h"

namespace jang::targets {

class EngineTarget : public Target {
 public:
  [[nodiscard]] std::string_view loader() const final { return kLoader; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const final;
  void published(const json::Value& /*config*/, std::vector<TensorInfo>* /*tensors*/, arch::SourceFacts* /*facts*/) const final {}
  [[nodiscard]] bool keeps_units() const final { return true; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const final { return {{"format", "pt"}}; }
  [[nodiscard]] std::vector<Document> documents(const Record& record) const final;
  [[nodiscard]] Copying copies(std::string_view file_name) const final;
  void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const final;

 protected:
  static constexpr std::string_view kLoader = "vLLM";

  // quantization_config of what was packed. Precondition: something was.
  [[nodiscard]] virtual json::Value packing(const Record& record) const = 0;
  // What config.json says wrongly about the tensors.
  virtual void check_packing(const format::Bundle& bundle, std::vector<format::Finding>* findings) const = 0;
};

}  // namespace jang::targets
