// SPDX-License-Identifier: Apache-2.0
// Walks the source directory and decides file by file, refusing links that lead out of it.
#include "format/targets/side_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

namespace jang::targets {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{256} << 20;
constexpr std::size_t kMaxFiles = 1000;
constexpr std::string_view kTemplates = "additional_chat_templates";
constexpr std::string_view kIndex = "model.safetensors.index.json", kRecord = "side_files";

bool is_below(const fs::path& file, const fs::path& directory) {
  const fs::path relative = file.lexically_relative(directory);
  return !relative.empty() && *relative.begin() != "..";
}

class Finder {
 public:
  Finder(const fs::path& directory, const Target& target) : directory_(directory), target_(target) {
    std::error_code ec;
    real_ = fs::canonical(directory, ec);
    if (real_.parent_path().filename() == "snapshots") blobs_ = real_.parent_path().parent_path() / "blobs";
  }

  Result<SideFiles> run() {
    JANG_TRY(visit("", [&](const std::string& name) { return target_.copies(name) != Copying::no; }));
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
    const bool same_name = target_.copies(path.filename().string()) == Copying::by_name && target.filename() == path.filename();
    if (!is_below(target, real_) && (blobs_.empty() || !is_below(target, blobs_)) && !same_name) return "a link out of the directory";
    if (const std::uintmax_t bytes = fs::file_size(path, ec); ec || bytes > kMaxBytes)
      return fmt::format("larger than {} bytes", kMaxBytes);
    return found_.names.size() < kMaxFiles ? "" : fmt::format("more than {} files", kMaxFiles);
  }

  fs::path directory_, real_, blobs_;
  const Target& target_;
  SideFiles found_;
};

}  // namespace

void record_side_files(const std::vector<std::string>& names, Document* document) {
  if (document->name != kIndex) return;
  Result<json::Value> index = json::parse(document->text, document->name);
  if (!index.ok() || !index->is_object()) return;
  (*index)["metadata"][kRecord] = names;
  document->text = json::dump(*index, 2) + "\n";
}

std::optional<std::vector<std::string>> recorded_side_files(const std::string& directory) {
  const Result<json::Value> index = json::parse_file(directory + "/" + std::string(kIndex), {.dialect = json::Dialect::python});
  const json::Value* metadata = index.ok() ? json::find(*index, "metadata") : nullptr;
  const json::Value* names = metadata != nullptr ? json::find(*metadata, kRecord) : nullptr;
  if (names == nullptr || !names->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const json::Value& name : *names)
    if (name.is_string() && is_below(name.get<std::string>(), ".")) out.push_back(name);
  return out;
}

Result<SideFiles> find_side_files(const std::string& directory, const Target& target) { return Finder(directory, target).run(); }

}  // namespace jang::targets
