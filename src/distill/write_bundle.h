// SPDX-License-Identifier: Apache-2.0
// A bundle once more, with other codes, scales and biases in the same places: headers, layout, plain tensors and side files stay as they
// are, whoever wrote the bundle.
#pragma once

#include <string>

#include "base/log.h"
#include "distill/stored_bytes.h"
#include "format/checkpoint.h"
#include "json/json.h"

namespace jang::distill {

// Where the bundle says what was done (jang_config.json), `record` is added as quantization.distillation. `output` appears whole or not at
// all, after the check that every conversion goes through. Errors: those of opening; invalid_argument (output exists and not `force`);
// write errors.
[[nodiscard]] Status write_bundle(const std::string& bundle, const format::OpenOptions& open, const StoredBytesOfModules& modules,
                                  const json::Value& record, const std::string& output, bool force, Observer& observer);

}  // namespace jang::distill
