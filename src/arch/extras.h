// SPDX-License-Identifier: Apache-2.0
// What checkpoints of every family may hold besides weights, and the wrappers that training leaves around names.
#pragma once

#include <string>
#include <string_view>

#include "tensor/shape.h"

namespace jang::arch {

// `name` without "module." in front (DataParallel) and without the components that torch.compile, FSDP and activation checkpointing put in.
[[nodiscard]] std::string unwrapped(std::string_view name);

// Why a tensor is a buffer that the model class computes itself, and no weight; empty when it is one.
[[nodiscard]] std::string_view buffer_reason(const TensorInfo& tensor);

}  // namespace jang::arch
