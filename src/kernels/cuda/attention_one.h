// SPDX-License-Identifier: Apache-2.0
// Attention of rows that are alone in their sequences, as steps of decoding have them: the same bits as attention.h.
#pragma once

#include "kernels/cuda/attention.h"

namespace jang::kernels::cuda {

// Whether the cache and the heads are of a form that attend_one() takes. pages_aligned: pages start on 16 bytes.
[[nodiscard]] bool attend_one_supports(const AttendArgs& a, const Caches& caches, bool pages_aligned, std::int64_t last_position);
// rope: what rope_store() would have done in front, q.at null where it has been done. With several chunks join_chunks() writes the rotated
// queries and keys, since blocks of other chunks still read them here.
void attend_one(const AttendArgs& a, const Caches& caches, const RopeStoreArgs& rope, std::int64_t last_position, Stream stream);

}  // namespace jang::kernels::cuda
