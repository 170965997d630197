// SPDX-License-Identifier: Apache-2.0
// Exact layout of a model's files from the format of every tensor, before any arithmetic: which parts, in which shard, at which offset. The
// planner counts bytes with it and the writer reserves and writes with it, so an estimate cannot differ from the result.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "codec/weight_format.h"
#include "format/bundle_writer.h"
#include "format/targets/target.h"
#include "jang/status.h"

namespace jang::targets {

struct Shard {
  std::string file_name;  // "model.safetensors", or "model-00001-of-00003.safetensors"
  std::string header;     // bytes 0..8+n
  std::uint64_t file_bytes = 0;
};

struct Layout {
  std::vector<Shard> shards;
  std::vector<StoredPart> parts;   // those of one tensor adjacent and in one shard
  std::uint64_t tensor_bytes = 0;  // payloads only (index total_size)
  std::uint64_t file_bytes = 0;    // headers included
};

inline constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;  // of payload; one larger module gets a shard of its own

// A tensor and its format (null: plain).
struct Coding {
  int tensor = 0;
  const codec::WeightFormat* format = nullptr;
};

// Payload bytes of one tensor, all planes row by row, or the plain tensor.
[[nodiscard]] std::uint64_t stored_bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);

// `codings`: every tensor to be stored once, in order. Precondition: a format's group divides the tensor's columns.
[[nodiscard]] Layout make_layout(const Target& target, const arch::Model& model, std::span<const Coding> codings, DType params,
                                 std::uint64_t max_shard_bytes = kMaxShardBytes);

// Writes rows of planes where the layout has them, whatever parts a target cuts a tensor into.
class RowWriter {
 public:
  // Both outlive it.
  RowWriter(const Layout& layout, format::BundleWriter& writer, std::size_t n_tensors);
  // Rows [row_begin, row_begin + n_rows) of a plane (-1: plain values) of a tensor; `data`: n_rows rows of equal size. Thread safe for
  // rows that do not overlap. Precondition: of arranged parts whole blocks of 32 rows, or all rows to the end. Errors: those of writing.
  [[nodiscard]] Status write(int tensor, int plane, std::int64_t row_begin, std::int64_t n_rows, std::span<const std::byte> data) const;
  // The parts that have their bytes with them. Errors: those of writing.
  [[nodiscard]] Status write_contents() const;
  // Type the values of an unpacked tensor are stored in.
  [[nodiscard]] DType plain_dtype(int tensor) const;

 private:
  const Layout& layout_;
  format::BundleWriter& writer_;
  std::vector<std::vector<int>> parts_;  // by tensor: indices into layout_.parts
};

}  // namespace jang::targets
