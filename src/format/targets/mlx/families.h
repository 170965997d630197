// SPDX-License-Identifier: Apache-2.0
// What mlx-lm's classes make of the listed families (arch/registry.cpp): spelling and habits, one row per family.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "arch/family.h"

namespace jang::targets::mlx {

enum class OutputHead : std::uint8_t { either, never, always };  // of a class; either: unless embedding and head are tied

// What a class computes whatever the config says under a key.
struct FixedNumber {
  const char* key;
  double value;
};

struct FamilyRow {
  std::string_view family;        // arch::Family::name
  std::string_view model_type{};  // what config.json must say for mlx-lm to find the class; empty: as the source
  std::string_view prefix{};      // before every canonical name
  bool vocab_at_top = false;      // reads vocab_size outside text_config
  bool routers_8bit = false;      // its own predicate forces routers and the shared expert's gate to 8 bits, group 64
  bool scales_rope = true;        // reads rope_scaling
  bool has_window = false;
  bool reads_head_dim = true;             // else heads are of hidden_size / num_attention_heads values
  std::string_view feed_forward{};        // what its layers call the mixture, where that is not "mlp"
  std::string_view router{};              // what its mixture calls the map of the router, where that is not "gate"
  std::string_view stack = "switch_mlp";  // what its mixture calls the routed experts
  bool has_dense_layers = true;           // else every layer is a mixture, whatever the config says
  bool linear_rope_only = false;          // ends the load of a config with another type
  std::string_view unread_key{};          // of the config, which changes what the model computes
  bool demands_scaling = false;           // ends the load of a config without rope_scaling
  bool cuts_kv_b = false;                 // cuts kv_b_proj into heads when it loads it, and encodes it once more if it is packed
  bool plain_router = false;              // its router is a matrix of no module, which nothing can pack
  bool bare_correction = false;           // the correction of a router's scores lies beside its gate, not in it
  bool norms_whole_rows = false;          // what a state space gives is normalised as one row, whatever its groups
  bool drops_correction = false;          // leaves it out
  bool has_softcaps = false;
  bool scales_tied_logits = true;  // else only the logits of a head of its own
  std::string_view activation{};   // that the class computes whatever the config names; empty: the family's
  bool wants_both_kinds = false;   // of layers: with a window, or a convolution, and without; it cannot be built of one kind
  bool always_biased = false;      // its maps of attention have biases, whatever the config says
  bool never_biased = false;       // they have none
  OutputHead head = OutputHead::either;
  int ffn_per_hidden = 0;                // its MLP is so many times as wide as hidden_size, whatever the config says; 0: as the config says
  bool ends_8bit = false;                // its own predicate forces what blocks write, and the head, to 8 bits, group 64
  std::span<const FixedNumber> fixed{};  // numbers that it has built in
  std::span<const arch::Rename> parts{};           // of names: the class's to canonical ones; empty: those of the published model
  std::span<const std::string_view> rope_types{};  // ends the load of a config whose rope_scaling names none of these; empty: of none
  std::string_view rope_type_key = "rope_type";    // where it looks for them
};

// Every listed family has a row; a test checks it.
[[nodiscard]] const FamilyRow& family_row(std::string_view family);

}  // namespace jang::targets::mlx
