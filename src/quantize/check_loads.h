// SPDX-License-Identifier: Apache-2.0
// Whether the loader of a bundle's target opens it: asked of a model before any work, and of a finished directory.
#pragma once

#include <string>
#include <vector>

#include "arch/arch.h"
#include "format/targets/bundle.h"
#include "format/targets/target.h"
#include "format/targets/validate.h"
#include "jang/status.h"

namespace jang::quantize {

// Refuses a model, spelled by `target`, of which no bundle would open. Errors: unsupported, with the reason.
[[nodiscard]] Status check_loadable(const arch::Model& model, const targets::Target& target);

// format::validate; what a load of this program would find, shapes and numbers of config.json against the tensors; and what the target's
// loader would refuse: packed tensors it knows unpacked only, tensors it has no place for, a config it cannot read, fused modules that are
// packed in different ways. Of weights, embedding and head are read where only their values tell whether they are one.
[[nodiscard]] Result<std::vector<format::Finding>> validate_bundle(const std::string& path, const format::ValidateOptions& options);
// Of a directory that was just written and that nobody can see yet: corrupt with the first error that a reader would find.
[[nodiscard]] Status check_bundle(const std::string& directory);

}  // namespace jang::quantize
