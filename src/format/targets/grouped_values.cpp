// SPDX-License-Identifier: Apache-2.0
// Rows that an asked range of bytes touches, one scale and zero point per column.
#include "format/targets/grouped_values.h"

#include <cstring>

#include "base/float16.h"
#include "codec/affine.h"

namespace jang::format {
namespace {

constexpr std::int64_t kFloatBytes = 4;

float float_at(const std::byte* base, DType dtype, std::int64_t i) {
  if (dtype == DType::f32) {
    float value = 0;
    std::memcpy(&value, base + i * 4, 4);
    return value;
  }
  std::uint16_t half = 0;
  std::memcpy(&half, base + i * 2, 2);
  return dtype == DType::bf16 ? bf16_to_float(half) : fp16_to_float(half);
}

class GroupedTensor final : public MadeTensor {
 public:
  explicit GroupedTensor(GroupedMatrix matrix) : m_(std::move(matrix)) {}

  [[nodiscard]] Status read(const Checkpoint& c, std::uint64_t begin, std::span<std::byte> out) const override {
    if (out.empty()) return {};
    const std::int64_t row_bytes = m_.in * kFloatBytes, first = static_cast<std::int64_t>(begin) / row_bytes;
    const std::int64_t end = static_cast<std::int64_t>(begin + out.size()), n = (end + row_bytes - 1) / row_bytes - first;
    std::vector<float> values(static_cast<std::size_t>(n * m_.in));
    JANG_TRY(rows(c, first, n, values.data()));
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + (static_cast<std::int64_t>(begin) - first * row_bytes),
                out.size());
    return {};
  }
  [[nodiscard]] std::uint64_t file_bytes() const override {
    return static_cast<std::uint64_t>(m_.codes.info.bytes() + m_.scales.info.bytes() + m_.zeros.info.bytes());
  }

 private:
  Result<std::vector<std::byte>> plane(const Checkpoint& c, const StoredTensor& t, const targets::Arrangement& a, std::int64_t row_bytes,
                                       std::int64_t first, std::int64_t n) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(n * row_bytes));
    JANG_TRY(targets::get_rows(a, m_.out, first, n, bytes,
                               [&](std::uint64_t offset, std::span<std::byte> part) { return c.read(t, offset, part); }));
    return bytes;
  }
  Status rows(const Checkpoint& c, std::int64_t first, std::int64_t n, float* out) const {
    const std::int64_t words = codec::words_per_row(m_.in, m_.bits), scale_bytes = size_bytes(m_.scales.info.dtype);
    JANG_ASSIGN(const std::vector<std::byte> codes, plane(c, m_.codes, m_.codes_lie, words * 4, first, n));
    JANG_ASSIGN(const std::vector<std::byte> scales, plane(c, m_.scales, m_.scales_lie, m_.n_groups * scale_bytes, first, n));
    JANG_ASSIGN(const std::vector<std::byte> zeros, plane(c, m_.zeros, m_.zeros_lie, m_.n_groups, first, n));
    std::vector<std::uint32_t> row(static_cast<std::size_t>(words));
    std::vector<std::uint8_t> code(static_cast<std::size_t>(m_.in));
    for (std::int64_t r = 0; r < n; ++r) {
      std::memcpy(row.data(), codes.data() + r * words * 4, row.size() * 4);
      codec::unpack(row.data(), m_.bits, code);
      for (std::int64_t i = 0; i < m_.in; ++i) {
        const std::int64_t g = r * m_.n_groups + m_.group_of[static_cast<std::size_t>(i)];
        const int zero = std::to_integer<int>(zeros[static_cast<std::size_t>(g)]);
        out[r * m_.in + i] =
            static_cast<float>(code[static_cast<std::size_t>(i)] - zero) * float_at(scales.data(), m_.scales.info.dtype, g);
      }
    }
    return {};
  }

  GroupedMatrix m_;
};

}  // namespace

std::shared_ptr<const MadeTensor> grouped_values(GroupedMatrix matrix) { return std::make_shared<GroupedTensor>(std::move(matrix)); }

}  // namespace jang::format
