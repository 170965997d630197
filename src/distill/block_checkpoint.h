// SPDX-License-Identifier: Apache-2.0
// A block-wise distillation between two blocks, as a file (checkpoint_file.h): what is known of the blocks that are done, and the bytes of
// those that were kept, tensors "<module>/words", "/scales" and "/biases".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/checkpoint_file.h"
#include "distill/stored_bytes.h"
#include "engine/engine.h"
#include "jang/distill.h"

namespace jang::distill {

struct BlockProgress {
  std::int64_t steps = 0;       // of every block
  std::int64_t text_steps = 0;  // whose windows are different
  double start_divergence = 0;
  std::vector<DistilledBlock> blocks;  // done, from the first layer on
  std::string device;                  // they were trained on
  StoredBytesOfModules kept;
};

// As write_checkpoint and read_checkpoint (checkpoint.h); `bundle` is left as it is.
[[nodiscard]] Status write_block_checkpoint(const std::string& path, const std::string& settings, const BlockProgress& progress,
                                            engine::Engine& bundle);
[[nodiscard]] Result<std::optional<BlockProgress>> read_block_checkpoint(const std::string& path, const std::string& settings,
                                                                         engine::Engine& bundle, std::string* why);

}  // namespace jang::distill
