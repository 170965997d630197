// SPDX-License-Identifier: Apache-2.0
// From a family's rows to the tensors of the model: for every row and layer, find the source, check shape and dtype, cut it into pieces.
// Strict in both directions, as loaders are: every row must find its tensor and every source tensor must find a row or a drop rule.
// Work is bounded by the number of source tensors: the first one missing ends it.
#include "arch/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "arch/extras.h"
#include "arch/family.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "arch/role.h"
#include "base/check.h"

namespace jang::arch {
namespace {

constexpr std::string_view kEmbeddingName = "model.embed_tokens.weight";
constexpr std::string_view kHeadName = "lm_head.weight";
constexpr std::string_view kLayerPrefix = "model.layers";

struct Source {
  int index = 0;
  bool used = false;
};

// Whether parts of names are as published: a part occurs that no canonical name has, in what is not left out. A published part may be the
// canonical name of another one, so names that are canonical already must stay as they are.
bool has_published_parts(const Family& family, std::span<const TensorInfo> sources) {
  return std::ranges::any_of(family.parts, [&](const Rename& r) {
    if (std::ranges::find(family.parts, r.from, &Rename::to) != family.parts.end()) return false;
    return std::ranges::any_of(sources, [&](const TensorInfo& t) {
      if (is_of_dropped_part(family, t.name)) return false;
      std::string name = t.name;
      replace_path(&name, r.from, r.to);
      return name != t.name;
    });
  });
}

class Binder {
 public:
  Binder(const Family& family, const Geometry& geometry, std::span<const TensorInfo> sources, const SourceFacts& facts, Model* model)
      : family_(family),
        published_(has_published_parts(family, sources)),
        geometry_(geometry),
        sources_(sources),
        facts_(facts),
        model_(model) {}

  // Canonical names and what is left out.
  Status index();
  Status index_one(std::size_t source);
  // Ties embedding and head if the config or the tensors say so.
  Status resolve_tie(const json::Value& text, Geometry* geometry);
  Status bind_rows();
  // What stands in a tower, as the source names it, behind the text model.
  Status bind_towers();
  // Source tensors without a row: an error for those that count as the model's, left out and told otherwise.
  Status settle_leftovers();

 private:
  Source* find(std::string_view canonical) {
    const auto it = by_name_.find(std::string(canonical));
    return it == by_name_.end() ? nullptr : &it->second;
  }
  const TensorInfo& info_of(const Source& s) const { return sources_[static_cast<std::size_t>(s.index)]; }
  Shape shape_of(const Row& row, int layer) const;
  Status bind_row(const Row& row, int layer);
  Status take(const Form& form, int layer, OutTensor* out);
  Status stack_experts(const Form& form, int layer, OutTensor* out);
  Status cut_half(const Form& form, Source* source, OutTensor* out);
  Status use(Source* source, const Shape& expected, OutTensor* out);
  Status missing(std::string_view canonical, std::string_view why) const;
  bool is_of_shared_keys(const std::vector<std::string_view>& parts) const;

  const Family& family_;
  const bool published_;  // parts of names are
  const Geometry& geometry_;
  std::span<const TensorInfo> sources_;
  const SourceFacts& facts_;
  Model* model_;
  std::unordered_map<std::string, Source> by_name_;  // canonical name; never iterated, so its order decides nothing
  std::vector<std::string> canonical_;               // by source, empty when dropped or in a tower
  std::map<std::string, int> in_towers_;             // name without wrappers, source
};

std::string canonical_name(const Family& family, bool published, std::string_view stored) {
  std::string name = unwrapped(stored);
  const auto prefix = std::ranges::find_if(family.prefixes, [&](const Rename& r) { return name.starts_with(r.from); });
  if (prefix != family.prefixes.end()) name.replace(0, prefix->from.size(), prefix->to);
  return published ? rename_parts(std::move(name), family.parts) : name;
}

const Drop* find_drop(const Family& family, std::string_view canonical) {
  for (const Drop& d : family.drops)
    if (starts_with_path(canonical, d.prefix) || ends_with_path(canonical, d.suffix)) return &d;
  return nullptr;
}

// How a rule is shown: the family and the row without the parts that every row has.
std::string rule_name(const Family& family, std::string_view row_name) {
  std::string_view short_name = module_of(row_name);
  if (short_name.starts_with("model.")) short_name.remove_prefix(6);
  return fmt::format("{}: {}", family.name, short_name);
}

Status Binder::index() {
  canonical_.resize(sources_.size());
  for (const bool stray : {false, true})  // strays last: they only fill gaps
    for (std::size_t i = 0; i < sources_.size(); ++i)
      if ((sources_[i].standing == Standing::stray) == stray) JANG_TRY(index_one(i));
  return {};
}

Status Binder::index_one(std::size_t i) {
  const TensorInfo& source = sources_[i];
  std::string canonical = canonical_name(family_, published_, source.name);
  const Drop* drop = find_drop(family_, canonical);
  const std::string_view reason = drop != nullptr ? drop->reason : buffer_reason(source);
  if (!reason.empty()) {
    model_->dropped.push_back({source.name, std::string(reason)});
    return {};
  }
  const auto holds = [&](std::string_view tower) { return starts_with_path(canonical, tower); };
  if (std::ranges::any_of(family_.towers, holds)) {
    if (!in_towers_.emplace(unwrapped(source.name), static_cast<int>(i)).second && source.standing != Standing::stray)
      return {StatusCode::corrupt, fmt::format("tensor '{}' occurs twice", source.name)};
    return {};
  }
  if (!by_name_.emplace(canonical, Source{static_cast<int>(i), false}).second) {
    if (source.standing == Standing::stray) return {};
    return {StatusCode::corrupt, fmt::format("tensor '{}' occurs twice (as '{}' under another prefix)", source.name, canonical)};
  }
  canonical_[i] = std::move(canonical);
  return {};
}

Status Binder::resolve_tie(const json::Value& text, Geometry* geometry) {
  std::optional<bool> flag;  // tied when either place says so: loaders read one or the other
  for (const json::Value* place : {&text, static_cast<const json::Value*>(&model_->config)}) {
    if (json::find(*place, "tie_word_embeddings") == nullptr) continue;
    JANG_ASSIGN(const bool value, json::get_bool(*place, "tie_word_embeddings", false));
    flag = flag.value_or(false) || value;
  }
  const bool has_head = find(kHeadName) != nullptr, has_embedding = find(kEmbeddingName) != nullptr;
  if (family_.tied_by_default)
    geometry->tied = !has_head || flag.value_or(true);
  else
    geometry->tied = flag.value_or(!(has_head && has_embedding));
  if (geometry->tied && has_head && has_embedding && facts_.head_differs) {
    geometry->tied = false;
    model_->warnings.emplace_back(kOwnHeadWarning);
  }
  if (!geometry->tied || !has_head) return {};
  const int head = find(kHeadName)->index;
  by_name_.erase(std::string(kHeadName));
  if (has_embedding) {
    model_->dropped.push_back({sources_[static_cast<std::size_t>(head)].name, "tied: the embedding serves as output head"});
    canonical_[static_cast<std::size_t>(head)].clear();
  } else {  // the one matrix is stored under the head's name
    by_name_.emplace(kEmbeddingName, Source{head, false});
    canonical_[static_cast<std::size_t>(head)] = kEmbeddingName;
  }
  return {};
}

Status Binder::bind_rows() {
  std::vector<const Row*> rows;
  for (const Block& block : family_.blocks)
    for (const Row& row : block) rows.push_back(&row);
  const auto in_layer = [](const Row* row) { return starts_with_path(row->name, kLayerPrefix); };
  const auto first = std::find_if(rows.begin(), rows.end(), in_layer);
  const auto last = std::find_if_not(first, rows.end(), in_layer);
  JANG_CHECK(std::none_of(last, rows.end(), in_layer));
  for (auto it = rows.begin(); it != first; ++it) JANG_TRY(bind_row(**it, -1));
  for (int layer = 0; layer < geometry_.n_layers; ++layer)
    for (auto it = first; it != last; ++it) JANG_TRY(bind_row(**it, layer));
  for (auto it = last; it != rows.end(); ++it) JANG_TRY(bind_row(**it, -1));
  return {};
}

Shape Binder::shape_of(const Row& row, int layer) const {
  Shape shape;
  for (const Dim d : row.shape)
    if (d != Dim::none) shape.push_back(geometry_.size(d, layer));
  return shape;
}

Status Binder::bind_row(const Row& row, int layer) {
  if (!geometry_.has(row.when, layer)) return {};
  OutTensor out;
  out.name = expand(row.name, layer);
  out.module = module_of(out.name);
  out.canonical = out.unit = out.module;
  out.shape = shape_of(row, layer);
  out.role = row.role == Role::embedding && geometry_.tied ? Role::tied_embedding : row.role;
  out.rule = rule_name(family_, row.name);
  out.layer = layer;
  out.keep_dtype = (row.flags & kKeepDtype) != 0;
  if ((row.flags & kZeroCentred) && !facts_.plain_norms) out.add = 1.0f;

  const Form own{row.name};
  const std::span<const Form> forms = row.forms.empty() ? std::span<const Form>(&own, 1) : row.forms;
  const auto present = [&](const Form& f) {
    return find(f.layout == LayoutRule::stack_experts ? expand(f.name, layer, 0) : expand(f.name, layer)) != nullptr;
  };
  auto form = std::find_if(forms.begin(), forms.end(), present);
  if (form == forms.end() && forms.back().layout == LayoutRule::stack_experts) --form;  // says which expert is missing
  if (form == forms.end()) return missing(expand(row.name, layer), "");
  JANG_TRY(take(*form, layer, &out));

  out.quantizable = is_quantizable(out.role) && out.shape.size() >= 2;
  model_->tensors.push_back(std::move(out));
  return {};
}

Status Binder::take(const Form& form, int layer, OutTensor* out) {
  if (form.layout == LayoutRule::stack_experts) return stack_experts(form, layer, out);
  Source* source = find(expand(form.name, layer));
  return form.layout == LayoutRule::whole ? use(source, out->shape, out) : cut_half(form, source, out);
}

// Checks one source tensor and appends all its rows.
Status Binder::use(Source* source, const Shape& expected, OutTensor* out) {
  const TensorInfo& t = info_of(*source);
  if (t.shape != expected)
    return {StatusCode::corrupt, fmt::format("tensor '{}': config.json asks for shape {}, the file has {}", t.name,
                                             jang::to_string(expected), jang::to_string(t.shape))};
  if (t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
    return {StatusCode::unsupported, fmt::format("tensor '{}' is {}; sources are F32, F16 or BF16", t.name, name(t.dtype))};
  if (!out->pieces.empty() && out->source_dtype != t.dtype)
    return {StatusCode::unsupported,
            fmt::format("tensor '{}' is {}, the experts before it are {}", t.name, name(t.dtype), name(out->source_dtype))};
  out->source_dtype = t.dtype;
  out->pieces.push_back({source->index, 0, rows(t.shape)});
  source->used = true;
  return {};
}

Status Binder::stack_experts(const Form& form, int layer, OutTensor* out) {
  const Shape each(out->shape.begin() + 1, out->shape.end());
  for (int e = 0; e < geometry_.n_experts; ++e) {
    const std::string name = expand(form.name, layer, e);
    Source* source = find(name);
    if (source == nullptr) return missing(name, fmt::format(", expert {} of {}", e, geometry_.n_experts));
    JANG_TRY(use(source, each, out));
  }
  return {};
}

Status Binder::cut_half(const Form& form, Source* source, OutTensor* out) {
  const bool experts = out->shape.size() == 3;  // else one matrix
  const std::int64_t n_experts = experts ? out->shape[0] : 1, n_rows = out->shape[experts ? 1 : 0];
  Shape fused = out->shape;
  fused[experts ? 1 : 0] *= 2;
  OutTensor whole;  // checks the fused tensor as one
  JANG_TRY(use(source, fused, &whole));
  out->source_dtype = whole.source_dtype;
  const std::int64_t skip = form.layout == LayoutRule::second_half ? n_rows : 0;
  for (std::int64_t e = 0; e < n_experts; ++e) out->pieces.push_back({source->index, e * 2 * n_rows + skip, n_rows});
  out->unit = out->module.substr(0, out->module.rfind('.') + 1) + "gate_up_proj";
  return {};
}

Status Binder::bind_towers() {
  for (const auto& [name, index] : in_towers_) {
    const TensorInfo& t = sources_[static_cast<std::size_t>(index)];
    if (info(t.dtype).is_float && t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
      return {StatusCode::unsupported, fmt::format("tensor '{}' is {}; sources are F32, F16 or BF16", t.name, jang::name(t.dtype))};
    OutTensor out;
    out.name = name;
    out.module = out.canonical = out.unit = module_of(name);
    out.shape = t.shape;
    out.source_dtype = t.dtype;
    out.role = Role::vision;
    out.rule = fmt::format("{}: beside the text model", family_.name);
    out.pieces = {{index, 0, rows(t.shape)}};
    model_->tensors.push_back(std::move(out));
  }
  model_->has_vision = !in_towers_.empty();
  return {};
}

Status Binder::missing(std::string_view canonical, std::string_view why) const {
  return {StatusCode::corrupt, fmt::format("tensor '{}' is missing{}: a {} model of {} layers has it; the checkpoint is incomplete or its "
                                           "config.json belongs to another model",
                                           canonical, why, family_.name, geometry_.n_layers)};
}

// Published files hold maps of keys and values, which nothing reads, in layers that have none of their own.
bool Binder::is_of_shared_keys(const std::vector<std::string_view>& parts) const {
  constexpr std::string_view kModules[] = {"k_proj", "v_proj", "k_norm", "v_norm"};
  return parts.size() > 4 && parts[1] == "layers" && component_number(parts[2]) >= geometry_.first_shared && parts[3] == "self_attn" &&
         std::ranges::find(kModules, parts[4]) != std::end(kModules);
}

Status Binder::settle_leftovers() {
  std::vector<std::string> left_out, filled;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (canonical_[i].empty()) continue;
    const std::string& name = sources_[i].name;
    const Standing standing = sources_[i].standing;
    if (by_name_.at(canonical_[i]).used) {
      if (standing == Standing::stray) filled.push_back(name);
      continue;
    }
    if (standing != Standing::listed) {
      if (standing == Standing::unlisted) left_out.push_back(name);
      continue;
    }
    const auto parts = split_path(canonical_[i]);
    if (is_of_shared_keys(parts)) {
      model_->dropped.push_back({name, "the layer reads the keys and values of an earlier one"});
      continue;
    }
    const bool beyond = parts.size() > 2 && parts[1] == "layers" && component_number(parts[2]) >= geometry_.n_layers;
    if (beyond && family_.more_layers) {
      model_->dropped.push_back({name, "multi-token-prediction layer: the decoder has none"});
      continue;
    }
    if (beyond) return {StatusCode::corrupt, fmt::format("tensor '{}' is beyond the {} layers of config.json", name, geometry_.n_layers)};
    return {StatusCode::unsupported,
            fmt::format("tensor '{}' {} has no place in a model of {} under this config.json; loaders would refuse "
                        "a bundle with it and leaving it out would change the model",
                        name, jang::to_string(sources_[i].shape), family_.name)};
  }
  for (const std::string& name : left_out) model_->dropped.push_back({name, "not in the index, and the model has no place for it"});
  const auto warn = [&](const std::vector<std::string>& names, std::string_view what) {
    if (!names.empty())
      model_->warnings.push_back(
          fmt::format("{}: '{}'{}", what, names.front(), names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : ""));
  };
  warn(left_out, "tensors that the index does not list, and that the model has no place for, are left out");
  warn(filled, "tensors are taken from files that transformers does not read");
  return {};
}

}  // namespace

bool is_of_dropped_part(const Family& family, std::string_view name) {
  return std::ranges::any_of(family.drops, [&](const Drop& d) { return starts_with_path(name, d.prefix); });
}

std::string rename_parts(std::string name, std::span<const Rename> parts) {
  for (const Rename& r : parts) replace_path(&name, r.from, r.to);
  return name;
}

std::string rename_parts_back(std::string name, std::span<const Rename> parts) {
  for (std::size_t i = parts.size(); i > 0; --i) replace_path(&name, parts[i - 1].to, parts[i - 1].from);
  return name;
}

DoubtfulTie find_ends(const Family& family, std::span<const TensorInfo> sources) {
  DoubtfulTie ends{-1, -1};
  const bool published = has_published_parts(family, sources);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string canonical = canonical_name(family, published, sources[i].name);
    if (canonical == kEmbeddingName) ends.embedding = static_cast<int>(i);
    if (canonical == kHeadName) ends.head = static_cast<int>(i);
  }
  return ends;
}

Status bind_tensors(const Family& family, Geometry* geometry, const json::Value& text, std::span<const TensorInfo> sources,
                    const SourceFacts& facts, Model* model) {
  Binder binder(family, *geometry, sources, facts, model);
  JANG_TRY(binder.index());
  JANG_TRY(binder.resolve_tie(text, geometry));
  JANG_TRY(binder.bind_rows());
  JANG_TRY(binder.bind_towers());
  return binder.settle_leftovers();
}

}  // namespace jang::arch
