// SPDX-License-Identifier: Apache-2.0
// Element types of tensors on disk: one row per type, names as safetensors spells them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace jang {

enum class DType : std::uint8_t { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

struct DTypeRow {
  DType dtype;
  std::string_view name;  // in a safetensors header, permanent
  int bytes;              // per element
  bool is_float;
};

// All types, indexed by DType.
inline constexpr DTypeRow kDTypes[] = {
    {DType::f64, "F64", 8, true},   {DType::f32, "F32", 4, true},         {DType::f16, "F16", 2, true},
    {DType::bf16, "BF16", 2, true}, {DType::f8_e4m3, "F8_E4M3", 1, true}, {DType::f8_e5m2, "F8_E5M2", 1, true},
    {DType::i64, "I64", 8, false},  {DType::i32, "I32", 4, false},        {DType::i16, "I16", 2, false},
    {DType::i8, "I8", 1, false},    {DType::u64, "U64", 8, false},        {DType::u32, "U32", 4, false},
    {DType::u16, "U16", 2, false},  {DType::u8, "U8", 1, false},          {DType::boolean, "BOOL", 1, false},
};

[[nodiscard]] constexpr const DTypeRow& info(DType t) { return kDTypes[static_cast<int>(t)]; }
[[nodiscard]] constexpr std::string_view name(DType t) { return info(t).name; }
[[nodiscard]] constexpr int size_bytes(DType t) { return info(t).bytes; }

[[nodiscard]] constexpr std::optional<DType> dtype_from_name(std::string_view n) {
  for (const DTypeRow& row : kDTypes)
    if (row.name == n) return row.dtype;
  return std::nullopt;
}

}  // namespace jang
