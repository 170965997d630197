// SPDX-License-Identifier: Apache-2.0
// Convolution and gated delta rule on the card: runs in lists that fit into a kernel's parameters.
#include <algorithm>

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/recurrent.h"

namespace jang::kernels::cuda {
namespace {

// f(list) for the runs, some at a time.
template <typename F>
void for_lists(std::span<const SequenceRun> runs, std::span<const Tensor> states, const F& f) {
  for (std::size_t begin = 0; begin < runs.size(); begin += kRunsPerLaunch) {
    Runs list;
    for (std::size_t i = begin; i < std::min(runs.size(), begin + kRunsPerLaunch); ++i)
      list.run[list.n++] = {static_cast<std::int32_t>(runs[i].first_row), static_cast<std::int32_t>(runs[i].n_rows), address(states[i])};
    f(list);
  }
}

}  // namespace

void CudaDevice::conv(const Conv& op, std::span<const SequenceRun> runs) {
  for_lists(runs, op.states, [&](const Runs& list) {
    cuda::conv(address(op.x), address(op.out), address(op.weight), op.x.columns, op.weight.columns, op.silu, list, stream());
  });
  launched("conv");
}

void CudaDevice::delta(const Delta& op, std::span<const SequenceRun> runs) {
  if (op.key_dim > kMostKeyDim)
    return fail(StatusCode::unsupported,
                "keys of " + std::to_string(op.key_dim) + " values; the cuda device takes " + std::to_string(kMostKeyDim) + " at most");
  const DeltaShape shape{static_cast<std::int32_t>(op.key_heads), static_cast<std::int32_t>(op.value_heads),
                         static_cast<std::int32_t>(op.key_dim), static_cast<std::int32_t>(op.value_dim)};
  delta_prepare(shape, address(op.qkv), address(op.ba), address(op.a_log), address(op.dt_bias), op.qkv.rows, stream());
  for_lists(runs, op.states,
            [&](const Runs& list) { delta_rule(shape, address(op.qkv), address(op.ba), address(op.out), list, stream()); });
  launched("delta");
}

Status CudaDevice::check(const Scan& /*op*/) const {
  return {StatusCode::unsupported, "the device cuda does not compute the state spaces of Mamba2"};
}

// Whoever has asked check() does not come here.
void CudaDevice::scan(const Scan& op, std::span<const SequenceRun> /*runs*/) {
  const Status status = check(op);
  fail(status.code(), status.message());
}

}  // namespace jang::kernels::cuda
