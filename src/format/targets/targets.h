// SPDX-License-Identifier: Apache-2.0
// The targets that there are, and sources as they know them.
#pragma once

#include <span>
#include <string_view>

#include "arch/arch.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::targets {

// The explicit table, the default first.
[[nodiscard]] std::span<const Target* const> targets();
[[nodiscard]] const Target& default_target();
// By Target::name; null when there is none of that name.
[[nodiscard]] const Target* find_target(std::string_view name);
// Whose rules an opened directory follows. The default, first in the table, takes every directory, so it is asked last.
[[nodiscard]] const Target& writer_of(const format::Checkpoint& checkpoint, std::span<const Target* const> table = targets());

// Describes a source, in whatever spelling some target knows, in canonical names: arch::describe behind check_source and published(). The
// text model alone. Errors: those of both.
[[nodiscard]] Result<arch::Model> describe_canonical(const json::Value& config, std::span<const TensorInfo> stored,
                                                     arch::SourceFacts facts = {});
// The same as the target keeps it; `text_only`: without the towers that it could keep.
[[nodiscard]] Result<arch::Model> describe_source(const json::Value& config, std::span<const TensorInfo> stored,
                                                  const arch::SourceFacts& facts = {}, const Target& target = default_target(),
                                                  bool text_only = false);

}  // namespace jang::targets
