// SPDX-License-Identifier: Apache-2.0
// One forward over a batch: what every block needs to know. Blocks read normalised inputs (workspace.normed) [n, hidden] and write their
// branch (workspace.branch) [n, hidden]; the decoder adds it. What else a block computes stands in its own spec.
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
#include "model/rotations.h"
#include "model/sequence.h"
#include "model/workspace.h"

namespace jang::model {

// A run of consecutive tokens of one sequence; a batch has each sequence at most once. Rows of the hidden states follow the items in order.
struct BatchItem {
  Sequence* sequence = nullptr;
  std::int64_t n_tokens = 0;
};

// Tokens an MLP or expert block takes at a time: bounds its memory. A card is not full with fewer.
inline constexpr std::int64_t kMlpTokens = 512, kMlpTokensOfCard = 4096;

struct Forward {
  kernels::Device& device;
  Workspace& workspace;
  Rotations& rotations;
  std::int64_t hidden = 0;
  arch::NormSpec norm{};  // of every norm of the model
  Probe* probe = nullptr;
  std::int64_t n = 0;                                  // tokens of all items
  std::span<const BatchItem> batch{};                  // none: an output head alone
  std::vector<kernels::SequenceRun> runs{};            // by item
  std::vector<std::span<const std::int32_t>> pages{};  // by item
  Kept* kept = nullptr;                                // filled for a backward, if there is one to come

  [[nodiscard]] kernels::KvBatch kv() const { return {&batch.front().sequence->pool().store(), runs, pages}; }
  [[nodiscard]] Status out_of_memory() const;
  // The states of a recurrent layer exist for the batch's sequences and have seen what their sequences have. Errors: out_of_memory,
  // invalid_argument.
  [[nodiscard]] Status ready_states(int layer) const;
  // The states of a recurrent layer for ops that update them, by array of the layer (LayerCache::states), then by item. From here on they
  // count as having seen the batch's tokens.
  [[nodiscard]] std::vector<std::vector<kernels::Tensor>> take_states(int layer) const;
  // Tokens of a chunk of an MLP or expert block; for a backward all of them, so that the workspace holds them all at the end.
  [[nodiscard]] std::int64_t chunk_tokens() const {
    return kept != nullptr ? n : std::min(n, device.has_own_memory() ? kMlpTokensOfCard : kMlpTokens);
  }
  // Tells the probe, if there is one, what goes into these maps.
  void see(std::initializer_list<const Linear*> maps, int expert, const kernels::Tensor& x) const;
};

}  // namespace jang::model
