// SPDX-License-Identifier: Apache-2.0
// What a layer keeps of a sequence from one forward to the next. Every mixer says it of itself, beside its struct:
//
//   LayerCache cache_of(const arch::<Mixer>Spec&)
//
// The pool lays out the pages from it (cache_pool.h), a sequence makes its states from it (sequence.h).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kv_cache.h"

namespace jang::model {

struct StateShape {
  std::int64_t rows = 0, columns = 0;
};

struct LayerCache {
  kernels::KvLayer kv;             // heads and dimensions; none: no keys and values. Type and offset are the pool's
  std::vector<StateShape> states;  // float32, of zeros before the first token; a layer that has some is recurrent
};

}  // namespace jang::model
