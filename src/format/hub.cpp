// SPDX-License-Identifier: Apache-2.0
// Finds a model in the local cache of the Hugging Face Hub. Nothing is downloaded. Layout, as the Hub documents it for other programs:
//
//   <cache>/models--org--name/refs/main               text: a revision, 40 hexadecimal digits
//   <cache>/models--org--name/snapshots/<revision>/   one symbolic link per file, into ../../blobs/
//
// The text of refs/main is outside data: it must be a plain name before it becomes part of a path.
#include "format/hub.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "format/checkpoint.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRefBytes = 256;

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// A path component of the Hub: letters, digits, '-', '_', '.'; not hidden, no "..".
bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || name.front() == '.' || name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

// "org/name", or "name" alone for the oldest models.
bool is_model_id(std::string_view what) {
  const std::size_t slash = what.find('/');
  if (slash == std::string_view::npos) return is_plain_name(what);
  return is_plain_name(what.substr(0, slash)) && is_plain_name(what.substr(slash + 1));
}

std::string expand_home(const std::string& path, const std::string& home) {
  const bool tilde = path == "~" || path.starts_with("~/");
  return tilde && !home.empty() ? home + path.substr(1) : path;
}

// Empty when none of the variables is set.
std::string cache_directory(const HubEnvironment& env) {
  if (!env.hf_hub_cache.empty()) return expand_home(env.hf_hub_cache, env.home);
  if (!env.huggingface_hub_cache.empty()) return expand_home(env.huggingface_hub_cache, env.home);
  if (!env.hf_home.empty()) return (fs::path(expand_home(env.hf_home, env.home)) / "hub").string();
  if (!env.xdg_cache_home.empty()) return (fs::path(expand_home(env.xdg_cache_home, env.home)) / "huggingface" / "hub").string();
  if (!env.home.empty()) return (fs::path(env.home) / ".cache" / "huggingface" / "hub").string();
  return {};
}

std::vector<std::string> revisions(const fs::path& snapshots) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(snapshots, error), end; !error && it != end; it.increment(error))
    if (is_folder(it->path())) names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// The snapshot to use of a model folder of the cache: that of refs/main; without the ref, the only one there is.
Result<std::string> find_snapshot(const fs::path& folder) {
  const fs::path snapshots = folder / "snapshots";
  const fs::path ref = folder / "refs" / "main";
  std::error_code error;
  if (fs::exists(ref, error)) {
    JANG_ASSIGN(std::string revision, read_text(ref.string(), kMaxRefBytes));
    while (!revision.empty() && (revision.back() == '\n' || revision.back() == '\r' || revision.back() == ' ')) revision.pop_back();
    if (!is_plain_name(revision))
      return Status(StatusCode::corrupt,
                    fmt::format("'{}' does not hold a revision: {}. Download the model again", ref.string(), json::quote(revision)));
    if (is_folder(snapshots / revision)) return (snapshots / revision).string();
    return Status(StatusCode::not_found, fmt::format("'{}' names revision {}, but '{}' does not have it. The download is incomplete: "
                                                     "download it again",
                                                     ref.string(), revision, snapshots.string()));
  }
  const std::vector<std::string> found = revisions(snapshots);
  if (found.size() == 1) return (snapshots / found.front()).string();
  if (found.empty())
    return Status(StatusCode::not_found,
                  fmt::format("'{}' has no snapshot. The download is incomplete: download it again", folder.string()));
  return Status(StatusCode::not_found, fmt::format("'{}' has {} snapshots and no refs/main. Give the path of one of them, such as '{}'",
                                                   folder.string(), found.size(), (snapshots / found.front()).string()));
}

}  // namespace

Result<std::string> resolve_model(const std::string& typed, const HubEnvironment& env) {
  // A slash at the end, which shells complete, changes neither a path nor a name.
  const std::string what = typed.substr(0, std::max<std::size_t>(typed.find_last_not_of('/') + 1, typed.starts_with('/') ? 1 : 0));
  if (what.empty() || what.find('\0') != std::string::npos)
    return Status(StatusCode::invalid_argument, "no model given: name its directory");
  if (is_folder(what)) return what;
  std::error_code error;
  if (fs::exists(what, error))
    return Status(StatusCode::invalid_argument, fmt::format("'{}' is a file. Give the directory that holds it", what));
  if (!is_model_id(what))
    return Status(StatusCode::not_found,
                  fmt::format("no such directory: '{}' (it is no 'org/name' either, so the Hub cache was not searched)", what));

  const std::string cache = cache_directory(env);
  if (cache.empty())
    return Status(StatusCode::not_found, fmt::format("no such directory: '{}'. The Hub cache could not be searched: HF_HUB_CACHE, HF_HOME, "
                                                     "XDG_CACHE_HOME and HOME are all unset",
                                                     what));
  std::string folder_name = "models--" + what;
  if (const std::size_t slash = folder_name.find('/'); slash != std::string::npos) folder_name.replace(slash, 1, "--");
  const fs::path folder = fs::path(cache) / folder_name;
  if (is_folder(folder)) return find_snapshot(folder);
  return Status(StatusCode::not_found,
                fmt::format("model '{}' not found: there is no such directory, and the Hub cache has no '{}'. Download it "
                            "first (hf download {})",
                            what, folder.string(), what));
}

std::string repository_name(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  constexpr std::string_view kPrefix = "models--", kBetween = "--";
  std::string id = whole.parent_path().parent_path().filename().string();
  if (whole.parent_path().filename() != "snapshots" || !id.starts_with(kPrefix)) return {};
  id.erase(0, kPrefix.size());
  if (const std::size_t between = id.find(kBetween); between != std::string::npos) id.replace(between, kBetween.size(), "/");
  return is_model_id(id) ? id : "";
}

std::string model_name(const std::string& path) {
  if (const std::string id = repository_name(path); !id.empty()) return id.substr(id.find('/') + 1);
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const std::string name = whole.filename().string();
  return name.empty() ? "model" : name;
}

}  // namespace jang::format
