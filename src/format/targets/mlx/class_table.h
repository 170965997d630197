// SPDX-License-Identifier: Apache-2.0
// What the model classes of mlx-lm load, as data (class_table.cpp, written by scripts/make_loader_table.py).
// It serves model types that have no family of their own here: their bundles keep the source's names but where the class's own `sanitize`
// would only accept unpacked tensors, which it renames, stacks or cuts; those are brought to the names and shapes of the class itself.
//
// Patterns are dotted names; a component is literal, "*" (a number) or "{a,b}" (one of these).
#pragma once

#include <span>
#include <string_view>

#include "arch/family.h"

namespace jang::targets::mlx {

using arch::LayoutRule;

// When embedding and head of a class are one matrix.
enum class TieRule : std::uint8_t {
  by_flag,     // config: tie_word_embeddings
  always,      // it has no head
  by_absence,  // there is no head among the tensors
  never,       // it demands a head
};

// A tensor stored under another name. The stars of `out` take the numbers of `source` in turn; for stack_experts the last number of
// `source` is the expert. first_half and second_half are rows, of every expert where the tensor has three dimensions.
struct ClassRow {
  std::string_view source, out;
  LayoutRule layout;
};

// The shape of a module's weight, when the class asks for one. Numbers of the config and their products, quotients and sums, without
// spaces: "num_attention_heads*head_dim+2*num_key_value_heads*head_dim". head_dim and num_key_value_heads are what the class derives where
// the config has none (hidden_size / num_attention_heads; num_attention_heads); any other absent key, or one marked "!", leaves the shape
// open.
struct ClassShape {
  std::string_view module, rows, columns;  // module: a pattern, without ".weight"; a vector has no columns
};

struct ModelClass {
  std::string_view name;  // model_type, and the name of the class's file
  TieRule tie;
  std::string_view experts_key;                // config key that counts the routed experts; empty: no mixture
  std::span<const std::string_view> modules;   // may be packed under their own names; without ".weight"
  std::span<const std::string_view> plain;     // other tensors, never packed: the class transforms them, or they are no matrices
  std::span<const ClassRow> rows;              // tensors that move, may be packed
  std::span<const std::string_view> drops;     // beginnings or ends of names the class leaves out
  std::span<const std::string_view> required;  // config keys without which it refuses the config
  std::span<const std::string_view> not_null;  // config keys that must not be null
  std::span<const std::string_view> biased;    // modules that have a bias under every setting
  std::span<const std::string_view> unbiased;  // modules that take none under any setting
  std::span<const ClassShape> shapes;          // of attention
};

struct ClassAlias {
  std::string_view model_type, name;
};

[[nodiscard]] std::string_view version();  // of the mlx-lm that the table was made from
[[nodiscard]] std::span<const ModelClass> model_classes();
[[nodiscard]] std::span<const ClassAlias> class_aliases();

}  // namespace jang::targets::mlx
