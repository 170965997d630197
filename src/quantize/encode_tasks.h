// SPDX-License-Identifier: Apache-2.0
// The conversion cut into independent tasks: a run of rows of one bundle tensor, read, encoded (or cast) and written at its final offset.
// Task boundaries depend on shapes only, so sums over tasks in order are the same for any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "format/bundle_writer.h"
#include "jang/status.h"
#include "kernels/device.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "quantize/channel_scales.h"
#include "quantize/convert.h"
#include "quantize/encode_rows.h"

namespace jang::quantize {

// About this many weights per task: large enough to hide the system calls, small enough that a few tasks per thread fit any memory.
inline constexpr std::int64_t kTaskWeights = 1 << 20;
// Tasks start at multiples of this many rows, so that SIMD row blocks are full and zero points that are packed down the rows fill words.
inline constexpr std::int64_t kTaskRowMultiple = 32;

struct EncodeTask {
  int tensor = 0;                          // index into arch::Model::tensors
  std::int64_t row_begin = 0, n_rows = 0;  // of the tensor seen as rows x columns
};

// Tasks of every tensor of the plan, in plan order.
[[nodiscard]] std::vector<EncodeTask> encode_tasks(const arch::Model& model);

// `scales`: factors of rows and columns, and norms in the place of the source's. Runs all tasks on `n_threads` threads. Returns errors per
// tensor. Errors: those of reading (corrupt: NaN, truncated), write errors, invalid_argument (a value beyond float16), cancelled; with
// Grams, layer by layer, those of Grams::prepare.
[[nodiscard]] Result<TensorErrors> run_encode_tasks(const Source& source, const plan::Plan& plan, const plan::Layout& layout,
                                                    const kernels::Device& device, const KnownInputs& known, const ChannelScales& scales,
                                                    format::BundleWriter& writer, const RunOptions& run);

// RunOptions::n_threads with 0 resolved.
[[nodiscard]] int thread_count(const RunOptions& run);
// True when the caller asked to stop.
[[nodiscard]] inline bool is_cancelled(const RunOptions& run) { return run.cancel && run.cancel->load(std::memory_order_relaxed); }

}  // namespace jang::quantize
