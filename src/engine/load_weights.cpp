// SPDX-License-Identifier: Apache-2.0
// Describing a directory and pointing at its bytes. Offsets and sizes were checked against the file when it was opened; shapes against the
// config by arch::describe; here rows of sources become rows of matrices.
#include "engine/load_weights.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "format/targets/packed_module.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "kernels/values.h"
#include "quantize/tied_head.h"

namespace jang::engine {
namespace {

constexpr std::int64_t kFloatBytes = 4;

// A tensor as the model sees it, and where its bytes lie. Rows are those of [product of leading dimensions, last dimension].
struct Source {
  TensorInfo info;
  kernels::MatrixView view;
  std::int64_t file_bytes = 0;  // of all rows
};

class Loader {
 public:
  Loader(const format::Bundle& bundle, std::span<const MappedFile> files) : bundle_(bundle), files_(files) {}
  Result<LoadedWeights> load();

 private:
  const format::StoredTensor& stored(int index) const { return bundle_.checkpoint.tensors()[static_cast<std::size_t>(index)]; }
  const std::byte* bytes_of(const format::StoredTensor& t) const {
    return files_[static_cast<std::size_t>(t.file)].data() + t.offset_bytes;
  }
  Status add_plain(const format::LogicalTensor& t);
  Status add_module(const format::LogicalTensor& t);
  Status add_parameters(const format::PackedModule& module, kernels::MatrixView* view);
  Status place(const arch::OutTensor& t);
  Status place_matrix(const arch::OutTensor& t);
  Status place_vector(const arch::OutTensor& t);

  const format::Bundle& bundle_;
  std::span<const MappedFile> files_;
  std::vector<Source> sources_;
  LoadedWeights out_;
};

Status Loader::add_plain(const format::LogicalTensor& t) {
  const format::StoredTensor& at = stored(t.stored);
  kernels::MatrixView view;
  view.format.dtype = t.info.dtype;
  view.n_rows = rows(t.info.shape);
  view.n_cols = columns(t.info.shape);
  std::int64_t bytes = t.info.bytes();
  if (at.made == nullptr) {
    view.data = bytes_of(at);
  } else {
    std::vector<std::byte>& made = out_.made.emplace_back(static_cast<std::size_t>(bytes));
    JANG_TRY(bundle_.checkpoint.read(at, 0, made));
    view.data = made.data();
    bytes = static_cast<std::int64_t>(at.made->file_bytes());
  }
  sources_.push_back({t.info, view, bytes});
  return {};
}

Status Loader::add_module(const format::LogicalTensor& t) {
  const format::BundleModule& m = bundle_.modules[static_cast<std::size_t>(t.module)];
  const format::PackedModule module(bundle_.checkpoint, m);
  kernels::MatrixView view;
  view.format = {DType::u32, m.format->bits, m.format->group_size, t.info.dtype};
  view.n_rows = rows(m.shape);
  view.n_cols = columns(m.shape);
  if (m.arranged[0].is_rows()) {
    view.data = bytes_of(stored(m.planes[0]));
  } else {
    std::vector<std::byte>& codes = out_.made.emplace_back();
    JANG_TRY(module.read(bundle_.checkpoint, 0, 0, view.n_rows, &codes));
    view.data = codes.data();
  }
  if (m.format->kind == codec::Kind::affine) {
    view.scales = bytes_of(stored(m.planes[1]));
    view.biases = bytes_of(stored(m.planes[2]));
  } else {
    JANG_TRY(add_parameters(module, &view));
  }
  sources_.push_back({t.info, view, static_cast<std::int64_t>(module.file_bytes())});
  return {};
}

// Scales and biases [rows, groups] of a format without biases, in float32, where scale and zero times scale of 16-bit scales are exact.
Status Loader::add_parameters(const format::PackedModule& module, kernels::MatrixView* view) {
  const codec::WeightFormat& f = module.format();
  const std::int64_t n = view->n_rows * (view->n_cols / f.group_size);
  std::vector<std::byte> scales, zeros(static_cast<std::size_t>(n), static_cast<std::byte>(codec::symmetric_zero(f.bits)));
  JANG_TRY(module.read(bundle_.checkpoint, 1, 0, view->n_rows, &scales));
  if (f.kind != codec::Kind::symmetric) JANG_TRY(module.read(bundle_.checkpoint, 2, 0, view->n_rows, &zeros));
  const auto zero_at = [&](std::int64_t i) {
    return f.kind == codec::Kind::float_zero ? kernels::load_value(module.params(), zeros.data(), i)
                                             : static_cast<float>(std::to_integer<int>(zeros[static_cast<std::size_t>(i)]));
  };
  std::vector<std::byte>& made = out_.made.emplace_back(static_cast<std::size_t>(2 * n * kFloatBytes));
  for (std::int64_t i = 0; i < n; ++i) {
    const float scale = kernels::load_value(module.params(), scales.data(), i);
    const float bias = -zero_at(i) * scale;
    std::memcpy(made.data() + i * kFloatBytes, &scale, kFloatBytes);
    std::memcpy(made.data() + (n + i) * kFloatBytes, &bias, kFloatBytes);
  }
  view->format.param_dtype = DType::f32;
  view->scales = made.data();
  view->biases = view->scales + n * kFloatBytes;
  return {};
}

bool is_matrix(const arch::OutTensor& t) { return t.shape.size() >= 2 && t.role != arch::Role::conv && t.name != t.module; }

// Rows [begin, begin + n) of matrix `k` of n_rows rows each, for every matrix in the piece.
Status Loader::place_matrix(const arch::OutTensor& t) {
  const std::int64_t n_rows = t.shape[t.shape.size() - 2];
  std::vector<kernels::MatrixView> views;
  for (const arch::Piece& piece : t.pieces) {
    const Source& source = sources_[static_cast<std::size_t>(piece.source)];
    if (n_rows <= 0 || piece.n_rows % n_rows != 0)
      return {StatusCode::unsupported, fmt::format("tensor '{}': {} rows in pieces of {}", t.name, n_rows, piece.n_rows)};
    for (std::int64_t r = 0; r < piece.n_rows; r += n_rows) views.push_back(source.view.rows(piece.row_begin + r, n_rows));
    out_.payload_bits += 8.0 * static_cast<double>(source.file_bytes) * static_cast<double>(piece.n_rows) /
                         static_cast<double>(std::max<std::int64_t>(1, source.view.n_rows));
  }
  out_.weights.matrices.emplace(t.module, std::move(views));
  return {};
}

Status Loader::place_vector(const arch::OutTensor& t) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(elements(t.shape)));
  for (const arch::Piece& piece : t.pieces) {
    const kernels::MatrixView& view = sources_[static_cast<std::size_t>(piece.source)].view;
    if (view.format.packed())
      return {StatusCode::unsupported, fmt::format("tensor '{}' is quantized; the engine reads it as plain values only", t.name)};
    const std::int64_t n_columns = columns(t.shape);  // a convolution's file may cut its rows otherwise
    const std::int64_t begin = piece.row_begin * n_columns, n = piece.n_rows * n_columns;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(kernels::load_value(view.format.dtype, view.data, begin + i) + t.add);
    out_.payload_bits += 8.0 * static_cast<double>(n * size_bytes(view.format.dtype));
  }
  out_.weights.vectors.emplace(t.name, std::move(values));
  return {};
}

Status Loader::place(const arch::OutTensor& t) {
  out_.parameters += static_cast<double>(elements(t.shape));
  return is_matrix(t) ? place_matrix(t) : place_vector(t);
}

Result<LoadedWeights> Loader::load() {
  JANG_CHECK(files_.size() == bundle_.checkpoint.files().size());
  for (const format::LogicalTensor& t : format::logical_tensors(bundle_)) {
    JANG_TRY(t.module < 0 ? add_plain(t) : add_module(t));
  }
  const json::Value config = bundle_.modules.empty() ? bundle_.checkpoint.config() : format::logical_config(bundle_);
  std::vector<TensorInfo> infos;
  for (const Source& s : sources_) infos.push_back(s.info);
  JANG_ASSIGN(const arch::SourceFacts facts, quantize::source_facts(bundle_.checkpoint));
  JANG_ASSIGN(out_.described, targets::describe_canonical(config, infos, facts));
  for (const arch::OutTensor& t : out_.described.tensors) JANG_TRY(place(t));
  return std::move(out_);
}

}  // namespace

Result<LoadedWeights> load_weights(const format::Bundle& bundle, std::span<const MappedFile> files) { return Loader(bundle, files).load(); }

}  // namespace jang::engine
