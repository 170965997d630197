// SPDX-License-Identifier: Apache-2.0
// A target: what one family of loaders expects of a directory. It knows spelling, stacking, configuration and side files of its own;
// nothing else in the program knows a loader's name. Two directions:
//
//   write   arch::Model in canonical names -> spell() -> the same tensors under the target's names and shapes, its config, its refusals;
//           parts() -> what is stored of every tensor; documents() and copies() -> the files beside them
//   read    a directory -> read() -> its packed modules by path, format and planes (bundle.h);
//           tensors as it names them -> published() -> canonical names and shapes, for arch::describe
//
// Adding a target = a folder here + one line in targets.cpp; HACKING.md says what the order of the lines means.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "codec/weight_format.h"
#include "format/checkpoint.h"
#include "format/targets/arrangement.h"
#include "format/targets/bundle.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::targets {

// Something stored: rows of one plane of a tensor of the model, or of the tensor's plain values.
struct StoredPart {
  int tensor = 0;                          // index into arch::Model::tensors
  int plane = -1;                          // index into the format's planes; -1: plain values
  std::int64_t row_begin = 0, n_rows = 0;  // of the tensor seen as [product of leading dimensions, last dimension]
  TensorInfo info;                         // name, dtype and shape on disk
  int shard = 0;
  std::uint64_t offset_bytes = 0;  // from the start of the shard file
  Arrangement arrangement{};       // how the rows lie in the file
  std::string content{};           // not empty: the bytes themselves, over and over to the end of the part; no rows then
};

struct Layout;  // layout.h

// How one tensor was stored, and why.
struct TensorRecord {
  const codec::WeightFormat* format = nullptr;  // null: plain
  std::string_view tier{}, reason{};
  std::optional<double> error{};  // squared error over squared norm, as measured while encoding
};

// How one group of channels was rescaled before the weights were packed (AWQ).
struct ScalingRecord {
  std::string_view group{};
  double exponent = 0, gain = 0;  // 0: it was not; gain: share of its readers' error
  std::int64_t experts_left = 0;
  double of_weights = 0;
  bool refused = false;
};
// What that did to the model's predictions, and what they would have been without.
struct ScalingTrialRecord {
  std::int64_t positions = 0;
  double unscaled = 0, scaled = 0, difference_error = 0;
};

// What there is to say about a finished conversion.
struct Record {
  const arch::Model& model;
  const format::Checkpoint& source;
  const Layout& layout;
  DType dtype;                            // of parameters and plain floats
  std::span<const TensorRecord> tensors;  // index as in arch::Model::tensors
  std::string_view profile{}, method{}, allocation{};
  std::string_view statistics{};   // digest, empty where none weighted the fit
  std::string_view calibration{};  // "none", "self", "file" or "random": what was measured on
  std::span<const ScalingRecord> scaling{};
  std::optional<ScalingTrialRecord> scaling_trial{};
  std::uint64_t params = 0;
  double code_bits = 0, stored_bits = 0;
  json::Value origin{};  // of a packed source: what its record says (record.h); null for others
};

struct Document {
  std::string name, text;
};

// What the loaders of a target ask of a plan beyond one choice per unit.
struct Rules {
  std::vector<int> widths{};      // of codes; empty: all of the codec
  bool one_choice = false;        // one width and one group for everything that is packed
  int group_size = 0;             // where none is asked for; 0: the planner's own rule
  std::optional<DType> params{};  // the type of scales; empty: any
  bool half_params = false;       // of 16 bits, whichever
  std::string_view profile{};     // what is made where no profile is asked for; empty: the program's default
  [[nodiscard]] bool allows(int bits) const { return widths.empty() || std::ranges::find(widths, bits) != widths.end(); }
};

enum class Copying : std::uint8_t {
  no,
  by_kind,  // for its extension
  by_name,  // a well-known name: a link may lead to a file of that name anywhere
};

class Target {
 public:
  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual ~Target() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // The program that opens its directories, as messages call it: "stock mlx-lm".
  [[nodiscard]] virtual std::string_view loader() const = 0;
  // Words of a command with which that program answers a prompt from a bundle of a model that was spelled here; empty where it cannot.
  [[nodiscard]] virtual std::vector<std::string> sample_command(const arch::Model& model, const std::string& directory) const = 0;

  // Reading: tensors that this target's writers (or its loaders' tools) have renamed or reshaped get their canonical names and shapes
  // again; the order stays. Tensors in other spellings are left alone. Bytes never change. `facts` learns what the spelling tells about
  // values.
  virtual void published(const json::Value& config, std::vector<TensorInfo>* tensors, arch::SourceFacts* facts) const = 0;

  // Writing: names, modules, shapes, `quantizable`, `add`, `config` and whatever else of the model the loaders see otherwise than
  // canonical; warnings and `refusal`. `stored`: the source's tensors as its files name them. Errors: corrupt (tensors that do not fit the
  // loaders' form), unsupported.
  [[nodiscard]] virtual Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const = 0;

  // Writing: of a spelled model, the tensors of Role::vision as its loaders keep them. Loaders that keep none, and `text_only`, leave them
  // out.
  virtual void spell_towers(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, bool text_only, arch::Model* model) const;

  // Writing: what is stored of one tensor in a format (null: plain), without a place; together every row of every plane once.
  [[nodiscard]] virtual std::vector<StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                                      DType params) const = 0;
  // Payload bytes of these parts.
  [[nodiscard]] virtual std::uint64_t bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const;
  // The kind of format that a tensor of a spelled model is packed in.
  [[nodiscard]] virtual codec::Kind kind(const arch::OutTensor& /*tensor*/) const { return codec::Kind::affine; }
  // Whether its loaders refuse a model whose units (OutTensor::unit) are cut: recipes that decide module by module are then checked.
  [[nodiscard]] virtual bool keeps_units() const { return false; }
  [[nodiscard]] virtual Rules rules() const { return {}; }
  // Entries of a file's safetensors metadata.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> file_metadata() const = 0;
  // The text files that make the tensors a model, in the order in which they are written: the one that loaders look for comes last.
  [[nodiscard]] virtual std::vector<Document> documents(const Record& record) const = 0;
  // Whether a file of the source directory (a bare name) comes along.
  [[nodiscard]] virtual Copying copies(std::string_view file_name) const = 0;

  // Reading: whether an opened directory is one of this target's. The default target is asked last and takes what no other knows.
  [[nodiscard]] virtual bool recognises(const format::Checkpoint& checkpoint) const = 0;
  // Its packed modules, plain tensors and is_quantized. Errors: corrupt, unsupported, each naming file and module.
  [[nodiscard]] virtual Status read(format::Bundle* bundle) const = 0;
  // What its documents say wrongly about its tensors.
  virtual void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const = 0;
};

// The parts most targets store: one for each plane, `<module>.<name of the plane>` with `names` by plane, or the tensor under its name.
[[nodiscard]] std::vector<StoredPart> whole_parts(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params,
                                                  std::span<const std::string_view> names);
// Storage type of an unpacked tensor: integers and keep_dtype tensors as they are, floats in `params`.
[[nodiscard]] DType stored_dtype(const arch::OutTensor& tensor, DType params);

}  // namespace jang::targets
