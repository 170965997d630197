// SPDX-License-Identifier: Apache-2.0
// Blocks follow the spec of their own layer: layers of one model that differ in everything, what blocks compute beyond today's families,
// and what they refuse.
#include "arch/layer_spec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

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

struct Refusal {
  std::string field;
  std::function<void(arch::AttentionSpec*)> attention;
  std::function<void(arch::ExpertsSpec*)> experts;
};

TEST(LayerSpec, what_no_kernel_computes_is_refused_by_name) {
  const Refusal refusals[] = {
      {"sinks", [](auto* a) { a->sinks = true; }, {}},
      {"value_dim", [](auto* a) { a->value_dim = 16; }, {}},
      {"expert_biases", {}, [](auto* e) { e->expert_biases = true; }},
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
  arch::DecoderConfig c = varied_config();
  std::get<arch::MlpSpec>(c.layers[0].ffn).clamp = 7;
  EXPECT_EQ(SpecModel(c).decoder().status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::model
