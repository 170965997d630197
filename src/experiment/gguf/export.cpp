// SPDX-License-Identifier: Apache-2.0
// Tensor by tensor in chunks of rows, in the order of the model.
#include "experiment/gguf/export.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "experiment/gguf/metadata.h"
#include "experiment/gguf/model.h"
#include "format/gguf_writer.h"
#include "format/hub.h"
#include "quantize/source_rows.h"

namespace jang::experiment {
namespace {

using targets::gguf::Change;
using targets::gguf::Counterpart;

constexpr std::int64_t kExportValues = 1 << 20;
constexpr std::uint32_t kF32 = 0, kF16 = 1, kBf16 = 30;  // ggml's numbers

// The type a tensor gets. A shift is computed in float32 and stays there.
std::uint32_t stored_type(const arch::OutTensor& t, const Counterpart& c) {
  if (t.shape.size() == 1 || t.role == arch::Role::router || c.change == Change::plus_one) return kF32;
  return t.source_dtype == DType::bf16 ? kBf16 : t.source_dtype == DType::f16 ? kF16 : kF32;
}

class Exporter {
 public:
  Exporter(const quantize::Source& source, const CancelFlag* cancel) : source_(source), cancel_(cancel) {}

  Result<ExportedGguf> run(const std::string& path) {
    JANG_ASSIGN(model_, describe_for_gguf(source_));
    ExportedGguf done;
    add_sizes(model_, format::model_name(source_.checkpoint.path()), header_);
    done.no_text = forward_gap(model_);
    if (const Status s = add_vocabulary(source_.checkpoint.path(), model_.config.vocab, source_.checkpoint.config(), header_); !s.ok()) {
      add_no_vocabulary(header_);
      done.no_text = s.message();
    }
    for (const Counterpart& c : model_.tensors) {
      const arch::OutTensor& t = model_.tensor_of(c);
      header_.tensors.push_back({c.name, t.shape, codec::find_gguf_type(stored_type(t, c))});
    }
    const std::string bytes = format::make_gguf_header(header_);
    JANG_ASSIGN(OutputFile out, OutputFile::create(path));
    JANG_TRY(out.write_at(0, std::as_bytes(std::span(bytes))));
    for (std::size_t i = 0; i < model_.tensors.size(); ++i) JANG_TRY(write_tensor(model_.tensors[i], header_.tensors[i], out));
    JANG_TRY(out.sync());
    return done;
  }

 private:
  Status write_tensor(const Counterpart& c, const format::GgufTensor& place, OutputFile& out) {
    const arch::OutTensor& t = model_.tensor_of(c);
    const bool is_vector = t.shape.size() == 1, as_floats = place.type->id == kF32;
    const std::int64_t n_columns = is_vector ? 1 : columns(t.shape), n_rows = elements(t.shape) / n_columns;  // a vector moves as rows do
    const std::int64_t unit = c.change == Change::interleaved ? c.head_dim : 1;
    const std::int64_t chunk = std::max<std::int64_t>(1, kExportValues / n_columns / unit) * unit;
    const auto row_bytes = static_cast<std::size_t>(n_columns * place.type->block_bytes);
    const quantize::SourceRows rows(source_.checkpoint, t);
    std::vector<std::byte> raw, moved, scratch;
    for (std::int64_t begin = 0; begin < n_rows; begin += chunk) {
      if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "stopped"};
      const std::int64_t n = std::min(chunk, n_rows - begin);
      raw.resize(static_cast<std::size_t>(n) * row_bytes);
      if (as_floats) {
        std::vector<float> values(static_cast<std::size_t>(n * n_columns));
        JANG_TRY(rows.read_floats(begin * n_columns, values, scratch));
        if (c.change == Change::plus_one)
          for (float& v : values) v += 1.0f;
        std::memcpy(raw.data(), values.data(), raw.size());
      } else {
        JANG_TRY(rows.read_bytes(begin * n_columns, raw));
      }
      if (c.change == Change::interleaved) {
        moved.resize(raw.size());
        for (std::int64_t r = 0; r < n; ++r)
          std::memcpy(moved.data() + static_cast<std::size_t>(r) * row_bytes,
                      raw.data() + static_cast<std::size_t>(targets::gguf::row_in_model(c, r)) * row_bytes, row_bytes);
        std::swap(raw, moved);
      }
      JANG_TRY(out.write_at(place.offset_bytes + static_cast<std::uint64_t>(begin) * row_bytes, raw));
    }
    return {};
  }

  const quantize::Source& source_;
  const CancelFlag* cancel_;
  GgufModel model_;
  format::GgufHeader header_;
};

}  // namespace

Result<ExportedGguf> export_gguf(const quantize::Source& source, const std::string& path, const CancelFlag* cancel) {
  return Exporter(source, cancel).run(path);
}

}  // namespace jang::experiment
