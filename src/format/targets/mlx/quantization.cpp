// SPDX-License-Identifier: Apache-2.0
// Opening a bundle: config.json's quantization map against the tensors. Bits and group are never guessed from shapes: several pairs fit.
#include "format/targets/mlx/quantization.h"

#include <algorithm>
#include <set>

#include "codec/weight_format.h"
#include "format/targets/record.h"

namespace jang::targets::mlx {
namespace {

using format::Bundle;
using format::BundleModule;
using format::Checkpoint;
using format::StoredTensor;

constexpr std::string_view kScales = ".scales";

// (bits, group) pairs that a packed row of `words` u32 and `groups` scales could mean.
std::string consistent_pairs(std::int64_t words, std::int64_t groups) {
  std::string list;
  for (const codec::WidthRow& w : codec::kWidths)
    for (const codec::GroupRow& g : codec::kGroups)
      if (words * 32 == groups * g.size * w.bits)
        list += (list.empty() ? "" : ", ") + std::to_string(w.bits) + "/" + std::to_string(g.size);
  return list.empty() ? "none" : list;
}

struct Declared {
  int bits = 0, group_size = 0;
};

// bits and group_size of one quantization object, `fallback` where a key is absent.
Result<Declared> read_declared(const json::Value& object, Declared fallback, const std::string& where) {
  auto bits = json::get_int(object, "bits", fallback.bits, 0, 64);
  if (!bits.ok()) return bits.status().with_context(where);
  auto group = json::get_int(object, "group_size", fallback.group_size, 0, 1 << 20);
  if (!group.ok()) return group.status().with_context(where);
  auto mode = json::get_string(object, "mode", "affine");
  if (!mode.ok()) return mode.status().with_context(where);
  if (*mode != "affine") return Status(StatusCode::unsupported, where + ": mode \"" + *mode + "\"; only affine bundles are read");
  return Declared{static_cast<int>(*bits), static_cast<int>(*group)};
}

Status check_shapes(const Checkpoint& c, const BundleModule& m, Declared declared) {
  const TensorInfo& w = c.tensors()[static_cast<std::size_t>(m.planes[0])].info;
  const TensorInfo& s = c.tensors()[static_cast<std::size_t>(m.planes[1])].info;
  const TensorInfo& b = c.tensors()[static_cast<std::size_t>(m.planes[2])].info;
  const auto fail = [&](const std::string& why) { return Status(StatusCode::corrupt, "module " + m.path + ": " + why); };
  if (w.dtype != DType::u32) return fail("weight has type " + std::string(name(w.dtype)) + ", expected U32");
  const bool is_known = s.dtype == DType::bf16 || s.dtype == DType::f16 || s.dtype == DType::f32;
  if (s.dtype != b.dtype || !is_known) return fail("scales and biases must have one type of BF16, F16 and F32");
  if (w.shape.size() < 2 || s.shape != b.shape || s.shape.size() != w.shape.size() ||
      !std::equal(w.shape.begin(), w.shape.end() - 1, s.shape.begin()))
    return fail("weight " + to_string(w.shape) + ", scales " + to_string(s.shape) + " and biases " + to_string(b.shape) +
                " do not belong together");
  const std::int64_t words = w.shape.back(), groups = s.shape.back();
  const bool known = codec::is_width(declared.bits) && codec::is_group(declared.group_size);
  const auto lhs = checked_mul<std::int64_t>(words, 32);
  const auto rhs = checked_mul<std::int64_t>(groups, static_cast<std::int64_t>(declared.group_size) * declared.bits);
  if (!known || !lhs || !rhs || *lhs != *rhs)
    return fail("config.json says " + std::to_string(declared.bits) + " bits, group " + std::to_string(declared.group_size) + ", but " +
                std::to_string(words) + " words and " + std::to_string(groups) + " groups a row fit only bits/group " +
                consistent_pairs(words, groups));
  return {};
}

// Fills modules and plain tensors.
Status find_modules(const std::string& path, Bundle& bundle) {
  const Checkpoint& c = bundle.checkpoint;
  const json::Value* quantization = json::find(c.config(), "quantization");
  if (quantization && !quantization->is_object()) return Status(StatusCode::corrupt, path + "/config.json: quantization is not an object");
  bundle.is_quantized = quantization != nullptr;
  Declared fallback;
  if (quantization) {
    JANG_ASSIGN(fallback, read_declared(*quantization, {}, path + "/config.json: quantization"));
  }
  std::set<int> taken;
  for (const StoredTensor& t : c.tensors()) {
    if (!bundle.is_quantized || !t.info.name.ends_with(kScales)) continue;
    BundleModule m;
    m.path = t.info.name.substr(0, t.info.name.size() - kScales.size());
    for (const std::string_view name : kPlaneNames) {
      m.planes.push_back(c.find(m.path + "." + std::string(name)));
      if (m.planes.back() < 0) return Status(StatusCode::corrupt, path + ": module " + m.path + " has scales but no " + std::string(name));
    }
    Declared declared = fallback;
    const json::Value* own = json::find(*quantization, m.path);
    if (own != nullptr && own->is_boolean() && !own->get<bool>())
      return Status(StatusCode::corrupt, path + "/config.json: quantization leaves out module " + m.path + " (false), which has scales");
    if (own != nullptr && own->is_object()) {
      JANG_ASSIGN(declared, read_declared(*own, fallback, path + "/config.json: quantization of " + m.path));
    }
    if (Status s = check_shapes(c, m, declared); !s.ok()) return s.with_context(path);
    m.format = codec::find_format(codec::Kind::affine, declared.bits, declared.group_size);
    m.shape = c.tensors()[static_cast<std::size_t>(m.planes[0])].info.shape;
    m.shape.back() = c.tensors()[static_cast<std::size_t>(m.planes[1])].info.shape.back() * declared.group_size;
    taken.insert(m.planes.begin(), m.planes.end());
    bundle.modules.push_back(std::move(m));
  }
  for (int i = 0; i < static_cast<int>(c.tensors().size()); ++i)
    if (!taken.contains(i)) bundle.plain.push_back(i);
  return {};
}

}  // namespace

const codec::WeightFormat* most_common_format(const arch::Model& model, std::span<const TensorRecord> tensors) {
  const auto [bits, group] = most_common_choice(model, tensors);
  return bits == 0 ? nullptr : codec::find_format(codec::Kind::affine, bits, group);
}

json::Value quantization_map(const arch::Model& model, std::span<const TensorRecord> tensors) {
  const auto entry = [](const codec::WeightFormat& f) {
    return json::Value{{"group_size", f.group_size}, {"bits", f.bits}, {"mode", "affine"}};
  };
  json::Value map = entry(*most_common_format(model, tensors));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::OutTensor& t = model.tensors[i];
    const bool is_kept_matrix = t.role == arch::Role::vision && t.shape.size() >= 2 && t.name != t.module;
    if (tensors[i].format != nullptr) map[t.module] = entry(*tensors[i].format);
    if (tensors[i].format != nullptr && !t.copied_to.empty()) map[t.copied_to] = map[t.module];
    if (is_kept_matrix) map[t.module] = false;  // loaders would else go by what they find
  }
  return map;
}

Status read_modules(format::Bundle* bundle) { return find_modules(bundle->checkpoint.path(), *bundle); }

}  // namespace jang::targets::mlx
