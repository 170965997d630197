// SPDX-License-Identifier: Apache-2.0
// Device memory that grows to what a forward needs and is kept from one forward to the next.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/device.h"

namespace jang::model {

class Array {
 public:
  // Room for `bytes`; what was there is lost when it has to grow. False when there is no memory.
  [[nodiscard]] bool reserve_bytes(kernels::Device& device, std::int64_t bytes) {
    if (buffer_ != nullptr && bytes <= buffer_->bytes()) return true;
    buffer_.reset();
    buffer_ = device.allocate(bytes);
    return buffer_ != nullptr;
  }
  // Room for n values.
  [[nodiscard]] bool reserve(kernels::Device& device, std::int64_t n, DType dtype = DType::f32) {
    return reserve_bytes(device, n * size_bytes(dtype));
  }
  // The first rows * columns values as a matrix. Precondition: reserved.
  [[nodiscard]] kernels::Tensor matrix(std::int64_t rows, std::int64_t columns, DType dtype = DType::f32) const {
    JANG_CHECK(buffer_ != nullptr && rows * columns * size_bytes(dtype) <= buffer_->bytes());
    return {buffer_.get(), 0, dtype, rows, columns, columns};
  }
  [[nodiscard]] bool exists() const { return buffer_ != nullptr; }
  [[nodiscard]] std::int64_t bytes() const { return buffer_ == nullptr ? 0 : buffer_->bytes(); }

 private:
  std::unique_ptr<kernels::Buffer> buffer_;
};

// What the blocks of a forward work in; n is the tokens of the batch. Blocks take turns, so they share.
struct Workspace {
  Array normed, branch, ffn_normed;             // [n, hidden]; the last where mixer and feed-forward have norms side by side
  Array q_gate, q, k, v, gate, attended;        // attention
  Array queries, q_latent, latent, kv_row;      // latent attention: of q_proj; of latents; r and c of a position
  Array q_slots, latent_slots, value_slots;     // by head, then token
  Array head_begin, head_tokens;                // i32, of a routing of every token to every head
  Array query_factors, query_rows, scaled;      // factors by position, [n, 1]; i32 0, 1, ..; queries times their factors
  Array fused, fused_ba, qkv, z, ba, mixed;     // gated delta; fused, mixed, qkv and ba of Mamba2
  Array mlp_gate, mlp_up;                       // of a chunk of tokens
  Array router, shared_gate, shared, gathered;  // experts, of a chunk of tokens
  Array mlp_normed, experts_normed, router_normed, experts_branch;  // [n, hidden]: an MLP and a mixture side by side
  Array slot_gate, slot_up, slot_out;                               // by slot
  Array route_weights, route_slots, route_tokens, route_begin;
  Array slot_weights, slot_in;          // by slot: weights, and what experts read where their weights multiply it
  Array tokens;                         // i32 [n, 1]
  Array layer_inputs, layer_projected;  // [n, values of all layers]: per-layer inputs; what is added to them
  Array layer_gate;                     // [n, values of a layer]
};

// What a backward needs of the forward of a layer and the forward would overwrite.
struct Kept {
  Array q, k, v, attended;          // attention: before norm and rotation; before the gate
  Array beside_mlp, beside_moe;     // what an MLP and a mixture side by side wrote, before the norms
  Array q_latent, latent;           // latent attention: before the norms
  Array qkv, ba, mixed;             // gated delta: what the rule was given, what it gave; the latter of Mamba2
  Array activated, slot_activated;  // act(gate) * up of the MLP, or of the shared expert; by slot
  Array router;                     // logits of the router
};

}  // namespace jang::model
