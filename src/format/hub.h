// SPDX-License-Identifier: Apache-2.0
// Models by name: directories, and the cache of Hugging Face's tools.
#pragma once

#include <string>

#include "jang/status.h"

namespace jang::format {

// A directory path for what the user typed: a directory as it is, or `org/name` looked up in the local Hub cache (HF_HUB_CACHE, else
// HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub, as huggingface_hub does;
// refs/main, then its snapshot). `env` holds these variables and HOME, read by the program, since the library does not read the
// environment. Errors: not_found naming both places searched.
struct HubEnvironment {
  std::string hf_hub_cache = {}, hf_home = {}, home = {}, huggingface_hub_cache = {}, xdg_cache_home = {};
};
[[nodiscard]] Result<std::string> resolve_model(const std::string& what, const HubEnvironment& env);

// What people call the model in directory `path`: the last name of the path, "." and ".." and a slash at the end resolved, symbolic links
// not; for a snapshot of the Hub cache the name of its repository, without the organisation. "model" where there is none ("/").
[[nodiscard]] std::string model_name(const std::string& path);

// "org/name" of the repository that a snapshot of the Hub cache belongs to; empty for any other directory, and for names that are none.
[[nodiscard]] std::string repository_name(const std::string& path);

}  // namespace jang::format
