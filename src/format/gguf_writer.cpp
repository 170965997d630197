// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "format/gguf_writer.h"

#include <bit>

#include "base/check.h"
#include "base/checked.h"

namespace jang::format {
namespace {

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 255);
}

void put_text(std::string& out, const std::string& text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

void put_scalar(std::string& out, GgufKind kind, std::int64_t whole, double real, const std::string& text) {
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::i8:
    case GgufKind::boolean: return put<std::int8_t>(out, static_cast<std::int8_t>(whole));
    case GgufKind::u16:
    case GgufKind::i16: return put<std::int16_t>(out, static_cast<std::int16_t>(whole));
    case GgufKind::u32:
    case GgufKind::i32: return put<std::int32_t>(out, static_cast<std::int32_t>(whole));
    case GgufKind::u64:
    case GgufKind::i64: return put(out, whole);
    case GgufKind::f32: return put(out, std::bit_cast<std::uint32_t>(static_cast<float>(real)));
    case GgufKind::f64: return put(out, std::bit_cast<std::uint64_t>(real));
    case GgufKind::string: return put_text(out, text);
    case GgufKind::array: break;
  }
  JANG_CHECK(!"an array of arrays");
}

void put_value(std::string& out, const GgufValue& value) {
  put(out, static_cast<std::uint32_t>(value.kind));
  if (value.kind != GgufKind::array) return put_scalar(out, value.kind, value.integer, value.number, value.text);
  put(out, static_cast<std::uint32_t>(value.element));
  put<std::uint64_t>(out, value.size());
  for (const std::int64_t n : value.integers) put_scalar(out, value.element, n, 0, "");
  for (const double x : value.numbers) put_scalar(out, value.element, 0, x, "");
  for (const std::string& s : value.texts) put_scalar(out, value.element, 0, 0, s);
}

}  // namespace

std::string make_gguf_header(GgufHeader& header) {
  header.version = 3;
  std::string out = "GGUF";
  put(out, header.version);
  put<std::uint64_t>(out, header.tensors.size());
  put<std::uint64_t>(out, header.metadata.size());
  for (const auto& [key, value] : header.metadata) {
    put_text(out, key);
    put_value(out, value);
  }
  std::uint64_t at = 0;
  for (GgufTensor& t : header.tensors) {
    JANG_CHECK(t.type != nullptr && t.shape.back() % t.type->block_values == 0);
    t.bytes = static_cast<std::uint64_t>(elements(t.shape) / t.type->block_values * t.type->block_bytes);
    t.offset_bytes = at;  // from data_begin, until that is known
    at = round_up(at + t.bytes, header.alignment);
    put_text(out, t.name);
    put(out, static_cast<std::uint32_t>(t.shape.size()));
    for (auto d = t.shape.rbegin(); d != t.shape.rend(); ++d) put(out, *d);
    put(out, t.type->id);
    put(out, t.offset_bytes);
  }
  out.resize(round_up<std::size_t>(out.size(), static_cast<std::size_t>(header.alignment)), '\0');
  header.data_begin = out.size();
  for (GgufTensor& t : header.tensors) t.offset_bytes += header.data_begin;
  return out;
}

}  // namespace jang::format
