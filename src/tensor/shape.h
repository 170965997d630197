// SPDX-License-Identifier: Apache-2.0
// Shape of a tensor, outermost dimension first, and the description of a tensor without its data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/checked.h"
#include "tensor/dtype.h"

namespace jang {

using Shape = std::vector<std::int64_t>;  // every entry >= 0

// Product of the dimensions, 1 for rank 0; nullopt when it does not fit or a dimension is negative.
[[nodiscard]] inline std::optional<std::int64_t> checked_elements(const Shape& shape) {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) {
    if (d < 0) return std::nullopt;
    const auto p = checked_mul(n, d);
    if (!p) return std::nullopt;
    n = *p;
  }
  return n;
}

// Elements of a shape already validated by a reader or built by us.
[[nodiscard]] inline std::int64_t elements(const Shape& shape) {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

// A tensor of rank >= 1 seen as rows x columns: columns = last dimension, rows = product of the others.
[[nodiscard]] inline std::int64_t columns(const Shape& shape) { return shape.empty() ? 1 : shape.back(); }
[[nodiscard]] inline std::int64_t rows(const Shape& shape) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
  return n;
}

// "[4096, 1024]" for messages.
[[nodiscard]] inline std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

// How surely a tensor found in a checkpoint belongs to its model.
enum class Standing : std::uint8_t {
  listed,    // the index lists it, or it is in the file that every reader opens
  unlisted,  // in a file that is read, but not listed: taken, or left out where the model has no place for it
  stray,     // in a file that other readers do not open: taken only where the model lacks it otherwise
};

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  Standing standing = Standing::listed;
  [[nodiscard]] std::int64_t bytes() const { return elements(shape) * size_bytes(dtype); }
};

}  // namespace jang
