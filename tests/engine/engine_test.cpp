// SPDX-License-Identifier: Apache-2.0
// Loading and running the bundled model, as a source and as bundles; directories that lie about themselves.
#include "engine/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "../support/bundled_model.h"
#include "../support/test_device.h"
#include "format/safetensors.h"
#include "quantize/convert.h"
#include "text/tokenizer.h"

namespace jang::engine {
namespace {

using test::kBundledModel;

namespace fs = std::filesystem;

const LoadOptions kExact = jang::test::on_test_device({.n_threads = 1, .precision = kernels::Precision::exact});

// Greedy continuation of transformers 5.24 in float32 (tests/oracle/check_logits.py compares the logits themselves).
const std::vector<std::int32_t> kPrompt = {1, 2, 3, 4, 5, 100, 200};
const std::vector<std::int32_t> kContinuation = {75, 447, 288, 14, 378, 85, 269, 289, 308, 421, 378, 85, 269, 289, 308, 421};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_engine_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  // A bundle of the bundled model.
  std::string bundle(const std::string& profile, const std::string& name = "bundle") const {
    quantize::RunOptions run;
    plan::Options options;
    options.profile = profile;
    auto source = quantize::open_source(kBundledModel);
    EXPECT_TRUE(source.ok());
    auto plan = quantize::plan_source(*source, options, "", run);
    EXPECT_TRUE(plan.ok());
    const auto done = quantize::convert(*source, *plan, path(name), false, run);
    EXPECT_TRUE(done.ok()) << done.status().message();
    return path(name);
  }
  // A copy of a model directory with its config.json edited.
  std::string copy_of(const std::string& from, const std::string& name, const std::function<void(json::Value*)>& edit) const {
    fs::copy(from, path(name), fs::copy_options::recursive);
    auto config = json::parse_file(path(name) + "/config.json");
    EXPECT_TRUE(config.ok());
    edit(&*config);
    fs::remove(path(name) + "/config.json");
    std::ofstream(path(name) + "/config.json") << json::dump(*config);
    return path(name);
  }
  fs::path dir_;
};

std::vector<std::int32_t> greedy(Engine& engine, std::span<const std::int32_t> prompt, std::size_t n) {
  model::Sequence sequence = engine.new_sequence();
  std::vector<float> hidden, logits(static_cast<std::size_t>(engine.decoder().config().vocab));
  std::vector<std::int32_t> next(prompt.begin(), prompt.end()), out;
  while (out.size() < n) {
    const model::BatchItem item{&sequence, static_cast<std::int64_t>(next.size())};
    const Status s = engine.forward({&item, 1}, next, &hidden);
    EXPECT_TRUE(s.ok()) << s.message();
    const float* last = hidden.data() + hidden.size() - static_cast<std::size_t>(engine.decoder().config().hidden);
    EXPECT_TRUE(engine.logits(last, 1, logits.data()).ok());
    next = {static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    out.push_back(next.front());
  }
  return out;
}

TEST_F(EngineTest, source_says_what_transformers_says) {
  auto engine = Engine::load(kBundledModel, kExact);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(greedy(**engine, kPrompt, kContinuation.size()), kContinuation);
  EXPECT_FALSE((*engine)->is_bundle());
  EXPECT_NEAR((*engine)->stored_bits(), 16.0, 1e-9);
  EXPECT_EQ((*engine)->stop_ids(), std::vector<std::int32_t>{0});
  EXPECT_EQ((*engine)->directory(), kBundledModel);
  const auto tokenizer = (*engine)->tokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_GT((*tokenizer)->vocab_size(), 100);
}

std::vector<float> logits_of(Engine& engine, std::span<const std::int32_t> ids) {
  model::Sequence sequence = engine.new_sequence();
  std::vector<float> hidden, logits(ids.size() * static_cast<std::size_t>(engine.decoder().config().vocab));
  const model::BatchItem item{&sequence, static_cast<std::int64_t>(ids.size())};
  EXPECT_TRUE(engine.forward({&item, 1}, ids, &hidden).ok());
  EXPECT_TRUE(engine.logits(hidden.data(), item.n_tokens, logits.data()).ok());
  return logits;
}

double squared_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum;
}

// "It was the best of times, it was the worst of times, and the old man walked slowly along the river with his dog."
const std::vector<std::int32_t> kText = {1102, 321, 263, 1222, 280,  1596, 14,   329, 321,  263, 3935, 280,  1596, 14,
                                         283,  263, 675, 439,  2191, 2559, 1376, 263, 1926, 341, 333,  1963, 16};

TEST_F(EngineTest, bundles_of_every_width_load_in_place_and_stay_close) {
  auto source = Engine::load(kBundledModel, kExact);
  ASSERT_TRUE(source.ok());
  const std::vector<float> expected = logits_of(**source, kText);
  const double norm = squared_difference(expected, std::vector<float>(expected.size()));
  double last = 1e9;
  // Bars on the squared error of the logits: that of the weights (codec::kWidths: 0.10, 0.027, 0.0066, ...) passes through two layers of
  // five maps each and is there a few times as large; from 5 bits on it is that of the rounded scales, and of which expert was chosen.
  for (const auto& [profile, bar] : {std::pair{"uniform_2", 0.5},
                                     {"uniform_3", 0.2},
                                     {"uniform_4", 0.1},
                                     {"uniform_5", 0.1},
                                     {"uniform_6", 0.02},
                                     {"uniform_8", 0.02}}) {
    auto engine = Engine::load(bundle(profile, profile), kExact);
    ASSERT_TRUE(engine.ok()) << profile << engine.status().message();
    EXPECT_TRUE((*engine)->is_bundle());
    EXPECT_LT((*engine)->stored_bits(), 9.0);
    EXPECT_LT((*engine)->file_bytes(), (*source)->file_bytes());
    const double error = squared_difference(logits_of(**engine, kText), expected) / norm;
    EXPECT_LT(error, bar) << profile;
    EXPECT_LT(error, std::max(1.5 * last, 2e-3)) << profile << ": more bits, less error, down to the rounding of scales";
    last = error;
  }
}

TEST_F(EngineTest, fast_precision_stays_close_to_exact) {
  const std::string directory = bundle("uniform_4");
  auto exact = Engine::load(directory, kExact);
  auto fast = Engine::load(directory, jang::test::on_test_device({.n_threads = 1}));
  ASSERT_TRUE(exact.ok() && fast.ok());
  const std::vector<float> expected = logits_of(**exact, kText);
  const double error = squared_difference(logits_of(**fast, kText), expected);
  // 8-bit activations are off by up to 1/254 of the largest of their group, about 1 percent of the norm, at every map of two layers.
  EXPECT_LT(std::sqrt(error / squared_difference(expected, std::vector<float>(expected.size()))), 0.05);
}

TEST_F(EngineTest, forward_checks_its_batch) {
  auto engine = Engine::load(kBundledModel, kExact);
  ASSERT_TRUE(engine.ok());
  model::Sequence s = (*engine)->new_sequence();
  std::vector<float> hidden;
  const model::BatchItem item{&s, 3};
  EXPECT_EQ((*engine)->forward({&item, 1}, kPrompt, &hidden).code(), StatusCode::invalid_argument);
  const std::int32_t bad[] = {0, 1, 1 << 20};
  EXPECT_EQ((*engine)->forward({&item, 1}, bad, &hidden).code(), StatusCode::invalid_argument);
  EXPECT_EQ(s.length(), 0) << "a forward that failed stores nothing";
}

TEST_F(EngineTest, a_config_that_lies_is_refused) {
  const std::string good = bundle("JANG_2S");
  const std::vector<std::pair<const char*, json::Value>> lies = {
      {"hidden_size", 128},           {"num_attention_heads", 3},
      {"num_key_value_heads", 1},     {"head_dim", 16},
      {"vocab_size", 4097},           {"num_hidden_layers", 1},
      {"num_hidden_layers", 99},      {"num_experts", 15},
      {"num_experts_per_tok", 99},    {"moe_intermediate_size", 64},
      {"rms_norm_eps", -1},           {"rope_theta", 0},
      {"hidden_act", "relu"},         {"model_type", "none"},
      {"num_experts_per_tok", "two"}, {"rope_scaling", {{"rope_type", "dynamic"}, {"factor", -2.0}}}};
  int i = 0;
  for (const auto& [key, value] : lies) {
    const auto edit = [&, k = key, v = value](json::Value* config) { (*config)[k] = v; };
    const auto engine = Engine::load(copy_of(good, "lie" + std::to_string(i++), edit), kExact);
    ASSERT_FALSE(engine.ok()) << key << " = " << json::dump(value);
    EXPECT_TRUE(engine.status().code() == StatusCode::corrupt || engine.status().code() == StatusCode::unsupported)
        << key << ": " << engine.status().message();
  }
}

TEST_F(EngineTest, quantization_that_lies_is_refused) {
  const std::string good = bundle("uniform_4");
  int i = 0;
  for (const auto& [key, value] : std::vector<std::pair<const char*, json::Value>>{{"bits", 3}, {"group_size", 32}, {"mode", "mxfp4"}}) {
    const auto edit = [&, k = key, v = value](json::Value* config) {
      for (auto& [name, entry] : (*config)["quantization"].items()) {
        if (entry.is_object()) entry[k] = v;
      }
    };
    EXPECT_FALSE(Engine::load(copy_of(good, "q" + std::to_string(i++), edit), kExact).ok()) << key;
  }
}

TEST_F(EngineTest, truncated_weight_files_are_refused) {
  const std::string good = bundle("JANG_2S");
  std::string file;
  for (const auto& e : fs::directory_iterator(good))
    if (e.path().extension() == ".safetensors") file = e.path().filename().string();
  const auto size = static_cast<std::int64_t>(fs::file_size(fs::path(good) / file));
  int i = 0;
  for (const std::int64_t keep : {std::int64_t{0}, std::int64_t{7}, std::int64_t{8}, std::int64_t{100}, size / 2, size - 1}) {
    const std::string cut = copy_of(good, "cut" + std::to_string(i++), [](json::Value*) {});
    fs::resize_file(fs::path(cut) / file, static_cast<std::uintmax_t>(keep));
    const auto engine = Engine::load(cut, kExact);
    ASSERT_FALSE(engine.ok()) << keep;
    EXPECT_EQ(engine.status().code(), StatusCode::corrupt) << engine.status().message();
  }
}

TEST_F(EngineTest, names_that_are_not_there_or_not_expected_are_refused) {
  const std::string good = bundle("uniform_4");
  std::string file;
  for (const auto& e : fs::directory_iterator(good))
    if (e.path().extension() == ".safetensors") file = e.path().filename().string();
  std::ifstream in(fs::path(good) / file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  // Same length: offsets stay true, only the name is another one.
  int n_renamed = 0;
  const std::vector<std::pair<std::string, std::string>> renames = {{"self_attn.q_proj.weight", "self_attn.x_proj.weight"},
                                                                    {"self_attn.q_proj.scales", "self_attn.x_proj.scales"},
                                                                    {"model.norm.weight", "model.nerm.weight"},
                                                                    {"mlp.gate.weight", "mlp.gale.weight"}};
  int i = 0;
  for (const auto& [from, to] : renames) {
    const std::string edited = copy_of(good, "name" + std::to_string(i++), [](json::Value*) {});
    fs::remove(fs::path(edited) / "model.safetensors.index.json");
    std::string changed = bytes;
    const std::size_t at = changed.find(from);
    if (at == std::string::npos) continue;  // kept under another name in this profile
    ++n_renamed;
    changed.replace(at, from.size(), to);
    fs::remove(fs::path(edited) / file);
    std::ofstream(fs::path(edited) / file, std::ios::binary) << changed;
    const auto engine = Engine::load(edited, kExact);
    ASSERT_FALSE(engine.ok()) << from;
    EXPECT_TRUE(engine.status().code() == StatusCode::corrupt || engine.status().code() == StatusCode::unsupported);
  }
  EXPECT_GE(n_renamed, 3) << "most of these names are in every profile";
}

TEST_F(EngineTest, stop_ids_come_from_every_place) {
  const std::string edited = copy_of(kBundledModel, "stops", [](json::Value* config) { (*config)["eos_token_id"] = {5, 3}; });
  const auto write = [&](const char* name, const std::string& text) {
    fs::remove(fs::path(edited) / name);
    std::ofstream(fs::path(edited) / name) << text;
  };
  write("generation_config.json", R"({"eos_token_id": [9, 3]})");
  write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656, "eos_token": {"content": "</s>"},)"
                                 R"( "added_tokens_decoder": {"7": {"content": "</s>"}, "8": {"content": "<s>"}}})");
  auto engine = Engine::load(edited, kExact);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->stop_ids(), (std::vector<std::int32_t>{3, 5, 7, 9}));
  for (const char* bad : {R"({"eos_token_id": "x"})", R"({"eos_token_id": [1, null]})", R"({"eos_token_id": [1, 2.5]})",
                          R"({"eos_token_id": true})", R"({"eos_token_id": NaN})", R"({"eos_token_id": [[1]]})", "{"}) {
    write("generation_config.json", bad);
    EXPECT_EQ(Engine::load(edited, kExact).status().code(), StatusCode::corrupt) << bad;
  }
}

// tokenizer_config.json may name the end by its text only; its id is then the tokenizer's. The answer does not wait for tokenizer().
TEST_F(EngineTest, stop_ids_are_complete_after_load_and_never_change) {
  const auto write = [&](const std::string& directory, const std::string& config) {
    fs::remove(fs::path(directory) / "tokenizer_config.json");
    std::ofstream(fs::path(directory) / "tokenizer_config.json") << config;
  };
  const auto tokenizer = text::Tokenizer::load(kBundledModel);
  ASSERT_TRUE(tokenizer.ok());
  const auto encoded = tokenizer->encode("the");
  ASSERT_TRUE(encoded.ok() && !encoded->empty());
  const std::int32_t id = encoded->back();
  ASSERT_NE(id, 0);
  const std::string named = copy_of(kBundledModel, "named", [](json::Value*) {});
  write(named, json::dump({{"eos_token", std::string(tokenizer->token_text(id))}}));
  const std::string object = copy_of(kBundledModel, "object", [](json::Value*) {});
  write(object, json::dump({{"eos_token", {{"content", std::string(tokenizer->token_text(id))}}}}));
  for (const std::string& directory : {named, object}) {
    const auto engine = Engine::load(directory, kExact);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const std::vector<std::int32_t> at_load = (*engine)->stop_ids();
    EXPECT_EQ(at_load, (std::vector<std::int32_t>{0, id}));
    ASSERT_TRUE((*engine)->tokenizer().ok());
    EXPECT_EQ((*engine)->stop_ids(), at_load);
  }
  const std::string unknown = copy_of(kBundledModel, "unknown", [](json::Value*) {});
  write(unknown, R"({"eos_token": "<|no such token|>"})");
  auto engine = Engine::load(unknown, kExact);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->stop_ids(), std::vector<std::int32_t>{0});
  // Without a tokenizer the model still loads, for what needs no text; every call says what is wrong.
  fs::remove(fs::path(named) / "tokenizer.json");
  engine = Engine::load(named, kExact);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->stop_ids(), std::vector<std::int32_t>{0});
  const Status first = (*engine)->tokenizer().status(), second = (*engine)->tokenizer().status();
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(first.message(), second.message());
}

// Keeps what it is told.
class Listener final : public SilentObserver {
 public:
  void warn(std::string_view message) override { warnings.emplace_back(message); }
  std::vector<std::string> warnings;
};

TEST_F(EngineTest, stop_ids_outside_the_vocabulary_are_ignored_with_a_warning) {
  const std::string edited = copy_of(kBundledModel, "unknown_stops", [](json::Value* config) { (*config)["eos_token_id"] = {5, -1}; });
  for (const char* ids : {"[3, 1000000]", "[-1, 3]", "[3, 18446744073709551615]", "[1000000000000000000000000, 3]", "[3, 1e400]"}) {
    fs::remove(fs::path(edited) / "generation_config.json");
    std::ofstream(fs::path(edited) / "generation_config.json") << R"({"eos_token_id": )" << ids << "}";
    Listener listener;
    LoadOptions options = kExact;
    options.observer = &listener;
    auto engine = Engine::load(edited, options);
    ASSERT_TRUE(engine.ok()) << ids << engine.status().message();
    std::vector<std::int32_t> found = (*engine)->stop_ids();
    EXPECT_TRUE(std::ranges::binary_search(found, 3) && std::ranges::binary_search(found, 5)) << ids;
    ASSERT_EQ(listener.warnings.size(), 2u) << ids;
    EXPECT_NE(listener.warnings[0].find("generation_config.json: eos_token_id"), std::string::npos) << listener.warnings[0];
    EXPECT_NE(listener.warnings[1].find("config.json: eos_token_id -1 is ignored"), std::string::npos) << listener.warnings[1];
  }
}

TEST_F(EngineTest, a_missing_directory_is_not_found) {
  EXPECT_EQ(Engine::load(path("nothing"), kExact).status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace jang::engine
