// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/logits.h"

#include "api/access.h"
#include "engine/greedy.h"
#include "engine/wider_cache.h"

namespace jang {

Result<LogitsReport> compute_logits(const Model& model, std::span<const std::int32_t> ids, const LogitsOptions& options) {
  const auto tell = [&](std::string_view note) {
    if (options.observer != nullptr) options.observer->info(note);
  };
  return engine::with_wider_cache(
      tell, [&](std::optional<kernels::KvType> kv_type) { return engine::greedy_logits(Access::engine(model), ids, options, kv_type); });
}

}  // namespace jang
