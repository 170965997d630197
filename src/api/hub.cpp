// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/hub.h"

#include "format/checkpoint.h"
#include "format/hub.h"

namespace jang {

Result<std::string> find_model(const std::string& name, const HubCache& cache) {
  return format::resolve_model(name, {cache.hf_hub_cache, cache.hf_home, cache.home, cache.huggingface_hub_cache, cache.xdg_cache_home});
}

std::string model_name(const std::string& directory) { return format::model_name(directory); }

}  // namespace jang
