// SPDX-License-Identifier: Apache-2.0
// A directory is described as the source it stands for, as a load does. What would have to be renamed, stacked or cut, or is not known at
// all, is what a loader does to tensors as it reads them; it does so to unpacked ones only.
#include "quantize/check_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "arch/decoder_config.h"
#include "arch/describe.h"
#include "arch/registry.h"
#include "arch/towers.h"
#include "format/targets/source_check.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "quantize/tied_head.h"

namespace jang::quantize {
namespace {

using format::Finding;
using format::Severity;

// Names that the description keeps as they are and whole.
std::set<std::string_view> kept_names(const arch::Model& model, const std::vector<TensorInfo>& infos) {
  std::set<std::string_view> kept;
  for (const arch::OutTensor& t : model.tensors)
    if (t.pieces.size() == 1 && infos[static_cast<std::size_t>(t.pieces.front().source)].name == t.name) kept.insert(t.name);
  for (const arch::Dropped& d : model.dropped) kept.insert(d.name);
  return kept;
}

// What a load does short of reading: description, binding, the numbers of the graph; and what the target's loader asks beyond that.
class LoadCheck {
 public:
  LoadCheck(const format::Bundle& bundle, std::vector<Finding>* findings)
      : b_(bundle), findings_(*findings), logical_(format::logical_tensors(bundle)) {
    for (const format::LogicalTensor& t : logical_) infos_.push_back(t.info);
  }
  void run();

 private:
  void error(const std::string& where, const std::string& message) {
    const std::size_t said = message.starts_with(where + ": ") ? where.size() + 2 : 0;
    findings_.push_back({Severity::error, where, message.substr(said)});
  }
  void warning(const std::string& where, const std::string& message) { findings_.push_back({Severity::warning, where, message}); }
  // Packed, or ours: no loader changes its tensors.
  [[nodiscard]] bool is_finished() const { return b_.is_quantized || !b_.jang_config.is_null(); }
  [[nodiscard]] bool is_default_target() const { return b_.target == &targets::default_target(); }
  [[nodiscard]] std::string place_of(const std::string& message) const;
  void tell_undescribed(const Status& status, const json::Value& config);
  void check_graph(const json::Value& config, const arch::SourceFacts& facts);
  void check_towers(const arch::Model& model);
  void check_refusal(const arch::Model& model);
  void check_names(const arch::Model& model);
  void check_units(const arch::Model& model);

  const format::Bundle& b_;
  std::vector<Finding>& findings_;
  const std::vector<format::LogicalTensor> logical_;
  std::vector<TensorInfo> infos_;
};

// The file that has the first tensor named in a message; config.json, which asks for it, where none has.
std::string LoadCheck::place_of(const std::string& message) const {
  const std::size_t begin = message.find("tensor '"), end = begin == std::string::npos ? begin : message.find('\'', begin + 8);
  if (end == std::string::npos) return "config.json";
  const std::string name = message.substr(begin + 8, end - begin - 8);
  const auto found = std::ranges::find(infos_, name, &TensorInfo::name);
  if (found == infos_.end()) return "config.json";
  const format::LogicalTensor& t = logical_[static_cast<std::size_t>(found - infos_.begin())];
  const format::StoredTensor& stored = b_.checkpoint.tensors()[static_cast<std::size_t>(t.stored)];
  return std::filesystem::path(b_.checkpoint.files()[static_cast<std::size_t>(stored.file)].path()).filename().string();
}

// Sources that this version does not take may be sound all the same.
void LoadCheck::tell_undescribed(const Status& status, const json::Value& config) {
  std::vector<std::string> ignored;
  const auto type = json::get_string(config, "model_type", "");
  const bool is_known = type.ok() && arch::find_family(*type) != nullptr && targets::check_source(config, infos_, &ignored).ok();
  if (status.code() == StatusCode::corrupt || is_finished() || is_known)
    error(place_of(status.message()), status.message());
  else
    warning(place_of(status.message()), "not checked against its config: " + status.message());
}

void LoadCheck::check_graph(const json::Value& config, const arch::SourceFacts& facts) {
  const Result<arch::Model> canonical = targets::describe_canonical(config, infos_, facts);
  if (!canonical.ok()) return;
  const Result<arch::DecoderConfig> graph = arch::decoder_config(*canonical);
  if (!graph.ok() && graph.status().code() == StatusCode::corrupt) error("config.json", graph.status().message());
}

// Its text runs all the same.
void LoadCheck::check_towers(const arch::Model& model) {
  const std::vector<std::string> missing = arch::missing_of_towers(model);
  if (missing.empty()) return;
  warning("config.json",
          fmt::format("{} tensors of the vision tower that vision_config describes are missing, '{}' the first: programs that "
                      "show the model pictures will refuse it; --text-only makes a directory without tower",
                      missing.size(), missing.front()));
}

void LoadCheck::check_refusal(const arch::Model& model) {
  if (model.refusal.empty()) return;
  const std::string_view loader = b_.target->loader();
  if (is_default_target())
    error("config.json", fmt::format("{} refuses this bundle: {}", loader, model.refusal));
  else if (!arch::knows_tensors(model))  // engines know more families than are listed here
    warning("config.json", fmt::format("not checked against the rules of {}: {}", loader, model.refusal));
}

// mlx-lm's classes rename, stack and cut plain tensors only.
void LoadCheck::check_names(const arch::Model& model) {
  if (!is_default_target() && arch::knows_tensors(model)) return;
  const std::set<std::string_view> kept = kept_names(model, infos_);
  for (const format::BundleModule& m : b_.modules)
    if (!kept.contains(m.path + ".weight"))
      error(m.path, fmt::format("{} refuses this bundle: the class of '{}' keeps this tensor under another name or in another form, and "
                                "changes unpacked ones only; convert the source again",
                                b_.target->loader(), model.model_type));
  const auto is_copy = [&](std::string_view name) {  // a head that the class wants beside the embedding it equals
    return std::ranges::any_of(model.tensors,
                               [&](const arch::OutTensor& t) { return !t.copied_to.empty() && name == t.copied_to + ".weight"; });
  };
  for (const arch::Dropped& d : model.dropped) {
    if (is_copy(d.name)) continue;
    const auto at = std::ranges::find(infos_, d.name, &TensorInfo::name);
    if (at == infos_.end() || logical_[static_cast<std::size_t>(at - infos_.begin())].module < 0 || !d.reason.starts_with("tied")) continue;
    error(d.name, fmt::format("{} refuses this bundle: config.json calls embedding and head tied (tie_word_embeddings), and there is a "
                              "packed head",
                              b_.target->loader()));
  }
}

// Modules that the loader fuses must be packed alike.
void LoadCheck::check_units(const arch::Model& model) {
  if (!b_.target->keeps_units()) return;
  struct First {
    const codec::WeightFormat* format;
    std::string name;
  };
  const auto text = [](const codec::WeightFormat* f) {
    return f == nullptr ? std::string("plain") : fmt::format("{} bits, group {}", f->bits, f->group_size);
  };
  std::map<std::string, First> firsts;
  for (const arch::OutTensor& t : model.tensors) {
    if (!t.quantizable) continue;
    for (const arch::Piece& piece : t.pieces) {
      const format::LogicalTensor& l = logical_[static_cast<std::size_t>(piece.source)];
      const codec::WeightFormat* format = l.module < 0 ? nullptr : b_.modules[static_cast<std::size_t>(l.module)].format;
      const auto [it, is_first] = firsts.try_emplace(t.unit, First{format, l.info.name});
      if (is_first || it->second.format == format || b_.checkpoint.tensors()[static_cast<std::size_t>(l.stored)].made != nullptr) continue;
      return error(l.info.name, fmt::format("{} fuses it with {}, which is stored otherwise: {} here, {} there", b_.target->loader(),
                                            it->second.name, text(format), text(it->second.format)));
    }
  }
}

void LoadCheck::run() {
  const json::Value config = b_.modules.empty() ? b_.checkpoint.config() : format::logical_config(b_);
  const Result<arch::SourceFacts> facts = source_facts(b_.checkpoint);
  if (!facts.ok()) return error(b_.checkpoint.path(), facts.status().message());
  const Result<arch::Model> model = targets::describe_source(config, infos_, *facts, *b_.target);
  if (!model.ok()) return tell_undescribed(model.status(), config);
  if (arch::knows_tensors(*model)) check_graph(config, *facts);
  check_towers(*model);
  if (!is_finished()) return;
  check_refusal(*model);
  check_names(*model);
  check_units(*model);
}

}  // namespace

Status check_loadable(const arch::Model& model, const targets::Target& target) {
  if (model.refusal.empty()) return {};
  return {StatusCode::unsupported, fmt::format("{}; {} would refuse the bundle, so none is made", model.refusal, target.loader())};
}

Result<std::vector<Finding>> validate_bundle(const std::string& path, const format::ValidateOptions& options) {
  JANG_ASSIGN(std::vector<Finding> findings, format::validate(path, options));
  const Result<format::Bundle> bundle = format::open_bundle(path);
  if (bundle.ok()) LoadCheck(*bundle, &findings).run();
  return findings;
}

Status check_bundle(const std::string& directory) {
  JANG_ASSIGN(const std::vector<format::Finding> findings, validate_bundle(directory, {.deep = true}));
  for (const format::Finding& f : findings)
    if (f.severity == format::Severity::error)
      return {StatusCode::corrupt, "the written bundle does not pass its own check, nothing was published: " + f.where + ": " + f.message};
  return {};
}

}  // namespace jang::quantize
