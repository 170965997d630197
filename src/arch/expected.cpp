// SPDX-License-Identifier: Apache-2.0
// The same rows that bind.cpp looks for in a checkpoint, written down instead.
#include "arch/expected.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "arch/bind.h"
#include "arch/family.h"
#include "arch/family_config.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "arch/registry.h"

namespace jang::arch {
namespace {

constexpr std::string_view kLayerRows = "model.layers";
// Of all tensors together, so that sums of bytes and bits stay exact wherever they are made.
constexpr std::int64_t kMostWeights = std::int64_t{1} << 48;

DType config_type(const json::Value& config) {
  for (const json::Value* place : {json::find(config, "text_config"), &config})
    for (const char* key : {"dtype", "torch_dtype"}) {
      const json::Value* value = place != nullptr && place->is_object() ? json::find(*place, key) : nullptr;
      if (value == nullptr) continue;
      if (*value == "float16") return DType::f16;
      if (*value == "float32") return DType::f32;
    }
  return DType::bf16;
}

// Families whose published checkpoints hold gate and up of the experts in one tensor, so that they share a decision.
constexpr std::string_view kFusing[] = {"qwen3_5_moe", "gemma4_text", "gemma4"};

class ExpectedRows {
 public:
  ExpectedRows(const Family& family, const Geometry& geometry, DType dtype) : family_(family), geometry_(geometry), dtype_(dtype) {}

  Result<std::vector<TensorInfo>> run() {
    std::vector<const Row*> rows;
    for (const Block& block : family_.blocks)
      for (const Row& row : block) rows.push_back(&row);
    const auto in_layer = [](const Row* row) { return starts_with_path(row->name, kLayerRows); };
    const auto first = std::ranges::find_if(rows, in_layer);
    const auto last = std::find_if_not(first, rows.end(), in_layer);
    for (auto it = rows.begin(); it != first; ++it) JANG_TRY(add(**it, -1));
    for (int layer = 0; layer < geometry_.n_layers; ++layer)
      for (auto it = first; it != last; ++it) JANG_TRY(add(**it, layer));
    for (auto it = last; it != rows.end(); ++it) JANG_TRY(add(**it, -1));
    return std::move(tensors_);
  }

 private:
  Status add(const Row& row, int layer) {
    if (!geometry_.has(row.when, layer)) return {};
    Shape shape;
    for (const Dim d : row.shape)
      if (d != Dim::none) shape.push_back(geometry_.size(d, layer));
    std::string_view name = row.name;
    if (std::ranges::find(kFusing, family_.name) != std::end(kFusing)) {
      const auto half = std::ranges::find_if(
          row.forms, [](const Form& f) { return f.layout == LayoutRule::first_half || f.layout == LayoutRule::second_half; });
      if (half != row.forms.end()) {
        if (half->layout == LayoutRule::second_half) return {};  // came with the first
        name = half->name;
        shape[1] *= 2;
      }
    }
    const auto n = checked_elements(shape);
    if (!n || *n > kMostWeights - weights_)
      return {StatusCode::corrupt, fmt::format("config.json: with '{}' of shape {} the model has more than {} weights, which no file holds",
                                               expand(name, layer), jang::to_string(shape), kMostWeights)};
    weights_ += *n;
    tensors_.push_back({rename_parts_back(expand(name, layer), family_.parts), dtype_, std::move(shape)});
    return {};
  }

  const Family& family_;
  const Geometry& geometry_;
  DType dtype_;
  std::int64_t weights_ = 0;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

Result<std::vector<TensorInfo>> expected_tensors(const json::Value& config) {
  if (!config.is_object()) return Status(StatusCode::corrupt, "config.json: must be an object");
  JANG_ASSIGN(const std::string model_type, json::get_string(config, "model_type", ""));
  if (model_type.empty()) return Status(StatusCode::corrupt, "config.json: 'model_type' is missing; it names the architecture");
  const Family* family = family_of(config);
  if (family == nullptr)
    return Status(
        StatusCode::unsupported,
        fmt::format("a config of model_type {} does not tell the shapes of its tensors: its family is not listed (listed are {}); "
                    "`jang plan` on a checkpoint of it reads the shapes from the files",
                    json::quote(model_type), fmt::join(families(), ", ")));
  json::Value edited = config;
  JANG_ASSIGN(Geometry geometry, read_config(*family, &edited));
  geometry.tied = says_tied(*family, edited);
  return ExpectedRows(*family, geometry, config_type(config)).run();
}

}  // namespace jang::arch
