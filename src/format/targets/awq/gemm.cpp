// SPDX-License-Identifier: Apache-2.0
// Planes, config and their reading. modules_to_not_convert holds parts of names: AutoAWQ leaves out whatever has one of them in its path.
#include "format/targets/awq/gemm.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "format/targets/hugging_face.h"
#include "format/targets/layout.h"
#include "format/targets/qweight_modules.h"

namespace jang::targets::awq {
namespace {

using json::Value;

constexpr std::array<std::uint8_t, 8> kOrder = {0, 2, 4, 6, 1, 3, 5, 7};
constexpr std::size_t kMaxNames = 1u << 20;

constexpr Arrangement interleaved(bool packed) {
  Arrangement a = across_rows(kBits, packed);
  a.order = kOrder;
  return a;
}

void add_matrix(const std::string& module, std::int64_t row_begin, std::int64_t out, std::int64_t in, const codec::WeightFormat& f,
                DType params, std::vector<StoredPart>* parts) {
  const std::int64_t n_groups = in / f.group_size;
  const auto add = [&](std::string_view name, DType dtype, Shape shape, int plane, const Arrangement& a) {
    parts->push_back({.plane = plane,
                      .row_begin = row_begin,
                      .n_rows = out,
                      .info = {module + "." + std::string(name), dtype, std::move(shape)},
                      .arrangement = a});
  };
  add(kQweight, DType::i32, {in, out / kRowsPerWord}, 0, interleaved(true));
  add(kQzeros, DType::i32, {n_groups, out / kRowsPerWord}, 2, interleaved(false));
  add(kScales, params, {n_groups, out}, 1, transposed(size_bytes(params)));
}

Result<QweightShape> shape_of(const Value& config, const format::Checkpoint& c, const QweightTensors& t) {
  const Shape& words = c.tensors()[static_cast<std::size_t>(t.qweight)].info.shape;
  const auto out = checked_mul<std::int64_t>(words[1], kRowsPerWord);
  if (!out) return Status(StatusCode::corrupt, "qweight " + to_string(words) + " is impossible");
  QweightShape shape{kBits, *out, words[0], interleaved(true), interleaved(false)};
  JANG_ASSIGN(const std::int64_t group, json::get_int(config, "group_size", 128, -1, 1 << 20));
  const std::int64_t n_groups = c.tensors()[static_cast<std::size_t>(t.scales)].info.shape[0];
  if (n_groups != (group <= 0 ? 1 : ceil_div<std::int64_t>(shape.in, group)))
    return Status(StatusCode::corrupt,
                  fmt::format("config.json says groups of {}, and there are {} groups for {} inputs", group, n_groups, shape.in));
  return shape;
}

}  // namespace

std::int64_t matrix_rows(const arch::OutTensor& t) { return t.shape.size() < 2 ? 0 : t.shape[t.shape.size() - 2]; }

std::vector<StoredPart> gemm_parts(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return plain_parts(t, params);
  std::vector<StoredPart> parts;
  const std::int64_t n = has_experts(t) ? t.shape[0] : 1, out = rows(t.shape) / std::max<std::int64_t>(1, n);
  for (std::int64_t e = 0; e < n; ++e)
    add_matrix(has_experts(t) ? expert_name(t.module, e) : t.module, e * out, out, columns(t.shape), *format, params, &parts);
  return parts;
}

std::uint64_t gemm_bytes(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return stored_bytes(t, format, params);
  const std::int64_t in = columns(t.shape), n_groups = in / format->group_size;
  return static_cast<std::uint64_t>(rows(t.shape) * (in + n_groups) / 2 + rows(t.shape) * n_groups * size_bytes(params));
}

Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors) {
  const codec::WeightFormat* format = nullptr;
  std::vector<std::string> plain;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    if (!is_linear(t)) continue;
    if (tensors[i].format != nullptr)
      format = tensors[i].format;
    else
      plain.push_back(linear_module(t));
  }
  if (format == nullptr) return nullptr;
  return {{"quant_method", "awq"}, {"bits", kBits},     {"group_size", format->group_size},
          {"zero_point", true},    {"version", "gemm"}, {"modules_to_not_convert", plain}};
}

bool is_gemm(const format::Checkpoint& checkpoint) { return is_packed_by(checkpoint, "awq"); }

Status read_gemm(format::Bundle* bundle) {
  const Value config = *json::find(bundle->checkpoint.config(), "quantization_config");
  const std::string where = bundle->checkpoint.path() + "/config.json: quantization_config";
  const auto bits = json::get_int(config, "bits", kBits, 0, 64);
  if (!bits.ok()) return bits.status().with_context(where);
  const auto version = json::get_string(config, "version", "gemm");
  if (!version.ok()) return version.status().with_context(where);
  if (*bits != kBits) return {StatusCode::unsupported, fmt::format("{}: {} bits; AutoAWQ's files are read at 4", where, *bits)};
  std::string lower = *version;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower != "gemm")
    return {StatusCode::unsupported,
            fmt::format("{}: version {}; AutoAWQ's files are read in the version gemm", where, json::quote(*version))};
  return read_qweight_modules([&](const format::Checkpoint& c, const QweightTensors& t) { return shape_of(config, c, t); }, bundle);
}

void check_gemm(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  const Value* config = json::find(bundle.checkpoint.config(), "quantization_config");
  const Value* names = config != nullptr ? json::find(*config, "modules_to_not_convert") : nullptr;
  if (names == nullptr) return;
  if (!names->is_array() || names->size() > kMaxNames) {
    findings->push_back({format::Severity::error, "config.json", "modules_to_not_convert is not a list of names"});
    return;
  }
  std::set<std::string> packed;
  for (const format::BundleModule& m : bundle.modules) packed.insert(m.path);
  for (const Value& name : *names)
    if (name.is_string() && packed.contains(name.get<std::string>()))
      findings->push_back(
          {format::Severity::error, "config.json", "modules_to_not_convert names " + name.get<std::string>() + ", which is packed"});
}

}  // namespace jang::targets::awq
