// SPDX-License-Identifier: Apache-2.0
// One forward over a batch: what every block needs to know. Blocks read normalised inputs (workspace.normed) [n, hidden] and write their
// branch (workspace.branch) [n, hidden]; the decoder adds it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "arch/decoder_config.h"
#include "kernels/device.h"
#include "model/linear.h"
#include "model/probe.h"
#include "model/sequence.h"
#include "model/workspace.h"

namespace jang::model {

// A run of consecutive tokens of one sequence; a batch has each sequence at most once. Rows of the hidden states follow the items in order.
struct BatchItem {
  Sequence* sequence = nullptr;
  std::int64_t n_tokens = 0;
};

// Tokens an MLP or expert block takes at a time: bounds its memory.
inline constexpr std::int64_t kMlpTokens = 512;

struct Forward {
  const arch::DecoderConfig& config;
  kernels::Device& device;
  Workspace& workspace;
  Probe* probe = nullptr;
  std::span<const BatchItem> batch;
  std::int64_t n = 0;                                // tokens of all items
  std::vector<kernels::SequenceRun> runs;            // by item
  std::vector<std::span<const std::int32_t>> pages;  // by item
  Kept* kept = nullptr;                              // filled for a backward, if there is one to come

  [[nodiscard]] kernels::KvBatch kv() const { return {&batch.front().sequence->pool().store(), runs, pages}; }
  [[nodiscard]] kernels::Activation activation() const;
  // Tokens of a chunk of an MLP or expert block; for a backward all of them, so that the workspace holds them all at the end.
  [[nodiscard]] std::int64_t chunk_tokens() const { return kept != nullptr ? n : std::min(n, kMlpTokens); }
  // Tells the probe, if there is one, what goes into these maps.
  void see(std::initializer_list<const Linear*> maps, int expert, const kernels::Tensor& x) const;
};

}  // namespace jang::model
