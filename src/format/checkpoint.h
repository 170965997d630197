// SPDX-License-Identifier: Apache-2.0
// A model directory on disk, read strictly: config.json, one safetensors file or several named by an index, side files.
// Serves sources to convert (Hugging Face checkpoints) and finished bundles alike; it knows files and tensors, not models.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::format {

// Where a tensor's bytes lie.
struct StoredTensor {
  TensorInfo info;
  int file = 0;                    // index into Checkpoint::files()
  std::uint64_t offset_bytes = 0;  // from the start of the file
};

class Checkpoint {
 public:
  // Opens `path`: a directory. Reads config.json, then model.safetensors.index.json and the shards it names, or else every
  // *.safetensors file when there is no index (one, or several that do not overlap; consolidated*.safetensors, a second copy under other
  // names, only when there is nothing else). Index values must be bare file names; every tensor
  // in the index must be in its file and the other way round. Pickle files (.bin, .pt, .ckpt) are never opened; the message says how to
  // convert. Errors: not_found (with the likely cause: parent folder chosen, partial download), corrupt, io.
  [[nodiscard]] static Result<Checkpoint> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const json::Value& config() const { return config_; }
  [[nodiscard]] const std::vector<StoredTensor>& tensors() const { return tensors_; }  // sorted by name
  [[nodiscard]] const std::vector<InputFile>& files() const { return files_; }
  // Index into tensors(), or -1.
  [[nodiscard]] int find(std::string_view name) const;
  // Raw bytes of tensor `t` from byte `begin` of its payload. Thread safe. Errors name the tensor and file.
  [[nodiscard]] Status read(const StoredTensor& t, std::uint64_t begin, std::span<std::byte> out) const;
  // Sum of the safetensors file sizes.
  [[nodiscard]] std::uint64_t file_bytes() const;
  // Corrupt when any file changed since it was opened.
  [[nodiscard]] Status check_unchanged() const;

 private:
  std::string path_;
  json::Value config_;
  std::vector<InputFile> files_;
  std::vector<StoredTensor> tensors_;
};

// model.safetensors.index.json: which file holds which tensor.
struct CheckpointIndex {
  std::vector<std::string> files;                    // sorted, each once; bare names ending in .safetensors
  std::vector<std::pair<std::string, int>> weights;  // tensor name and index into files, sorted by name
  std::optional<std::uint64_t> total_size;           // metadata.total_size where it is a plain integer; writers disagree on what it counts
};

// Parses the text of an index. `what` names it in messages. Other top-level keys are ignored. Errors: corrupt (not JSON, no weight_map or
// an empty one, a tensor name or a file name that is not one: a value must be the bare name of a visible .safetensors file).
[[nodiscard]] Result<CheckpointIndex> parse_index(std::string_view text, std::string_view what);

// A directory path for what the user typed: a directory as it is, or `org/name` looked up in the local Hub cache (HF_HUB_CACHE, else
// HF_HOME/hub, else ~/.cache/huggingface/hub; refs/main, then its snapshot). `env` holds these three variables and HOME, read by the
// program, since the library does not read the environment. Errors: not_found naming both places searched.
struct HubEnvironment {
  std::string hf_hub_cache, hf_home, home;
};
[[nodiscard]] Result<std::string> resolve_model(const std::string& what, const HubEnvironment& env);

}  // namespace jang::format
