// SPDX-License-Identifier: Apache-2.0
// Reads tokenizer, templates and side files of a directory as the program would, and lists what is wrong with them.
#include "engine/text_check.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/file.h"
#include "base/lfs_pointer.h"
#include "format/targets/side_files.h"
#include "format/targets/target.h"
#include "json/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace jang::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPointerBytes = 1024;  // a Git LFS pointer is shorter

class TextChecker {
 public:
  TextChecker(const std::string& directory, const targets::Target& target) : directory_(directory), target_(target) {}

  std::vector<format::Finding> run() {
    check_pointers();
    check_tokenizer();
    check_generation_config();
    check_templates();
    check_code("tokenizer_config.json");
    check_code("config.json");
    return std::move(findings_);
  }

 private:
  void error(const std::string& where, const std::string& message) { findings_.push_back({format::Severity::error, where, message}); }
  void warning(const std::string& where, const std::string& message) { findings_.push_back({format::Severity::warning, where, message}); }
  // What is valid, but not something this version reads, is no fault of the directory.
  void fault(const std::string& where, const Status& status) {
    status.code() == StatusCode::unsupported ? warning(where, status.message()) : error(where, status.message());
  }
  [[nodiscard]] bool has(const char* name) const {
    std::error_code ec;
    return fs::exists(fs::path(directory_) / name, ec);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void check_pointers() {
    const Result<targets::SideFiles> files = targets::find_side_files(directory_, target_);
    if (!files.ok()) return error(directory_, files.status().message());
    for (const std::string& name : files->names) {
      const Result<InputFile> file = InputFile::open(path(name));
      if (!file.ok() || file->size() > kPointerBytes) continue;
      std::string bytes(static_cast<std::size_t>(file->size()), '\0');
      if (!file->read_at(0, std::as_writable_bytes(std::span(bytes))).ok()) continue;
      if (const Status s = check_no_lfs_pointer(bytes, name); !s.ok()) {
        error(name, s.message());
        pointers_.insert(name);
      }
    }
  }

  void check_tokenizer() {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"})
      if (pointers_.contains(name)) return;
    const Result<text::Tokenizer> tokenizer = text::Tokenizer::load(directory_);
    if (tokenizer.ok() || has("tokenizer.json")) {
      if (!tokenizer.ok()) fault("tokenizer.json", tokenizer.status());
      if (!has("tokenizer_config.json")) warning(directory_, "no tokenizer_config.json");
    } else {
      warning(directory_, "no tokenizer: " + tokenizer.status().message());
    }
  }

  void check_generation_config() {
    if (!has("generation_config.json") || pointers_.contains("generation_config.json")) return;
    const Result<json::Value> config = json::parse_file(path("generation_config.json"), {.dialect = json::Dialect::python});
    if (!config.ok()) error("generation_config.json", config.status().message());
  }

  void check_templates() {
    for (const char* name : {"chat_template.jinja", "chat_template.json", "tokenizer_config.json"})
      if (pointers_.contains(name)) return;
    const Result<text::ChatTemplate> loaded = text::ChatTemplate::load(directory_);
    if (!loaded.ok() && loaded.status().code() != StatusCode::not_found) fault("chat template", loaded.status());
    if (loaded.ok() && !loaded->tools_status().ok()) fault("chat template for tools", loaded->tools_status());
    std::error_code ec;
    fs::directory_iterator entry(path("additional_chat_templates"), ec);
    for (; !ec && entry != fs::directory_iterator(); entry.increment(ec)) {
      const std::string name = "additional_chat_templates/" + entry->path().filename().string();
      if (!name.ends_with(".jinja") || pointers_.contains(name)) continue;
      Result<std::string> source = read_text(entry->path().string(), text::ChatTemplate::kMaxSourceBytes);
      const Status status = source.ok() ? text::ChatTemplate::parse(std::move(*source), name).status() : source.status();
      if (!status.ok()) fault(name, status);
    }
  }

  // The modules that auto_map names: {"AutoTokenizer": ["slow.Class", "fast.Class"], ..}, a list or a text, or null. "repo--module.Class"
  // is fetched from the Hub by transformers.
  void check_code(const std::string& name) {
    const Result<json::Value> config = json::parse_file(path(name), {.dialect = json::Dialect::python});
    const json::Value* map = config.ok() ? json::find(*config, "auto_map") : nullptr;
    if (map == nullptr) return;
    std::set<std::string> missing;
    const auto visit = [&](const json::Value& value) {
      if (!value.is_string()) return;
      const std::string& text = value.get_ref<const std::string&>();
      const std::string file = text.substr(0, text.find('.')) + ".py";
      if (text.find("--") == std::string::npos && text.find('/') == std::string::npos && !has(file.c_str())) missing.insert(file);
    };
    if (!map->is_object()) visit_all(*map, visit);
    for (const json::Value& entry : *map) visit_all(entry, visit);
    for (const std::string& file : missing)
      warning(name, fmt::format("auto_map names {}, which is not here; transformers cannot open this part", json::quote(file, 64)));
  }

  template <typename Visit>
  static void visit_all(const json::Value& value, Visit visit) {
    visit(value);
    if (value.is_array())
      for (const json::Value& item : value) visit(item);
  }

  const std::string& directory_;
  const targets::Target& target_;
  std::set<std::string> pointers_;
  std::vector<format::Finding> findings_;
};

}  // namespace

std::vector<format::Finding> check_text(const std::string& directory, const targets::Target& target) {
  return TextChecker(directory, target).run();
}

}  // namespace jang::engine
