// SPDX-License-Identifier: Apache-2.0
// Sizes and places of everything a directory stores.
//
// Inside a shard payloads follow each other without holes, so order makes alignment: 8-byte elements first, then the planes of packed
// tensors (codes first; of affine formats their sum is a multiple of 4 bytes, and each starts on a multiple of its element size), then the
// rest by falling element size. Where that leaves a part unaligned, which readers that view the file as numbers refuse, the parts of the
// shard are sorted by falling element size instead.
#include "format/targets/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "format/safetensors.h"

namespace jang::targets {
namespace {

constexpr int kPackedRank = 1;
constexpr std::size_t kContentBlock = 1u << 16;  // bytes of a write of repeated content, about

int rank_in_shard(const arch::OutTensor& t, const codec::WeightFormat* format, DType params) {
  if (format != nullptr) return kPackedRank;
  const int bytes = size_bytes(stored_dtype(t, params));
  return bytes >= 8 ? 0 : kPackedRank + 1 + (4 - bytes);
}

// Whether every part of a shard starts on a multiple of its element size, the first one at `begin`.
bool is_aligned(std::span<const StoredPart> parts) {
  std::uint64_t at = 0;
  for (const StoredPart& p : parts) {
    if (at % static_cast<std::uint64_t>(size_bytes(p.info.dtype)) != 0) return false;
    at += static_cast<std::uint64_t>(p.info.bytes());
  }
  return true;
}

class Layouter {
 public:
  Layouter(const Target& target, const arch::Model& model, std::span<const Coding> codings, DType params)
      : target_(target), model_(model), codings_(codings), params_(params) {}

  Layout run(std::uint64_t max_shard_bytes);

 private:
  const arch::OutTensor& tensor(std::size_t i) const { return model_.tensors[static_cast<std::size_t>(codings_[i].tensor)]; }
  std::vector<std::size_t> shard_starts(std::uint64_t max_shard_bytes) const;
  void add_shard(std::size_t begin, std::size_t end, Layout* layout) const;

  const Target& target_;
  const arch::Model& model_;
  std::span<const Coding> codings_;
  DType params_;
};

// First tensor of every shard, in order.
std::vector<std::size_t> Layouter::shard_starts(std::uint64_t max_shard_bytes) const {
  std::vector<std::size_t> starts = {0};
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < codings_.size(); ++i) {
    const std::uint64_t bytes = target_.bytes(tensor(i), codings_[i].format, params_);
    if (i > starts.back() && (bytes > max_shard_bytes || filled > max_shard_bytes - bytes)) {
      starts.push_back(i);
      filled = 0;
    }
    filled += bytes;
  }
  return starts;
}

void Layouter::add_shard(std::size_t begin, std::size_t end, Layout* layout) const {
  std::vector<std::size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  const auto rank = [&](std::size_t i) { return rank_in_shard(tensor(i), codings_[i].format, params_); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });

  const auto first = static_cast<std::ptrdiff_t>(layout->parts.size());
  for (const std::size_t i : order) {
    const codec::WeightFormat* format = codings_[i].format;
    JANG_CHECK(format == nullptr || columns(tensor(i).shape) % format->group_size == 0);
    for (StoredPart& part : target_.parts(tensor(i), format, params_)) {
      part.tensor = codings_[i].tensor;
      layout->parts.push_back(std::move(part));
    }
  }
  const auto parts = std::span(layout->parts).subspan(static_cast<std::size_t>(first));
  if (!is_aligned(parts))
    std::stable_sort(parts.begin(), parts.end(),
                     [](const StoredPart& a, const StoredPart& b) { return size_bytes(a.info.dtype) > size_bytes(b.info.dtype); });
  std::vector<TensorInfo> infos;
  for (const StoredPart& part : parts) infos.push_back(part.info);
  Shard shard;
  shard.header = format::make_safetensors_header(infos, target_.file_metadata());
  shard.file_bytes = shard.header.size();
  for (auto part = layout->parts.begin() + first; part != layout->parts.end(); ++part) {
    part->shard = static_cast<int>(layout->shards.size());
    part->offset_bytes = shard.file_bytes;
    shard.file_bytes += static_cast<std::uint64_t>(part->info.bytes());
  }
  layout->tensor_bytes += shard.file_bytes - shard.header.size();
  layout->file_bytes += shard.file_bytes;
  layout->shards.push_back(std::move(shard));
}

Layout Layouter::run(std::uint64_t max_shard_bytes) {
  const std::vector<std::size_t> starts = shard_starts(max_shard_bytes);
  Layout layout;
  for (std::size_t s = 0; s < starts.size(); ++s) add_shard(starts[s], s + 1 < starts.size() ? starts[s + 1] : codings_.size(), &layout);
  const std::size_t n = layout.shards.size();
  for (std::size_t s = 0; s < n; ++s)
    layout.shards[s].file_name = n == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, n);
  return layout;
}

}  // namespace

DType stored_dtype(const arch::OutTensor& tensor, DType params) {
  return tensor.keep_dtype || !info(tensor.source_dtype).is_float ? tensor.source_dtype : params;
}

std::uint64_t stored_bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) {
  if (format == nullptr) return static_cast<std::uint64_t>(elements(tensor.shape) * size_bytes(stored_dtype(tensor, params)));
  return static_cast<std::uint64_t>(rows(tensor.shape) * format->row_bytes(columns(tensor.shape), params));
}

std::uint64_t Target::bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params) const {
  return stored_bytes(tensor, format, params);
}

std::vector<StoredPart> whole_parts(const arch::OutTensor& t, const codec::WeightFormat* format, DType params,
                                    std::span<const std::string_view> names) {
  const std::int64_t n_rows = rows(t.shape);
  if (format == nullptr) return {{.n_rows = n_rows, .info = {t.name, stored_dtype(t, params), t.shape}}};
  std::vector<StoredPart> parts;
  for (std::size_t p = 0; p < format->planes().size(); ++p) {
    const codec::Plane& plane = format->planes()[p];
    Shape shape = t.shape;
    shape.back() = plane.elements(columns(t.shape));
    parts.push_back(
        {.plane = static_cast<int>(p), .n_rows = n_rows, .info = {fmt::format("{}.{}", t.module, names[p]), plane.stored(params), shape}});
  }
  return parts;
}

Layout make_layout(const Target& target, const arch::Model& model, std::span<const Coding> codings, DType params,
                   std::uint64_t max_shard_bytes) {
  return Layouter(target, model, codings, params).run(max_shard_bytes);
}

RowWriter::RowWriter(const Layout& layout, format::BundleWriter& writer, std::size_t n_tensors)
    : layout_(layout), writer_(writer), parts_(n_tensors) {
  for (std::size_t i = 0; i < layout.parts.size(); ++i)
    parts_[static_cast<std::size_t>(layout.parts[i].tensor)].push_back(static_cast<int>(i));
}

Status RowWriter::write(int tensor, int plane, std::int64_t row_begin, std::int64_t n_rows, std::span<const std::byte> data) const {
  const std::size_t row_bytes = n_rows > 0 ? data.size() / static_cast<std::size_t>(n_rows) : 0;
  JANG_CHECK(row_bytes * static_cast<std::size_t>(n_rows) == data.size());
  for (const int index : parts_[static_cast<std::size_t>(tensor)]) {
    const StoredPart& part = layout_.parts[static_cast<std::size_t>(index)];
    const std::int64_t begin = std::max(row_begin, part.row_begin), end = std::min(row_begin + n_rows, part.row_begin + part.n_rows);
    if (part.plane != plane || begin >= end || !part.content.empty()) continue;
    const auto rows =
        data.subspan(static_cast<std::size_t>(begin - row_begin) * row_bytes, static_cast<std::size_t>(end - begin) * row_bytes);
    const auto put = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
      return writer_.write_at(part.shard, part.offset_bytes + offset, bytes);
    };
    JANG_TRY(put_rows(part.arrangement, part.n_rows, begin - part.row_begin, end - begin, rows, put));
  }
  return {};
}

Status RowWriter::write_contents() const {
  for (const StoredPart& part : layout_.parts) {
    const auto bytes = static_cast<std::uint64_t>(part.info.bytes());
    JANG_CHECK(part.content.empty() || bytes % part.content.size() == 0);
    if (part.content.empty() || bytes == 0) continue;
    std::string block = part.content;
    while (block.size() * 2 <= kContentBlock && bytes % (block.size() * 2) == 0) block += block;
    for (std::uint64_t at = 0; at < bytes; at += block.size())
      JANG_TRY(writer_.write_at(part.shard, part.offset_bytes + at, std::as_bytes(std::span(block))));
  }
  return {};
}

DType RowWriter::plain_dtype(int tensor) const {
  return layout_.parts[static_cast<std::size_t>(parts_[static_cast<std::size_t>(tensor)].front())].info.dtype;
}

}  // namespace jang::targets
