// SPDX-License-Identifier: Apache-2.0
// Weight formats as data: how a row of weights becomes planes, arrays that lie beside each other in a file. Every row of kFormats has a
// scalar unpack (unpack_row); whoever stores, lays out or reads packed weights goes by the planes and knows no format by name.
//
//   affine         weight = code * scale + bias           planes codes, scales, biases
//   integer_zero   weight = (code - zero) * scale         planes codes, scales, zeros (whole numbers, one byte each)
//   symmetric      weight = (code - 2^(bits-1)) * scale   planes codes, scales
//   float_zero     weight = (code - zero) * scale         planes codes, scales, zeros (in the type of the scales)
//
// A group of group_size weights along the row shares scale, bias and zero. Codes are the dense bit stream of affine.h. Which names planes
// have in a file is the target's business.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "codec/affine.h"
#include "tensor/dtype.h"

namespace jang::codec {

enum class Kind : std::uint8_t { affine, integer_zero, symmetric, float_zero };

// The code that stands for zero in symmetric formats.
[[nodiscard]] constexpr int symmetric_zero(int bits) { return 1 << (bits - 1); }

struct Plane {
  std::string_view name;               // "codes", "scales", "biases", "zeros"
  std::optional<DType> dtype;          // none: the float type that the plan chooses for parameters
  int numerator = 0, denominator = 1;  // a row of `in` weights has in * numerator / denominator elements
  [[nodiscard]] constexpr std::int64_t elements(std::int64_t in) const { return in * numerator / denominator; }
  [[nodiscard]] constexpr DType stored(DType params) const { return dtype.value_or(params); }
  [[nodiscard]] constexpr std::int64_t row_bytes(std::int64_t in, DType params) const { return elements(in) * size_bytes(stored(params)); }
};

inline constexpr std::size_t kMaxPlanes = 3;

struct WeightFormat {
  Kind kind = Kind::affine;
  int bits = 0, group_size = 0;
  int n_planes = 0;
  std::array<Plane, kMaxPlanes> plane_rows{};  // the codes first
  [[nodiscard]] constexpr std::span<const Plane> planes() const { return {plane_rows.data(), static_cast<std::size_t>(n_planes)}; }
  // Bytes of one row of `in` weights, all planes.
  [[nodiscard]] constexpr std::int64_t row_bytes(std::int64_t in, DType params) const {
    std::int64_t bytes = 0;
    for (const Plane& p : planes()) bytes += p.row_bytes(in, params);
    return bytes;
  }
};

[[nodiscard]] constexpr WeightFormat make_format(Kind kind, int bits, int group_size) {
  WeightFormat f{kind, bits, group_size, 0, {}};
  const auto add = [&](Plane p) { f.plane_rows[static_cast<std::size_t>(f.n_planes++)] = p; };
  add({"codes", DType::u32, bits, 32});
  add({"scales", std::nullopt, 1, group_size});
  if (kind == Kind::affine) add({"biases", std::nullopt, 1, group_size});
  if (kind == Kind::integer_zero) add({"zeros", DType::u8, 1, group_size});
  if (kind == Kind::float_zero) add({"zeros", std::nullopt, 1, group_size});
  return f;
}

inline constexpr std::array<Kind, 4> kKinds = {Kind::affine, Kind::integer_zero, Kind::symmetric, Kind::float_zero};

// Every kind at every width and group: a width, a group size or a kind is one row of its table.
inline constexpr auto kFormats = [] {
  std::array<WeightFormat, kKinds.size() * kWidths.size() * kGroups.size()> rows{};
  std::size_t n = 0;
  for (const Kind kind : kKinds)
    for (const WidthRow& w : kWidths)
      for (const GroupRow& g : kGroups) rows[n++] = make_format(kind, w.bits, g.size);
  return rows;
}();

// The row, null when there is none.
[[nodiscard]] const WeightFormat* find_format(Kind kind, int bits, int group_size);

// One row of `in` weights (a multiple of the group) from its planes, each in host memory at its first element; `params`: their float type.
void unpack_row(const WeightFormat& format, std::span<const std::byte* const> planes, DType params, std::int64_t in, float* out);

}  // namespace jang::codec
