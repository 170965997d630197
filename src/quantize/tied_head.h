// SPDX-License-Identifier: Apache-2.0
// What only the files tell about a checkpoint: the format they name, and whether a head that the config calls tied is one with the
// embedding.
#pragma once

#include "arch/arch.h"
#include "format/checkpoint.h"
#include "jang/status.h"

namespace jang::quantize {

// Reads embedding and head where their equality decides, up to the first difference; packed ones are not looked at.
[[nodiscard]] Result<arch::SourceFacts> source_facts(const format::Checkpoint& checkpoint);

}  // namespace jang::quantize
