// SPDX-License-Identifier: Apache-2.0
// Every weight is found by its name and its type, its scales by their names beside it.
#include "format/targets/narrow_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <vector>

#include "base/checked.h"
#include "format/targets/float_matrix.h"

namespace jang::format {
namespace {

constexpr std::string_view kWeight = ".weight", kMlxScales = ".scales", kMlxBiases = ".biases";
constexpr std::array<std::string_view, 2> kFloat8Scales = {".weight_scale", ".weight_scale_inv"};
constexpr std::array<std::string_view, 5> kOfActivations = {".input_scale", ".output_scale", ".q_scale", ".k_scale", ".v_scale"};
constexpr std::int64_t kUsualBlock = 128;

// Modes of MLX's quantized maps but affine.
struct MlxMode {
  std::string_view name;
  int bits, group;
  ElementType element;
  ScaleType scale;
};
constexpr std::array<MlxMode, 3> kMlxModes = {{{"mxfp4", 4, 32, ElementType::e2m1, ScaleType::e8m0},
                                               {"mxfp8", 8, 32, ElementType::e4m3, ScaleType::e8m0},
                                               {"nvfp4", 4, 16, ElementType::e2m1, ScaleType::e4m3}}};

class Widener {
 public:
  explicit Widener(Checkpoint checkpoint) : c_(std::move(checkpoint)) {}
  Result<Checkpoint> run() &&;

 private:
  const StoredTensor& stored(int index) const { return c_.tensors()[static_cast<std::size_t>(index)]; }
  Status corrupt(const std::string& name, const std::string& why) const {
    return {StatusCode::corrupt, fmt::format("{}: tensor {}: {}", c_.path(), name, why)};
  }
  void add(const std::string& name, FloatMatrix matrix, Shape shape, std::initializer_list<int> parts);
  Status find_float8();
  Status add_float8(int weight, const std::string& path);
  Status set_blocks(const StoredTensor& scales, FloatMatrix* m) const;
  Status find_mlx();
  Status add_mlx(const MlxMode& mode, const std::string& path, int scales);
  Result<const MlxMode*> mode_of(const json::Value& quantization, const std::string& path) const;
  json::Value config() const;

  Checkpoint c_;
  std::set<int> gone_;
  std::vector<StoredTensor> made_;
  std::set<std::string> mlx_paths_;
  bool has_float8_ = false;
};

void Widener::add(const std::string& name, FloatMatrix matrix, Shape shape, std::initializer_list<int> parts) {
  StoredTensor made;
  made.info = {name, DType::f32, std::move(shape), matrix.elements.info.standing};
  made.file = matrix.elements.file;
  made.made = float_matrix(std::move(matrix));
  made_.push_back(std::move(made));
  gone_.insert(parts);
}

// [rows, columns] of a config's list of two numbers.
std::optional<std::pair<std::int64_t, std::int64_t>> block_in(const json::Value* list) {
  if (list == nullptr || !list->is_array() || list->size() != 2) return std::nullopt;
  for (const json::Value& n : *list)
    if (!n.is_number_integer() || n < 1 || n > 1 << 20) return std::nullopt;
  return std::pair{(*list)[0].get<std::int64_t>(), (*list)[1].get<std::int64_t>()};
}

std::pair<std::int64_t, std::int64_t> declared_block(const json::Value& config) {
  const json::Value* q = json::find(config, "quantization_config");
  if (q == nullptr) return {kUsualBlock, kUsualBlock};
  if (const auto block = block_in(json::find(*q, "weight_block_size"))) return *block;
  if (const json::Value* groups = json::find(*q, "config_groups"); groups != nullptr && groups->is_object())
    for (const auto& [name, group] : groups->items())
      if (const json::Value* weights = json::find(group, "weights"))
        if (const auto block = block_in(json::find(*weights, "block_structure"))) return *block;
  return {kUsualBlock, kUsualBlock};
}

// What the shape of the scales says they are for.
Status Widener::set_blocks(const StoredTensor& scales, FloatMatrix* m) const {
  Shape s = scales.info.shape;
  while (s.size() < 2) s.push_back(1);
  const auto wrong = [&] {
    return corrupt(scales.info.name,
                   fmt::format("{} does not belong to a weight [{}, {}]", to_string(scales.info.shape), m->rows, m->columns));
  };
  if (s.size() != 2) return wrong();
  const auto [block_rows, block_columns] = declared_block(c_.config());
  if (s[0] == 1 && s[1] == 1) {
    m->block_rows = m->rows;
    m->block_columns = m->columns;
  } else if (s[0] == m->rows && s[1] > 0 && m->columns % s[1] == 0) {
    m->block_columns = m->columns / s[1];
  } else if (s[0] == ceil_div(m->rows, block_rows) && s[1] == ceil_div(m->columns, block_columns)) {
    m->block_rows = block_rows;
    m->block_columns = block_columns;
  } else {
    return wrong();
  }
  return {};
}

Status Widener::add_float8(int weight, const std::string& path) {
  const StoredTensor& w = stored(weight);
  int scale = -1;
  for (const std::string_view name : kFloat8Scales)
    if (scale < 0) scale = c_.find(path + std::string(name));
  if (scale < 0 || w.info.shape.size() != 2 || elements(w.info.shape) == 0) return {};  // refused by name where sources are checked
  FloatMatrix m;
  m.element = w.info.dtype == DType::f8_e5m2 ? ElementType::e5m2 : ElementType::e4m3;
  m.rows = w.info.shape[0];
  m.columns = w.info.shape[1];
  m.elements = w;
  m.scales = stored(scale);
  switch (m.scales.info.dtype) {
    case DType::f32: m.scale = ScaleType::f32; break;
    case DType::bf16: m.scale = ScaleType::bf16; break;
    case DType::f16: m.scale = ScaleType::f16; break;
    default: return corrupt(m.scales.info.name, fmt::format("scales of type {}", name(m.scales.info.dtype)));
  }
  JANG_TRY(set_blocks(m.scales, &m));
  has_float8_ = true;
  add(w.info.name, std::move(m), w.info.shape, {weight, scale});
  return {};
}

Status Widener::find_float8() {
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i) {
    const TensorInfo& t = stored(i).info;
    if ((t.dtype == DType::f8_e4m3 || t.dtype == DType::f8_e5m2) && t.name.ends_with(kWeight))
      JANG_TRY(add_float8(i, t.name.substr(0, t.name.size() - kWeight.size())));
  }
  if (!has_float8_) return {};
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i)
    if (std::ranges::any_of(kOfActivations, [&](std::string_view leaf) { return stored(i).info.name.ends_with(leaf); })) gone_.insert(i);
  return {};
}

Result<const MlxMode*> Widener::mode_of(const json::Value& quantization, const std::string& path) const {
  const json::Value* own = json::find(quantization, path);
  const json::Value& says = own != nullptr && own->is_object() && json::find(*own, "mode") != nullptr ? *own : quantization;
  JANG_ASSIGN(const std::string name, json::get_string(says, "mode", "affine"));
  for (const MlxMode& mode : kMlxModes)
    if (mode.name == name) return &mode;
  return Status(StatusCode::unsupported, fmt::format("{}/config.json: quantization of {}: mode {}; read are affine, mxfp4, mxfp8 and nvfp4",
                                                     c_.path(), path, json::quote(name)));
}

Status Widener::add_mlx(const MlxMode& mode, const std::string& path, int scales) {
  const int weight = c_.find(path + std::string(kWeight));
  if (weight < 0) return corrupt(stored(scales).info.name, "scales without a weight");
  const TensorInfo &w = stored(weight).info, &s = stored(scales).info;
  const auto groups = checked_mul<std::int64_t>(s.shape.back(), static_cast<std::int64_t>(mode.group) * mode.bits);
  const auto bits = w.shape.empty() ? std::nullopt : checked_mul<std::int64_t>(w.shape.back(), 32);
  const bool alike = w.dtype == DType::u32 && w.shape.size() >= 2 && w.shape.size() == s.shape.size() &&
                     std::equal(w.shape.begin(), w.shape.end() - 1, s.shape.begin());
  if (!alike || !groups || !bits || *groups != *bits || elements(w.shape) == 0)
    return corrupt(w.name, fmt::format("{} {} and scales {} do not belong together in the mode {}", name(w.dtype), to_string(w.shape),
                                       to_string(s.shape), mode.name));
  FloatMatrix m;
  m.element = mode.element;
  m.scale = mode.scale;
  m.rows = rows(w.shape);
  m.columns = s.shape.back() * mode.group;
  m.block_columns = mode.group;
  m.elements = stored(weight);
  m.scales = stored(scales);
  Shape shape = w.shape;
  shape.back() = m.columns;
  mlx_paths_.insert(path);
  add(w.name, std::move(m), std::move(shape), {weight, scales});
  return {};
}

Status Widener::find_mlx() {
  const json::Value* quantization = json::find(c_.config(), "quantization");
  if (quantization == nullptr || !quantization->is_object()) return {};
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i) {
    const TensorInfo& t = stored(i).info;
    if (t.dtype != DType::u8 || !t.name.ends_with(kMlxScales) || t.shape.empty()) continue;
    const std::string path = t.name.substr(0, t.name.size() - kMlxScales.size());
    if (c_.find(path + std::string(kMlxBiases)) >= 0) continue;
    JANG_ASSIGN(const MlxMode* const mode, mode_of(*quantization, path));
    JANG_TRY(add_mlx(*mode, path, i));
  }
  return {};
}

// What is left of the config's words about packing.
json::Value Widener::config() const {
  json::Value config = c_.config();
  const bool packs_more = std::ranges::any_of(
      c_.tensors(), [&](const StoredTensor& t) { return t.info.name.ends_with(kMlxBiases) || t.info.name.ends_with(".weight_packed"); });
  if (!packs_more) {
    config.erase("quantization");
    config.erase("quantization_config");
    return config;
  }
  for (const char* key : {"quantization", "quantization_config"}) {
    if (mlx_paths_.empty() || !config.contains(key) || !config[key].is_object()) continue;
    for (const std::string& path : mlx_paths_) config[key].erase(path);
    config[key]["mode"] = "affine";
  }
  return config;
}

Result<Checkpoint> Widener::run() && {
  JANG_TRY(find_float8());
  JANG_TRY(find_mlx());
  if (made_.empty()) return std::move(c_);
  const std::string warning =
      fmt::format("{} weights are floats of 4 or 8 bits, such as {}: they are computed with as float32 values{}", made_.size(),
                  made_.front().info.name, has_float8_ ? ", and activations are not rounded as config.json may ask" : "");
  json::Value left = config();
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i)
    if (!gone_.contains(i)) made_.push_back(stored(i));
  return std::move(c_).with(std::move(left), std::move(made_), warning);
}

}  // namespace

Result<Checkpoint> with_wide_weights(Checkpoint checkpoint) { return Widener(std::move(checkpoint)).run(); }

}  // namespace jang::format
