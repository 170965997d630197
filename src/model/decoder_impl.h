// SPDX-License-Identifier: Apache-2.0
// The inside of a decoder: what its forward (decoder.cpp) and the way back (backward.cpp) share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/decoder.h"
#include "model/graph.h"

namespace jang::model {

struct Decoder::Impl {
  arch::DecoderConfig config;
  kernels::Device& device;
  Weights weights;  // biases; matrices were moved into the graph
  Rotations rotations;
  Graph graph;
  Probe* probe = nullptr;
  Workspace workspace;
  std::vector<Linear*> maps;
  std::vector<std::string> modules;

  Linear* find(std::string_view module) const {
    const auto it = std::find_if(maps.begin(), maps.end(), [&](const Linear* m) { return m->module == module; });
    return it == maps.end() ? nullptr : *it;
  }
  const Linear& head_map() const { return graph.head.exists() ? graph.head : graph.embedding; }

  Forward forward(std::int64_t n);  // over n rows of no sequence
  Result<Forward> forward(std::span<const BatchItem> batch, std::int64_t n);
  Status reserve(Forward& f, int begin, int end);
  void norm(const kernels::Tensor& x, const kernels::Tensor& weight, const kernels::Tensor& out);
  void run_layer(Forward& f, int l, const kernels::Tensor& x);
};

}  // namespace jang::model
