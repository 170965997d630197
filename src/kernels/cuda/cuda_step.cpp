// SPDX-License-Identifier: Apache-2.0
// Steps of one row, where kernels are short and what lies between them counts. The device keeps a norm back until it knows whether maps of
// its result follow, and maps until it knows whether their result is added to something or activated: then one kernel does both
// (linear_one.h). Rotated queries and keys go together with attention (attention_one.h). What is kept is enqueued by whatever comes next,
// and every tensor gets the values that the ops one by one would give it.
#include <algorithm>
#include <utility>

#include "kernels/cuda/attention_one.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/rows.h"

namespace jang::kernels::cuda {
namespace {

bool same(const Tensor& a, const Tensor& b) {
  return a.exists() && a.buffer == b.buffer && a.offset == b.offset && a.dtype == b.dtype && a.rows == b.rows && a.columns == b.columns;
}

// Of tensors of one row.
bool overlap(const Tensor& a, const Tensor& b) {
  return a.exists() && a.buffer == b.buffer && a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes();
}
bool overlap_any(const Tensor& a, const std::vector<Tensor>& others) {
  return std::ranges::any_of(others, [&](const Tensor& other) { return overlap(a, other); });
}

}  // namespace

void CudaDevice::launch_maps(const OneFollower& follower) {
  const Waiting ready = std::exchange(waiting_, {});
  linear_one(ready.maps.data(), static_cast<int>(ready.maps.size()), ready.input, follower, multiprocessors_, stream_);
  launched("linear");
}

void CudaDevice::flush() {
  if (!waiting_.maps.empty()) return launch_maps({});
  if (waiting_.rope) {
    const KeptRope rope = *std::exchange(waiting_.rope, std::nullopt);
    cuda::rope_store(rope.args, rope.caches, stream_);
    return launched("rope_store");
  }
  if (!waiting_.norm) return;
  const AddNorm norm = *std::exchange(waiting_.norm, std::nullopt);
  enqueue(norm);
}

bool CudaDevice::keep_norm(const AddNorm& op) {
  const bool is_plain = !op.centred && !op.norm_bias.exists();
  if (!kernels_overlap || !is_plain || op.x.rows != 1 || op.branch.exists() || overlap(op.x, op.out)) return false;
  flush();
  waiting_.norm = op;
  return true;
}

// Maps of one kind are kept; of several kinds, each goes out at once with the norm inside.
bool CudaDevice::keep_maps(const Tensor& x, std::span<const LinearOut> outs, float softcap) {
  if (x.rows != 1) return false;
  std::vector<FastMap> maps;
  for (const LinearOut& out : outs) {
    const CudaWeight& w = cuda_weight(*out.weight);
    maps.push_back({w.matrices, w.bias_values(), rows_of(out.y), softcap});
    if (!w.fast || !one_supports(&maps.back(), 1, false)) return false;
  }
  OneInput input{.x = address(x)};
  std::vector<Tensor> sources = {x};
  const bool normed = waiting_.norm && same(waiting_.norm->out, x) &&
                      std::ranges::none_of(outs, [&](const LinearOut& out) { return overlap(out.y, waiting_.norm->x); });
  if (normed) {
    const AddNorm norm = *std::exchange(waiting_.norm, std::nullopt);
    input = {address(norm.x), address(x), values_or_null(norm.norm), norm.eps, norm.offset};
    sources.push_back(norm.x);
  }
  flush();
  const auto alike = [&](const FastMap& map) {
    const Matrices &a = map.w, &b = maps.front().w;
    return a.bits == b.bits && a.group == b.group && a.param == b.param;
  };
  if (outs.size() <= kMapsPerLaunch && std::ranges::all_of(maps, alike)) {
    waiting_.maps = std::move(maps);
    for (const LinearOut& out : outs) waiting_.results.push_back(out.y);
    waiting_.input = input;
    waiting_.sources = std::move(sources);
    return true;
  }
  while (!maps.empty()) {
    const auto rest = std::stable_partition(maps.begin(), maps.end(), alike);
    const auto n = std::min<std::ptrdiff_t>(rest - maps.begin(), kMapsPerLaunch);
    linear_one(maps.data(), static_cast<int>(n), input, {}, multiprocessors_, stream_);
    launched("linear");
    maps.erase(maps.begin(), maps.begin() + n);
  }
  return true;
}

// x += branch, where branch is the result of the one map that waits.
bool CudaDevice::add_to_maps(const AddNorm& op) {
  const bool adds = waiting_.maps.size() == 1 && op.branch.exists() && !op.branch_norm.exists() &&
                    same(op.branch, waiting_.results.front()) && !overlap(op.x, op.branch) && !overlap_any(op.x, waiting_.sources);
  if (adds) launch_maps({.sum = address(op.x)});
  return adds;
}

bool CudaDevice::gate_maps(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& out) {
  const bool gates = waiting_.maps.size() == 2 && same(gate, waiting_.results[0]) && same(up, waiting_.results[1]) &&
                     !overlap_any(out, waiting_.sources) && one_supports(waiting_.maps.data(), 2, true);
  if (gates) launch_maps({.gated = address(out), .activation = static_cast<int>(activation)});
  return gates;
}

}  // namespace jang::kernels::cuda
