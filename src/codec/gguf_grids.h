// SPDX-License-Identifier: Apache-2.0
// The grids of GGUF's IQ1, IQ2 and IQ3 types: lists of vectors, a code is the place in the list. They are data of the format, chosen by its
// authors by a search over real models, and cannot be derived. Values come from the package `gguf`; tests/oracle/check_gguf.py compares.
#pragma once

#include <cstdint>

namespace jang::codec::gguf {

struct Grid {
  const std::int8_t* vectors;  // one after another
  int length;                  // values of a vector: 8 or 4
  [[nodiscard]] const std::int8_t* at(std::uint32_t code) const { return vectors + code * static_cast<std::uint32_t>(length); }
};

[[nodiscard]] Grid iq2_xxs_grid();  // 256 vectors of 8
[[nodiscard]] Grid iq2_xs_grid();   // 512 of 8
[[nodiscard]] Grid iq2_s_grid();    // 1024 of 8
[[nodiscard]] Grid iq3_xxs_grid();  // 256 of 4
[[nodiscard]] Grid iq3_s_grid();    // 512 of 4
[[nodiscard]] Grid iq1_grid();      // 2048 of 8, for IQ1_S and IQ1_M

}  // namespace jang::codec::gguf
