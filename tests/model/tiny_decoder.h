// SPDX-License-Identifier: Apache-2.0
// Decoders made in memory for the tests: the fake sources of the arch tests with random weights behind them, of every family.
#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../arch/fake_model.h"
#include "../support/test_device.h"
#include "codec/affine.h"
#include "format/targets/targets.h"
#include "model/decoder.h"

namespace jang::model::testing {

// A decoder with its device, for tests that hold hidden states and logits on the host.
class HostDecoder {
 public:
  HostDecoder(std::unique_ptr<kernels::Device> device, Decoder decoder) : device_(std::move(device)), decoder_(std::move(decoder)) {}

  [[nodiscard]] const arch::DecoderConfig& config() const { return decoder_.config(); }
  [[nodiscard]] kernels::Device& device() const { return *device_; }
  [[nodiscard]] const std::vector<std::string>& modules() const { return decoder_.modules(); }
  [[nodiscard]] std::span<const kernels::MatrixView> matrices(std::string_view module) const { return decoder_.matrices(module); }
  [[nodiscard]] Status replace(std::string_view module, std::span<const kernels::MatrixView> views) {
    return decoder_.replace(module, views);
  }
  [[nodiscard]] std::int64_t bytes_per_token() const { return decoder_.bytes_per_token(); }
  [[nodiscard]] Decoder& decoder() { return decoder_; }
  void set_probe(Probe* probe) { decoder_.set_probe(probe); }

  // A new sequence of a pool of that type; sequences of one type share their pool.
  [[nodiscard]] Sequence sequence(kernels::KvType type = kernels::KvType::f32) {
    std::shared_ptr<CachePool>& pool = pools_[type];
    if (pool == nullptr) pool = std::make_shared<CachePool>(*device_, config(), type);
    return Sequence(pool);
  }

  [[nodiscard]] Status embed(std::span<const std::int32_t> ids, float* x) {
    const kernels::Tensor t = room(&hidden_, static_cast<std::int64_t>(ids.size()), config().hidden);
    JANG_TRY(decoder_.embed(ids, t));
    return device_->read(t, x);
  }
  [[nodiscard]] Status layers(std::span<const BatchItem> batch, int begin, int end, float* x) {
    std::int64_t n = 0;
    for (const BatchItem& item : batch) n += item.n_tokens;
    const kernels::Tensor t = room(&hidden_, n, config().hidden);
    JANG_TRY(device_->write(x, t));
    JANG_TRY(decoder_.layers(batch, begin, end, t));
    return device_->read(t, x);
  }
  [[nodiscard]] Status head(const float* x, std::int64_t n, float* logits) {
    const kernels::Tensor t = room(&hidden_, n, config().hidden), out = room(&logits_, n, config().vocab);
    JANG_TRY(device_->write(x, t));
    JANG_TRY(decoder_.head(t, out));
    return device_->read(out, logits);
  }

 private:
  kernels::Tensor room(Array* array, std::int64_t n, std::int64_t columns) {
    EXPECT_TRUE(array->reserve(*device_, n * columns));
    return array->matrix(n, columns);
  }

  std::unique_ptr<kernels::Device> device_;
  Decoder decoder_;
  Array hidden_, logits_;
  std::map<kernels::KvType, std::shared_ptr<CachePool>> pools_;
};

// Owns the values of a model, by module or tensor name.
class TinyModel {
 public:
  explicit TinyModel(const arch::testing::FakeModel& source, unsigned seed = 7) {
    auto result = source.describe_canonical();
    if (!result.ok()) {
      error = result.status().message();
      return;
    }
    described = std::move(result).value();
    std::mt19937 random(seed);
    for (const arch::OutTensor& t : described.tensors) {
      const bool matrix = t.shape.size() >= 2 && t.role != arch::Role::conv && t.name != t.module;
      std::vector<float>& values = values_[matrix ? t.module : t.name];
      std::normal_distribution<float> normal(0.0f, matrix ? 0.1f : 0.2f);
      const bool is_factor = t.role == arch::Role::norm || t.name.ends_with("scale") || t.name.ends_with("layer_scalar");
      // Gemma 4 does not scale scores: its gains do.
      const bool scales_scores = described.family.starts_with("gemma4") && t.name.ends_with("q_norm.weight");
      const float centre = scales_scores ? 0.1f : is_factor ? 1.0f : 0.0f;
      for (std::int64_t i = 0; i < elements(t.shape); ++i) values.push_back(centre + normal(random));
      if (!matrix) weights_.vectors[t.name] = values;
      const std::int64_t n_rows = matrix ? t.shape[t.shape.size() - 2] : 0, n_cols = columns(t.shape);
      for (std::int64_t r = 0; matrix && r < rows(t.shape); r += n_rows) {
        kernels::MatrixView view;
        view.n_rows = n_rows;
        view.n_cols = n_cols;
        view.data = reinterpret_cast<const std::byte*>(values.data() + r * n_cols);
        weights_.matrices[t.module].push_back(view);
      }
    }
  }

  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] Result<HostDecoder> decoder(Result<std::unique_ptr<kernels::Device>> device = jang::test::open_test_device(),
                                            kernels::Precision precision = kernels::Precision::exact) const {
    JANG_TRY(device.status());
    JANG_ASSIGN(Decoder bound, Decoder::create(described, weights_, *device.value(), precision));
    return HostDecoder(std::move(device).value(), std::move(bound));
  }

  std::string error;  // of describe
  arch::Model described;

 private:
  std::map<std::string, std::vector<float>> values_;
  Weights weights_;
};

// A model of a config made by hand: random weights for all that the specs of its layers ask for.
class SpecModel {
 public:
  explicit SpecModel(arch::DecoderConfig config, unsigned seed = 7) : config_(std::move(config)), random_(seed) {
    matrix("model.embed_tokens", config_.vocab, config_.hidden);
    for (int l = 0; l < config_.n_layers(); ++l) {
      const arch::LayerSpec& layer = config_.layers[static_cast<std::size_t>(l)];
      const std::string prefix = prefix_of(l);
      vector(prefix + "input_layernorm.weight", config_.hidden, 1);
      if (layer.norms != arch::Norms::single) vector(prefix + "post_attention_layernorm.weight", config_.hidden, 1);
      for (const char* norm : {"pre_feedforward_layernorm", "post_feedforward_layernorm"})
        if (layer.norms == arch::Norms::around) vector(prefix + norm + ".weight", config_.hidden, 1);
      const auto add = [&](const auto& spec) { this->add(prefix, spec); };
      std::visit(add, layer.mixer);
      std::visit(add, layer.ffn);
      if (layer.scaled) vector(prefix + "layer_scalar", 1, 0.7f);
    }
    vector("model.norm.weight", config_.hidden, 1);
    if (!config_.tied) matrix("lm_head", config_.vocab, config_.hidden);
  }

  [[nodiscard]] const arch::DecoderConfig& config() const { return config_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] Weights& weights() { return weights_; }
  [[nodiscard]] Result<HostDecoder> decoder(Result<std::unique_ptr<kernels::Device>> device = jang::test::open_test_device()) const {
    return decoder(config_, weights_, std::move(device));
  }
  // Of one layer of this model, with its weights.
  [[nodiscard]] Result<HostDecoder> layer_alone(int l) const {
    arch::DecoderConfig config = config_;
    config.layers = {config_.layers[static_cast<std::size_t>(l)]};
    Weights weights;
    const auto take = [&](const auto& from, auto* to) {
      for (const auto& [name, value] : from) {
        if (name.starts_with(prefix_of(l)))
          (*to)[prefix_of(0) + name.substr(prefix_of(l).size())] = value;
        else if (!name.starts_with("model.layers."))
          (*to)[name] = value;
      }
    };
    take(weights_.matrices, &weights.matrices);
    take(weights_.vectors, &weights.vectors);
    return decoder(config, weights, jang::test::open_test_device());
  }

 private:
  static std::string prefix_of(int l) { return "model.layers." + std::to_string(l) + "."; }
  static Result<HostDecoder> decoder(const arch::DecoderConfig& config, const Weights& weights,
                                     Result<std::unique_ptr<kernels::Device>> device) {
    JANG_TRY(device.status());
    JANG_ASSIGN(Decoder bound, Decoder::create(config, weights, *device.value(), kernels::Precision::exact));
    return HostDecoder(std::move(device).value(), std::move(bound));
  }

  std::vector<float> normal(std::int64_t n, float centre, float spread) {
    std::normal_distribution<float> values(centre, spread);
    std::vector<float> made(static_cast<std::size_t>(n));
    for (float& v : made) v = values(random_);
    return made;
  }
  void vector(const std::string& name, std::int64_t n, float centre) { weights_.vectors[name] = normal(n, centre, 0.2f); }
  void matrix(const std::string& module, std::int64_t n_rows, std::int64_t n_cols, std::int64_t n = 1) {
    const std::vector<float>& values = values_[module] = normal(n * n_rows * n_cols, 0, 0.1f);
    for (std::int64_t i = 0; i < n; ++i) {
      kernels::MatrixView view;
      view.n_rows = n_rows;
      view.n_cols = n_cols;
      view.data = reinterpret_cast<const std::byte*>(values.data() + i * n_rows * n_cols);
      weights_.matrices[module].push_back(view);
    }
  }

  void add(const std::string& prefix, const arch::AttentionSpec& s) {
    const std::string at = prefix + "self_attn.";
    matrix(at + "q_proj", s.gated ? s.q_size() + s.out_size() : s.q_size(), config_.hidden);
    matrix(at + "k_proj", s.k_size(), config_.hidden);
    if (!s.k_is_v) matrix(at + "v_proj", s.v_size(), config_.hidden);
    matrix(at + "o_proj", config_.hidden, s.out_size());
    if (s.sinks) vector(at + "sinks", s.n_heads, 0);
    if (!s.qk_norm || s.qk_norm_plain) return;
    vector(at + "q_norm.weight", s.qk_norm_of_rows ? s.q_size() : s.key_dim, 1);
    vector(at + "k_norm.weight", s.qk_norm_of_rows ? s.k_size() : s.key_dim, 1);
  }
  void add(const std::string& prefix, const arch::DeltaSpec& s) {
    const std::string at = prefix + "linear_attn.";
    if (s.interleaved) {
      matrix(at + "in_proj_qkvz", s.conv_channels() + s.v_size(), config_.hidden);
      matrix(at + "in_proj_ba", 2 * s.value_heads, config_.hidden);
    } else {
      matrix(at + "in_proj_qkv", s.conv_channels(), config_.hidden);
      matrix(at + "in_proj_z", s.v_size(), config_.hidden);
      matrix(at + "in_proj_b", s.value_heads, config_.hidden);
      matrix(at + "in_proj_a", s.value_heads, config_.hidden);
    }
    matrix(at + "out_proj", config_.hidden, s.v_size());
    vector(at + "conv1d.weight", s.conv_channels() * s.conv_kernel, 0);
    vector(at + "A_log", s.value_heads, 0);
    vector(at + "dt_bias", s.value_heads, 0);
    vector(at + "norm.weight", s.value_dim, 1);
  }
  void add(const std::string& prefix, const arch::LatentSpec& s) {
    const std::string at = prefix + "self_attn.";
    if (s.q_rank == 0) matrix(at + "q_proj", s.q_size(), config_.hidden);
    if (s.q_rank > 0) {
      matrix(at + "q_a_proj", s.q_rank, config_.hidden);
      matrix(at + "q_b_proj", s.q_size(), s.q_rank);
      vector(at + "q_a_layernorm.weight", s.q_rank, 1);
    }
    matrix(at + "kv_a_proj_with_mqa", s.row(), config_.hidden);
    vector(at + "kv_a_layernorm.weight", s.kv_rank, 1);
    matrix(at + "kv_b_proj", s.kv_size(), s.kv_rank);
    matrix(at + "o_proj", config_.hidden, s.out_size());
  }
  void add(const std::string& prefix, const arch::ShortConvSpec& s) {
    const std::string at = prefix + "conv.";
    matrix(at + "in_proj", 3 * s.channels, config_.hidden);
    matrix(at + "out_proj", config_.hidden, s.channels);
    vector(at + "conv.weight", s.channels * s.kernel, 0);
  }
  void add(const std::string& prefix, const arch::MambaSpec& s) {
    const std::string at = prefix + "mamba.";
    matrix(at + "in_proj", s.in_size(), config_.hidden);
    matrix(at + "out_proj", config_.hidden, s.inner());
    vector(at + "conv1d.weight", s.conv_channels() * s.conv_kernel, 0);
    vector(at + "conv1d.bias", s.conv_channels(), 0);
    for (const char* of_heads : {"A_log", "dt_bias", "D"}) vector(at + of_heads, s.heads, 0);
    if (s.norm_groups > 0) vector(at + "gated_norm.weight", s.inner(), 1);
  }
  void add(const std::string&, const arch::NoMixer&) {}
  void add(const std::string&, const arch::NoFfn&) {}
  void add_mlp(const std::string& at, std::int64_t ffn, std::int64_t n = 1, bool gated = true) {
    if (gated) matrix(at + "gate_proj", ffn, config_.hidden, n);
    matrix(at + "up_proj", ffn, config_.hidden, n);
    matrix(at + "down_proj", config_.hidden, ffn, n);
  }
  void add(const std::string& prefix, const arch::MlpSpec& s) { add_mlp(prefix + "mlp.", s.ffn, 1, s.gated); }
  void add(const std::string& prefix, const arch::MlpAndExpertsSpec& s) {
    add(prefix, s.mlp);
    add(prefix, s.experts);
    vector(prefix + "mlp.gate.scale", config_.hidden, 1);
    vector(prefix + "mlp.gate.per_expert_scale", s.experts.n_experts, 1);
    for (const char* norm : {"post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"})
      vector(prefix + norm + ".weight", config_.hidden, 1);
  }
  void add(const std::string& prefix, const arch::ExpertsSpec& s) {
    matrix(prefix + "mlp.gate", s.n_experts, config_.hidden);
    if (s.correction_bias) vector(prefix + "mlp.gate.e_score_correction_bias", s.n_experts, 0);
    add_mlp(prefix + "mlp.experts.", s.expert.ffn, s.n_experts, s.expert.gated);
    for (const auto& [map, n_rows] : {std::pair{"gate_proj", s.expert.ffn}, {"up_proj", s.expert.ffn}, {"down_proj", config_.hidden}})
      if (s.expert_biases) vector(prefix + "mlp.experts." + map + ".bias", s.n_experts * n_rows, 0);
    if (!s.shared) return;
    if (s.shared->gated) matrix(prefix + "mlp.shared_expert_gate", 1, config_.hidden);
    add_mlp(prefix + "mlp." + s.shared->name() + ".", s.shared->mlp.ffn, 1, s.shared->mlp.gated);
  }

  arch::DecoderConfig config_;
  std::mt19937 random_;
  std::map<std::string, std::vector<float>> values_;
  Weights weights_;
};

// Four layers of which no two have a number in common: heads, widths, windows, RoPEs, kinds of block and of norms.
inline arch::DecoderConfig varied_config() {
  using enum arch::Activation;
  arch::DecoderConfig c;
  c.family = "varied";
  c.hidden = 128;
  c.vocab = 512;
  c.norm = {1e-6f, 0};
  for (const auto& [theta, dims] : {std::pair{1e4, 32}, {500.0, 8}}) {
    const arch::RopeDefaults defaults{.theta = theta};
    c.ropes.push_back(arch::read_rope(nullptr, json::Value::object(), "rope_theta", dims, defaults).value());
  }
  const arch::AttentionSpec narrow{
      .n_heads = 4, .n_kv_heads = 2, .key_dim = 32, .value_dim = 32, .scale = 0.18f, .softcap = 0, .qk_norm = true};
  const arch::AttentionSpec gated{.n_heads = 9,
                                  .n_kv_heads = 3,
                                  .key_dim = 16,
                                  .value_dim = 16,
                                  .scale = 0.25f,
                                  .softcap = 20,
                                  .qk_norm = false,
                                  .gated = true,
                                  .sinks = false,
                                  .window = 8,
                                  .rope = 1};
  const arch::ExpertsSpec experts{.n_experts = 4,
                                  .top_k = 2,
                                  .expert = {64, gelu_tanh},
                                  .scoring = arch::Scoring::softmax_of_chosen,
                                  .shared = arch::SharedExpert{{48, silu}, false}};
  c.layers = {{narrow, arch::MlpSpec{256, silu}, arch::Norms::before},
              {gated, experts, arch::Norms::around},
              {arch::DeltaSpec{2, 4, 32, 16, 4, false}, arch::MlpSpec{96, gelu_tanh}, arch::Norms::before},
              {arch::DeltaSpec{1, 2, 16, 32, 3, true},
               arch::ExpertsSpec{.n_experts = 3, .top_k = 1, .expert = {32, silu}, .shared = arch::SharedExpert{{32, gelu_tanh}, true}},
               arch::Norms::around}};
  return c;
}

// Layers of one block each, as Nemotron-H has them, and one of two; experts and an MLP without gates.
inline arch::DecoderConfig one_block_layers() {
  using enum arch::Activation;
  arch::DecoderConfig c = varied_config();
  const arch::MambaSpec wide{.heads = 6, .head_dim = 20, .groups = 2, .state_dim = 12, .conv_kernel = 4, .norm_groups = 2};
  const arch::MambaSpec narrow{
      .heads = 2, .head_dim = 40, .groups = 1, .state_dim = 33, .conv_kernel = 3, .eps = 1e-3f, .least_step = 0.4f, .most_step = 1.2f};
  const arch::ExpertsSpec experts{
      .n_experts = 3, .top_k = 3, .expert = {48, relu2, false}, .shared = arch::SharedExpert{{40, relu2, false}, false}};
  arch::AttentionSpec attention = std::get<arch::AttentionSpec>(c.layers[0].mixer);
  attention.rope = arch::kNoRope;
  c.layers = {{wide, arch::NoFfn{}, arch::Norms::single},
              {arch::NoMixer{}, arch::MlpSpec{96, relu2, false}, arch::Norms::single},
              {attention, arch::NoFfn{}, arch::Norms::single},
              {arch::NoMixer{}, experts, arch::Norms::single},
              {narrow, arch::MlpSpec{64, silu}, arch::Norms::before}};
  return c;
}

// A matrix in MLX affine codes, owning them.
struct PackedMatrix {
  std::vector<std::uint32_t> words;
  std::vector<float> scales, biases;
  kernels::MatrixView view;

  PackedMatrix(std::int64_t n_rows, std::int64_t n_cols, int bits, int group, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(n_rows * n_cols));
    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(random() % (1u << bits));
    words.resize(static_cast<std::size_t>(n_rows * codec::words_per_row(n_cols, bits)));
    codec::pack(codes, bits, words.data());
    const float step = 0.4f / static_cast<float>((1 << bits) - 1);
    scales.assign(static_cast<std::size_t>(n_rows * n_cols / group), step);
    biases.assign(scales.size(), -0.2f);
    view.format = {DType::u32, bits, group, DType::f32};
    view.n_rows = n_rows;
    view.n_cols = n_cols;
    view.data = reinterpret_cast<const std::byte*>(words.data());
    view.scales = reinterpret_cast<const std::byte*>(scales.data());
    view.biases = reinterpret_cast<const std::byte*>(biases.data());
  }
};

// All experts are chosen, but for Llama 4 which chooses one: another choice would be a step, and no slope or bound of errors tells of it.
// Gemma's head with a cap, which bends.
inline arch::testing::FakeModel made_smooth(arch::testing::FakeModel model) {
  if (model.config["model_type"] == "gemma3_text") model.config["final_logit_softcapping"] = 2.0;
  if (model.config["model_type"] == "llama4") return model;
  for (json::Value* config : {&model.config, model.config.contains("text_config") ? &model.config["text_config"] : nullptr}) {
    for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"})
      if (config != nullptr && config->contains(key)) (*config)["num_experts_per_tok"] = (*config)[key];
    if (config != nullptr && config->contains("n_group")) (*config)["topk_group"] = (*config)["n_group"];
  }
  return model;
}

inline std::vector<std::int32_t> tokens(std::size_t n, unsigned seed = 3, int vocab = 512) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(n);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab));
  return ids;
}

// Runs ids of one sequence through all layers; returns their hidden states and advances.
inline std::vector<float> run(HostDecoder& decoder, Sequence& sequence, std::span<const std::int32_t> ids) {
  std::vector<float> x(ids.size() * static_cast<std::size_t>(decoder.config().hidden));
  EXPECT_TRUE(decoder.embed(ids, x.data()).ok());
  const BatchItem item{&sequence, static_cast<std::int64_t>(ids.size())};
  const Status s = decoder.layers({&item, 1}, 0, decoder.config().n_layers(), x.data());
  EXPECT_TRUE(s.ok()) << s.message();
  sequence.advance(item.n_tokens);
  return x;
}

inline std::vector<float> head(HostDecoder& decoder, const std::vector<float>& x) {
  const std::int64_t n = static_cast<std::int64_t>(x.size()) / decoder.config().hidden;
  std::vector<float> logits(static_cast<std::size_t>(n * decoder.config().vocab));
  EXPECT_TRUE(decoder.head(x.data(), n, logits.data()).ok());
  return logits;
}

// Every step is one token of several sequences, as a server decodes: bits equal those of each sequence alone.
inline void expect_each_sequence_as_alone(HostDecoder& d) {
  const auto hidden = static_cast<std::size_t>(d.config().hidden);
  const std::vector<std::vector<std::int32_t>> prompts = {tokens(70, 1), tokens(3, 2), tokens(130, 3)};
  constexpr int kSteps = 5;
  std::vector<std::vector<float>> expected;  // rows of the steps, by sequence
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Sequence s = d.sequence();
    (void)run(d, s, prompts[i]);
    std::vector<float> rows;
    for (const std::int32_t id : tokens(kSteps, 10 + static_cast<unsigned>(i))) {
      const auto row = run(d, s, {&id, 1});
      rows.insert(rows.end(), row.begin(), row.end());
    }
    expected.push_back(rows);
  }
  std::vector<Sequence> together;
  for (const auto& prompt : prompts) {
    together.push_back(d.sequence());
    (void)run(d, together.back(), prompt);
  }
  for (int step = 0; step < kSteps; ++step) {
    std::vector<std::int32_t> ids;
    std::vector<BatchItem> batch;
    for (std::size_t i = 0; i < together.size(); ++i) {
      ids.push_back(tokens(kSteps, 10 + static_cast<unsigned>(i))[static_cast<std::size_t>(step)]);
      batch.push_back({&together[i], 1});
    }
    std::vector<float> x(ids.size() * hidden);
    ASSERT_TRUE(d.embed(ids, x.data()).ok());
    ASSERT_TRUE(d.layers(batch, 0, d.config().n_layers(), x.data()).ok());
    for (std::size_t i = 0; i < together.size(); ++i) {
      together[i].advance(1);
      const auto at = expected[i].begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(step) * hidden);
      EXPECT_TRUE(std::equal(at, at + static_cast<std::ptrdiff_t>(hidden), x.begin() + static_cast<std::ptrdiff_t>(i * hidden)))
          << "sequence " << i << " step " << step;
    }
  }
}

// Largest difference of `b` from `a`, relative to the largest value of `a`.
inline double difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 1e9;
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == a[i]) || !(b[i] == b[i])) return 1e9;
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest > 0 ? worst / largest : 1e9;
}

}  // namespace jang::model::testing
