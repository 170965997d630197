// SPDX-License-Identifier: Apache-2.0
// Walks the source directory and decides file by file, refusing links that lead out of it.
#include "quantize/side_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{256} << 20;
constexpr std::size_t kMaxFiles = 1000;
constexpr std::string_view kTemplates = "additional_chat_templates";

constexpr auto kNames = std::to_array<std::string_view>({
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "tiktoken.model",
    "tekken.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "merges.txt",
    "vocab.json",
    "vocab.txt",
    "vocab.bpe",
    "generation_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
});
constexpr auto kExtensions = std::to_array<std::string_view>({".py", ".jinja", ".json", ".model", ".tiktoken"});
// Written anew, or about weights in the form they no longer have: loaders would act on them.
constexpr auto kLeftOut = std::to_array<std::string_view>({
    "config.json",
    "jang_config.json",
    "params.json",
    "adapter_config.json",
    "quantize_config.json",
    "quant_config.json",
    "quantization_config.json",
    "hf_quant_config.json",
    "trainer_state.json",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
});

template <typename List>
bool contains(const List& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

bool is_wanted(const std::string& name) {
  if (name.starts_with('.') || contains(kLeftOut, name) || name.ends_with(".index.json")) return false;
  return contains(kNames, name) || contains(kExtensions, fs::path(name).extension().string());
}

bool is_below(const fs::path& file, const fs::path& directory) {
  const fs::path relative = file.lexically_relative(directory);
  return !relative.empty() && *relative.begin() != "..";
}

class Finder {
 public:
  explicit Finder(const fs::path& directory) : directory_(directory) {
    std::error_code ec;
    real_ = fs::canonical(directory, ec);
    if (real_.parent_path().filename() == "snapshots") blobs_ = real_.parent_path().parent_path() / "blobs";
  }

  Result<SideFiles> run() {
    JANG_TRY(visit("", is_wanted));
    std::error_code ec;
    if (fs::is_directory(directory_ / kTemplates, ec))
      JANG_TRY(visit(std::string(kTemplates) + "/", [](const std::string& name) { return name.ends_with(".jinja") && name[0] != '.'; }));
    std::ranges::sort(found_.names);
    std::ranges::sort(found_.left);
    return std::move(found_);
  }

 private:
  template <typename IsWanted>
  Status visit(const std::string& prefix, IsWanted wanted) {
    std::error_code ec;
    fs::directory_iterator entry(directory_ / prefix, ec);
    for (; !ec && entry != fs::directory_iterator(); entry.increment(ec)) {
      const std::string name = entry->path().filename().string();
      std::error_code ignored;
      if (!wanted(name) || fs::is_directory(entry->status(ignored))) continue;
      const std::string reason = reason_to_leave(entry->path());
      if (reason.empty())
        found_.names.push_back(prefix + name);
      else
        found_.left.push_back(fmt::format("{}{}: {}", prefix, name, reason));
    }
    if (ec) return {StatusCode::io, fmt::format("cannot list '{}': {}", (directory_ / prefix).string(), ec.message())};
    return {};
  }

  [[nodiscard]] std::string reason_to_leave(const fs::path& path) const {
    std::error_code ec;
    if (!fs::is_regular_file(path, ec)) return "not a regular file";
    const fs::path target = fs::canonical(path, ec);
    if (ec) return "cannot be read: " + ec.message();
    const bool same_name = contains(kNames, path.filename().string()) && target.filename() == path.filename();
    if (!is_below(target, real_) && (blobs_.empty() || !is_below(target, blobs_)) && !same_name) return "a link out of the directory";
    if (const std::uintmax_t bytes = fs::file_size(path, ec); ec || bytes > kMaxBytes)
      return fmt::format("larger than {} bytes", kMaxBytes);
    return found_.names.size() < kMaxFiles ? "" : fmt::format("more than {} files", kMaxFiles);
  }

  fs::path directory_, real_, blobs_;
  SideFiles found_;
};

}  // namespace

Result<SideFiles> find_side_files(const std::string& directory) { return Finder(directory).run(); }

}  // namespace jang::quantize
