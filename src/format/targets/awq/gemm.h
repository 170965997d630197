// SPDX-License-Identifier: Apache-2.0
// The files of AutoAWQ's GEMM kernels, written and read: awq.h has the layout.
#pragma once

#include <span>
#include <vector>

#include "format/targets/bundle.h"
#include "format/targets/target.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::targets::awq {

inline constexpr int kBits = 4;
inline constexpr std::int64_t kRowsPerWord = 8;

// Rows of one matrix, of stacked experts those of one.
[[nodiscard]] std::int64_t matrix_rows(const arch::OutTensor& tensor);
[[nodiscard]] std::vector<StoredPart> gemm_parts(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);
[[nodiscard]] std::uint64_t gemm_bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);
// Null when nothing is packed.
[[nodiscard]] json::Value quantization_config(const arch::Model& model, std::span<const TensorRecord> tensors);

[[nodiscard]] bool is_gemm(const format::Checkpoint& checkpoint);
// Target::read. Errors: corrupt (also a packed module that modules_to_not_convert leaves out: AutoAWQ and vLLM take its entries as parts of
// names); unsupported (other versions than gemm, other widths than 4, zero_point false).
[[nodiscard]] Status read_gemm(format::Bundle* bundle);
// Target::check: linear maps that are neither packed nor left out, and entries that name nothing.
void check_gemm(const format::Bundle& bundle, std::vector<format::Finding>* findings);

}  // namespace jang::targets::awq
