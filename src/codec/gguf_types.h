// SPDX-License-Identifier: Apache-2.0
// The element types of GGUF files (llama.cpp's ggml types) as data: a row per type with its number in the file, its name, values and bytes
// of a block, and the function that decodes a block. Rows of a tensor are whole blocks, one after another.
// Source: the enum and the block structs of ggml; sizes are compared with the package `gguf` in tests/oracle/check_gguf.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace jang::codec {

using DecodeGgufBlock = void (*)(const std::uint8_t* block, float* values);

struct GgufType {
  std::uint32_t id = 0;    // in the file, permanent
  std::string_view name;   // as ggml spells it, "Q4_K"
  int block_values = 1;    // values of a block
  int block_bytes = 1;     // bytes of a block
  DecodeGgufBlock decode;  // null: a type with a known size that no tensor of weights has
  [[nodiscard]] double bits() const { return 8.0 * block_bytes / block_values; }
};

// By ascending id.
[[nodiscard]] std::span<const GgufType> gguf_types();
// Null when there is none of that number.
[[nodiscard]] const GgufType* find_gguf_type(std::uint32_t id);

// Decodes n_values, a multiple of block_values, in float32. Precondition: type.decode.
void decode_gguf(const GgufType& type, const std::byte* blocks, std::int64_t n_values, float* values);

}  // namespace jang::codec
