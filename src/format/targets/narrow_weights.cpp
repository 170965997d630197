// SPDX-License-Identifier: Apache-2.0
// Every weight is found by its name and its type, its scales by their names beside it.
#include "format/targets/narrow_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "format/targets/float8_scales.h"
#include "format/targets/float_matrix.h"

namespace jang::format {
namespace {

constexpr std::string_view kWeight = ".weight", kPacked = ".weight_packed", kMlxScales = ".scales", kMlxBiases = ".biases";
constexpr std::string_view kBlocks = "_blocks", kBlockScales = "_scales", kPairOfOss = ".gate_up_proj";  // gpt_oss
constexpr std::array<std::string_view, 2> kFloat8Scales = {"_scale", "_scale_inv"};
constexpr std::array<std::string_view, 8> kOfActivations = {
    ".input_scale", ".output_scale", ".q_scale", ".k_scale", ".v_scale", ".activation_scale", ".input_global_scale", "_input_scale"};
constexpr std::int64_t kBlockBytes = 16, kMxGroup = 32, kNvGroup = 16;

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
  Status add_float8(int weight);
  Status find_float4();
  Status add_float4(int codes, const std::string& path);
  Result<float> one_number(int index) const;
  Status find_blocks();
  Status add_blocks(int blocks, const std::string& path);
  void leave_activations();
  Status find_mlx();
  Status add_mlx(const MlxMode& mode, const std::string& path, int scales);
  Result<const MlxMode*> mode_of(const json::Value& quantization, const std::string& path) const;
  json::Value config() const;

  Checkpoint c_;
  std::set<int> gone_;
  std::vector<StoredTensor> made_;
  std::set<std::string> mlx_paths_;
};

void Widener::add(const std::string& name, FloatMatrix matrix, Shape shape, std::initializer_list<int> parts) {
  StoredTensor made;
  made.info = {name, DType::f32, std::move(shape), matrix.elements.info.standing};
  made.file = matrix.elements.file;
  made.made = float_matrix(std::move(matrix));
  made_.push_back(std::move(made));
  gone_.insert(parts);  // -1, for what is not there, is no index
}

Status Widener::add_float8(int weight) {
  const StoredTensor& w = stored(weight);
  const std::size_t rank = w.info.shape.size();
  int scale = -1;
  for (const std::string_view name : kFloat8Scales)
    if (scale < 0) scale = c_.find(w.info.name + std::string(name));
  if (scale < 0 || (rank != 2 && rank != 3) || elements(w.info.shape) == 0) return {};  // refused by name where sources are checked
  FloatMatrix m;
  m.element = w.info.dtype == DType::f8_e5m2 ? ElementType::e5m2 : ElementType::e4m3;
  m.rows = rows(w.info.shape);
  m.columns = w.info.shape.back();
  if (rank == 3) m.rows_each = w.info.shape[1];
  m.elements = w;
  m.scales = stored(scale);
  switch (m.scales.info.dtype) {
    case DType::f32: m.scale = ScaleType::f32; break;
    case DType::bf16: m.scale = ScaleType::bf16; break;
    case DType::f16: m.scale = ScaleType::f16; break;
    default: return corrupt(m.scales.info.name, fmt::format("scales of type {}", name(m.scales.info.dtype)));
  }
  JANG_TRY(set_blocks(c_.config(), m.scales.info, &m).with_context(c_.path()));
  add(w.info.name, std::move(m), w.info.shape, {weight, scale});
  return {};
}

Status Widener::find_float8() {
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i) {
    const TensorInfo& t = stored(i).info;
    if (t.dtype == DType::f8_e4m3 || t.dtype == DType::f8_e5m2) JANG_TRY(add_float8(i));
  }
  return {};
}

// The one value of a tensor of one float.
Result<float> Widener::one_number(int index) const {
  const StoredTensor& t = stored(index);
  float value = 0;
  if (t.info.dtype != DType::f32 || elements(t.info.shape) != 1) return corrupt(t.info.name, "expected one number of type F32");
  JANG_TRY(c_.read(t, 0, std::as_writable_bytes(std::span(&value, 1))));
  if (!std::isfinite(value) || value <= 0) return corrupt(t.info.name, fmt::format("is {}, expected a number above 0", value));
  return value;
}

// Two elements of 4 bits in a byte: of compressed-tensors (weight_packed) and of ModelOpt (weight).
Status Widener::find_float4() {
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i) {
    const TensorInfo& t = stored(i).info;
    if (t.dtype != DType::u8 || t.shape.size() < 2) continue;
    for (const std::string_view leaf : {kPacked, kWeight})
      if (t.name.ends_with(leaf)) JANG_TRY(add_float4(i, t.name.substr(0, t.name.size() - leaf.size())));
  }
  return {};
}

Status Widener::add_float4(int codes, const std::string& path) {
  const TensorInfo& w = stored(codes).info;
  const int scales = c_.find(path + ".weight_scale"), divisor = c_.find(path + ".weight_global_scale"),
            multiplier = c_.find(path + ".weight_scale_2");
  if (scales < 0) return {};  // refused by name where sources are checked
  const TensorInfo& s = stored(scales).info;
  const bool is_nv = s.dtype == DType::f8_e4m3;
  if (!is_nv && s.dtype != DType::u8) return {};
  FloatMatrix m;
  m.element = ElementType::e2m1;
  m.scale = is_nv ? ScaleType::e4m3 : ScaleType::e8m0;
  m.block_columns = is_nv ? kNvGroup : kMxGroup;
  Shape shape = w.shape, wanted = w.shape;
  const auto columns = checked_mul<std::int64_t>(w.shape.back(), 2);
  if (!columns || *columns == 0 || *columns % m.block_columns != 0 || elements(w.shape) == 0)
    return corrupt(w.name, fmt::format("{} holds no rows of groups of {}", to_string(w.shape), m.block_columns));
  shape.back() = *columns;
  wanted.back() = *columns / m.block_columns;
  if (s.shape != wanted) return corrupt(s.name, fmt::format("{} does not belong to {} {}", to_string(s.shape), w.name, to_string(w.shape)));
  if (is_nv && divisor < 0 && multiplier < 0)
    return corrupt(w.name, "scales of type F8_E4M3 without weight_global_scale or weight_scale_2");
  if (divisor >= 0) {
    JANG_ASSIGN(m.divisor, one_number(divisor));
  }
  if (multiplier >= 0) {
    JANG_ASSIGN(m.multiplier, one_number(multiplier));
  }
  m.rows = rows(shape);
  m.columns = *columns;
  m.elements = stored(codes);
  m.scales = stored(scales);
  add(path + std::string(kWeight), std::move(m), std::move(shape), {codes, scales, divisor, multiplier});
  return {};
}

// gpt_oss: <experts>.gate_up_proj_blocks [E, 2 out, in/32, 16] U8 beside _scales [E, 2 out, in/32] e8m0, rows of gate and up in turns, and
// down_proj alike, which become <experts>.gate_proj.weight, up_proj.weight and down_proj.weight [E, out, in].
Status Widener::find_blocks() {
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i) {
    const TensorInfo& t = stored(i).info;
    if (t.dtype == DType::u8 && t.name.ends_with(kBlocks) && t.shape.size() == 4)
      JANG_TRY(add_blocks(i, t.name.substr(0, t.name.size() - kBlocks.size())));
  }
  return {};
}

Status Widener::add_blocks(int blocks, const std::string& path) {
  const Shape& b = stored(blocks).info.shape;
  const int scales = c_.find(path + std::string(kBlockScales));
  if (scales < 0) return {};  // refused by name where sources are checked
  const TensorInfo& s = stored(scales).info;
  const bool is_pair = path.ends_with(kPairOfOss);
  if (s.dtype != DType::u8 || s.shape != Shape(b.begin(), b.end() - 1) || b[3] != kBlockBytes || elements(b) == 0 ||
      (is_pair && b[1] % 2 != 0))
    return corrupt(stored(blocks).info.name,
                   fmt::format("{} and scales {} {} do not belong together", to_string(b), name(s.dtype), to_string(s.shape)));
  FloatMatrix m;
  m.element = ElementType::e2m1;
  m.scale = ScaleType::e8m0;
  m.columns = b[2] * kMxGroup;
  m.block_columns = kMxGroup;
  m.elements = stored(blocks);
  m.scales = stored(scales);
  m.step = is_pair ? 2 : 1;
  m.rows = b[0] * b[1] / m.step;
  const Shape shape = {b[0], b[1] / m.step, m.columns};
  if (!is_pair) {
    add(path + std::string(kWeight), std::move(m), shape, {blocks, scales});
    return {};
  }
  const std::string owner = path.substr(0, path.size() - kPairOfOss.size());
  for (const std::string_view part : {".gate_proj.weight", ".up_proj.weight"}) {
    add(owner + std::string(part), m, shape, {blocks, scales});
    ++m.first;
  }
  return {};
}

// What rounds activations and caches.
void Widener::leave_activations() {
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i)
    if (std::ranges::any_of(kOfActivations, [&](std::string_view leaf) { return stored(i).info.name.ends_with(leaf); })) gone_.insert(i);
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
  bool packs_more = false;
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i)
    packs_more =
        packs_more || (!gone_.contains(i) && (stored(i).info.name.ends_with(kMlxBiases) || stored(i).info.name.ends_with(kPacked)));
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
  JANG_TRY(find_float4());
  JANG_TRY(find_blocks());
  const bool rounds_activations = !made_.empty();
  if (rounds_activations) leave_activations();
  JANG_TRY(find_mlx());
  if (made_.empty()) return std::move(c_);
  const std::string warning =
      fmt::format("{} weights are floats of 4 or 8 bits, such as {}: they are computed with as float32 values{}", made_.size(),
                  made_.front().info.name, rounds_activations ? ", and activations are not rounded as config.json may ask" : "");
  json::Value left = config();
  for (int i = 0; i < static_cast<int>(c_.tensors().size()); ++i)
    if (!gone_.contains(i)) made_.push_back(stored(i));
  return std::move(c_).with(std::move(left), std::move(made_), warning);
}

}  // namespace

Result<Checkpoint> with_wide_weights(Checkpoint checkpoint) { return Widener(std::move(checkpoint)).run(); }

}  // namespace jang::format
