// SPDX-License-Identifier: Apache-2.0
// From named weights to the graph: every block finds its maps and vectors by name, checked against the shapes of the config. Strict both
// ways: nothing missing, nothing left over.
#pragma once

#include <string>
#include <vector>

#include "arch/decoder_config.h"
#include "jang/status.h"
#include "model/graph.h"
#include "model/weights.h"

namespace jang::model {

struct Graph {
  Linear embedding, head;  // head does not exist when tied: the embedding serves
  const float* final_norm = nullptr;
  std::vector<Layer> layers;
};

// Takes matrices out of `weights`; vectors stay there, the graph points at them. Errors: corrupt, unsupported (no kernel).
[[nodiscard]] Result<Graph> bind_graph(const arch::DecoderConfig& config, const Options& options, Weights* weights);

// Every map of the graph that exists, in graph order.
[[nodiscard]] std::vector<Linear*> maps_of(Graph* graph);

// Kernel for a format. Errors: unsupported, naming module and format.
[[nodiscard]] Result<const kernels::LinearKernel*> kernel_for(const std::string& module, const kernels::MatrixFormat& format,
                                                              kernels::Precision precision, const std::string& backend);

// All views of one shape and one format? Errors: invalid_argument, naming the module.
[[nodiscard]] Status check_views(const std::string& module, std::span<const kernels::MatrixView> views, std::int64_t n_rows,
                                 std::int64_t n_cols);

}  // namespace jang::model
