// SPDX-License-Identifier: Apache-2.0
// config.json's `quantization` map: written from the formats of a model's tensors, read against the tensors of a directory. MLX's affine
// mode only.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "arch/arch.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::mlx {

// What MLX calls the planes of the affine formats, in their order.
inline constexpr std::string_view kFileFormat = "mlx";  // "format" in the metadata of every file
inline constexpr std::array<std::string_view, 3> kPlaneNames = {"weight", "scales", "biases"};

// Target::read. Bits and group of every module come from the map (path override, else its default) and must agree with the shapes: packed
// columns * 32 / bits == groups * group_size. Conflict is corrupt, listing every consistent (bits, group) pair; never guessed.
[[nodiscard]] Status read_modules(format::Bundle* bundle);

// The format most weights have; null when nothing is packed.
[[nodiscard]] const codec::WeightFormat* most_common_format(const arch::Model& model, std::span<const TensorRecord> tensors);
// Default bits and group = the most common pair, then every packed module by path, so that no reader ever guesses. Precondition: there is
// one.
[[nodiscard]] json::Value quantization_map(const arch::Model& model, std::span<const TensorRecord> tensors);

}  // namespace jang::targets::mlx
