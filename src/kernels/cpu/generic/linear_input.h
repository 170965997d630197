// SPDX-License-Identifier: Apache-2.0
// Inputs of the fast linear kernels: each weight group of x becomes signed bytes with its own scale, so that a product with packed codes q,
// y = sum over groups of s * sum(q * x) + b * sum(x), runs on integers:
//
//   x ~ dx * xq,  dx = max|x| / 127,  xq = round(x / dx) in [-127, 127]
//   y = sum over groups of (s * dx) * sum(q * xq) + b * (dx * sum(xq))
//
// The bias takes the sum of the quantized x: the error is then sum((w - b - 0) e) with small w, not s * sum(q * e) with q >= 0.
//
// 8 bits are enough where the values of a group are alike. Rows with outliers lose what shares a group with one, and real models have such
// rows: Gemma 3 270M nearly nothing else. A row that 8 bits would change by more than kNarrowError of its length is therefore kept "wide",
// in 16 bits: x ~ dx * (xq + low / 256), low in [-127, 127]. Kernels take the two products apart and join them as integers.
//
// Prepared row: bytes xq [round up(n_cols, 256)] | dx [round up(n_groups, 16)] float | dx * sum(xq + low/256) [the same] float | bytes low
// [as xq; zero in a row that is not wide] | wide [int32, padded to 64 bytes]. The padding is zero, so kernels may run over the end of a
// row. The bytes of x stand in the order in which the codes come out of vectors of V bytes, which makes taking codes apart cheap. A block
// is what one step of that yields, N vectors of codes, [block][vector][byte]:
//   phases  codes of 2 and 4 bits, by a shift and a mask: vector p, byte j is weight N*j + p of the block, N = 8/bits
//   woven   where the instruction set asks for it, N = 2: the G = 2V/group groups of the block take turns, four weights each. Vector v,
//           four bytes from 4*i on: weights from 4 * (v * V/4/G + i/G) on of group i % G. One float step then serves all G groups
//   natural otherwise, and for 8 bits, N = 1
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jang::kernels::generic {

// From this many inputs on products run in tiles (linear_prefill.h), below it row by row (linear_decode.h).
constexpr int kPrefillFrom = 4;

// Weights in one byte of codes, 1 when they do not fill it evenly.
constexpr int phases(int bits) { return 8 % bits == 0 ? 8 / bits : 1; }

// Vectors of a block for an instruction set.
template <class Isa>
constexpr int vectors(int bits, int group_size) {
  return Isa::woven(bits, group_size) ? 2 : phases(bits);
}

constexpr std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// Byte offsets in a prepared row, and its length.
struct InputLayout {
  std::int64_t scales = 0, sums = 0, low = 0, wide = 0, bytes = 0;
  InputLayout(std::int64_t n_cols, int group_size)
      : scales(round_up(n_cols, 256)),
        sums(scales + 4 * round_up(n_cols / group_size, 16)),
        low(sums + (sums - scales)),
        wide(low + scales),
        bytes(wide + 64) {}
};

inline bool is_wide(const std::byte* row, const InputLayout& layout) {
  std::int32_t flag = 0;
  std::memcpy(&flag, row + layout.wide, 4);
  return flag != 0;
}

// Root of the squared error that 8 bits leave, over that of x: .0055 to .006 for normally distributed values.
constexpr float kNarrowError = 1.0f / 128;

// Largest magnitude of a group, as bits: ordered as the values are, infinity and NaN on top.
inline std::uint32_t largest_bits(const float* x, std::size_t n) {
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// Whether 8 bits lose too much of a row: a group of n loses about n dx^2 / 12. False where a value is not finite.
inline bool needs_wide(const float* x, std::int64_t n_cols, int group_size) {
  float squares[16] = {}, lost = 0;
  for (std::int64_t c = 0; c < n_cols; c += group_size) {
    for (int i = 0; i < group_size; i += 16)
      for (int j = 0; j < 16; ++j) squares[j] += x[c + i + j] * x[c + i + j];
    const float dx = std::bit_cast<float>(largest_bits(x + c, static_cast<std::size_t>(group_size))) / 127.0f;
    lost += dx * dx;
  }
  float total = 0;
  for (const float s : squares) total += s;
  return lost * static_cast<float>(group_size) / 12 > kNarrowError * kNarrowError * total;
}

// Quantizes one group; returns dx. NaN or infinity in the group make dx NaN, so that the product is NaN too. A group whose largest value is
// below 2^-112 counts as zero: 1/dx would overflow. `low` is null for 8 bits.
inline float quantize_group(const float* x, std::size_t n, std::int8_t* xq, std::int8_t* low) {
  const std::uint32_t largest = largest_bits(x, n);
  if (largest >= 0x7f800000u || largest < 0x07800000u) {
    std::memset(xq, 0, n);
    if (low != nullptr) std::memset(low, 0, n);
    return largest >= 0x7f800000u ? std::bit_cast<float>(0x7fc00000u) : 0.0f;
  }
  const float max = std::bit_cast<float>(largest);
  const float inverse = (low != nullptr ? 127.0f * 256 : 127.0f) / max;
  // Adding 1.5 * 2^23 rounds to nearest even and leaves the integer, two's complement, in the low bits.
  const auto rounded = [&](std::size_t i) { return std::bit_cast<std::int32_t>(x[i] * inverse + 12582912.0f) - 0x4b400000; };
  if (low == nullptr) {
    for (std::size_t i = 0; i < n; ++i) xq[i] = static_cast<std::int8_t>(rounded(i));
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t all = rounded(i), high = (all + 128) >> 8, rest = all - high * 256;
      xq[i] = static_cast<std::int8_t>(high);
      low[i] = static_cast<std::int8_t>(rest < -127 ? -127 : rest);  // as xq: instruction sets count on the range
    }
  }
  return max / 127.0f;
}

// Puts the bytes of group g where the codes of its weights come out.
template <class Isa>
void place_group(int bits, int group_size, std::int64_t g, const std::int8_t* bytes, std::int8_t* row) {
  const int p = vectors<Isa>(bits, group_size);
  const std::int64_t block = static_cast<std::int64_t>(Isa::kBytes) * p;
  if (Isa::woven(bits, group_size)) {
    const int turns = static_cast<int>(block / group_size), quads = group_size / 8;  // of a group in one vector
    std::int8_t* to = row + g / turns * block + g % turns * 4;
    for (int q = 0; q < 2 * quads; ++q) std::memcpy(to + q / quads * Isa::kBytes + q % quads * turns * 4, bytes + 4 * q, 4);
    return;
  }
  for (int done = 0; done < group_size;) {  // a group may span several blocks, or be part of one
    const std::int64_t column = g * group_size + done;
    const int within = static_cast<int>(column % block);
    const int n = group_size - done < block - within ? group_size - done : static_cast<int>(block - within);
    std::int8_t* to = row + (column - within) + within / p;
    for (int phase = 0; phase < p; ++phase)
      for (int j = 0; j < n / p; ++j) to[phase * Isa::kBytes + j] = bytes[done + j * p + phase];
    done += n;
  }
}

// Prepares one row. Preconditions: n_cols % group_size == 0, group_size in {32, 64, 128}.
template <class Isa>
void prepare(int bits, int group_size, const float* x, std::int64_t n_cols, std::byte* out) {
  const InputLayout layout(n_cols, group_size);
  const bool wide = needs_wide(x, n_cols, group_size);
  const std::int64_t block = static_cast<std::int64_t>(Isa::kBytes) * vectors<Isa>(bits, group_size), whole = n_cols / block * block;
  std::memset(out + whole, 0, static_cast<std::size_t>(layout.low - whole));
  const std::int64_t low_from = layout.low + (wide ? whole : 0);
  std::memset(out + low_from, 0, static_cast<std::size_t>(layout.bytes - low_from));
  const std::int32_t flag = wide ? 1 : 0;
  std::memcpy(out + layout.wide, &flag, 4);
  for (std::int64_t g = 0; g < n_cols / group_size; ++g) {
    alignas(64) std::int8_t xq[128], low[128];
    const float dx = quantize_group(x + g * group_size, static_cast<std::size_t>(group_size), xq, wide ? low : nullptr);
    int sum = 0, low_sum = 0;
    for (int i = 0; i < group_size; ++i) sum += xq[i];
    place_group<Isa>(bits, group_size, g, xq, reinterpret_cast<std::int8_t*>(out));
    if (wide) {
      for (int i = 0; i < group_size; ++i) low_sum += low[i];
      place_group<Isa>(bits, group_size, g, low, reinterpret_cast<std::int8_t*>(out + layout.low));
    }
    const float scaled_sum = dx * (static_cast<float>(sum * 256 + low_sum) / 256);
    std::memcpy(out + layout.scales + 4 * g, &dx, 4);
    std::memcpy(out + layout.sums + 4 * g, &scaled_sum, 4);
  }
}

// An instruction set whose products take signed codes sees q - offset: the bias makes up for it, b + s * offset.
template <class Isa, int kBits>
typename Isa::F with_offset(typename Isa::F bias, typename Isa::F scale) {
  if constexpr (Isa::code_offset(kBits) == 0) return bias;
  return Isa::fma(scale, Isa::set1(Isa::code_offset(kBits)), bias);
}

}  // namespace jang::kernels::generic
