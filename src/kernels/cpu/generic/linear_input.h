// SPDX-License-Identifier: Apache-2.0
// Inputs of the fast linear kernels: each weight group of x becomes signed bytes with its own scale, so that a product with packed codes q,
// y = sum over groups of s * sum(q * x) + b * sum(x), runs on integers:
//
//   x ~ dx * xq,  dx = max|x| / 127,  xq = round(x / dx) in [-127, 127]
//   y = sum over groups of (s * dx) * sum(q * xq) + b * (dx * sum(xq))
//
// The bias takes the sum of the quantised x: the error is then sum((w - b - 0) e) with small w, not s * sum(q * e) with q >= 0.
//
// Prepared row: bytes [round up(n_cols, 256)] | dx [round up(n_groups, 16)] float | dx * sum(xq) [the same] float. The padding is zero, so
// kernels may run over the end of a row. The bytes of x stand in the order in which the codes come out of vectors of V bytes, which makes
// taking codes apart cheap. A block is what one step of that yields, N vectors of codes, [block][vector][byte]:
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

struct InputLayout {
  std::int64_t scales = 0;  // byte offset of dx
  std::int64_t sums = 0;    // byte offset of dx * sum(xq)
  std::int64_t bytes = 0;   // of the row
  InputLayout(std::int64_t n_cols, int group_size)
      : scales(round_up(n_cols, 256)), sums(scales + 4 * round_up(n_cols / group_size, 16)), bytes(sums + (sums - scales)) {}
};

// Quantises one group; returns dx. NaN or infinity in the group make dx NaN, so that the product is NaN too. A group whose largest value is
// below 2^-120 counts as zero: 1/dx would overflow.
inline float quantise_group(const float* x, std::size_t n, std::int8_t* xq) {
  std::uint32_t largest = 0;  // as bits without the sign: ordered as the values are, infinity and NaN on top
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  if (largest >= 0x7f800000u || largest < 0x03800000u) {
    std::memset(xq, 0, n);
    return largest >= 0x7f800000u ? std::bit_cast<float>(0x7fc00000u) : 0.0f;
  }
  const float max = std::bit_cast<float>(largest);
  const float inverse = 127.0f / max;
  // Adding 1.5 * 2^23 rounds to nearest even and leaves the integer, two's complement, in the low bits.
  for (std::size_t i = 0; i < n; ++i) xq[i] = static_cast<std::int8_t>(std::bit_cast<std::uint32_t>(x[i] * inverse + 12582912.0f) & 0xffu);
  return max / 127.0f;
}

// Prepares one row. Preconditions: n_cols % group_size == 0, group_size in {32, 64, 128}.
template <class Isa>
void prepare(int bits, int group_size, const float* x, std::int64_t n_cols, std::byte* out) {
  const InputLayout layout(n_cols, group_size);
  const int p = vectors<Isa>(bits, group_size);
  const std::int64_t block = static_cast<std::int64_t>(Isa::kBytes) * p;
  auto* codes = reinterpret_cast<std::int8_t*>(out);
  std::memset(out + n_cols / block * block, 0, static_cast<std::size_t>(layout.bytes - n_cols / block * block));
  for (std::int64_t g = 0; g < n_cols / group_size; ++g) {
    alignas(64) std::int8_t xq[128];
    const float dx = quantise_group(x + g * group_size, static_cast<std::size_t>(group_size), xq);
    int sum = 0;
    for (int i = 0; i < group_size; ++i) sum += xq[i];
    const float scaled_sum = dx * static_cast<float>(sum);
    std::memcpy(out + layout.scales + 4 * g, &dx, 4);
    std::memcpy(out + layout.sums + 4 * g, &scaled_sum, 4);
    if (Isa::woven(bits, group_size)) {
      const int turns = static_cast<int>(block / group_size), quads = group_size / 8;  // of a group in one vector
      std::int8_t* to = codes + g / turns * block + g % turns * 4;
      for (int q = 0; q < 2 * quads; ++q) std::memcpy(to + q / quads * Isa::kBytes + q % quads * turns * 4, xq + 4 * q, 4);
      continue;
    }
    for (int done = 0; done < group_size;) {  // a group may span several blocks, or be part of one
      const std::int64_t column = g * group_size + done;
      const int within = static_cast<int>(column % block);
      const int n = group_size - done < block - within ? group_size - done : static_cast<int>(block - within);
      std::int8_t* to = codes + (column - within) + within / p;
      for (int phase = 0; phase < p; ++phase)
        for (int j = 0; j < n / p; ++j) to[phase * Isa::kBytes + j] = xq[done + j * p + phase];
      done += n;
    }
  }
}

// An instruction set whose products take signed codes sees q - offset: the bias makes up for it, b + s * offset.
template <class Isa, int kBits>
typename Isa::F with_offset(typename Isa::F bias, typename Isa::F scale) {
  if constexpr (Isa::code_offset(kBits) == 0) return bias;
  return Isa::fma(scale, Isa::set1(Isa::code_offset(kBits)), bias);
}

}  // namespace jang::kernels::generic
