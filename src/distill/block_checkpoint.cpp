// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/block_checkpoint.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include "json/json.h"

namespace jang::distill {
namespace {

std::vector<CheckpointPart> parts_of(StoredBytesOfModules& kept) {
  std::vector<CheckpointPart> parts;
  for (auto& [path, bytes] : kept) {
    parts.push_back(host_part(path + "/words", DType::u8, bytes.words));
    parts.push_back(host_part(path + "/scales", DType::u8, bytes.scales));
    parts.push_back(host_part(path + "/biases", DType::u8, bytes.biases));
  }
  return parts;
}

json::Value document_of(const BlockProgress& p) {
  json::Value blocks = json::Value::array();
  for (const DistilledBlock& b : p.blocks)
    blocks.push_back({{"rate", b.rate}, {"kept_step", b.kept_step}, {"start_loss", b.start_loss}, {"loss", b.loss}, {"kld", b.divergence}});
  return {{"steps", p.steps}, {"text_steps", p.text_steps}, {"kld_start", p.start_divergence}, {"device", p.device}, {"blocks", blocks}};
}

// A number of a document that holds no others than finite ones of at least 0.
Result<double> size_in(const json::Value& v, std::string_view name) {
  JANG_ASSIGN(const double found, json::get_number(v, name, -1));
  if (!(found >= 0) || !std::isfinite(found)) return damaged_checkpoint(name);
  return found;
}

Result<BlockProgress> parse_blocks(const json::Value& v, int n_layers) {
  BlockProgress p;
  JANG_ASSIGN(p.steps, json::get_int(v, "steps", 0, 1, std::int64_t{1} << 40));
  JANG_ASSIGN(p.text_steps, json::get_int(v, "text_steps", 0, 1, p.steps));
  JANG_ASSIGN(p.device, json::get_string(v, "device", ""));
  JANG_ASSIGN(p.start_divergence, size_in(v, "kld_start"));
  const json::Value* blocks = json::find(v, "blocks");
  if (blocks == nullptr || !blocks->is_array() || blocks->size() > static_cast<std::size_t>(n_layers)) return damaged_checkpoint("blocks");
  for (const json::Value& block : *blocks) {
    DistilledBlock b;
    b.layer = static_cast<int>(p.blocks.size());
    JANG_ASSIGN(b.kept_step, json::get_int(block, "kept_step", -1, 0, p.steps));
    JANG_ASSIGN(b.rate, size_in(block, "rate"));
    JANG_ASSIGN(b.start_loss, size_in(block, "start_loss"));
    JANG_ASSIGN(b.loss, size_in(block, "loss"));
    JANG_ASSIGN(b.divergence, size_in(block, "kld"));
    p.blocks.push_back(b);
  }
  return p;
}

Result<BlockProgress> read_blocks(const CheckpointFile& file, const std::string& path, const std::string& settings,
                                  engine::Engine& bundle) {
  if (file.settings() != settings) return Status(StatusCode::invalid_argument, "it is of another run");
  JANG_ASSIGN(const json::Value document, json::parse(file.progress(), path));
  JANG_ASSIGN(BlockProgress progress, parse_blocks(document, bundle.decoder().config().n_layers()));
  for (const DistilledBlock& b : progress.blocks) {
    if (b.kept_step == 0) continue;
    for (const std::string& module : bundle.decoder().modules_of(b.layer)) {
      const auto views = bundle.decoder().matrices(module);
      if (views.front().format.packed()) progress.kept.emplace(module, copy_of(views));
    }
  }
  JANG_TRY(file.read(parts_of(progress.kept), bundle.device()));
  return progress;
}

}  // namespace

Status write_block_checkpoint(const std::string& path, const std::string& settings, const BlockProgress& progress, engine::Engine& bundle) {
  StoredBytesOfModules kept = progress.kept;
  return write_checkpoint_file(path, settings, json::dump(document_of(progress)), parts_of(kept), bundle.device(), true);
}

Result<std::optional<BlockProgress>> read_block_checkpoint(const std::string& path, const std::string& settings, engine::Engine& bundle,
                                                           std::string* why) {
  JANG_TRY(check_checkpoint_place(path));
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return std::optional<BlockProgress>{};
  JANG_ASSIGN(const CheckpointFile file, CheckpointFile::open(path));
  Result<BlockProgress> progress = read_blocks(file, path, settings, bundle);
  if (progress.ok()) return std::optional<BlockProgress>(std::move(progress).value());
  *why = progress.status().message();
  return std::optional<BlockProgress>{};
}

}  // namespace jang::distill
