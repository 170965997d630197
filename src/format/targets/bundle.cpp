// SPDX-License-Identifier: Apache-2.0
// Opening a bundle: the files are the same for all targets; what they mean is asked of the one that wrote them.
#include "format/targets/bundle.h"

#include "format/targets/jang_v1.h"
#include "format/targets/narrow_weights.h"
#include "format/targets/record.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "format/targets/transposed_experts.h"

namespace jang::format {
Result<Bundle> open_bundle(const std::string& path, const OpenOptions& options) {
  JANG_ASSIGN(Checkpoint opened, Checkpoint::open(path, options));
  JANG_ASSIGN(Checkpoint known, from_jang_v1(std::move(opened)));
  JANG_ASSIGN(Checkpoint wide, with_wide_weights(std::move(known)));
  JANG_ASSIGN(Checkpoint checkpoint, with_upright_experts(std::move(wide)));
  const targets::Target& target = targets::writer_of(checkpoint);
  Bundle bundle{std::move(checkpoint), &target, nullptr, false, {}, {}};
  JANG_ASSIGN(bundle.jang_config, targets::read_record(path));
  JANG_TRY(targets::check_rotation(bundle.jang_config));
  if (const Status found = target.read(&bundle); !found.ok()) return bundle.checkpoint.settle(found, false);
  return bundle;
}

std::vector<LogicalTensor> logical_tensors(const Bundle& bundle) {
  std::vector<LogicalTensor> logical;
  const auto& stored = bundle.checkpoint.tensors();
  for (std::size_t i = 0; i < bundle.modules.size(); ++i) {
    const BundleModule& m = bundle.modules[i];
    const TensorInfo& codes = stored[static_cast<std::size_t>(m.planes[0])].info;
    const TensorInfo& scales = stored[static_cast<std::size_t>(m.planes[1])].info;
    logical.push_back({{m.path + ".weight", scales.dtype, m.shape, codes.standing}, static_cast<int>(i), m.planes[0]});
  }
  for (const int i : bundle.plain) logical.push_back({stored[static_cast<std::size_t>(i)].info, -1, i});
  return logical;
}

json::Value logical_config(const Bundle& bundle) {
  json::Value config = bundle.checkpoint.config();
  if (!config.is_object()) return config;
  const auto strip = [](json::Value* object) {
    object->erase("quantization");
    object->erase("quantization_config");
  };
  strip(&config);
  if (const auto text = config.find("text_config"); text != config.end() && text->is_object()) strip(&*text);
  return config;
}

}  // namespace jang::format
