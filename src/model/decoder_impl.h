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
  std::int64_t n_embedded = 0;  // tokens whose per-layer inputs the workspace holds
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
  [[nodiscard]] kernels::AddNorm norm_of(const NormWeights& by) const;
  // out = norm(x), or x where there is no norm.
  void norm(const kernels::Tensor& x, const NormWeights& by, const kernels::Tensor& out);
  // x += [norm] branch, then out = norm(x; next) where there is a next one.
  void add(const kernels::Tensor& branch, const kernels::Tensor& branch_norm, const NormWeights& next, const kernels::Tensor& x,
           const kernels::Tensor& out);
  // Where the feed-forward of a layer reads.
  [[nodiscard]] kernels::Tensor ffn_input(const Layer& layer, std::int64_t n) const;
  // The parts of run_layer: each leaves its branch in the workspace; run_ffn first adds the mixer's to x.
  void run_mixer(Forward& f, int l, const kernels::Tensor& x);
  void run_ffn(Forward& f, int l, const kernels::Tensor& x);
  void run_layer(Forward& f, int l, const kernels::Tensor& x);
  // Per-layer inputs of the tokens that lie in the workspace, of which x are the embeddings. Errors: out_of_memory.
  Status make_layer_inputs(const kernels::Tensor& x);
  // x += what the layer makes of its part of them, if it reads one.
  void add_layer_input(Forward& f, int l, const kernels::Tensor& x);
  // x *= the number of the layer, if it has one.
  void scale(const Layer& layer, const kernels::Tensor& x);
};

}  // namespace jang::model
