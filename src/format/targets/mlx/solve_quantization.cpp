// SPDX-License-Identifier: Apache-2.0
// Module by module: the pairs that its shapes leave, what decides between them, and the map that says so.
#include "format/targets/mlx/solve_quantization.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "arch/bind.h"
#include "arch/expected.h"
#include "arch/family.h"
#include "arch/path.h"
#include "arch/registry.h"
#include "base/checked.h"
#include "codec/affine.h"
#include "format/targets/mlx/families.h"
#include "format/targets/mlx/quantization.h"
#include "format/targets/targets.h"

namespace jang::targets::mlx {
namespace {

using format::Checkpoint;
using json::Value;

constexpr std::size_t kMostNamed = 8;  // modules in a message
constexpr std::int64_t kMostInputs = std::int64_t{1} << 32;
constexpr std::string_view kHiddenSizes[] = {"hidden_size", "n_embd", "d_model"};
constexpr std::string_view kInnerSizes[] = {"intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size", "n_inner",
                                            "ffn_dim"};
constexpr std::string_view kRanks[] = {"q_lora_rank", "kv_lora_rank", "embedding_dim"};

struct Pair {
  int bits = 0, group_size = 0;
  friend bool operator==(const Pair&, const Pair&) = default;
};

std::string text_of(const Pair& p) { return fmt::format("{} bits, group {}", p.bits, p.group_size); }

struct Packed {
  std::string path;
  Shape shape;  // of the codes
  std::int64_t words = 0, groups = 0;
  [[nodiscard]] std::vector<Pair> pairs() const {
    std::vector<Pair> list;
    for (const codec::WidthRow& w : codec::kWidths)
      for (const codec::GroupRow& g : codec::kGroups)
        if (words * 32 == groups * g.size * w.bits) list.push_back({w.bits, g.size});
    return list;
  }
};

Status corrupt_module(const std::string& path, const std::string& why) { return {StatusCode::corrupt, "module " + path + ": " + why}; }

Result<Packed> packed_at(const Checkpoint& c, const std::string& path) {
  const auto info_of = [&](std::string_view name) -> const TensorInfo* {
    const int i = c.find(path + "." + std::string(name));
    return i < 0 ? nullptr : &c.tensors()[static_cast<std::size_t>(i)].info;
  };
  const TensorInfo *w = info_of(kPlaneNames[0]), *s = info_of(kPlaneNames[1]), *b = info_of(kPlaneNames[2]);
  if (s->dtype == DType::u8)
    return Status(StatusCode::unsupported,
                  "module " + path + ": scales of one byte are of another mode than affine, whose bits are not solved");
  if (w == nullptr || b == nullptr) return corrupt_module(path, fmt::format("it has scales but no {}", w == nullptr ? "weight" : "biases"));
  if (w->dtype != DType::u32) return corrupt_module(path, fmt::format("weight is {}, expected U32", name(w->dtype)));
  const bool belong = w->shape.size() >= 2 && s->shape == b->shape && s->dtype == b->dtype && s->shape.size() == w->shape.size() &&
                      std::equal(w->shape.begin(), w->shape.end() - 1, s->shape.begin());
  Packed p{path, w->shape, 0, 0};
  if (belong) p.words = w->shape.back();
  if (belong) p.groups = s->shape.back();
  // A row of whole words: words * 32 codes at most, so that products below stay far from overflow.
  if (!belong || p.words <= 0 || p.groups <= 0 || p.words > kMostInputs || p.groups > kMostInputs)
    return corrupt_module(path, fmt::format("weight {}, scales {} and biases {} do not belong together", to_string(w->shape),
                                            to_string(s->shape), to_string(b->shape)));
  if (p.pairs().empty())
    return corrupt_module(path, fmt::format("{} words and {} groups a row fit no bits and group size", p.words, p.groups));
  return p;
}

Result<std::vector<Packed>> find_packed(const Checkpoint& c) {
  const std::string suffix = "." + std::string(kPlaneNames[1]);
  std::vector<Packed> modules;
  for (const format::StoredTensor& t : c.tensors()) {
    if (t.info.name.ends_with(".qweight"))
      return Status(StatusCode::unsupported,
                    "the tensor " + t.info.name + " is of another format (JANG v1, AutoAWQ, GPTQ), which `jang export` reads");
    if (!t.info.name.ends_with(suffix)) continue;
    JANG_ASSIGN(Packed p, packed_at(c, t.info.name.substr(0, t.info.name.size() - suffix.size())));
    modules.push_back(std::move(p));
  }
  if (modules.empty())
    return Status(StatusCode::invalid_argument,
                  c.path() + " has no packed modules (weight, scales and biases); there is nothing to repair");
  return modules;
}

// The sizes of a language model's inputs that a config names; none unless the hidden size and an inner one are among them, since maps with
// inputs of a size that is not named would else be taken for others.
std::set<std::int64_t> sizes_of(const Value& config) {
  std::set<std::int64_t> hidden, inner, others;
  const Value* text = json::find(config, "text_config");
  for (const Value* place : {&config, text}) {
    if (place == nullptr || !place->is_object()) continue;
    const auto number = [&](std::string_view key) -> std::int64_t {
      const Result<std::int64_t> found = json::get_int(*place, key, 0, 0, kMostInputs);
      return found.ok() ? *found : 0;
    };
    const auto add = [&](std::set<std::int64_t>* sizes, std::int64_t size) {
      if (size > 0) sizes->insert(size);
    };
    for (const std::string_view key : kHiddenSizes) add(&hidden, number(key));
    for (const std::string_view key : kInnerSizes) add(&inner, number(key));
    for (const std::string_view key : kRanks) add(&others, number(key));
    const std::int64_t heads = number("num_attention_heads");
    const std::int64_t head = number("head_dim") > 0 ? number("head_dim") : heads > 0 ? number("hidden_size") / heads : 0;
    add(&others, checked_mul<std::int64_t>(heads, head).value_or(0));
  }
  if (hidden.empty() || inner.empty()) return {};
  hidden.merge(inner);
  hidden.merge(others);
  return hidden;
}

class Solver {
 public:
  Solver(const Checkpoint& c, const Value& record) : c_(c), record_(record) {
    const Value* map = json::find(c.config(), "quantization");
    if (map != nullptr && map->is_object()) map_ = map;
    const Value* q = record.is_object() ? json::find(record, "quantization") : nullptr;
    const Value* manifest = q != nullptr && q->is_object() ? json::find(*q, "tensor_quantization_manifest") : nullptr;
    if (manifest != nullptr && manifest->is_object()) manifest_ = manifest;
    sizes_ = sizes_of(c.config());
  }

  Result<SolvedQuantization> run() {
    JANG_ASSIGN(packed_, find_packed(c_));
    find_inputs();
    SolvedQuantization out;
    std::vector<std::string> open;
    for (const Packed& p : packed_) {
      JANG_ASSIGN(const std::vector<Pair> left, solve(p, &out.modules));
      if (!left.empty())
        open.push_back(fmt::format("{} ({} words, {} groups a row: {})", p.path, p.words, p.groups, fmt::join(texts(left), " or ")));
    }
    if (!open.empty()) {
      const std::size_t more = open.size() > kMostNamed ? open.size() - kMostNamed : 0;
      open.resize(open.size() - more);
      return Status(StatusCode::unsupported,
                    fmt::format("{}: nothing says which bits these modules have: {}{}", c_.path(), fmt::join(open, "; "),
                                more > 0 ? fmt::format("; and {} more", more) : std::string()));
    }
    write(&out);
    return out;
  }

 private:
  static std::vector<std::string> texts(const std::vector<Pair>& pairs) {
    std::vector<std::string> list;
    for (const Pair& p : pairs) list.push_back(text_of(p));
    return list;
  }

  // Inputs of the modules whose tensors the family of the config knows.
  void find_inputs() {
    const Result<std::vector<TensorInfo>> expected = arch::expected_tensors(c_.config());
    if (!expected.ok()) return;
    std::map<std::string, std::int64_t> columns_of;
    for (const TensorInfo& t : *expected)
      if (t.shape.size() >= 2) columns_of[t.name] = t.shape.back();
    std::vector<TensorInfo> infos;
    for (const Packed& p : packed_) {
      infos.push_back({p.path + ".weight", DType::f32, p.shape});
      infos.back().shape.back() = p.groups * codec::kGroups.front().size;  // of no meaning: only names are asked for
    }
    // Norms and convolutions tell the spelling apart.
    for (const format::StoredTensor& t : c_.tensors())
      if (t.info.dtype != DType::u32) infos.push_back(t.info);
    arch::SourceFacts facts;
    facts.file_format = c_.file_format();
    for (const Target* target : targets()) target->published(c_.config(), &infos, &facts);
    const arch::Family* family = arch::family_of(c_.config());
    const FamilyRow* const row = family == nullptr ? nullptr : &family_row(family->name);
    for (std::size_t i = 0; i < packed_.size(); ++i) {
      auto found = columns_of.find(infos[i].name);
      if (found == columns_of.end() && row != nullptr) {  // the class's words for what the family calls otherwise
        if (!row->feed_forward.empty()) arch::replace_path(&infos[i].name, row->feed_forward, "mlp");
        infos[i].name = arch::rename_parts(std::move(infos[i].name), row->parts);
        found = columns_of.find(infos[i].name);
      }
      if (found != columns_of.end()) inputs_[packed_[i].path] = found->second;
    }
  }

  // bits and group_size of an entry of the map, the default's where it lacks them; none where it is no entry.
  static std::optional<Pair> entry_of(const Value* object, std::optional<Pair> fallback) {
    if (object == nullptr || !object->is_object()) return fallback;
    const auto bits = json::get_int(*object, "bits", fallback ? fallback->bits : 0, 0, 64);
    const auto group = json::get_int(*object, "group_size", fallback ? fallback->group_size : 0, 0, 1 << 20);
    if (!bits.ok() || !group.ok() || *bits == 0 || *group == 0) return std::nullopt;
    return Pair{static_cast<int>(*bits), static_cast<int>(*group)};
  }
  std::optional<Pair> said_by_config(const std::string& path) const {
    if (map_ == nullptr) return std::nullopt;
    const Value* own = json::find(*map_, path);
    if (own != nullptr && own->is_boolean()) return std::nullopt;
    return entry_of(own, entry_of(map_, std::nullopt));
  }
  // What holds for the module: its own entry, else the default; null where there is neither.
  const Value* entry_for(const std::string& path) const {
    const Value* own = map_ != nullptr ? json::find(*map_, path) : nullptr;
    return own != nullptr ? own : map_;
  }
  // mlx-lm takes an entry without a mode as affine, whatever the default's mode is.
  static bool is_affine(const Value* entry) {
    const Value* mode = entry != nullptr && entry->is_object() ? json::find(*entry, "mode") : nullptr;
    return mode == nullptr || *mode == "affine";
  }
  static std::string words_of(const Value* entry, const std::optional<Pair>& said) {
    if (entry == nullptr) return "nothing";
    if (said) return text_of(*said) + (is_affine(entry) ? "" : ", mode " + json::dump(*json::find(*entry, "mode")));
    return *entry == false ? "that it is not packed" : "no bits and group that are whole numbers";
  }
  std::optional<Pair> said_by_manifest(const std::string& path) const {
    return manifest_ == nullptr ? std::nullopt : entry_of(json::find(*manifest_, path), std::nullopt);
  }

  // Adds the module, or returns the pairs that it could have.
  Result<std::vector<Pair>> solve(const Packed& p, std::vector<SolvedModule>* modules) const {
    const std::optional<Pair> said = said_by_config(p.path), noted = said_by_manifest(p.path);
    const Value* const entry = entry_for(p.path);
    const auto is = [&](const Pair& pair, std::string_view by) {
      modules->push_back({p.path, pair.bits, pair.group_size, words_of(entry, said), by, said == pair && is_affine(entry)});
      return std::vector<Pair>{};
    };
    std::vector<Pair> pairs = p.pairs();
    const auto with_inputs = [&](auto&& fits) {
      std::vector<Pair> left;
      for (const Pair& pair : pairs)
        if (fits(p.groups * pair.group_size)) left.push_back(pair);
      return left;
    };
    if (const auto known = inputs_.find(p.path); known != inputs_.end()) {
      const std::vector<Pair> left = with_inputs([&](std::int64_t in) { return in == known->second; });
      if (left.size() == 1) return is(left.front(), "the model's shapes");
      return corrupt_module(p.path, fmt::format("the model's map has {} inputs, and {} words and {} groups a row mean {}", known->second,
                                                p.words, p.groups, fmt::join(texts(pairs), " or ")));
    }
    const auto among = [&](const std::optional<Pair>& pair) { return pair && std::ranges::find(pairs, *pair) != pairs.end(); };
    const Value* const own = map_ != nullptr ? json::find(*map_, p.path) : nullptr;
    if (own != nullptr && among(said)) return is(*said, "config.json");
    if (among(noted)) return is(*noted, "the manifest");
    const std::vector<Pair> sized = with_inputs([&](std::int64_t in) { return sizes_.contains(in); });
    if (sized.size() == 1 && pairs.size() > 1) return is(sized.front(), "sizes of config.json");
    if (!sized.empty()) pairs = sized;
    if (own == nullptr && among(said)) return is(*said, "config.json");  // beside an entry that is wrong a default says nothing
    if (pairs.size() == 1) return is(pairs.front(), "the only pair");
    return pairs;
  }

  // Whether a tensor has this name, or is the weight of a module of this name.
  bool names_something(const std::string& path) const {
    return c_.find(path) >= 0 || c_.find(path + "." + std::string(kPlaneNames[0])) >= 0;
  }

  void write(SolvedQuantization* out) const {
    std::map<std::pair<int, int>, double> weights;  // how many have a pair
    for (std::size_t i = 0; i < out->modules.size(); ++i) {
      const SolvedModule& m = out->modules[i];
      weights[{m.bits, m.group_size}] += static_cast<double>(elements(packed_[i].shape)) * 32 / m.bits;
    }
    const auto most = std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; })->first;
    const auto entry = [](int bits, int group) { return Value{{"group_size", group}, {"bits", bits}, {"mode", "affine"}}; };
    Value map = entry(most.first, most.second);
    for (const SolvedModule& m : out->modules) map[m.path] = entry(m.bits, m.group_size);
    const Value none = Value::object();
    for (const auto& [key, value] : (map_ != nullptr ? *map_ : none).items()) {
      if ((!value.is_object() && !value.is_boolean()) || map.contains(key)) continue;
      if (!names_something(key))
        out->removed.push_back(key);
      else if (value == false)
        map[key] = false;  // plain, and said so
    }
    out->config = c_.config();
    if (const auto text = out->config.find("text_config"); text != out->config.end() && text->is_object())
      for (const char* key : {"quantization", "quantization_config"}) text->erase(key);
    if (out->config.contains("quantization_config")) out->config["quantization_config"] = map;
    out->config["quantization"] = std::move(map);
    out->record = record_;
    if (manifest_ == nullptr) return;
    Value& manifest = out->record["quantization"]["tensor_quantization_manifest"];
    for (const SolvedModule& m : out->modules) {
      if (!manifest.contains(m.path) || !manifest[m.path].is_object()) continue;
      manifest[m.path]["bits"] = m.bits;
      manifest[m.path]["group_size"] = m.group_size;
    }
  }

  const Checkpoint& c_;
  const Value& record_;
  const Value *map_ = nullptr, *manifest_ = nullptr;
  std::set<std::int64_t> sizes_;
  std::vector<Packed> packed_;
  std::map<std::string, std::int64_t> inputs_;  // by path
};

}  // namespace

Result<SolvedQuantization> solve_quantization(const Checkpoint& checkpoint, const Value& record) {
  if (!checkpoint.config().is_object()) return Status(StatusCode::corrupt, checkpoint.path() + "/config.json is not an object");
  return Solver(checkpoint, record).run();
}

}  // namespace jang::targets::mlx
