// SPDX-License-Identifier: Apache-2.0
// What a model is: a config and a list of tensors to arch::Model, whoever lists the family.
#pragma once

#include <optional>
#include <span>

#include "arch/arch.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::arch {

struct Family;

// Role and place of every tensor. Pure. `config` is the parsed config.json; shapes are possible ones (targets::check_source).
// Errors: corrupt (a config number out of range, shapes that contradict the config, an expert missing from a stack, a required tensor
// missing), unsupported (an element type, a tensor without a place).
[[nodiscard]] Result<Model> describe(const json::Value& config, std::span<const TensorInfo> sources, const SourceFacts& facts = {});

// Takes the tensors of Role::vision out of the model, and lists them as dropped: what is left is the text model.
void leave_vision_out(Model* model, std::span<const TensorInfo> sources);

// Whether the model's class was known, so that every tensor it needs was asked for; false for a type that nobody listed.
[[nodiscard]] bool knows_tensors(const Model& model);

// The tie that only values can settle; none where names and config do.
[[nodiscard]] std::optional<DoubtfulTie> doubtful_tie(const json::Value& config, std::span<const TensorInfo> sources);

// The object with the language model's numbers of a family's config.
[[nodiscard]] json::Value* language_config(const Family& family, json::Value* config);

}  // namespace jang::arch
