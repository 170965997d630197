// SPDX-License-Identifier: Apache-2.0
// The index decides where it can be used; otherwise names do, as transformers and mlx-lm choose by them. Only bare names inside the
// directory are ever opened. They may be symbolic links, because Hub caches are made of them.
#include "format/checkpoint_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/file.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";  // what transformers asks for first
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::size_t kMaxListed = 8;  // names in one message

// Names of the entries of a directory, sorted. An error ends the list: it feeds messages, and globs whose files are checked when opened.
std::vector<std::string> list_names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
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
    if (exists(join_path(below, "config.json"))) found.push_back(name);
    if (name != "snapshots") continue;
    for (const std::string& revision : list_names(below))
      if (exists(join_path(join_path(below, revision), "config.json"))) found.push_back(name + "/" + revision);
  }
  return found;
}

bool is_pickle(std::string_view name) {
  constexpr std::string_view kPickles[] = {".bin", ".pt", ".pth", ".ckpt"};
  return std::any_of(std::begin(kPickles), std::end(kPickles), [&](std::string_view s) { return name.ends_with(s); });
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

// Weights under other names, and files that hold no weights of the model itself, as their writers call them.
bool is_other_kind(std::string_view name) {
  constexpr std::string_view kStarts[] = {"consolidated", "adapter", "optimizer", "scheduler", "random_states", "rng_state", "training_"};
  return std::any_of(std::begin(kStarts), std::end(kStarts), [&](std::string_view s) { return name.starts_with(s); });
}

Status check_shards_complete(const std::string& directory, const std::vector<std::string>& files) {
  const std::size_t announced = shard_count(files.front());
  const auto same = static_cast<std::size_t>(
      std::count_if(files.begin(), files.end(), [&](const std::string& n) { return shard_count(n) == announced; }));
  if (announced <= same) return {};
  return {StatusCode::not_found, fmt::format("'{}' holds {} of the {} files of the model. The download is incomplete: download the rest",
                                             directory, same, announced)};
}

void add(const std::vector<std::string>& names, Standing standing, std::vector<WeightFile>& files) {
  for (const std::string& name : names) files.push_back({name, standing});
}

// Files of a checkpoint without an index. What only mlx-lm reads beside model.safetensors is unlisted, what nobody else reads is stray.
Result<std::vector<WeightFile>> choose_by_name(const std::string& directory) {
  const std::vector<std::string> all = select(list_names(directory), is_bare_file_name);
  if (all.empty())
    return Status(StatusCode::not_found, fmt::format("no .safetensors file in '{}'. {}", directory, likely_cause(directory)));
  const auto is_single = [](const std::string& n) { return n == kSingleName; };
  const auto is_model = [&](const std::string& n) { return n.starts_with("model") && !is_single(n); };
  const auto is_rest = [&](const std::string& n) { return !n.starts_with("model") && !is_other_kind(n); };
  const std::vector<std::string> single = select(all, is_single), model = select(all, is_model), rest = select(all, is_rest);

  std::vector<WeightFile> files;
  add(single, Standing::listed, files);
  add(model, single.empty() ? Standing::listed : Standing::unlisted, files);
  add(rest, files.empty() ? Standing::listed : Standing::stray, files);
  if (files.empty()) add(all, Standing::listed, files);
  if (single.empty()) JANG_TRY(check_shards_complete(directory, !model.empty() ? model : !rest.empty() ? rest : all));
  return files;
}

Status missing_files(const std::string& directory, const CheckpointIndex& index, const std::vector<std::string>& absent) {
  return {StatusCode::not_found, fmt::format("'{}': {} of the {} files that its index names are missing: {}. The download is incomplete: "
                                             "download the rest",
                                             directory, absent.size(), index.files.size(), list_some(absent))};
}

// model.safetensors in place of an index that cannot be used; transformers asks for it first, mlx-lm reads no index.
ChosenFiles choose_single(std::string why) {
  ChosenFiles out;
  out.files.push_back({std::string(kSingleName), Standing::listed});
  out.warnings.push_back(fmt::format("{}; {} is read instead", why, kSingleName));
  return out;
}

}  // namespace

std::string join_path(const std::string& directory, std::string_view name) { return (fs::path(directory) / name).string(); }

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

bool exists(const std::string& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found && !error;
}

std::string list_some(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMaxListed; ++i) text += (i ? ", " : "") + json::quote(names[i]);
  if (names.size() > kMaxListed) text += fmt::format(" and {} more", names.size() - kMaxListed);
  return text;
}

bool is_bare_file_name(std::string_view name) {
  if (name.size() <= kSuffix.size() || name.size() > 255 || name.front() == '.' || !name.ends_with(kSuffix)) return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<ChosenFiles> choose_files(const std::string& directory, bool lenient) {
  const std::string index_path = join_path(directory, kIndexName);
  const bool has_single = exists(join_path(directory, kSingleName));
  ChosenFiles out;
  if (!exists(index_path)) {
    JANG_ASSIGN(out.files, choose_by_name(directory));
    return out;
  }
  JANG_ASSIGN(const std::string text, read_text(index_path, kMaxIndexBytes));
  Result<CheckpointIndex> index = parse_index(text, index_path, lenient);
  if (!index.ok()) return has_single ? Result<ChosenFiles>(choose_single(index.status().message())) : index.status();

  std::error_code error;
  const auto is_there = [&](const std::string& name) { return fs::exists(join_path(directory, name), error); };  // follows links
  const std::vector<std::string> present = select(index->files, is_there);
  const std::vector<std::string> absent = select(index->files, [&](const std::string& n) { return !is_there(n); });
  const bool names_single = std::binary_search(index->files.begin(), index->files.end(), kSingleName);
  if (!absent.empty()) {
    out.missing = missing_files(directory, *index, absent);
    if (has_single && !names_single) return choose_single(out.missing.message());
    if (present.empty()) return out.missing;
    out.warnings.push_back(out.missing.message());
  } else if (has_single && !names_single) {
    out.warnings.push_back(fmt::format("{} does not name {}, which is left out", index_path, kSingleName));
  }
  add(present, Standing::listed, out.files);
  if (lenient) {
    const auto is_beside = [&](const std::string& n) {
      return is_bare_file_name(n) && n.starts_with("model") && !std::binary_search(index->files.begin(), index->files.end(), n);
    };
    add(select(list_names(directory), is_beside), Standing::stray, out.files);
  }
  out.index = std::move(index).value();
  return out;
}

}  // namespace jang::format
