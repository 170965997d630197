// SPDX-License-Identifier: Apache-2.0
// Hand-built models for the planner's tests: what arch::describe would say of small checkpoints of four kinds. Sizes are small, ratios are
// those of real models.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/arch.h"
#include "plan/make_plan.h"
#include "plan/plan.h"

namespace jang::plan::testing {

struct Named {
  std::string name;
  arch::Model model;
};

class ModelBuilder {
 public:
  explicit ModelBuilder(std::string type, int n_layers, int n_experts) {
    model_.family = model_.model_type = std::move(type);
    model_.n_layers = n_layers;
    model_.n_experts = n_experts;
  }
  arch::OutTensor& add(const std::string& module, arch::Role role, Shape shape, int layer = -1) {
    arch::OutTensor t;
    t.module = module;
    t.name = module + ".weight";
    t.shape = std::move(shape);
    t.role = role;
    t.rule = model_.family + ": " + std::string(arch::to_string(role));
    t.layer = layer;
    t.unit = t.canonical = module;
    t.source_dtype = DType::bf16;
    t.quantizable = t.shape.size() >= 2 && role != arch::Role::conv && role != arch::Role::norm;
    t.pieces = {{static_cast<int>(model_.tensors.size()), 0, rows(t.shape)}};
    model_.tensors.push_back(std::move(t));
    return model_.tensors.back();
  }
  void norm(const std::string& module, std::int64_t n, int layer = -1) { add(module, arch::Role::norm, {n}, layer); }
  void attention(const std::string& prefix, std::int64_t hidden, std::int64_t q, std::int64_t kv, int layer) {
    norm(prefix + "input_layernorm", hidden, layer);
    add(prefix + "self_attn.q_proj", arch::Role::attn_q, {q, hidden}, layer);
    add(prefix + "self_attn.k_proj", arch::Role::attn_k, {kv, hidden}, layer);
    add(prefix + "self_attn.v_proj", arch::Role::attn_v, {kv, hidden}, layer);
    add(prefix + "self_attn.o_proj", arch::Role::attn_o, {hidden, q}, layer);
    norm(prefix + "post_attention_layernorm", hidden, layer);
  }
  // Routed experts with a router of their own; with `fused` gate and up share one decision.
  void experts(const std::string& prefix, std::int64_t hidden, std::int64_t inner, int layer, bool fused) {
    const std::int64_t n = model_.n_experts;
    add(prefix + "mlp.gate", arch::Role::router, {n, hidden}, layer);
    model_.eight_bit_modules.push_back(prefix + "mlp.gate");
    const std::string at = prefix + "mlp.switch_mlp.";
    arch::OutTensor& gate = add(at + "gate_proj", arch::Role::expert_gate, {n, inner, hidden}, layer);
    if (fused) gate.unit = at + "gate_up_proj";
    arch::OutTensor& up = add(at + "up_proj", arch::Role::expert_up, {n, inner, hidden}, layer);
    if (fused) up.unit = at + "gate_up_proj";
    add(at + "down_proj", arch::Role::expert_down, {n, hidden, inner}, layer);
  }
  arch::Model take() { return std::move(model_); }
  arch::Model& model() { return model_; }

 private:
  arch::Model model_;
};

inline std::string layer_prefix(int layer) { return "model.layers." + std::to_string(layer) + "."; }

inline arch::Model llama_tied() {
  ModelBuilder b("llama", 16, 0);
  b.model().tied = true;
  b.add("model.embed_tokens", arch::Role::tied_embedding, {2048, 256});
  for (int l = 0; l < 16; ++l) {
    const std::string p = layer_prefix(l);
    b.attention(p, 256, 256, 64, l);
    b.add(p + "mlp.gate_proj", arch::Role::mlp_gate, {704, 256}, l);
    b.add(p + "mlp.up_proj", arch::Role::mlp_up, {704, 256}, l);
    b.add(p + "mlp.down_proj", arch::Role::mlp_down, {256, 704}, l);
  }
  b.norm("model.norm", 256);
  return b.take();
}

inline arch::Model qwen3_moe() {
  ModelBuilder b("qwen3_moe", 8, 16);
  b.add("model.embed_tokens", arch::Role::embedding, {4096, 256});
  for (int l = 0; l < 8; ++l) {
    const std::string p = layer_prefix(l);
    b.attention(p, 256, 512, 128, l);
    b.experts(p, 256, 128, l, false);
  }
  b.norm("model.norm", 256);
  b.add("lm_head", arch::Role::lm_head, {4096, 256});
  return b.take();
}

// A hybrid of linear and softmax attention with many experts and a shared one; every fourth layer is softmax attention.
inline arch::Model hybrid_moe(int n_experts, int n_layers) {
  ModelBuilder b("qwen3_5_moe", n_layers, n_experts);
  b.add("model.embed_tokens", arch::Role::embedding, {4096, 256});
  for (int l = 0; l < n_layers; ++l) {
    const std::string p = layer_prefix(l);
    if (l % 4 == 3) {
      b.attention(p, 256, 512, 128, l);
    } else {
      b.add(p + "linear_attn.in_proj_qkv", arch::Role::linear_attn_qkv, {1024, 256}, l);
      b.add(p + "linear_attn.in_proj_z", arch::Role::linear_attn_z, {512, 256}, l);
      b.add(p + "linear_attn.in_proj_a", arch::Role::linear_attn_ab, {8, 256}, l);
      b.add(p + "linear_attn.in_proj_b", arch::Role::linear_attn_ab, {8, 256}, l);
      b.add(p + "linear_attn.out_proj", arch::Role::linear_attn_out, {256, 512}, l);
      b.add(p + "linear_attn.conv1d", arch::Role::conv, {1024, 4, 1}, l);
      arch::OutTensor& a_log = b.add(p + "linear_attn.A_log", arch::Role::state, {8}, l);
      a_log.name = a_log.module = a_log.unit = p + "linear_attn.A_log";
      a_log.source_dtype = DType::f32;
      a_log.keep_dtype = true;
      b.norm(p + "input_layernorm", 256, l);
      b.norm(p + "post_attention_layernorm", 256, l);
    }
    b.experts(p, 256, 128, l, true);
    b.add(p + "mlp.shared_expert.gate_proj", arch::Role::shared_gate, {128, 256}, l);
    b.add(p + "mlp.shared_expert.up_proj", arch::Role::shared_up, {128, 256}, l);
    b.add(p + "mlp.shared_expert.down_proj", arch::Role::shared_down, {256, 128}, l);
    b.add(p + "mlp.shared_expert_gate", arch::Role::shared_router, {1, 256}, l);
    b.model().eight_bit_modules.push_back(p + "mlp.shared_expert_gate");
  }
  b.norm("model.norm", 256);
  b.add("lm_head", arch::Role::lm_head, {4096, 256});
  return b.take();
}

// Shapes that fit badly: 96 inputs take only groups of 32, 80 inputs none; a matrix that no rule knows.
inline arch::Model ragged() {
  ModelBuilder b("generic", 2, 0);
  b.add("model.embed_tokens", arch::Role::embedding, {1000, 96});
  for (int l = 0; l < 2; ++l) {
    const std::string p = layer_prefix(l);
    b.attention(p, 96, 128, 64, l);
    b.add(p + "mlp.up_proj", arch::Role::mlp_up, {80, 96}, l);
    b.add(p + "mlp.down_proj", arch::Role::mlp_down, {96, 80}, l);
    b.add(p + "adapter.mystery", arch::Role::unknown, {96, 96}, l);
  }
  b.add("lm_head", arch::Role::lm_head, {1000, 96});
  return b.take();
}

inline std::vector<Named> models() {
  return {{"llama_tied", llama_tied()},
          {"qwen3_moe", qwen3_moe()},
          {"hybrid_256", hybrid_moe(256, 8)},
          {"hybrid_512", hybrid_moe(512, 4)},
          {"ragged", ragged()}};
}

inline Options with_profile(std::string_view profile) {
  Options options;
  options.profile = profile;
  return options;
}

inline Plan plan_of(const arch::Model& model, std::string_view profile, DType dtype = DType::bf16) {
  Options options = with_profile(profile);
  options.param_dtype = dtype;
  const auto plan = make_plan(model, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : Plan{};
}

// A table as measuring would give it: Gaussian errors of the codec table, times a factor per unit that depends on its name only.
ErrorTable measured_errors(const arch::Model& model, const Options& options);

}  // namespace jang::plan::testing
