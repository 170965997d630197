// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of the positions of a batch for every RoPE of a model (arch::DecoderConfig::ropes), on the device. They are kept while
// the positions stay the same, so that the layers of a forward share them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arch/rope.h"
#include "jang/status.h"
#include "kernels/device.h"
#include "model/workspace.h"

namespace jang::model {

class Rotations {
 public:
  // Uploads the frequencies. The device outlives it. Errors: out_of_memory.
  [[nodiscard]] static Result<Rotations> create(kernels::Device& device, std::span<const arch::Rope> ropes);

  // Turns RoPE `rope` to the positions of the runs, which have n rows in all. Errors: out_of_memory.
  [[nodiscard]] Status turn_to(int rope, std::span<const kernels::SequenceRun> runs, std::int64_t n);
  [[nodiscard]] bool interleaved(int rope) const { return of(rope).interleaved; }
  // [n, half], half = dims / 2. Precondition: turned to n rows.
  [[nodiscard]] kernels::Tensor cosines(int rope, std::int64_t n) const { return of(rope).cosines.matrix(n, of(rope).frequencies.columns); }
  [[nodiscard]] kernels::Tensor sines(int rope, std::int64_t n) const { return of(rope).sines.matrix(n, of(rope).frequencies.columns); }

 private:
  struct Rotation {
    std::unique_ptr<kernels::Buffer> buffer;  // behind the frequencies
    kernels::Tensor frequencies;              // [1, half]
    float factor = 1;                         // of cosines and sines
    bool interleaved = false;
    Array cosines, sines;
    std::vector<std::int32_t> positions;  // by row, whose cosines and sines these are; empty: none
  };
  explicit Rotations(kernels::Device& device) : device_(&device) {}
  [[nodiscard]] const Rotation& of(int rope) const { return rotations_[static_cast<std::size_t>(rope)]; }

  kernels::Device* device_;
  std::vector<Rotation> rotations_;
  Array positions_;  // i32 [n, 1]
};

}  // namespace jang::model
