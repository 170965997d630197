// SPDX-License-Identifier: Apache-2.0
// Tensor by tensor in chunks of rows; a chunk's rows go to wherever the source keeps them.
#include "experiment/gguf/dequantized.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/check.h"
#include "base/corrupt.h"
#include "base/file.h"
#include "experiment/class_bits.h"
#include "experiment/gguf/model.h"
#include "experiment/line_log.h"
#include "format/safetensors.h"
#include "format/targets/side_files.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;
using targets::gguf::Change;
using targets::gguf::Counterpart;

constexpr std::int64_t kChunkValues = 1 << 20;

class Dequantizer {
 public:
  Dequantizer(const quantize::Source& source, const std::string& file, const std::string& directory, const CancelFlag* cancel)
      : source_(source), path_(file), directory_(directory), cancel_(cancel) {}

  Result<GgufFacts> run() {
    JANG_TRY(open());
    JANG_TRY(lay_out());
    for (const Counterpart& c : model_.tensors) JANG_TRY(write_tensor(c));
    JANG_TRY(out_->sync());
    JANG_TRY(write_side_files());
    JANG_TRY(file_->check_unchanged());
    return facts();
  }

 private:
  Status open() {
    JANG_ASSIGN(InputFile file, InputFile::open(path_));
    file_.emplace(std::move(file));
    JANG_ASSIGN(header_, format::read_gguf_header(*file_));
    JANG_ASSIGN(model_, describe_for_gguf(source_));
    return targets::gguf::check_holds(header_, model_.model, model_.tensors, path_);
  }

  // Which source tensors the model takes; each must be taken whole, since the file has nothing for the rest.
  Status lay_out() {
    const std::vector<format::StoredTensor>& stored = source_.checkpoint.tensors();
    std::map<int, std::int64_t> rows_taken;
    for (const arch::OutTensor& t : model_.model.tensors)
      for (const arch::Piece& piece : t.pieces) rows_taken[piece.source] += piece.n_rows;
    std::vector<TensorInfo> infos;
    for (const auto& [index, n_rows] : rows_taken) {
      const TensorInfo& info = stored[static_cast<std::size_t>(index)].info;
      if (n_rows != rows(info.shape))
        return {StatusCode::unsupported, fmt::format("tensor '{}' is used in part, {} of {} rows", info.name, n_rows, rows(info.shape))};
      infos.push_back({info.name, DType::f32, info.shape});
    }
    std::vector<std::pair<std::string, std::string>> metadata;
    if (!source_.checkpoint.file_format().empty()) metadata.emplace_back("format", source_.checkpoint.file_format());
    const std::string header = format::make_safetensors_header(infos, metadata);
    std::uint64_t at = header.size();
    std::size_t i = 0;
    for (const auto& [index, n_rows] : rows_taken) {
      offsets_[index] = at;
      at += static_cast<std::uint64_t>(infos[i++].bytes());
    }
    std::error_code error;
    fs::remove_all(directory_, error);
    JANG_TRY(make_directories(directory_));
    JANG_ASSIGN(OutputFile out, OutputFile::create(directory_ + "/model.safetensors"));
    out_.emplace(std::move(out));
    JANG_TRY(out_->reserve(at));
    return out_->write_at(0, std::as_bytes(std::span(header)));
  }

  Status write_tensor(const Counterpart& c) {
    const arch::OutTensor& t = model_.tensor_of(c);
    const format::GgufTensor& stored = *header_.find(c.name);
    const std::int64_t n_columns = columns(t.shape), n_rows = rows(t.shape);
    const bool is_vector = t.shape.size() == 1;
    // An interleaved tensor is read by whole heads, which keep their rows to themselves. The values of its bias are its rows.
    const std::int64_t unit_rows = c.change == Change::interleaved && !is_vector ? c.head_dim : 1;
    const std::int64_t chunk = std::max<std::int64_t>(1, kChunkValues / n_columns / unit_rows) * unit_rows;
    std::vector<float> read, values;
    std::vector<std::byte> blocks;
    for (std::int64_t begin = 0; begin < n_rows; begin += chunk) {
      if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "stopped"};
      const std::int64_t n = std::min(chunk, n_rows - begin);
      const auto row_bytes = static_cast<std::uint64_t>(n_columns / stored.type->block_values * stored.type->block_bytes);
      blocks.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(row_bytes));
      JANG_TRY(file_->read_at(stored.offset_bytes + static_cast<std::uint64_t>(begin) * row_bytes, blocks));
      read.resize(static_cast<std::size_t>(n * n_columns));
      codec::decode_gguf(*stored.type, blocks.data(), n * n_columns, read.data());
      JANG_TRY(undo(c, is_vector, begin, read, values));
      JANG_TRY(scatter(t, begin * n_columns, values));
    }
    return {};
  }

  // From the file's values of rows [begin, ...) to the source's.
  Status undo(const Counterpart& c, bool is_vector, std::int64_t begin, const std::vector<float>& read, std::vector<float>& values) const {
    const arch::OutTensor& t = model_.tensor_of(c);
    const std::int64_t n_columns = is_vector ? 1 : columns(t.shape);  // values of a bias move as rows do
    values.resize(read.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      if (!std::isfinite(read[i])) return corrupt(fmt::format("{}: tensor '{}' has {} among its values", path_, c.name, read[i]));
      values[i] = c.change == Change::plus_one ? read[i] - 1.0f : read[i];
    }
    if (c.change != Change::interleaved) return {};
    const std::int64_t n = static_cast<std::int64_t>(read.size()) / n_columns, first = is_vector ? 0 : begin;
    for (std::int64_t r = 0; r < n; ++r) {
      const std::int64_t from = targets::gguf::row_in_file(c, first + r) - first;
      std::copy_n(read.begin() + from * n_columns, n_columns, values.begin() + r * n_columns);
    }
    return {};
  }

  // Elements [begin, begin + values.size()) of the model's tensor to the source tensors of its pieces.
  Status scatter(const arch::OutTensor& t, std::int64_t begin, std::span<const float> values) {
    std::int64_t piece_begin = 0;
    const std::int64_t end = begin + static_cast<std::int64_t>(values.size());
    for (const arch::Piece& piece : t.pieces) {
      const TensorInfo& info = source_.checkpoint.tensors()[static_cast<std::size_t>(piece.source)].info;
      const std::int64_t n = piece.n_rows * columns(info.shape), piece_end = piece_begin + n;
      const std::int64_t from = std::max(begin, piece_begin), to = std::min(end, piece_end);
      if (from < to) {
        const std::int64_t element = piece.row_begin * columns(info.shape) + from - piece_begin;
        JANG_TRY(
            out_->write_at(offsets_.at(piece.source) + static_cast<std::uint64_t>(element) * sizeof(float),
                           std::as_bytes(values.subspan(static_cast<std::size_t>(from - begin), static_cast<std::size_t>(to - from)))));
      }
      piece_begin = piece_end;
    }
    return {};
  }

  Status write_side_files() {
    json::Value config = source_.checkpoint.config();
    config.erase("quantization_config");  // the values are plain, whatever the source's were
    JANG_TRY(write_text(directory_ + "/config.json", json::dump(config, 2) + "\n"));
    JANG_ASSIGN(const targets::SideFiles files, targets::find_side_files(source_.checkpoint.path(), *source_.target));
    for (const std::string& name : files.names) {
      const fs::path to = fs::path(directory_) / name;
      JANG_TRY(make_directories(to.parent_path().string()));
      std::error_code error;
      fs::copy_file(fs::path(source_.checkpoint.path()) / name, to, fs::copy_options::overwrite_existing, error);
      if (error) return {StatusCode::io, fmt::format("cannot copy {}: {}", name, error.message())};
    }
    return {};
  }

  [[nodiscard]] GgufFacts facts() const {
    std::vector<TensorBits> tensors;
    for (const Counterpart& c : model_.tensors) tensors.push_back({&model_.tensor_of(c), header_.find(c.name)->type->bits()});
    GgufFacts f;
    f.tensor_bytes = header_.tensor_bytes();
    f.stored_bits = 8.0 * static_cast<double>(f.tensor_bytes) / static_cast<double>(header_.elements());
    f.classes = class_bits(model_.model.n_layers, tensors);
    return f;
  }

  const quantize::Source& source_;
  const std::string &path_, &directory_;
  const CancelFlag* cancel_;
  std::optional<InputFile> file_;
  std::optional<OutputFile> out_;
  format::GgufHeader header_;
  GgufModel model_;
  std::map<int, std::uint64_t> offsets_;  // in the output, by source tensor
};

}  // namespace

Result<GgufFacts> write_dequantized(const quantize::Source& source, const std::string& file, const std::string& directory,
                                    const CancelFlag* cancel) {
  return Dequantizer(source, file, directory, cancel).run();
}

}  // namespace jang::experiment
