// SPDX-License-Identifier: Apache-2.0
// Channels that may be rescaled without changing what a model computes: a producer makes them, linear maps read them, and between the two
// nothing but products with other channels happens.
//
//   producer / s,  every reader's columns * s          s > 0, one a channel
//
//   producer                                readers                                             between them
//   norm before the mixer                   q, k, v (queries with their gates); the inputs of   nothing
//                                           a Gated DeltaNet
//   norm before the feed-forward            gate and up of the MLP, of all experts and of the   nothing
//                                           shared expert; router and the shared expert's gate
//   rows of up, of each expert's too        columns of down                                     act(gate) * up
//   rows of v                               columns of o; the query heads of a key-value head   a mean over positions, a sigmoid gate
//                                           read the same channels
//   the norm inside a Gated DeltaNet        columns of out; all heads share its channels        silu(z) *
//   the norm inside a Mamba2                columns of out                                      nothing
//   norm before the head                    an untied head                                      nothing
//
// A producer is rescaled only when every map that reads it is known: one that were left behind would read x / s. Formulas and what happens
// otherwise: activation-aware scaling, arXiv 2306.00978.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"

namespace jang::arch {

struct ScaleGroup {
  std::string name;               // canonical module of the producer; permanent, it is written to plans and bundles
  int layer = 0;                  // n_layers for the head
  int producer = 0;               // index into Model::tensors: the weights of a norm, or the matrix whose rows are the channels
  int bias = -1;                  // of the producer; -1: none
  bool is_norm = false;           // the producer
  std::vector<int> readers = {};  // indices, ascending: every one of them
  std::int64_t n = 1;             // matrices of the producer: experts with channels of their own
  std::int64_t channels = 0;      // of one matrix
  // Column c of a reader reads channel (c / head / repeat) * head + c % head.
  std::int64_t head = 0, repeat = 1;
  [[nodiscard]] std::int64_t channel(std::int64_t column) const { return column / head / repeat * head + column % head; }
};

struct ScaleGroups {
  std::vector<ScaleGroup> groups;  // in the order of the layers
  std::vector<Dropped> left_out;   // producers that stay as they are, by name, and why
};

// `config`: decoder_config of the model.
[[nodiscard]] ScaleGroups scale_groups(const Model& model, const DecoderConfig& config);

}  // namespace jang::arch
