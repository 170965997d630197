// SPDX-License-Identifier: Apache-2.0
// Hopper's own instructions: products of a warpgroup (wgmma), bulk copies into shared memory, and the barriers that both report to. Source:
// PTX ISA 9.0, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions", "cp.async.bulk", "mbarrier".
//
// A product takes 64 rows of weights from registers, in the fragments of mma.m16n8k16 (warp w of the group has rows 16 w to 16 w + 15), and
// 64 inputs from shared memory: rows of 64 float16, 128 bytes, piece p of 16 bytes at p ^ (row % 8); eight rows are 1024 bytes that start
// on 1024. Sums lie as those of mma.m16n8k16, one tile of 8 inputs behind the other.
#pragma once

#include "kernels/cuda/device_code.cuh"

// Only code for sm_90a has these instructions; elsewhere the functions are empty and nobody calls them (linear_wide.h).
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define JANG_HAS_WARPGROUPS 1
#else
#define JANG_HAS_WARPGROUPS 0
#endif

namespace jang::kernels::cuda {

__device__ __forceinline__ std::uint32_t shared_address(const void* p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }

// --- barriers: a phase ends when all arrivals and all announced bytes have come.

__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int arrivals) {
#if JANG_HAS_WARPGROUPS
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
#endif
}
__device__ __forceinline__ void barrier_inits_done() {
#if JANG_HAS_WARPGROUPS
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
#if JANG_HAS_WARPGROUPS
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive_expecting(std::uint32_t barrier, int bytes) {
#if JANG_HAS_WARPGROUPS
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
#endif
}
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, std::uint32_t phase) {
#if JANG_HAS_WARPGROUPS
  asm volatile(
      "{\n.reg .pred done;\nwait:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra over;\nbra wait;\nover:\n}" ::"r"(
          barrier),
      "r"(phase)
      : "memory");
#endif
}

// Arrives when the calling thread's copy_async() so far have come; `barrier` counts every thread that does.
__device__ __forceinline__ void barrier_arrive_behind_copies(std::uint32_t barrier) {
#if JANG_HAS_WARPGROUPS
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
#endif
}
// For whoever has time, so that others get the issue slots meanwhile: looks again after `nanoseconds`.
__device__ __forceinline__ void barrier_wait_idly(std::uint32_t barrier, std::uint32_t phase, unsigned nanoseconds) {
#if JANG_HAS_WARPGROUPS
  for (;;) {
    std::uint32_t done;
    asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(barrier), "r"(phase)
                 : "memory");
    if (done != 0) return;
    __nanosleep(nanoseconds);
  }
#endif
}

// `bytes` is a multiple of 16, and both addresses are.
__device__ __forceinline__ void copy_bulk(std::uint32_t to, const void* from, int bytes, std::uint32_t barrier) {
#if JANG_HAS_WARPGROUPS
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes),
               "r"(barrier)
               : "memory");
#endif
}

// Registers of each thread of a warpgroup, handed to the others of the block or taken from them.
template <int kCount>
__device__ __forceinline__ void give_registers() {
#if JANG_HAS_WARPGROUPS
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
#endif
}
template <int kCount>
__device__ __forceinline__ void take_registers() {
#if JANG_HAS_WARPGROUPS
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
#endif
}

// --- products

// Where 64 columns of inputs lie: address in units of 16 bytes, 1024 bytes from eight rows to the next eight, pieces exchanged within 128
// bytes. Sixteen columns further on are two units.
__device__ __forceinline__ std::uint64_t inputs_descriptor(std::uint32_t address) {
  constexpr std::uint64_t kFixed = std::uint64_t{1} << 62 | std::uint64_t{64} << 32 | std::uint64_t{1} << 16;
  return kFixed | (address >> 4 & 0x3fffu);
}
// The same for 16 columns whose pieces of 8 rows lie one behind the other: 128 bytes from piece to piece, 256 to the next eight rows.
__device__ __forceinline__ std::uint64_t pieces_descriptor(std::uint32_t address) {
  constexpr std::uint64_t kFixed = std::uint64_t{16} << 32 | std::uint64_t{8} << 16;
  return kFixed | (address >> 4 & 0x3fffu);
}

// The same for tiles of product_tile.cuh: 128 bytes from eight columns to the next, 512 to the next eight inputs.
__device__ __forceinline__ std::uint64_t slice_descriptor(std::uint32_t address) {
  constexpr std::uint64_t kFixed = std::uint64_t{32} << 32 | std::uint64_t{8} << 16;
  return kFixed | (address >> 4 & 0x3fffu);
}
// What this thread has written to shared memory can be read by products that begin behind the next barrier.
__device__ __forceinline__ void products_may_read() {
#if JANG_HAS_WARPGROUPS
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

__device__ __forceinline__ void products_begin() {
#if JANG_HAS_WARPGROUPS
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void products_commit() {
#if JANG_HAS_WARPGROUPS
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
template <int kPending>
__device__ __forceinline__ void products_wait() {
#if JANG_HAS_WARPGROUPS
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#endif
}
// Keeps the compiler from moving what uses the sums across.
template <int kN>
__device__ __forceinline__ void hold(float (&d)[kN]) {
#pragma unroll
  for (int i = 0; i < kN; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// d = a x, or d += a x with `add`: 16 columns and 8 kTiles inputs, of float16 or bf16.
#define JANG_PRODUCT_32(type)                                                                                                             \
  asm volatile(                                                                                                                           \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"                                                                                        \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                                                                         \
      " {"                                                                                                                                \
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"                                        \
      "%25,%26,%27,%28,%29,%30,%31"                                                                                                       \
      "},{%32,%33,%34,%35},%36,p,1,1,%38;\n}"                                                                                             \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]),           \
        "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), \
        "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), \
        "+f"(d[30]), "+f"(d[31])                                                                                                          \
      : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(inputs), "r"(add ? 1 : 0), "n"(kAcross ? 1 : 0))
#define JANG_PRODUCT_16(type)                                                                                                   \
  asm volatile(                                                                                                                 \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %21, 0;\n"                                                                              \
      "wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type                                                               \
      " {"                                                                                                                      \
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"                                                                   \
      "},{%16,%17,%18,%19},%20,p,1,1,%22;\n}"                                                                                   \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), \
        "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15])                                            \
      : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(inputs), "r"(add ? 1 : 0), "n"(kAcross ? 1 : 0))
#define JANG_PRODUCT_8(type)                                                                           \
  asm volatile(                                                                                        \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %13, 0;\n"                                                     \
      "wgmma.mma_async.sync.aligned.m64n16k16.f32." type "." type                                      \
      " {"                                                                                             \
      "%0,%1,%2,%3,%4,%5,%6,%7"                                                                        \
      "},{%8,%9,%10,%11},%12,p,1,1,%14;\n}"                                                            \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]) \
      : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(inputs), "r"(add ? 1 : 0), "n"(kAcross ? 1 : 0))
// kAcross: the lines of 16 bytes are those of columns and hold inputs.
template <int kTiles, bool kBf16 = false, bool kAcross = false>
__device__ __forceinline__ void product(float (&d)[4 * kTiles], uint4 a, std::uint64_t inputs, bool add) {
#if JANG_HAS_WARPGROUPS
  static_assert(kTiles == 2 || kTiles == 4 || kTiles == 8);
  if constexpr (kTiles == 8 && kBf16)
    JANG_PRODUCT_32("bf16");
  else if constexpr (kTiles == 8)
    JANG_PRODUCT_32("f16");
  else if constexpr (kTiles == 4 && kBf16)
    JANG_PRODUCT_16("bf16");
  else if constexpr (kTiles == 4)
    JANG_PRODUCT_16("f16");
  else if constexpr (kBf16)
    JANG_PRODUCT_8("bf16");
  else
    JANG_PRODUCT_8("f16");
#endif
}
#undef JANG_PRODUCT_32
#undef JANG_PRODUCT_16
#undef JANG_PRODUCT_8

}  // namespace jang::kernels::cuda
