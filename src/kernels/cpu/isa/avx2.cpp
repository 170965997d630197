// SPDX-License-Identifier: Apache-2.0
// AVX2 lanes for the generic encode ops: 8 rows at a time. Compiled with -mavx2 -mfma -mf16c; chosen at run time.
#include <immintrin.h>

#include "kernels/cpu/generic/encode_integer.h"
#include "kernels/cpu/generic/feedback.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  using F = __m256;
  using M = __m256;
  static F load(const float* p) { return _mm256_load_ps(p); }
  static void store(float* p, F a) { _mm256_store_ps(p, a); }
  static F set1(float a) { return _mm256_set1_ps(a); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static M less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static F select(M m, F a, F b) { return _mm256_blendv_ps(b, a, m); }
  static F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static F round_even(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F round_to(DType dtype, F a) {
    if (dtype == DType::bf16) {
      const __m256i u = _mm256_castps_si256(a);
      const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
      const __m256i r = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
      return _mm256_castsi256_ps(_mm256_and_si256(r, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
    }
    if (dtype == DType::f16) return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return a;
  }
};

}  // namespace

constinit const Encoders kAvx2Encoders{generic::encode_rtn<Avx2>, generic::encode_fit<Avx2>, generic::encode_feedback<Avx2>,
                                       generic::add_gram_rows<Avx2>};

}  // namespace jang::kernels
