// SPDX-License-Identifier: Apache-2.0
// A packed module of an opened directory, read as the codec has it, however its planes lie in the files (arrangement.h): for whoever runs,
// converts or checks it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/weight_format.h"
#include "format/checkpoint.h"
#include "format/targets/bundle.h"
#include "jang/status.h"

namespace jang::format {

// Rows of every plane in the codec's form, one behind the other.
struct PlaneRows {
  std::array<std::vector<std::byte>, codec::kMaxPlanes> planes;
};

class PackedModule {
 public:
  PackedModule(const Checkpoint& checkpoint, const BundleModule& module);

  [[nodiscard]] const codec::WeightFormat& format() const { return *format_; }
  [[nodiscard]] DType params() const { return params_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }  // leading dimensions multiplied
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] std::uint64_t file_bytes() const;

  // Rows [begin, begin + n) of plane `p`. `checkpoint`: any with the files that the module was found in. Thread safe. Errors: those of
  // reading.
  [[nodiscard]] Status read(const Checkpoint& checkpoint, std::size_t p, std::int64_t begin, std::int64_t n,
                            std::vector<std::byte>* out) const;
  // Of all planes.
  [[nodiscard]] Status read(const Checkpoint& checkpoint, std::int64_t begin, std::int64_t n, PlaneRows* out) const;
  // Row `i` of rows that were read, as values.
  void unpack(const PlaneRows& rows, std::int64_t i, float* out) const;

 private:
  const codec::WeightFormat* format_;
  DType params_;
  std::int64_t rows_, columns_;
  std::array<targets::Arrangement, codec::kMaxPlanes> arranged_;
  std::vector<StoredTensor> planes_;
};

}  // namespace jang::format
