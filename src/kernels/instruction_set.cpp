// SPDX-License-Identifier: Apache-2.0
// The list of instruction sets, fastest first.
#include "kernels/instruction_set.h"

#include "kernels/cpu/isa/isa.h"
#include "kernels/ref/encode.h"
#include "kernels/ref/feedback.h"
#include "kernels/ref/linear.h"
#include "kernels/ref/ops.h"

namespace jang::kernels {

#if defined(__x86_64__)
// F16C is not asked for: every processor with AVX2 and FMA has it.
bool avx2_available() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool avx512_available() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#elif defined(__aarch64__)
bool neon_available() { return true; }
#endif

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> list = {
#if defined(__x86_64__)
    // A processor with AVX-512 but without VNNI multiplies 8-bit integers as AVX2 does.
    {"avx512", avx512_available, &kAvx512Ops, kAvx512Encoders, {&kAvx512VnniInt8, &kAvx2Int8, &kAvx512Linear}},
    {"avx2", avx2_available, &kAvx2Ops, kAvx2Encoders, {&kAvx2Int8, &kAvx2Linear}},
#elif defined(__aarch64__)
    {"neon", neon_available, &kNeonOps, kNeonEncoders, {&kNeonDotprodInt8, &kNeonInt8, &kNeonLinear}},
#endif
    {"ref", [] { return true; }, &ref::kOps, {ref::encode_rtn, ref::encode_fit, ref::encode_feedback, ref::add_gram_rows}, {&ref::kLinear}},
  };
  return list;
}

const InstructionSet* find_instruction_set(std::string_view name) {
  for (const InstructionSet& set : instruction_sets())
    if ((name.empty() || set.name == name) && set.available()) return &set;
  return nullptr;
}

const LinearKernel* InstructionSet::find_linear(const MatrixFormat& format, Precision precision) const {
  const LinearKernel* exact = nullptr;
  for (const LinearKernel* k : linear) {
    if (!k->available() || !k->supports(format)) continue;
    if (k->precision == precision) return k;
    if (k->precision == Precision::exact && exact == nullptr) exact = k;
  }
  return exact;
}

}  // namespace jang::kernels
