// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/write_bundle.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "base/mapped_file.h"
#include "engine/load_weights.h"
#include "format/bundle_writer.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "format/targets/model_card.h"
#include "format/targets/side_files.h"
#include "format/targets/target.h"
#include "quantize/check_loads.h"

namespace jang::distill {
namespace {

constexpr std::size_t kCopyBytes = std::size_t{16} << 20;
constexpr std::size_t kMostCardBytes = std::size_t{4} << 20;

// The files of a bundle, and where in them a view's bytes lie.
class Places {
 public:
  explicit Places(std::span<const MappedFile> files) : files_(files) {}
  struct Place {
    int file = 0;
    std::uint64_t offset = 0;
  };
  [[nodiscard]] Place of(const std::byte* at) const {
    for (std::size_t i = 0; i < files_.size(); ++i)
      if (!std::less<>{}(at, files_[i].data()) && std::less<>{}(at, files_[i].data() + files_[i].size()))
        return {static_cast<int>(i), static_cast<std::uint64_t>(at - files_[i].data())};
    JANG_CHECK(false);  // views of load_weights lie in the files it was given
    return {};
  }

 private:
  std::span<const MappedFile> files_;
};

Status copy_all(const MappedFile& from, int file, format::BundleWriter& writer) {
  for (std::uint64_t at = 0; at < from.size(); at += kCopyBytes)
    JANG_TRY(writer.write_at(file, at, {from.data() + at, std::min<std::size_t>(kCopyBytes, from.size() - at)}));
  return {};
}

Status write_matrix(const Places& places, const kernels::MatrixView& at, const kernels::MatrixView& values, format::BundleWriter& writer) {
  const auto write = [&](const std::byte* to, const std::byte* from, std::int64_t bytes) {
    const Places::Place place = places.of(to);
    return writer.write_at(place.file, place.offset, {from, static_cast<std::size_t>(bytes)});
  };
  JANG_TRY(write(at.data, values.data, at.n_rows * at.row_bytes()));
  JANG_TRY(write(at.scales, values.scales, at.n_rows * at.param_row_bytes()));
  return write(at.biases, values.biases, at.n_rows * at.param_row_bytes());
}

// A tied embedding that a bundle holds a second time, as the head that one of its loaders wants: the copy stays one.
Status write_copies(const format::Bundle& bundle, std::span<const MappedFile> mapped, const engine::LoadedWeights& loaded,
                    const StoredBytesOfModules& modules, format::BundleWriter& writer) {
  const std::string embedding = "model.embed_tokens";
  const auto stored = modules.find(embedding);
  if (stored == modules.end()) return {};
  kernels::MatrixView view = loaded.weights.matrices.find(embedding)->second.front();
  for (const format::BundleModule& m : bundle.modules) {
    const auto is_module = [&](const arch::Dropped& d) { return d.name == m.path + ".weight"; };
    const bool alike = m.format->bits == view.format.bits && m.format->group_size == view.format.group_size &&
                       rows(m.shape) == view.n_rows && columns(m.shape) == view.n_cols;
    if (!alike || std::ranges::none_of(loaded.described.dropped, is_module)) continue;
    const auto at = [&](int plane) {
      const format::StoredTensor& t = bundle.checkpoint.tensors()[static_cast<std::size_t>(m.planes[static_cast<std::size_t>(plane)])];
      return mapped[static_cast<std::size_t>(t.file)].data() + t.offset_bytes;
    };
    view.data = at(0);
    view.scales = at(1);
    view.biases = at(2);
    JANG_TRY(write_matrix(Places(mapped), view, views_of(stored->second, std::span(&view, 1)).front(), writer));
  }
  return {};
}

// The start's card, if it has one, with what was trained.
Status write_card(const std::string& from, const json::Value& record, format::BundleWriter& writer) {
  const std::string name(targets::kCardName);
  std::error_code ec;
  if (!std::filesystem::is_regular_file(from + "/" + name, ec)) return {};
  JANG_ASSIGN(const std::string card, read_text(from + "/" + name, kMostCardBytes));
  JANG_ASSIGN(const double before, json::get_number(record, "start_divergence", 0));
  JANG_ASSIGN(const double after, json::get_number(record, "divergence", 0));
  JANG_ASSIGN(const std::int64_t steps, json::get_int(record, "kept_step", 0, 0, std::int64_t{1} << 40));
  return writer.add_text(name, targets::with_training(card, steps, before, after));
}

Status write_side_files(const format::Bundle& bundle, const json::Value& record, format::BundleWriter& writer, Observer& observer) {
  const std::string& from = bundle.checkpoint.path();
  JANG_ASSIGN(const targets::SideFiles files, targets::find_side_files(from, *bundle.target));
  for (const std::string& why : files.left) observer.warn("not copied: " + why);
  for (const std::string& name : files.names) JANG_TRY(writer.add_copy(from + "/" + name, name));
  JANG_TRY(write_card(from, record, writer));
  if (std::filesystem::exists(from + "/model.safetensors.index.json"))
    JANG_TRY(writer.add_copy(from + "/model.safetensors.index.json", "model.safetensors.index.json"));
  if (const json::Value* described = json::find(bundle.jang_config, "quantization"); described != nullptr && described->is_object()) {
    json::Value config = bundle.jang_config;
    json::Value& quantization = config["quantization"];
    quantization["distillation"] = record;
    if (const auto manifest = quantization.find("tensor_quantization_manifest"); manifest != quantization.end())
      for (json::Value& entry : *manifest)
        if (entry.is_object()) entry["error"] = nullptr;  // of the start: distance from the source's weights is not what was trained
    JANG_TRY(writer.add_text("jang_config.json", json::dump(config, 2) + "\n"));
  }
  return writer.add_copy(from + "/config.json", "config.json");
}

}  // namespace

Status write_bundle(const std::string& directory, const format::OpenOptions& open, const StoredBytesOfModules& modules,
                    const json::Value& record, const std::string& output, bool force, Observer& observer) {
  JANG_ASSIGN(const format::Bundle bundle, format::open_bundle(directory, open));
  std::vector<MappedFile> mapped;
  std::vector<format::PlannedFile> planned;
  for (const InputFile& file : bundle.checkpoint.files()) {
    JANG_ASSIGN(MappedFile map, MappedFile::open(file.path(), file.size()));
    // The first bytes are copied with all others: an empty header will do.
    planned.push_back({std::filesystem::path(file.path()).filename().string(), "", file.size()});
    mapped.push_back(std::move(map));
  }
  JANG_ASSIGN(const engine::LoadedWeights loaded, engine::load_weights(bundle, mapped));
  JANG_ASSIGN(format::BundleWriter writer, format::BundleWriter::create(output, force, planned));
  for (std::size_t i = 0; i < mapped.size(); ++i) JANG_TRY(copy_all(mapped[i], static_cast<int>(i), writer));
  const Places places(mapped);
  for (const auto& [path, stored] : modules) {
    const std::vector<kernels::MatrixView>& views = loaded.weights.matrices.find(path)->second;
    const std::vector<kernels::MatrixView> values = views_of(stored, views);
    for (std::size_t i = 0; i < views.size(); ++i) JANG_TRY(write_matrix(places, views[i], values[i], writer));
  }
  JANG_TRY(write_copies(bundle, mapped, loaded, modules, writer));
  JANG_TRY(bundle.checkpoint.check_unchanged());
  JANG_TRY(write_side_files(bundle, record, writer, observer));
  JANG_TRY(writer.sync());
  JANG_TRY(quantize::check_bundle(writer.partial_path()));
  return writer.publish();
}

}  // namespace jang::distill
