// SPDX-License-Identifier: Apache-2.0
// Blocks of rows are rearranged in memory. Where a file has columns one behind the other, a block is a short piece of every column: one
// write or read each, unless the block is all there is.
#include "format/targets/arrangement.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "codec/affine.h"
#include "codec/column_codes.h"

namespace jang::targets {
namespace {

using Form = Arrangement::Form;
using Codes = std::vector<std::uint8_t>;

// Rows of streams of codes as bytes, and back.
Codes unpack_rows(std::span<const std::byte> rows, int bits) {
  std::vector<std::uint32_t> words(rows.size() / 4);
  std::memcpy(words.data(), rows.data(), words.size() * 4);
  Codes codes(words.size() * 32 / static_cast<std::size_t>(bits));
  codec::unpack(words.data(), bits, codes);
  return codes;
}

void pack_rows(const Codes& codes, int bits, std::span<std::byte> rows) {
  std::vector<std::uint32_t> words(rows.size() / 4);
  codec::pack(codes, bits, words.data());
  std::memcpy(rows.data(), words.data(), rows.size());
}

// Takes one from every code of `words`, or adds it: as whole words where codes fill them.
void shift_words(std::vector<std::uint32_t>* words, int bits, bool add) {
  std::uint32_t ones = 0;
  for (int shift = 0; shift < 32; shift += bits) ones |= 1u << shift;
  for (std::uint32_t& word : *words) word = add ? word + ones : word - ones;
}

// The same code by code.
void shift_codes(Codes* codes, int bits, bool add) {
  for (std::uint8_t& code : *codes) code = static_cast<std::uint8_t>((add ? code + 1 : code - 1) & codec::max_code(bits));
}

bool is_natural(const Arrangement& a) {
  for (std::size_t i = 0; i < a.order.size(); ++i)
    if (a.order[i] != i) return false;
  return true;
}

// Interchanges rows inside every eight: file place i has row order[i].
void order_rows(Codes* codes, std::int64_t n_rows, const Arrangement& a, bool to_file) {
  if (is_natural(a)) return;
  JANG_CHECK(n_rows % 8 == 0);
  const std::size_t n = codes->size() / static_cast<std::size_t>(n_rows);
  Codes moved(codes->size());
  for (std::size_t r = 0; r < static_cast<std::size_t>(n_rows); ++r) {
    const std::size_t row = r / 8 * 8 + a.order[r % 8], from = to_file ? row : r, to = to_file ? r : row;
    std::copy_n(codes->begin() + static_cast<std::ptrdiff_t>(from * n), n, moved.begin() + static_cast<std::ptrdiff_t>(to * n));
  }
  codes->swap(moved);
}

// [rows, columns] elements to [columns, rows].
void transpose(std::span<const std::byte> in, std::int64_t n_rows, std::int64_t n_columns, int element_bytes, std::span<std::byte> out) {
  const auto size = static_cast<std::size_t>(element_bytes);
  for (std::int64_t r = 0; r < n_rows; ++r)
    for (std::int64_t c = 0; c < n_columns; ++c)
      std::memcpy(out.data() + static_cast<std::size_t>(c * n_rows + r) * size,
                  in.data() + static_cast<std::size_t>(r * n_columns + c) * size, size);
}

// The piece [first, first + n) of every column of `total` elements: one contiguous run where it is all of them.
template <typename Bytes, typename Move>
Status each_column(std::int64_t n_columns, std::int64_t total, std::int64_t first, std::int64_t n, int element_bytes, Bytes bytes,
                   const Move& move) {
  if (n == total) return move(0, bytes);
  const auto piece = static_cast<std::size_t>(n * element_bytes);
  for (std::int64_t c = 0; c < n_columns; ++c)
    JANG_TRY(
        move(static_cast<std::uint64_t>((c * total + first) * element_bytes), bytes.subspan(static_cast<std::size_t>(c) * piece, piece)));
  return {};
}

}  // namespace

Status put_rows(const Arrangement& a, std::int64_t total_rows, std::int64_t row, std::int64_t n_rows, std::span<const std::byte> rows,
                const PutBytes& put) {
  if (n_rows == 0) return {};
  if (a.form == Form::rows) return put(static_cast<std::uint64_t>(row) * (rows.size() / static_cast<std::size_t>(n_rows)), rows);
  JANG_CHECK(row % codec::kColumnBlock == 0 && (n_rows % codec::kColumnBlock == 0 || row + n_rows == total_rows));
  if (a.form == Form::transposed) {
    const std::int64_t n_columns = static_cast<std::int64_t>(rows.size()) / n_rows / a.element_bytes;
    std::vector<std::byte> turned(rows.size());
    transpose(rows, n_rows, n_columns, a.element_bytes, turned);
    return each_column(n_columns, total_rows, row, n_rows, a.element_bytes, std::span<const std::byte>(turned), put);
  }
  Codes codes(a.packed ? 0 : rows.size());
  if (a.packed)
    codes = unpack_rows(rows, a.bits);
  else
    std::memcpy(codes.data(), rows.data(), rows.size());
  const bool fills_words = 32 % a.bits == 0;
  if (a.less_one && !fills_words) shift_codes(&codes, a.bits, false);
  order_rows(&codes, n_rows, a, true);
  const std::int64_t n_columns = static_cast<std::int64_t>(codes.size()) / n_rows, n_words = codec::column_words(n_rows, a.bits);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n_words * n_columns));
  codec::pack_columns(codes, n_rows, a.bits, words);
  if (a.less_one && fills_words) shift_words(&words, a.bits, false);
  const std::int64_t first = codec::column_words(row, a.bits);
  if (a.form == Form::down_columns) return put(static_cast<std::uint64_t>(first * n_columns * 4), std::as_bytes(std::span(words)));
  std::vector<std::byte> turned(words.size() * 4);
  transpose(std::as_bytes(std::span(words)), n_words, n_columns, 4, turned);
  return each_column(n_columns, codec::column_words(total_rows, a.bits), first, n_words, 4, std::span<const std::byte>(turned), put);
}

Status get_rows(const Arrangement& a, std::int64_t total_rows, std::int64_t row, std::int64_t n_rows, std::span<std::byte> rows,
                const GetBytes& get) {
  if (n_rows == 0) return {};
  const std::size_t row_bytes = rows.size() / static_cast<std::size_t>(n_rows);
  if (a.form == Form::rows) return get(static_cast<std::uint64_t>(row) * row_bytes, rows);
  if (a.form == Form::transposed) {
    const std::int64_t n_columns = static_cast<std::int64_t>(row_bytes) / a.element_bytes;
    std::vector<std::byte> turned(rows.size());
    JANG_TRY(each_column(n_columns, total_rows, row, n_rows, a.element_bytes, std::span(turned), get));
    transpose(turned, n_columns, n_rows, a.element_bytes, rows);
    return {};
  }
  // Whole blocks of rows, of which the asked ones are kept.
  const std::int64_t block = codec::kColumnBlock, begin = row / block * block;
  const std::int64_t end = std::min(total_rows, (row + n_rows + block - 1) / block * block);
  const std::int64_t n_columns = static_cast<std::int64_t>(a.packed ? row_bytes * 8 / static_cast<std::size_t>(a.bits) : row_bytes);
  const std::int64_t first = codec::column_words(begin, a.bits), n_words = codec::column_words(end, a.bits) - first;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n_words * n_columns));
  const auto bytes = std::as_writable_bytes(std::span(words));
  if (a.form == Form::down_columns) {
    JANG_TRY(get(static_cast<std::uint64_t>(first * n_columns * 4), bytes));
  } else {
    std::vector<std::byte> turned(bytes.size());
    JANG_TRY(each_column(n_columns, codec::column_words(total_rows, a.bits), first, n_words, 4, std::span(turned), get));
    transpose(turned, n_columns, n_words, 4, bytes);
  }
  const bool fills_words = 32 % a.bits == 0;
  if (a.less_one && fills_words) shift_words(&words, a.bits, true);
  Codes codes(static_cast<std::size_t>((end - begin) * n_columns));
  codec::unpack_columns(bytes, end - begin, a.bits, codes);
  order_rows(&codes, end - begin, a, false);
  if (a.less_one && !fills_words) shift_codes(&codes, a.bits, true);
  codes.erase(codes.begin(), codes.begin() + (row - begin) * n_columns);
  codes.resize(static_cast<std::size_t>(n_rows * n_columns));
  if (a.packed)
    pack_rows(codes, a.bits, rows);
  else
    std::memcpy(rows.data(), codes.data(), rows.size());
  return {};
}

}  // namespace jang::targets
