// SPDX-License-Identifier: Apache-2.0
// Unigram: the most probable segmentation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "text/tokenizer/models/model.h"

namespace jang::text {

// scores[id] is the log probability of the piece.
[[nodiscard]] Result<std::unique_ptr<Model>> make_unigram(Vocabulary vocabulary, std::vector<double> scores,
                                                          std::optional<std::int32_t> unk_id, bool byte_fallback);

}  // namespace jang::text
