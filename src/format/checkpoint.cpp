// SPDX-License-Identifier: Apache-2.0
// Opens a model directory: the headers of the files that belong to it (checkpoint_files.cpp), and one place for every tensor. What is
// opened must be a regular file. Pickle files are never opened.
#include "format/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/check.h"
#include "base/corrupt.h"
#include "format/checkpoint_files.h"
#include "format/safetensors.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfigName = "config.json";
constexpr std::size_t kCompareBytes = std::size_t{1} << 20;

// Whether two tensors, of one name, have the same type, shape and bytes.
Result<bool> same_content(const std::vector<InputFile>& files, const StoredTensor& a, const StoredTensor& b) {
  if (a.info.dtype != b.info.dtype || a.info.shape != b.info.shape) return false;
  std::vector<std::byte> left(kCompareBytes), right(kCompareBytes);
  for (std::uint64_t at = 0, end = static_cast<std::uint64_t>(a.info.bytes()); at < end; at += kCompareBytes) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(kCompareBytes, end - at));
    JANG_TRY(files[static_cast<std::size_t>(a.file)].read_at(a.offset_bytes + at, std::span(left).first(n)));
    JANG_TRY(files[static_cast<std::size_t>(b.file)].read_at(b.offset_bytes + at, std::span(right).first(n)));
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(n), right.begin())) return false;
  }
  return true;
}

// From everything that the headers hold to one place for every name, with what was resolved told in `warnings`.
class Reconciler {
 public:
  Reconciler(const std::string& path, const ChosenFiles& chosen, const std::vector<InputFile>& files, bool lenient)
      : path_(path), chosen_(chosen), files_(files), lenient_(lenient) {}

  // `tensors` in any order; comes back sorted by name and unique.
  Status settle_places(std::vector<StoredTensor>& tensors) {
    for (StoredTensor& t : tensors) t.info.standing = standing_of(t);
    std::sort(tensors.begin(), tensors.end(), [&](const StoredTensor& a, const StoredTensor& b) {
      if (a.info.name != b.info.name) return a.info.name < b.info.name;
      if (is_named_place(a) != is_named_place(b)) return is_named_place(a);
      return a.info.standing != b.info.standing ? a.info.standing < b.info.standing : a.file < b.file;
    });
    std::vector<StoredTensor> unique;
    unique.reserve(tensors.size());
    for (StoredTensor& t : tensors) {
      if (unique.empty() || unique.back().info.name != t.info.name)
        unique.push_back(std::move(t));
      else if (t.info.standing != Standing::stray)
        JANG_TRY(check_copy(unique.back(), t));
    }
    tensors = std::move(unique);
    return {};
  }

  // Names of the index against the places found.
  Status compare_with_index(const std::vector<StoredTensor>& tensors) {
    if (!chosen_.index) return {};
    std::size_t t = 0;
    for (const auto& [name, file] : chosen_.index->weights) {
      while (t < tensors.size() && tensors[t].info.name < name) ++t;
      if (t == tensors.size() || tensors[t].info.name != name)
        absent_.push_back(name);
      else if (file_name(tensors[t]) != chosen_.index->files[static_cast<std::size_t>(file)])
        moved_.push_back(name);
    }
    for (const StoredTensor& stored : tensors)
      if (stored.info.standing == Standing::unlisted) unlisted_.push_back(stored.info.name);
    if (absent_.empty()) return {};
    return {StatusCode::corrupt,
            fmt::format("'{}': its index promises tensors that no file has: {}. Index and files do not belong together: "
                        "download both again",
                        path_, list_some(absent_))};
  }

  void tell(std::vector<std::string>& warnings) const {
    const auto say = [&](const std::vector<std::string>& names, std::string_view what) {
      if (!names.empty()) warnings.push_back(fmt::format("'{}': {}: {}", path_, what, list_some(names)));
    };
    if (chosen_.missing.ok()) say(absent_, "the index promises tensors that no file has");  // else the missing files were named
    say(moved_, kMovedTensors);
    if (chosen_.index) say(unlisted_, kUnlistedTensors);
    say(copies_, "tensors are stored twice with the same values");
    say(chosen_copies_, "tensors are stored twice with different values, and one of them was chosen");
  }

 private:
  const std::string& file_name(const StoredTensor& t) const { return chosen_.files[static_cast<std::size_t>(t.file)].name; }

  const std::pair<std::string, int>* index_entry(std::string_view name) const {
    if (!chosen_.index) return nullptr;
    const auto& weights = chosen_.index->weights;
    const auto it = std::lower_bound(weights.begin(), weights.end(), name, [](const auto& w, std::string_view n) { return w.first < n; });
    return it != weights.end() && it->first == name ? &*it : nullptr;
  }
  // In the very file that the index names for it.
  bool is_named_place(const StoredTensor& t) const {
    const auto* entry = index_entry(t.info.name);
    return entry != nullptr && chosen_.index->files[static_cast<std::size_t>(entry->second)] == file_name(t);
  }
  Standing standing_of(const StoredTensor& t) const {
    const Standing of_file = chosen_.files[static_cast<std::size_t>(t.file)].standing;
    if (of_file != Standing::listed || !chosen_.index) return of_file;
    return index_entry(t.info.name) != nullptr ? Standing::listed : Standing::unlisted;
  }

  // A second place for a tensor is harmless when it holds the same values.
  Status check_copy(const StoredTensor& kept, const StoredTensor& copy) {
    JANG_ASSIGN(const bool same, same_content(files_, kept, copy));
    if (same) {
      copies_.push_back(kept.info.name);
      return {};
    }
    const bool clear = is_named_place(kept) || kept.info.standing < copy.info.standing;
    if (lenient_ && clear) {
      chosen_copies_.push_back(kept.info.name);
      return {};
    }
    return {StatusCode::corrupt,
            fmt::format("'{}': tensor {} is stored in both '{}' and '{}', with different values. Keep the files of one copy of the model{}",
                        path_, json::quote(kept.info.name), std::min(file_name(kept), file_name(copy)),
                        std::max(file_name(kept), file_name(copy)),
                        clear ? fmt::format(", or take what '{}' has with --lenient", file_name(kept)) : "")};
  }

  const std::string& path_;
  const ChosenFiles& chosen_;
  const std::vector<InputFile>& files_;
  const bool lenient_;
  std::vector<std::string> absent_, moved_, unlisted_, copies_, chosen_copies_;
};

// Opens every chosen file and reads its header. A stray file that cannot be read is none of the model's.
Status read_headers(const std::string& path, ChosenFiles& chosen, std::vector<InputFile>& files, std::vector<StoredTensor>& tensors,
                    std::string& file_format, std::vector<std::string>& warnings) {
  std::vector<WeightFile> opened;
  for (const WeightFile& weight_file : chosen.files) {
    const bool is_stray = weight_file.standing == Standing::stray;
    Result<InputFile> file = InputFile::open(join_path(path, weight_file.name));
    if (!file.ok() && is_stray) continue;
    JANG_TRY(file.status());
    Result<SafetensorsHeader> header = read_safetensors_header(*file);
    if (!header.ok() && is_stray) continue;
    JANG_TRY(header.status());
    for (SafetensorsEntry& entry : header->tensors)
      tensors.push_back({std::move(entry.info), static_cast<int>(files.size()), entry.offset_bytes});
    const std::string& format = header->metadata["format"];
    if (files.empty())
      file_format = format;
    else if (format != file_format)
      file_format.clear();
    if (!header->repeated.empty())
      warnings.push_back(
          fmt::format("{}: keys occur twice in __metadata__, the last value counts: {}", file->path(), list_some(header->repeated)));
    files.push_back(std::move(file).value());
    opened.push_back(weight_file);
  }
  chosen.files = std::move(opened);
  return {};
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

Result<Checkpoint> Checkpoint::open(const std::string& path, const OpenOptions& options) {
  JANG_TRY(check_directory(path));
  Checkpoint c;
  c.path_ = path;
  c.lenient_ = options.lenient;
  const std::string config_path = join_path(path, kConfigName);
  std::vector<std::string> repeated;
  JANG_ASSIGN(c.config_, json::parse_file(config_path, {.dialect = json::Dialect::python}, &repeated));
  if (!c.config_.is_object()) return corrupt(fmt::format("{}: expected a JSON object, found {}", config_path, c.config_.type_name()));
  if (!repeated.empty())
    c.warnings_.push_back(fmt::format("{}: keys occur twice, the last value counts: {}", config_path, list_some(repeated)));

  JANG_ASSIGN(ChosenFiles chosen, choose_files(path, options.lenient));
  c.warnings_.insert(c.warnings_.end(), chosen.warnings.begin(), chosen.warnings.end());
  JANG_TRY(read_headers(path, chosen, c.files_, c.tensors_, c.file_format_, c.warnings_));
  Reconciler reconciler(path, chosen, c.files_, options.lenient);
  JANG_TRY(reconciler.settle_places(c.tensors_));
  const Status absent = reconciler.compare_with_index(c.tensors_);
  c.missing_ = chosen.missing.ok() ? absent : chosen.missing;
  reconciler.tell(c.warnings_);
  return c;
}

Status Checkpoint::settle(const Status& described, bool knows_tensors) const {
  if (missing_.ok() || (!described.ok() && described.code() != StatusCode::corrupt)) return described;
  if (!described.ok()) return {missing_.code(), missing_.message() + " (" + described.message() + ")"};
  if (knows_tensors || lenient_) return {};
  return {missing_.code(), missing_.message() + ", or go on without what is missing with --lenient"};
}

int Checkpoint::find(std::string_view name) const {
  const auto it =
      std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const StoredTensor& t, std::string_view n) { return t.info.name < n; });
  return it != tensors_.end() && it->info.name == name ? static_cast<int>(it - tensors_.begin()) : -1;
}

Status Checkpoint::read(const StoredTensor& t, std::uint64_t begin, std::span<std::byte> out) const {
  const auto bytes = static_cast<std::uint64_t>(t.info.bytes());
  JANG_CHECK(begin <= bytes && out.size() <= bytes - begin);
  const Status status =
      t.made != nullptr ? t.made->read(*this, begin, out) : files_[static_cast<std::size_t>(t.file)].read_at(t.offset_bytes + begin, out);
  return status.ok() ? status : status.with_context(fmt::format("tensor {}", json::quote(t.info.name)));
}

Checkpoint Checkpoint::with(json::Value config, std::vector<StoredTensor> tensors, const std::string& warning) && {
  config_ = std::move(config);
  tensors_ = std::move(tensors);
  std::ranges::sort(tensors_, {}, [](const StoredTensor& t) -> const std::string& { return t.info.name; });
  if (!warning.empty()) warnings_.push_back(warning);
  return std::move(*this);
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

Result<CheckpointIndex> parse_index(std::string_view text, std::string_view what, bool lenient) {
  std::vector<std::string> repeated;
  const json::Limits limits{.max_bytes = kMaxIndexBytes, .max_depth = 4, .dialect = json::Dialect::python};
  JANG_ASSIGN(const json::Value root, json::parse(text, what, limits, &repeated));
  if (!repeated.empty() && !lenient)
    return corrupt(fmt::format("{}: key {} occurs twice in one object; remove one of them, or take the last with --lenient", what,
                               json::quote(repeated.front())));
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
