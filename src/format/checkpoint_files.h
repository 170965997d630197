// SPDX-License-Identifier: Apache-2.0
// Which files of a model directory are its weights. Used by checkpoint.cpp, and by targets/validate.cpp.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/checkpoint.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::format {

// What an index may have at most.
inline constexpr std::size_t kMaxIndexBytes = std::size_t{256} << 20;

struct WeightFile {
  std::string name;  // bare
  Standing standing = Standing::listed;
};

struct ChosenFiles {
  std::vector<WeightFile> files;         // that exist, the surer ones first, each kind sorted by name
  std::optional<CheckpointIndex> index;  // when it decided
  Status missing;                        // files that the index names and the directory lacks
  std::vector<std::string> warnings;
};

// Rules at Checkpoint::open. Errors: not_found (no weights, or numbered shards that are incomplete), corrupt (an index that is none, with
// no model.safetensors beside it), io.
[[nodiscard]] Result<ChosenFiles> choose_files(const std::string& directory, bool lenient);

// Why a directory has no config.json or no weights, as far as its names tell, and what to do.
[[nodiscard]] std::string likely_cause(const std::string& directory);

// A value of an index, or a name found in a directory, that may be opened: a bare visible name that ends in .safetensors.
[[nodiscard]] bool is_bare_file_name(std::string_view name);

[[nodiscard]] std::string join_path(const std::string& directory, std::string_view name);

// Whether something of that name is there, be it a dangling link.
[[nodiscard]] bool exists(const std::string& path);

// Parts of two of the warnings of a checkpoint, which `validate` tells tensor by tensor.
inline constexpr std::string_view kMovedTensors = "tensors are in another file than the index says";
inline constexpr std::string_view kUnlistedTensors = "tensors are in the files but not in the index";

// A few of many, quoted, for a message.
[[nodiscard]] std::string list_some(const std::vector<std::string>& names);

}  // namespace jang::format
