// SPDX-License-Identifier: Apache-2.0
// Blocks follow the spec of their own layer: layers of one model that differ in everything, what blocks compute beyond today's families,
// and what they refuse.
#include "arch/layer_spec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "tiny_decoder.h"

namespace jang::model {
namespace {

using namespace testing;

TEST(LayerSpec, every_layer_equals_a_model_of_that_layer_alone_bit_for_bit) {
  const SpecModel model(varied_config());
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  const auto first = tokens(70), then = tokens(5, 9);
  std::vector<HostDecoder> alone;
  std::vector<Sequence> sequences;
  for (int l = 0; l < 4; ++l) {
    auto one = model.layer_alone(l);
    ASSERT_TRUE(one.ok()) << one.status().message();
    alone.push_back(std::move(one).value());
    sequences.push_back(alone.back().sequence());
  }
  Sequence together = d->sequence();
  for (const auto& ids : {first, then}) {
    std::vector<float> x(ids.size() * 128);
    ASSERT_TRUE(d->embed(ids, x.data()).ok());
    for (std::size_t l = 0; l < alone.size(); ++l) {
      const BatchItem item{&sequences[l], static_cast<std::int64_t>(ids.size())};
      ASSERT_TRUE(alone[l].layers({&item, 1}, 0, 1, x.data()).ok());
      sequences[l].advance(item.n_tokens);
    }
    const auto found = run(*d, together, ids);
    EXPECT_EQ(found, x);
    for (const float v : head(*d, found)) ASSERT_TRUE(std::isfinite(v));
  }
}

TEST(LayerSpec, mixed_batches_equal_each_sequence_alone_bit_for_bit) {
  const SpecModel model(varied_config());
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  expect_each_sequence_as_alone(d.value());
}

TEST(LayerSpec, the_reference_device_agrees) {
  const SpecModel model(varied_config());
  auto d = model.decoder(), ref = model.decoder(kernels::open_device("ref", nullptr));
  ASSERT_TRUE(d.ok() && ref.ok()) << ref.status().message();
  const auto ids = tokens(40);
  Sequence s = d->sequence(), r = ref->sequence();
  EXPECT_LT(difference(head(*ref, run(*ref, r, ids)), head(*d, run(*d, s, ids))), 5e-5);
}

TEST(LayerSpec, a_token_reads_the_experts_it_chooses) {
  const SpecModel model(varied_config());
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  std::int64_t values = 128;  // one row of the embedding
  for (const auto& [module, views] : model.weights().matrices) {
    const std::int64_t active = module.find(".experts.") == std::string::npos ? 1 : views.size() == 4 ? 2 : 1;
    if (module != "model.embed_tokens") values += active * views.front().n_rows * views.front().n_cols;
  }
  EXPECT_EQ(d->bytes_per_token(), 4 * values);
}

// One layer of attention and experts.
arch::DecoderConfig one_mixture(const std::function<void(arch::ExpertsSpec*)>& edit = {}) {
  arch::DecoderConfig c = varied_config();
  arch::LayerSpec layer = c.layers[0];
  arch::ExpertsSpec experts{.n_experts = 4, .top_k = 2, .expert = {64}, .shared = arch::SharedExpert{{48}, false}};
  if (edit) edit(&experts);
  layer.ffn = experts;
  c.layers = {layer};
  return c;
}

std::vector<float> logits_of(const SpecModel& model) {
  auto d = model.decoder();
  EXPECT_TRUE(d.ok()) << d.status().message();
  Sequence s = d->sequence();
  return head(*d, run(*d, s, tokens(30)));
}

// A gate of zero weights is one half, and twice its expert makes up for it without rounding.
TEST(LayerSpec, a_shared_expert_without_gate_is_added_as_it_is) {
  SpecModel bare(one_mixture());
  SpecModel gated(one_mixture([](auto* e) { e->shared->gated = true; }));
  const std::string router = "model.layers.0.mlp.shared_expert_gate", down = "model.layers.0.mlp.shared_expert.down_proj";
  const std::vector<float> zeros(128, 0.0f);
  const kernels::MatrixView gate = gated.weights().matrices.at(router).front();
  gated.weights() = bare.weights();
  for (const char* map : {"gate_proj", "up_proj", "down_proj"}) {  // without a gate they are called experts
    auto moved = gated.weights().matrices.extract(std::string("model.layers.0.mlp.shared_experts.") + map);
    moved.key() = std::string("model.layers.0.mlp.shared_expert.") + map;
    gated.weights().matrices.insert(std::move(moved));
  }
  gated.weights().matrices[router] = {gate};
  gated.weights().matrices[router].front().data = reinterpret_cast<const std::byte*>(zeros.data());
  std::vector<float> doubled(128 * 48);
  std::memcpy(doubled.data(), gated.weights().matrices.at(down).front().data, doubled.size() * sizeof(float));
  for (float& v : doubled) v *= 2;
  gated.weights().matrices[down].front().data = reinterpret_cast<const std::byte*>(doubled.data());
  const auto expected = logits_of(gated);
  EXPECT_EQ(logits_of(bare), expected);
  EXPECT_NE(logits_of(SpecModel(one_mixture([](auto* e) { e->shared.reset(); }))), expected);
}

TEST(LayerSpec, softmax_of_the_chosen_is_softmax_divided_by_the_sum_of_the_chosen) {
  const auto scored = [](arch::Scoring scoring, bool norm_topk) {
    return logits_of(SpecModel(one_mixture([&](auto* e) {
      e->scoring = scoring;
      e->norm_topk = norm_topk;
    })));
  };
  using enum arch::Scoring;
  EXPECT_EQ(scored(softmax_of_chosen, false), scored(softmax, true));
  EXPECT_NE(scored(softmax_of_chosen, false), scored(softmax, false));
}

// One layer of latent attention with heads of three sizes.
arch::DecoderConfig one_latent(bool interleaved) {
  arch::DecoderConfig c = varied_config();
  const arch::RopeDefaults defaults{.theta = 300.0};
  c.ropes = {arch::read_rope(nullptr, json::Value::object(), "rope_theta", 8, defaults).value()};
  c.layers = {{arch::LatentSpec{.n_heads = 3,
                                .q_rank = 0,
                                .kv_rank = 40,
                                .nope_dim = 12,
                                .rope_dim = 8,
                                .value_dim = 20,
                                .scale = 0.3f,
                                .interleaved = interleaved},
               arch::MlpSpec{64}, arch::Norms::before}};
  return c;
}

// Rows of the rotated parts in the other order: 0, 2, 4, 6, 1, 3, 5, 7 of every head's, and of the one key's.
TEST(LayerSpec, neighbours_as_pairs_are_halves_of_reordered_rows) {
  const SpecModel pairs(one_latent(true));
  SpecModel halves(one_latent(false));
  halves.weights() = pairs.weights();
  std::map<std::string, std::vector<float>> reordered;
  for (const auto& [name, n_blocks, before] : {std::tuple{"q_proj", 3, 12}, {"kv_a_proj_with_mqa", 1, 40}}) {
    kernels::MatrixView& view = halves.weights().matrices.at(std::string("model.layers.0.self_attn.") + name).front();
    const auto* from = reinterpret_cast<const float*>(view.data);
    std::vector<float>& to = reordered[name];
    for (int block = 0; block < n_blocks; ++block)
      for (int row = 0; row < before + 8; ++row) {
        const int r = row - before;
        const int source = block * (before + 8) + (r < 0 ? row : before + (r < 4 ? 2 * r : 2 * (r - 4) + 1));
        to.insert(to.end(), from + source * 128, from + (source + 1) * 128);
      }
    view.data = reinterpret_cast<const std::byte*>(to.data());
  }
  const auto expected = logits_of(pairs);
  EXPECT_EQ(logits_of(halves), expected);
  SpecModel other(one_latent(false));
  other.weights() = pairs.weights();
  EXPECT_NE(logits_of(other), expected);
}

// The formula of arch::LatentSpec by hand, for the first token, which sees only itself: the output is its values.
TEST(LayerSpec, a_first_token_of_latent_attention_gets_its_own_values) {
  arch::DecoderConfig c = one_latent(true);
  const SpecModel model(c);
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  const std::int32_t id = 5;
  std::vector<float> x(128), expected(128);
  ASSERT_TRUE(d->embed({&id, 1}, x.data()).ok());
  const auto values = [&](const std::string& name) {
    return reinterpret_cast<const float*>(model.weights().matrices.at("model.layers.0.self_attn." + name).front().data);
  };
  const auto norm = [](std::vector<double> v, const std::vector<float>& gain) {
    double sum = 0;
    for (const double value : v) sum += value * value;
    for (std::size_t i = 0; i < v.size(); ++i) v[i] *= static_cast<double>(gain[i]) / std::sqrt(sum / static_cast<double>(v.size()) + 1e-6);
    return v;
  };
  const auto map = [](const float* w, std::size_t rows, const std::vector<double>& in) {
    std::vector<double> out(rows);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < in.size(); ++i) out[r] += static_cast<double>(w[r * in.size() + i]) * in[i];
    return out;
  };
  const auto& vectors = model.weights().vectors;
  const std::vector<double> normed = norm({x.begin(), x.end()}, vectors.at("model.layers.0.input_layernorm.weight"));
  std::vector<double> latent = map(values("kv_a_proj_with_mqa"), 48, normed);
  latent.resize(40);
  latent = norm(latent, vectors.at("model.layers.0.self_attn.kv_a_layernorm.weight"));
  const std::vector<double> kv = map(values("kv_b_proj"), 96, latent);
  std::vector<double> of_heads;
  for (std::ptrdiff_t h = 0; h < 3; ++h) of_heads.insert(of_heads.end(), kv.begin() + h * 32 + 12, kv.begin() + (h + 1) * 32);
  const std::vector<double> out = map(values("o_proj"), 128, of_heads);
  // The MLP is taken out: its down map is zero.
  SpecModel bare(c);
  bare.weights() = model.weights();
  const std::vector<float> zeros(128 * 64, 0.0f);
  bare.weights().matrices.at("model.layers.0.mlp.down_proj").front().data = reinterpret_cast<const std::byte*>(zeros.data());
  auto without = bare.decoder();
  ASSERT_TRUE(without.ok());
  Sequence s = without->sequence();
  for (std::size_t i = 0; i < 128; ++i) expected[i] = static_cast<float>(static_cast<double>(x[i]) + out[i]);
  EXPECT_LT(difference(expected, run(*without, s, {&id, 1})), 1e-5);
}

// One layer of attention whose keys are its values.
arch::DecoderConfig one_without_values() {
  arch::DecoderConfig c = varied_config();
  const arch::AttentionSpec attention{
      .n_heads = 2, .n_kv_heads = 1, .key_dim = 32, .value_dim = 32, .scale = 1, .qk_norm = true, .v_norm = true, .k_is_v = true};
  c.layers = {{attention, arch::MlpSpec{64}, arch::Norms::before}};
  c.layers[0].scaled = true;
  return c;
}

// The first token sees only itself: what attention gives are its values, keys over their root mean square and nothing more. The MLP is
// taken out, and the layer multiplies the sum.
TEST(LayerSpec, keys_that_are_values_are_normalised_without_the_gain_of_keys) {
  SpecModel model(one_without_values());
  const std::vector<float> zeros(128 * 64, 0.0f);
  model.weights().matrices.at("model.layers.0.mlp.down_proj").front().data = reinterpret_cast<const std::byte*>(zeros.data());
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  const std::int32_t id = 5;
  std::vector<float> x(128), expected(128);
  ASSERT_TRUE(d->embed({&id, 1}, x.data()).ok());
  const auto over_root = [](std::vector<double> v) {
    double sum = 0;
    for (const double value : v) sum += value * value;
    for (double& value : v) value /= std::sqrt(sum / static_cast<double>(v.size()) + 1e-6);
    return v;
  };
  const auto map = [&](const std::string& name, std::size_t rows, const std::vector<double>& in) {
    const auto* w = reinterpret_cast<const float*>(model.weights().matrices.at("model.layers.0.self_attn." + name).front().data);
    std::vector<double> out(rows);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < in.size(); ++i) out[r] += static_cast<double>(w[r * in.size() + i]) * in[i];
    return out;
  };
  std::vector<double> normed = over_root({x.begin(), x.end()});
  const std::vector<float>& gain = model.weights().vectors.at("model.layers.0.input_layernorm.weight");
  for (std::size_t i = 0; i < 128; ++i) normed[i] *= static_cast<double>(gain[i]);
  const std::vector<double> value = over_root(map("k_proj", 32, normed));
  std::vector<double> values = value;  // both heads read it
  values.insert(values.end(), value.begin(), value.end());
  const std::vector<double> out = map("o_proj", 128, values);
  const auto scalar = static_cast<double>(model.weights().vectors.at("model.layers.0.layer_scalar").front());
  Sequence s = d->sequence();
  for (std::size_t i = 0; i < 128; ++i) expected[i] = static_cast<float>(scalar * (static_cast<double>(x[i]) + out[i]));
  EXPECT_LT(difference(expected, run(*d, s, {&id, 1})), 1e-5);
}

TEST(LayerSpec, an_mlp_beside_experts_wants_norms_around_both_and_no_shared_expert) {
  arch::DecoderConfig c = varied_config();
  arch::LayerSpec layer = c.layers[0];
  const arch::MlpAndExpertsSpec both{.mlp = {64}, .experts = {.n_experts = 4, .top_k = 2, .expert = {32}}};
  layer.ffn = both;
  layer.norms = arch::Norms::around;
  c.layers = {layer};
  EXPECT_TRUE(SpecModel(c).decoder().ok());
  c.layers[0].norms = arch::Norms::before;
  EXPECT_EQ(SpecModel(c).decoder().status().code(), StatusCode::unsupported);
  c.layers[0].norms = arch::Norms::around;
  std::get<arch::MlpAndExpertsSpec>(c.layers[0].ffn).experts.shared = arch::SharedExpert{{48}, false};
  const Status s = SpecModel(c).decoder().status();
  EXPECT_EQ(s.code(), StatusCode::unsupported);
  EXPECT_NE(s.message().find("shared expert"), std::string::npos) << s.message();
}

// An expert of its own biases, chosen alone: another bias of its last map moves the output by that, weighed by one.
TEST(LayerSpec, experts_have_biases_of_their_own) {
  const auto single = [](auto* e) {
    e->top_k = 1;
    e->expert_biases = e->norm_topk = true;
    e->shared.reset();
  };
  SpecModel model(one_mixture(single));
  const std::vector<float> before = logits_of(model);
  std::vector<float>& biases = model.weights().vectors.at("model.layers.0.mlp.experts.down_proj.bias");
  ASSERT_EQ(biases.size(), 4u * 128u);
  std::vector<int> users;  // tokens that an expert's bias moves
  for (std::size_t e = 0; e < 4; ++e) {
    const std::vector<float> kept = biases;
    for (std::size_t i = 0; i < 128; ++i) biases[e * 128 + i] += 1;
    const std::vector<float> after = logits_of(model);
    biases = kept;
    int moved = 0;
    const std::size_t vocab = before.size() / 30;
    for (std::size_t t = 0; t < 30; ++t)
      moved +=
          std::equal(before.begin() + static_cast<std::ptrdiff_t>(t * vocab), before.begin() + static_cast<std::ptrdiff_t>((t + 1) * vocab),
                     after.begin() + static_cast<std::ptrdiff_t>(t * vocab))
              ? 0
              : 1;
    users.push_back(moved);
  }
  EXPECT_EQ(std::accumulate(users.begin(), users.end(), 0), 30) << "one layer, one expert a token";
  EXPECT_GT(std::ranges::count_if(users, [](int n) { return n > 0; }), 1);
  SpecModel bare(one_mixture(single));
  bare.weights().vectors.erase("model.layers.0.mlp.experts.up_proj.bias");
  const Status s = bare.decoder().status();
  EXPECT_EQ(s.code(), StatusCode::corrupt);
  EXPECT_NE(s.message().find("experts.up_proj"), std::string::npos) << s.message();
}

// The layers of a model stand for themselves: bits do not change with the company, in batches or alone.
TEST(LayerSpec, layers_of_one_block_equal_each_sequence_alone_bit_for_bit) {
  const SpecModel model(one_block_layers());
  auto d = model.decoder(), ref = model.decoder(kernels::open_device("ref", nullptr));
  ASSERT_TRUE(d.ok() && ref.ok()) << d.status().message() << ref.status().message();
  expect_each_sequence_as_alone(d.value());
  const auto ids = tokens(40);
  Sequence s = d->sequence(), r = ref->sequence();
  EXPECT_LT(difference(head(*ref, run(*ref, r, ids)), head(*d, run(*d, s, ids))), 5e-5);
}

TEST(LayerSpec, a_state_space_follows_its_limits_and_normalises_by_parts) {
  const auto logits = [](const std::function<void(arch::MambaSpec*)>& edit) {
    arch::DecoderConfig c = one_block_layers();
    edit(&std::get<arch::MambaSpec>(c.layers[0].mixer));
    return logits_of(SpecModel(c));
  };
  const auto plain = logits([](auto*) {});
  EXPECT_EQ(logits([](auto* m) { m->least_step = 1e-9f; }), plain);
  EXPECT_NE(logits([](auto* m) { m->least_step = 1.0f; }), plain);
  EXPECT_NE(logits([](auto* m) { m->most_step = 0.5f; }), plain);
  EXPECT_NE(logits([](auto* m) { m->norm_groups = 1; }), plain);
  EXPECT_NE(logits([](auto* m) { m->eps = 0.1f; }), plain);
}

// One layer of attention of its own, and an MLP.
arch::DecoderConfig one_attention(const std::function<void(arch::AttentionSpec*)>& edit) {
  arch::DecoderConfig c = varied_config();
  c.layers.resize(1);
  edit(&std::get<arch::AttentionSpec>(c.layers[0].mixer));
  return c;
}

std::vector<float> hidden_of(const SpecModel& model, std::span<const std::int32_t> ids) {
  auto d = model.decoder();
  EXPECT_TRUE(d.ok()) << d.status().message();
  if (!d.ok()) return {};
  Sequence s = d->sequence();
  return run(*d, s, ids);
}

TEST(LayerSpec, queries_are_multiplied_by_the_factor_of_their_position) {
  const auto ids = tokens(24);
  const arch::DecoderConfig plain = one_attention([](auto* a) { a->qk_norm = false; });
  const SpecModel scaled(one_attention([](auto* a) {
    a->qk_norm = false;
    a->query_scale = {.slope = 0.5f, .length = 8, .shift = 3};
  }));
  const std::vector<float> found = hidden_of(scaled, ids);
  for (const std::size_t position : {0u, 4u, 5u, 12u, 23u}) {
    const float factor = 1 + 0.5f * std::log(1 + static_cast<float>((position + 3) / 8));
    arch::DecoderConfig by_hand = plain;
    std::get<arch::AttentionSpec>(by_hand.layers[0].mixer).scale *= factor;
    const std::vector<float> expected = hidden_of(SpecModel(by_hand), ids);
    const auto row = [&](const std::vector<float>& x) {
      return std::vector<float>(x.begin() + 128 * position, x.begin() + 128 * (position + 1));
    };
    EXPECT_LT(difference(row(expected), row(found)), 1e-5) << position;
  }
  EXPECT_GT(difference(hidden_of(SpecModel(plain), ids), found), 1e-4) << "it does nothing";
}

TEST(LayerSpec, positions_of_a_chunk_see_nothing_before_it) {
  const auto ids = tokens(150);
  const auto without_rope = [](std::int64_t chunk) {
    return [chunk](arch::AttentionSpec* a) {
      a->rope = arch::kNoRope;
      a->chunk = chunk;
    };
  };
  const SpecModel chunked(one_attention(without_rope(64))), whole(one_attention(without_rope(0)));
  const std::vector<float> found = hidden_of(chunked, ids);
  for (std::size_t begin = 0; begin < ids.size(); begin += 64) {
    const std::size_t n = std::min<std::size_t>(64, ids.size() - begin);
    const std::vector<float> alone = hidden_of(whole, std::span(ids).subspan(begin, n));
    EXPECT_EQ(alone, std::vector<float>(found.begin() + 128 * begin, found.begin() + 128 * (begin + n))) << begin;
  }
  auto d = chunked.decoder();
  Sequence s = d->sequence();
  std::vector<float> in_parts;
  for (const std::int32_t id : ids) {
    const auto step = run(*d, s, {&id, 1});
    in_parts.insert(in_parts.end(), step.begin(), step.end());
  }
  EXPECT_EQ(in_parts, found);
}

TEST(LayerSpec, norms_of_heads_without_weights_multiply_by_one) {
  const auto ids = tokens(20);
  SpecModel ones(one_attention([](auto* a) { a->qk_norm_last = true; }));
  std::vector<float> one(32, 1.0f);
  for (const char* norm : {"q_norm", "k_norm"}) ones.weights().vectors[std::string("model.layers.0.self_attn.") + norm + ".weight"] = one;
  SpecModel plain(one_attention([](auto* a) { a->qk_norm_last = a->qk_norm_plain = true; }));
  plain.weights() = ones.weights();
  for (const char* norm : {"q_norm", "k_norm"}) plain.weights().vectors.erase(std::string("model.layers.0.self_attn.") + norm + ".weight");
  EXPECT_EQ(hidden_of(plain, ids), hidden_of(ones, ids));
}

TEST(LayerSpec, weights_of_what_experts_read_are_not_those_of_what_they_give) {
  const auto ids = tokens(20);
  // A router that knows nothing weighs its one expert by a half: an MLP whose gate and up are halved.
  arch::DecoderConfig c = varied_config();
  c.layers.resize(1);
  c.layers[0].ffn = arch::ExpertsSpec{.n_experts = 1, .top_k = 1, .expert = {64}, .scoring = arch::Scoring::sigmoid, .weighs_inputs = true};
  SpecModel mixture(c);
  std::vector<float> nothing(128, 0.0f);
  mixture.weights().matrices["model.layers.0.mlp.gate"].front().data = reinterpret_cast<const std::byte*>(nothing.data());
  c.layers[0].ffn = arch::MlpSpec{64};
  SpecModel mlp(c);
  std::map<std::string, std::vector<float>> halved;
  for (auto& [module, views] : mlp.weights().matrices) {
    const std::size_t at = module.find("mlp.");
    if (at == std::string::npos) {
      views = mixture.weights().matrices.at(module);
      continue;
    }
    const kernels::MatrixView& from = mixture.weights().matrices.at("model.layers.0.mlp.experts." + module.substr(at + 4)).front();
    const auto* values = reinterpret_cast<const float*>(from.data);
    std::vector<float>& half = halved[module];
    half.assign(values, values + from.n_rows * from.n_cols);
    if (!module.ends_with("down_proj"))
      for (float& v : half) v *= 0.5f;
    views.front().data = reinterpret_cast<const std::byte*>(half.data());
  }
  mlp.weights().vectors = mixture.weights().vectors;
  EXPECT_LT(difference(hidden_of(mlp, ids), hidden_of(mixture, ids)), 1e-6);
}

struct Refusal {
  std::string field;
  std::function<void(arch::AttentionSpec*)> attention;
  std::function<void(arch::ExpertsSpec*)> experts;
};

TEST(LayerSpec, what_no_kernel_computes_is_refused_by_name) {
  const Refusal refusals[] = {
      {"value_dim", [](auto* a) { a->value_dim = 16; }, {}},
      {"whole pages", [](auto* a) { a->chunk = 100; }, {}},
      {"a chunk beside a window", [](auto* a) { a->chunk = 64, a->window = 8; }, {}},
      {"several experts", {}, [](auto* e) { e->weighs_inputs = true; }},
      {"clamp", {}, [](auto* e) { e->expert.clamp = 7; }},
      {"clamp", {}, [](auto* e) { e->shared->mlp.clamp = 7; }},
  };
  for (const Refusal& refusal : refusals) {
    arch::DecoderConfig c = one_mixture(refusal.experts);
    if (refusal.attention) refusal.attention(&std::get<arch::AttentionSpec>(c.layers[0].mixer));
    const Status s = SpecModel(c).decoder().status();
    EXPECT_EQ(s.code(), StatusCode::unsupported) << refusal.field;
    EXPECT_NE(s.message().find(refusal.field), std::string::npos) << s.message();
    EXPECT_NE(s.message().find("model.layers.0."), std::string::npos) << s.message();
  }
  for (const auto& [field, groups, norm_first] : {std::tuple{"a gate behind the norm", 1, true}, {"a gate without a norm", 0, false}}) {
    arch::DecoderConfig c = one_block_layers();
    auto& mixer = std::get<arch::MambaSpec>(c.layers[0].mixer);
    mixer.norm_groups = groups;
    mixer.norm_first = norm_first;
    EXPECT_NE(SpecModel(c).decoder().status().message().find(field), std::string::npos) << field;
  }
  arch::DecoderConfig c = varied_config();
  std::get<arch::MlpSpec>(c.layers[0].ffn).clamp = 7;
  EXPECT_EQ(SpecModel(c).decoder().status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::model
