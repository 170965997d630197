// SPDX-License-Identifier: Apache-2.0
// Canonical names are those of Hugging Face's classes of a bare decoder, so that only what is fused, kept and refused is to be said. The
// config is the source's own, and not the one that arch has brought to one spelling: its reader is the class that wrote it.
#include "format/targets/hugging_face.h"

#include <algorithm>
#include <map>
#include <set>

#include "arch/bind.h"
#include "arch/family.h"
#include "arch/path.h"
#include "arch/registry.h"
#include "base/check.h"
#include "format/targets/documents.h"
#include "format/targets/layout.h"
#include "format/targets/record.h"

namespace jang::targets {
namespace {

using arch::OutTensor;
using arch::Role;

constexpr std::string_view kExperts = ".experts.";

// The last component of the unit that a role's tensors of one layer share; empty: each decides for itself.
std::string_view shared_unit(Role role) {
  switch (role) {
    case Role::attn_q:
    case Role::attn_k:
    case Role::attn_v:
    case Role::attn_gate: return "qkv_proj";
    case Role::mlp_gate:
    case Role::mlp_up:
    case Role::shared_gate:
    case Role::shared_up: return "gate_up_proj";
    case Role::expert_gate:
    case Role::expert_up:
    case Role::expert_gate_up:
    case Role::expert_down: return "all";
    case Role::linear_attn_qkv:
    case Role::linear_attn_z: return "in_proj";
    default: return {};
  }
}

std::string_view kept_in_16_bits(Role role) {
  switch (role) {
    case Role::embedding: return "embeddings in 16 bits";
    case Role::tied_embedding: return "embeddings in 16 bits, and this one is the output head too";
    case Role::router:
    case Role::shared_router: return "routers in 16 bits";
    case Role::linear_attn_ab: return "the rates of linear attention in 16 bits";
    default: return {};
  }
}

std::string reason_to_keep(std::string_view loader, Role role) {
  const std::string_view what = kept_in_16_bits(role);
  return what.empty() ? std::string() : std::string(loader) + " reads " + std::string(what);
}

// "model.layers.0.self_attn.q_proj" and "qkv_proj" -> "model.layers.0.self_attn.qkv_proj".
std::string unit_name(const std::string& module, std::string_view last) {
  return module.substr(0, module.rfind('.') + 1) + std::string(last);
}

bool has_zero_centred_norms(const arch::Family& family) {
  return std::ranges::any_of(family.blocks, [](const arch::Block& block) {
    return std::ranges::any_of(block, [](const arch::Row& row) { return (row.flags & arch::kZeroCentred) != 0; });
  });
}

// Published files call the maps of an expert otherwise than the canonical names, which are what is written here.
bool renames_experts(const arch::Family& family) {
  return std::ranges::any_of(family.blocks, [](const arch::Block& block) {
    return std::ranges::any_of(block, [](const arch::Row& row) {
      if (row.name.find(kExperts) != std::string_view::npos && row.name.ends_with(".bias")) return true;  // gpt_oss: fused, in turns
      return std::ranges::any_of(row.forms, [&](const arch::Form& form) {
        if (form.layout == arch::LayoutRule::first_half) return form.name.find(kExperts) == std::string_view::npos;
        if (form.layout != arch::LayoutRule::stack_experts) return false;
        const std::string_view map = row.name.substr(row.name.find(kExperts) + kExperts.size());
        return !form.name.ends_with(std::string(kExperts) + "*." + std::string(map));
      });
    });
  });
}

std::string refusal_of(std::string_view loader, const arch::Family* family, const arch::SourceFacts& facts, const arch::Model& model) {
  const std::string who(loader);
  if (family == nullptr) return "the names and shapes that " + who + " wants of model type '" + model.model_type + "' are not known here";
  if (renames_experts(*family)) return who + "'s class '" + model.model_type + "' wants other names of the experts than are written here";
  if ((family->reads & arch::kReadsLatent) != 0) return "latent attention is not written as " + who + " fuses it";
  if ((family->reads & arch::kReadsLayerKinds) != 0) return "layers whose heads differ in size are not written as " + who + " fuses them";
  if ((family->reads & arch::kReadsMamba) != 0) return "layers with state spaces are not written under the names that " + who + " fuses";
  if (family->text_config) return who + "'s class '" + model.model_type + "' wants the vision tower, and only the text model is taken";
  if (facts.plain_norms && has_zero_centred_norms(*family))
    return "the source is a converted copy whose norms are shifted already; convert the checkpoint it was made from";
  return {};
}

// A name with its numbers taken out: "model.layers.*.mlp.experts.*.gate_proj" and the first of them.
struct Pattern {
  std::string path;
  int number = -1;
};

Pattern pattern_of(const std::string& module) {
  Pattern p;
  for (const std::string_view part : arch::split_path(module)) {
    const int number = arch::component_number(part);
    if (number >= 0 && p.number < 0) p.number = number;
    if (!p.path.empty()) p.path += '.';
    p.path += number >= 0 ? "*" : std::string(part);
  }
  return p;
}

// The regular expression of a pattern whose first number is one of `numbers`; any others may be anything.
std::string regex_of(const std::string& pattern, const std::set<int>& numbers) {
  std::string list;
  for (const int n : numbers) list += (list.empty() ? "(" : "|") + std::to_string(n);
  std::string out = "^";
  bool first = true;
  for (const char c : pattern) {
    if (c == '.') {
      out += "\\.";
    } else if (c == '*') {
      out += first ? list + ")" : "[0-9]+";
      first = false;
    } else {
      out += c;
    }
  }
  return out + "$";
}

json::Value make_config(const Record& r, json::Value quantization) {
  json::Value config = r.source.config();
  config.erase("quantization");
  config.erase("quantization_config");
  const bool has_dtype = config.contains("dtype");
  if (!has_dtype || config.contains("torch_dtype")) config["torch_dtype"] = config_dtype(r.dtype);
  if (has_dtype) config["dtype"] = config_dtype(r.dtype);
  config["tie_word_embeddings"] = r.model.tied;
  if (!quantization.is_null()) config["quantization_config"] = std::move(quantization);
  return config;
}

// The last components of modules, and of what engines fuse them into: shared_unit, by name.
constexpr std::pair<std::string_view, std::string_view> kFusedNames[] = {
    {"q_proj", "qkv_proj"},      {"k_proj", "qkv_proj"},     {"v_proj", "qkv_proj"},   {"gate_proj", "gate_up_proj"},
    {"up_proj", "gate_up_proj"}, {"in_proj_qkv", "in_proj"}, {"in_proj_z", "in_proj"},
};

bool is_linear_name(std::string_view module) {
  const std::string_view last = module.substr(module.rfind('.') + 1);
  return last.find("_proj") != std::string_view::npos || last == "w1" || last == "w2" || last == "w3";
}

}  // namespace

void spell_for_engines(std::string_view loader, std::span<const TensorInfo> stored, arch::Model* model) {
  const arch::Family* family = arch::find_family(model->model_type);
  for (OutTensor& t : model->tensors) {
    t.add = 0;                       // norms and names as published
    if (t.role == arch::Role::conv)  // counted in rows of the published form; a converted copy stores the same bytes as other rows
      for (arch::Piece& p : t.pieces) p.n_rows = rows(stored[static_cast<std::size_t>(p.source)].shape);
    if (family != nullptr)
      for (std::string* name : {&t.name, &t.module}) *name = arch::rename_parts_back(*name, family->parts);
    if (!t.quantizable) continue;
    if (const std::string why = reason_to_keep(loader, t.role); !why.empty()) {
      t.kept = why;
      t.quantizable = false;
    }
    if (const std::string_view last = shared_unit(t.role); !last.empty()) t.unit = unit_name(t.canonical, last);
  }
}

void keep_units(std::string_view why, const std::function<bool(const OutTensor&)>& keeps, arch::Model* model) {
  std::set<std::string> units;
  for (const OutTensor& t : model->tensors)
    if (t.quantizable && keeps(t)) units.insert(t.unit);
  for (OutTensor& t : model->tensors) {
    if (!t.quantizable || !units.contains(t.unit)) continue;
    t.kept = why;
    t.quantizable = false;
  }
}

void refuse_unknown(std::string_view loader, const arch::SourceFacts& facts, arch::Model* model) {
  model->refusal = refusal_of(loader, arch::family_of(model->config), facts, *model);
  if (!model->refusal.empty())
    model->warnings.insert(model->warnings.begin(), std::string(loader) + " would refuse a directory of this model: " + model->refusal);
}

bool has_experts(const OutTensor& t) { return t.shape.size() == 3 && t.module.find(kExperts) != std::string::npos; }

std::string expert_name(const std::string& stacked, std::int64_t expert) {
  const std::size_t at = stacked.find(kExperts);
  JANG_CHECK(at != std::string::npos);
  std::string name = stacked;
  return name.insert(at + kExperts.size(), std::to_string(expert) + ".");
}

bool is_linear(const OutTensor& t) {
  return t.shape.size() >= 2 && t.name != t.module && t.role != Role::conv && t.role != Role::embedding;
}

std::string linear_module(const OutTensor& t) {
  if (t.role == Role::tied_embedding) return "lm_head";
  std::string module = t.module;
  if (t.shape.size() == 3) module.insert(module.rfind('.'), ".0");
  return module;
}

std::vector<StoredPart> plain_parts(const OutTensor& t, DType params) {
  const std::int64_t n = has_experts(t) ? t.shape[0] : 1, out = rows(t.shape) / std::max<std::int64_t>(1, n);
  if (!has_experts(t)) return {{.n_rows = out, .info = {t.name, stored_dtype(t, params), t.shape}}};
  std::vector<StoredPart> parts;
  for (std::int64_t e = 0; e < n; ++e)
    parts.push_back(
        {.row_begin = e * out, .n_rows = out, .info = {expert_name(t.name, e), stored_dtype(t, params), {out, columns(t.shape)}}});
  return parts;
}

std::vector<ModulePattern> module_patterns(const std::vector<std::string>& modules) {
  std::vector<std::string> order;  // of first appearance
  std::map<std::string, std::set<int>> numbers;
  for (const std::string& module : modules) {
    const Pattern p = pattern_of(module);
    if (!numbers.contains(p.path)) order.push_back(p.path);
    if (std::set<int>& seen = numbers[p.path]; p.number >= 0) seen.insert(p.number);
  }
  std::vector<ModulePattern> out;
  for (const std::string& path : order) {
    const bool is_regex = !numbers[path].empty();
    out.push_back({is_regex ? regex_of(path, numbers[path]) : path, is_regex});
  }
  return out;
}

std::vector<std::string> plain_linears(const format::Bundle& bundle) {
  std::vector<std::string> modules;
  for (const int i : bundle.plain) {
    const format::StoredTensor& t = bundle.checkpoint.tensors()[static_cast<std::size_t>(i)];
    const std::string module(arch::module_of(t.info.name));
    if (t.made == nullptr && t.info.shape.size() == 2 && module != t.info.name && is_linear_name(module)) modules.push_back(module);
  }
  return modules;
}

std::vector<std::string> engine_names(const std::string& module) {
  std::vector<std::string> names;
  const std::size_t dot = module.rfind('.'), experts = module.find(kExperts);
  if (experts != std::string::npos) names.push_back(module.substr(0, experts + kExperts.size() - 1));
  for (const auto& [part, fused] : kFusedNames)
    if (dot != std::string::npos && module.substr(dot + 1) == part) names.push_back(module.substr(0, dot + 1) + std::string(fused));
  names.push_back(module);
  return names;
}

bool names_a_module(const format::Bundle& bundle, const std::function<bool(const std::string&)>& is_such) {
  const auto any_name = [&](const std::string& module) { return std::ranges::any_of(engine_names(module), is_such); };
  return std::ranges::any_of(bundle.modules, [&](const format::BundleModule& m) { return any_name(m.path); }) ||
         std::ranges::any_of(bundle.plain, [&](int i) {
           return any_name(std::string(arch::module_of(bundle.checkpoint.tensors()[static_cast<std::size_t>(i)].info.name)));
         });
}

std::vector<Document> engine_documents(const Record& record, std::string_view target, json::Value quantization) {
  return {{"model.safetensors.index.json", json::dump(weight_index(record), 2) + "\n"},
          engine_record(record, target),
          {"config.json", json::dump_for_python(make_config(record, std::move(quantization)), 2) + "\n"}};
}

}  // namespace jang::targets
