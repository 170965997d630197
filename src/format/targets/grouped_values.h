// SPDX-License-Identifier: Apache-2.0
// A packed matrix whose groups are of no format of the codec, as float32 values that are computed as they are read: every column says which
// scale is its own, so that any size of groups and any order of columns is read exactly.
//
//   value (r, c) = (code(r, c) - zero(r, group(c))) * scale(r, group(c))
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "format/checkpoint.h"
#include "format/targets/arrangement.h"

namespace jang::format {

struct GroupedMatrix {
  int bits = 0;
  std::int64_t out = 0, in = 0, n_groups = 0;
  StoredTensor codes, scales, zeros;
  targets::Arrangement codes_lie, scales_lie, zeros_lie;
  std::vector<std::int32_t> group_of;  // by column, each below n_groups
};

// Precondition: the tensors have the bytes of these sizes, in % 32 == 0.
[[nodiscard]] std::shared_ptr<const MadeTensor> grouped_values(GroupedMatrix matrix);

}  // namespace jang::format
