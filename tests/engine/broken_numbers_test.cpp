// SPDX-License-Identifier: Apache-2.0
// Models whose numbers break down: keys and values beyond float16 (tests/data/bugs/13-nan-logits-unnoticed: a Llama of one layer whose keys
// exceed 65504), and weights that are NaN or infinite. Each is the same model with some weights changed.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "../support/paths.h"
#include "../support/test_device.h"
#include "calibrate/calibrate.h"
#include "engine/generator.h"
#include "engine/model_bench.h"
#include "engine/wider_cache.h"
#include "eval/engine_model.h"
#include "eval/perplexity.h"
#include "format/checkpoint.h"
#include "greedy.h"
#include "text/tokenizer.h"

namespace jang::engine {
namespace {

namespace fs = std::filesystem;
using kernels::KvType;
using kernels::Precision;

const std::string kNarrowModel = test::source_dir() + "/tests/data/bugs/13-nan-logits-unnoticed/model";
const std::vector<std::int32_t> kShortPrompt = {1, 5, 9, 12, 30, 7};
constexpr std::string_view kKeys = "model.layers.0.self_attn.k_proj.weight";
constexpr std::string_view kValues = "model.layers.0.self_attn.v_proj.weight";
constexpr std::string_view kHead = "lm_head.weight";

class BrokenNumbers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_broken_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  using Edit = std::function<float(std::size_t, float)>;
  // A copy of the model with the values of some tensors replaced by edit(index, value).
  std::string edited(const std::vector<std::pair<std::string_view, Edit>>& edits) const {
    const fs::path copy = dir_ / ("model" + std::to_string(n_++));
    fs::copy(kNarrowModel, copy);
    fs::permissions(copy / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
    const auto checkpoint = format::Checkpoint::open(copy.string());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    std::fstream file(copy / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    std::size_t done = 0;
    for (const format::StoredTensor& t : checkpoint->tensors()) {
      for (const auto& [name, edit] : edits) {
        if (t.info.name != name) continue;
        EXPECT_EQ(t.info.dtype, DType::f32);
        std::vector<float> values(static_cast<std::size_t>(elements(t.info.shape)));
        const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(float));
        file.seekg(static_cast<std::streamoff>(t.offset_bytes));
        file.read(reinterpret_cast<char*>(values.data()), bytes);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = edit(i, values[i]);
        file.seekp(static_cast<std::streamoff>(t.offset_bytes));
        file.write(reinterpret_cast<const char*>(values.data()), bytes);
        ++done;
      }
    }
    EXPECT_EQ(done, edits.size());
    return copy.string();
  }
  // Values of a float32 tensor of the model.
  static std::vector<float> tensor(std::string_view name) {
    const auto checkpoint = format::Checkpoint::open(kNarrowModel);
    EXPECT_TRUE(checkpoint.ok());
    const format::StoredTensor& t = checkpoint->tensors()[static_cast<std::size_t>(checkpoint->find(name))];
    std::vector<float> values(static_cast<std::size_t>(elements(t.info.shape)));
    EXPECT_TRUE(checkpoint->read(t, 0, std::as_writable_bytes(std::span(values))).ok());
    return values;
  }
  static Edit scaled(float factor) {
    return [factor](std::size_t, float x) { return x * factor; };
  }

  fs::path dir_;
  mutable int n_ = 0;
};

std::unique_ptr<Engine> load(const std::string& directory, std::optional<KvType> kv_type = std::nullopt,
                             Precision precision = Precision::fast) {
  LoadOptions options;
  options.n_threads = 1;
  options.precision = precision;
  options.kv_type = kv_type;
  auto engine = Engine::load(directory, jang::test::on_test_device(options));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(engine).value() : nullptr;
}

// Greedy tokens behind the prompt, or how it failed.
Result<std::vector<std::int32_t>> continued(Generator& generator, int n = 8) {
  JANG_TRY(generator.set_prompt(kShortPrompt));
  std::vector<std::int32_t> out;
  for (int i = 0; i < n; ++i) {
    JANG_ASSIGN(const std::int32_t id, generator.next());
    out.push_back(id);
  }
  return out;
}
Result<std::vector<std::int32_t>> continued(Engine& engine) {
  Generator generator(engine, kGreedy);
  return continued(generator);
}

TEST_F(BrokenNumbers, a_default_cache_that_is_too_narrow_is_replaced) {
  const std::string values = edited({{kKeys, scaled(1e-5f)}, {kValues, scaled(1e6f)}});
  const std::string negative = edited({{kKeys, [](std::size_t i, float x) { return i < 32 ? -std::fabs(x) * 100 : x * 1e-5f; }}});
  const std::string one_value =
      edited({{kKeys, scaled(1e-5f)}, {kValues, [](std::size_t i, float x) { return i / 32 == 3 ? x * 1e7f : x; }}});
  for (const std::string& model : {kNarrowModel, values, negative, one_value}) {
    const auto narrow = load(model), wide = load(model, KvType::bf16);
    ASSERT_TRUE(narrow && wide);
    Generator generator(*narrow, kGreedy);
    const auto got = continued(generator), expected = continued(*wide);
    ASSERT_TRUE(got.ok()) << model << got.status().message();
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    EXPECT_EQ(*got, *expected) << model;
    EXPECT_TRUE(generator.widened()) << model;
    EXPECT_EQ(generator.timings().reused_tokens, 0);
    // The next turn reuses the wider cache.
    ASSERT_TRUE(generator.set_prompt(generator.tokens()).ok());
    EXPECT_GT(generator.timings().reused_tokens, 0);
  }
}

TEST_F(BrokenNumbers, a_cache_is_replaced_in_the_middle_of_a_text) {
  // One row of the values points at the embedding of one token, so that this token alone exceeds float16. Which tokens the model says
  // depends on that row: tokens are tried until one is said behind a prompt that does not hold it.
  const std::vector<float> embeddings = tensor("model.embed_tokens.weight"), norm = tensor("model.layers.0.input_layernorm.weight");
  const std::size_t hidden = norm.size(), vocab = embeddings.size() / hidden;
  bool found = false;
  for (std::size_t token = 0; token < vocab && !found; ++token) {
    if (std::ranges::find(kShortPrompt, static_cast<std::int32_t>(token)) != kShortPrompt.end()) continue;
    std::vector<double> x(hidden);
    double squares = 0;
    for (std::size_t j = 0; j < hidden; ++j) x[j] = static_cast<double>(embeddings[token * hidden + j]) * static_cast<double>(norm[j]);
    for (const double v : x) squares += v * v;
    // The token's own normed input has length sqrt(hidden), if the norm's weights are near 1, and gives 1.2 times the largest float16.
    const double length = 1.2 * 65504 / std::sqrt(static_cast<double>(hidden) * squares);
    const std::string model = edited(
        {{kKeys, scaled(1e-5f)}, {kValues, [&](std::size_t i, float v) { return i < hidden ? static_cast<float>(x[i] * length) : v; }}});
    const auto narrow = load(model), wide = load(model, KvType::bf16);
    ASSERT_TRUE(narrow && wide);
    Generator generator(*narrow, kGreedy);
    const auto expected = continued(*wide);
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    const bool begins_narrow = generator.set_prompt(kShortPrompt).ok() && !generator.widened();
    if (!begins_narrow || std::ranges::find(*expected, static_cast<std::int32_t>(token)) == expected->end()) continue;
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(generator.next().ok());
    if (!generator.widened()) continue;  // it was the last token, which is not run any more
    found = true;
    // From there on the text is that of a wider cache on the same tokens.
    Generator fresh(*wide, kGreedy);
    ASSERT_TRUE(fresh.set_prompt(generator.tokens()).ok());
    const auto next = generator.next(), other = fresh.next();
    ASSERT_TRUE(next.ok() && other.ok());
    EXPECT_EQ(*next, *other);
  }
  EXPECT_TRUE(found);
}

TEST_F(BrokenNumbers, a_cache_that_has_the_range_stays) {
  const auto engine = load(edited({{kKeys, scaled(1e-5f)}}));
  ASSERT_TRUE(engine);
  Generator generator(*engine, kGreedy);
  ASSERT_TRUE(continued(generator).ok());
  EXPECT_FALSE(generator.widened());
}

TEST_F(BrokenNumbers, an_f16_cache_that_was_asked_for_is_an_error_with_its_remedy) {
  const auto engine = load(kNarrowModel, KvType::f16);
  ASSERT_TRUE(engine);
  const auto got = continued(*engine);
  EXPECT_EQ(got.status().code(), StatusCode::invalid_argument);
  for (const char* part : {"65504", "--kv bf16", "--exact"})
    EXPECT_NE(got.status().message().find(part), std::string::npos) << got.status().message();
  Generator generator(*engine, kGreedy);
  EXPECT_FALSE(generator.set_prompt(kShortPrompt).ok());
  EXPECT_FALSE(generator.set_prompt(kShortPrompt).ok()) << "a second try does not reuse what broke";
  EXPECT_FALSE(generator.widened());
}

TEST_F(BrokenNumbers, wider_caches_serve_from_the_start) {
  for (const KvType type : {KvType::bf16, KvType::f32, KvType::q8}) {
    const auto engine = load(kNarrowModel, type);
    ASSERT_TRUE(engine);
    EXPECT_TRUE(continued(*engine).ok());
  }
  const auto exact = load(kNarrowModel, std::nullopt, Precision::exact);
  ASSERT_TRUE(exact);
  EXPECT_TRUE(continued(*exact).ok());
}

TEST_F(BrokenNumbers, measurements_begin_anew_with_a_wider_cache) {
  const auto engine = load(kNarrowModel), wide = load(kNarrowModel, KvType::bf16);
  ASSERT_TRUE(engine && wide);
  std::string told;
  const auto tell = [&](std::string_view note) { told = note; };
  const auto stream = eval::read_token_stream(*engine, test::source_dir() + "/tests/data/bugs/13-nan-logits-unnoticed/text.txt", 400);
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  const auto windows = eval::make_windows(400, *eval::make_protocol("windows", 16, {}));
  ASSERT_TRUE(windows.ok());
  const eval::TextWindows text{stream->tokens, *windows, -1};
  const auto measure = [&](eval::EngineModel model) { return eval::measure_perplexity(model, text, {}); };
  const auto got = with_wider_cache(tell, [&](std::optional<KvType> type) { return measure(eval::EngineModel(*engine, type)); });
  const auto expected = measure(eval::EngineModel(*wide));
  ASSERT_TRUE(got.ok() && expected.ok()) << got.status().message() << expected.status().message();
  EXPECT_NE(told, "");
  EXPECT_EQ(eval::all_nll(*got), eval::all_nll(*expected));
  for (const double x : eval::all_nll(*got)) EXPECT_TRUE(std::isfinite(x));
  const auto bench = with_wider_cache(tell, [&](std::optional<KvType> type) {
    ModelBenchOptions options;
    options.n_prompt = 8;
    options.n_generate = 2;
    options.repetitions = 1;
    options.kv_type = type;
    return bench_model(*engine, options, nullptr);
  });
  EXPECT_TRUE(bench.ok()) << bench.status().message();
}

TEST_F(BrokenNumbers, weights_that_are_no_numbers_are_an_error_everywhere) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::string nan_head = edited({{kHead, [&](std::size_t i, float x) { return i == 40 ? nan : x; }}});
  const std::string infinite_head = edited({{kHead, [&](std::size_t i, float x) { return i / 32 == 3 ? infinity : x; }}});
  const std::string nan_norm = edited({{"model.norm.weight", [&](std::size_t i, float x) { return i == 0 ? nan : x; }}});
  const std::string infinite_down = edited({{"model.layers.0.mlp.down_proj.weight", [&](std::size_t, float) { return infinity; }}});
  const std::string all_ruled_out =
      edited({{"model.norm.weight", [](std::size_t, float) { return 1e38f; }}, {kHead, [](std::size_t, float x) { return x * 1e10f; }}});
  for (const std::string& model : {nan_head, infinite_head, nan_norm, infinite_down, all_ruled_out}) {
    for (const Precision precision : {Precision::fast, Precision::exact}) {
      const auto engine = load(model, KvType::f32, precision);
      ASSERT_TRUE(engine);
      const auto got = continued(*engine);
      EXPECT_EQ(got.status().code(), StatusCode::corrupt) << model;
      EXPECT_NE(got.status().message().find(model), std::string::npos) << "the message names the model: " << got.status().message();
      EXPECT_EQ(got.status().message().find("--exact") != std::string::npos, precision == Precision::fast) << got.status().message();
      eval::EngineModel scored(*engine);
      const std::vector<eval::Window> windows = {{0, 6, 1}};
      EXPECT_EQ(eval::measure_perplexity(scored, {kShortPrompt, windows, -1}, {}).status().code(), StatusCode::corrupt);
      EXPECT_EQ(bench_model(*engine, {.n_prompt = 4, .n_generate = 1, .repetitions = 1}, nullptr).status().code(), StatusCode::corrupt);
    }
    const auto engine = load(model, std::nullopt, Precision::exact);
    ASSERT_TRUE(engine);
    SilentObserver silent;
    for (const calibrate::TextKind kind : {calibrate::TextKind::self, calibrate::TextKind::random}) {
      calibrate::Options options;
      options.text = kind;
      options.windows = {1, 4, 1};
      EXPECT_EQ(calibrate::calibrate(*engine, options, silent, nullptr).status().code(), StatusCode::corrupt);
    }
  }
}

}  // namespace
}  // namespace jang::engine
