// SPDX-License-Identifier: Apache-2.0
// The header of a GGUF file of version 3 (gguf.h has the layout), and the values that its metadata is made of.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "format/gguf.h"

namespace jang::format {

[[nodiscard]] inline GgufValue gguf_integer(std::int64_t n, GgufKind kind = GgufKind::u32) { return {.kind = kind, .integer = n}; }
[[nodiscard]] inline GgufValue gguf_real(double x) { return {.kind = GgufKind::f32, .number = x}; }
[[nodiscard]] inline GgufValue gguf_text(std::string s) { return {.kind = GgufKind::string, .text = std::move(s)}; }
[[nodiscard]] inline GgufValue gguf_integers(std::vector<std::int64_t> list, GgufKind element) {
  return {.kind = GgufKind::array, .element = element, .integers = std::move(list)};
}
[[nodiscard]] inline GgufValue gguf_texts(std::vector<std::string> list) {
  return {.kind = GgufKind::array, .element = GgufKind::string, .texts = std::move(list)};
}

// Bytes up to data_begin. Lays the payloads out in order and writes version, data_begin and every tensor's offset and bytes into `header`.
// Preconditions: names are unique, alignment is a power of two and the default or in the metadata, rows are whole blocks.
[[nodiscard]] std::string make_gguf_header(GgufHeader& header);

}  // namespace jang::format
