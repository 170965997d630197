// SPDX-License-Identifier: Apache-2.0
// Packed codes to float16 pairs, two weights in one logic operation: a field of the word is put under an exponent that makes its place
// worth one, which leaves the code plus a power of two, the offset; sums take the offsets out again (linear_fast.h).
//
// Columns are taken in units of 64. Lane t of a quad holds codes 32 s + 8 t + c, c < 8, of both halves s: eight codes of `bits` bits that
// start at bit 8 bits t of the half. Order::code[i] is the code c in place i of the four pairs, Order::offset[i] what is added to it.
#pragma once

#include <cstdint>

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

struct Place {
  int code;
  float offset;
};
struct Order {
  std::int8_t code[8];
  std::int16_t offset[8];
};
// By bits - 2; there is no width of 7.
static __constant__ const Order kOrders[7] = {{{0, 1, 2, 3, 4, 5, 6, 7}, {1024, 1024, 64, 64, 4, 4, 64, 64}},
                                              {{0, 5, 1, 6, 2, 7, 3, 4}, {512, 1024, 64, 128, 8, 16, 1024, 1024}},
                                              {{0, 4, 1, 5, 2, 6, 3, 7}, {1024, 1024, 64, 64, 1024, 1024, 64, 64}},
                                              {{0, 4, 1, 5, 2, 6, 3, 7}, {1024, 64, 1024, 64, 1024, 64, 1024, 64}},
                                              {{0, 3, 1, 4, 2, 5, 6, 7}, {1024, 256, 1024, 256, 1024, 256, 1024, 1024}},
                                              {},
                                              {{0, 1, 2, 3, 4, 5, 6, 7}, {1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}}};
__device__ __forceinline__ Place fast_place(int bits, int i) {
  const Order& order = kOrders[bits - 2];
  return {order.code[i], static_cast<float>(order.offset[i])};
}

// (v & mask) | magic
__device__ __forceinline__ std::uint32_t field(std::uint32_t v, std::uint32_t mask, std::uint32_t magic) {
  std::uint32_t r;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(r) : "r"(v), "r"(mask), "r"(magic));
  return r;
}

// Four pairs of half `s` of unit `u` for lane t of a quad; `row`: the codes of a row from the start of unit 0, on 8 bytes.
template <int kBits>
__device__ __forceinline__ void unpack_eight(const std::uint32_t* row, int u, int s, int t, std::uint32_t* out) {
  const std::uint32_t* w = row + (2 * u + s) * kBits;  // 32 codes are kBits words
  if constexpr (kBits == 2) {
    const std::uint32_t v = w[t >> 1] >> (16 * (t & 1)), y = field(v, 0x0000ffffu, (v << 14) & 0xffff0000u);
    out[0] = field(y, 0x00030003u, 0x64006400u);
    out[1] = field(y, 0x00300030u, 0x54005400u);
    out[2] = field(y, 0x03000300u, 0x44004400u);
    out[3] = field(y >> 8, 0x00300030u, 0x54005400u);
  } else if constexpr (kBits == 3) {  // one bit up, so that no field crosses the middle of the word
    const std::uint32_t v = __funnelshift_r(w[t > 0 ? t - 1 : 0], w[t < 2 ? t : 2], 31 - 8 * t);
    out[0] = field(v, 0x0007000eu, 0x64006000u);
    out[1] = field(v, 0x00380070u, 0x58005400u);
    out[2] = field(v, 0x01c00380u, 0x4c004800u);
    out[3] = field(v << 3, 0x00070000u, field(v >> 10, 0x00000007u, 0x64006400u));
  } else if constexpr (kBits == 4) {
    const std::uint32_t v = w[t];
    out[0] = field(v, 0x000f000fu, 0x64006400u);
    out[1] = field(v, 0x00f000f0u, 0x54005400u);
    out[2] = field(v >> 8, 0x000f000fu, 0x64006400u);
    out[3] = field(v >> 8, 0x00f000f0u, 0x54005400u);
  } else if constexpr (kBits == 5) {
    const std::uint32_t low = w[t], high = w[t + 1], v0 = __funnelshift_r(low, high, 8 * t), v1 = high >> (8 * t);
    out[0] = field(v0, 0x01f0001fu, 0x54006400u);
    out[1] = field(v0 >> 5, 0x01f0001fu, 0x54006400u);
    out[2] = field(__funnelshift_r(v0, v1, 10), 0x01f0001fu, 0x54006400u);
    out[3] = field(__funnelshift_r(v0, v1, 15), 0x01f0001fu, 0x54006400u);
  } else if constexpr (kBits == 6) {
    const int first = t + (t >> 1), shift = 16 * (t & 1);
    const std::uint32_t low = w[first], high = w[first + 1], v0 = __funnelshift_r(low, high, shift), v1 = high >> shift;
    out[0] = field(v0, 0x00fc003fu, 0x5c006400u);
    out[1] = field(v0 >> 6, 0x00fc003fu, 0x5c006400u);
    out[2] = field(__funnelshift_r(v0, v1, 12), 0x00fc003fu, 0x5c006400u);
    out[3] = field(v1 << 6, 0x003f0000u, field(v1 >> 4, 0x0000003fu, 0x64006400u));
  } else {
    const uint2 v = *reinterpret_cast<const uint2*>(w + 2 * t);
    out[0] = __byte_perm(v.x, 0x64646464u, 0x4140);
    out[1] = __byte_perm(v.x, 0x64646464u, 0x4342);
    out[2] = __byte_perm(v.y, 0x64646464u, 0x4140);
    out[3] = __byte_perm(v.y, 0x64646464u, 0x4342);
  }
}

// d += a b for one tile of 16 rows, 16 columns and 8 inputs: a0, a2 of row g, a1, a3 of row g + 8 of lane 4 g + t.
__device__ __forceinline__ void multiply_tile(float (&d)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3,
                                              std::uint32_t b0, std::uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
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
