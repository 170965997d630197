// SPDX-License-Identifier: Apache-2.0
// Packed codes to float16 pairs, two weights in one logic operation: a field of the word is cut out and left where it is, which as a
// float16 below the normal range is code * 2^(shift - 24), exactly, for the bit `shift` that it starts at. Inputs are divided by 2^shift
// beforehand (fast_inputs.h), so that a sum of products is 2^-24 times that of codes and inputs. Tensor cores take such numbers at full
// speed.
//
// Columns are taken in units of 64. Lane t of a quad holds codes 32 s + 8 t + c, c < 8, of both halves s: eight codes of `bits` bits that
// start at bit 8 bits t of the half. Order::code[i] is the code c in place i of the four pairs, Order::shift[i] the bit where it lies.
#pragma once

#include <cstdint>

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

struct Place {
  int code, shift;
};
struct Order {
  std::int8_t code[8], shift[8];
};
// By bits - 2; there is no width of 7.
static __constant__ const Order kOrders[7] = {
    {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 4, 4, 8, 8, 4, 4}}, {{0, 5, 1, 6, 2, 7, 3, 4}, {1, 0, 4, 3, 7, 6, 0, 0}},
    {{0, 4, 1, 5, 2, 6, 3, 7}, {0, 0, 4, 4, 0, 0, 4, 4}}, {{0, 4, 1, 5, 2, 6, 3, 7}, {0, 4, 0, 4, 0, 4, 0, 4}},
    {{0, 3, 1, 4, 2, 5, 6, 7}, {0, 2, 0, 2, 0, 2, 0, 0}}, {},
    {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 0, 0, 0, 0}}};
__device__ __forceinline__ Place fast_place(int bits, int i) { return {kOrders[bits - 2].code[i], kOrders[bits - 2].shift[i]}; }

// (v & mask) | other
__device__ __forceinline__ std::uint32_t field(std::uint32_t v, std::uint32_t mask, std::uint32_t other) {
  std::uint32_t r;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(r) : "r"(v), "r"(mask), "r"(other));
  return r;
}

// What eight codes of lane t are made of: one word, or two.
template <int kBits>
struct Words {
  std::uint32_t low, high;

  // Of half `s` of unit `u`; `row`: the codes of a row from the start of unit 0, on 8 bytes.
  __device__ __forceinline__ void load(const std::uint32_t* row, int u, int s, int t) {
    const std::uint32_t* w = row + (2 * u + s) * kBits;  // 32 codes are kBits words
    if constexpr (kBits == 2) {
      low = w[t >> 1];
    } else if constexpr (kBits == 3) {
      low = w[t > 0 ? t - 1 : 0];
      high = w[t < 2 ? t : 2];
    } else if constexpr (kBits == 4) {
      low = w[t];
    } else if constexpr (kBits == 8) {
      const uint2 v = *reinterpret_cast<const uint2*>(w + 2 * t);
      low = v.x;
      high = v.y;
    } else {
      const int first = kBits == 5 ? t : t + (t >> 1);
      low = w[first];
      high = w[first + 1];
    }
  }
  // Four pairs.
  __device__ __forceinline__ void unpack(int t, std::uint32_t* out) const {
    if constexpr (kBits == 2) {
      const std::uint32_t v = low >> (16 * (t & 1)), y = field(v, 0x0000ffffu, (v << 14) & 0xffff0000u);
      out[0] = y & 0x00030003u;
      out[1] = y & 0x00300030u;
      out[2] = y & 0x03000300u;
      out[3] = (y >> 8) & 0x00300030u;
    } else if constexpr (kBits == 3) {  // one bit up, so that no field crosses the middle of the word
      const std::uint32_t v = __funnelshift_r(low, high, 31 - 8 * t);
      out[0] = v & 0x0007000eu;
      out[1] = v & 0x00380070u;
      out[2] = v & 0x01c00380u;
      out[3] = field(v << 3, 0x00070000u, (v >> 10) & 0x00000007u);
    } else if constexpr (kBits == 4) {
      out[0] = low & 0x000f000fu;
      out[1] = low & 0x00f000f0u;
      out[2] = (low >> 8) & 0x000f000fu;
      out[3] = (low >> 8) & 0x00f000f0u;
    } else if constexpr (kBits == 5) {
      const std::uint32_t v0 = __funnelshift_r(low, high, 8 * t), v1 = high >> (8 * t);
      out[0] = v0 & 0x01f0001fu;
      out[1] = (v0 >> 5) & 0x01f0001fu;
      out[2] = __funnelshift_r(v0, v1, 10) & 0x01f0001fu;
      out[3] = __funnelshift_r(v0, v1, 15) & 0x01f0001fu;
    } else if constexpr (kBits == 6) {
      const std::uint32_t v0 = __funnelshift_r(low, high, 16 * (t & 1)), v1 = high >> (16 * (t & 1));
      out[0] = v0 & 0x00fc003fu;
      out[1] = (v0 >> 6) & 0x00fc003fu;
      out[2] = __funnelshift_r(v0, v1, 12) & 0x00fc003fu;
      out[3] = field(v1 << 6, 0x003f0000u, (v1 >> 4) & 0x0000003fu);
    } else {
      out[0] = __byte_perm(low, 0u, 0x4140);
      out[1] = __byte_perm(low, 0u, 0x4342);
      out[2] = __byte_perm(high, 0u, 0x4140);
      out[3] = __byte_perm(high, 0u, 0x4342);
    }
  }
};

// d += a b for one tile of 16 rows, 16 columns and 8 inputs: a0, a2 of row g, a1, a3 of row g + 8 of lane 4 g + t.
// Operands are float16, or bf16.
template <bool kBf16>
__device__ __forceinline__ void multiply_tile(float (&d)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3,
                                              std::uint32_t b0, std::uint32_t b1) {
#define JANG_MULTIPLY(type)                                                                                            \
  asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};" \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                                 \
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1))
  if constexpr (kBf16)
    JANG_MULTIPLY("bf16");
  else
    JANG_MULTIPLY("f16");
#undef JANG_MULTIPLY
}

// Copies into shared memory that arrive later; of `bytes`, `valid` are read and the rest become zero.
template <int kBytes>
__device__ __forceinline__ void copy_async(std::uint32_t to, const void* from, int valid) {
  if constexpr (kBytes == 16)
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(kBytes), "r"(valid) : "memory");
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace jang::kernels::cuda
