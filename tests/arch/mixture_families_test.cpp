// SPDX-License-Identifier: Apache-2.0
// Mixtures as their public configs have them: what the rows of their families add up to, the roles of their tensors, what their graphs are
// told, and what is refused.
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/describe.h"
#include "arch/family.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "arch/registry.h"
#include "fake_model.h"
#include "format/targets/compressed_tensors/compressed_tensors.h"

namespace jang::arch {
namespace {

using namespace testing;

json::Value numbers(const std::string& type, std::initializer_list<std::pair<const char*, std::int64_t>> keys) {
  json::Value config = {{"model_type", type}, {"tie_word_embeddings", false}};
  for (const auto& [key, n] : keys) config[key] = n;
  return config;
}

// Published configs, the keys that decide sizes, and the parameters that the model cards and indexes of these models give.
struct PublicModel {
  std::string name;
  json::Value config;
  std::int64_t n_params;
};

std::vector<PublicModel> public_models() {
  const json::Value mixtral = numbers("mixtral", {{"hidden_size", 4096},
                                                  {"intermediate_size", 14336},
                                                  {"num_attention_heads", 32},
                                                  {"num_key_value_heads", 8},
                                                  {"num_hidden_layers", 32},
                                                  {"num_local_experts", 8},
                                                  {"num_experts_per_tok", 2},
                                                  {"vocab_size", 32000}});
  const json::Value qwen = numbers("qwen2_moe", {{"hidden_size", 2048},
                                                 {"intermediate_size", 5632},
                                                 {"moe_intermediate_size", 1408},
                                                 {"shared_expert_intermediate_size", 5632},
                                                 {"num_attention_heads", 16},
                                                 {"num_key_value_heads", 16},
                                                 {"num_hidden_layers", 24},
                                                 {"num_experts", 60},
                                                 {"num_experts_per_tok", 4},
                                                 {"vocab_size", 151936}});
  const json::Value olmoe = numbers("olmoe", {{"hidden_size", 2048},
                                              {"intermediate_size", 1024},
                                              {"num_attention_heads", 16},
                                              {"num_key_value_heads", 16},
                                              {"num_hidden_layers", 16},
                                              {"num_experts", 64},
                                              {"num_experts_per_tok", 8},
                                              {"vocab_size", 50304}});
  json::Value lite = numbers("deepseek_v2", {{"hidden_size", 2048},
                                             {"intermediate_size", 10944},
                                             {"moe_intermediate_size", 1408},
                                             {"n_routed_experts", 64},
                                             {"n_shared_experts", 2},
                                             {"num_experts_per_tok", 6},
                                             {"first_k_dense_replace", 1},
                                             {"moe_layer_freq", 1},
                                             {"num_attention_heads", 16},
                                             {"num_key_value_heads", 16},
                                             {"num_hidden_layers", 27},
                                             {"kv_lora_rank", 512},
                                             {"qk_nope_head_dim", 128},
                                             {"qk_rope_head_dim", 64},
                                             {"v_head_dim", 128},
                                             {"vocab_size", 102400}});
  lite["q_lora_rank"] = nullptr;
  const json::Value oss = numbers("gpt_oss", {{"hidden_size", 2880},
                                              {"intermediate_size", 2880},
                                              {"num_attention_heads", 64},
                                              {"num_key_value_heads", 8},
                                              {"head_dim", 64},
                                              {"num_hidden_layers", 24},
                                              {"num_local_experts", 32},
                                              {"num_experts_per_tok", 4},
                                              {"vocab_size", 201088}});
  json::Value granite = numbers("granitemoe", {{"hidden_size", 1024},
                                               {"intermediate_size", 512},
                                               {"num_attention_heads", 16},
                                               {"num_key_value_heads", 8},
                                               {"num_hidden_layers", 24},
                                               {"num_local_experts", 32},
                                               {"num_experts_per_tok", 8},
                                               {"vocab_size", 49155}});
  granite["tie_word_embeddings"] = true;
  json::Value ernie = numbers("ernie4_5_moe", {{"hidden_size", 2560},
                                               {"intermediate_size", 12288},
                                               {"moe_intermediate_size", 1536},
                                               {"num_attention_heads", 20},
                                               {"num_key_value_heads", 4},
                                               {"num_hidden_layers", 28},
                                               {"moe_num_experts", 64},
                                               {"moe_k", 6},
                                               {"moe_num_shared_experts", 2},
                                               {"moe_layer_start_index", 1},
                                               {"vocab_size", 103424}});
  ernie["tie_word_embeddings"] = true;
  const json::Value dots = numbers("dots1", {{"hidden_size", 4096},
                                             {"intermediate_size", 10944},
                                             {"moe_intermediate_size", 1408},
                                             {"num_attention_heads", 32},
                                             {"num_key_value_heads", 32},
                                             {"num_hidden_layers", 62},
                                             {"n_routed_experts", 128},
                                             {"n_shared_experts", 2},
                                             {"num_experts_per_tok", 6},
                                             {"first_k_dense_replace", 1},
                                             {"vocab_size", 152064}});
  return {{"gpt_oss_20b", oss, 20914757184},  {"granite_3_0_1b_a400m", granite, 1334628352}, {"ERNIE_4_5_21B_A3B", ernie, 21825437888},
          {"dots_llm1", dots, 142774381696},  {"Mixtral_8x7B", mixtral, 46702792704},        {"Qwen1_5_MoE_A2_7B", qwen, 14315784192},
          {"OLMoE_1B_7B", olmoe, 6919161856}, {"DeepSeek_V2_Lite", lite, 15706484224}};
}

class PublicMixture : public ::testing::TestWithParam<PublicModel> {};
INSTANTIATE_TEST_SUITE_P(Mixtures, PublicMixture, ::testing::ValuesIn(public_models()), [](const auto& p) { return p.param.name; });

TEST_P(PublicMixture, the_rows_of_the_family_add_up_to_the_published_parameters) {
  json::Value config = GetParam().config;
  const Family* family = find_family(config["model_type"].get<std::string>());
  ASSERT_NE(family, nullptr);
  ASSERT_TRUE(family->edit(&config).ok());
  add_defaults(family->defaults, &config);
  auto geometry = read_geometry(config, family->reads);
  ASSERT_TRUE(geometry.ok()) << geometry.status().message();
  geometry->tied = config["tie_word_embeddings"].get<bool>();
  std::int64_t total = 0;
  for (const Block& block : family->blocks)
    for (const Row& row : block) {
      std::int64_t n = 1;
      for (const Dim dim : row.shape) n *= dim == Dim::none ? 1 : geometry->size(dim);
      if (row.name.find('*') == std::string_view::npos) total += geometry->has(row.when, -1) ? n : 0;
      for (int l = 0; l < geometry->n_layers && row.name.find('*') != std::string_view::npos; ++l)
        total += geometry->has(row.when, l) ? n : 0;
    }
  EXPECT_EQ(total, GetParam().n_params);
}

using Roles = std::map<std::string, Role>;

// Roles of the tensors of layer 1, by what follows "model.layers.1.".
Roles roles_of(const FakeModel& source) {
  const auto model = source.describe_canonical();
  EXPECT_TRUE(model.ok()) << model.status().message();
  Roles roles;
  for (const OutTensor& t : model->tensors)
    if (t.layer == 1) roles[t.name.substr(std::string("model.layers.1.").size())] = t.role;
  return roles;
}

Roles with(Roles roles, const Roles& more) {
  for (const auto& [name, role] : more) roles[name] = role;
  return roles;
}

const Roles kExperts = {{"input_layernorm.weight", Role::norm},
                        {"post_attention_layernorm.weight", Role::norm},
                        {"self_attn.o_proj.weight", Role::attn_o},
                        {"mlp.gate.weight", Role::router},
                        {"mlp.experts.gate_proj.weight", Role::expert_gate},
                        {"mlp.experts.up_proj.weight", Role::expert_up},
                        {"mlp.experts.down_proj.weight", Role::expert_down}};
const Roles kGrouped = {
    {"self_attn.q_proj.weight", Role::attn_q}, {"self_attn.k_proj.weight", Role::attn_k}, {"self_attn.v_proj.weight", Role::attn_v}};
const Roles kQueryNorms = {{"self_attn.q_norm.weight", Role::norm}, {"self_attn.k_norm.weight", Role::norm}};
const Roles kQueryBiases = {
    {"self_attn.q_proj.bias", Role::bias}, {"self_attn.k_proj.bias", Role::bias}, {"self_attn.v_proj.bias", Role::bias}};
const Roles kOssBiases = {
    {"self_attn.o_proj.bias", Role::bias},      {"self_attn.sinks", Role::bias},          {"mlp.gate.bias", Role::bias},
    {"mlp.experts.gate_proj.bias", Role::bias}, {"mlp.experts.up_proj.bias", Role::bias}, {"mlp.experts.down_proj.bias", Role::bias}};
const Roles kCorrected = {{"mlp.gate.e_score_correction_bias", Role::bias}};
const Roles kLatent = {{"self_attn.kv_a_proj_with_mqa.weight", Role::attn_k},
                       {"self_attn.kv_a_layernorm.weight", Role::norm},
                       {"self_attn.kv_b_proj.weight", Role::attn_v}};

Roles shared(const std::string& name) {
  return {{"mlp." + name + ".gate_proj.weight", Role::shared_gate},
          {"mlp." + name + ".up_proj.weight", Role::shared_up},
          {"mlp." + name + ".down_proj.weight", Role::shared_down}};
}

TEST(MixtureFamilies, roles_are_those_of_the_published_names) {
  const Roles grouped = with(kExperts, kGrouped);
  EXPECT_EQ(roles_of(mixtral()), grouped);
  EXPECT_EQ(roles_of(olmoe()), with(grouped, kQueryNorms));
  EXPECT_EQ(roles_of(gpt_oss()), with(with(grouped, kQueryBiases), kOssBiases));
  EXPECT_EQ(roles_of(granitemoe()), grouped);
  EXPECT_EQ(roles_of(ernie4_5_moe()), with(with(grouped, kCorrected), shared("shared_experts")));
  for (const FakeModel& m : {dots1(), exaone_moe()})
    EXPECT_EQ(roles_of(m), with(with(with(grouped, kQueryNorms), kCorrected), shared("shared_experts")));
  EXPECT_EQ(roles_of(minimax_m2()), with(with(grouped, kQueryNorms), kCorrected));
  EXPECT_EQ(roles_of(qwen2_moe()),
            with(with(with(grouped, kQueryBiases), shared("shared_expert")), {{"mlp.shared_expert_gate.weight", Role::shared_router}}));
  EXPECT_EQ(roles_of(glm4_moe()), with(with(with(with(grouped, kQueryBiases), kQueryNorms), kCorrected), shared("shared_experts")));
  const Roles latent = with(with(kExperts, kLatent), shared("shared_experts"));
  EXPECT_EQ(roles_of(deepseek(2)), with(latent, {{"self_attn.q_proj.weight", Role::attn_q}}));
  EXPECT_EQ(roles_of(deepseek(3)), with(with(latent, kCorrected), {{"self_attn.q_a_proj.weight", Role::attn_q},
                                                                   {"self_attn.q_a_layernorm.weight", Role::norm},
                                                                   {"self_attn.q_b_proj.weight", Role::attn_q}}));
}

TEST(MixtureFamilies, spelled_names_are_those_of_the_classes) {
  const auto mini = minimax_m2().describe();
  ASSERT_TRUE(mini.ok()) << mini.status().message();
  for (const char* name : {"model.layers.1.block_sparse_moe.gate.weight", "model.layers.1.block_sparse_moe.e_score_correction_bias",
                           "model.layers.0.block_sparse_moe.switch_mlp.down_proj.weight"})
    EXPECT_NE(find(*mini, name), nullptr) << name;
  EXPECT_TRUE(find(*mini, "model.layers.1.block_sparse_moe.e_score_correction_bias")->keep_dtype);
  const auto names_of = [](const FakeModel& source) {
    const auto model = source.describe();
    EXPECT_TRUE(model.ok()) << model.status().message();
    std::set<std::string> names;
    for (const OutTensor& t : model->tensors)
      if (t.layer == 1 && t.name.find("norm") == std::string::npos && t.name.find("self_attn") == std::string::npos)
        names.insert(t.name.substr(std::string("model.layers.1.").size()));
    return names;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(names_of(gpt_oss()), (Names{"mlp.router.weight", "mlp.router.bias", "mlp.experts.gate_proj.weight",
                                        "mlp.experts.gate_proj.bias", "mlp.experts.up_proj.weight", "mlp.experts.up_proj.bias",
                                        "mlp.experts.down_proj.weight", "mlp.experts.down_proj.bias"}));
  EXPECT_EQ(names_of(granitemoe()), (Names{"block_sparse_moe.router.layer.weight", "block_sparse_moe.switch_mlp.gate_proj.weight",
                                           "block_sparse_moe.switch_mlp.up_proj.weight", "block_sparse_moe.switch_mlp.down_proj.weight"}));
  EXPECT_TRUE(names_of(ernie4_5_moe()).contains("mlp.moe_statics.e_score_correction_bias"));
  EXPECT_TRUE(names_of(ernie4_5_moe()).contains("mlp.switch_mlp.up_proj.weight"));
  EXPECT_TRUE(names_of(dots1()).contains("mlp.experts.up_proj.weight"));
  EXPECT_TRUE(names_of(exaone_moe()).contains("mlp.gate.e_score_correction_bias"));
  EXPECT_TRUE(names_of(exaone_moe()).contains("mlp.switch_mlp.up_proj.weight"));
  const auto deep = deepseek(3).describe();
  ASSERT_TRUE(deep.ok()) << deep.status().message();
  const OutTensor* kv_b = find(*deep, "model.layers.1.self_attn.kv_b_proj.weight");
  ASSERT_NE(kv_b, nullptr);
  EXPECT_FALSE(kv_b->quantizable);
  EXPECT_NE(kv_b->kept.find("heads"), std::string::npos);
  EXPECT_EQ(deep->attention, "mla");
  EXPECT_TRUE(find(*deepseek(2).describe(), "model.layers.1.self_attn.kv_b_proj.weight")->quantizable);
}

// A copy whose kv_b_proj is cut into heads and transposed cannot be read by the rows, and is not called incomplete.
TEST(MixtureFamilies, a_copy_with_kv_b_cut_into_heads_is_described_by_common_names) {
  FakeModel copy = deepseek(3);
  for (int l = 0; l < 2; ++l) {
    const std::string attention = "model.layers." + std::to_string(l) + ".self_attn.";
    copy.remove(attention + "kv_b_proj.weight");
    copy.add(attention + "embed_q.weight", {4, 64, 24});
    copy.add(attention + "unembed_out.weight", {4, 32, 64});
  }
  const auto model = copy.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->family, "generic");
  EXPECT_EQ(deepseek(3).describe()->family, "deepseek_v3");
}

// Configs may hold numbers of other classes under keys that a class does not read.
TEST(MixtureFamilies, a_stray_width_of_experts_is_not_believed) {
  for (FakeModel m : {mixtral(), olmoe(), minimax_m2()}) {
    m.config["moe_intermediate_size"] = 32;
    const auto model = m.describe_canonical();
    EXPECT_TRUE(model.ok()) << model.status().message();
  }
}

DecoderConfig graph_of(const FakeModel& source) {
  const auto model = source.describe_canonical();
  EXPECT_TRUE(model.ok()) << model.status().message();
  const auto config = decoder_config(*model);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}
const ExpertsSpec& experts_of(const DecoderConfig& config) { return std::get<ExpertsSpec>(config.layers.back().ffn); }

TEST(MixtureFamilies, routers_are_those_of_the_classes) {
  const DecoderConfig mixtral_config = graph_of(mixtral());
  EXPECT_EQ(experts_of(mixtral_config), (ExpertsSpec{.n_experts = 4, .top_k = 2, .expert = {64}, .norm_topk = true}));
  EXPECT_EQ(std::get<AttentionSpec>(mixtral_config.layers[0].mixer).window, 0) << "only where the config names one";
  EXPECT_EQ(experts_of(graph_of(qwen2_moe())),
            (ExpertsSpec{.n_experts = 4, .top_k = 2, .expert = {64}, .norm_topk = false, .shared = SharedExpert{{96}, true}}));
  EXPECT_EQ(experts_of(graph_of(olmoe())), (ExpertsSpec{.n_experts = 4, .top_k = 2, .expert = {64}, .norm_topk = false}));
  EXPECT_EQ(
      experts_of(graph_of(minimax_m2())),
      (ExpertsSpec{.n_experts = 4, .top_k = 2, .expert = {64}, .scoring = Scoring::sigmoid, .norm_topk = true, .correction_bias = true}));
  const DecoderConfig oss = graph_of(gpt_oss());
  EXPECT_EQ(experts_of(oss), (ExpertsSpec{.n_experts = 4,
                                          .top_k = 2,
                                          .expert = {64, Activation::swiglu_oai},
                                          .scoring = Scoring::softmax_of_chosen,
                                          .expert_biases = true}));
  for (const std::size_t l : {std::size_t{0}, std::size_t{1}}) {
    const auto& attention = std::get<AttentionSpec>(oss.layers[l].mixer);
    EXPECT_TRUE(attention.sinks);
    EXPECT_EQ(attention.window, l == 0 ? 16 : 0);
  }
  const DecoderConfig granite = graph_of(granitemoe());
  EXPECT_EQ(experts_of(granite), (ExpertsSpec{.n_experts = 4, .top_k = 2, .expert = {64}, .scoring = Scoring::softmax_of_chosen}));
  EXPECT_EQ(granite.embedding_scale, 12.0f);
  EXPECT_EQ(std::get<AttentionSpec>(granite.layers[0].mixer).scale, 0.1f);
  const DecoderConfig ernie = graph_of(ernie4_5_moe());
  EXPECT_EQ(
      experts_of(ernie),
      (ExpertsSpec{
          .n_experts = 4, .top_k = 2, .expert = {64}, .norm_topk = true, .correction_bias = true, .shared = SharedExpert{{128}, false}}));
  EXPECT_TRUE(std::holds_alternative<MlpSpec>(ernie.layers[0].ffn));
  EXPECT_TRUE(ernie.ropes[0].interleaved);
  const ExpertsSpec of_v3{.n_experts = 4,
                          .top_k = 2,
                          .expert = {64},
                          .scoring = Scoring::sigmoid,
                          .norm_topk = true,
                          .weights_scale = 1.5f,
                          .n_groups = 2,
                          .top_groups = 1,
                          .correction_bias = true,
                          .shared = SharedExpert{{128}, false}};
  const DecoderConfig glm = graph_of(glm4_moe());
  EXPECT_EQ(experts_of(glm), of_v3);
  EXPECT_EQ(experts_of(graph_of(deepseek(3))), of_v3);
  EXPECT_EQ(experts_of(graph_of(dots1())), of_v3);
  ExpertsSpec of_exaone = of_v3;
  of_exaone.weights_scale = 2.5f;
  of_exaone.n_groups = 1;
  const DecoderConfig exaone = graph_of(exaone_moe());
  EXPECT_EQ(experts_of(exaone), of_exaone);
  EXPECT_TRUE(std::holds_alternative<MlpSpec>(exaone.layers[0].ffn)) << "is_moe_layer";
  EXPECT_EQ(std::get<AttentionSpec>(exaone.layers[0].mixer).window, 16);
  EXPECT_EQ(std::get<AttentionSpec>(exaone.layers[1].mixer).rope, kNoRope) << "global layers do not rotate";
  EXPECT_TRUE(std::holds_alternative<MlpSpec>(glm.layers[0].ffn)) << "first_k_dense_replace";
  EXPECT_EQ(glm.ropes[0].dims, 16) << "half of every head";
  ExpertsSpec of_v2 = of_v3;
  of_v2.scoring = Scoring::softmax;
  of_v2.norm_topk = false;
  of_v2.correction_bias = false;
  of_v2.group_score = GroupScore::largest;
  EXPECT_EQ(experts_of(graph_of(deepseek(2))), of_v2);
}

TEST(MixtureFamilies, latent_attention_has_yarns_temperature_in_its_scale) {
  const auto v3 = std::get<LatentSpec>(graph_of(deepseek(3)).layers[0].mixer);
  EXPECT_EQ(v3, (LatentSpec{.n_heads = 4,
                            .q_rank = 96,
                            .kv_rank = 64,
                            .nope_dim = 24,
                            .rope_dim = 16,
                            .value_dim = 32,
                            .scale = static_cast<float>(1 / std::sqrt(40.0))}));
  const auto v2 = std::get<LatentSpec>(graph_of(deepseek(2)).layers[0].mixer);
  const double temperature = 0.1 * std::log(4.0) + 1;
  EXPECT_NEAR(static_cast<double>(v2.scale), temperature * temperature / std::sqrt(40.0), 1e-6);
  EXPECT_EQ(v2.q_rank, 0);
}

TEST(MixtureFamilies, what_the_engine_does_not_compute_is_refused_by_name) {
  struct Refused {
    FakeModel model;
    const char* key;
    json::Value value;
  };
  for (const auto& [model, key, value] : {Refused{olmoe(), "clip_qkv", 8.0}, Refused{deepseek(2), "topk_method", "noaux_tc"},
                                          Refused{deepseek(3), "scoring_func", "softmax"}, Refused{gpt_oss(), "swiglu_limit", 8.0}}) {
    FakeModel changed = model;
    changed.config[key] = value;
    const auto described = changed.describe_canonical();
    ASSERT_TRUE(described.ok()) << described.status().message();
    const Status s = decoder_config(*described).status();
    EXPECT_EQ(s.code(), StatusCode::unsupported) << key;
    EXPECT_NE(s.message().find(key), std::string::npos) << s.message();
  }
  FakeModel groups = deepseek(3);  // three experts cannot be chosen from one group of two
  groups.config["num_experts_per_tok"] = 3;
  const auto described = groups.describe_canonical();
  ASSERT_TRUE(described.ok());
  EXPECT_EQ(decoder_config(*described).status().code(), StatusCode::corrupt);
}

TEST(MixtureFamilies, what_a_class_of_mlx_would_not_open_is_refused_for_it) {
  const auto refusal = [](FakeModel model, const char* key, const json::Value& value) {
    model.config[key] = value;
    const auto described = model.describe();
    EXPECT_TRUE(described.ok()) << described.status().message();
    return described.ok() ? described->refusal : "";
  };
  for (const FakeModel& whole : {mixtral(), qwen2_moe(), olmoe(), minimax_m2(), glm4_moe(), deepseek(2), deepseek(3), gpt_oss(),
                                 granitemoe(), ernie4_5_moe(), dots1(), exaone_moe()})
    EXPECT_EQ(whole.describe()->refusal, "") << whole.config["model_type"];
  EXPECT_NE(refusal(qwen2_moe(), "rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}).find("linear"), std::string::npos);
  EXPECT_NE(refusal(deepseek(2), "rope_scaling", nullptr).find("rope_scaling"), std::string::npos);
  EXPECT_NE(refusal(gpt_oss(), "layer_types", {"full_attention", "full_attention"}).find("both kinds"), std::string::npos);
  FakeModel dense = qwen2_moe();
  dense.config["mlp_only_layers"] = json::Value::array({1});
  std::erase_if(dense.tensors, [](const TensorInfo& t) { return t.name.starts_with("model.layers.1.mlp."); });
  add_mlp(&dense, "model.layers.1.mlp");
  EXPECT_NE(dense.describe()->refusal.find("dense MLP"), std::string::npos);
  FakeModel tied = glm4_moe();
  tied.config["tie_word_embeddings"] = true;
  tied.remove("lm_head.weight");
  EXPECT_NE(tied.describe()->refusal.find("head of its own"), std::string::npos);
}

TEST(MixtureFamilies, engines_that_want_other_names_are_not_given_ours) {
  for (const FakeModel& model : {mixtral(), minimax_m2(), gpt_oss(), granitemoe()})
    EXPECT_NE(targets::describe_source(model.config, model.tensors, {}, targets::compressed_tensors::vllm())
                  ->refusal.find("names of the experts"),
              std::string::npos);
  for (const int version : {2, 3}) {
    const FakeModel model = deepseek(version);
    EXPECT_NE(
        targets::describe_source(model.config, model.tensors, {}, targets::compressed_tensors::vllm())->refusal.find("latent attention"),
        std::string::npos);
  }
  const FakeModel plain = qwen2_moe();
  EXPECT_EQ(targets::describe_source(plain.config, plain.tensors, {}, targets::compressed_tensors::vllm())->refusal, "");
}

}  // namespace
}  // namespace jang::arch
