// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/stored_bytes.h"

#include <cstring>

#include "base/check.h"
#include "base/float16.h"
#include "codec/affine.h"

namespace jang::distill {
namespace {

std::vector<std::byte> encode_params(DType dtype, std::span<const float> values) {
  std::vector<std::byte> out(values.size() * static_cast<std::size_t>(size_bytes(dtype)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::f32) {
      std::memcpy(out.data() + i * 4, &values[i], 4);
      continue;
    }
    const std::uint16_t half = dtype == DType::bf16 ? float_to_bf16(values[i]) : float_to_fp16(values[i]);
    std::memcpy(out.data() + i * 2, &half, 2);
  }
  return out;
}

std::vector<std::uint8_t> codes_of(const std::byte* words, const kernels::MatrixView& like) {
  std::vector<std::uint32_t> row(static_cast<std::size_t>(like.row_bytes() / 4));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(like.n_rows * like.n_cols));
  for (std::int64_t r = 0; r < like.n_rows; ++r) {
    std::memcpy(row.data(), words + r * like.row_bytes(), row.size() * 4);
    codec::unpack(row.data(), like.format.bits,
                  std::span(codes).subspan(static_cast<std::size_t>(r * like.n_cols), static_cast<std::size_t>(like.n_cols)));
  }
  return codes;
}

}  // namespace

StoredBytes bytes_of(const StoredModule& stored, std::span<const kernels::MatrixView> like) {
  const kernels::MatrixView& one = like.front();
  const auto values = static_cast<std::size_t>(one.n_rows * one.n_cols),
             matrix_words = static_cast<std::size_t>(one.n_rows * one.row_bytes() / 4);
  JANG_CHECK(stored.codes.size() == values * like.size());
  StoredBytes out;
  std::vector<std::uint32_t> words(matrix_words);
  for (std::size_t i = 0; i < like.size(); ++i) {
    codec::pack(std::span(stored.codes).subspan(i * values, values), one.format.bits, words.data());
    const auto bytes = std::as_bytes(std::span(words));
    out.words.insert(out.words.end(), bytes.begin(), bytes.end());
  }
  out.scales = encode_params(one.format.param_dtype, stored.scales);
  out.biases = encode_params(one.format.param_dtype, stored.biases);
  return out;
}

StoredBytesOfModules bytes_of(const StoredModules& modules, const model::Decoder& bundle) {
  StoredBytesOfModules out;
  for (const auto& [path, stored] : modules) out.emplace(path, bytes_of(stored, bundle.matrices(path)));
  return out;
}

StoredBytes copy_of(std::span<const kernels::MatrixView> like) {
  StoredBytes out;
  for (const kernels::MatrixView& m : like) {
    out.words.insert(out.words.end(), m.data, m.data + m.n_rows * m.row_bytes());
    out.scales.insert(out.scales.end(), m.scales, m.scales + m.n_rows * m.param_row_bytes());
    out.biases.insert(out.biases.end(), m.biases, m.biases + m.n_rows * m.param_row_bytes());
  }
  return out;
}

std::vector<kernels::MatrixView> views_of(const StoredBytes& bytes, std::span<const kernels::MatrixView> like) {
  std::vector<kernels::MatrixView> views(like.begin(), like.end());
  const std::int64_t words = like.front().n_rows * like.front().row_bytes(), params = like.front().n_rows * like.front().param_row_bytes();
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    views[i].data = bytes.words.data() + at * words;
    views[i].scales = bytes.scales.data() + at * params;
    views[i].biases = bytes.biases.data() + at * params;
  }
  return views;
}

std::int64_t changed_codes(const StoredBytes& bytes, std::span<const kernels::MatrixView> from) {
  std::int64_t changed = 0;
  const std::vector<kernels::MatrixView> now = views_of(bytes, from);
  for (std::size_t i = 0; i < now.size(); ++i) {
    const std::vector<std::uint8_t> a = codes_of(now[i].data, from[i]), b = codes_of(from[i].data, from[i]);
    for (std::size_t j = 0; j < a.size(); ++j) changed += a[j] != b[j] ? 1 : 0;
  }
  return changed;
}

}  // namespace jang::distill
