// SPDX-License-Identifier: Apache-2.0
// Sources of the families with state spaces of Mamba2, as fake_model.h has them: written from the published checkpoints' layouts.
// Included by fake_model.h alone.
#pragma once

namespace jang::arch::testing {

// Eight heads of 16 values in two groups with a state of 16: gates, 192 channels of the convolution and steps are 328 rows.
inline void add_state_space(FakeModel* m, const std::string& block) {
  m->add(block + "in_proj.weight", {328, 128});
  m->add(block + "out_proj.weight", {128, 128});
  m->add(block + "conv1d.weight", {192, 1, 4});
  m->add(block + "conv1d.bias", {192});
  m->add(block + "A_log", {8}, DType::f32);
  m->add(block + "D", {8});
  m->add(block + "dt_bias", {8});
  m->add(block + "norm.weight", {128});
}

// A layer of every kind under the names of published files: a state space, attention, an MLP, a mixture with one shared expert; a head that
// predicts more tokens.
inline FakeModel nemotron_h() {
  FakeModel m{dense_config("nemotron_h", 4), {}};
  for (const char* key : {"num_hidden_layers", "rms_norm_eps"}) m.config.erase(key);
  m.config["hybrid_override_pattern"] = "M*-E";
  m.config["layer_norm_epsilon"] = 1e-5;
  for (const auto& [key, n] : {std::pair{"mamba_num_heads", 8},
                               {"mamba_head_dim", 16},
                               {"ssm_state_size", 16},
                               {"n_groups", 2},
                               {"conv_kernel", 4},
                               {"n_routed_experts", 4},
                               {"num_experts_per_tok", 2},
                               {"moe_intermediate_size", 64},
                               {"moe_shared_expert_intermediate_size", 96}})
    m.config[key] = n;
  m.config["routed_scaling_factor"] = 2.5;
  m.add("backbone.embeddings.weight", {512, 128});
  m.add("backbone.norm_f.weight", {128});
  m.add("lm_head.weight", {512, 128});
  const auto mixer = [](int l) { return "backbone.layers." + std::to_string(l) + ".mixer."; };
  for (int l = 0; l < 4; ++l) m.add("backbone.layers." + std::to_string(l) + ".norm.weight", {128});
  add_state_space(&m, mixer(0));
  for (const auto& [map, n] : {std::pair{"q", 128}, {"k", 64}, {"v", 64}, {"o", 128}}) m.add(mixer(1) + map + "_proj.weight", {n, 128});
  m.add(mixer(2) + "up_proj.weight", {256, 128});
  m.add(mixer(2) + "down_proj.weight", {128, 256});
  m.add(mixer(3) + "gate.weight", {4, 128});
  m.add(mixer(3) + "gate.e_score_correction_bias", {4}, DType::f32);
  for (int e = 0; e < 4; ++e) {
    m.add(mixer(3) + "experts." + std::to_string(e) + ".up_proj.weight", {64, 128});
    m.add(mixer(3) + "experts." + std::to_string(e) + ".down_proj.weight", {128, 64});
  }
  m.add(mixer(3) + "shared_experts.up_proj.weight", {96, 128});
  m.add(mixer(3) + "shared_experts.down_proj.weight", {128, 96});
  m.add("mtp.layers.0.mixer.q_proj.weight", {128, 128});
  return m;
}

// State spaces alone.
inline FakeModel mamba2() {
  FakeModel m{{{"model_type", "mamba2"}, {"layer_norm_epsilon", 1e-5}, {"tie_word_embeddings", false}}, {}};
  for (const auto& [key, n] : {std::pair{"hidden_size", 128},
                               {"num_hidden_layers", 2},
                               {"vocab_size", 512},
                               {"num_heads", 8},
                               {"head_dim", 16},
                               {"state_size", 16},
                               {"n_groups", 2},
                               {"conv_kernel", 4}})
    m.config[key] = n;
  m.add("backbone.embeddings.weight", {512, 128});
  m.add("backbone.norm_f.weight", {128});
  m.add("lm_head.weight", {512, 128});
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "backbone.layers." + std::to_string(l);
    m.add(layer + ".norm.weight", {128});
    add_state_space(&m, layer + ".mixer.");
  }
  return m;
}

// A state space, then attention without RoPE; both with the shared MLP, in `mixture` beside experts.
inline FakeModel granitemoehybrid(bool mixture) {
  FakeModel m{dense_config("granitemoehybrid", 2), {}};
  m.config.erase("head_dim");
  m.config["layer_types"] = {"mamba", "attention"};
  m.config["position_embedding_type"] = "nope";
  for (const auto& [key, n] : {std::pair{"mamba_n_heads", 8},
                               {"mamba_d_head", 16},
                               {"mamba_d_state", 16},
                               {"mamba_n_groups", 2},
                               {"mamba_d_conv", 4},
                               {"num_local_experts", mixture ? 4 : 0},
                               {"num_experts_per_tok", mixture ? 2 : 0},
                               {"intermediate_size", mixture ? 64 : 96},
                               {"shared_intermediate_size", 96}})
    m.config[key] = n;
  for (const auto& [key, x] :
       {std::pair{"embedding_multiplier", 6.0}, {"residual_multiplier", 0.5}, {"attention_multiplier", 0.1}, {"logits_scaling", 4.0}})
    m.config[key] = x;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    if (l == 0)
      add_state_space(&m, layer + ".mamba.");
    else
      add_attention(&m, layer);
    m.add(layer + ".shared_mlp.input_linear.weight", {192, 128});
    m.add(layer + ".shared_mlp.output_linear.weight", {128, 96});
    add_norms(&m, layer);
    if (!mixture) continue;
    m.add(layer + ".block_sparse_moe.router.layer.weight", {4, 128});
    m.add(layer + ".block_sparse_moe.input_linear.weight", {4, 128, 128});
    m.add(layer + ".block_sparse_moe.output_linear.weight", {4, 128, 64});
  }
  return m;
}

}  // namespace jang::arch::testing
