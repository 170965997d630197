// SPDX-License-Identifier: Apache-2.0
// AVX-512 lanes for the generic encode ops: 16 rows at a time. Compiled with -mavx512{f,bw,dq,vl}; chosen at run time.
#include <immintrin.h>

#include "kernels/cpu/generic/encode_integer.h"
#include "kernels/cpu/generic/feedback.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using F = __m512;
  using M = __mmask16;
  static F load(const float* p) { return _mm512_load_ps(p); }
  static void store(float* p, F a) { _mm512_store_ps(p, a); }
  static F set1(float a) { return _mm512_set1_ps(a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static F select(M m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F round_even(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F round_to(DType dtype, F a) {
    if (dtype == DType::bf16) {
      const __m512i u = _mm512_castps_si512(a);
      const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
      const __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
      return _mm512_castsi512_ps(_mm512_and_si512(r, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
    }
    if (dtype == DType::f16) return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return a;
  }
};

}  // namespace

constinit const Encoders kAvx512Encoders{generic::encode_rtn<Avx512>, generic::encode_fit<Avx512>, generic::encode_feedback<Avx512>,
                                         generic::add_gram_rows<Avx512>};

}  // namespace jang::kernels
