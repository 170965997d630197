// SPDX-License-Identifier: Apache-2.0
// Models by path or by name: what is already on this machine. Nothing is downloaded.
#pragma once

#include <string>

#include "jang/export.h"
#include "jang/status.h"

namespace jang {

// The environment variables that say where the Hugging Face cache is, as huggingface_hub reads them. The library does not read the
// environment: a program that wants org/name to work fills them in.
struct HubCache {
  std::string hf_hub_cache = {}, hf_home = {}, home = {}, huggingface_hub_cache = {}, xdg_cache_home = {};
};

// The directory of `name`: a directory as it is, or org/name found in the cache. Errors: not_found, naming the places searched.
[[nodiscard]] JANG_API Result<std::string> find_model(const std::string& name, const HubCache& cache = {});

// What people call the model in a directory: its last name, or that of its repository in the Hub cache; "model" where there is none.
[[nodiscard]] JANG_API std::string model_name(const std::string& directory);

}  // namespace jang
