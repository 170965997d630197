// SPDX-License-Identifier: Apache-2.0
// Sizes and places of everything a bundle stores.
//
// Inside a shard payloads follow each other without holes, so order makes alignment: 8-byte elements first, then the triplets weight,
// scales, biases (their sum is a multiple of 4 bytes, and each starts on a multiple of its element size), then the rest by falling element
// size.
#include "plan/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "codec/affine.h"
#include "format/safetensors.h"

namespace jang::plan {
namespace {

constexpr int kTripletRank = 1;

int rank_in_shard(const arch::OutTensor& t, const Choice& choice, DType plan_dtype) {
  if (choice.bits > 0) return kTripletRank;
  const int bytes = size_bytes(stored_dtype(t, plan_dtype));
  return bytes >= 8 ? 0 : kTripletRank + 1 + (4 - bytes);
}

// Parts of one tensor, without a place.
std::vector<StoredPart> parts_of(const arch::OutTensor& t, int index, const Choice& choice, DType plan_dtype) {
  if (choice.bits == 0) return {{index, Part::plain, {t.name, stored_dtype(t, plan_dtype), t.shape}, 0, 0}};
  const std::int64_t in = columns(t.shape);
  JANG_CHECK(codec::is_width(choice.bits) && codec::is_group(choice.group_size) && in % choice.group_size == 0);
  Shape weight = t.shape, params = t.shape;
  weight.back() = codec::words_per_row(in, choice.bits);
  params.back() = in / choice.group_size;
  return {{index, Part::weight, {t.name, DType::u32, weight}, 0, 0},
          {index, Part::scales, {t.module + ".scales", plan_dtype, params}, 0, 0},
          {index, Part::biases, {t.module + ".biases", plan_dtype, params}, 0, 0}};
}

// First tensor of every shard, in plan order.
std::vector<std::size_t> shard_starts(const arch::Model& model, const Plan& plan, std::uint64_t max_shard_bytes) {
  std::vector<std::size_t> starts = {0};
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorPlan& p = plan.tensors[i];
    const std::uint64_t bytes = stored_bytes(model.tensors[static_cast<std::size_t>(p.tensor)], p.choice, plan.dtype);
    if (i > starts.back() && (bytes > max_shard_bytes || filled > max_shard_bytes - bytes)) {
      starts.push_back(i);
      filled = 0;
    }
    filled += bytes;
  }
  return starts;
}

void add_shard(const arch::Model& model, const Plan& plan, std::size_t begin, std::size_t end, Layout* layout) {
  std::vector<std::size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  const auto rank = [&](std::size_t i) {
    const TensorPlan& p = plan.tensors[i];
    return rank_in_shard(model.tensors[static_cast<std::size_t>(p.tensor)], p.choice, plan.dtype);
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });

  const auto first = static_cast<std::ptrdiff_t>(layout->parts.size());
  std::vector<TensorInfo> infos;
  for (const std::size_t i : order) {
    const TensorPlan& p = plan.tensors[i];
    for (StoredPart& part : parts_of(model.tensors[static_cast<std::size_t>(p.tensor)], p.tensor, p.choice, plan.dtype)) {
      infos.push_back(part.info);
      layout->parts.push_back(std::move(part));
    }
  }
  Shard shard;
  shard.header = format::make_safetensors_header(infos, {{"format", "mlx"}});
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

}  // namespace

DType stored_dtype(const arch::OutTensor& tensor, DType plan_dtype) {
  return tensor.keep_dtype || !info(tensor.source_dtype).is_float ? tensor.source_dtype : plan_dtype;
}

std::uint64_t stored_bytes(const arch::OutTensor& tensor, const Choice& choice, DType plan_dtype) {
  if (choice.bits == 0) return static_cast<std::uint64_t>(elements(tensor.shape) * size_bytes(stored_dtype(tensor, plan_dtype)));
  const std::int64_t in = columns(tensor.shape), n_rows = rows(tensor.shape);
  const std::int64_t codes = n_rows * codec::words_per_row(in, choice.bits) * size_bytes(DType::u32);
  return static_cast<std::uint64_t>(codes + 2 * n_rows * (in / choice.group_size) * size_bytes(plan_dtype));
}

Layout make_layout(const arch::Model& model, const Plan& plan, std::uint64_t max_shard_bytes) {
  const std::vector<std::size_t> starts = shard_starts(model, plan, max_shard_bytes);
  Layout layout;
  for (std::size_t s = 0; s < starts.size(); ++s)
    add_shard(model, plan, starts[s], s + 1 < starts.size() ? starts[s + 1] : plan.tensors.size(), &layout);
  const std::size_t n = layout.shards.size();
  for (std::size_t s = 0; s < n; ++s)
    layout.shards[s].file_name = n == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, n);
  return layout;
}

Sizes sizes(const arch::Model& model, const Plan& plan, const Layout& layout) {
  Sizes s;
  double code_bits = 0, quantized = 0;
  for (const arch::OutTensor& t : model.tensors) s.params += static_cast<std::uint64_t>(elements(t.shape));
  for (const TensorPlan& p : plan.tensors) {
    if (p.choice.bits == 0) continue;
    const auto n = static_cast<double>(elements(model.tensors[static_cast<std::size_t>(p.tensor)].shape));
    quantized += n;
    code_bits += n * p.choice.bits;
  }
  s.code_bits = quantized > 0 ? code_bits / quantized : 0;
  s.stored_bits = s.params > 0 ? static_cast<double>(layout.tensor_bytes) * 8 / static_cast<double>(s.params) : 0;
  s.file_bytes = layout.file_bytes;
  return s;
}

}  // namespace jang::plan
