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
  // Forgets everything from position `length` on. False when a recurrent layer makes that impossible (only 0 is possible then).
  [[nodiscard]] bool truncate(std::int64_t length);
  // A copy that continues on its own: shared prefixes.
  [[nodiscard]] Sequence clone() const;
  // Bytes of the caches in use.
  [[nodiscard]] std::int64_t bytes() const;

 private:
  friend class Decoder;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jang::model
