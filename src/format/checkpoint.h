// SPDX-License-Identifier: Apache-2.0
// A model directory on disk: config.json, one safetensors file or several named by an index, side files.
// Serves sources to convert (Hugging Face checkpoints) and finished bundles alike; it knows files and tensors, not models.
//
// Strict where bytes decide weights, forgiving where transformers and mlx-lm are: an index that disagrees with the files is told as a
// warning as long as every tensor has one place. What the index promises and no file has may be needed or not; only who knows the model
// can tell, see settle().
#pragma once

#include <cstdint>
#include <memory>
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

class Checkpoint;
class PackedModule;  // format/targets/packed_module.h

// A tensor that is made of what the files hold while it is read: packed weights as the values they stand for.
class MadeTensor {
 public:
  MadeTensor() = default;
  MadeTensor(const MadeTensor&) = delete;
  MadeTensor& operator=(const MadeTensor&) = delete;
  virtual ~MadeTensor() = default;
  // Its bytes from byte `begin`. Thread safe. Errors: those of reading.
  [[nodiscard]] virtual Status read(const Checkpoint& checkpoint, std::uint64_t begin, std::span<std::byte> out) const = 0;
  // Bytes of the files that it is made of.
  [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;
  // The packed rows that it stands for; null where they are of no format of the codec.
  [[nodiscard]] virtual const PackedModule* packed() const { return nullptr; }
};

// Where a tensor's bytes lie.
struct StoredTensor {
  TensorInfo info;
  int file = 0;                                 // index into Checkpoint::files()
  std::uint64_t offset_bytes = 0;               // from the start of the file
  std::shared_ptr<const MadeTensor> made = {};  // not null: no bytes of a file, but these
};

struct OpenOptions {
  // Take the likeliest reading where there are several: of a tensor stored twice with different values the one the index names (without an
  // index the one in model.safetensors), tensors that the index promises and no file has as not needed, tensors that are lacking from
  // model*.safetensors files that the index does not name.
  bool lenient = false;
};

class Checkpoint {
 public:
  // Opens `path`: a directory. Reads config.json, then model.safetensors.index.json and the shards it names. Without an index, or with one
  // that cannot be used: model.safetensors as transformers does, else the other model*.safetensors as mlx-lm does, else whatever
  // *.safetensors there are (consolidated*.safetensors, a second copy under other names, only when there is nothing else); files beside
  // those give `unlisted` (model*.safetensors) or `stray` tensors. Index values must be bare file names. Pickle files (.bin, .pt, .ckpt)
  // are never opened; the message says how to convert. Errors: not_found (with the likely cause: parent folder chosen, partial
  // download), corrupt (also a tensor stored twice with different values), io.
  [[nodiscard]] static Result<Checkpoint> open(const std::string& path, const OpenOptions& options = {});

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const json::Value& config() const { return config_; }
  [[nodiscard]] const std::vector<StoredTensor>& tensors() const { return tensors_; }  // sorted by name
  [[nodiscard]] const std::vector<InputFile>& files() const { return files_; }
  // "format" in the metadata of the safetensors files ("pt", "mlx"); empty where it is absent or they disagree.
  [[nodiscard]] const std::string& file_format() const { return file_format_; }
  // Disagreements that were resolved, each a sentence for the user.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  // Files and tensors that the index promises and no file has, as an error; ok when there are none.
  [[nodiscard]] const Status& missing() const { return missing_; }
  // The verdict on missing() once the model was described: ok when the description succeeded and either names every tensor the model
  // needs (`knows_tensors`) or the checkpoint was opened leniently; else an error that says what is missing. Not ok `described` without
  // missing() comes back as it is.
  [[nodiscard]] Status settle(const Status& described, bool knows_tensors) const;
  // Index into tensors(), or -1.
  [[nodiscard]] int find(std::string_view name) const;
  // Raw bytes of tensor `t` from byte `begin` of its payload. Thread safe. Errors name the tensor and file.
  [[nodiscard]] Status read(const StoredTensor& t, std::uint64_t begin, std::span<std::byte> out) const;
  // The same files with other tensors, which are sorted here, another config, and `warning` beside the others unless it is empty.
  [[nodiscard]] Checkpoint with(json::Value config, std::vector<StoredTensor> tensors, const std::string& warning = {}) &&;
  // Sum of the safetensors file sizes.
  [[nodiscard]] std::uint64_t file_bytes() const;
  // Corrupt when any file changed since it was opened.
  [[nodiscard]] Status check_unchanged() const;

 private:
  std::string path_;
  json::Value config_;
  std::vector<InputFile> files_;
  std::vector<StoredTensor> tensors_;
  std::string file_format_;
  std::vector<std::string> warnings_;
  Status missing_;
  bool lenient_ = false;
};

// model.safetensors.index.json: which file holds which tensor.
struct CheckpointIndex {
  std::vector<std::string> files;                    // sorted, each once; bare names ending in .safetensors
  std::vector<std::pair<std::string, int>> weights;  // tensor name and index into files, sorted by name
  std::optional<std::uint64_t> total_size;           // metadata.total_size where it is a plain integer; writers disagree on what it counts
};

// Parses the text of an index. `what` names it in messages. Other top-level keys are ignored. Errors: corrupt (not JSON, no weight_map or
// an empty one, a tensor name or a file name that is not one: a value must be the bare name of a visible .safetensors file; unless
// `lenient`, which takes the last, a key that occurs twice).
[[nodiscard]] Result<CheckpointIndex> parse_index(std::string_view text, std::string_view what, bool lenient = false);

}  // namespace jang::format
