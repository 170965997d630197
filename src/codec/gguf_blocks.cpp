// SPDX-License-Identifier: Apache-2.0
// One function per type; the header has the formulas.
#include "codec/gguf_blocks.h"

#include <array>

#include "codec/gguf_words.h"

namespace jang::codec::gguf {
namespace {

// Low nibbles are the first half of the values, high nibbles the second.
constexpr int nibble(const std::uint8_t* q, int i) { return i < kBlock / 2 ? q[i] & 15 : q[i - kBlock / 2] >> 4; }

// Code of value i of a K type in planes of `bits` bits: runs of 32 bytes hold the values of 8 / bits runs of 32, lowest bits first.
constexpr int plane_code(const std::uint8_t* q, int i, int bits) {
  const int runs = 8 / bits, run = i / 32;
  return q[run / runs * 32 + i % 32] >> (run % runs * bits) & ((1 << bits) - 1);
}

// Bit of value i where byte i % 32 holds those of eight runs of 32 values.
constexpr int plane_bit(const std::uint8_t* bits, int i) { return plane_code(bits, i, 1); }

// Q4_K and Q5_K: eight scales and eight minima of 6 bits in 12 bytes. Bytes 0..3 and 4..7 hold the first four of each in their low 6 bits;
// bytes 8..11 the low 4 bits of the others (scale low, minimum high), whose upper 2 bits are on top of the first eight bytes.
struct ScaleAndMin {
  int scale, min;
};
constexpr ScaleAndMin scale_and_min(const std::uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | (s[j - 4] >> 6 << 4), (s[j + 4] >> 4) | (s[j] >> 6 << 4)};
}

// Q3_K: sixteen scales of 6 bits minus 32 in 12 bytes: low nibbles in bytes 0..7, upper pairs of bits in bytes 8..11.
constexpr int q3_scale(const std::uint8_t* s, int j) {
  const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
  return (low | (s[8 + j % 4] >> (j / 4 * 2) & 3) << 4) - 32;
}

// TQ1_0: five ternary digits of a byte seen as a fraction of 256: digit k is the integer part of 3 * frac(byte * 3^k / 256).
constexpr std::array<int, 5> kPowersOfThree = {1, 3, 9, 27, 81};
constexpr int ternary_digit(std::uint8_t byte, int k) {
  return static_cast<std::uint8_t>(byte * kPowersOfThree[static_cast<std::size_t>(k)]) * 3 >> 8;
}

// E2M1 times two.
constexpr std::array<int, 16> kMxfp4Levels = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace

void decode_f32(const std::uint8_t* block, float* values) { *values = single(block); }
void decode_f16(const std::uint8_t* block, float* values) { *values = half(block); }
void decode_bf16(const std::uint8_t* block, float* values) { *values = bf16_to_float(static_cast<std::uint16_t>(word16(block))); }

// d, 16 bytes of nibbles
void decode_q4_0(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(nibble(block + 2, i) - 8);
}

// d, m, 16 bytes of nibbles
void decode_q4_1(const std::uint8_t* block, float* values) {
  const float d = half(block), m = half(block + 2);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(nibble(block + 4, i)) + m;
}

// d, 32 fifth bits, 16 bytes of nibbles
void decode_q5_0(const std::uint8_t* block, float* values) {
  const float d = half(block);
  const std::uint32_t high = word32(block + 2);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>((nibble(block + 6, i) | static_cast<int>(high >> i & 1) << 4) - 16);
}

// d, m, 32 fifth bits, 16 bytes of nibbles
void decode_q5_1(const std::uint8_t* block, float* values) {
  const float d = half(block), m = half(block + 2);
  const std::uint32_t high = word32(block + 4);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(nibble(block + 8, i) | static_cast<int>(high >> i & 1) << 4) + m;
}

// d, 32 signed bytes
void decode_q8_0(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int i = 0; i < kBlock; ++i) values[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * d;
}

// 16 bytes of scale (low) and minimum (high), 64 bytes of codes, d, dmin
void decode_q2_k(const std::uint8_t* block, float* values) {
  const float d = half(block + 80), dmin = half(block + 82);
  for (int i = 0; i < kSuperBlock; ++i) {
    const std::uint8_t s = block[i / 16];
    values[i] = d * static_cast<float>(s & 15) * static_cast<float>(plane_code(block + 16, i, 2)) - dmin * static_cast<float>(s >> 4);
  }
}

// 32 bytes of third bits, 64 bytes of codes, 12 of scales, d. A third bit that is set means no offset.
void decode_q3_k(const std::uint8_t* block, float* values) {
  const float d = half(block + 108);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int q = plane_code(block + 32, i, 2) - (plane_bit(block, i) ? 0 : 4);
    values[i] = d * static_cast<float>(q3_scale(block + 96, i / 16)) * static_cast<float>(q);
  }
}

// d, dmin, 12 bytes of scales and minima, 128 bytes of codes
void decode_q4_k(const std::uint8_t* block, float* values) {
  const float d = half(block), dmin = half(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMin s = scale_and_min(block + 4, i / 32);
    values[i] = d * static_cast<float>(s.scale) * static_cast<float>(plane_code(block + 16, i, 4)) - dmin * static_cast<float>(s.min);
  }
}

// d, dmin, 12 bytes of scales and minima, 32 bytes of fifth bits, 128 bytes of codes
void decode_q5_k(const std::uint8_t* block, float* values) {
  const float d = half(block), dmin = half(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMin s = scale_and_min(block + 4, i / 32);
    const int q = plane_code(block + 48, i, 4) | plane_bit(block + 16, i) << 4;
    values[i] = d * static_cast<float>(s.scale) * static_cast<float>(q) - dmin * static_cast<float>(s.min);
  }
}

// 128 bytes of low nibbles, 64 bytes of upper pairs, 16 signed scales, d. Nibbles lie in runs of 64 values, pairs in runs of 32.
void decode_q6_k(const std::uint8_t* block, float* values) {
  const float d = half(block + 208);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
    const int q = (low | plane_code(block + 128, i, 2) << 4) - 32;
    values[i] = d * static_cast<float>(static_cast<std::int8_t>(block[192 + i / 16])) * static_cast<float>(q);
  }
}

// d as float, 256 signed bytes, sums of 16 that decoding does not need
void decode_q8_k(const std::uint8_t* block, float* values) {
  const float d = single(block);
  for (int i = 0; i < kSuperBlock; ++i) values[i] = d * static_cast<float>(static_cast<std::int8_t>(block[4 + i]));
}

// 48 bytes with five digits each (32 for values 0..159, 16 for 160..239), 4 with four (240..255), d
void decode_tq1_0(const std::uint8_t* block, float* values) {
  const float d = half(block + 52);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int q = i < 160   ? ternary_digit(block[i % 32], i / 32)
                  : i < 240 ? ternary_digit(block[32 + (i - 160) % 16], (i - 160) / 16)
                            : ternary_digit(block[48 + (i - 240) % 4], (i - 240) / 4);
    values[i] = d * static_cast<float>(q - 1);
  }
}

// 64 bytes of codes, d
void decode_tq2_0(const std::uint8_t* block, float* values) {
  const float d = half(block + 64);
  for (int i = 0; i < kSuperBlock; ++i) values[i] = d * static_cast<float>(plane_code(block, i, 2) - 1);
}

// exponent, 16 bytes of nibbles. Exponents 0 and 1 give subnormal scales.
void decode_mxfp4(const std::uint8_t* block, float* values) {
  const std::uint32_t e = block[0];
  const float d = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(kMxfp4Levels[static_cast<std::size_t>(nibble(block + 1, i))]);
}

}  // namespace jang::codec::gguf
