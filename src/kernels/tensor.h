// SPDX-License-Identifier: Apache-2.0
// Tensors as a graph sees them: a matrix somewhere in a device's memory. Host code cannot look inside; Device::read and Device::write
// (device.h) carry values across the border, everything else is an op of the device.
#pragma once

#include <cstdint>
#include <memory>

#include "base/check.h"
#include "tensor/dtype.h"

namespace jang::kernels {

// Memory of one device. Only the device that made it knows where it lies.
class Buffer {
 public:
  explicit Buffer(std::int64_t bytes) : bytes_(bytes) {}
  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t bytes_;
};

// A view: [rows, columns] values of `dtype`, row r at byte offset + r * stride * size_bytes(dtype). The buffer outlives its tensors.
struct Tensor {
  Buffer* buffer = nullptr;  // null: no tensor
  std::int64_t offset = 0;   // bytes
  DType dtype = DType::f32;
  std::int64_t rows = 0, columns = 0;
  std::int64_t stride = 0;  // values from one row to the next

  [[nodiscard]] bool exists() const { return buffer != nullptr; }
  [[nodiscard]] bool contiguous() const { return stride == columns || rows <= 1; }
  [[nodiscard]] std::int64_t bytes() const { return rows * columns * size_bytes(dtype); }

  // Rows [begin, begin + n).
  [[nodiscard]] Tensor row_range(std::int64_t begin, std::int64_t n) const {
    Tensor t = *this;
    t.offset += begin * stride * size_bytes(dtype);
    t.rows = n;
    return t;
  }
  // Columns [begin, begin + n) of every row.
  [[nodiscard]] Tensor column_range(std::int64_t begin, std::int64_t n) const {
    Tensor t = *this;
    t.offset += begin * size_bytes(dtype);
    t.columns = n;
    return t;
  }
  // The same values as rows of `columns`: heads of a token as rows. Precondition: contiguous, the count is a multiple of `columns`.
  [[nodiscard]] Tensor with_columns(std::int64_t n) const {
    JANG_CHECK(contiguous() && rows * columns % n == 0);
    Tensor t = *this;
    t.rows = rows * columns / n;
    t.columns = t.stride = n;
    return t;
  }
};

}  // namespace jang::kernels
