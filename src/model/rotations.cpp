// SPDX-License-Identifier: Apache-2.0
// Frequencies uploaded once; cosines and sines computed when the positions change.
#include "model/rotations.h"

#include <fmt/format.h>

namespace jang::model {

Result<Rotations> Rotations::create(kernels::Device& device, std::span<const arch::Rope> ropes) {
  Rotations made(device);
  for (const arch::Rope& rope : ropes) {
    const auto half = static_cast<std::int64_t>(rope.inv_freq.size());
    Rotation& r = made.rotations_.emplace_back();
    r.buffer = device.allocate(half * size_bytes(DType::f32));
    if (r.buffer == nullptr) return Status(StatusCode::out_of_memory, "no memory for the frequencies of RoPE");
    r.frequencies = {r.buffer.get(), 0, DType::f32, 1, half, half};
    r.factor = rope.attention_factor;
    r.interleaved = rope.interleaved;
    JANG_TRY(device.write(rope.inv_freq.data(), r.frequencies));
  }
  return made;
}

Status Rotations::turn_to(int rope, std::span<const kernels::SequenceRun> runs, std::int64_t n) {
  Rotation& r = rotations_[static_cast<std::size_t>(rope)];
  std::vector<std::int32_t> positions;
  positions.reserve(static_cast<std::size_t>(n));
  for (const kernels::SequenceRun& run : runs)
    for (std::int64_t i = 0; i < run.n_rows; ++i) positions.push_back(static_cast<std::int32_t>(run.position + i));
  if (positions == r.positions) return {};
  r.positions.clear();
  const std::int64_t half = r.frequencies.columns;
  if (!positions_.reserve(*device_, n, DType::i32) || !r.cosines.reserve(*device_, n * half) || !r.sines.reserve(*device_, n * half))
    return {StatusCode::out_of_memory, fmt::format("no memory for the rotations of {} positions", n)};
  const kernels::Tensor on_device = positions_.matrix(n, 1, DType::i32);
  JANG_TRY(device_->write(positions.data(), on_device));
  device_->rotation(on_device, r.frequencies, r.factor, r.cosines.matrix(n, half), r.sines.matrix(n, half));
  r.positions = std::move(positions);
  return {};
}

}  // namespace jang::model
