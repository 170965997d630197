// SPDX-License-Identifier: Apache-2.0
// The caches of one sequence: keys and values of attention layers, states of recurrent layers. Memory is committed as positions are
// filled, layer by layer, so a sequence that runs only some layers holds only theirs. Not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "arch/decoder_config.h"
#include "jang/status.h"
#include "kernels/ops.h"

namespace jang::model {

class Sequence {
 public:
  Sequence(const arch::DecoderConfig& config, kernels::KvType kv_type);
  ~Sequence();
  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;

  // Positions in the caches: the next token is at this position.
  [[nodiscard]] std::int64_t length() const;
  // After every layer that will be run has stored n more positions.
  void advance(std::int64_t n);
  // Forgets everything from position `length` on. False, and nothing changes, when length is negative or beyond length(), or when a
  // recurrent layer has already taken in later positions (its state cannot go back; only 0 is possible then).
  [[nodiscard]] bool truncate(std::int64_t length);
  // A copy that continues on its own: shared prefixes. A copy that finds no memory has length 0.
  [[nodiscard]] Sequence clone() const;
  // Bytes of the caches in use.
  [[nodiscard]] std::int64_t bytes() const;

  struct State;  // sequence_state.h: for the blocks of the decoder
  [[nodiscard]] State& state() const { return *state_; }

 private:
  explicit Sequence(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace jang::model
