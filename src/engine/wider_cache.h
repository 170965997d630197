// SPDX-License-Identifier: Apache-2.0
// Work that begins anew when keys or values exceed float16, the default type of the cache of fast arithmetic. A measurement keeps to one
// type from its first token to its last, so it starts over; a Generator only computes its own sequence again (generator.h).
#pragma once

#include <optional>
#include <string_view>

#include "jang/status.h"
#include "kernels/kv_cache.h"

namespace jang::engine {

// Range of float32, bytes of float16.
inline constexpr kernels::KvType kWiderKvType = kernels::KvType::bf16;
inline constexpr std::string_view kWiderCacheNote = "keys or values of this model exceed float16: its cache is bf16 instead";

// What Engine::forward reports when the cache is too narrow and its type was nobody's choice.
[[nodiscard]] inline bool wants_wider_cache(const Status& status) { return status.code() == StatusCode::unsupported; }

// work(nullopt), a Result: forwards with sequences of that type. Once more with a wider one where that is wanted; `tell` gets the note.
template <typename Tell, typename Work>
auto with_wider_cache(const Tell& tell, const Work& work) {
  auto done = work(std::optional<kernels::KvType>());
  if (!wants_wider_cache(done.status())) return done;
  tell(kWiderCacheNote);
  return work(std::optional(kWiderKvType));
}

}  // namespace jang::engine
