// SPDX-License-Identifier: Apache-2.0
// Opens a model directory: which files belong to it, their headers, and the agreement of the index with them in both directions.
// Files of a directory are untrusted: an index names bare files inside the directory only. They may be symbolic links, because Hub caches
// are made of them; what is opened must be a regular file. Pickle files are never opened.
#include "format/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/check.h"
#include "format/safetensors.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfigName = "config.json";
constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSuffix = ".safetensors";
constexpr json::Limits kIndexLimits{.max_bytes = 256u << 20, .max_depth = 4};
constexpr std::size_t kMaxListed = 8;  // names in one message

Status corrupt(std::string message) { return {StatusCode::corrupt, std::move(message)}; }

std::string join_path(const std::string& directory, std::string_view name) { return (fs::path(directory) / name).string(); }

bool exists(const std::string& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found && !error;
}

// Names of the entries of a directory, sorted. An error ends the list: it feeds messages, and globs whose files are checked when opened.
std::vector<std::string> list_names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string list_some(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMaxListed; ++i) text += (i ? ", " : "") + json::quote(names[i]);
  if (names.size() > kMaxListed) text += fmt::format(" and {} more", names.size() - kMaxListed);
  return text;
}

template <typename Predicate>
std::vector<std::string> select(const std::vector<std::string>& names, Predicate keep) {
  std::vector<std::string> kept;
  std::copy_if(names.begin(), names.end(), std::back_inserter(kept), keep);
  return kept;
}

// Sub-folders, one or two levels down ("snapshots/<revision>" of a Hub cache), that hold a config.json.
std::vector<std::string> model_folders_below(const std::string& path, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  std::error_code error;
  for (const std::string& name : names) {
    const std::string below = join_path(path, name);
    if (!fs::is_directory(below, error)) continue;
    if (exists(join_path(below, kConfigName))) found.push_back(name);
    if (name != "snapshots") continue;
    for (const std::string& revision : list_names(below))
      if (exists(join_path(join_path(below, revision), kConfigName))) found.push_back(name + "/" + revision);
  }
  return found;
}

bool is_pickle(std::string_view name) {
  constexpr std::string_view kPickles[] = {".bin", ".pt", ".pth", ".ckpt"};
  return std::any_of(std::begin(kPickles), std::end(kPickles), [&](std::string_view s) { return name.ends_with(s); });
}

// Why a directory has no config.json or no weights, as far as its names tell, and what to do.
std::string likely_cause(const std::string& path) {
  const std::vector<std::string> names = list_names(path);
  const auto has = [&](std::string_view name) { return std::binary_search(names.begin(), names.end(), name); };
  if (names.empty()) return "The directory is empty";
  if (const auto folders = model_folders_below(path, names); !folders.empty())
    return fmt::format("Models are in sub-folders of it: {}. Choose one of them", list_some(folders));
  if (has("adapter_config.json")) return "It holds a LoRA adapter: merge it into its base model first";
  if (has("model_index.json")) return "It is a diffusion pipeline, which is not supported";
  if (std::any_of(names.begin(), names.end(), [](const std::string& n) { return n.ends_with(".incomplete") || n.ends_with(".part"); }))
    return "A download of it was interrupted: download it again";
  if (const auto pickles = select(names, is_pickle); !pickles.empty())
    return fmt::format(
        "It holds PyTorch pickle files ({}), which are never opened because they can run code: convert them to safetensors "
        "(transformers: save_pretrained) or download a safetensors copy",
        list_some(pickles));
  if (const auto gguf = select(names, [](const std::string& n) { return n.ends_with(".gguf"); }); !gguf.empty())
    return fmt::format("It holds GGUF files ({}): use the original safetensors checkpoint instead", list_some(gguf));
  return "The download may be incomplete, or this is not the folder of a model";
}

// A value of the index, or a name found in the directory, that may be opened.
bool is_bare_file_name(std::string_view name) {
  if (name.size() <= kSuffix.size() || name.size() > 255 || name.front() == '.' || !name.ends_with(kSuffix)) return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// "model-00002-of-00005.safetensors" -> 5; 0 for other names.
std::size_t shard_count(std::string_view name) {
  name.remove_suffix(kSuffix.size());
  const std::size_t of = name.rfind("-of-");
  if (of == std::string_view::npos || name.size() - of - 4 == 0 || name.size() - of - 4 > 6) return 0;
  std::size_t n = 0;
  for (const char c : name.substr(of + 4)) {
    if (c < '0' || c > '9') return 0;
    n = n * 10 + static_cast<std::size_t>(c - '0');
  }
  return n;
}

// Files of a checkpoint without an index.
Result<std::vector<std::string>> find_files(const std::string& path) {
  const std::vector<std::string> names = list_names(path);
  std::vector<std::string> files = select(names, is_bare_file_name);
  const auto is_copy = [](const std::string& n) { return n.starts_with("consolidated"); };
  if (!std::all_of(files.begin(), files.end(), is_copy)) std::erase_if(files, is_copy);
  if (files.empty()) return Status(StatusCode::not_found, fmt::format("no .safetensors file in '{}'. {}", path, likely_cause(path)));
  const std::size_t announced = shard_count(files.front());
  const auto same = static_cast<std::size_t>(
      std::count_if(files.begin(), files.end(), [&](const std::string& n) { return shard_count(n) == announced; }));
  if (announced > same)
    return Status(StatusCode::not_found, fmt::format("'{}' holds {} of the {} files of the model. The download is incomplete: download the "
                                                     "rest",
                                                     path, same, announced));
  return files;
}

// Every tensor of the index is in the file it names, and every tensor of those files is in the index. Both lists are sorted by name and
// free of duplicates.
Status check_index(const CheckpointIndex& index, const std::vector<StoredTensor>& tensors, const std::string& where) {
  std::size_t i = 0, t = 0;
  while (i < index.weights.size() || t < tensors.size()) {
    const bool has_entry = i < index.weights.size(), has_tensor = t < tensors.size();
    const int order = !has_entry ? 1 : !has_tensor ? -1 : index.weights[i].first.compare(tensors[t].info.name);
    if (order > 0) {
      const StoredTensor& tensor = tensors[t];
      return corrupt(
          fmt::format("{}: tensor {} is in '{}' but not in the index. Index and files do not belong together: download both again", where,
                      json::quote(tensor.info.name), index.files[static_cast<std::size_t>(tensor.file)]));
    }
    const auto& [name, file] = index.weights[i];
    if (order < 0 || tensors[t].file != file) {
      const std::string found = order < 0 ? "no file has it" : "it is in '" + index.files[static_cast<std::size_t>(tensors[t].file)] + "'";
      return corrupt(fmt::format("{}: tensor {} should be in '{}', but {}. Index and files do not belong together: download both again",
                                 where, json::quote(name), index.files[static_cast<std::size_t>(file)], found));
    }
    ++i, ++t;
  }
  return {};
}

Status check_files_exist(const std::string& path, const std::vector<std::string>& files) {
  std::vector<std::string> missing;
  std::error_code error;
  for (const std::string& name : files)
    if (!fs::exists(join_path(path, name), error)) missing.push_back(name);  // follows links: a dangling one is missing too
  if (missing.empty()) return {};
  return {StatusCode::not_found, fmt::format("'{}': {} of the {} files that its index names are missing: {}. The download is incomplete: "
                                             "download the rest",
                                             path, missing.size(), files.size(), list_some(missing))};
}

// Opens `names` in `path`, appending to `files` and `tensors`; the latter end sorted by name and unique.
Status read_headers(const std::string& path, const std::vector<std::string>& names, std::vector<InputFile>& files,
                    std::vector<StoredTensor>& tensors) {
  for (const std::string& name : names) {
    JANG_ASSIGN(InputFile file, InputFile::open(join_path(path, name)));
    JANG_ASSIGN(SafetensorsHeader header, read_safetensors_header(file));
    for (SafetensorsEntry& entry : header.tensors)
      tensors.push_back({std::move(entry.info), static_cast<int>(files.size()), entry.offset_bytes});
    files.push_back(std::move(file));
  }
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.info.name != b.info.name ? a.info.name < b.info.name : a.file < b.file;
  });
  const auto twice = std::adjacent_find(tensors.begin(), tensors.end(),
                                        [](const StoredTensor& a, const StoredTensor& b) { return a.info.name == b.info.name; });
  if (twice == tensors.end()) return {};
  return corrupt(fmt::format("'{}': tensor {} is stored in both '{}' and '{}'. Keep the files of one copy of the model", path,
                             json::quote(twice->info.name), names[static_cast<std::size_t>(twice->file)],
                             names[static_cast<std::size_t>((twice + 1)->file)]));
}

Status check_directory(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {StatusCode::not_found, fmt::format("no such directory: '{}'", path)};
  if (!fs::is_directory(status))
    return {StatusCode::invalid_argument, fmt::format("'{}' is not a directory. Give the folder that holds config.json and the safetensors "
                                                      "files",
                                                      path)};
  const fs::directory_iterator readable(path, error);
  if (error) return {StatusCode::io, fmt::format("cannot list '{}': {}", path, error.message())};
  if (!exists(join_path(path, kConfigName)))
    return {StatusCode::not_found, fmt::format("no config.json in '{}'. {}", path, likely_cause(path))};
  return {};
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  JANG_TRY(check_directory(path));
  Checkpoint c;
  c.path_ = path;
  const std::string config_path = join_path(path, kConfigName);
  JANG_ASSIGN(c.config_, json::parse_file(config_path));
  if (!c.config_.is_object()) return corrupt(fmt::format("{}: expected a JSON object, found {}", config_path, c.config_.type_name()));

  const std::string index_path = join_path(path, kIndexName);
  if (!exists(index_path)) {
    JANG_ASSIGN(const std::vector<std::string> names, find_files(path));
    JANG_TRY(read_headers(path, names, c.files_, c.tensors_));
    return c;
  }
  JANG_ASSIGN(const std::string text, read_text(index_path, kIndexLimits.max_bytes));
  JANG_ASSIGN(const CheckpointIndex index, parse_index(text, index_path));
  JANG_TRY(check_files_exist(path, index.files));
  JANG_TRY(read_headers(path, index.files, c.files_, c.tensors_));
  JANG_TRY(check_index(index, c.tensors_, index_path));
  return c;
}

int Checkpoint::find(std::string_view name) const {
  const auto it =
      std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const StoredTensor& t, std::string_view n) { return t.info.name < n; });
  return it != tensors_.end() && it->info.name == name ? static_cast<int>(it - tensors_.begin()) : -1;
}

Status Checkpoint::read(const StoredTensor& t, std::uint64_t begin, std::span<std::byte> out) const {
  const auto bytes = static_cast<std::uint64_t>(t.info.bytes());
  JANG_CHECK(begin <= bytes && out.size() <= bytes - begin);
  const Status status = files_[static_cast<std::size_t>(t.file)].read_at(t.offset_bytes + begin, out);
  return status.ok() ? status : status.with_context(fmt::format("tensor {}", json::quote(t.info.name)));
}

std::uint64_t Checkpoint::file_bytes() const {
  std::uint64_t sum = 0;
  for (const InputFile& file : files_) sum += file.size();
  return sum;
}

Status Checkpoint::check_unchanged() const {
  for (const InputFile& file : files_) JANG_TRY(file.check_unchanged());
  return {};
}

Result<CheckpointIndex> parse_index(std::string_view text, std::string_view what) {
  JANG_ASSIGN(const json::Value root, json::parse(text, what, kIndexLimits));
  const json::Value* map = json::find(root, "weight_map");
  if (map == nullptr || !map->is_object() || map->empty())
    return corrupt(fmt::format("{}: expected an object with a weight_map that names at least one tensor", what));
  const auto& members = map->get_ref<const json::Value::object_t&>();

  CheckpointIndex index;
  for (const auto& [tensor, file] : members) {
    if (Status s = check_tensor_name(tensor); !s.ok()) return s.with_context(what);
    if (!file.is_string() || !is_bare_file_name(file.get_ref<const std::string&>()))
      return corrupt(fmt::format("{}: tensor {}: {} is not the bare name of a .safetensors file", what, json::quote(tensor),
                                 file.is_string() ? json::quote(file.get_ref<const std::string&>()) : file.type_name()));
    if (index.files.empty() || index.files.back() != file.get_ref<const std::string&>()) index.files.push_back(file);
  }
  std::sort(index.files.begin(), index.files.end());
  index.files.erase(std::unique(index.files.begin(), index.files.end()), index.files.end());

  index.weights.reserve(members.size());
  for (const auto& [tensor, file] : members) {
    const auto it = std::lower_bound(index.files.begin(), index.files.end(), file.get_ref<const std::string&>());
    index.weights.emplace_back(tensor, static_cast<int>(it - index.files.begin()));
  }
  std::sort(index.weights.begin(), index.weights.end());
  if (const json::Value* metadata = json::find(root, "metadata"))
    if (const json::Value* size = json::find(*metadata, "total_size"); size != nullptr && size->is_number_unsigned())
      index.total_size = size->get<std::uint64_t>();
  return index;
}

}  // namespace jang::format
