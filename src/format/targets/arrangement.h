// SPDX-License-Identifier: Apache-2.0
// How the rows of a plane lie in a file. A plane is a matrix of rows as the codec has it: codes a stream of words per row, scales numbers,
// zero points a byte each. Most files have the rows one behind the other; these are the other ways. Columns c of a row r:
//
//   rows          one row behind the other
//   down_columns  codes, one byte each: down column c a stream of b bits per row, words [ceil(rows*b/32), columns]  (codec/column_codes.h)
//   across_rows   the same streams, one behind the other: words [columns, ceil(rows*b/32)]. The codes of the plane are bytes, or (`packed`)
//                 the stream of their row. `order`: eight rows may be interchanged inside their b*8 bits, file place i holding row order[i]
//   transposed    elements of so many bytes: [columns, rows]
//
// `less_one` (across_rows): the file has code - 1. Widths that divide 32 take the ones from the whole word, so that a code of 0 borrows
// from the next one, as GPTQModel writes zero points and adds the ones again; 3 bits are code - 1 mod 8, code by code, as it does too.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "jang/status.h"

namespace jang::targets {

struct Arrangement {
  enum class Form : std::uint8_t { rows, down_columns, across_rows, transposed };
  Form form = Form::rows;
  int bits = 0;           // of a code: down_columns, across_rows
  int element_bytes = 0;  // of transposed
  bool packed = false;    // of across_rows
  bool less_one = false;
  std::array<std::uint8_t, 8> order = {0, 1, 2, 3, 4, 5, 6, 7};
  [[nodiscard]] bool is_rows() const { return form == Form::rows; }
};

[[nodiscard]] constexpr Arrangement down_columns(int bits) { return {.form = Arrangement::Form::down_columns, .bits = bits}; }
[[nodiscard]] constexpr Arrangement transposed(int element_bytes) {
  return {.form = Arrangement::Form::transposed, .element_bytes = element_bytes};
}
[[nodiscard]] constexpr Arrangement across_rows(int bits, bool packed) {
  return {.form = Arrangement::Form::across_rows, .bits = bits, .packed = packed};
}

// Bytes of a part from an offset on.
using PutBytes = std::function<Status(std::uint64_t offset, std::span<const std::byte> bytes)>;
using GetBytes = std::function<Status(std::uint64_t offset, std::span<std::byte> bytes)>;

// Writes rows [row, row + n_rows) of a plane of total_rows rows; `rows`: those rows as the codec has them, one behind the other.
// Precondition: unless the form is rows, `row` is a multiple of 32 and so is n_rows, or they are the rest. Errors: those of `put`.
[[nodiscard]] Status put_rows(const Arrangement& a, std::int64_t total_rows, std::int64_t row, std::int64_t n_rows,
                              std::span<const std::byte> rows, const PutBytes& put);
// The inverse, for any rows: fills `rows`. Precondition: the part has the bytes of total_rows such rows.
[[nodiscard]] Status get_rows(const Arrangement& a, std::int64_t total_rows, std::int64_t row, std::int64_t n_rows,
                              std::span<std::byte> rows, const GetBytes& get);

}  // namespace jang::targets
