// SPDX-License-Identifier: Apache-2.0
// First every module is understood, then those that are values take their place among the checkpoint's tensors, and last the rest is found
// again by name.
#include "format/targets/qweight_modules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/checked.h"
#include "codec/column_codes.h"
#include "format/targets/grouped_values.h"

namespace jang::targets {
namespace {

using format::Bundle;
using format::BundleModule;
using format::Checkpoint;
using format::StoredTensor;

struct ReadModule {
  QweightTensors tensors;
  QweightShape shape;
  std::int64_t n_groups = 0;
  std::vector<std::int32_t> group_of;           // empty: in order
  const codec::WeightFormat* format = nullptr;  // null: values
};

Status corrupt(const std::string& why) { return {StatusCode::corrupt, why}; }

const TensorInfo& info_at(const Checkpoint& c, int index) { return c.tensors()[static_cast<std::size_t>(index)].info; }

Status check_types(const Checkpoint& c, const QweightTensors& t) {
  for (const auto& [index, name] : {std::pair{t.qweight, kQweight}, {t.qzeros, kQzeros}}) {
    if (index < 0) return corrupt("qweight without " + std::string(name));
    const TensorInfo& info = info_at(c, index);
    if (info.dtype != DType::i32 || info.shape.size() != 2)
      return corrupt(fmt::format("{} is {} {}, expected a matrix of I32", name, jang::name(info.dtype), to_string(info.shape)));
  }
  if (t.scales < 0) return corrupt("qweight without scales");
  const TensorInfo& s = info_at(c, t.scales);
  const bool is_float = s.dtype == DType::f16 || s.dtype == DType::bf16 || s.dtype == DType::f32;
  if (!is_float || s.shape.size() != 2)
    return corrupt(fmt::format("scales is {} {}, expected a matrix of F16, BF16 or F32", jang::name(s.dtype), to_string(s.shape)));
  return {};
}

// The groups that scales and zero points are of.
Status check_groups(const Checkpoint& c, ReadModule* m) {
  const Shape &scales = info_at(c, m->tensors.scales).shape, &zeros = info_at(c, m->tensors.qzeros).shape;
  const QweightShape& q = m->shape;
  m->n_groups = scales[0];
  if (q.in <= 0 || q.out <= 0 || q.in % 32 != 0)
    return {StatusCode::unsupported, fmt::format("[{}, {}]: read are matrices of whole words, 32 inputs each", q.out, q.in)};
  if (m->n_groups <= 0 || m->n_groups > q.in || scales[1] != q.out || zeros != Shape{m->n_groups, codec::column_words(q.out, q.bits)})
    return corrupt(fmt::format("scales {} and qzeros {} do not belong to {} outputs and {} inputs at {} bits", to_string(scales),
                               to_string(zeros), q.out, q.in, q.bits));
  return {};
}

// g_idx where it says anything but column / group.
Status read_group_index(const Checkpoint& c, ReadModule* m) {
  const std::int64_t in = m->shape.in, group = ceil_div(in, m->n_groups);
  std::vector<std::int32_t> in_order(static_cast<std::size_t>(in));
  for (std::int64_t i = 0; i < in; ++i) in_order[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i / group);
  if (m->tensors.group_index >= 0) {
    const StoredTensor& t = c.tensors()[static_cast<std::size_t>(m->tensors.group_index)];
    if (t.info.dtype != DType::i32 || t.info.shape != Shape{in})
      return corrupt(fmt::format("g_idx is {} {}, expected I32 [{}]", jang::name(t.info.dtype), to_string(t.info.shape), in));
    m->group_of.resize(in_order.size());
    JANG_TRY(c.read(t, 0, std::as_writable_bytes(std::span(m->group_of))));
    for (const std::int32_t g : m->group_of)
      if (g < 0 || g >= m->n_groups) return corrupt(fmt::format("g_idx names group {} of {}", g, m->n_groups));
    if (m->group_of == in_order) m->group_of.clear();
  }
  if (m->group_of.empty() && in % m->n_groups == 0) {
    m->format = codec::find_format(codec::Kind::integer_zero, m->shape.bits, static_cast<int>(std::min<std::int64_t>(group, 1 << 20)));
    if (m->format == nullptr) m->group_of = std::move(in_order);
  } else if (m->group_of.empty()) {
    if ((m->n_groups - 1) * group >= in) return corrupt(fmt::format("{} groups for {} inputs", m->n_groups, in));
    m->group_of = std::move(in_order);  // the last group is shorter
  }
  return {};
}

Result<ReadModule> read_module(const Checkpoint& c, const std::string& path, const ShapeOf& shape_of) {
  ReadModule m;
  const auto find = [&](std::string_view name) { return c.find(path + "." + std::string(name)); };
  m.tensors = {path, find(kQweight), find(kQzeros), find(kScales), find(kGroupIndex)};
  JANG_TRY(check_types(c, m.tensors));
  JANG_ASSIGN(m.shape, shape_of(c, m.tensors));
  JANG_TRY(check_groups(c, &m));
  JANG_TRY(read_group_index(c, &m));
  return m;
}

std::vector<int> parts_of(const ReadModule& m) {
  std::vector<int> parts = {m.tensors.qweight, m.tensors.qzeros, m.tensors.scales};
  if (m.tensors.group_index >= 0) parts.push_back(m.tensors.group_index);
  return parts;
}

// The tensor of a module that is values.
StoredTensor made_tensor(const Checkpoint& c, const ReadModule& m) {
  const auto stored = [&](int i) { return c.tensors()[static_cast<std::size_t>(i)]; };
  const StoredTensor codes = stored(m.tensors.qweight), scales = stored(m.tensors.scales);
  format::GroupedMatrix g{m.shape.bits,
                          m.shape.out,
                          m.shape.in,
                          m.n_groups,
                          codes,
                          scales,
                          stored(m.tensors.qzeros),
                          m.shape.codes,
                          transposed(size_bytes(scales.info.dtype)),
                          m.shape.zeros,
                          m.group_of};
  StoredTensor made;
  made.info = {m.tensors.path + ".weight", DType::f32, {m.shape.out, m.shape.in}, codes.info.standing};
  made.file = codes.file;
  made.made = format::grouped_values(std::move(g));
  return made;
}

// Replaces modules that are values by their tensors.
void make_values(const std::vector<ReadModule>& modules, Checkpoint* c) {
  std::set<int> gone;
  std::vector<StoredTensor> tensors;
  for (const ReadModule& m : modules) {
    if (m.format != nullptr) continue;
    tensors.push_back(made_tensor(*c, m));
    for (const int i : parts_of(m)) gone.insert(i);
  }
  if (tensors.empty()) return;
  const std::string warning = fmt::format(
      "{} of {} packed modules have groups that are not 32, 64 or 128 columns in order, such as {}: they are computed with as "
      "float32 values, in eight times the memory of 4 bits",
      tensors.size(), modules.size(), tensors.front().info.name);
  for (std::size_t i = 0; i < c->tensors().size(); ++i)
    if (!gone.contains(static_cast<int>(i))) tensors.push_back(c->tensors()[i]);
  json::Value config = c->config();
  *c = std::move(*c).with(std::move(config), std::move(tensors), warning);
}

BundleModule bundle_module(const Checkpoint& c, const ReadModule& m) {
  const auto find = [&](std::string_view name) { return c.find(m.tensors.path + "." + std::string(name)); };
  BundleModule out{m.tensors.path, m.format, {m.shape.out, m.shape.in}, {find(kQweight), find(kScales), find(kQzeros)}, {}};
  const TensorInfo& scales = info_at(c, out.planes[1]);
  out.arranged = {m.shape.codes, transposed(size_bytes(scales.dtype)), m.shape.zeros};
  return out;
}

}  // namespace

bool is_packed_by(const Checkpoint& checkpoint, std::string_view method) {
  const json::Value* config = json::find(checkpoint.config(), "quantization_config");
  const json::Value* named = config != nullptr ? json::find(*config, "quant_method") : nullptr;
  if (named == nullptr || !named->is_string() || named->get_ref<const std::string&>() != method) return false;
  return std::ranges::any_of(checkpoint.tensors(),
                             [](const StoredTensor& t) { return t.info.name.ends_with("." + std::string(kQweight)); });
}

Status read_qweight_modules(const ShapeOf& shape_of, Bundle* bundle) {
  Checkpoint& c = bundle->checkpoint;
  const std::string suffix = "." + std::string(kQweight);
  std::vector<ReadModule> modules;
  for (const StoredTensor& t : c.tensors()) {
    if (!t.info.name.ends_with(suffix)) continue;
    const std::string path = t.info.name.substr(0, t.info.name.size() - suffix.size());
    if (c.find(path + ".weight") >= 0) return corrupt(fmt::format("{}: module {} has both qweight and weight", c.path(), path));
    auto module = read_module(c, path, shape_of);
    if (!module.ok()) return module.status().with_context(fmt::format("{}: module {}", c.path(), path));
    modules.push_back(std::move(module).value());
  }
  bundle->is_quantized = true;
  make_values(modules, &c);
  std::vector<bool> taken(c.tensors().size());
  for (const ReadModule& m : modules) {
    if (m.format == nullptr) continue;
    bundle->modules.push_back(bundle_module(c, m));
    for (const int i : bundle->modules.back().planes) taken[static_cast<std::size_t>(i)] = true;
    if (const int index = c.find(m.tensors.path + "." + std::string(kGroupIndex)); index >= 0)
      taken[static_cast<std::size_t>(index)] = true;
  }
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (!taken[i]) bundle->plain.push_back(static_cast<int>(i));
  return {};
}

}  // namespace jang::targets
