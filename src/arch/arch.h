// SPDX-License-Identifier: Apache-2.0
// What a model is, in its own terms: from a source's config and tensor list to tensors with canonical names, roles and layers. Knows no
// file format, no codec and no loader: how a target spells, stacks and configures the same model is format/targets' business.
//
// Canonical names are those of the bare decoder in transformers ("model.layers.0.self_attn.q_proj.weight"). The routed experts of one
// projection are one tensor `...mlp.experts.gate_proj.weight` [E, out, in], whatever a source makes of them (one each, stacked, gate and up
// fused): its pieces say where the rows lie. Values of zero-centred norms are what the model multiplies by (OutTensor::add).
//
// Adding a family: HACKING.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::arch {

// What a tensor does in the model. One row per role in role.cpp (name, whether its module can be quantized).
enum class Role : std::uint8_t {
  embedding,       // token embedding, not tied
  lm_head,         // output head
  tied_embedding,  // one matrix serves as embedding and head
  attn_q,
  attn_k,
  attn_v,
  attn_o,
  attn_qkv,         // fused query, key, value
  attn_gate,        // output gate of gated attention, when it is a matrix of its own
  linear_attn_qkv,  // Gated DeltaNet input projections
  linear_attn_z,
  linear_attn_ab,
  linear_attn_out,
  mlp_gate,
  mlp_up,
  mlp_gate_up,
  mlp_down,  // dense
  expert_gate,
  expert_up,
  expert_gate_up,
  expert_down,  // routed, stacked [E, out, in]
  shared_gate,
  shared_up,
  shared_gate_up,
  shared_down,    // shared expert
  shared_router,  // gate of the shared expert, [1, hidden]
  router,
  layer_embedding,  // of all tokens for every layer, looked up only: [vocab, layers * size]
  layer_input,      // maps to and from what a layer adds of it
  norm,
  bias,
  conv,
  state,    // state: A_log, dt_bias, D
  vision,   // of a tower beside the text model, or of what joins them
  unknown,  // no rule knows the name
};
[[nodiscard]] std::string_view to_string(Role role);                     // "attn_q"; permanent, appears in JSON
[[nodiscard]] bool role_from_string(std::string_view name, Role* role);  // false when unknown

// A run of rows of one source tensor; the source is seen as [product of leading dimensions, last dimension].
struct Piece {
  int source = 0;  // index into the source list given to describe()
  std::int64_t row_begin = 0, n_rows = 0;
};

// One tensor of the model, before quantization. Its rows are the rows of its pieces, in order. Name, module and shape are canonical until a
// target has spelled the model, then the target's.
struct OutTensor {
  std::string name;       // full name, "model.layers.0.self_attn.q_proj.weight"
  std::string module;     // name without ".weight" for the weight of a module; else the name
  std::string canonical;  // the canonical `module`, whatever the target calls it
  Shape shape;
  DType source_dtype = DType::bf16;  // same for all pieces
  Role role = Role::unknown;
  std::string rule;           // the rule that gave the role, e.g. "llama: layers.*.self_attn.q_proj" or "generic: *q_proj"
  int layer = -1;             // decoder layer, -1 outside
  std::string unit;           // tensors with the same unit must get the same bits and group; canonical unless tied to others
  bool quantizable = false;   // the matrix of a linear map or an embedding, and the target can load it packed
  bool symmetric = false;     // packed, its codes stand for numbers symmetric about zero: the target has no zero points for it
  std::string kept;           // why the target's loaders want a matrix in 16 bits that others may pack; empty: they do not
  bool keep_dtype = false;    // never cast (A_log)
  std::string copied_to;      // module that holds it a second time where it is packed: a loader demands both; empty: none
  std::int64_t channels = 0;  // not 0: [out, channels, taps..] of the source becomes [out, taps.., channels]; one piece, of all rows
  float add = 0.0f;           // constant added to every value (1 for norms published zero-centred), in float, then rounded
  std::vector<Piece> pieces;  // same elements in the same order; source rows may be cut otherwise
};

// The full canonical name.
[[nodiscard]] inline std::string canonical_name(const OutTensor& t) { return t.name == t.module ? t.canonical : t.canonical + ".weight"; }

struct Dropped {
  std::string name, reason;
};

struct Model {
  std::string family;             // registry name, "generic" when nobody listed it
  std::string model_type;         // of config.json
  std::string architecture_kind;  // jang_config: "dense", "moe", "hybrid_ssm", "hybrid_moe_ssm"
  std::string attention;          // "mha", "gqa", "mqa", "mla", "none"
  int n_layers = 0;
  int n_experts = 0;               // routed, 0 for dense
  bool tied = false;               // embedding and head are one matrix
  bool has_vision = false;         // `tensors` has some of Role::vision
  std::vector<OutTensor> tensors;  // in order: embedding, layers ascending, final norm, head
  std::vector<Dropped> dropped;    // source tensors left out on purpose
  std::vector<std::string> warnings;
  std::string refusal;  // why the loaders of the target would refuse every directory made of this model; empty when they open them
  json::Value config;   // the source's, edited to one spelling; after a target has spelled the model, its config.json

  // What the target's own recipes ask of a model. Modules they force to 8 bits, group 64; index of the layer number in the dotted path of
  // down projections, 2 for "model.layers.N".
  std::vector<std::string> eight_bit_modules;
  int layer_component = 2;
};

// What only the files of a checkpoint can tell, where names and shapes leave it open.
struct SourceFacts {
  std::string file_format;    // "format" in the metadata of its files, where they agree: "pt" of most sources; empty: none
  bool head_differs = false;  // the config calls embedding and head tied, and the checkpoint has a head of other values
  bool plain_norms = false;   // norms that are published zero-centred already hold what the model multiplies by: a converted copy
};

// Tensors whose equality decides whether a model is tied: the config says so, and the checkpoint has a head all the same.
struct DoubtfulTie {
  int embedding = 0, head = 0;  // indices into the source list
};
}  // namespace jang::arch
