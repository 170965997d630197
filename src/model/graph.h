// SPDX-License-Identifier: Apache-2.0
// The bound graph and the pieces a forward is made of. Each block is a struct of maps and vectors (bind.cpp fills them) with a run function
// in the file of its name. Blocks read normalised inputs [n, hidden] and write their branch [n, hidden]; the decoder adds it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "arch/decoder_config.h"
#include "base/aligned_buffer.h"
#include "kernels/ops.h"
#include "model/decoder.h"
#include "model/linear.h"
#include "model/parallel.h"
#include "model/sequence_state.h"

namespace jang::model {

using Floats = AlignedBuffer<float>;

struct Attention {
  Linear q, k, v, o;
  const float* q_norm = nullptr;  // null without qk_norm
  const float* k_norm = nullptr;
};

struct GatedDelta {
  Linear qkv, z, b, a;  // separate projections
  Linear qkvz, ba;      // or fused, per key head
  Linear out;
  const float* conv = nullptr;     // [channels, conv_kernel]
  const float* a_log = nullptr;    // [value heads]
  const float* dt_bias = nullptr;  // [value heads]
  const float* norm = nullptr;     // [value dim]
};

struct Mlp {
  Linear gate, up, down;
};

struct Moe {
  Linear router;
  Linear gate, up, down;  // a view per expert
  Linear shared_router;   // with a shared expert only
  Mlp shared;
};

struct Layer {
  arch::LayerKind kind = arch::LayerKind::full_attention;
  bool sparse = false;
  const float* mixer_norm = nullptr;
  const float* mixer_out_norm = nullptr;  // four_norms only
  const float* mlp_norm = nullptr;
  const float* mlp_out_norm = nullptr;  // four_norms only
  Attention attention;
  GatedDelta delta;
  Mlp mlp;
  Moe moe;
};

// Cosines and sines of the tokens of a batch, [n, dims / 2], with attention_factor in them.
struct RopeTable {
  Floats cos, sin;
  std::vector<std::int64_t> positions;  // of the rows; empty: not computed
};

struct Scratch {
  Floats normed, branch;                  // [n, hidden]
  Floats q_raw, q, k, v, gate, attended;  // attention
  Floats qkv, z, ba, mixed, conv_states;  // gated delta
  Floats up_in, up;                       // MLP: gate and up of a chunk
  Floats router, slot_gate, slot_up, slot_out, gathered;
  AlignedBuffer<std::byte> rows, slot_rows;  // prepared inputs of experts
  PreparedInputs inputs;
  RopeTable rope, local_rope;
};

// One forward over a batch.
struct Forward {
  const arch::DecoderConfig& config;
  const kernels::Ops& ops;
  const Parallel& parallel;
  Scratch& scratch;
  Probe* probe = nullptr;
  std::span<const BatchItem> batch;
  std::int64_t n = 0;            // tokens of all items
  std::int64_t input_bytes = 0;  // largest prepared row of any map

  // Tells the probe, if there is one, what goes into these maps.
  void see(std::initializer_list<const Linear*> maps, int expert, const float* x, std::int64_t rows) const;
};

// Tokens an MLP or expert block takes at a time: bounds its scratch.
inline constexpr std::int64_t kMlpTokens = 512;

// The memory of a forward over n tokens. False when there is none.
[[nodiscard]] bool reserve_attention(Forward& f);
[[nodiscard]] bool reserve_delta(Forward& f);
[[nodiscard]] bool reserve_mlp(Forward& f, std::int64_t ffn);
[[nodiscard]] bool reserve_moe(Forward& f, const Moe& moe);

// Each reads scratch.normed and writes scratch.branch. The caches of layer `layer` have room already.
void run_attention(Forward& f, const Attention& block, int layer);
void run_delta(Forward& f, const GatedDelta& block, int layer);
void run_mlp(Forward& f, const Mlp& block, const float* x, std::int64_t n, float* out);
void run_moe(Forward& f, const Moe& block, const float* x, std::int64_t n, float* out);

// Cosines and sines for the batch's positions; kept while they stay the same. False when there is no memory.
[[nodiscard]] bool make_rope_table(std::span<const BatchItem> batch, std::int64_t n, const arch::Rope& rope, const Parallel& parallel,
                                   RopeTable* table);

// act(gate) * up, for n values.
void activate(const Forward& f, const float* gate, const float* up, std::int64_t n, float* out);

}  // namespace jang::model
