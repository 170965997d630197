// SPDX-License-Identifier: Apache-2.0
// The lists of op tables and of linear kernels, fastest first.
#include "kernels/ops.h"

#include "kernels/cpu/isa/linear.h"
#include "kernels/cpu/isa/ops.h"
#include "kernels/ref/linear.h"
#include "kernels/ref/ops.h"

namespace jang::kernels {

const std::vector<const LinearKernel*>& linear_kernels() {
  static const std::vector<const LinearKernel*> list = {
#if defined(__x86_64__)
    &kAvx512VnniInt8,
    &kAvx2Int8,
    &kAvx512Linear,
    &kAvx2Linear,
#elif defined(__aarch64__)
    &kNeonDotprodInt8,
    &kNeonInt8,
    &kNeonLinear,
#endif
    &ref::kLinear,
  };
  return list;
}

const LinearKernel* find_linear(const MatrixFormat& format, Precision precision, std::string_view backend) {
  const LinearKernel* exact = nullptr;
  for (const LinearKernel* k : linear_kernels()) {
    if ((!backend.empty() && k->backend != backend) || !k->available() || !k->supports(format)) continue;
    if (k->precision == precision) return k;
    if (k->precision == Precision::exact && exact == nullptr) exact = k;
  }
  return exact;
}

const std::vector<const Ops*>& op_tables() {
  static const std::vector<const Ops*> list = {
#if defined(__x86_64__)
    &kAvx512Ops,
    &kAvx2Ops,
#elif defined(__aarch64__)
    &kNeonOps,
#endif
    &ref::kOps,
  };
  return list;
}

const Ops* find_ops(std::string_view name) {
  for (const Ops* o : op_tables())
    if ((name.empty() || o->name == name) && o->available()) return o;
  return nullptr;
}

}  // namespace jang::kernels
