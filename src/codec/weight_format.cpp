// SPDX-License-Identifier: Apache-2.0
// Looking formats up, and the plain definition of each.
#include "codec/weight_format.h"

#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/float16.h"

namespace jang::codec {
namespace {

float param_at(const std::byte* base, DType dtype, std::int64_t i) {
  if (dtype == DType::f32) {
    float value = 0;
    std::memcpy(&value, base + i * 4, 4);
    return value;
  }
  std::uint16_t half = 0;
  std::memcpy(&half, base + i * 2, 2);
  return dtype == DType::bf16 ? bf16_to_float(half) : fp16_to_float(half);
}

}  // namespace

const WeightFormat* find_format(Kind kind, int bits, int group_size) {
  for (const WeightFormat& f : kFormats)
    if (f.kind == kind && f.bits == bits && f.group_size == group_size) return &f;
  return nullptr;
}

void unpack_row(const WeightFormat& format, std::span<const std::byte* const> planes, DType params, std::int64_t in, float* out) {
  JANG_CHECK(planes.size() == format.planes().size() && in % format.group_size == 0);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(words_per_row(in, format.bits)));
  std::memcpy(words.data(), planes[0], words.size() * 4);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(in));
  unpack(words.data(), format.bits, codes);
  for (std::int64_t i = 0; i < in; ++i) {
    const std::int64_t g = i / format.group_size;
    const float scale = param_at(planes[1], params, g);
    const auto code = static_cast<float>(codes[static_cast<std::size_t>(i)]);
    switch (format.kind) {
      case Kind::affine: out[i] = code * scale + param_at(planes[2], params, g); break;
      case Kind::integer_zero: out[i] = (code - static_cast<float>(std::to_integer<int>(planes[2][g]))) * scale; break;
      case Kind::symmetric: out[i] = (code - static_cast<float>(symmetric_zero(format.bits))) * scale; break;
      // In double, where it is exact for parameters of 16 bits: rounded once, like code * scale - zero * scale by one fused step.
      case Kind::float_zero:
        out[i] = static_cast<float>((static_cast<double>(code) - static_cast<double>(param_at(planes[2], params, g))) *
                                    static_cast<double>(scale));
        break;
    }
  }
}

}  // namespace jang::codec
