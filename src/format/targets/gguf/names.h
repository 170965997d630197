// SPDX-License-Identifier: Apache-2.0
// How GGUF files spell the models that this program knows: llama.cpp's name of an architecture and of every tensor, and what its converter
// changes of the values. GGUF is no target (there is no writer of bundles): files are read to be measured beside bundles, with config and
// tokenizer of the source they were made of.
//
//   model.layers.0.self_attn.q_proj.weight   <->  blk.0.attn_q.weight
//   ...mlp.experts.gate_proj.weight          <->  blk.0.ffn_gate_exps.weight [E, out, in]
//
// Changes: llama.cpp's RoPE of "llama" turns neighbours where transformers turns halves, so rows of q and k are interleaved: row 2 j + s
// of a head is row s * head_dim / 2 + j of the source. Norms of Gemma are stored with the one that the model adds.
// Source: llama.cpp's gguf-py/gguf/constants.py and its converter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "format/gguf.h"
#include "jang/status.h"

namespace jang::targets::gguf {

enum class Change : std::uint8_t { none, interleaved, plus_one };

// The GGUF tensor of one tensor of a model.
struct Counterpart {
  int tensor = 0;  // index into arch::Model::tensors
  std::string name;
  Change change = Change::none;
  std::int64_t head_dim = 0;  // of interleaved rows
};

// What llama.cpp calls the architecture of a family ("qwen3moe"); empty where this program has no names for it.
[[nodiscard]] std::string_view architecture_of(std::string_view family);

// One for every tensor of `model`, which is in canonical names (targets::describe_canonical), in its order. Errors: unsupported (a family
// or a tensor without a GGUF name).
[[nodiscard]] Result<std::vector<Counterpart>> counterparts(const arch::Model& model, const arch::DecoderConfig& config);

// Whether a file holds that model and no other: its architecture, every tensor once with the same shape and a type of weights, none left
// over but those llama.cpp derives from the config (rope_freqs). Errors: invalid_argument, naming tensor, expected and found.
[[nodiscard]] Status check_holds(const format::GgufHeader& header, const arch::Model& model, const std::vector<Counterpart>& tensors,
                                 std::string_view file);

// Row of the file that holds row `row` of the model's tensor.
[[nodiscard]] std::int64_t row_in_file(const Counterpart& c, std::int64_t row);
// Row of the model's tensor that is row `row` of the file: its inverse.
[[nodiscard]] std::int64_t row_in_model(const Counterpart& c, std::int64_t row);

}  // namespace jang::targets::gguf
