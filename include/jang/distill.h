// SPDX-License-Identifier: Apache-2.0
// Distillation: the scales, biases and codes of a finished bundle, trained until it predicts what its source predicts, on text that the
// source writes. Same format, same bytes on disk, less divergence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

struct DistillationOptions {
  std::int64_t steps = 300;
  std::int64_t windows = 16, window_length = 512;  // of text in a step
  std::uint64_t seed = 1;                          // of the text
  int code_bits = 4;                               // codes of at most so many bits learn; of wider ones scales and biases only
  double rate = 0;                                 // multiplier of the step sizes; 0: chosen by short runs
  std::string text_file = {};                      // a text, or a directory of .txt files, that half of the windows come from
  double budget_seconds = 0;                       // fewer steps, if all would take longer; 0: no limit
  bool force = false;                              // replaces an output that is a model directory
  // Block-wise reconstruction: one decoder layer after the other, against what the source's layer gives, in the memory of one layer.
  // Otherwise so where the training of the whole does not fit into the machine's memory.
  bool blocks = false;
};

struct DistillationPoint {
  std::int64_t step = 0;
  double divergence = 0;  // mean KL(source || bundle) in nats per token, on windows that are not trained on
};

struct DistillationTrial {
  double rate = 0;
  double divergence = 0;  // after a short run at this rate; infinite where it left the numbers
};

// A decoder layer that was trained by itself.
struct DistilledBlock {
  int layer = 0;
  double rate = 0;                  // 0: nothing in it is packed
  std::int64_t kept_step = 0;       // 0: the layer as it was
  double start_loss = 0, loss = 0;  // estimate of what its output costs, in nats per token, on windows that are not trained on
  double divergence = 0;            // of the bundle with this layer and those before it as they are written
};

struct DistillationReport {
  std::string output;
  std::int64_t steps = 0, kept_step = 0;  // 0 is the bundle as it was
  double rate = 0;
  std::vector<DistillationTrial> trials;        // none where the rate was given
  std::vector<DistillationPoint> points;        // the first is the start
  double start_divergence = 0, divergence = 0;  // of the bundle, of what was written
  std::vector<DistilledBlock> blocks;           // block by block: by layer; steps are those of each, points count layers
  double changed_codes = 0;                     // part of the codes that differ from the bundle's
  std::int64_t trained_weights = 0;
  double seconds = 0;
};

// Trains `bundle` (a directory or org/name) against `source`, the model it was made of, and writes `output`, a bundle of the same layout
// that is never worse than the start on the windows held out. Minutes to days: a step reads the source forwards, and the bundle forwards
// twice and backwards. An interrupted run goes on from "<output>.training", to the same bytes. Memory: 24 to 30 bytes a
// trained weight, caches of up to 1 GiB for text that is sampled, and the activations of the windows that run side by side. Observed as the
// phases text, rate (unless it is given), train and write. Errors: invalid_argument (options; another model's source), unsupported (a
// device without gradients), those of opening, write errors, cancelled.
[[nodiscard]] JANG_API Result<DistillationReport> distill_bundle(const std::string& bundle, const std::string& source,
                                                                 const std::string& output, const DistillationOptions& options = {},
                                                                 const RunOptions& run = {});

}  // namespace jang
