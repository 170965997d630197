// SPDX-License-Identifier: Apache-2.0
// Planes, config and their reading. modules_to_not_convert holds parts of names: AutoAWQ leaves out whatever has one of them in its path.
#include "format/targets/awq/gemm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "format/targets/hugging_face.h"
#include "format/targets/layout.h"
#include "format/targets/qweight_modules.h"

namespace jang::targets::awq {
namespace {

using json::Value;

constexpr std::array<std::uint8_t, 8> kOrder = {0, 2, 4, 6, 1, 3, 5, 7};
constexpr std::size_t kMaxNames = 1u << 20;
constexpr std::int64_t kMaxQuestions = std::int64_t{1} << 28;

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

// What config.json says of every module.
struct Declared {
  std::int64_t group = 128;
  std::vector<std::string> left_out;  // modules_to_not_convert
};

Result<Declared> read_declared(const Value& config) {
  JANG_ASSIGN(const std::int64_t bits, json::get_int(config, "bits", kBits, 0, 64));
  JANG_ASSIGN(const std::string version, json::get_string(config, "version", "gemm"));
  JANG_ASSIGN(const bool has_zeros, json::get_bool(config, "zero_point", true));
  if (bits != kBits) return Status(StatusCode::unsupported, fmt::format("{} bits; AutoAWQ's files are read at 4", bits));
  std::string lower = version;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower != "gemm")
    return Status(StatusCode::unsupported, fmt::format("version {}; AutoAWQ's files are read in the version gemm", json::quote(version)));
  if (!has_zeros)
    return Status(StatusCode::unsupported, "zero_point is false, and the files have zero points (qzeros); with them zero_point is true");
  Declared out;
  JANG_ASSIGN(out.group, json::get_int(config, "group_size", out.group, -1, 1 << 20));
  const Value* names = json::find(config, "modules_to_not_convert");
  if (names == nullptr || names->is_null()) return out;
  if (!names->is_array() || names->size() > kMaxNames || !std::ranges::all_of(*names, [](const Value& name) { return name.is_string(); }))
    return Status(StatusCode::corrupt, "modules_to_not_convert is not a list of names");
  for (const Value& name : *names) out.left_out.push_back(name.get<std::string>());
  return out;
}

// The entry of modules_to_not_convert that keeps a module unpacked; null: none.
const std::string* entry_of(const Declared& declared, const std::string& module) {
  const auto found = std::ranges::find_if(declared.left_out,
                                          [&](const std::string& part) { return !part.empty() && module.find(part) != std::string::npos; });
  return found == declared.left_out.end() ? nullptr : &*found;
}

Result<QweightShape> shape_of(const Declared& declared, const format::Checkpoint& c, const QweightTensors& t) {
  if (const std::string* entry = entry_of(declared, t.path))
    return Status(StatusCode::corrupt, fmt::format("it is packed, and config.json leaves it out: modules_to_not_convert has {}, which is a "
                                                   "part of its name",
                                                   json::quote(*entry)));
  const std::int64_t group = declared.group;
  const Shape& words = c.tensors()[static_cast<std::size_t>(t.qweight)].info.shape;
  const auto out = checked_mul<std::int64_t>(words[1], kRowsPerWord);
  if (!out) return Status(StatusCode::corrupt, "qweight " + to_string(words) + " is impossible");
  QweightShape shape{kBits, *out, words[0], interleaved(true), interleaved(false)};
  const std::int64_t n_groups = c.tensors()[static_cast<std::size_t>(t.scales)].info.shape[0];
  if (n_groups != (group <= 0 ? 1 : ceil_div<std::int64_t>(shape.in, group)))
    return Status(StatusCode::corrupt,
                  fmt::format("config.json says groups of {}, and there are {} groups for {} inputs", group, n_groups, shape.in));
  return shape;
}

// What all modules of an unpacked tensor have in their names.
std::string part_of_names(const arch::OutTensor& t) {
  const std::string module = linear_module(t);
  return has_experts(t) ? module.substr(0, module.rfind(".0.")) : module;
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
      plain.push_back(part_of_names(t));
  }
  if (format == nullptr) return nullptr;
  return {{"quant_method", "awq"}, {"bits", kBits},     {"group_size", format->group_size},
          {"zero_point", true},    {"version", "gemm"}, {"modules_to_not_convert", plain}};
}

bool is_gemm(const format::Checkpoint& checkpoint) { return is_packed_by(checkpoint, "awq"); }

Status read_gemm(format::Bundle* bundle) {
  const format::Checkpoint& c = bundle->checkpoint;
  const auto declared = read_declared(*json::find(c.config(), "quantization_config"));
  if (!declared.ok()) return declared.status().with_context(c.path() + "/config.json: quantization_config");
  if (static_cast<std::int64_t>(declared->left_out.size()) > kMaxQuestions / std::max<std::int64_t>(1, std::ssize(c.tensors())))
    return {StatusCode::unsupported, c.path() + "/config.json: too many names in modules_to_not_convert for so many tensors"};
  return read_qweight_modules([&](const format::Checkpoint& from, const QweightTensors& t) { return shape_of(*declared, from, t); },
                              bundle);
}

void check_gemm(const format::Bundle& bundle, std::vector<format::Finding>* findings) {
  const Value* config = json::find(bundle.checkpoint.config(), "quantization_config");
  if (config == nullptr) return;
  const auto declared = read_declared(*config);
  if (!declared.ok()) return;  // read_gemm has said it
  for (const std::string& module : plain_linears(bundle))
    if (entry_of(*declared, module) == nullptr)
      findings->push_back({format::Severity::error, module + ".weight",
                           "is not packed, and config.json does not leave it out (modules_to_not_convert): a loader expects qweight"});
  for (const std::string& entry : declared->left_out)
    if (!names_a_module(bundle, [&](const std::string& module) { return module.find(entry) != std::string::npos; }) && entry != kHead)
      findings->push_back(
          {format::Severity::warning, "config.json", "modules_to_not_convert has " + json::quote(entry) + ", which is a part of no name"});
}

}  // namespace jang::targets::awq
