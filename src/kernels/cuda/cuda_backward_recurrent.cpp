// SPDX-License-Identifier: Apache-2.0
// Backward of the convolution and of the gated delta rule on the card: the value heads of all texts side by side, as many as memory is
// taken for.
#include <algorithm>
#include <string>

#include "base/checked.h"
#include "kernels/cuda/backward_recurrent.h"
#include "kernels/cuda/cuda_backward.h"

namespace jang::kernels::cuda {
namespace {

constexpr std::int64_t kStateFloats = std::int64_t{256} << 20;  // that heads share, unless one alone takes more

}  // namespace

void CudaBackward::conv(const ConvGradient& op, std::span<const SequenceRun> texts) {
  for (std::size_t begin = 0; begin < texts.size(); begin += kRunsPerLaunch) {
    Runs list;
    for (std::size_t i = begin; i < std::min(texts.size(), begin + kRunsPerLaunch); ++i)
      list.run[list.n++] = {static_cast<std::int32_t>(texts[i].first_row), static_cast<std::int32_t>(texts[i].n_rows), nullptr};
    conv_back(address(op.x), address(op.weight), address(op.dout), address(op.dx), op.x.columns, op.weight.columns, op.silu, list,
              device_.stream());
  }
  device_.launched("gradient of conv");
}

void CudaBackward::delta(const DeltaGradient& op, std::span<const SequenceRun> texts) {
  DeltaBackArgs a;
  a.shape = {static_cast<std::int32_t>(op.key_heads), static_cast<std::int32_t>(op.value_heads), static_cast<std::int32_t>(op.key_dim),
             static_cast<std::int32_t>(op.value_dim)};
  if (op.key_dim > kMostDeltaKeys || op.value_dim > kMostDeltaValues)
    return device_.fail(StatusCode::unsupported, "gradients of states of " + std::to_string(op.key_dim) + " x " +
                                                     std::to_string(op.value_dim) + " values; the cuda device takes " +
                                                     std::to_string(kMostDeltaKeys) + " x " + std::to_string(kMostDeltaValues) +
                                                     " at most; take the CPU");
  const std::int64_t n = op.qkv.rows;
  const std::int64_t heads_floats = n * op.value_heads * op.key_dim;
  const std::int64_t fixed = round_up<std::int64_t>(n * (a.shape.columns() + 2 * op.value_heads) + 2 * heads_floats, 64);
  // What heads of texts take at a time: all, or as many as fit.
  std::int64_t all = 0, most = 0;
  for (const SequenceRun& text : texts) {
    const std::int64_t own = delta_floats(a.shape, text.n_rows);
    all += op.value_heads * own;
    most = std::max(most, own);
  }
  const std::int64_t shared = std::max(most, std::min(all, kStateFloats));
  auto* memory = reinterpret_cast<float*>(device_.scratch(&scratch_, 4 * (fixed + shared)));
  if (memory == nullptr || n == 0) return;
  float* qkv = memory;
  float* ba = qkv + n * a.shape.columns();
  a.qkv = qkv;
  a.ba = ba;
  a.dq = ba + n * 2 * op.value_heads;
  a.dk = a.dq + heads_floats;
  a.given_ba = address(op.ba);
  a.a_log = address(op.a_log);
  a.dt_bias = address(op.dt_bias);
  a.dout = address(op.dout);
  a.dqkv = address(op.dqkv);
  a.dba = address(op.dba);
  const auto copy = [&](const Tensor& from, float* to) {
    device_.check(cudaMemcpyAsync(to, address(from), static_cast<std::size_t>(from.bytes()), cudaMemcpyDeviceToDevice, device_.stream()),
                  "gradient of delta");
  };
  copy(op.qkv, qkv);
  copy(op.ba, ba);
  delta_prepare(a.shape, qkv, ba, a.a_log, a.dt_bias, n, device_.stream());
  std::vector<DeltaTask> tasks;
  std::int64_t used = 0;
  const auto finish = [&] {
    a.tasks = static_cast<const DeltaTask*>(list(&lists_, tasks.data(), static_cast<std::int64_t>(tasks.size() * sizeof(DeltaTask))));
    if (a.tasks == nullptr) return false;
    delta_back(a, static_cast<int>(tasks.size()), device_.stream());
    tasks.clear();
    used = 0;
    return true;
  };
  for (const SequenceRun& text : texts)
    for (std::int64_t h = 0; h < op.value_heads && text.n_rows > 0; ++h) {
      const std::int64_t own = delta_floats(a.shape, text.n_rows);
      if (used + own > shared && !finish()) return;
      tasks.push_back({static_cast<std::int32_t>(text.first_row), static_cast<std::int32_t>(text.n_rows), static_cast<std::int32_t>(h),
                       memory + fixed + used});
      used += own;
    }
  if (!tasks.empty() && !finish()) return;
  delta_norms_back(a.shape, address(op.qkv), a.dq, a.dk, a.dqkv, n, device_.stream());
  device_.launched("gradient of delta");
}

void CudaBackward::scan(const ScanGradient& /*op*/, std::span<const SequenceRun> /*texts*/) {
  const Status status = device_.check(Scan{});
  device_.fail(status.code(), status.message());
}

}  // namespace jang::kernels::cuda
