// SPDX-License-Identifier: Apache-2.0
// What the model classes of mlx-lm load. Written by scripts/make_loader_table.py from mlx-lm 0.32.2; do not edit. One table of data,
// so it is not split.
//
// Of every class: modules that may be packed under the names they have; other tensors it takes, kept as they are; rows that move: renamed,
// stacked from one tensor per expert, or cut from a fused pair; tensors it leaves out; keys of the config it demands, and those that must
// not be null; modules that always or never have a bias; shapes of attention in numbers of the config.
#include "format/targets/mlx/class_table.h"

namespace jang::targets::mlx {
namespace {

// Klear
constexpr std::string_view kKlearModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{coefficient,gate}",
                                              "model.layers.*.mlp.{experts,shared_experts}.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kKlearPlain[] = {"model.layers.*.mlp.coefficient.bias", "model.layers.*.mlp.expert_bias",
                                            "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                            "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kKlearRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.experts.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.experts.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.experts.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kKlearRequired[] = {
    "hidden_size", "num_hidden_layers",   "intermediate_size",   "num_attention_heads",     "attention_bias",        "mlp_only_layers",
    "num_experts", "num_experts_per_tok", "decoder_sparse_step", "n_shared_experts",        "moe_intermediate_size", "rms_norm_eps",
    "vocab_size",  "num_key_value_heads", "rope_theta",          "max_position_embeddings", "norm_topk_prob"};
constexpr std::string_view kKlearNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kKlearBiased[] = {"model.layers.*.mlp.coefficient"};
constexpr std::string_view kKlearUnbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.gate",
                                               "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kKlearShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_norm,q_norm}", "hidden_size/num_attention_heads", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// afm7
constexpr std::string_view kAfm7Modules[] = {"model.embedding", "model.kv_reuse_layers.*.self_attn.{out_proj,q_proj}",
                                             "model.layers.*.self_attn.out_proj",
                                             "model.{kv_reuse_layers,layers}.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr std::string_view kAfm7Plain[] = {"model.kv_reuse_layers.*.self_attn.q_norm.weight",
                                           "model.layers.*.self_attn.{k_norm,q_norm,qkv_proj}.weight",
                                           "model.layers.*.self_attn.{quant_key_scale,quant_value_scale}", "model.output_norm.weight",
                                           "model.{kv_reuse_layers,layers}.*.{input_layernorm,post_attention_layernorm}.weight"};
constexpr std::string_view kAfm7Required[] = {"vocab_size", "hidden_dim", "num_layers", "num_kv_reuse_layers", "num_heads", "num_kv_heads"};
constexpr std::string_view kAfm7Unbiased[] = {"model.embedding", "model.kv_reuse_layers.*.self_attn.{out_proj,q_proj}",
                                              "model.layers.*.self_attn.{out_proj,qkv_proj}",
                                              "model.{kv_reuse_layers,layers}.*.mlp.{down_proj,gate_proj,up_proj}"};

// afmoe
constexpr std::string_view kAfmoeModules[] = {"lm_head",
                                              "model.embed_tokens",
                                              "model.layers.*.mlp.router.gate",
                                              "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.mlp.{experts,shared_experts}.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{gate_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kAfmoePlain[] = {
    "model.layers.*.mlp.expert_bias", "model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_mlp_layernorm,pre_mlp_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kAfmoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.experts.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.experts.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.experts.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kAfmoeRequired[] = {"layer_types"};
constexpr std::string_view kAfmoeNotNull[] = {"head_dim", "num_key_value_heads", "layer_types"};
constexpr std::string_view kAfmoeUnbiased[] = {
    "model.embed_tokens", "model.layers.*.mlp.router.gate", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}", "model.layers.*.self_attn.{gate_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kAfmoeShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.{gate_proj,q_proj}", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// apertus
constexpr std::string_view kApertusModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kApertusPlain[] = {"model.layers.*.mlp.act_fn.{alpha_n,alpha_p,beta,eps}",
                                              "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{attention_layernorm,feedforward_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kApertusRequired[] = {"hidden_size",
                                                 "num_hidden_layers",
                                                 "intermediate_size",
                                                 "mlp_bias",
                                                 "num_attention_heads",
                                                 "attention_bias",
                                                 "rms_norm_eps",
                                                 "vocab_size",
                                                 "num_key_value_heads",
                                                 "max_position_embeddings",
                                                 "rope_theta",
                                                 "post_norm",
                                                 "qk_norm",
                                                 "tie_word_embeddings"};
constexpr std::string_view kApertusNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kApertusUnbiased[] = {"model.embed_tokens", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kApertusShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_norm,q_norm}", "hidden_size/num_attention_heads", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// baichuan_m1
constexpr std::string_view kBaichuanM1Modules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{W_pack,o_proj}"};
constexpr std::string_view kBaichuanM1Plain[] = {"lm_head.weight", "model.layers.*.self_attn.{conv_k,conv_v}",
                                                 "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kBaichuanM1Required[] = {
    "vocab_size", "hidden_size",    "intermediate_size",     "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "rope_theta", "sliding_window", "sliding_window_layers", "conv_window",       "rms_norm_eps"};
constexpr std::string_view kBaichuanM1NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kBaichuanM1Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{W_pack,o_proj}"};
constexpr ClassShape kBaichuanM1Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "hidden_size"},
};

// bailing_hybrid
constexpr std::string_view kBailingHybridModules[] = {
    "lm_head",
    "model.layers.*.attention.{dense,g_proj,kv_a_proj_with_mqa,q_a_proj,q_b_proj,query_key_value,unembed_out}",
    "model.layers.*.mlp.gate.gate_proj",
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "model.word_embeddings"};
constexpr std::string_view kBailingHybridPlain[] = {
    "model.layers.*.attention.{embed_q,g_norm,key_layernorm,kv_a_layernorm,kv_b_proj,q_a_layernorm,query_layernorm}.weight",
    "model.layers.*.mlp.gate.expert_bias", "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kBailingHybridRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.gate.weight", "model.layers.*.mlp.gate.gate_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kBailingHybridRequired[] = {"hidden_size",
                                                       "intermediate_size",
                                                       "moe_intermediate_size",
                                                       "num_hidden_layers",
                                                       "num_attention_heads",
                                                       "num_key_value_heads",
                                                       "num_experts",
                                                       "num_experts_per_tok",
                                                       "num_shared_experts",
                                                       "n_group",
                                                       "topk_group",
                                                       "first_k_dense_replace",
                                                       "layer_group_size",
                                                       "group_norm_size",
                                                       "vocab_size",
                                                       "rms_norm_eps",
                                                       "rope_theta",
                                                       "max_position_embeddings",
                                                       "routed_scaling_factor",
                                                       "head_dim",
                                                       "kv_lora_rank",
                                                       "qk_rope_head_dim",
                                                       "qk_nope_head_dim",
                                                       "v_head_dim"};
constexpr std::string_view kBailingHybridUnbiased[] = {"model.layers.*.attention.{g_proj,q_b_proj}", "model.word_embeddings"};
constexpr ClassShape kBailingHybridShapes[] = {
    {"model.layers.*.attention.query_key_value", "3*num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.attention.{key_layernorm,query_layernorm}", "head_dim!", ""},
    {"model.layers.*.attention.g_norm", "num_attention_heads*head_dim!", ""},
    {"model.layers.*.attention.g_proj", "num_attention_heads*head_dim!", "hidden_size"},
};

// bailing_moe
constexpr std::string_view kBailingMoeModules[] = {"model.layers.*.attention.{dense,query_key_value}", "model.layers.*.mlp.gate.gate_proj",
                                                   "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                   "model.word_embeddings"};
constexpr std::string_view kBailingMoePlain[] = {"lm_head.weight", "model.layers.*.attention.{key_layernorm,query_layernorm}.weight",
                                                 "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kBailingMoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.gate.weight", "model.layers.*.mlp.gate.gate_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kBailingMoeRequired[] = {
    "hidden_size",         "intermediate_size",  "max_position_embeddings", "moe_intermediate_size",
    "num_experts",         "num_shared_experts", "norm_topk_prob",          "num_attention_heads",
    "num_experts_per_tok", "num_hidden_layers",  "num_key_value_heads",     "rms_norm_eps",
    "rope_theta",          "vocab_size",         "first_k_dense_replace"};
constexpr std::string_view kBailingMoeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kBailingMoeUnbiased[] = {"model.word_embeddings"};
constexpr ClassShape kBailingMoeShapes[] = {
    {"model.layers.*.attention.dense", "hidden_size", "hidden_size"},
    {"model.layers.*.attention.query_key_value", "hidden_size+2*num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
    {"model.layers.*.attention.{key_layernorm,query_layernorm}", "hidden_size/num_attention_heads", ""},
};

// bailing_moe_linear
constexpr std::string_view kBailingMoeLinearModules[] = {
    "model.layers.*.attention.{dense,g_proj,query_key_value}", "model.layers.*.mlp.gate.gate_proj",
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}", "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "model.word_embeddings"};
constexpr std::string_view kBailingMoeLinearPlain[] = {
    "lm_head.weight", "model.layers.*.attention.{g_norm,key_layernorm,query_layernorm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kBailingMoeLinearRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.gate.weight", "model.layers.*.mlp.gate.gate_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kBailingMoeLinearRequired[] = {
    "hidden_size",         "intermediate_size",  "max_position_embeddings", "moe_intermediate_size",
    "num_experts",         "num_shared_experts", "norm_topk_prob",          "num_attention_heads",
    "num_experts_per_tok", "num_hidden_layers",  "num_key_value_heads",     "rms_norm_eps",
    "rope_theta",          "vocab_size",         "first_k_dense_replace",   "layer_group_size",
    "group_norm_size"};
constexpr std::string_view kBailingMoeLinearNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kBailingMoeLinearUnbiased[] = {"model.layers.*.attention.g_proj", "model.word_embeddings"};
constexpr ClassShape kBailingMoeLinearShapes[] = {
    {"model.layers.*.attention.g_norm", "hidden_size", ""},
    {"model.layers.*.attention.g_proj", "hidden_size", "hidden_size"},
};

// bailing_moe_v3
constexpr std::string_view kBailingMoeV3Modules[] = {
    "lm_head",
    "model.layers.*.attention.{b_proj,dense,f_proj,g_proj,k_proj,kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,q_proj,unembed_out,v_proj}",
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}", "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "model.word_embeddings"};
constexpr std::string_view kBailingMoeV3Plain[] = {
    "model.layers.*.attention.{A_log,dt_bias}",
    "model.layers.*.attention.{embed_q,k_conv1d,kv_a_layernorm,kv_b_proj,o_norm,q_a_layernorm,q_conv1d,v_conv1d}.weight",
    "model.layers.*.mlp.gate.{expert_bias,weight}", "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
    "model.norm.weight"};
constexpr ClassRow kBailingMoeV3Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kBailingMoeV3NotNull[] = {"head_dim"};
constexpr std::string_view kBailingMoeV3Unbiased[] = {
    "model.layers.*.attention.{b_proj,dense,f_proj,g_proj,k_proj,kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,q_proj,v_proj}",
    "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}", "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
    "model.word_embeddings"};
constexpr ClassShape kBailingMoeV3Shapes[] = {
    {"model.layers.*.attention.o_norm", "head_dim!", ""},
    {"model.layers.*.attention.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.attention.{f_proj,k_proj,q_proj,v_proj}", "num_attention_heads*head_dim!", "hidden_size"},
};

// bitnet
constexpr std::string_view kBitnetModules[] = {"lm_head", "model.embed_tokens"};
constexpr std::string_view kBitnetPlain[] = {"model.layers.*.mlp.ffn_sub_norm.weight",
                                             "model.layers.*.mlp.{down_proj,gate_proj,up_proj}.{weight,weight_scale}",
                                             "model.layers.*.self_attn.attn_sub_norm.weight",
                                             "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}.{weight,weight_scale}",
                                             "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "model.norm.weight"};
constexpr std::string_view kBitnetRequired[] = {"hidden_size",         "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                "num_key_value_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kBitnetNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kBitnetUnbiased[] = {"model.embed_tokens"};

// cohere
constexpr std::string_view kCohereModules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kCoherePlain[] = {"model.layers.*.input_layernorm.weight", "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                             "model.norm.weight"};
constexpr std::string_view kCohereNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kCohereUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_norm,q_norm}"};
constexpr ClassShape kCohereShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// cohere2
constexpr std::string_view kCohere2Modules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kCohere2Plain[] = {"model.layers.*.input_layernorm.weight", "model.norm.weight"};
constexpr std::string_view kCohere2Required[] = {"head_dim"};
constexpr std::string_view kCohere2NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kCohere2Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kCohere2Shapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// dbrx
constexpr std::string_view kDbrxModules[] = {"lm_head", "transformer.blocks.*.ffn.experts.*.{v1,w1,w2}",
                                             "transformer.blocks.*.ffn.router.layer",
                                             "transformer.blocks.*.norm_attn_norm.attn.{Wqkv,out_proj}", "transformer.wte"};
constexpr std::string_view kDbrxPlain[] = {"transformer.blocks.*.ffn.experts.mlp.{v1,w1,w2}",
                                           "transformer.blocks.*.norm_attn_norm.{norm_1,norm_2}.weight", "transformer.norm_f.weight"};
constexpr std::string_view kDbrxRequired[] = {"vocab_size", "d_model", "ffn_config", "attn_config", "n_layers", "n_heads"};
constexpr std::string_view kDbrxUnbiased[] = {"lm_head", "transformer.blocks.*.ffn.router.layer",
                                              "transformer.blocks.*.norm_attn_norm.attn.{Wqkv,out_proj}", "transformer.wte"};

// deepseek
constexpr std::string_view kDeepseekModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kDeepseekPlain[] = {"model.layers.*.mlp.gate.weight",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kDeepseekRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kDeepseekNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kDeepseekUnbiased[] = {"lm_head", "model.embed_tokens",
                                                  "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}"};
constexpr ClassShape kDeepseekShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// deepseek_v2
constexpr std::string_view kDeepseekV2Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{kv_a_proj_with_mqa,kv_b_proj,o_proj,q_a_proj,q_b_proj}"};
constexpr std::string_view kDeepseekV2Plain[] = {"model.layers.*.mlp.gate.weight",
                                                 "model.layers.*.self_attn.{kv_a_layernorm,q_a_layernorm}.weight",
                                                 "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kDeepseekV2Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kDeepseekV2Required[] = {"rope_scaling"};
constexpr std::string_view kDeepseekV2NotNull[] = {"rope_scaling"};
constexpr std::string_view kDeepseekV2Unbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.{kv_b_proj,q_b_proj}"};

// deepseek_v3
constexpr std::string_view kDeepseekV3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kDeepseekV3Plain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                 "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                                 "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kDeepseekV3Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kDeepseekV3Unbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.q_b_proj"};

// deepseek_v32
constexpr std::string_view kDeepseekV32Modules[] = {"lm_head",
                                                    "model.embed_tokens",
                                                    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.indexer.{weights_proj,wk,wq_b}",
                                                    "model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kDeepseekV32Plain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                  "model.layers.*.self_attn.indexer.k_norm.{bias,weight}",
                                                  "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                                  "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kDeepseekV32Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kDeepseekV32NotNull[] = {"q_lora_rank"};
constexpr std::string_view kDeepseekV32Unbiased[] = {"lm_head",
                                                     "model.embed_tokens",
                                                     "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                     "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                     "model.layers.*.self_attn.indexer.{weights_proj,wk,wq_b}",
                                                     "model.layers.*.self_attn.q_b_proj"};

// deepseek_v41
constexpr std::string_view kDeepseekV41Modules[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.experts.switch_mlp.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}", "model.layers.*.self_attn.{kv_proj,o_b_proj,q_a_proj,q_b_proj}"};
constexpr std::string_view kDeepseekV41Plain[] = {
    "model.layers.*.mlp.gate.{e_score_correction_bias,weight}",         "model.layers.*.self_attn.sinks",
    "model.layers.*.self_attn.{kv_norm,o_a_proj,q_a_norm}.weight",      "model.layers.*.{attn_hc,ffn_hc}.{base,fn,scale}",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kDeepseekV41NotNull[] = {"head_dim", "q_lora_rank"};
constexpr std::string_view kDeepseekV41Unbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.gate",
                                                     "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                     "model.layers.*.self_attn.{kv_proj,o_b_proj,q_a_proj,q_b_proj}"};

// dots1
constexpr std::string_view kDots1Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.mlp.{experts,shared_experts}.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kDots1Plain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                            "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                            "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kDots1Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.experts.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.experts.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.experts.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kDots1Required[] = {
    "hidden_size",          "num_hidden_layers",       "intermediate_size",   "num_attention_heads",   "rms_norm_eps",
    "vocab_size",           "max_position_embeddings", "num_key_value_heads", "first_k_dense_replace", "moe_intermediate_size",
    "n_routed_experts",     "n_shared_experts",        "norm_topk_prob",      "num_experts_per_tok",   "rope_theta",
    "routed_scaling_factor"};
constexpr std::string_view kDots1NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kDots1Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.gate",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kDots1Shapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// ernie4_5
constexpr std::string_view kErnie45Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kErnie45Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kErnie45Required[] = {"hidden_size",
                                                 "intermediate_size",
                                                 "max_position_embeddings",
                                                 "num_attention_heads",
                                                 "num_key_value_heads",
                                                 "head_dim",
                                                 "num_hidden_layers",
                                                 "rms_norm_eps",
                                                 "vocab_size",
                                                 "rope_theta",
                                                 "use_bias",
                                                 "tie_word_embeddings"};
constexpr std::string_view kErnie45NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kErnie45Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kErnie45Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// ernie4_5_moe
constexpr std::string_view kErnie45MoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kErnie45MoePlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kErnie45MoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kErnie45MoeDrops[] = {"mtp_block",
                                                 "model.mtp_block",
                                                 "model.mtp_emb_norm",
                                                 "model.mtp_hidden_norm",
                                                 "model.mtp_linear_proj",
                                                 "mlp.moe_statics.e_score_correction_bias"};
constexpr std::string_view kErnie45MoeRequired[] = {"hidden_size",
                                                    "intermediate_size",
                                                    "max_position_embeddings",
                                                    "num_attention_heads",
                                                    "num_key_value_heads",
                                                    "num_hidden_layers",
                                                    "rms_norm_eps",
                                                    "vocab_size",
                                                    "rope_theta",
                                                    "use_bias",
                                                    "tie_word_embeddings",
                                                    "moe_num_experts"};
constexpr std::string_view kErnie45MoeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kErnie45MoeUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.gate"};
constexpr ClassShape kErnie45MoeShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// exaone
constexpr std::string_view kExaoneModules[] = {"lm_head", "transformer.h.*.attn.attention.{k_proj,out_proj,q_proj,v_proj}",
                                               "transformer.h.*.mlp.{c_fc_0,c_fc_1,c_proj}", "transformer.wte"};
constexpr std::string_view kExaonePlain[] = {"transformer.h.*.{ln_1,ln_2}.weight", "transformer.ln_f.weight"};
constexpr std::string_view kExaoneRequired[] = {"hidden_size", "num_layers", "intermediate_size",  "num_attention_heads",
                                                "vocab_size",  "rope_theta", "layer_norm_epsilon", "num_key_value_heads"};
constexpr std::string_view kExaoneNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kExaoneUnbiased[] = {"transformer.wte"};
constexpr ClassShape kExaoneShapes[] = {
    {"transformer.h.*.attn.attention.out_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"transformer.h.*.attn.attention.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"transformer.h.*.attn.attention.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// exaone4
constexpr std::string_view kExaone4Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kExaone4Plain[] = {"model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{post_attention_layernorm,post_feedforward_layernorm}.weight",
                                              "model.norm.weight"};
constexpr std::string_view kExaone4Required[] = {"hidden_size",         "num_hidden_layers",
                                                 "intermediate_size",   "num_attention_heads",
                                                 "rms_norm_eps",        "vocab_size",
                                                 "num_key_value_heads", "max_position_embeddings",
                                                 "rope_theta",          "head_dim",
                                                 "tie_word_embeddings", "rope_scaling",
                                                 "sliding_window",      "sliding_window_pattern"};
constexpr std::string_view kExaone4NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kExaone4Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kExaone4Shapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// exaone_moe
constexpr std::string_view kExaoneMoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kExaoneMoePlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                                "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kExaoneMoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kExaoneMoeDrops[] = {"mtp"};
constexpr std::string_view kExaoneMoeRequired[] = {"vocab_size",
                                                   "hidden_size",
                                                   "intermediate_size",
                                                   "moe_intermediate_size",
                                                   "num_hidden_layers",
                                                   "num_attention_heads",
                                                   "num_key_value_heads",
                                                   "head_dim",
                                                   "num_experts",
                                                   "num_experts_per_tok",
                                                   "num_shared_experts",
                                                   "rms_norm_eps",
                                                   "max_position_embeddings",
                                                   "sliding_window",
                                                   "layer_types",
                                                   "is_moe_layer"};
constexpr std::string_view kExaoneMoeNotNull[] = {"head_dim", "num_key_value_heads", "layer_types"};
constexpr std::string_view kExaoneMoeUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kExaoneMoeShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// falcon_h1
constexpr std::string_view kFalconH1Modules[] = {"model.layers.*.feed_forward.up_proj", "model.layers.*.self_attn.v_proj"};
constexpr std::string_view kFalconH1Plain[] = {"lm_head.weight",
                                               "model.layers.*.feed_forward.{down_proj,gate_proj}.weight",
                                               "model.layers.*.mamba.conv1d.{bias,weight}",
                                               "model.layers.*.mamba.{A_log,D,dt_bias}",
                                               "model.layers.*.mamba.{in_proj,out_proj}.weight",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj}.weight",
                                               "model.layers.*.{input_layernorm,pre_ff_layernorm}.weight",
                                               "model.{embed_tokens,final_layernorm}.weight"};
constexpr std::string_view kFalconH1NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kFalconH1Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kFalconH1Shapes[] = {
    {"model.layers.*.self_attn.v_proj", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gear
constexpr std::string_view kGearModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                             "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGearPlain[] = {
    "model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "model.norm.weight"};
constexpr std::string_view kGearRequired[] = {"vocab_size",        "hidden_size",         "intermediate_size",
                                              "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                                              "head_dim",          "rms_norm_eps",        "layer_types"};
constexpr std::string_view kGearNotNull[] = {"head_dim"};
constexpr std::string_view kGearUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kGearShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gemma
constexpr std::string_view kGemmaModules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGemmaPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kGemmaRequired[] = {"hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                               "head_dim",    "rms_norm_eps",      "vocab_size",        "num_key_value_heads"};
constexpr std::string_view kGemmaNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGemmaUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kGemmaShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gemma2
constexpr std::string_view kGemma2Modules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGemma2Plain[] = {
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "model.norm.weight"};
constexpr std::string_view kGemma2Required[] = {"hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                "head_dim",    "rms_norm_eps",      "vocab_size",        "num_key_value_heads"};
constexpr std::string_view kGemma2NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGemma2Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kGemma2Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gemma3n
constexpr std::string_view kGemma3nModules[] = {"model.language_model.layers.*.altup.modality_router",
                                                "model.language_model.layers.*.laurel.{linear_left,linear_right}",
                                                "model.language_model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.language_model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
                                                "model.language_model.layers.*.{per_layer_input_gate,per_layer_projection}",
                                                "model.language_model.{altup_projections,altup_unembed_projections}.*",
                                                "model.language_model.{embed_tokens,embed_tokens_per_layer,per_layer_model_projection}"};
constexpr std::string_view kGemma3nPlain[] = {"model.language_model.layers.*.altup.correct_output_scale",
                                              "model.language_model.layers.*.altup.{correction_coefs,prediction_coefs,router_norm}.weight",
                                              "model.language_model.layers.*.laurel.post_laurel_norm.weight",
                                              "model.language_model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.language_model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_"
                                              "layernorm,post_per_layer_input_norm,pre_feedforward_layernorm}.weight",
                                              "model.language_model.{norm,per_layer_projection_norm}.weight"};
constexpr std::string_view kGemma3nDrops[] = {"model.vision_tower", "model.audio_tower", "model.embed_audio", "model.embed_vision"};
constexpr std::string_view kGemma3nRequired[] = {"text_config"};
constexpr std::string_view kGemma3nNotNull[] = {"head_dim", "num_key_value_heads", "layer_types"};
constexpr std::string_view kGemma3nUnbiased[] = {"model.language_model.layers.*.altup.{correction_coefs,modality_router,prediction_coefs}",
                                                 "model.language_model.layers.*.laurel.{linear_left,linear_right}",
                                                 "model.language_model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.language_model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
                                                 "model.language_model.layers.*.{per_layer_input_gate,per_layer_projection}",
                                                 "model.language_model.{altup_projections,altup_unembed_projections}.*",
                                                 "model.language_model.{embed_tokens,embed_tokens_per_layer,per_layer_model_projection}"};
constexpr ClassShape kGemma3nShapes[] = {
    {"model.language_model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.language_model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.language_model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.language_model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gemma4
constexpr std::string_view kGemma4Modules[] = {"language_model.lm_head",
                                               "language_model.model.layers.*.experts.switch_glu.{down_proj,gate_proj,up_proj}",
                                               "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "language_model.model.layers.*.router.proj",
                                               "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
                                               "language_model.model.layers.*.{per_layer_input_gate,per_layer_projection}",
                                               "language_model.model.{embed_tokens,embed_tokens_per_layer,per_layer_model_projection}"};
constexpr std::string_view kGemma4Plain[] = {
    "language_model.model.layers.*.layer_scalar",
    "language_model.model.layers.*.router.{per_expert_scale,scale}",
    "language_model.model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "language_model.model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,post_feedforward_layernorm_1,post_"
    "feedforward_layernorm_2,post_per_layer_input_norm,pre_feedforward_layernorm,pre_feedforward_layernorm_2}.weight",
    "language_model.model.{norm,per_layer_projection_norm}.weight",
    "model.language_model.layers.*.layer_scalar",
    "model.language_model.layers.*.router.{per_expert_scale,scale}",
    "model.language_model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "model.language_model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,post_feedforward_layernorm_1,post_"
    "feedforward_layernorm_2,post_per_layer_input_norm,pre_feedforward_layernorm,pre_feedforward_layernorm_2}.weight",
    "model.language_model.{norm,per_layer_projection_norm}.weight"};
constexpr ClassRow kGemma4Rows[] = {
    {"language_model.model.layers.*.experts.down_proj", "language_model.model.layers.*.experts.switch_glu.down_proj.weight",
     LayoutRule::whole},
    {"language_model.model.layers.*.experts.gate_up_proj", "language_model.model.layers.*.experts.switch_glu.gate_proj.weight",
     LayoutRule::first_half},
    {"language_model.model.layers.*.experts.gate_up_proj", "language_model.model.layers.*.experts.switch_glu.up_proj.weight",
     LayoutRule::second_half},
    {"model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.embed_tokens_per_layer.weight", "language_model.model.embed_tokens_per_layer.weight", LayoutRule::whole},
    {"model.language_model.layers.*.experts.down_proj", "language_model.model.layers.*.experts.switch_glu.down_proj.weight",
     LayoutRule::whole},
    {"model.language_model.layers.*.experts.gate_up_proj", "language_model.model.layers.*.experts.switch_glu.gate_proj.weight",
     LayoutRule::first_half},
    {"model.language_model.layers.*.experts.gate_up_proj", "language_model.model.layers.*.experts.switch_glu.up_proj.weight",
     LayoutRule::second_half},
    {"model.language_model.layers.*.experts.switch_glu.down_proj.weight",
     "language_model.model.layers.*.experts.switch_glu.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.experts.switch_glu.gate_proj.weight",
     "language_model.model.layers.*.experts.switch_glu.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.experts.switch_glu.up_proj.weight", "language_model.model.layers.*.experts.switch_glu.up_proj.weight",
     LayoutRule::whole},
    {"model.language_model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.per_layer_input_gate.weight", "language_model.model.layers.*.per_layer_input_gate.weight",
     LayoutRule::whole},
    {"model.language_model.layers.*.per_layer_projection.weight", "language_model.model.layers.*.per_layer_projection.weight",
     LayoutRule::whole},
    {"model.language_model.layers.*.router.proj.weight", "language_model.model.layers.*.router.proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.language_model.per_layer_model_projection.weight", "language_model.model.per_layer_model_projection.weight", LayoutRule::whole},
};
constexpr std::string_view kGemma4Drops[] = {
    "vision_tower",       "multi_modal_projector",       "audio_tower",       "embed_audio",       "embed_vision",      "vision_embedder",
    "model.vision_tower", "model.multi_modal_projector", "model.audio_tower", "model.embed_audio", "model.embed_vision"};
constexpr std::string_view kGemma4NotNull[] = {"head_dim", "num_key_value_heads"};

// gemma4_text
constexpr std::string_view kGemma4TextModules[] = {"lm_head",
                                                   "model.layers.*.experts.switch_glu.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.router.proj",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
                                                   "model.layers.*.{per_layer_input_gate,per_layer_projection}",
                                                   "model.{embed_tokens,embed_tokens_per_layer,per_layer_model_projection}"};
constexpr std::string_view kGemma4TextPlain[] = {
    "model.layers.*.layer_scalar", "model.layers.*.router.{per_expert_scale,scale}", "model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,post_feedforward_layernorm_1,post_feedforward_"
    "layernorm_2,post_per_layer_input_norm,pre_feedforward_layernorm,pre_feedforward_layernorm_2}.weight",
    "model.{norm,per_layer_projection_norm}.weight"};
constexpr ClassRow kGemma4TextRows[] = {
    {"model.layers.*.experts.down_proj", "model.layers.*.experts.switch_glu.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.experts.gate_up_proj", "model.layers.*.experts.switch_glu.gate_proj.weight", LayoutRule::first_half},
    {"model.layers.*.experts.gate_up_proj", "model.layers.*.experts.switch_glu.up_proj.weight", LayoutRule::second_half},
};
constexpr std::string_view kGemma4TextNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGemma4TextUnbiased[] = {
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
    "model.layers.*.{per_layer_input_gate,per_layer_projection}", "model.{embed_tokens,embed_tokens_per_layer,per_layer_model_projection}"};

// glm
constexpr std::string_view kGlmModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                            "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGlmPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kGlmRequired[] = {"hidden_size",  "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                             "rms_norm_eps", "vocab_size",        "head_dim",          "num_key_value_heads"};
constexpr std::string_view kGlmNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kGlmUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                             "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kGlmShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// glm4
constexpr std::string_view kGlm4Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                             "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGlm4Plain[] = {
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_mlp_layernorm,post_self_attn_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kGlm4Required[] = {
    "hidden_size",  "num_hidden_layers", "intermediate_size",   "num_attention_heads",   "attention_bias", "head_dim",
    "rms_norm_eps", "vocab_size",        "num_key_value_heads", "partial_rotary_factor", "rope_theta"};
constexpr std::string_view kGlm4NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGlm4Unbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                              "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kGlm4Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// glm4_moe
constexpr std::string_view kGlm4MoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGlm4MoePlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                              "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGlm4MoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kGlm4MoeRequired[] = {"vocab_size",
                                                 "hidden_size",
                                                 "intermediate_size",
                                                 "max_position_embeddings",
                                                 "moe_intermediate_size",
                                                 "norm_topk_prob",
                                                 "num_attention_heads",
                                                 "n_group",
                                                 "head_dim",
                                                 "topk_group",
                                                 "n_shared_experts",
                                                 "n_routed_experts",
                                                 "routed_scaling_factor",
                                                 "num_experts_per_tok",
                                                 "first_k_dense_replace",
                                                 "num_hidden_layers",
                                                 "num_key_value_heads",
                                                 "rms_norm_eps",
                                                 "rope_theta",
                                                 "rope_scaling",
                                                 "use_qk_norm",
                                                 "tie_word_embeddings",
                                                 "attention_bias",
                                                 "partial_rotary_factor"};
constexpr std::string_view kGlm4MoeNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGlm4MoeUnbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kGlm4MoeShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// glm4_moe_lite
constexpr std::string_view kGlm4MoeLiteModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kGlm4MoeLitePlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                  "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                                  "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGlm4MoeLiteRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kGlm4MoeLiteUnbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.q_b_proj"};

// glm_moe_dsa
constexpr std::string_view kGlmMoeDsaModules[] = {"lm_head",
                                                  "model.embed_tokens",
                                                  "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.indexer.{weights_proj,wk,wq_b}",
                                                  "model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kGlmMoeDsaPlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                "model.layers.*.self_attn.indexer.k_norm.{bias,weight}",
                                                "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                                "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGlmMoeDsaRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kGlmMoeDsaRequired[] = {"vocab_size",
                                                   "hidden_size",
                                                   "index_head_dim",
                                                   "index_n_heads",
                                                   "index_topk",
                                                   "intermediate_size",
                                                   "moe_intermediate_size",
                                                   "num_hidden_layers",
                                                   "num_attention_heads",
                                                   "num_key_value_heads",
                                                   "n_shared_experts",
                                                   "n_routed_experts",
                                                   "routed_scaling_factor",
                                                   "kv_lora_rank",
                                                   "q_lora_rank",
                                                   "qk_rope_head_dim",
                                                   "v_head_dim",
                                                   "qk_nope_head_dim",
                                                   "topk_method",
                                                   "scoring_func",
                                                   "norm_topk_prob",
                                                   "n_group",
                                                   "topk_group",
                                                   "num_experts_per_tok",
                                                   "moe_layer_freq",
                                                   "first_k_dense_replace",
                                                   "max_position_embeddings",
                                                   "rms_norm_eps",
                                                   "rope_parameters",
                                                   "attention_bias"};
constexpr std::string_view kGlmMoeDsaNotNull[] = {"rope_parameters", "q_lora_rank"};
constexpr std::string_view kGlmMoeDsaUnbiased[] = {"lm_head",
                                                   "model.embed_tokens",
                                                   "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.indexer.{weights_proj,wk,wq_b}",
                                                   "model.layers.*.self_attn.q_b_proj"};

// gpt2
constexpr std::string_view kGpt2Modules[] = {"model.h.*.attn.{c_attn,c_proj}", "model.h.*.mlp.{c_fc,c_proj}", "model.{wpe,wte}"};
constexpr std::string_view kGpt2Plain[] = {"h.*.attn.{c_attn,c_proj}.{bias,weight}", "h.*.mlp.{c_fc,c_proj}.{bias,weight}",
                                           "h.*.{ln_1,ln_2}.{bias,weight}",          "ln_f.{bias,weight}",
                                           "model.h.*.attn.{c_attn,c_proj}.bias",    "model.h.*.mlp.{c_fc,c_proj}.bias",
                                           "model.h.*.{ln_1,ln_2}.{bias,weight}",    "model.ln_f.{bias,weight}"};
constexpr ClassRow kGpt2Rows[] = {
    {"wpe.weight", "model.wpe.weight", LayoutRule::whole},
    {"wte.weight", "model.wte.weight", LayoutRule::whole},
};
constexpr std::string_view kGpt2Required[] = {"n_ctx", "n_embd", "n_head", "n_layer", "n_positions", "layer_norm_epsilon", "vocab_size"};

// gpt_bigcode
constexpr std::string_view kGptBigcodeModules[] = {"lm_head", "transformer.h.*.attn.{c_attn,c_proj}", "transformer.h.*.mlp.{c_fc,c_proj}",
                                                   "transformer.{wpe,wte}"};
constexpr std::string_view kGptBigcodePlain[] = {"transformer.h.*.{ln_1,ln_2}.{bias,weight}", "transformer.ln_f.{bias,weight}"};
constexpr std::string_view kGptBigcodeRequired[] = {"n_embd",    "n_layer", "n_inner", "n_head", "n_positions", "layer_norm_epsilon",
                                                    "vocab_size"};
constexpr std::string_view kGptBigcodeNotNull[] = {"n_inner"};
constexpr std::string_view kGptBigcodeUnbiased[] = {"transformer.{wpe,wte}"};

// gpt_neox
constexpr std::string_view kGptNeoxModules[] = {"model.h.*.attention.{dense,query_key_value}",
                                                "model.h.*.mlp.{dense_4h_to_h,dense_h_to_4h}", "model.{embed_in,embed_out}"};
constexpr std::string_view kGptNeoxPlain[] = {"gpt_neox.layers.*.attention.{dense,query_key_value}.bias",
                                              "gpt_neox.layers.*.mlp.{dense_4h_to_h,dense_h_to_4h}.bias",
                                              "gpt_neox.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}",
                                              "model.h.*.attention.{dense,query_key_value}.bias",
                                              "model.h.*.mlp.{dense_4h_to_h,dense_h_to_4h}.bias",
                                              "model.h.*.{input_layernorm,post_attention_layernorm}.{bias,weight}",
                                              "{gpt_neox,model}.final_layer_norm.{bias,weight}"};
constexpr ClassRow kGptNeoxRows[] = {
    {"gpt_neox.embed_in.weight", "model.embed_in.weight", LayoutRule::whole},
    {"gpt_neox.layers.*.attention.dense.weight", "model.h.*.attention.dense.weight", LayoutRule::whole},
    {"gpt_neox.layers.*.attention.query_key_value.weight", "model.h.*.attention.query_key_value.weight", LayoutRule::whole},
    {"gpt_neox.layers.*.mlp.dense_4h_to_h.weight", "model.h.*.mlp.dense_4h_to_h.weight", LayoutRule::whole},
    {"gpt_neox.layers.*.mlp.dense_h_to_4h.weight", "model.h.*.mlp.dense_h_to_4h.weight", LayoutRule::whole},
};
constexpr std::string_view kGptNeoxRequired[] = {"max_position_embeddings", "hidden_size", "num_attention_heads", "num_hidden_layers",
                                                 "layer_norm_eps",          "vocab_size",  "rotary_emb_base",     "rotary_pct"};
constexpr std::string_view kGptNeoxUnbiased[] = {"model.embed_out"};
constexpr ClassShape kGptNeoxShapes[] = {
    {"model.h.*.attention.query_key_value", "3*hidden_size", "hidden_size"},
    {"model.h.*.attention.dense", "hidden_size", "hidden_size"},
};

// gpt_oss
constexpr std::string_view kGptOssModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.experts.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.mlp.router", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGptOssPlain[] = {"model.layers.*.mlp.experts.{down_proj,gate_proj,up_proj}.bias",
                                             "model.layers.*.mlp.router.bias",
                                             "model.layers.*.self_attn.sinks",
                                             "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}.bias",
                                             "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "model.norm.weight"};
constexpr std::string_view kGptOssNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kGptOssBiased[] = {"model.layers.*.mlp.router", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGptOssUnbiased[] = {"lm_head", "model.embed_tokens"};
constexpr ClassShape kGptOssShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// gptj
constexpr std::string_view kGptjModules[] = {"lm_head", "model.h.*.attn.{k_proj,out_proj,q_proj,v_proj}", "model.h.*.mlp.{fc_in,fc_out}",
                                             "model.wte"};
constexpr std::string_view kGptjPlain[] = {"lm_head.bias", "{model,transformer}.h.*.ln_1.{bias,weight}",
                                           "{model,transformer}.h.*.mlp.{fc_in,fc_out}.bias", "{model,transformer}.ln_f.{bias,weight}"};
constexpr ClassRow kGptjRows[] = {
    {"transformer.h.*.attn.k_proj.weight", "model.h.*.attn.k_proj.weight", LayoutRule::whole},
    {"transformer.h.*.attn.out_proj.weight", "model.h.*.attn.out_proj.weight", LayoutRule::whole},
    {"transformer.h.*.attn.q_proj.weight", "model.h.*.attn.q_proj.weight", LayoutRule::whole},
    {"transformer.h.*.attn.v_proj.weight", "model.h.*.attn.v_proj.weight", LayoutRule::whole},
    {"transformer.h.*.mlp.fc_in.weight", "model.h.*.mlp.fc_in.weight", LayoutRule::whole},
    {"transformer.h.*.mlp.fc_out.weight", "model.h.*.mlp.fc_out.weight", LayoutRule::whole},
    {"transformer.wte.weight", "model.wte.weight", LayoutRule::whole},
};
constexpr std::string_view kGptjBiased[] = {"lm_head"};

// granite
constexpr std::string_view kGraniteModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGranitePlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kGraniteRequired[] = {"hidden_size",
                                                 "num_hidden_layers",
                                                 "intermediate_size",
                                                 "num_attention_heads",
                                                 "rms_norm_eps",
                                                 "vocab_size",
                                                 "logits_scaling",
                                                 "attention_multiplier",
                                                 "embedding_multiplier",
                                                 "residual_multiplier",
                                                 "max_position_embeddings",
                                                 "num_key_value_heads",
                                                 "attention_bias",
                                                 "mlp_bias",
                                                 "rope_theta"};
constexpr std::string_view kGraniteNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kGraniteUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kGraniteShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// granitemoe
constexpr std::string_view kGranitemoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.block_sparse_moe.router.layer",
                                                   "model.layers.*.block_sparse_moe.switch_mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGranitemoePlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGranitemoeRows[] = {
    {"model.layers.*.block_sparse_moe.input_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight",
     LayoutRule::first_half},
    {"model.layers.*.block_sparse_moe.input_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight",
     LayoutRule::second_half},
    {"model.layers.*.block_sparse_moe.output_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight",
     LayoutRule::whole},
};
constexpr std::string_view kGranitemoeRequired[] = {
    "hidden_size",          "num_hidden_layers",   "intermediate_size",       "num_attention_heads",
    "rms_norm_eps",         "vocab_size",          "logits_scaling",          "attention_multiplier",
    "embedding_multiplier", "residual_multiplier", "max_position_embeddings", "num_key_value_heads",
    "attention_bias",       "rope_theta",          "num_local_experts",       "num_experts_per_tok"};
constexpr std::string_view kGranitemoeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kGranitemoeUnbiased[] = {"model.embed_tokens", "model.layers.*.block_sparse_moe.router.layer"};
constexpr ClassShape kGranitemoeShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// granitemoehybrid
constexpr std::string_view kGranitemoehybridModules[] = {"lm_head",
                                                         "model.embed_tokens",
                                                         "model.layers.*.block_sparse_moe.router.layer",
                                                         "model.layers.*.block_sparse_moe.switch_mlp.{down_proj,gate_proj,up_proj}",
                                                         "model.layers.*.mamba.{in_proj,out_proj}",
                                                         "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}",
                                                         "model.layers.*.shared_mlp.{input_linear,output_linear}"};
constexpr std::string_view kGranitemoehybridPlain[] = {
    "model.layers.*.mamba.conv1d.{bias,weight}", "model.layers.*.mamba.norm.weight", "model.layers.*.mamba.{A_log,D,dt_bias}",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGranitemoehybridRows[] = {
    {"model.layers.*.block_sparse_moe.input_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight",
     LayoutRule::first_half},
    {"model.layers.*.block_sparse_moe.input_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight",
     LayoutRule::second_half},
    {"model.layers.*.block_sparse_moe.output_linear.weight", "model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight",
     LayoutRule::whole},
};
constexpr std::string_view kGranitemoehybridRequired[] = {
    "vocab_size",          "hidden_size",         "intermediate_size", "num_hidden_layers",    "max_position_embeddings",
    "num_attention_heads", "num_key_value_heads", "attention_bias",    "embedding_multiplier", "attention_multiplier",
    "logits_scaling",      "residual_multiplier", "layer_types",       "rms_norm_eps"};
constexpr std::string_view kGranitemoehybridNotNull[] = {"num_key_value_heads", "layer_types"};
constexpr std::string_view kGranitemoehybridUnbiased[] = {"model.embed_tokens", "model.layers.*.block_sparse_moe.router.layer",
                                                          "model.layers.*.shared_mlp.{input_linear,output_linear}"};
constexpr ClassShape kGranitemoehybridShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// granitemoehybrid:dense
constexpr std::string_view kGranitemoehybridDenseModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mamba.{in_proj,out_proj}",
                                                              "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kGranitemoehybridDensePlain[] = {
    "model.layers.*.mamba.conv1d.{bias,weight}", "model.layers.*.mamba.norm.weight", "model.layers.*.mamba.{A_log,D,dt_bias}",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kGranitemoehybridDenseRows[] = {
    {"model.layers.*.shared_mlp.input_linear.weight", "model.layers.*.mlp.gate_proj.weight", LayoutRule::first_half},
    {"model.layers.*.shared_mlp.input_linear.weight", "model.layers.*.mlp.up_proj.weight", LayoutRule::second_half},
    {"model.layers.*.shared_mlp.output_linear.weight", "model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kGranitemoehybridDenseRequired[] = {
    "vocab_size",          "hidden_size",         "intermediate_size", "num_hidden_layers",    "max_position_embeddings",
    "num_attention_heads", "num_key_value_heads", "attention_bias",    "embedding_multiplier", "attention_multiplier",
    "logits_scaling",      "residual_multiplier", "layer_types",       "rms_norm_eps"};
constexpr std::string_view kGranitemoehybridDenseNotNull[] = {"num_key_value_heads", "layer_types"};
constexpr std::string_view kGranitemoehybridDenseUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kGranitemoehybridDenseShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// helium
constexpr std::string_view kHeliumModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kHeliumPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kHeliumRequired[] = {"hidden_size",
                                                "num_hidden_layers",
                                                "intermediate_size",
                                                "num_attention_heads",
                                                "num_key_value_heads",
                                                "rms_norm_eps",
                                                "vocab_size",
                                                "attention_bias",
                                                "head_dim",
                                                "max_position_embeddings",
                                                "mlp_bias",
                                                "rope_theta",
                                                "tie_word_embeddings"};
constexpr std::string_view kHeliumNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kHeliumUnbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kHeliumShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// hunyuan
constexpr std::string_view kHunyuanModules[] = {"model.embed_tokens", "model.layers.*.mlp.gate.wg",
                                                "model.layers.*.mlp.{shared_mlp,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kHunyuanPlain[] = {"model.layers.*.self_attn.{key_layernorm,query_layernorm}.weight",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kHunyuanRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kHunyuanRequired[] = {
    "vocab_size",     "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads",
    "attention_bias", "moe_topk",    "num_experts",       "num_shared_expert", "use_mixed_mlp_moe",   "use_qk_norm",
    "rms_norm_eps",   "rope_theta",  "use_cla",           "cla_share_factor",  "rope_scaling"};
constexpr std::string_view kHunyuanNotNull[] = {"rope_scaling", "num_key_value_heads"};
constexpr std::string_view kHunyuanUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.gate.wg",
                                                 "model.layers.*.mlp.shared_mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kHunyuanShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{key_layernorm,query_layernorm}", "hidden_size/num_attention_heads", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// hunyuan_v1_dense
constexpr std::string_view kHunyuanV1DenseModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                       "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kHunyuanV1DensePlain[] = {"model.layers.*.self_attn.{key_layernorm,query_layernorm}.weight",
                                                     "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                                     "model.norm.weight"};
constexpr std::string_view kHunyuanV1DenseRequired[] = {
    "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads", "rms_norm_eps"};
constexpr std::string_view kHunyuanV1DenseNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kHunyuanV1DenseUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kHunyuanV1DenseShapes[] = {
    {"model.layers.*.self_attn.{key_layernorm,query_layernorm}", "head_dim", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// internlm2
constexpr std::string_view kInternlm2Modules[] = {"model.layers.*.attention.{wo,wqkv}", "model.layers.*.feed_forward.{w1,w2,w3}",
                                                  "model.tok_embeddings", "output"};
constexpr std::string_view kInternlm2Plain[] = {"model.layers.*.attention.{wo,wqkv}.bias",
                                                "model.layers.*.{attention_norm,ffn_norm}.weight", "model.norm.weight"};
constexpr std::string_view kInternlm2Required[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                                   "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kInternlm2Unbiased[] = {"model.layers.*.feed_forward.{w1,w2,w3}", "model.tok_embeddings"};
constexpr ClassShape kInternlm2Shapes[] = {
    {"model.layers.*.attention.wo", "hidden_size", "hidden_size"},
    {"model.layers.*.attention.wqkv", "hidden_size+2*num_key_value_heads*hidden_size/num_attention_heads", "hidden_size"},
};

// internlm3
constexpr std::string_view kInternlm3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kInternlm3Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kInternlm3Required[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                                   "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kInternlm3Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kInternlm3Shapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*hidden_size/num_attention_heads", "hidden_size"},
};

// iquestloopcoder
constexpr std::string_view kIquestloopcoderModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                        "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kIquestloopcoderPlain[] = {
    "model.gate_projections.*.{bias,weight}", "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kIquestloopcoderRequired[] = {"hidden_size",  "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                         "rms_norm_eps", "vocab_size",        "head_dim",          "num_key_value_heads"};
constexpr std::string_view kIquestloopcoderNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kIquestloopcoderBiased[] = {"model.gate_projections.*"};
constexpr std::string_view kIquestloopcoderUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kIquestloopcoderShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// jamba
constexpr std::string_view kJambaModules[] = {"lm_head",
                                              "model.embed_tokens",
                                              "model.layers.*.feed_forward.switch_mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.feed_forward.{down_proj,gate_proj,router,up_proj}",
                                              "model.layers.*.mamba.{in_proj,out_proj,x_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kJambaPlain[] = {
    "model.final_layernorm.weight", "model.layers.*.mamba.{A_log,D}", "model.layers.*.mamba.{b_layernorm,c_layernorm,dt_layernorm}.weight",
    "model.layers.*.mamba.{conv1d,dt_proj}.{bias,weight}", "model.layers.*.{input_layernorm,pre_ff_layernorm}.weight"};
constexpr ClassRow kJambaRows[] = {
    {"model.layers.*.feed_forward.experts.*.down_proj.weight", "model.layers.*.feed_forward.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.gate_proj.weight", "model.layers.*.feed_forward.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.up_proj.weight", "model.layers.*.feed_forward.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kJambaRequired[] = {"hidden_size",         "intermediate_size",   "num_hidden_layers", "num_attention_heads",
                                               "num_key_value_heads", "attn_layer_offset",   "attn_layer_period", "expert_layer_offset",
                                               "expert_layer_period", "mamba_d_conv",        "mamba_d_state",     "mamba_expand",
                                               "num_experts",         "num_experts_per_tok", "rms_norm_eps",      "max_position_embeddings",
                                               "vocab_size"};
constexpr std::string_view kJambaNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kJambaBiased[] = {"model.layers.*.mamba.dt_proj"};
constexpr std::string_view kJambaUnbiased[] = {"model.embed_tokens", "model.layers.*.feed_forward.{down_proj,gate_proj,router,up_proj}",
                                               "model.layers.*.mamba.x_proj", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kJambaShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// kimi_k25
constexpr std::string_view kKimiK25Modules[] = {
    "language_model.lm_head", "language_model.model.embed_tokens", "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kKimiK25Plain[] = {
    "language_model.model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
    "language_model.model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
    "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "language_model.model.norm.weight"};
constexpr ClassRow kKimiK25Rows[] = {
    {"language_model.model.layers.*.mlp.experts.*.down_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.gate_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.up_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kKimiK25Drops[] = {"vision_tower", "vision_model", "multi_modal_projector", "mm_projector"};
constexpr std::string_view kKimiK25Required[] = {"text_config"};
constexpr std::string_view kKimiK25Unbiased[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                 "language_model.model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                 "language_model.model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                 "language_model.model.layers.*.self_attn.q_b_proj"};

// kimi_k3
constexpr std::string_view kKimiK3Modules[] = {
    "language_model.lm_head", "language_model.model.embed_tokens", "language_model.model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
    "language_model.model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{b_proj,f_a_proj,f_b_proj,g_a_proj,g_b_proj,kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,qkv_"
    "proj,unembed_out}"};
constexpr std::string_view kKimiK3Plain[] = {
    "language_model.model.layers.*.mlp.e_score_correction_bias",
    "language_model.model.layers.*.self_attn.qkv_conv.conv.weight",
    "language_model.model.layers.*.self_attn.{A_log,dt_bias}",
    "language_model.model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,o_norm,q_a_layernorm}.weight",
    "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
    "language_model.model.norm.weight",
    "model.layers.*.mlp.e_score_correction_bias",
    "model.layers.*.self_attn.qkv_conv.conv.weight",
    "model.layers.*.self_attn.{A_log,dt_bias}",
    "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,o_norm,q_a_layernorm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
    "model.norm.weight"};
constexpr ClassRow kKimiK3Rows[] = {
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w1.weight", "language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w2.weight", "language_model.model.layers.*.mlp.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w3.weight", "language_model.model.layers.*.mlp.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
    {"lm_head.weight", "language_model.lm_head.weight", LayoutRule::whole},
    {"model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "language_model.model.layers.*.mlp.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "language_model.model.layers.*.mlp.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.gate.weight", "language_model.model.layers.*.mlp.gate.weight", LayoutRule::whole},
    {"model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.shared_experts.down_proj.weight", "language_model.model.layers.*.mlp.shared_experts.down_proj.weight",
     LayoutRule::whole},
    {"model.layers.*.mlp.shared_experts.gate_proj.weight", "language_model.model.layers.*.mlp.shared_experts.gate_proj.weight",
     LayoutRule::whole},
    {"model.layers.*.mlp.shared_experts.up_proj.weight", "language_model.model.layers.*.mlp.shared_experts.up_proj.weight",
     LayoutRule::whole},
    {"model.layers.*.mlp.switch_mlp.down_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.switch_mlp.gate_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.switch_mlp.up_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.b_proj.weight", "language_model.model.layers.*.self_attn.b_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.f_a_proj.weight", "language_model.model.layers.*.self_attn.f_a_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.f_b_proj.weight", "language_model.model.layers.*.self_attn.f_b_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.g_a_proj.weight", "language_model.model.layers.*.self_attn.g_a_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.g_b_proj.weight", "language_model.model.layers.*.self_attn.g_b_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.kv_a_proj_with_mqa.weight", "language_model.model.layers.*.self_attn.kv_a_proj_with_mqa.weight",
     LayoutRule::whole},
    {"model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.q_a_proj.weight", "language_model.model.layers.*.self_attn.q_a_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.q_b_proj.weight", "language_model.model.layers.*.self_attn.q_b_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.qkv_proj.weight", "language_model.model.layers.*.self_attn.qkv_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.unembed_out.weight", "language_model.model.layers.*.self_attn.unembed_out.weight", LayoutRule::whole},
};
constexpr std::string_view kKimiK3Drops[] = {"vision_tower",
                                             "vision_model",
                                             "multi_modal_projector",
                                             "mm_projector",
                                             "mtp",
                                             "model.mtp",
                                             "mtp_block",
                                             "model.mtp_block",
                                             "model.mtp_layers",
                                             "model.mtp_emb_norm",
                                             "model.mtp_hidden_norm",
                                             "model.mtp_linear_proj"};

// kimi_linear
constexpr std::string_view kKimiLinearModules[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
    "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "model.layers.*.self_attn.{b_proj,f_a_proj,f_b_proj,g_a_proj,g_b_proj,k_proj,kv_a_proj_with_mqa,o_proj,q_proj,unembed_out,v_proj}"};
constexpr std::string_view kKimiLinearPlain[] = {"model.layers.*.mlp.e_score_correction_bias",
                                                 "model.layers.*.self_attn.{A_log,dt_bias}",
                                                 "model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,o_norm}.weight",
                                                 "model.layers.*.self_attn.{k_conv,q_conv,v_conv}.conv.weight",
                                                 "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                                 "model.norm.weight"};
constexpr ClassRow kKimiLinearRows[] = {
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kKimiLinearDrops[] = {"model.mtp",          "model.mtp_block",       "model.mtp_layers",
                                                 "model.mtp_emb_norm", "model.mtp_hidden_norm", "model.mtp_linear_proj"};
constexpr std::string_view kKimiLinearRequired[] = {"vocab_size",
                                                    "hidden_size",
                                                    "num_hidden_layers",
                                                    "num_attention_heads",
                                                    "num_key_value_heads",
                                                    "intermediate_size",
                                                    "head_dim",
                                                    "rope_theta",
                                                    "rms_norm_eps",
                                                    "linear_attn_config",
                                                    "model_max_length",
                                                    "num_experts",
                                                    "moe_intermediate_size",
                                                    "kv_lora_rank"};
constexpr std::string_view kKimiLinearUnbiased[] = {
    "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
    "model.layers.*.self_attn.{b_proj,f_a_proj,f_b_proj,g_a_proj,g_b_proj,k_proj,kv_a_proj_with_mqa,o_proj,q_proj,v_proj}"};

// kimi_vl
constexpr std::string_view kKimiVlModules[] = {
    "language_model.lm_head", "language_model.model.embed_tokens", "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kKimiVlPlain[] = {"language_model.model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                             "language_model.model.layers.*.self_attn.{embed_q,kv_a_layernorm,q_a_layernorm}.weight",
                                             "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "language_model.model.norm.weight"};
constexpr ClassRow kKimiVlRows[] = {
    {"language_model.model.layers.*.mlp.experts.*.down_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.gate_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.up_proj.weight", "language_model.model.layers.*.mlp.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kKimiVlDrops[] = {"vision_tower", "multi_modal_projector", "model.vision_tower", "model.multi_modal_projector"};
constexpr std::string_view kKimiVlRequired[] = {"text_config"};
constexpr std::string_view kKimiVlUnbiased[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                "language_model.model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                "language_model.model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                "language_model.model.layers.*.self_attn.q_b_proj"};

// laguna
constexpr std::string_view kLagunaModules[] = {"lm_head",
                                               "model.embed_tokens",
                                               "model.layers.*.mlp.gate.proj",
                                               "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.mlp.{shared_expert,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{g_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kLagunaPlain[] = {"language_model.model.layers.*.mlp.gate.e_score_correction_bias",
                                             "language_model.model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                             "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "language_model.model.norm.weight",
                                             "model.layers.*.mlp.gate.e_score_correction_bias",
                                             "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                             "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "model.norm.weight"};
constexpr ClassRow kLagunaRows[] = {
    {"language_model.lm_head.weight", "lm_head.weight", LayoutRule::whole},
    {"language_model.model.embed_tokens.weight", "model.embed_tokens.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.down_proj.weight", "model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
    {"language_model.model.layers.*.mlp.gate.proj.weight", "model.layers.*.mlp.gate.proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.gate.weight", "model.layers.*.mlp.gate.proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.gate_proj.weight", "model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.shared_expert.down_proj.weight", "model.layers.*.mlp.shared_expert.down_proj.weight",
     LayoutRule::whole},
    {"language_model.model.layers.*.mlp.shared_expert.gate_proj.weight", "model.layers.*.mlp.shared_expert.gate_proj.weight",
     LayoutRule::whole},
    {"language_model.model.layers.*.mlp.shared_expert.up_proj.weight", "model.layers.*.mlp.shared_expert.up_proj.weight",
     LayoutRule::whole},
    {"language_model.model.layers.*.mlp.switch_mlp.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.switch_mlp.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.switch_mlp.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.up_proj.weight", "model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.g_proj.weight", "model.layers.*.self_attn.g_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.k_proj.weight", "model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.o_proj.weight", "model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.q_proj.weight", "model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.v_proj.weight", "model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.gate.weight", "model.layers.*.mlp.gate.proj.weight", LayoutRule::whole},
};
constexpr std::string_view kLagunaNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr ClassShape kLagunaShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// lfm2
constexpr std::string_view kLfm2Modules[] = {"model.embed_tokens", "model.layers.*.conv.{in_proj,out_proj}",
                                             "model.layers.*.feed_forward.{w1,w2,w3}",
                                             "model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr std::string_view kLfm2Plain[] = {"model.embedding_norm.weight", "model.layers.*.conv.conv.weight",
                                           "model.layers.*.self_attn.{k_layernorm,q_layernorm}.weight",
                                           "model.layers.*.{ffn_norm,operator_norm}.weight"};
constexpr std::string_view kLfm2Required[] = {"vocab_size",
                                              "hidden_size",
                                              "num_hidden_layers",
                                              "num_attention_heads",
                                              "num_key_value_heads",
                                              "max_position_embeddings",
                                              "norm_eps",
                                              "conv_bias",
                                              "conv_L_cache",
                                              "block_dim",
                                              "block_multiple_of",
                                              "block_ffn_dim_multiplier",
                                              "block_auto_adjust_ff_dim"};
constexpr std::string_view kLfm2Unbiased[] = {"model.embed_tokens", "model.layers.*.feed_forward.{w1,w2,w3}",
                                              "model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr ClassShape kLfm2Shapes[] = {
    {"model.layers.*.self_attn.{out_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_layernorm,q_layernorm}", "hidden_size/num_attention_heads", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// lfm2-vl
constexpr std::string_view kLfm2VlModules[] = {"language_model.model.embed_tokens", "language_model.model.layers.*.conv.{in_proj,out_proj}",
                                               "language_model.model.layers.*.feed_forward.{w1,w2,w3}",
                                               "language_model.model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr std::string_view kLfm2VlPlain[] = {"language_model.model.embedding_norm.weight", "language_model.model.layers.*.conv.conv.weight",
                                             "language_model.model.layers.*.self_attn.{k_layernorm,q_layernorm}.weight",
                                             "language_model.model.layers.*.{ffn_norm,operator_norm}.weight"};
constexpr std::string_view kLfm2VlDrops[] = {"vision_tower", "multi_modal_projector"};
constexpr std::string_view kLfm2VlRequired[] = {"text_config"};
constexpr std::string_view kLfm2VlUnbiased[] = {"language_model.model.embed_tokens",
                                                "language_model.model.layers.*.feed_forward.{w1,w2,w3}",
                                                "language_model.model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr ClassShape kLfm2VlShapes[] = {
    {"language_model.model.layers.*.self_attn.{out_proj,q_proj}", "hidden_size", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_layernorm,q_layernorm}", "hidden_size/num_attention_heads", ""},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// lfm2_moe
constexpr std::string_view kLfm2MoeModules[] = {
    "model.embed_tokens", "model.layers.*.conv.{in_proj,out_proj}", "model.layers.*.feed_forward.switch_mlp.{down_proj,gate_proj,up_proj}",
    "model.layers.*.feed_forward.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr std::string_view kLfm2MoePlain[] = {
    "model.embedding_norm.weight", "model.layers.*.conv.conv.weight", "model.layers.*.feed_forward.expert_bias",
    "model.layers.*.self_attn.{k_layernorm,q_layernorm}.weight", "model.layers.*.{ffn_norm,operator_norm}.weight"};
constexpr ClassRow kLfm2MoeRows[] = {
    {"model.layers.*.feed_forward.experts.*.down_proj.weight", "model.layers.*.feed_forward.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.gate_proj.weight", "model.layers.*.feed_forward.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.up_proj.weight", "model.layers.*.feed_forward.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.w1.weight", "model.layers.*.feed_forward.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.w2.weight", "model.layers.*.feed_forward.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.experts.*.w3.weight", "model.layers.*.feed_forward.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.feed_forward.w1.weight", "model.layers.*.feed_forward.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.feed_forward.w2.weight", "model.layers.*.feed_forward.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.feed_forward.w3.weight", "model.layers.*.feed_forward.up_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kLfm2MoeRequired[] = {
    "vocab_size",          "hidden_size",    "intermediate_size",   "moe_intermediate_size", "num_hidden_layers",       "num_experts",
    "num_experts_per_tok", "norm_topk_prob", "num_attention_heads", "num_key_value_heads",   "max_position_embeddings", "use_expert_bias",
    "num_dense_layers",    "norm_eps",       "conv_bias",           "conv_L_cache"};
constexpr std::string_view kLfm2MoeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kLfm2MoeUnbiased[] = {"model.embed_tokens", "model.layers.*.feed_forward.gate",
                                                 "model.layers.*.self_attn.{k_proj,out_proj,q_proj,v_proj}"};
constexpr ClassShape kLfm2MoeShapes[] = {
    {"model.layers.*.self_attn.{out_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_layernorm,q_layernorm}", "hidden_size/num_attention_heads", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// lille-130m
constexpr std::string_view kLille130mModules[] = {"transformer.layers.*.attention.{out_proj,qkv_proj}",
                                                  "transformer.layers.*.feed_forward.{down_proj,gate_proj,up_proj}",
                                                  "transformer.tok_embeddings"};
constexpr std::string_view kLille130mPlain[] = {"transformer.layers.*.{attention,feed_forward}.norm.weight", "transformer.norm.weight"};
constexpr std::string_view kLille130mRequired[] = {"block_size", "layer_norm_eps", "n_embd",     "n_head",
                                                   "n_kv_heads", "n_layer",        "rope_theta", "vocab_size"};
constexpr std::string_view kLille130mUnbiased[] = {"transformer.layers.*.attention.{out_proj,qkv_proj}",
                                                   "transformer.layers.*.feed_forward.{down_proj,gate_proj,up_proj}",
                                                   "transformer.tok_embeddings"};

// llama
constexpr std::string_view kLlamaModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kLlamaPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kLlamaRequired[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                               "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kLlamaUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kLlamaShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// llama4
constexpr std::string_view kLlama4Modules[] = {
    "language_model.lm_head", "language_model.model.embed_tokens", "language_model.model.layers.*.feed_forward.router",
    "language_model.model.layers.*.feed_forward.{experts,shared_expert}.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kLlama4Plain[] = {"language_model.model.layers.*.feed_forward.experts.{down_proj,gate_up_proj}",
                                             "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                             "language_model.model.norm.weight"};
constexpr std::string_view kLlama4Drops[] = {"vision_model", "multi_modal_projector", "model.multi_modal_projector"};
constexpr std::string_view kLlama4Required[] = {"text_config"};
constexpr std::string_view kLlama4NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kLlama4Unbiased[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                "language_model.model.layers.*.feed_forward.router",
                                                "language_model.model.layers.*.feed_forward.shared_expert.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kLlama4Shapes[] = {
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// llama4_text
constexpr std::string_view kLlama4TextModules[] = {"model.embed_tokens", "model.layers.*.feed_forward.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}", "output"};
constexpr std::string_view kLlama4TextPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kLlama4TextRequired[] = {
    "hidden_size",           "num_attention_heads", "num_hidden_layers", "vocab_size", "intermediate_size",
    "intermediate_size_mlp", "num_key_value_heads", "rms_norm_eps",      "rope_theta", "head_dim",
    "tie_word_embeddings",   "no_rope_layers",      "use_qk_norm"};
constexpr std::string_view kLlama4TextNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kLlama4TextUnbiased[] = {"model.embed_tokens", "model.layers.*.feed_forward.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kLlama4TextShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// longcat_flash
constexpr std::string_view kLongcatFlashModules[] = {
    "lm_head",
    "model.embed_tokens",
    "model.layers.*.mlp.router.classifier",
    "model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlps.*.{down_proj,gate_proj,up_proj}",
    "model.layers.*.self_attn.*.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kLongcatFlashPlain[] = {"model.layers.*.mlp.router.e_score_correction_bias",
                                                   "model.layers.*.self_attn.*.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                                   "model.layers.*.{input_layernorm,post_attention_layernorm}.*.weight",
                                                   "model.norm.weight"};
constexpr ClassRow kLongcatFlashRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kLongcatFlashDrops[] = {"model.mtp",          "model.mtp_block",       "model.mtp_layers",
                                                   "model.mtp_emb_norm", "model.mtp_hidden_norm", "model.mtp_linear_proj"};
constexpr std::string_view kLongcatFlashRequired[] = {
    "attention_method",        "zero_expert_type",    "hidden_size",           "ffn_hidden_size", "moe_topk",
    "expert_ffn_hidden_size",  "n_routed_experts",    "zero_expert_num",       "num_layers",      "vocab_size",
    "max_position_embeddings", "num_attention_heads", "kv_lora_rank",          "q_lora_rank",     "qk_rope_head_dim",
    "qk_nope_head_dim",        "v_head_dim",          "routed_scaling_factor", "rms_norm_eps",    "rope_theta",
    "mla_scale_q_lora",        "mla_scale_kv_lora",   "attention_bias"};
constexpr std::string_view kLongcatFlashNotNull[] = {"q_lora_rank"};
constexpr std::string_view kLongcatFlashUnbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlps.*.{down_proj,gate_proj,up_proj}", "model.layers.*.self_attn.*.q_b_proj"};

// longcat_flash_ngram
constexpr std::string_view kLongcatFlashNgramModules[] = {
    "lm_head",
    "model.layers.*.mlp.router.classifier",
    "model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlps.*.{down_proj,gate_proj,up_proj}",
    "model.layers.*.self_attn.*.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}",
    "model.ngram_embeddings.word_embeddings",
    "model.ngram_embeddings.{embedders,post_projs}.*"};
constexpr std::string_view kLongcatFlashNgramPlain[] = {
    "model.layers.*.mlp.router.e_score_correction_bias",
    "model.layers.*.self_attn.*.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.*.weight", "model.norm.weight"};
constexpr ClassRow kLongcatFlashNgramRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kLongcatFlashNgramDrops[] = {"model.mtp",          "model.mtp_block",       "model.mtp_layers",
                                                        "model.mtp_emb_norm", "model.mtp_hidden_norm", "model.mtp_linear_proj"};
constexpr std::string_view kLongcatFlashNgramRequired[] = {
    "hidden_size",           "ffn_hidden_size", "moe_topk",         "expert_ffn_hidden_size",  "n_routed_experts",
    "zero_expert_num",       "num_layers",      "vocab_size",       "max_position_embeddings", "num_attention_heads",
    "kv_lora_rank",          "q_lora_rank",     "qk_rope_head_dim", "qk_nope_head_dim",        "v_head_dim",
    "routed_scaling_factor", "rms_norm_eps",    "rope_theta",       "mla_scale_q_lora",        "mla_scale_kv_lora"};
constexpr std::string_view kLongcatFlashNgramNotNull[] = {"q_lora_rank"};
constexpr std::string_view kLongcatFlashNgramUnbiased[] = {"lm_head", "model.layers.*.mlps.*.{down_proj,gate_proj,up_proj}",
                                                           "model.layers.*.self_attn.*.q_b_proj", "model.ngram_embeddings.word_embeddings",
                                                           "model.ngram_embeddings.{embedders,post_projs}.*"};

// mamba
constexpr std::string_view kMambaModules[] = {"backbone.embeddings", "backbone.layers.*.mixer.{in_proj,out_proj,x_proj}", "lm_head"};
constexpr std::string_view kMambaPlain[] = {"backbone.layers.*.mixer.{A_log,D}", "backbone.layers.*.mixer.{conv1d,dt_proj}.{bias,weight}",
                                            "backbone.layers.*.norm.weight", "backbone.norm_f.weight"};
constexpr std::string_view kMambaRequired[] = {"vocab_size",  "hidden_size", "intermediate_size", "state_size",    "num_hidden_layers",
                                               "conv_kernel", "use_bias",    "use_conv_bias",     "time_step_rank"};
constexpr std::string_view kMambaBiased[] = {"backbone.layers.*.mixer.dt_proj"};
constexpr std::string_view kMambaUnbiased[] = {"backbone.embeddings", "backbone.layers.*.mixer.x_proj"};

// mamba2
constexpr std::string_view kMamba2Modules[] = {"backbone.embeddings", "backbone.layers.*.mixer.{in_proj,out_proj}", "lm_head"};
constexpr std::string_view kMamba2Plain[] = {"backbone.layers.*.mixer.conv1d.{bias,weight}", "backbone.layers.*.mixer.norm.weight",
                                             "backbone.layers.*.mixer.{A_log,D,dt_bias}", "backbone.layers.*.norm.weight",
                                             "backbone.norm_f.weight"};
constexpr std::string_view kMamba2Required[] = {"num_heads",           "head_dim",        "vocab_size",        "hidden_size",
                                                "intermediate_size",   "state_size",      "num_hidden_layers", "layer_norm_epsilon",
                                                "conv_kernel",         "n_groups",        "use_bias",          "use_conv_bias",
                                                "tie_word_embeddings", "time_step_limit", "time_step_rank"};
constexpr std::string_view kMamba2NotNull[] = {"head_dim"};
constexpr std::string_view kMamba2Unbiased[] = {"backbone.embeddings"};

// mellum
constexpr std::string_view kMellumModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.gate",
                                               "model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMellumPlain[] = {"model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                             "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kMellumRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kMellumRequired[] = {"hidden_size",
                                                "num_hidden_layers",
                                                "intermediate_size",
                                                "num_attention_heads",
                                                "num_experts",
                                                "num_experts_per_tok",
                                                "moe_intermediate_size",
                                                "rms_norm_eps",
                                                "vocab_size",
                                                "num_key_value_heads",
                                                "head_dim",
                                                "tie_word_embeddings",
                                                "max_position_embeddings",
                                                "norm_topk_prob",
                                                "sliding_window",
                                                "layer_types",
                                                "rope_parameters"};
constexpr std::string_view kMellumNotNull[] = {"rope_parameters", "head_dim", "num_key_value_heads", "layer_types"};
constexpr std::string_view kMellumUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.gate",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMellumShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// mimo
constexpr std::string_view kMimoModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                             "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMimoPlain[] = {"model.layers.*.self_attn.{k_proj,q_proj,v_proj}.bias",
                                           "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kMimoDrops[] = {"model.mtp_layers"};
constexpr std::string_view kMimoRequired[] = {"hidden_size",  "num_hidden_layers", "intermediate_size",  "num_attention_heads",
                                              "rms_norm_eps", "vocab_size",        "num_key_value_heads"};
constexpr std::string_view kMimoNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kMimoBiased[] = {"model.layers.*.self_attn.{k_proj,q_proj,v_proj}"};
constexpr std::string_view kMimoUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kMimoShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// mimo_v2_flash
constexpr std::string_view kMimoV2FlashModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMimoV2FlashPlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                  "model.layers.*.self_attn.attention_sink_bias",
                                                  "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kMimoV2FlashRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kMimoV2FlashDrops[] = {"model.mtp",          "model.mtp_block",       "model.mtp_layers",
                                                  "model.mtp_emb_norm", "model.mtp_hidden_norm", "model.mtp_linear_proj"};
constexpr std::string_view kMimoV2FlashRequired[] = {"num_experts_per_tok",
                                                     "hybrid_layer_pattern",
                                                     "moe_layer_freq",
                                                     "add_swa_attention_sink_bias",
                                                     "add_full_attention_sink_bias",
                                                     "sliding_window_size",
                                                     "vocab_size",
                                                     "hidden_size",
                                                     "intermediate_size",
                                                     "moe_intermediate_size",
                                                     "num_hidden_layers",
                                                     "num_attention_heads",
                                                     "num_key_value_heads",
                                                     "n_shared_experts",
                                                     "n_routed_experts",
                                                     "routed_scaling_factor",
                                                     "topk_method",
                                                     "scoring_func",
                                                     "norm_topk_prob",
                                                     "n_group",
                                                     "topk_group",
                                                     "max_position_embeddings",
                                                     "layernorm_epsilon",
                                                     "rope_theta",
                                                     "swa_rope_theta",
                                                     "swa_num_attention_heads",
                                                     "swa_num_key_value_heads",
                                                     "head_dim",
                                                     "v_head_dim",
                                                     "swa_head_dim",
                                                     "swa_v_head_dim",
                                                     "partial_rotary_factor"};
constexpr std::string_view kMimoV2FlashNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kMimoV2FlashUnbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};

// minicpm
constexpr std::string_view kMinicpmModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMinicpmPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kMinicpmRequired[] = {"hidden_size",         "dim_model_base", "num_hidden_layers", "intermediate_size",
                                                 "num_attention_heads", "rms_norm_eps",   "vocab_size",        "num_key_value_heads",
                                                 "scale_depth",         "scale_emb"};
constexpr std::string_view kMinicpmNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kMinicpmUnbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMinicpmShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// minicpm3
constexpr std::string_view kMinicpm3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{kv_a_proj_with_mqa,kv_b_proj,o_proj,q_a_proj,q_b_proj}"};
constexpr std::string_view kMinicpm3Plain[] = {"model.layers.*.self_attn.{kv_a_layernorm,q_a_layernorm}.weight",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kMinicpm3Required[] = {
    "hidden_size",      "dim_model_base", "num_hidden_layers",   "intermediate_size", "num_attention_heads",
    "rms_norm_eps",     "vocab_size",     "num_key_value_heads", "q_lora_rank",       "qk_nope_head_dim",
    "qk_rope_head_dim", "kv_lora_rank",   "scale_depth",         "scale_emb",         "max_position_embeddings",
    "rope_scaling"};
constexpr std::string_view kMinicpm3NotNull[] = {"rope_scaling", "q_lora_rank"};
constexpr std::string_view kMinicpm3Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.{kv_b_proj,q_b_proj}"};
constexpr ClassShape kMinicpm3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "hidden_size"},
};

// minimax
constexpr std::string_view kMinimaxModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.block_sparse_moe.gate",
                                                "model.layers.*.block_sparse_moe.switch_mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMinimaxPlain[] = {"model.layers.*.block_sparse_moe.e_score_correction_bias",
                                              "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kMinimaxRows[] = {
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kMinimaxRequired[] = {"hidden_size",
                                                 "intermediate_size",
                                                 "num_attention_heads",
                                                 "num_key_value_heads",
                                                 "max_position_embeddings",
                                                 "num_experts_per_tok",
                                                 "num_local_experts",
                                                 "shared_intermediate_size",
                                                 "num_hidden_layers",
                                                 "rms_norm_eps",
                                                 "rope_theta",
                                                 "rotary_dim",
                                                 "vocab_size"};
constexpr std::string_view kMinimaxNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kMinimaxUnbiased[] = {"model.embed_tokens", "model.layers.*.block_sparse_moe.gate",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMinimaxShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_norm", "num_attention_heads*head_dim", ""},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.k_norm", "num_key_value_heads!*head_dim", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// minimax_m3_vl
constexpr std::string_view kMinimaxM3VlModules[] = {
    "language_model.lm_head",
    "language_model.model.embed_tokens",
    "language_model.model.layers.*.block_sparse_moe.gate",
    "language_model.model.layers.*.block_sparse_moe.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMinimaxM3VlPlain[] = {"language_model.model.layers.*.block_sparse_moe.e_score_correction_bias",
                                                  "language_model.model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                                  "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                                  "language_model.model.norm.weight"};
constexpr ClassRow kMinimaxM3VlRows[] = {
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w1.weight",
     "language_model.model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w2.weight",
     "language_model.model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"language_model.model.layers.*.block_sparse_moe.experts.*.w3.weight",
     "language_model.model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kMinimaxM3VlDrops[] = {"vision_tower", "multi_modal_projector", "patch_merge_mlp"};
constexpr std::string_view kMinimaxM3VlRequired[] = {"text_config"};
constexpr std::string_view kMinimaxM3VlNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kMinimaxM3VlUnbiased[] = {
    "language_model.model.embed_tokens", "language_model.model.layers.*.block_sparse_moe.gate",
    "language_model.model.layers.*.block_sparse_moe.shared_experts.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
    "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMinimaxM3VlShapes[] = {
    {"language_model.model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// ministral3
constexpr std::string_view kMinistral3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMinistral3Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kMinistral3Required[] = {"hidden_size",  "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                    "rms_norm_eps", "vocab_size",        "rope_parameters"};
constexpr std::string_view kMinistral3NotNull[] = {"rope_parameters"};
constexpr std::string_view kMinistral3Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMinistral3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// mistral3
constexpr std::string_view kMistral3Modules[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                 "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMistral3Plain[] = {"language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                               "language_model.model.norm.weight",
                                               "model.language_model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                               "model.language_model.norm.weight",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                               "model.norm.weight"};
constexpr ClassRow kMistral3Rows[] = {
    {"lm_head.weight", "language_model.lm_head.weight", LayoutRule::whole},
    {"model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kMistral3Drops[] = {"vision_tower", "multi_modal_projector", "model.vision_tower",
                                               "model.multi_modal_projector"};
constexpr std::string_view kMistral3Required[] = {"text_config"};
constexpr std::string_view kMistral3NotNull[] = {"rope_parameters"};
constexpr ClassShape kMistral3Shapes[] = {
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// mistral4
constexpr std::string_view kMistral4Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                 "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{kv_a_proj_with_mqa,o_proj,q_a_proj,q_b_proj,unembed_out}"};
constexpr std::string_view kMistral4Plain[] = {"model.layers.*.self_attn.{embed_q,kv_a_layernorm,kv_b_proj,q_a_layernorm}.weight",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kMistral4Rows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.down_proj", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.experts.gate_up_proj", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.gate_up_proj", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::second_half},
};
constexpr std::string_view kMistral4Required[] = {"vocab_size",
                                                  "hidden_size",
                                                  "intermediate_size",
                                                  "moe_intermediate_size",
                                                  "num_hidden_layers",
                                                  "num_attention_heads",
                                                  "num_key_value_heads",
                                                  "n_shared_experts",
                                                  "n_routed_experts",
                                                  "routed_scaling_factor",
                                                  "kv_lora_rank",
                                                  "q_lora_rank",
                                                  "norm_topk_prob",
                                                  "max_position_embeddings",
                                                  "rms_norm_eps",
                                                  "topk_group",
                                                  "num_experts_per_tok",
                                                  "first_k_dense_replace",
                                                  "n_group",
                                                  "qk_rope_head_dim",
                                                  "qk_nope_head_dim",
                                                  "v_head_dim"};
constexpr std::string_view kMistral4Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.q_b_proj"};

// mixtral
constexpr std::string_view kMixtralModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.block_sparse_moe.gate",
                                                "model.layers.*.block_sparse_moe.switch_mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMixtralPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kMixtralRows[] = {
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kMixtralUnbiased[] = {"model.embed_tokens", "model.layers.*.block_sparse_moe.gate",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kMixtralShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// muse_glimmer
constexpr std::string_view kMuseGlimmerModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{gate_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kMuseGlimmerPlain[] = {
    "language_model.model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "language_model.model.norm.weight",
    "model.language_model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "model.language_model.norm.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "model.norm.weight"};
constexpr ClassRow kMuseGlimmerRows[] = {
    {"language_model.lm_head.weight", "lm_head.weight", LayoutRule::whole},
    {"language_model.model.embed_tokens.weight", "model.embed_tokens.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.down_proj.weight", "model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.gate_proj.weight", "model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.mlp.up_proj.weight", "model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.gate_proj.weight", "model.layers.*.self_attn.gate_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.k_proj.weight", "model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.o_proj.weight", "model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.q_proj.weight", "model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"language_model.model.layers.*.self_attn.v_proj.weight", "model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.language_model.embed_tokens.weight", "model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.down_proj.weight", "model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.gate_proj.weight", "model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.up_proj.weight", "model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.gate_proj.weight", "model.layers.*.self_attn.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.k_proj.weight", "model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.o_proj.weight", "model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.q_proj.weight", "model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.v_proj.weight", "model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kMuseGlimmerDrops[] = {"vision_tower", "vision_adapter", "vision_projection"};
constexpr std::string_view kMuseGlimmerNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr ClassShape kMuseGlimmerShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.{gate_proj,q_proj}", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// muse_spark
constexpr std::string_view kMuseSparkModules[] = {
    "lm_head", "model.language_model.embed_tokens", "model.language_model.layers.*.mlp.experts.{down_proj,gate_proj,up_proj}",
    "model.language_model.layers.*.mlp.{post_expert_proj,pre_expert_proj}", "model.language_model.layers.*.self_attn.{o_proj,qkvg_proj}"};
constexpr std::string_view kMuseSparkPlain[] = {
    "model.language_model.layers.*.mlp.experts.post_expert_norm.weight",
    "model.language_model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
    "model.language_model.layers.*.mlp.pre_expert_norm.weight",
    "model.language_model.layers.*.{add_attn_alpha,add_attn_beta,add_ffn_alpha,add_ffn_beta}",
    "model.language_model.layers.*.{input_layernorm,post_feedforward_layernorm,pre_feedforward_layernorm}.weight",
    "model.language_model.norm.weight"};
constexpr std::string_view kMuseSparkDrops[] = {"model.vision_tower", "model.audio_tower", "model.vision_adapter",
                                                "model.vision_projection"};
constexpr std::string_view kMuseSparkRequired[] = {"text_config"};
constexpr std::string_view kMuseSparkNotNull[] = {"rope_parameters", "head_dim", "num_key_value_heads", "layer_types"};
constexpr std::string_view kMuseSparkUnbiased[] = {"lm_head", "model.language_model.embed_tokens",
                                                   "model.language_model.layers.*.mlp.{gate,post_expert_proj,pre_expert_proj}",
                                                   "model.language_model.layers.*.self_attn.{o_proj,qkvg_proj}"};
constexpr ClassShape kMuseSparkShapes[] = {
    {"model.language_model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
};

// nanbeige
constexpr std::string_view kNanbeigeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kNanbeigePlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kNanbeigeRequired[] = {"hidden_size",         "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                  "num_key_value_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kNanbeigeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kNanbeigeUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kNanbeigeShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// nanochat
constexpr std::string_view kNanochatModules[] = {"lm_head", "transformer.h.*.attn.{c_k,c_proj,c_q,c_v}",
                                                 "transformer.h.*.mlp.{c_fc,c_proj}", "transformer.wte"};
constexpr std::string_view kNanochatNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kNanochatUnbiased[] = {"lm_head", "transformer.h.*.attn.{c_k,c_proj,c_q,c_v}",
                                                  "transformer.h.*.mlp.{c_fc,c_proj}", "transformer.wte"};
constexpr ClassShape kNanochatShapes[] = {
    {"transformer.h.*.attn.{c_proj,c_q}", "hidden_size", "hidden_size"},
    {"transformer.h.*.attn.{c_k,c_v}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// nemotron
constexpr std::string_view kNemotronModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kNemotronPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}",
                                               "model.norm.{bias,weight}"};
constexpr std::string_view kNemotronRequired[] = {"hidden_size",         "hidden_act", "num_hidden_layers", "intermediate_size",
                                                  "num_attention_heads", "norm_eps",   "vocab_size",        "num_key_value_heads"};
constexpr std::string_view kNemotronNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kNemotronUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kNemotronShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// nemotron-nas
constexpr std::string_view kNemotronNasModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                    "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kNemotronNasPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kNemotronNasUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kNemotronNasShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
};

// nemotron_h
constexpr std::string_view kNemotronHModules[] = {
    "backbone.embeddings", "backbone.layers.*.mixer.shared_experts.{down_proj,up_proj}", "backbone.layers.*.mixer.switch_mlp.{fc1,fc2}",
    "backbone.layers.*.mixer.{down_proj,in_proj,k_proj,o_proj,out_proj,q_proj,up_proj,v_proj}", "lm_head"};
constexpr std::string_view kNemotronHPlain[] = {"backbone.layers.*.mixer.conv1d.{bias,weight}",
                                                "backbone.layers.*.mixer.gate.{e_score_correction_bias,weight}",
                                                "backbone.layers.*.mixer.norm.weight",
                                                "backbone.layers.*.mixer.{A_log,D,dt_bias}",
                                                "backbone.layers.*.norm.weight",
                                                "backbone.norm_f.weight"};
constexpr ClassRow kNemotronHRows[] = {
    {"backbone.layers.*.mixer.experts.*.down_proj.weight", "backbone.layers.*.mixer.switch_mlp.fc2.weight", LayoutRule::stack_experts},
    {"backbone.layers.*.mixer.experts.*.up_proj.weight", "backbone.layers.*.mixer.switch_mlp.fc1.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kNemotronHDrops[] = {"mtp"};
constexpr std::string_view kNemotronHRequired[] = {"vocab_size",
                                                   "hidden_size",
                                                   "intermediate_size",
                                                   "max_position_embeddings",
                                                   "num_attention_heads",
                                                   "num_key_value_heads",
                                                   "attention_bias",
                                                   "mamba_num_heads",
                                                   "mamba_head_dim",
                                                   "mamba_proj_bias",
                                                   "ssm_state_size",
                                                   "conv_kernel",
                                                   "n_groups",
                                                   "mlp_bias",
                                                   "layer_norm_epsilon",
                                                   "use_bias",
                                                   "use_conv_bias"};
constexpr std::string_view kNemotronHNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kNemotronHUnbiased[] = {"backbone.embeddings", "lm_head"};
constexpr ClassShape kNemotronHShapes[] = {
    {"backbone.layers.*.mixer.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"backbone.layers.*.mixer.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"backbone.layers.*.mixer.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// olmo2
constexpr std::string_view kOlmo2Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kOlmo2Plain[] = {"model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                            "model.layers.*.{post_attention_layernorm,post_feedforward_layernorm}.weight",
                                            "model.norm.weight"};
constexpr std::string_view kOlmo2Required[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                               "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kOlmo2Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kOlmo2Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_norm", "num_attention_heads*head_dim", ""},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.k_norm", "num_key_value_heads*head_dim", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// olmo3
constexpr std::string_view kOlmo3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kOlmo3Plain[] = {"model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                            "model.layers.*.{post_attention_layernorm,post_feedforward_layernorm}.weight",
                                            "model.norm.weight"};
constexpr std::string_view kOlmo3Required[] = {"hidden_size",  "num_hidden_layers", "intermediate_size",       "num_attention_heads",
                                               "rms_norm_eps", "vocab_size",        "max_position_embeddings", "sliding_window",
                                               "rope_theta",   "layer_types"};
constexpr std::string_view kOlmo3NotNull[] = {"layer_types"};
constexpr std::string_view kOlmo3Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kOlmo3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_norm", "num_attention_heads*head_dim", ""},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.k_norm", "num_key_value_heads*head_dim", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// olmo_hybrid
constexpr std::string_view kOlmoHybridModules[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.linear_attn.{a_proj,b_proj,g_proj,k_proj,o_proj,q_proj,v_proj}",
    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kOlmoHybridPlain[] = {
    "model.layers.*.linear_attn.{A_log,dt_bias}", "model.layers.*.linear_attn.{k_conv1d,o_norm,q_conv1d,v_conv1d}.weight",
    "model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "model.layers.*.{input_layernorm,post_attention_layernorm,post_feedforward_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kOlmoHybridRequired[] = {"hidden_size",
                                                    "intermediate_size",
                                                    "num_hidden_layers",
                                                    "num_attention_heads",
                                                    "num_key_value_heads",
                                                    "rms_norm_eps",
                                                    "vocab_size",
                                                    "max_position_embeddings",
                                                    "linear_num_key_heads",
                                                    "linear_num_value_heads",
                                                    "linear_key_head_dim",
                                                    "linear_value_head_dim",
                                                    "linear_conv_kernel_dim",
                                                    "linear_allow_neg_eigval",
                                                    "tie_word_embeddings",
                                                    "attention_bias"};
constexpr std::string_view kOlmoHybridUnbiased[] = {"model.embed_tokens",
                                                    "model.layers.*.linear_attn.{a_proj,b_proj,g_proj,k_proj,o_proj,q_proj,v_proj}",
                                                    "model.layers.*.mlp.{down_proj,gate_proj,up_proj}"};
constexpr ClassShape kOlmoHybridShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_norm", "num_attention_heads*head_dim", ""},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.k_norm", "num_key_value_heads!*head_dim", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// olmoe
constexpr std::string_view kOlmoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.gate",
                                              "model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kOlmoePlain[] = {"model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                            "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kOlmoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kOlmoeRequired[] = {"hidden_size",  "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                               "rms_norm_eps", "vocab_size",        "num_experts",       "num_experts_per_tok"};
constexpr std::string_view kOlmoeUnbiased[] = {"model.embed_tokens", "model.layers.*.mlp.gate"};
constexpr ClassShape kOlmoeShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_norm", "num_attention_heads*head_dim", ""},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.k_norm", "num_key_value_heads*head_dim", ""},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// openelm
constexpr std::string_view kOpenelmModules[] = {"transformer.layers.*.attn.{out_proj,qkv_proj}", "transformer.layers.*.ffn.{proj_1,proj_2}",
                                                "transformer.token_embeddings"};
constexpr std::string_view kOpenelmPlain[] = {"transformer.layers.*.attn.{k_norm,q_norm}.weight",
                                              "transformer.layers.*.{attn_norm,ffn_norm}.weight", "transformer.norm.weight"};
constexpr std::string_view kOpenelmRequired[] = {"head_dim",        "num_transformer_layers", "model_dim",    "vocab_size",
                                                 "ffn_dim_divisor", "num_query_heads",        "num_kv_heads", "ffn_multipliers"};
constexpr std::string_view kOpenelmNotNull[] = {"head_dim"};
constexpr std::string_view kOpenelmUnbiased[] = {"transformer.layers.*.attn.{out_proj,qkv_proj}",
                                                 "transformer.layers.*.ffn.{proj_1,proj_2}", "transformer.token_embeddings"};

// phi
constexpr std::string_view kPhiModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{fc1,fc2}",
                                            "model.layers.*.self_attn.{dense,k_proj,q_proj,v_proj}"};
constexpr std::string_view kPhiPlain[] = {"lm_head.bias", "model.final_layernorm.{bias,weight}",
                                          "model.layers.*.input_layernorm.{bias,weight}", "model.layers.*.mlp.{fc1,fc2}.bias",
                                          "model.layers.*.self_attn.{dense,k_proj,q_proj,v_proj}.bias"};
constexpr std::string_view kPhiBiased[] = {"lm_head", "model.layers.*.mlp.{fc1,fc2}",
                                           "model.layers.*.self_attn.{dense,k_proj,q_proj,v_proj}"};
constexpr std::string_view kPhiUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kPhiShapes[] = {
    {"model.layers.*.self_attn.{dense,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// phi3
constexpr std::string_view kPhi3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                             "model.layers.*.self_attn.{o_proj,qkv_proj}"};
constexpr std::string_view kPhi3Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kPhi3Required[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                              "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kPhi3Unbiased[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_up_proj}",
                                              "model.layers.*.self_attn.{o_proj,qkv_proj}"};
constexpr ClassShape kPhi3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.qkv_proj", "hidden_size+2*num_key_value_heads*hidden_size/num_attention_heads", "hidden_size"},
};

// phi3small
constexpr std::string_view kPhi3smallModules[] = {"model.embed_tokens", "model.layers.*.mlp.{down_proj,up_proj}",
                                                  "model.layers.*.self_attn.{dense,query_key_value}"};
constexpr std::string_view kPhi3smallPlain[] = {"model.final_layernorm.{bias,weight}", "model.layers.*.mlp.{down_proj,up_proj}.bias",
                                                "model.layers.*.self_attn.{dense,query_key_value}.bias",
                                                "model.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}"};
constexpr std::string_view kPhi3smallRequired[] = {"hidden_size",          "dense_attention_every_n_layers",
                                                   "ff_intermediate_size", "gegelu_limit",
                                                   "num_hidden_layers",    "num_attention_heads",
                                                   "layer_norm_epsilon",   "vocab_size",
                                                   "num_key_value_heads"};
constexpr std::string_view kPhi3smallNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kPhi3smallBiased[] = {"model.layers.*.mlp.{down_proj,up_proj}",
                                                 "model.layers.*.self_attn.{dense,query_key_value}"};
constexpr std::string_view kPhi3smallUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kPhi3smallShapes[] = {
    {"model.layers.*.self_attn.dense", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.query_key_value", "hidden_size+2*num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// phimoe
constexpr std::string_view kPhimoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.block_sparse_moe.gate",
                                               "model.layers.*.block_sparse_moe.switch_mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kPhimoePlain[] = {"lm_head.bias", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}.bias",
                                             "model.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}",
                                             "model.norm.{bias,weight}"};
constexpr ClassRow kPhimoeRows[] = {
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "model.layers.*.block_sparse_moe.switch_mlp.gate_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "model.layers.*.block_sparse_moe.switch_mlp.down_proj.weight",
     LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "model.layers.*.block_sparse_moe.switch_mlp.up_proj.weight",
     LayoutRule::stack_experts},
};
constexpr std::string_view kPhimoeNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kPhimoeBiased[] = {"lm_head", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kPhimoeUnbiased[] = {"model.embed_tokens", "model.layers.*.block_sparse_moe.gate"};
constexpr ClassShape kPhimoeShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// phixtral
constexpr std::string_view kPhixtralModules[] = {"lm_head.linear", "transformer.embd.wte", "transformer.h.*.mixer.{Wqkv,out_proj}",
                                                 "transformer.h.*.moe.gate", "transformer.h.*.moe.switch_mlp.{fc1,fc2}"};
constexpr std::string_view kPhixtralPlain[] = {"lm_head.linear.bias",
                                               "lm_head.ln.{bias,weight}",
                                               "transformer.h.*.ln.{bias,weight}",
                                               "transformer.h.*.mixer.{Wqkv,out_proj}.bias",
                                               "transformer.h.*.moe.mlp.*.fc1.{bias,weight}",
                                               "transformer.h.*.moe.mlp.*.fc2.bias",
                                               "transformer.h.*.moe.switch_mlp.{fc1,fc2}.bias"};
constexpr ClassRow kPhixtralRows[] = {
    {"transformer.h.*.moe.mlp.*.fc2.weight", "transformer.h.*.moe.switch_mlp.fc2.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kPhixtralBiased[] = {"lm_head.linear", "transformer.h.*.mixer.{Wqkv,out_proj}"};
constexpr std::string_view kPhixtralUnbiased[] = {"transformer.embd.wte", "transformer.h.*.moe.gate"};

// pixtral
constexpr std::string_view kPixtralModules[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kPixtralPlain[] = {"language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "language_model.model.norm.weight"};
constexpr std::string_view kPixtralDrops[] = {"vision_tower", "multi_modal_projector"};
constexpr std::string_view kPixtralRequired[] = {"text_config"};
constexpr std::string_view kPixtralUnbiased[] = {"language_model.lm_head", "language_model.model.embed_tokens"};
constexpr ClassShape kPixtralShapes[] = {
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// plamo
constexpr std::string_view kPlamoModules[] = {"lm_head", "model.embed_tokens", "model.layers.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                              "model.layers.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kPlamoPlain[] = {"model.layers.layers.*.norm.weight", "model.norm.weight"};
constexpr std::string_view kPlamoRequired[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                               "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kPlamoUnbiased[] = {"lm_head", "model.embed_tokens", "model.layers.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                               "model.layers.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kPlamoShapes[] = {
    {"model.layers.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
};

// plamo2
constexpr std::string_view kPlamo2Modules[] = {"lm_head", "model.embed_tokens",
                                               "model.layers.layers.*.mixer.{bcdt_proj,dt_proj,in_proj,o_proj,out_proj,qkv_proj}",
                                               "model.layers.layers.*.mlp.{down_proj,gate_up_proj}"};
constexpr std::string_view kPlamo2Plain[] = {
    "model.layers.layers.*.mixer.conv1d.weight",
    "model.layers.layers.*.mixer.{A_log,B_norm_weight,C_norm_weight,D,dt_bias,dt_norm_weight,k_weight,q_weight}",
    "model.layers.layers.*.{post_mixer_norm,post_mlp_norm,pre_mixer_norm,pre_mlp_norm}.weight", "model.norm.weight"};
constexpr std::string_view kPlamo2NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kPlamo2Unbiased[] = {"model.embed_tokens",
                                                "model.layers.layers.*.mixer.{bcdt_proj,dt_proj,in_proj,o_proj,out_proj,qkv_proj}",
                                                "model.layers.layers.*.mlp.{down_proj,gate_up_proj}"};

// plamo3
constexpr std::string_view kPlamo3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.layers.*.mixer.{o_proj,qkv_proj}",
                                               "model.layers.layers.*.mlp.{down_proj,gate_up_proj}"};
constexpr std::string_view kPlamo3Plain[] = {"model.layers.layers.*.mixer.{k_norm,q_norm}.weight",
                                             "model.layers.layers.*.{post_mixer_norm,post_mlp_norm,pre_mixer_norm,pre_mlp_norm}.weight",
                                             "model.norm.weight"};
constexpr std::string_view kPlamo3NotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kPlamo3Unbiased[] = {"model.embed_tokens", "model.layers.layers.*.mixer.{o_proj,qkv_proj}",
                                                "model.layers.layers.*.mlp.{down_proj,gate_up_proj}"};
constexpr ClassShape kPlamo3Shapes[] = {
    {"model.layers.layers.*.mixer.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.layers.*.mixer.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.layers.*.mixer.qkv_proj", "num_attention_heads*head_dim!+2*num_key_value_heads!*head_dim!", "hidden_size"},
};

// qwen
constexpr std::string_view kQwenModules[] = {"lm_head", "transformer.h.*.attn.{c_attn,c_proj}", "transformer.h.*.mlp.{c_proj,w1,w2}",
                                             "transformer.wte"};
constexpr std::string_view kQwenPlain[] = {"transformer.h.*.attn.c_attn.bias", "transformer.h.*.{ln_1,ln_2}.weight",
                                           "transformer.ln_f.weight"};
constexpr std::string_view kQwenBiased[] = {"transformer.h.*.attn.c_attn"};
constexpr std::string_view kQwenUnbiased[] = {"transformer.wte"};

// qwen2_moe
constexpr std::string_view kQwen2MoeModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{gate,shared_expert_gate}",
                                                 "model.layers.*.mlp.{shared_expert,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kQwen2MoePlain[] = {"model.layers.*.self_attn.{k_proj,q_proj,v_proj}.bias",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kQwen2MoeRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kQwen2MoeRequired[] = {
    "hidden_size",         "num_hidden_layers", "intermediate_size",     "num_attention_heads",
    "num_experts_per_tok", "num_experts",       "moe_intermediate_size", "shared_expert_intermediate_size",
    "rms_norm_eps",        "vocab_size"};
constexpr std::string_view kQwen2MoeBiased[] = {"model.layers.*.self_attn.{k_proj,q_proj,v_proj}"};
constexpr std::string_view kQwen2MoeUnbiased[] = {"lm_head", "model.embed_tokens",
                                                  "model.layers.*.mlp.shared_expert.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{gate,shared_expert_gate}", "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kQwen2MoeShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*hidden_size/num_attention_heads", "hidden_size"},
};

// qwen2_vl
constexpr std::string_view kQwen2VlModules[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kQwen2VlPlain[] = {"language_model.model.layers.*.self_attn.{k_proj,q_proj,v_proj}.bias",
                                              "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "language_model.model.norm.weight",
                                              "model.language_model.layers.*.self_attn.{k_proj,q_proj,v_proj}.bias",
                                              "model.language_model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "model.language_model.norm.weight",
                                              "model.layers.*.self_attn.{k_proj,q_proj,v_proj}.bias",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "model.norm.weight"};
constexpr ClassRow kQwen2VlRows[] = {
    {"lm_head.weight", "language_model.lm_head.weight", LayoutRule::whole},
    {"model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kQwen2VlDrops[] = {"vision_tower",
                                              "visual",
                                              "model.vision_tower",
                                              "model.multi_modal_projector",
                                              "model.visual",
                                              "model.audio_tower",
                                              "model.embed_audio",
                                              "model.embed_vision",
                                              "model.vision_adapter",
                                              "model.vision_projection",
                                              "model.mtp",
                                              "model.mtp_block",
                                              "model.mtp_layers",
                                              "model.mtp_emb_norm",
                                              "model.mtp_hidden_norm",
                                              "model.mtp_linear_proj",
                                              "mlp.moe_statics.e_score_correction_bias"};
constexpr std::string_view kQwen2VlNotNull[] = {"num_key_value_heads"};
constexpr ClassShape kQwen2VlShapes[] = {
    {"language_model.model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// qwen3_vl
constexpr std::string_view kQwen3VlModules[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                "language_model.model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kQwen3VlPlain[] = {"language_model.model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "language_model.model.norm.weight",
                                              "model.language_model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.language_model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "model.language_model.norm.weight",
                                              "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
                                              "model.norm.weight"};
constexpr ClassRow kQwen3VlRows[] = {
    {"lm_head.weight", "language_model.lm_head.weight", LayoutRule::whole},
    {"model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.language_model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.down_proj.weight", "language_model.model.layers.*.mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.gate_proj.weight", "language_model.model.layers.*.mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.up_proj.weight", "language_model.model.layers.*.mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.k_proj.weight", "language_model.model.layers.*.self_attn.k_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.o_proj.weight", "language_model.model.layers.*.self_attn.o_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.q_proj.weight", "language_model.model.layers.*.self_attn.q_proj.weight", LayoutRule::whole},
    {"model.layers.*.self_attn.v_proj.weight", "language_model.model.layers.*.self_attn.v_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kQwen3VlDrops[] = {"vision_tower",
                                              "visual",
                                              "model.vision_tower",
                                              "model.multi_modal_projector",
                                              "model.visual",
                                              "model.audio_tower",
                                              "model.embed_audio",
                                              "model.embed_vision",
                                              "model.vision_adapter",
                                              "model.vision_projection",
                                              "model.mtp",
                                              "model.mtp_block",
                                              "model.mtp_layers",
                                              "model.mtp_emb_norm",
                                              "model.mtp_hidden_norm",
                                              "model.mtp_linear_proj",
                                              "mlp.moe_statics.e_score_correction_bias"};
constexpr std::string_view kQwen3VlNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr ClassShape kQwen3VlShapes[] = {
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// qwen3_vl_moe
constexpr std::string_view kQwen3VlMoeModules[] = {"language_model.lm_head", "language_model.model.embed_tokens",
                                                   "language_model.model.layers.*.mlp.gate",
                                                   "language_model.model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}",
                                                   "language_model.model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kQwen3VlMoePlain[] = {
    "language_model.model.layers.*.mlp.experts.{down_proj,gate_up_proj}",
    "language_model.model.layers.*.self_attn.{k_norm,q_norm}.weight",
    "language_model.model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
    "language_model.model.norm.weight",
    "lm_head.weight",
    "model.language_model.layers.*.mlp.experts.{down_proj,gate_up_proj}",
    "model.language_model.layers.*.mlp.gate.weight",
    "model.language_model.layers.*.mlp.switch_mlp.{down_proj,gate_proj,up_proj}.weight",
    "model.language_model.layers.*.self_attn.{k_norm,k_proj,o_proj,q_norm,q_proj,v_proj}.weight",
    "model.language_model.layers.*.{input_layernorm,post_attention_layernorm}.weight",
    "model.language_model.{embed_tokens,norm}.weight"};
constexpr std::string_view kQwen3VlMoeDrops[] = {"vision_tower",
                                                 "vision_model",
                                                 "multi_modal_projector",
                                                 "mm_projector",
                                                 "visual",
                                                 "audio_tower",
                                                 "embed_audio",
                                                 "embed_vision",
                                                 "vision_adapter",
                                                 "vision_projection",
                                                 "vision_embedder",
                                                 "patch_merge_mlp",
                                                 "model.vision_tower",
                                                 "model.multi_modal_projector",
                                                 "model.visual",
                                                 "model.audio_tower",
                                                 "model.embed_audio",
                                                 "model.embed_vision",
                                                 "model.vision_adapter",
                                                 "model.vision_projection",
                                                 "mtp",
                                                 "model.mtp",
                                                 "mtp_block",
                                                 "model.mtp_block",
                                                 "model.mtp_layers",
                                                 "model.mtp_emb_norm",
                                                 "model.mtp_hidden_norm",
                                                 "model.mtp_linear_proj",
                                                 "mlp.moe_statics.e_score_correction_bias"};
constexpr std::string_view kQwen3VlMoeRequired[] = {"text_config"};
constexpr std::string_view kQwen3VlMoeNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr ClassShape kQwen3VlMoeShapes[] = {
    {"language_model.model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"language_model.model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"language_model.model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// recurrent_gemma
constexpr std::string_view kRecurrentGemmaModules[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp_block.{down_proj,gate_proj,up_proj}",
    "model.layers.*.temporal_block.{k_proj,linear_out,linear_x,linear_y,o_proj,q_proj,v_proj}"};
constexpr std::string_view kRecurrentGemmaPlain[] = {
    "model.final_norm.weight",
    "model.layers.*.mlp_block.{down_proj,gate_proj,up_proj}.bias",
    "model.layers.*.temporal_block.conv_1d.{bias,weight}",
    "model.layers.*.temporal_block.rg_lru.{input_gate_bias,input_gate_weight,recurrent_gate_bias,recurrent_gate_weight,recurrent_param}",
    "model.layers.*.temporal_block.{linear_out,linear_x,linear_y,o_proj}.bias",
    "model.layers.*.{channel_pre_norm,temporal_pre_norm}.weight"};
constexpr std::string_view kRecurrentGemmaRequired[] = {
    "attention_bias",    "conv1d_width",        "hidden_size",  "intermediate_size", "logits_soft_cap",       "num_attention_heads",
    "num_hidden_layers", "num_key_value_heads", "rms_norm_eps", "rope_theta",        "attention_window_size", "vocab_size"};
constexpr std::string_view kRecurrentGemmaBiased[] = {"model.layers.*.mlp_block.{down_proj,gate_proj,up_proj}",
                                                      "model.layers.*.temporal_block.{linear_out,linear_x,linear_y,o_proj}"};
constexpr std::string_view kRecurrentGemmaUnbiased[] = {"lm_head", "model.embed_tokens",
                                                        "model.layers.*.temporal_block.{k_proj,q_proj,v_proj}"};

// rwkv7
constexpr std::string_view kRwkv7Modules[] = {"lm_head", "model.embeddings", "model.layers.*.attn.{a_lora,g_lora,v_lora,w_lora}.lora.*",
                                              "model.layers.*.attn.{k_proj,o_proj,r_proj,v_proj}", "model.layers.*.ffn.{key,value}"};
constexpr std::string_view kRwkv7Plain[] = {"model.layers.*.attn.g_norm.{bias,weight}",
                                            "model.layers.*.attn.{a_lora,v_lora,w_lora}.lora.*.bias",
                                            "model.layers.*.attn.{k_a,k_k,r_k,x_a,x_g,x_k,x_r,x_v,x_w}",
                                            "model.layers.*.ffn.x_k",
                                            "model.layers.*.{attn_norm,ffn_norm,pre_norm}.{bias,weight}",
                                            "model.norm.{bias,weight}"};
constexpr std::string_view kRwkv7Required[] = {"vocab_size",        "hidden_size",       "intermediate_size", "norm_eps",
                                               "head_dim",          "num_hidden_layers", "a_low_rank_dim",    "v_low_rank_dim",
                                               "gate_low_rank_dim", "decay_low_rank_dim"};
constexpr std::string_view kRwkv7NotNull[] = {"head_dim"};
constexpr std::string_view kRwkv7Biased[] = {"model.layers.*.attn.g_norm"};
constexpr std::string_view kRwkv7Unbiased[] = {"model.embeddings", "model.layers.*.attn.g_lora.lora.*",
                                               "model.layers.*.attn.{k_proj,o_proj,r_proj,v_proj}", "model.layers.*.ffn.{key,value}"};
constexpr ClassShape kRwkv7Shapes[] = {
    {"model.layers.*.attn.{k_proj,o_proj,r_proj,v_proj}", "hidden_size", "hidden_size"},
};

// seed_oss
constexpr std::string_view kSeedOssModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kSeedOssPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kSeedOssRequired[] = {"hidden_size",  "num_hidden_layers", "intermediate_size",   "num_attention_heads",
                                                 "rms_norm_eps", "vocab_size",        "num_key_value_heads", "head_dim"};
constexpr std::string_view kSeedOssNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kSeedOssUnbiased[] = {"model.embed_tokens"};
constexpr ClassShape kSeedOssShapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// smollm3
constexpr std::string_view kSmollm3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kSmollm3Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kSmollm3Required[] = {"hidden_size",         "num_hidden_layers", "intermediate_size",
                                                 "num_attention_heads", "rms_norm_eps",      "vocab_size"};
constexpr std::string_view kSmollm3Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kSmollm3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads*head_dim", "hidden_size"},
};

// solar_open
constexpr std::string_view kSolarOpenModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.mlp.{shared_experts,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kSolarOpenPlain[] = {"model.layers.*.mlp.gate.{e_score_correction_bias,weight}",
                                                "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                                "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kSolarOpenRows[] = {
    {"model.layers.*.mlp.experts.*.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::stack_experts},
};
constexpr std::string_view kSolarOpenRequired[] = {"vocab_size",
                                                   "hidden_size",
                                                   "intermediate_size",
                                                   "moe_intermediate_size",
                                                   "num_hidden_layers",
                                                   "num_attention_heads",
                                                   "num_key_value_heads",
                                                   "head_dim",
                                                   "n_shared_experts",
                                                   "n_routed_experts",
                                                   "routed_scaling_factor",
                                                   "num_experts_per_tok",
                                                   "first_k_dense_replace",
                                                   "norm_topk_prob",
                                                   "max_position_embeddings",
                                                   "rms_norm_eps",
                                                   "rope_theta",
                                                   "tie_word_embeddings",
                                                   "partial_rotary_factor"};
constexpr std::string_view kSolarOpenNotNull[] = {"head_dim", "num_key_value_heads"};
constexpr std::string_view kSolarOpenUnbiased[] = {
    "lm_head", "model.embed_tokens", "model.layers.*.mlp.shared_experts.{down_proj,gate_proj,up_proj}",
    "model.layers.*.mlp.{down_proj,gate,gate_proj,up_proj}", "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kSolarOpenShapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim!", "hidden_size"},
};

// spark2_5
constexpr std::string_view kSpark25Modules[] = {"lm_head", "model.embedding", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{g_proj,out_proj,q_k_v_proj}"};
constexpr std::string_view kSpark25Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kSpark25Required[] = {"hidden_size",         "intermediate_size",   "num_hidden_layers",
                                                 "num_attention_heads", "num_key_value_heads", "head_dim",
                                                 "vocab_size",          "sliding_window",      "rope_parameters"};
constexpr std::string_view kSpark25NotNull[] = {"rope_parameters", "head_dim", "num_key_value_heads"};
constexpr std::string_view kSpark25Unbiased[] = {"model.embedding"};
constexpr ClassShape kSpark25Shapes[] = {
    {"model.layers.*.self_attn.out_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_k_v_proj", "num_attention_heads*head_dim!+2*num_key_value_heads!*head_dim!", "hidden_size"},
};

// stablelm
constexpr std::string_view kStablelmModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kStablelmPlain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}",
                                               "model.norm.{bias,weight}"};
constexpr std::string_view kStablelmRequired[] = {
    "vocab_size",        "hidden_size", "num_attention_heads", "num_hidden_layers",     "num_key_value_heads",
    "intermediate_size", "rope_theta",  "use_qkv_bias",        "partial_rotary_factor", "layer_norm_eps"};
constexpr std::string_view kStablelmNotNull[] = {"num_key_value_heads"};
constexpr std::string_view kStablelmUnbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.o_proj"};
constexpr ClassShape kStablelmShapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// starcoder2
constexpr std::string_view kStarcoder2Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{c_fc,c_proj}",
                                                   "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kStarcoder2Plain[] = {
    "model.layers.*.mlp.{c_fc,c_proj}.bias", "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}.bias",
    "model.layers.*.{input_layernorm,post_attention_layernorm}.{bias,weight}", "model.norm.{bias,weight}"};
constexpr std::string_view kStarcoder2Required[] = {"hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
                                                    "num_key_value_heads"};
constexpr std::string_view kStarcoder2NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kStarcoder2Biased[] = {"model.layers.*.mlp.{c_fc,c_proj}",
                                                  "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kStarcoder2Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kStarcoder2Shapes[] = {
    {"model.layers.*.self_attn.{o_proj,q_proj}", "hidden_size", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*hidden_size/num_attention_heads", "hidden_size"},
};

// step3p5
constexpr std::string_view kStep3p5Modules[] = {"lm_head",
                                                "model.embed_tokens",
                                                "model.layers.*.mlp.gate.gate",
                                                "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.mlp.{share_expert,switch_mlp}.{down_proj,gate_proj,up_proj}",
                                                "model.layers.*.self_attn.{g_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kStep3p5Plain[] = {"model.layers.*.mlp.gate.router_bias", "model.layers.*.moe.router_bias",
                                              "model.layers.*.self_attn.{k_norm,q_norm}.weight",
                                              "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr ClassRow kStep3p5Rows[] = {
    {"model.layers.*.moe.down_proj.weight", "model.layers.*.mlp.switch_mlp.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.moe.gate.weight", "model.layers.*.mlp.gate.gate.weight", LayoutRule::whole},
    {"model.layers.*.moe.gate_proj.weight", "model.layers.*.mlp.switch_mlp.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.moe.up_proj.weight", "model.layers.*.mlp.switch_mlp.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.share_expert.down_proj.weight", "model.layers.*.mlp.share_expert.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.share_expert.gate_proj.weight", "model.layers.*.mlp.share_expert.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.share_expert.up_proj.weight", "model.layers.*.mlp.share_expert.up_proj.weight", LayoutRule::whole},
};
constexpr std::string_view kStep3p5Drops[] = {"model.mtp",          "model.mtp_block",       "model.mtp_layers",
                                              "model.mtp_emb_norm", "model.mtp_hidden_norm", "model.mtp_linear_proj"};
constexpr std::string_view kStep3p5Required[] = {"hidden_size",          "num_hidden_layers", "vocab_size",       "num_attention_heads",
                                                 "num_attention_groups", "head_dim",          "intermediate_size"};
constexpr std::string_view kStep3p5NotNull[] = {"head_dim"};
constexpr std::string_view kStep3p5Unbiased[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{g_proj,k_proj,o_proj,q_proj,v_proj}"};
constexpr ClassShape kStep3p5Shapes[] = {
    {"model.layers.*.self_attn.{k_norm,q_norm}", "head_dim!", ""},
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim!", "hidden_size"},
};

// talkie
constexpr std::string_view kTalkieModules[] = {"model.blocks.*.attn.{attn_key,attn_query,attn_resid,attn_value}",
                                               "model.blocks.*.mlp.{mlp_gate,mlp_linear,mlp_resid}", "model.embed"};
constexpr std::string_view kTalkiePlain[] = {"lm_head", "lm_head_gain.w_g", "model.blocks.*.attn.head_gain.head_g",
                                             "model.blocks.*.{attn_gain,embed_skip,mlp_gain}.a_g"};
constexpr std::string_view kTalkieNotNull[] = {"head_dim"};
constexpr std::string_view kTalkieUnbiased[] = {"model.blocks.*.attn.{attn_key,attn_query,attn_resid,attn_value}",
                                                "model.blocks.*.mlp.{mlp_gate,mlp_linear,mlp_resid}", "model.embed"};
constexpr ClassShape kTalkieShapes[] = {
    {"model.blocks.*.attn.attn_resid", "hidden_size", "num_attention_heads*head_dim!"},
    {"model.blocks.*.attn.{attn_key,attn_query,attn_value}", "num_attention_heads*head_dim!", "hidden_size"},
};

// telechat3
constexpr std::string_view kTelechat3Modules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                  "model.layers.*.self_attn.{k_proj,o_proj,q_proj,v_proj}"};
constexpr std::string_view kTelechat3Plain[] = {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kTelechat3Required[] = {"hidden_size",         "intermediate_size", "max_position_embeddings",
                                                   "num_attention_heads", "num_hidden_layers", "num_key_value_heads",
                                                   "rms_norm_eps",        "vocab_size",        "rope_theta"};
constexpr std::string_view kTelechat3NotNull[] = {"num_key_value_heads"};
constexpr std::string_view kTelechat3Unbiased[] = {"model.embed_tokens"};
constexpr ClassShape kTelechat3Shapes[] = {
    {"model.layers.*.self_attn.o_proj", "hidden_size", "num_attention_heads*head_dim"},
    {"model.layers.*.self_attn.q_proj", "num_attention_heads*head_dim", "hidden_size"},
    {"model.layers.*.self_attn.{k_proj,v_proj}", "num_key_value_heads!*head_dim", "hidden_size"},
};

// youtu_llm
constexpr std::string_view kYoutuLlmModules[] = {"lm_head", "model.embed_tokens", "model.layers.*.mlp.{down_proj,gate_proj,up_proj}",
                                                 "model.layers.*.self_attn.{kv_a_proj_with_mqa,kv_b_proj,o_proj,q_a_proj,q_b_proj}"};
constexpr std::string_view kYoutuLlmPlain[] = {"model.layers.*.self_attn.{kv_a_layernorm,q_a_layernorm}.weight",
                                               "model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "model.norm.weight"};
constexpr std::string_view kYoutuLlmUnbiased[] = {"model.embed_tokens", "model.layers.*.self_attn.{kv_b_proj,q_b_proj}"};

constexpr ModelClass kClasses[] = {
    {"Klear",
     TieRule::never,
     "num_experts",
     kKlearModules,
     kKlearPlain,
     kKlearRows,
     {},
     kKlearRequired,
     kKlearNotNull,
     kKlearBiased,
     kKlearUnbiased,
     kKlearShapes},
    {"afm7", TieRule::always, "", kAfm7Modules, kAfm7Plain, {}, {}, kAfm7Required, {}, {}, kAfm7Unbiased, {}},
    {"afmoe",
     TieRule::by_flag,
     "num_experts",
     kAfmoeModules,
     kAfmoePlain,
     kAfmoeRows,
     {},
     kAfmoeRequired,
     kAfmoeNotNull,
     {},
     kAfmoeUnbiased,
     kAfmoeShapes},
    {"apertus",
     TieRule::by_flag,
     "",
     kApertusModules,
     kApertusPlain,
     {},
     {},
     kApertusRequired,
     kApertusNotNull,
     {},
     kApertusUnbiased,
     kApertusShapes},
    {"baichuan_m1",
     TieRule::by_flag,
     "",
     kBaichuanM1Modules,
     kBaichuanM1Plain,
     {},
     {},
     kBaichuanM1Required,
     kBaichuanM1NotNull,
     {},
     kBaichuanM1Unbiased,
     kBaichuanM1Shapes},
    {"bailing_hybrid",
     TieRule::by_flag,
     "num_experts",
     kBailingHybridModules,
     kBailingHybridPlain,
     kBailingHybridRows,
     {},
     kBailingHybridRequired,
     {},
     {},
     kBailingHybridUnbiased,
     kBailingHybridShapes},
    {"bailing_moe",
     TieRule::by_flag,
     "num_experts",
     kBailingMoeModules,
     kBailingMoePlain,
     kBailingMoeRows,
     {},
     kBailingMoeRequired,
     kBailingMoeNotNull,
     {},
     kBailingMoeUnbiased,
     kBailingMoeShapes},
    {"bailing_moe_linear",
     TieRule::by_flag,
     "num_experts",
     kBailingMoeLinearModules,
     kBailingMoeLinearPlain,
     kBailingMoeLinearRows,
     {},
     kBailingMoeLinearRequired,
     kBailingMoeLinearNotNull,
     {},
     kBailingMoeLinearUnbiased,
     kBailingMoeLinearShapes},
    {"bailing_moe_v3",
     TieRule::by_flag,
     "num_experts",
     kBailingMoeV3Modules,
     kBailingMoeV3Plain,
     kBailingMoeV3Rows,
     {},
     {},
     kBailingMoeV3NotNull,
     {},
     kBailingMoeV3Unbiased,
     kBailingMoeV3Shapes},
    {"bitnet", TieRule::by_flag, "", kBitnetModules, kBitnetPlain, {}, {}, kBitnetRequired, kBitnetNotNull, {}, kBitnetUnbiased, {}},
    {"cohere", TieRule::always, "", kCohereModules, kCoherePlain, {}, {}, {}, kCohereNotNull, {}, kCohereUnbiased, kCohereShapes},
    {"cohere2",
     TieRule::always,
     "",
     kCohere2Modules,
     kCohere2Plain,
     {},
     {},
     kCohere2Required,
     kCohere2NotNull,
     {},
     kCohere2Unbiased,
     kCohere2Shapes},
    {"dbrx", TieRule::never, "moe_num_experts", kDbrxModules, kDbrxPlain, {}, {}, kDbrxRequired, {}, {}, kDbrxUnbiased, {}},
    {"deepseek",
     TieRule::never,
     "n_routed_experts",
     kDeepseekModules,
     kDeepseekPlain,
     kDeepseekRows,
     {},
     {},
     kDeepseekNotNull,
     {},
     kDeepseekUnbiased,
     kDeepseekShapes},
    {"deepseek_v2",
     TieRule::never,
     "n_routed_experts",
     kDeepseekV2Modules,
     kDeepseekV2Plain,
     kDeepseekV2Rows,
     {},
     kDeepseekV2Required,
     kDeepseekV2NotNull,
     {},
     kDeepseekV2Unbiased,
     {}},
    {"deepseek_v3",
     TieRule::never,
     "n_routed_experts",
     kDeepseekV3Modules,
     kDeepseekV3Plain,
     kDeepseekV3Rows,
     {},
     {},
     {},
     {},
     kDeepseekV3Unbiased,
     {}},
    {"deepseek_v32",
     TieRule::never,
     "n_routed_experts",
     kDeepseekV32Modules,
     kDeepseekV32Plain,
     kDeepseekV32Rows,
     {},
     {},
     kDeepseekV32NotNull,
     {},
     kDeepseekV32Unbiased,
     {}},
    {"deepseek_v41",
     TieRule::never,
     "n_routed_experts",
     kDeepseekV41Modules,
     kDeepseekV41Plain,
     {},
     {},
     {},
     kDeepseekV41NotNull,
     {},
     kDeepseekV41Unbiased,
     {}},
    {"dots1",
     TieRule::by_flag,
     "n_routed_experts",
     kDots1Modules,
     kDots1Plain,
     kDots1Rows,
     {},
     kDots1Required,
     kDots1NotNull,
     {},
     kDots1Unbiased,
     kDots1Shapes},
    {"ernie4_5",
     TieRule::by_flag,
     "",
     kErnie45Modules,
     kErnie45Plain,
     {},
     {},
     kErnie45Required,
     kErnie45NotNull,
     {},
     kErnie45Unbiased,
     kErnie45Shapes},
    {"ernie4_5_moe",
     TieRule::by_flag,
     "moe_num_experts",
     kErnie45MoeModules,
     kErnie45MoePlain,
     kErnie45MoeRows,
     kErnie45MoeDrops,
     kErnie45MoeRequired,
     kErnie45MoeNotNull,
     {},
     kErnie45MoeUnbiased,
     kErnie45MoeShapes},
    {"exaone",
     TieRule::by_flag,
     "",
     kExaoneModules,
     kExaonePlain,
     {},
     {},
     kExaoneRequired,
     kExaoneNotNull,
     {},
     kExaoneUnbiased,
     kExaoneShapes},
    {"exaone4",
     TieRule::by_flag,
     "",
     kExaone4Modules,
     kExaone4Plain,
     {},
     {},
     kExaone4Required,
     kExaone4NotNull,
     {},
     kExaone4Unbiased,
     kExaone4Shapes},
    {"exaone_moe",
     TieRule::by_flag,
     "num_experts",
     kExaoneMoeModules,
     kExaoneMoePlain,
     kExaoneMoeRows,
     kExaoneMoeDrops,
     kExaoneMoeRequired,
     kExaoneMoeNotNull,
     {},
     kExaoneMoeUnbiased,
     kExaoneMoeShapes},
    {"falcon_h1",
     TieRule::by_flag,
     "",
     kFalconH1Modules,
     kFalconH1Plain,
     {},
     {},
     {},
     kFalconH1NotNull,
     {},
     kFalconH1Unbiased,
     kFalconH1Shapes},
    {"gear", TieRule::by_flag, "", kGearModules, kGearPlain, {}, {}, kGearRequired, kGearNotNull, {}, kGearUnbiased, kGearShapes},
    {"gemma", TieRule::always, "", kGemmaModules, kGemmaPlain, {}, {}, kGemmaRequired, kGemmaNotNull, {}, kGemmaUnbiased, kGemmaShapes},
    {"gemma2",
     TieRule::always,
     "",
     kGemma2Modules,
     kGemma2Plain,
     {},
     {},
     kGemma2Required,
     kGemma2NotNull,
     {},
     kGemma2Unbiased,
     kGemma2Shapes},
    {"gemma3n",
     TieRule::always,
     "",
     kGemma3nModules,
     kGemma3nPlain,
     {},
     kGemma3nDrops,
     kGemma3nRequired,
     kGemma3nNotNull,
     {},
     kGemma3nUnbiased,
     kGemma3nShapes},
    {"gemma4", TieRule::by_flag, "num_experts", kGemma4Modules, kGemma4Plain, kGemma4Rows, kGemma4Drops, {}, kGemma4NotNull, {}, {}, {}},
    {"gemma4_text",
     TieRule::by_flag,
     "num_experts",
     kGemma4TextModules,
     kGemma4TextPlain,
     kGemma4TextRows,
     {},
     {},
     kGemma4TextNotNull,
     {},
     kGemma4TextUnbiased,
     {}},
    {"glm", TieRule::by_flag, "", kGlmModules, kGlmPlain, {}, {}, kGlmRequired, kGlmNotNull, {}, kGlmUnbiased, kGlmShapes},
    {"glm4", TieRule::never, "", kGlm4Modules, kGlm4Plain, {}, {}, kGlm4Required, kGlm4NotNull, {}, kGlm4Unbiased, kGlm4Shapes},
    {"glm4_moe",
     TieRule::never,
     "n_routed_experts",
     kGlm4MoeModules,
     kGlm4MoePlain,
     kGlm4MoeRows,
     {},
     kGlm4MoeRequired,
     kGlm4MoeNotNull,
     {},
     kGlm4MoeUnbiased,
     kGlm4MoeShapes},
    {"glm4_moe_lite",
     TieRule::never,
     "n_routed_experts",
     kGlm4MoeLiteModules,
     kGlm4MoeLitePlain,
     kGlm4MoeLiteRows,
     {},
     {},
     {},
     {},
     kGlm4MoeLiteUnbiased,
     {}},
    {"glm_moe_dsa",
     TieRule::never,
     "n_routed_experts",
     kGlmMoeDsaModules,
     kGlmMoeDsaPlain,
     kGlmMoeDsaRows,
     {},
     kGlmMoeDsaRequired,
     kGlmMoeDsaNotNull,
     {},
     kGlmMoeDsaUnbiased,
     {}},
    {"gpt2", TieRule::always, "", kGpt2Modules, kGpt2Plain, kGpt2Rows, {}, kGpt2Required, {}, {}, {}, {}},
    {"gpt_bigcode",
     TieRule::by_flag,
     "",
     kGptBigcodeModules,
     kGptBigcodePlain,
     {},
     {},
     kGptBigcodeRequired,
     kGptBigcodeNotNull,
     {},
     kGptBigcodeUnbiased,
     {}},
    {"gpt_neox",
     TieRule::never,
     "",
     kGptNeoxModules,
     kGptNeoxPlain,
     kGptNeoxRows,
     {},
     kGptNeoxRequired,
     {},
     {},
     kGptNeoxUnbiased,
     kGptNeoxShapes},
    {"gpt_oss",
     TieRule::never,
     "num_local_experts",
     kGptOssModules,
     kGptOssPlain,
     {},
     {},
     {},
     kGptOssNotNull,
     kGptOssBiased,
     kGptOssUnbiased,
     kGptOssShapes},
    {"gptj", TieRule::never, "", kGptjModules, kGptjPlain, kGptjRows, {}, {}, {}, kGptjBiased, {}, {}},
    {"granite",
     TieRule::by_flag,
     "",
     kGraniteModules,
     kGranitePlain,
     {},
     {},
     kGraniteRequired,
     kGraniteNotNull,
     {},
     kGraniteUnbiased,
     kGraniteShapes},
    {"granitemoe",
     TieRule::by_flag,
     "num_local_experts",
     kGranitemoeModules,
     kGranitemoePlain,
     kGranitemoeRows,
     {},
     kGranitemoeRequired,
     kGranitemoeNotNull,
     {},
     kGranitemoeUnbiased,
     kGranitemoeShapes},
    {"granitemoehybrid",
     TieRule::by_flag,
     "num_local_experts",
     kGranitemoehybridModules,
     kGranitemoehybridPlain,
     kGranitemoehybridRows,
     {},
     kGranitemoehybridRequired,
     kGranitemoehybridNotNull,
     {},
     kGranitemoehybridUnbiased,
     kGranitemoehybridShapes},
    {"granitemoehybrid:dense",
     TieRule::by_flag,
     "num_local_experts",
     kGranitemoehybridDenseModules,
     kGranitemoehybridDensePlain,
     kGranitemoehybridDenseRows,
     {},
     kGranitemoehybridDenseRequired,
     kGranitemoehybridDenseNotNull,
     {},
     kGranitemoehybridDenseUnbiased,
     kGranitemoehybridDenseShapes},
    {"helium",
     TieRule::never,
     "",
     kHeliumModules,
     kHeliumPlain,
     {},
     {},
     kHeliumRequired,
     kHeliumNotNull,
     {},
     kHeliumUnbiased,
     kHeliumShapes},
    {"hunyuan",
     TieRule::always,
     "num_experts",
     kHunyuanModules,
     kHunyuanPlain,
     kHunyuanRows,
     {},
     kHunyuanRequired,
     kHunyuanNotNull,
     {},
     kHunyuanUnbiased,
     kHunyuanShapes},
    {"hunyuan_v1_dense",
     TieRule::by_flag,
     "",
     kHunyuanV1DenseModules,
     kHunyuanV1DensePlain,
     {},
     {},
     kHunyuanV1DenseRequired,
     kHunyuanV1DenseNotNull,
     {},
     kHunyuanV1DenseUnbiased,
     kHunyuanV1DenseShapes},
    {"internlm2",
     TieRule::by_flag,
     "",
     kInternlm2Modules,
     kInternlm2Plain,
     {},
     {},
     kInternlm2Required,
     {},
     {},
     kInternlm2Unbiased,
     kInternlm2Shapes},
    {"internlm3",
     TieRule::by_flag,
     "",
     kInternlm3Modules,
     kInternlm3Plain,
     {},
     {},
     kInternlm3Required,
     {},
     {},
     kInternlm3Unbiased,
     kInternlm3Shapes},
    {"iquestloopcoder",
     TieRule::by_flag,
     "",
     kIquestloopcoderModules,
     kIquestloopcoderPlain,
     {},
     {},
     kIquestloopcoderRequired,
     kIquestloopcoderNotNull,
     kIquestloopcoderBiased,
     kIquestloopcoderUnbiased,
     kIquestloopcoderShapes},
    {"jamba",
     TieRule::by_flag,
     "num_experts",
     kJambaModules,
     kJambaPlain,
     kJambaRows,
     {},
     kJambaRequired,
     kJambaNotNull,
     kJambaBiased,
     kJambaUnbiased,
     kJambaShapes},
    {"kimi_k25",
     TieRule::never,
     "n_routed_experts",
     kKimiK25Modules,
     kKimiK25Plain,
     kKimiK25Rows,
     kKimiK25Drops,
     kKimiK25Required,
     {},
     {},
     kKimiK25Unbiased,
     {}},
    {"kimi_k3", TieRule::by_flag, "num_experts", kKimiK3Modules, kKimiK3Plain, kKimiK3Rows, kKimiK3Drops, {}, {}, {}, {}, {}},
    {"kimi_linear",
     TieRule::by_flag,
     "num_experts",
     kKimiLinearModules,
     kKimiLinearPlain,
     kKimiLinearRows,
     kKimiLinearDrops,
     kKimiLinearRequired,
     {},
     {},
     kKimiLinearUnbiased,
     {}},
    {"kimi_vl",
     TieRule::never,
     "n_routed_experts",
     kKimiVlModules,
     kKimiVlPlain,
     kKimiVlRows,
     kKimiVlDrops,
     kKimiVlRequired,
     {},
     {},
     kKimiVlUnbiased,
     {}},
    {"laguna", TieRule::by_flag, "num_experts", kLagunaModules, kLagunaPlain, kLagunaRows, {}, {}, kLagunaNotNull, {}, {}, kLagunaShapes},
    {"lfm2", TieRule::always, "", kLfm2Modules, kLfm2Plain, {}, {}, kLfm2Required, {}, {}, kLfm2Unbiased, kLfm2Shapes},
    {"lfm2-vl",
     TieRule::always,
     "",
     kLfm2VlModules,
     kLfm2VlPlain,
     {},
     kLfm2VlDrops,
     kLfm2VlRequired,
     {},
     {},
     kLfm2VlUnbiased,
     kLfm2VlShapes},
    {"lfm2_moe",
     TieRule::always,
     "num_experts",
     kLfm2MoeModules,
     kLfm2MoePlain,
     kLfm2MoeRows,
     {},
     kLfm2MoeRequired,
     kLfm2MoeNotNull,
     {},
     kLfm2MoeUnbiased,
     kLfm2MoeShapes},
    {"lille-130m", TieRule::always, "", kLille130mModules, kLille130mPlain, {}, {}, kLille130mRequired, {}, {}, kLille130mUnbiased, {}},
    {"llama", TieRule::by_flag, "", kLlamaModules, kLlamaPlain, {}, {}, kLlamaRequired, {}, {}, kLlamaUnbiased, kLlamaShapes},
    {"llama4",
     TieRule::never,
     "num_local_experts",
     kLlama4Modules,
     kLlama4Plain,
     {},
     kLlama4Drops,
     kLlama4Required,
     kLlama4NotNull,
     {},
     kLlama4Unbiased,
     kLlama4Shapes},
    {"llama4_text",
     TieRule::by_flag,
     "",
     kLlama4TextModules,
     kLlama4TextPlain,
     {},
     {},
     kLlama4TextRequired,
     kLlama4TextNotNull,
     {},
     kLlama4TextUnbiased,
     kLlama4TextShapes},
    {"longcat_flash",
     TieRule::never,
     "n_routed_experts",
     kLongcatFlashModules,
     kLongcatFlashPlain,
     kLongcatFlashRows,
     kLongcatFlashDrops,
     kLongcatFlashRequired,
     kLongcatFlashNotNull,
     {},
     kLongcatFlashUnbiased,
     {}},
    {"longcat_flash_ngram",
     TieRule::never,
     "n_routed_experts",
     kLongcatFlashNgramModules,
     kLongcatFlashNgramPlain,
     kLongcatFlashNgramRows,
     kLongcatFlashNgramDrops,
     kLongcatFlashNgramRequired,
     kLongcatFlashNgramNotNull,
     {},
     kLongcatFlashNgramUnbiased,
     {}},
    {"mamba", TieRule::by_flag, "", kMambaModules, kMambaPlain, {}, {}, kMambaRequired, {}, kMambaBiased, kMambaUnbiased, {}},
    {"mamba2", TieRule::by_flag, "", kMamba2Modules, kMamba2Plain, {}, {}, kMamba2Required, kMamba2NotNull, {}, kMamba2Unbiased, {}},
    {"mellum",
     TieRule::by_flag,
     "num_experts",
     kMellumModules,
     kMellumPlain,
     kMellumRows,
     {},
     kMellumRequired,
     kMellumNotNull,
     {},
     kMellumUnbiased,
     kMellumShapes},
    {"mimo",
     TieRule::by_flag,
     "",
     kMimoModules,
     kMimoPlain,
     {},
     kMimoDrops,
     kMimoRequired,
     kMimoNotNull,
     kMimoBiased,
     kMimoUnbiased,
     kMimoShapes},
    {"mimo_v2_flash",
     TieRule::never,
     "n_routed_experts",
     kMimoV2FlashModules,
     kMimoV2FlashPlain,
     kMimoV2FlashRows,
     kMimoV2FlashDrops,
     kMimoV2FlashRequired,
     kMimoV2FlashNotNull,
     {},
     kMimoV2FlashUnbiased,
     {}},
    {"minicpm",
     TieRule::never,
     "",
     kMinicpmModules,
     kMinicpmPlain,
     {},
     {},
     kMinicpmRequired,
     kMinicpmNotNull,
     {},
     kMinicpmUnbiased,
     kMinicpmShapes},
    {"minicpm3",
     TieRule::by_flag,
     "",
     kMinicpm3Modules,
     kMinicpm3Plain,
     {},
     {},
     kMinicpm3Required,
     kMinicpm3NotNull,
     {},
     kMinicpm3Unbiased,
     kMinicpm3Shapes},
    {"minimax",
     TieRule::by_flag,
     "num_local_experts",
     kMinimaxModules,
     kMinimaxPlain,
     kMinimaxRows,
     {},
     kMinimaxRequired,
     kMinimaxNotNull,
     {},
     kMinimaxUnbiased,
     kMinimaxShapes},
    {"minimax_m3_vl",
     TieRule::by_flag,
     "num_local_experts",
     kMinimaxM3VlModules,
     kMinimaxM3VlPlain,
     kMinimaxM3VlRows,
     kMinimaxM3VlDrops,
     kMinimaxM3VlRequired,
     kMinimaxM3VlNotNull,
     {},
     kMinimaxM3VlUnbiased,
     kMinimaxM3VlShapes},
    {"ministral3",
     TieRule::by_flag,
     "",
     kMinistral3Modules,
     kMinistral3Plain,
     {},
     {},
     kMinistral3Required,
     kMinistral3NotNull,
     {},
     kMinistral3Unbiased,
     kMinistral3Shapes},
    {"mistral3",
     TieRule::by_flag,
     "",
     kMistral3Modules,
     kMistral3Plain,
     kMistral3Rows,
     kMistral3Drops,
     kMistral3Required,
     kMistral3NotNull,
     {},
     {},
     kMistral3Shapes},
    {"mistral4",
     TieRule::by_flag,
     "n_routed_experts",
     kMistral4Modules,
     kMistral4Plain,
     kMistral4Rows,
     {},
     kMistral4Required,
     {},
     {},
     kMistral4Unbiased,
     {}},
    {"mixtral",
     TieRule::by_flag,
     "num_local_experts",
     kMixtralModules,
     kMixtralPlain,
     kMixtralRows,
     {},
     {},
     {},
     {},
     kMixtralUnbiased,
     kMixtralShapes},
    {"muse_glimmer",
     TieRule::by_flag,
     "",
     kMuseGlimmerModules,
     kMuseGlimmerPlain,
     kMuseGlimmerRows,
     kMuseGlimmerDrops,
     {},
     kMuseGlimmerNotNull,
     {},
     {},
     kMuseGlimmerShapes},
    {"muse_spark",
     TieRule::never,
     "num_local_experts",
     kMuseSparkModules,
     kMuseSparkPlain,
     {},
     kMuseSparkDrops,
     kMuseSparkRequired,
     kMuseSparkNotNull,
     {},
     kMuseSparkUnbiased,
     kMuseSparkShapes},
    {"nanbeige",
     TieRule::by_flag,
     "",
     kNanbeigeModules,
     kNanbeigePlain,
     {},
     {},
     kNanbeigeRequired,
     kNanbeigeNotNull,
     {},
     kNanbeigeUnbiased,
     kNanbeigeShapes},
    {"nanochat", TieRule::never, "", kNanochatModules, {}, {}, {}, {}, kNanochatNotNull, {}, kNanochatUnbiased, kNanochatShapes},
    {"nemotron",
     TieRule::by_flag,
     "",
     kNemotronModules,
     kNemotronPlain,
     {},
     {},
     kNemotronRequired,
     kNemotronNotNull,
     {},
     kNemotronUnbiased,
     kNemotronShapes},
    {"nemotron-nas",
     TieRule::by_flag,
     "",
     kNemotronNasModules,
     kNemotronNasPlain,
     {},
     {},
     {},
     {},
     {},
     kNemotronNasUnbiased,
     kNemotronNasShapes},
    {"nemotron_h",
     TieRule::never,
     "n_routed_experts",
     kNemotronHModules,
     kNemotronHPlain,
     kNemotronHRows,
     kNemotronHDrops,
     kNemotronHRequired,
     kNemotronHNotNull,
     {},
     kNemotronHUnbiased,
     kNemotronHShapes},
    {"olmo2", TieRule::by_flag, "", kOlmo2Modules, kOlmo2Plain, {}, {}, kOlmo2Required, {}, {}, kOlmo2Unbiased, kOlmo2Shapes},
    {"olmo3", TieRule::by_flag, "", kOlmo3Modules, kOlmo3Plain, {}, {}, kOlmo3Required, kOlmo3NotNull, {}, kOlmo3Unbiased, kOlmo3Shapes},
    {"olmo_hybrid",
     TieRule::by_flag,
     "",
     kOlmoHybridModules,
     kOlmoHybridPlain,
     {},
     {},
     kOlmoHybridRequired,
     {},
     {},
     kOlmoHybridUnbiased,
     kOlmoHybridShapes},
    {"olmoe",
     TieRule::by_flag,
     "num_experts",
     kOlmoeModules,
     kOlmoePlain,
     kOlmoeRows,
     {},
     kOlmoeRequired,
     {},
     {},
     kOlmoeUnbiased,
     kOlmoeShapes},
    {"openelm", TieRule::always, "", kOpenelmModules, kOpenelmPlain, {}, {}, kOpenelmRequired, kOpenelmNotNull, {}, kOpenelmUnbiased, {}},
    {"phi", TieRule::never, "", kPhiModules, kPhiPlain, {}, {}, {}, {}, kPhiBiased, kPhiUnbiased, kPhiShapes},
    {"phi3", TieRule::by_flag, "", kPhi3Modules, kPhi3Plain, {}, {}, kPhi3Required, {}, {}, kPhi3Unbiased, kPhi3Shapes},
    {"phi3small",
     TieRule::always,
     "",
     kPhi3smallModules,
     kPhi3smallPlain,
     {},
     {},
     kPhi3smallRequired,
     kPhi3smallNotNull,
     kPhi3smallBiased,
     kPhi3smallUnbiased,
     kPhi3smallShapes},
    {"phimoe",
     TieRule::never,
     "num_local_experts",
     kPhimoeModules,
     kPhimoePlain,
     kPhimoeRows,
     {},
     {},
     kPhimoeNotNull,
     kPhimoeBiased,
     kPhimoeUnbiased,
     kPhimoeShapes},
    {"phixtral",
     TieRule::always,
     "num_local_experts",
     kPhixtralModules,
     kPhixtralPlain,
     kPhixtralRows,
     {},
     {},
     {},
     kPhixtralBiased,
     kPhixtralUnbiased,
     {}},
    {"pixtral",
     TieRule::never,
     "",
     kPixtralModules,
     kPixtralPlain,
     {},
     kPixtralDrops,
     kPixtralRequired,
     {},
     {},
     kPixtralUnbiased,
     kPixtralShapes},
    {"plamo", TieRule::never, "", kPlamoModules, kPlamoPlain, {}, {}, kPlamoRequired, {}, {}, kPlamoUnbiased, kPlamoShapes},
    {"plamo2", TieRule::by_flag, "", kPlamo2Modules, kPlamo2Plain, {}, {}, {}, kPlamo2NotNull, {}, kPlamo2Unbiased, {}},
    {"plamo3", TieRule::by_flag, "", kPlamo3Modules, kPlamo3Plain, {}, {}, {}, kPlamo3NotNull, {}, kPlamo3Unbiased, kPlamo3Shapes},
    {"qwen", TieRule::never, "", kQwenModules, kQwenPlain, {}, {}, {}, {}, kQwenBiased, kQwenUnbiased, {}},
    {"qwen2_moe",
     TieRule::never,
     "num_experts",
     kQwen2MoeModules,
     kQwen2MoePlain,
     kQwen2MoeRows,
     {},
     kQwen2MoeRequired,
     {},
     kQwen2MoeBiased,
     kQwen2MoeUnbiased,
     kQwen2MoeShapes},
    {"qwen2_vl",
     TieRule::by_flag,
     "",
     kQwen2VlModules,
     kQwen2VlPlain,
     kQwen2VlRows,
     kQwen2VlDrops,
     {},
     kQwen2VlNotNull,
     {},
     {},
     kQwen2VlShapes},
    {"qwen3_vl",
     TieRule::by_flag,
     "",
     kQwen3VlModules,
     kQwen3VlPlain,
     kQwen3VlRows,
     kQwen3VlDrops,
     {},
     kQwen3VlNotNull,
     {},
     {},
     kQwen3VlShapes},
    {"qwen3_vl_moe",
     TieRule::never,
     "num_experts",
     kQwen3VlMoeModules,
     kQwen3VlMoePlain,
     {},
     kQwen3VlMoeDrops,
     kQwen3VlMoeRequired,
     kQwen3VlMoeNotNull,
     {},
     {},
     kQwen3VlMoeShapes},
    {"recurrent_gemma",
     TieRule::by_absence,
     "",
     kRecurrentGemmaModules,
     kRecurrentGemmaPlain,
     {},
     {},
     kRecurrentGemmaRequired,
     {},
     kRecurrentGemmaBiased,
     kRecurrentGemmaUnbiased,
     {}},
    {"rwkv7",
     TieRule::by_flag,
     "",
     kRwkv7Modules,
     kRwkv7Plain,
     {},
     {},
     kRwkv7Required,
     kRwkv7NotNull,
     kRwkv7Biased,
     kRwkv7Unbiased,
     kRwkv7Shapes},
    {"seed_oss",
     TieRule::by_flag,
     "",
     kSeedOssModules,
     kSeedOssPlain,
     {},
     {},
     kSeedOssRequired,
     kSeedOssNotNull,
     {},
     kSeedOssUnbiased,
     kSeedOssShapes},
    {"smollm3", TieRule::by_flag, "", kSmollm3Modules, kSmollm3Plain, {}, {}, kSmollm3Required, {}, {}, kSmollm3Unbiased, kSmollm3Shapes},
    {"solar_open",
     TieRule::never,
     "n_routed_experts",
     kSolarOpenModules,
     kSolarOpenPlain,
     kSolarOpenRows,
     {},
     kSolarOpenRequired,
     kSolarOpenNotNull,
     {},
     kSolarOpenUnbiased,
     kSolarOpenShapes},
    {"spark2_5",
     TieRule::by_flag,
     "",
     kSpark25Modules,
     kSpark25Plain,
     {},
     {},
     kSpark25Required,
     kSpark25NotNull,
     {},
     kSpark25Unbiased,
     kSpark25Shapes},
    {"stablelm",
     TieRule::never,
     "",
     kStablelmModules,
     kStablelmPlain,
     {},
     {},
     kStablelmRequired,
     kStablelmNotNull,
     {},
     kStablelmUnbiased,
     kStablelmShapes},
    {"starcoder2",
     TieRule::by_flag,
     "",
     kStarcoder2Modules,
     kStarcoder2Plain,
     {},
     {},
     kStarcoder2Required,
     kStarcoder2NotNull,
     kStarcoder2Biased,
     kStarcoder2Unbiased,
     kStarcoder2Shapes},
    {"step3p5",
     TieRule::never,
     "moe_num_experts",
     kStep3p5Modules,
     kStep3p5Plain,
     kStep3p5Rows,
     kStep3p5Drops,
     kStep3p5Required,
     kStep3p5NotNull,
     {},
     kStep3p5Unbiased,
     kStep3p5Shapes},
    {"talkie", TieRule::always, "", kTalkieModules, kTalkiePlain, {}, {}, {}, kTalkieNotNull, {}, kTalkieUnbiased, kTalkieShapes},
    {"telechat3",
     TieRule::by_flag,
     "",
     kTelechat3Modules,
     kTelechat3Plain,
     {},
     {},
     kTelechat3Required,
     kTelechat3NotNull,
     {},
     kTelechat3Unbiased,
     kTelechat3Shapes},
    {"youtu_llm", TieRule::by_flag, "", kYoutuLlmModules, kYoutuLlmPlain, {}, {}, {}, {}, {}, kYoutuLlmUnbiased, {}},
};
constexpr ClassAlias kAliases[] = {
    {"deepseek_v41_text", "deepseek_v41"},
    {"falcon_mamba", "mamba"},
    {"gemma4_unified", "gemma4"},
    {"iquestcoder", "llama"},
    {"joyai_llm_flash", "deepseek_v3"},
    {"kimi_k2", "deepseek_v3"},
    {"llava", "mistral3"},
    {"minimax_m2", "minimax"},
    {"mistral", "llama"},
    {"phi-msft", "phixtral"},
    {"qwen2_5_vl", "qwen2_vl"},
    {"xverse", "llama"},
};

}  // namespace

std::string_view version() { return "0.32.2"; }
std::span<const ModelClass> model_classes() { return kClasses; }
std::span<const ClassAlias> class_aliases() { return kAliases; }

}  // namespace jang::targets::mlx
