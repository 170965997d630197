// SPDX-License-Identifier: Apache-2.0
// The decoder on random models of every family: however tokens are cut into forwards, batches and threads, the result is the same; what is
// replaced, probed or refused. Equality with other programs is the oracle tests' (tests/oracle/check_logits.py).
#include "model/decoder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tiny_decoder.h"

namespace jang::model {
namespace {

using namespace testing;
using arch::testing::all_models;
using arch::testing::NamedModel;

// Relative to the largest logit: sums of a few hundred float32 terms in another order differ by some ten roundings of 2^-24 each, a layer
// has about ten such maps behind each other, norms and softmax enlarge a difference by a few, and recurrent states carry it on.
constexpr double kTolerance = 2e-5;

class EveryDecoder : public ::testing::TestWithParam<NamedModel> {
 protected:
  EveryDecoder() : model_(GetParam().model) {}
  HostDecoder decoder(ThreadPool* pool = nullptr) const {
    auto d = model_.decoder(jang::test::open_test_device(pool));
    EXPECT_TRUE(d.ok()) << model_.error << d.status().message();
    return std::move(d).value();
  }
  static Sequence sequence(HostDecoder& d) { return d.sequence(); }
  Result<Decoder> create(const Weights& weights) { return Decoder::create(model_.described, weights, *device_, kernels::Precision::exact); }
  TinyModel model_;
  std::unique_ptr<kernels::Device> device_ = jang::test::open_test_device().value();
};
INSTANTIATE_TEST_SUITE_P(Decoder, EveryDecoder, ::testing::ValuesIn(all_models()), [](const auto& p) { return p.param.name; });

TEST_P(EveryDecoder, prefill_equals_token_by_token) {
  HostDecoder d = decoder();
  const auto ids = tokens(21);
  Sequence whole = sequence(d), single = sequence(d);
  const std::vector<float> expected = head(d, run(d, whole, ids));
  std::vector<float> x;
  for (const std::int32_t id : ids) {
    const auto step = run(d, single, {&id, 1});
    x.insert(x.end(), step.begin(), step.end());
  }
  EXPECT_EQ(single.length(), 21);
  EXPECT_LT(difference(expected, head(d, x)), kTolerance);
}

TEST_P(EveryDecoder, chunked_prefill_equals_whole_across_every_block_size) {
  HostDecoder d = decoder();
  const auto ids = tokens(600);  // over the blocks of queries, of convolutions and of MLP tokens
  Sequence whole = sequence(d), chunked = sequence(d);
  const std::vector<float> expected = run(d, whole, ids);
  std::vector<float> x;
  for (std::size_t at = 0; at < ids.size();) {
    const std::size_t n = std::min(ids.size() - at, std::size_t{1} + at % 150);
    const auto part = run(d, chunked, std::span(ids).subspan(at, n));
    x.insert(x.end(), part.begin(), part.end());
    at += n;
  }
  EXPECT_LT(difference(expected, x), 10 * kTolerance);
}

TEST_P(EveryDecoder, batched_equals_alone) {
  HostDecoder d = decoder();
  const auto a = tokens(9, 1), b = tokens(1, 2), c = tokens(14, 3);
  const auto before = tokens(5, 4);
  Sequence alone_a = sequence(d), alone_b = sequence(d), alone_c = sequence(d);
  (void)run(d, alone_b, before);
  std::vector<float> expected = run(d, alone_a, a);
  for (const auto& part : {run(d, alone_b, b), run(d, alone_c, c)}) expected.insert(expected.end(), part.begin(), part.end());

  Sequence sa = sequence(d), sb = sequence(d), sc = sequence(d);
  (void)run(d, sb, before);
  std::vector<std::int32_t> ids = a;
  ids.insert(ids.end(), b.begin(), b.end());
  ids.insert(ids.end(), c.begin(), c.end());
  std::vector<float> x(expected.size());
  ASSERT_TRUE(d.embed(ids, x.data()).ok());
  const BatchItem batch[] = {{&sa, 9}, {&sb, 1}, {&sc, 14}};
  ASSERT_TRUE(d.layers(batch, 0, d.config().n_layers(), x.data()).ok());
  EXPECT_LT(difference(expected, x), kTolerance);
}

// Every step is one token of several sequences, as a server decodes: bits equal those of each sequence alone.
TEST_P(EveryDecoder, mixed_batches_equal_each_sequence_alone_bit_for_bit) {
  HostDecoder d = decoder();
  expect_each_sequence_as_alone(d);
}

// Clones share the pages of their prefix; each goes on as if it had read the prefix itself.
TEST_P(EveryDecoder, shared_prefixes_equal_separate_sequences_bit_for_bit) {
  HostDecoder d = decoder();
  for (const std::size_t prefix : {1u, 63u, 64u, 65u, 200u}) {
    const auto common = tokens(prefix, 5);
    Sequence base = sequence(d);
    (void)run(d, base, common);
    const std::int64_t before = base.pool().pages_in_use();
    std::vector<Sequence> clones;
    for (int i = 0; i < 3; ++i) clones.push_back(base.clone());
    EXPECT_EQ(base.pool().pages_in_use(), before) << "clones share";
    for (unsigned i = 0; i < clones.size(); ++i) {
      const auto rest = tokens(70, 20 + i);
      Sequence alone = sequence(d);
      (void)run(d, alone, common);
      EXPECT_EQ(run(d, clones[i], rest), run(d, alone, rest)) << prefix << " clone " << i;
    }
    EXPECT_EQ(run(d, base, tokens(3, 9)), [&] {
      Sequence alone = sequence(d);
      (void)run(d, alone, common);
      return run(d, alone, tokens(3, 9));
    }()) << "the original after its clones wrote";
  }
}

TEST_P(EveryDecoder, threads_do_not_change_a_bit) {
  ThreadPool pool(3);
  HostDecoder one = decoder(), three = decoder(&pool);
  const auto ids = tokens(300);
  Sequence s1 = sequence(one), s3 = sequence(three);
  const auto x1 = run(one, s1, ids), x3 = run(three, s3, ids);
  EXPECT_EQ(x1, x3);
  EXPECT_EQ(run(one, s1, tokens(1)), run(three, s3, tokens(1)));
  EXPECT_EQ(head(one, x1), head(three, x3));
}

TEST_P(EveryDecoder, layers_run_in_pieces) {
  HostDecoder d = decoder();
  const auto ids = tokens(12);
  Sequence whole = sequence(d), pieces = sequence(d);
  const std::vector<float> expected = run(d, whole, ids);
  std::vector<float> x(expected.size());
  ASSERT_TRUE(d.embed(ids, x.data()).ok());
  const BatchItem item{&pieces, 12};
  if (!d.config().layers_stand_alone()) {
    const Status s = d.layers({&item, 1}, 0, 1, x.data());
    EXPECT_EQ(s.code(), StatusCode::unsupported);
    EXPECT_NE(s.message().find(d.config().family), std::string::npos) << s.message();
    const BatchItem shorter{&pieces, 11};
    EXPECT_EQ(d.layers({&shorter, 1}, 0, d.config().n_layers(), x.data()).code(), StatusCode::invalid_argument);
    return;
  }
  for (int l = 0; l < d.config().n_layers(); ++l) ASSERT_TRUE(d.layers({&item, 1}, l, l + 1, x.data()).ok());
  pieces.advance(12);
  EXPECT_EQ(expected, x);
  EXPECT_EQ(run(d, whole, ids), run(d, pieces, ids));
}

TEST_P(EveryDecoder, truncate_forgets_and_clone_goes_its_own_way) {
  HostDecoder d = decoder();
  const auto ids = tokens(20), other = tokens(7, 99);
  Sequence s = sequence(d);
  (void)run(d, s, ids);
  Sequence copy = s.clone();
  EXPECT_EQ(copy.length(), 20);
  const auto expected = run(d, s, other);
  (void)run(d, s, ids);
  EXPECT_EQ(run(d, copy, other), expected);

  EXPECT_FALSE(s.truncate(48));
  EXPECT_FALSE(s.truncate(-1));
  const bool can_go_back = s.truncate(20);
  const auto& layers = d.config().layers;
  EXPECT_EQ(can_go_back, std::ranges::none_of(layers, [](const auto& l) {
              return std::holds_alternative<arch::DeltaSpec>(l.mixer) || std::holds_alternative<arch::ShortConvSpec>(l.mixer) ||
                     std::holds_alternative<arch::MambaSpec>(l.mixer);
            }));
  if (can_go_back) {
    EXPECT_EQ(run(d, s, other), expected);
  }
  ASSERT_TRUE(s.truncate(0));
  EXPECT_EQ(s.length(), 0);
  (void)run(d, s, ids);
  EXPECT_EQ(run(d, s, other), expected);
}

TEST_P(EveryDecoder, reference_backend_agrees) {
  auto ref = model_.decoder(kernels::open_device("ref", nullptr));
  ASSERT_TRUE(ref.ok()) << ref.status().message();
  HostDecoder d = decoder();
  const auto ids = tokens(40);
  Sequence s = sequence(d), r = ref->sequence();
  // The reference sums in double, so one side's roundings do not cancel against the other's; and 40 tokens carry them on.
  EXPECT_LT(difference(head(*ref, run(*ref, r, ids)), head(d, run(d, s, ids))), 5e-5);
}

TEST_P(EveryDecoder, cache_types_stay_close) {
  const TinyModel smooth(made_smooth(GetParam().model));
  auto made = smooth.decoder();
  ASSERT_TRUE(made.ok()) << smooth.error << made.status().message();
  HostDecoder d = std::move(made).value();
  if (std::ranges::none_of(d.config().layers, [](const auto& l) {
        return std::holds_alternative<arch::AttentionSpec>(l.mixer) || std::holds_alternative<arch::LatentSpec>(l.mixer);
      }))
    GTEST_SKIP() << "no layer keeps keys and values";
  const auto ids = tokens(40);
  Sequence exact = sequence(d);
  const auto expected = head(d, run(d, exact, ids));
  // A stored value is off by up to 2^-11 of itself in f16, 2^-8 in bf16, 1/254 of the largest of its row in q8. Layers and their norms make
  // up to about twenty times that of it.
  for (const auto& [type, bar] : {std::pair{kernels::KvType::f16, 0.01}, {kernels::KvType::bf16, 0.05}, {kernels::KvType::q8, 0.1}}) {
    Sequence s = d.sequence(type);
    const double error = difference(expected, head(d, run(d, s, ids)));
    EXPECT_LT(error, bar);
    EXPECT_GT(error, 0.0);
    EXPECT_LT(s.bytes(), exact.bytes()) << "bytes of pages";
  }
}

TEST_P(EveryDecoder, modules_are_all_matrices_in_graph_order) {
  HostDecoder d = decoder();
  std::set<std::string> expected, found(d.modules().begin(), d.modules().end());
  for (const auto& [name, views] : model_.weights().matrices) expected.insert(name);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(found.size(), d.modules().size());
  EXPECT_TRUE(d.modules().front().ends_with("embed_tokens"));
  EXPECT_EQ(d.modules().back().ends_with("lm_head"), !d.config().tied);
  for (const std::string& m : d.modules()) EXPECT_EQ(d.matrices(m).size(), model_.weights().matrices.at(m).size());
  EXPECT_TRUE(d.matrices("model.nothing").empty());
  EXPECT_GT(d.bytes_per_token(), 0);
}

TEST_P(EveryDecoder, replace_runs_the_new_matrices_and_gives_back_the_old) {
  HostDecoder d = decoder();
  const auto ids = tokens(6);
  Sequence s = sequence(d);
  const auto original = run(d, s, ids);
  for (const std::string& module : d.modules()) {
    const std::vector<kernels::MatrixView> old(d.matrices(module).begin(), d.matrices(module).end());
    const bool seen_by_layers = module.find("lm_head") == std::string::npos;
    std::vector<PackedMatrix> packed;
    std::vector<kernels::MatrixView> views;
    for (std::size_t i = 0; i < old.size(); ++i) packed.emplace_back(old[i].n_rows, old[i].n_cols, 4, 32, static_cast<unsigned>(i));
    for (const PackedMatrix& p : packed) views.push_back(p.view);
    ASSERT_TRUE(d.replace(module, views).ok()) << module;
    ASSERT_TRUE(s.truncate(0));
    EXPECT_EQ(run(d, s, ids) != original, seen_by_layers) << module;
    ASSERT_TRUE(d.replace(module, old).ok());
  }
  ASSERT_TRUE(s.truncate(0));
  EXPECT_EQ(run(d, s, ids), original);
}

class Recorder : public Probe {
 public:
  void input(std::span<const std::string_view> modules, int expert, kernels::Device& device, const kernels::Tensor& x) override {
    std::vector<float> values(static_cast<std::size_t>(x.rows * x.columns));
    ASSERT_TRUE(device.read(x, values.data()).ok());
    for (const std::string_view m : modules) {
      rows[std::string(m)] += x.rows;
      for (const float v : values) sums[std::string(m)] += std::abs(v);
      if (expert >= 0) experts.insert({std::string(m), expert});
    }
  }
  std::map<std::string, std::int64_t> rows;
  std::map<std::string, double> sums;
  std::set<std::pair<std::string, int>> experts;
};

TEST_P(EveryDecoder, probe_sees_every_map_and_changes_nothing) {
  HostDecoder d = decoder();
  const auto ids = tokens(30);
  Sequence plain = sequence(d), probed = sequence(d);
  const auto expected = run(d, plain, ids);
  Recorder recorder;
  d.set_probe(&recorder);
  const auto x = run(d, probed, ids);
  EXPECT_EQ(x, expected);
  (void)head(d, x);
  d.set_probe(nullptr);
  for (const std::string& m : d.modules()) {
    const bool lookup = (m.ends_with("embed_tokens") && !d.config().tied) || m.ends_with("embed_tokens_per_layer");
    const std::int64_t chosen = GetParam().name == "llama4" ? 1 : 2;  // experts
    const std::int64_t expected_rows = lookup ? 0 : d.matrices(m).size() > 1 ? 30 * chosen : 30;
    EXPECT_EQ(recorder.rows[m], expected_rows) << m;
    EXPECT_EQ(recorder.sums[m] > 0, !lookup) << m;
  }
}

TEST_P(EveryDecoder, a_missing_or_extra_weight_is_corrupt) {
  for (const auto& [name, views] : model_.weights().matrices) {
    Weights weights = model_.weights();
    weights.matrices.erase(name);
    EXPECT_EQ(create(weights).status().code(), StatusCode::corrupt) << name;
    weights = model_.weights();
    weights.matrices[name][0].n_rows += 1;
    EXPECT_EQ(create(weights).status().code(), StatusCode::corrupt) << name;
  }
  for (const auto& [name, values] : model_.weights().vectors) {
    Weights weights = model_.weights();
    weights.vectors[name].push_back(0);
    EXPECT_EQ(create(weights).status().code(), StatusCode::corrupt) << name;
  }
  Weights weights = model_.weights();
  weights.matrices["model.layers.0.extra"] = weights.matrices.begin()->second;
  EXPECT_EQ(create(weights).status().code(), StatusCode::corrupt);
  weights = model_.weights();
  weights.vectors["model.layers.0.extra.weight"] = {1};
  EXPECT_EQ(create(weights).status().code(), StatusCode::corrupt);
}

TinyModel tiny(const std::string& type) { return TinyModel(arch::testing::dense(type)); }

TEST(Decoder, refuses_ids_out_of_the_vocabulary) {
  const TinyModel model = tiny("llama");
  auto d = model.decoder();
  ASSERT_TRUE(d.ok());
  std::vector<float> x(2 * 128);
  for (const std::int32_t bad : {-1, 512, INT32_MAX, INT32_MIN}) {
    const std::int32_t ids[] = {0, bad};
    EXPECT_EQ(d->embed(ids, x.data()).code(), StatusCode::invalid_argument);
  }
}

TEST(Decoder, refuses_what_no_kernel_reads_and_names_it) {
  const TinyModel model = tiny("qwen3");
  Weights weights = model.weights();
  weights.matrices["model.layers.1.self_attn.k_proj"][0].format.dtype = DType::f64;
  const auto device = jang::test::open_test_device().value();
  const Status s = Decoder::create(model.described, weights, *device, kernels::Precision::exact).status();
  EXPECT_EQ(s.code(), StatusCode::unsupported);
  EXPECT_NE(s.message().find("model.layers.1.self_attn.k_proj"), std::string::npos) << s.message();
  EXPECT_EQ(kernels::open_device("abacus", nullptr).status().code(), StatusCode::unsupported);
}

TEST(Decoder, replace_checks_its_arguments) {
  const TinyModel model = tiny("llama");
  auto d = model.decoder();
  ASSERT_TRUE(d.ok());
  const std::string module = "model.layers.0.self_attn.q_proj";
  const PackedMatrix good(128, 128, 4, 32, 1), bad(64, 128, 4, 32, 1);
  const kernels::MatrixView two[] = {good.view, good.view};
  EXPECT_EQ(d->replace("model.nothing", {&good.view, 1}).code(), StatusCode::invalid_argument);
  EXPECT_EQ(d->replace(module, {&bad.view, 1}).code(), StatusCode::invalid_argument);
  EXPECT_EQ(d->replace(module, two).code(), StatusCode::invalid_argument);
  EXPECT_EQ(d->replace(module, {}).code(), StatusCode::invalid_argument);
  kernels::MatrixView odd = good.view;
  odd.format.bits = 7;
  EXPECT_EQ(d->replace(module, {&odd, 1}).code(), StatusCode::unsupported);
  EXPECT_TRUE(d->replace(module, {&good.view, 1}).ok());
}

// One attention layer: what a token sees is exactly its window.
TEST(Decoder, a_sliding_layer_sees_its_window) {
  arch::testing::FakeModel source = arch::testing::dense("mistral", 1);
  source.config["sliding_window"] = 8;
  const TinyModel model(source);
  auto d = model.decoder();
  ASSERT_TRUE(d.ok()) << d.status().message();
  const auto last_row = [&](std::vector<std::int32_t> ids, std::size_t changed) {
    if (changed < ids.size()) ids[changed] = (ids[changed] + 1) % 512;
    Sequence s = d->sequence();
    const auto x = run(*d, s, ids);
    return std::vector<float>(x.end() - 128, x.end());
  };
  const auto ids = tokens(30);
  const auto expected = last_row(ids, 30);
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(last_row(ids, i) != expected, i >= 22) << i;
}

TEST(Decoder, a_recurrent_layer_cannot_run_the_same_positions_twice) {
  const TinyModel model(arch::testing::qwen3_5(false, false));
  auto d = model.decoder();
  ASSERT_TRUE(d.ok());
  Sequence s = d->sequence();
  const auto ids = tokens(4);
  std::vector<float> x(4 * 128);
  ASSERT_TRUE(d->embed(ids, x.data()).ok());
  const BatchItem item{&s, 4};
  ASSERT_TRUE(d->layers({&item, 1}, 0, 4, x.data()).ok());
  EXPECT_EQ(d->layers({&item, 1}, 0, 4, x.data()).code(), StatusCode::invalid_argument);
  EXPECT_TRUE(s.truncate(0));
  EXPECT_TRUE(d->layers({&item, 1}, 0, 4, x.data()).ok());
}

TEST(Decoder, a_full_pool_is_out_of_memory_and_loses_nothing) {
  const TinyModel model = tiny("llama");
  auto d = model.decoder();
  ASSERT_TRUE(d.ok());
  const CachePool sizes(d->device(), d->config(), kernels::KvType::f32);
  const auto pool = std::make_shared<CachePool>(d->device(), d->config(), kernels::KvType::f32, 3 * sizes.page_bytes());
  Sequence a(pool), b(pool);
  const auto first = tokens(100, 1), second = tokens(64, 2), more = tokens(1, 3);
  const auto expected_a = run(*d, a, first);
  (void)run(*d, b, second);
  EXPECT_EQ(pool->pages_in_use(), 3);
  std::vector<float> x(128);
  ASSERT_TRUE(d->embed(more, x.data()).ok());
  const BatchItem batch[] = {{&b, 1}};
  const Status full = d->layers(batch, 0, 2, x.data());
  EXPECT_EQ(full.code(), StatusCode::out_of_memory);
  EXPECT_NE(full.message().find("budget"), std::string::npos) << full.message();
  EXPECT_EQ(b.length(), 64);
  EXPECT_EQ(pool->pages_in_use(), 3);
  // What was there still serves: a goes on in its last page, and b too once a gives up a page.
  Sequence fresh = d->sequence();
  (void)run(*d, fresh, first);
  EXPECT_EQ(run(*d, a, more), run(*d, fresh, more));
  ASSERT_TRUE(a.truncate(0));
  EXPECT_EQ(pool->pages_in_use(), 1);
  Sequence other = d->sequence();
  (void)run(*d, other, second);
  EXPECT_EQ(run(*d, b, more), run(*d, other, more));
}

TEST(Decoder, nothing_to_run_is_no_error) {
  const TinyModel model = tiny("llama");
  auto d = model.decoder();
  ASSERT_TRUE(d.ok());
  Sequence s = d->sequence();
  const BatchItem empty{&s, 0};
  EXPECT_TRUE(d->layers({}, 0, 2, nullptr).ok());
  EXPECT_TRUE(d->layers({&empty, 1}, 0, 2, nullptr).ok());
  EXPECT_TRUE(d->embed({}, nullptr).ok());
  EXPECT_TRUE(d->head(nullptr, 0, nullptr).ok());
}

}  // namespace
}  // namespace jang::model
