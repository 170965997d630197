// SPDX-License-Identifier: Apache-2.0
// The GGUF container of llama.cpp, versions 2 and 3, little endian: a strict reader of its header.
//
//   bytes 0..3    "GGUF"
//   u32           version
//   u64 u64       number of tensors, number of metadata pairs
//   pairs         string key, u32 value type, value
//   tensors       string name, u32 rank, rank times u64 dimension (innermost first), u32 element type, u64 offset
//   padding       to `general.alignment` bytes, 32 without that key
//   payloads      each at its offset from here, a multiple of the alignment; rows are blocks of the type (codec/gguf_types.h)
//
// A string is a u64 length and its bytes. An array is a u32 value type, a u64 length and its values; arrays of arrays are refused.
// Source: ggml's docs/gguf.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "codec/gguf_types.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::format {

// Types of metadata values, permanent.
enum class GgufKind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
[[nodiscard]] std::string_view kind_name(GgufKind kind);

// One value: of its members that of its kind is used. Integers of all widths are in `integer` (u64 beyond 63 bits: its bit pattern).
struct GgufValue {
  GgufKind kind = GgufKind::u32;
  std::int64_t integer = 0;  // integers and booleans
  double number = 0;         // f32, f64
  std::string text{};
  GgufKind element = GgufKind::u32;  // of an array
  std::vector<std::int64_t> integers{};
  std::vector<double> numbers{};
  std::vector<std::string> texts{};
  [[nodiscard]] std::size_t size() const;  // of an array
};

struct GgufTensor {
  std::string name;
  Shape shape;  // outermost first, as everywhere in this program
  const codec::GgufType* type = nullptr;
  std::uint64_t offset_bytes = 0;  // from the start of the file
  std::uint64_t bytes = 0;
};

struct GgufHeader {
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::uint64_t data_begin = 0;  // first byte behind header and padding
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;  // as in the file
  // Payload bytes of all tensors, without header and padding.
  [[nodiscard]] std::uint64_t tensor_bytes() const;
  // Values of all tensors.
  [[nodiscard]] std::uint64_t elements() const;
  [[nodiscard]] const GgufTensor* find(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
};

struct GgufLimits {
  std::uint64_t max_header_bytes = 64u << 20;
  std::uint64_t max_tensors = 1'000'000, max_pairs = 100'000;
  std::size_t max_name_bytes = 512, max_key_bytes = 512;
};

// Header of an opened file. Errors: corrupt, naming file, key or tensor, byte, expected and found; unsupported (version 1, big endian, an
// element type that is not in the table, a shard of a split file).
[[nodiscard]] Result<GgufHeader> read_gguf_header(const InputFile& file, const GgufLimits& limits = {});

// The same from memory: `bytes` is the beginning of a file of `file_bytes`. When it ends before the header does: corrupt.
[[nodiscard]] Result<GgufHeader> parse_gguf_header(std::string_view bytes, std::uint64_t file_bytes, std::string_view what,
                                                   const GgufLimits& limits = {});

}  // namespace jang::format
