// SPDX-License-Identifier: Apache-2.0
// Reads the elements of a bundle tensor from the pieces of source tensors it is made of, as raw bytes or as finite floats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "format/checkpoint.h"
#include "jang/status.h"

namespace jang::quantize {

struct TensorScales;  // channel_scales.h

// Values of a float type as floats. Precondition: `in` holds out.size() elements of a float type of at least 16 bits.
void widen(DType dtype, std::span<const std::byte> in, std::span<float> out);

class SourceRows {
 public:
  // Pieces may come in any number; their elements, in order, are the tensor's elements in row-major order. `scales`, which may be null and
  // outlives this: factors of its rows and columns.
  SourceRows(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, const TensorScales* scales = nullptr);

  // Raw bytes of elements [begin, begin + out.size() / element size). Thread safe.
  [[nodiscard]] Status read_bytes(std::int64_t begin, std::span<std::byte> out) const;
  // The same as floats, multiplied by their factors, `scratch` being reused between calls. Errors: corrupt when an element is NaN or
  // infinite, naming source tensor, element and file. Precondition: the source dtype is a float of at most 32 bits, or f64.
  [[nodiscard]] Status read_floats(std::int64_t begin, std::span<float> out, std::vector<std::byte>& scratch) const;
  // Name of the source tensor and "[row, column]" of an element of the bundle tensor, for messages.
  [[nodiscard]] std::string describe_element(std::int64_t element) const;

 private:
  struct Run {
    std::int64_t begin;         // first element in the bundle tensor
    std::int64_t n;             // elements
    int source;                 // index into the checkpoint
    std::int64_t source_begin;  // first element in the source tensor
  };
  [[nodiscard]] const Run& run_of(std::int64_t element) const;
  [[nodiscard]] Status read_stored(std::int64_t begin, std::span<std::byte> out) const;
  // Where an element stands among those of the pieces: elsewhere only where channels move.
  [[nodiscard]] std::int64_t stored_element(std::int64_t element) const;

  const format::Checkpoint& checkpoint_;
  DType dtype_;
  std::int64_t channels_, block_;  // OutTensor::channels; elements of a row of the leading dimension
  std::vector<Run> runs_;
  const TensorScales* scales_;
};

}  // namespace jang::quantize
