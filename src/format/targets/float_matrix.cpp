// SPDX-License-Identifier: Apache-2.0
// Rows that an asked range of bytes touches. Elements are looked up in a table of their values.
#include "format/targets/float_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/float16.h"
#include "codec/narrow_floats.h"

namespace jang::format {
namespace {

constexpr std::int64_t kFloatBytes = 4;

float element_value(ElementType type, std::uint8_t bits) {
  switch (type) {
    case ElementType::e4m3: return codec::e4m3_to_float(bits);
    case ElementType::e5m2: return codec::e5m2_to_float(bits);
    case ElementType::e2m1: break;
  }
  return codec::e2m1_to_float(bits);
}

std::int64_t scale_bytes(ScaleType type) { return type == ScaleType::f32 ? 4 : type == ScaleType::bf16 || type == ScaleType::f16 ? 2 : 1; }

float scale_value(ScaleType type, const std::byte* at) {
  if (type == ScaleType::f32) {
    float value = 0;
    std::memcpy(&value, at, 4);
    return value;
  }
  if (type == ScaleType::e8m0) return codec::e8m0_to_float(std::to_integer<std::uint8_t>(*at));
  if (type == ScaleType::e4m3) return codec::e4m3_to_float(std::to_integer<std::uint8_t>(*at));
  std::uint16_t half = 0;
  std::memcpy(&half, at, 2);
  return type == ScaleType::bf16 ? bf16_to_float(half) : fp16_to_float(half);
}

class FloatTensor final : public MadeTensor {
 public:
  explicit FloatTensor(FloatMatrix matrix) : m_(std::move(matrix)) {
    for (std::size_t bits = 0; bits < values_.size(); ++bits) values_[bits] = element_value(m_.element, static_cast<std::uint8_t>(bits));
  }

  [[nodiscard]] Status read(const Checkpoint& c, std::uint64_t begin, std::span<std::byte> out) const override {
    if (out.empty()) return {};
    const std::int64_t row_bytes = m_.columns * kFloatBytes, first = static_cast<std::int64_t>(begin) / row_bytes;
    const std::int64_t end = static_cast<std::int64_t>(begin + out.size()), n = (end + row_bytes - 1) / row_bytes - first;
    std::vector<float> values(static_cast<std::size_t>(n * m_.columns));
    JANG_TRY(rows(c, first, n, values.data()));
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + (static_cast<std::int64_t>(begin) - first * row_bytes),
                out.size());
    return {};
  }
  [[nodiscard]] std::uint64_t file_bytes() const override {
    return static_cast<std::uint64_t>((m_.elements.info.bytes() + m_.scales.info.bytes()) / m_.step);
  }

 private:
  Status rows(const Checkpoint& c, std::int64_t first, std::int64_t n, float* out) const {
    const std::int64_t each = m_.rows_each > 0 ? m_.rows_each : m_.rows;
    while (n > 0) {  // rows that lie together in the file: of one matrix, and one by one where two matrices take turns
      const std::int64_t together = m_.step > 1 ? 1 : std::min(n, each - first % each);
      JANG_TRY(rows_of_one(c, first, together, out));
      first += together;
      n -= together;
      out += together * m_.columns;
    }
    return {};
  }

  Status rows_of_one(const Checkpoint& c, std::int64_t first, std::int64_t n, float* out) const {
    const std::int64_t each = m_.rows_each > 0 ? m_.rows_each : m_.rows, in_one = first % each, in_block = in_one % m_.block_rows;
    const bool halves = m_.element == ElementType::e2m1;
    const std::int64_t element_row = halves ? m_.columns / 2 : m_.columns;
    std::vector<std::byte> elements(static_cast<std::size_t>(n * element_row));
    JANG_TRY(c.read(m_.elements, static_cast<std::uint64_t>((m_.first + m_.step * first) * element_row), elements));
    const std::int64_t size = scale_bytes(m_.scale), scale_row = ceil_div(m_.columns, m_.block_columns) * size;
    const std::int64_t block = first / each * ceil_div(each, m_.block_rows) + in_one / m_.block_rows;
    std::vector<std::byte> scales(static_cast<std::size_t>(((in_block + n - 1) / m_.block_rows + 1) * scale_row));
    JANG_TRY(c.read(m_.scales, static_cast<std::uint64_t>((m_.first + m_.step * block) * scale_row), scales));
    for (std::int64_t r = 0; r < n; ++r) {
      const std::byte* const scale = scales.data() + (in_block + r) / m_.block_rows * scale_row;
      for (std::int64_t i = 0; i < m_.columns; ++i) {
        const auto byte = std::to_integer<std::uint8_t>(elements[static_cast<std::size_t>(r * element_row + (halves ? i / 2 : i))]);
        const std::uint8_t bits = !halves ? byte : i % 2 == 0 ? static_cast<std::uint8_t>(byte & 15) : static_cast<std::uint8_t>(byte >> 4);
        out[r * m_.columns + i] = values_[bits] * (scale_value(m_.scale, scale + i / m_.block_columns * size) / m_.divisor * m_.multiplier);
      }
    }
    return {};
  }

  FloatMatrix m_;
  std::array<float, 256> values_{};
};

}  // namespace

std::shared_ptr<const MadeTensor> float_matrix(FloatMatrix matrix) { return std::make_shared<FloatTensor>(std::move(matrix)); }

}  // namespace jang::format
