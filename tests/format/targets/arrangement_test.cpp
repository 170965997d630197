// SPDX-License-Identifier: Apache-2.0
// Every form against its formula, one code at a time, and blocks of rows against all rows at once.
#include "format/targets/arrangement.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "codec/affine.h"

namespace jang::targets {
namespace {

using Bytes = std::vector<std::byte>;

PutBytes into(Bytes* file) {
  return [file](std::uint64_t offset, std::span<const std::byte> bytes) {
    EXPECT_LE(offset + bytes.size(), file->size());
    std::copy(bytes.begin(), bytes.end(), file->begin() + static_cast<std::ptrdiff_t>(offset));
    return Status();
  };
}
GetBytes from(const Bytes& file) {
  return [&file](std::uint64_t offset, std::span<std::byte> bytes) {
    EXPECT_LE(offset + bytes.size(), file.size());
    std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(), bytes.begin());
    return Status();
  };
}

std::uint32_t word(const Bytes& file, std::int64_t i) {
  std::uint32_t value = 0;
  std::memcpy(&value, file.data() + i * 4, 4);
  return value;
}

// Bits [at, at + n) of a stream of words of which the k-th is word(k).
template <typename Word>
std::uint32_t bits_of(std::int64_t at, int n, const Word& word) {
  std::uint32_t value = 0;
  for (int k = 0; k < n; ++k) value |= (word((at + k) / 32) >> ((at + k) % 32) & 1u) << k;
  return value;
}

std::uint8_t code(std::int64_t r, std::int64_t c, int bits) {
  return static_cast<std::uint8_t>((r * 7 + c * 13 + r * c) & codec::max_code(bits));
}

Bytes code_bytes(std::int64_t n_rows, std::int64_t n_columns, int bits) {
  Bytes out;
  for (std::int64_t r = 0; r < n_rows; ++r)
    for (std::int64_t c = 0; c < n_columns; ++c) out.push_back(static_cast<std::byte>(code(r, c, bits)));
  return out;
}

Bytes code_streams(std::int64_t n_rows, std::int64_t n_columns, int bits) {
  std::vector<std::uint8_t> codes;
  for (std::int64_t r = 0; r < n_rows; ++r)
    for (std::int64_t c = 0; c < n_columns; ++c) codes.push_back(code(r, c, bits));
  Bytes out(codes.size() * static_cast<std::size_t>(bits) / 8);
  codec::pack(codes, bits, reinterpret_cast<std::uint32_t*>(out.data()));
  return out;
}

// Writes all rows, then block by block, then reads any rows back.
Bytes written(const Arrangement& a, std::int64_t n_rows, const Bytes& rows, std::size_t file_bytes) {
  Bytes whole(file_bytes), blocks(file_bytes);
  EXPECT_TRUE(put_rows(a, n_rows, 0, n_rows, rows, into(&whole)).ok());
  const std::size_t row = rows.size() / static_cast<std::size_t>(n_rows);
  for (std::int64_t r = 0; r < n_rows; r += 32) {
    const std::int64_t n = std::min<std::int64_t>(32, n_rows - r);
    const auto part = std::span(rows).subspan(static_cast<std::size_t>(r) * row, static_cast<std::size_t>(n) * row);
    EXPECT_TRUE(put_rows(a, n_rows, r, n, part, into(&blocks)).ok());
  }
  EXPECT_EQ(whole, blocks);
  for (const auto& [r, n] : {std::pair<std::int64_t, std::int64_t>{0, n_rows}, {1, 1}, {31, 2}, {33, n_rows - 33}, {n_rows - 1, 1}}) {
    Bytes back(static_cast<std::size_t>(n) * row);
    EXPECT_TRUE(get_rows(a, n_rows, r, n, back, from(whole)).ok());
    EXPECT_EQ(std::memcmp(back.data(), rows.data() + static_cast<std::size_t>(r) * row, back.size()), 0) << r << " + " << n;
  }
  return whole;
}

TEST(Arrangement, rows_lie_one_behind_the_other) {
  const Bytes rows = code_bytes(40, 24, 8);
  EXPECT_EQ(written({}, 40, rows, rows.size()), rows);
}

TEST(Arrangement, codes_lie_down_the_columns) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    SCOPED_TRACE(bits);
    const std::int64_t n_rows = 72, n = 5, n_words = (n_rows * bits + 31) / 32;
    const Bytes file = written(down_columns(bits), n_rows, code_bytes(n_rows, n, bits), static_cast<std::size_t>(n_words * n * 4));
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t c = 0; c < n; ++c)
        ASSERT_EQ(bits_of(r * bits, bits, [&](std::int64_t k) { return word(file, k * n + c); }), code(r, c, bits));
  }
}

TEST(Arrangement, codes_lie_across_rows) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool packed : {false, true}) {
      SCOPED_TRACE(bits);
      const std::int64_t n_rows = 96, n = 64, n_words = n_rows * bits / 32;
      const Bytes rows = packed ? code_streams(n_rows, n, bits) : code_bytes(n_rows, n, bits);
      const Bytes file = written(across_rows(bits, packed), n_rows, rows, static_cast<std::size_t>(n_words * n * 4));
      for (std::int64_t r = 0; r < n_rows; ++r)
        for (std::int64_t c = 0; c < n; ++c)
          ASSERT_EQ(bits_of(r * bits, bits, [&](std::int64_t k) { return word(file, c * n_words + k); }), code(r, c, bits));
    }
  }
}

// Place i of a word of eight nibbles holds row order[i]. A last block of 8 rows.
TEST(Arrangement, order_inside_eight_rows_is_kept) {
  Arrangement a = across_rows(4, true);
  a.order = {0, 2, 4, 6, 1, 3, 5, 7};
  const std::int64_t n_rows = 72, n = 32;
  const Bytes file = written(a, n_rows, code_streams(n_rows, n, 4), static_cast<std::size_t>(n_rows / 8 * n * 4));
  for (std::int64_t j = 0; j < n_rows / 8; ++j)
    for (std::int64_t c = 0; c < n; ++c)
      for (std::size_t i = 0; i < 8; ++i) ASSERT_EQ(word(file, c * n_rows / 8 + j) >> (4 * i) & 15u, code(j * 8 + a.order[i], c, 4));
}

// Words are less as whole numbers, so that codes of 0 borrow; 3 bits, which straddle words, code by code.
TEST(Arrangement, codes_are_stored_less_one) {
  const std::int64_t n_rows = 64, n = 3;
  for (const auto& [bits, ones] : {std::pair{2, 0x55555555u}, {4, 0x11111111u}, {8, 0x01010101u}, {3, 0u}}) {
    SCOPED_TRACE(bits);
    Arrangement a = across_rows(bits, false);
    const std::size_t bytes = static_cast<std::size_t>(n_rows * bits / 8 * n);
    const Bytes plain = written(a, n_rows, code_bytes(n_rows, n, bits), bytes);
    a.less_one = true;
    const Bytes less = written(a, n_rows, code_bytes(n_rows, n, bits), bytes);
    bool has_zero = false;
    for (std::int64_t i = 0; ones != 0 && i < static_cast<std::int64_t>(bytes / 4); ++i) ASSERT_EQ(word(less, i), word(plain, i) - ones);
    for (std::int64_t r = 0; r < n_rows; ++r) has_zero = has_zero || code(r, 0, bits) == 0;
    EXPECT_TRUE(has_zero);
    for (std::int64_t r = 0; bits == 3 && r < n_rows; ++r)
      for (std::int64_t c = 0; c < n; ++c)
        ASSERT_EQ(bits_of(r * 3, 3, [&](std::int64_t k) { return word(less, c * n_rows * 3 / 32 + k); }), (code(r, c, 3) + 7u) & 7u);
  }
}

TEST(Arrangement, elements_are_transposed) {
  for (const int size : {2, 4}) {
    const std::int64_t n_rows = 40, n = 6;
    Bytes rows(static_cast<std::size_t>(n_rows * n * size));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i * 37 + i / 256);
    const Bytes file = written(transposed(size), n_rows, rows, rows.size());
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t c = 0; c < n; ++c)
        ASSERT_EQ(std::memcmp(file.data() + (c * n_rows + r) * size, rows.data() + (r * n + c) * size, static_cast<std::size_t>(size)), 0);
  }
}

}  // namespace
}  // namespace jang::targets
