// SPDX-License-Identifier: Apache-2.0
// Opening a bundle: config.json's quantization map against the tensors. Bits and group are never guessed from shapes: several pairs fit.
#include "format/bundle.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "codec/affine.h"

namespace jang::format {
namespace {

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
  const TensorInfo& w = c.tensors()[static_cast<std::size_t>(m.weight)].info;
  const TensorInfo& s = c.tensors()[static_cast<std::size_t>(m.scales)].info;
  const TensorInfo& b = c.tensors()[static_cast<std::size_t>(m.biases)].info;
  const auto fail = [&](const std::string& why) { return Status(StatusCode::corrupt, "module " + m.path + ": " + why); };
  if (w.dtype != DType::u32) return fail("weight has type " + std::string(name(w.dtype)) + ", expected U32");
  if (s.dtype != b.dtype || !info(s.dtype).is_float) return fail("scales and biases must have one float type");
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
    m.weight = c.find(m.path + ".weight");
    m.scales = c.find(t.info.name);
    m.biases = c.find(m.path + ".biases");
    if (m.weight < 0 || m.biases < 0)
      return Status(StatusCode::corrupt, path + ": module " + m.path + " has scales but no " + (m.weight < 0 ? "weight" : "biases"));
    Declared declared = fallback;
    if (const json::Value* own = json::find(*quantization, m.path); own && own->is_object()) {
      JANG_ASSIGN(declared, read_declared(*own, fallback, path + "/config.json: quantization of " + m.path));
    }
    if (Status s = check_shapes(c, m, declared); !s.ok()) return s.with_context(path);
    m.bits = declared.bits;
    m.group_size = declared.group_size;
    m.shape = c.tensors()[static_cast<std::size_t>(m.weight)].info.shape;
    m.shape.back() = c.tensors()[static_cast<std::size_t>(m.scales)].info.shape.back() * m.group_size;
    taken.insert({m.weight, m.scales, m.biases});
    bundle.modules.push_back(std::move(m));
  }
  for (int i = 0; i < static_cast<int>(c.tensors().size()); ++i)
    if (!taken.contains(i)) bundle.plain.push_back(i);
  return {};
}

}  // namespace

Result<Bundle> open_bundle(const std::string& path, const OpenOptions& options) {
  JANG_ASSIGN(Checkpoint checkpoint, Checkpoint::open(path, options));
  Bundle bundle{std::move(checkpoint), nullptr, false, {}, {}};
  std::error_code ec;
  const std::string jang_path = path + "/jang_config.json";
  if (std::filesystem::exists(jang_path, ec)) {
    JANG_ASSIGN(bundle.jang_config, json::parse_file(jang_path));
  }
  if (const Status found = find_modules(path, bundle); !found.ok()) return bundle.checkpoint.settle(found, false);
  return bundle;
}

}  // namespace jang::format
