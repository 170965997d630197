// SPDX-License-Identifier: Apache-2.0
// What stands beside the text model of a multimodal checkpoint (vision and audio towers, projectors), as mlx-vlm's classes keep it.
// mlx-lm's classes of the same model types leave out what begins like these names, so that one directory serves both.
//
//   names         those of the class after its `sanitize`, which leaves them alone when it meets them again
//   convolutions  [out, in, taps..] -> [out, taps.., in]
//   values        16 bits, never packed; config.json says so for every one of their matrices (quantization.cpp)
#pragma once

#include <span>
#include <string_view>

#include "arch/arch.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::targets::mlx {

// Tensors of Role::vision get their names and shapes; the tied embedding of a class that wants a head all the same gets its second name.
// `text_only` leaves the towers out, and of a type in the table config.json then says nothing about them. Towers of other types stay as
// the source has them: mlx-lm's class decides what it leaves out.
void spell_towers(std::span<const TensorInfo> stored, std::string_view file_format, bool text_only, arch::Model* model);

}  // namespace jang::targets::mlx
