// SPDX-License-Identifier: Apache-2.0
// What stock mlx-lm would refuse is not made and not called valid; checkpoints that once gave such bundles, or lost their head, or had
// nothing to quantize (tests/data/bugs), give what they should.
#include "quantize/check_loads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "../support/paths.h"
#include "format/safetensors.h"
#include "plan/overrides.h"
#include "quantize/convert.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

std::string bug(const std::string& name) { return test::source_dir() + "/tests/data/bugs/" + name + "/model"; }
const std::string kMixture = bug("02-moe-experts-bundle-refused");
const std::string kTied = bug("06-tied-flag-with-own-head");
const std::string kGelu = bug("15-gelu-llama-silent");
const std::string kOdd = bug("24-nothing-to-quantise");

class CheckLoadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_loads_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  // A source with its config edited.
  std::string changed(const std::string& from, const std::string& name, const json::Value& keys) const {
    fs::copy(from, dir_ / name, fs::copy_options::recursive);
    fs::permissions(dir_ / name / "config.json", fs::perms::owner_write, fs::perm_options::add);
    auto config = json::parse_file(path(name + "/config.json"));
    EXPECT_TRUE(config.ok());
    for (const auto& [key, value] : keys.items()) (*config)[key] = value;
    std::ofstream(dir_ / name / "config.json") << json::dump(*config);
    return path(name);
  }

  Status convert_to(const std::string& source_dir, plan::Options options, const std::string& output) {
    JANG_ASSIGN(const Source source, open_source(source_dir));
    JANG_ASSIGN(const plan::Plan plan, plan_source(source, options, "", {}));
    return convert(source, plan, output, false, {}).status();
  }
  static plan::Options profile(const std::string& name) {
    plan::Options o;
    o.profile = name;
    return o;
  }
  static void expect_valid(const std::string& directory) {
    const auto findings = validate_bundle(directory, {.deep = true});
    ASSERT_TRUE(findings.ok()) << findings.status().message();
    for (const format::Finding& f : *findings) EXPECT_NE(f.severity, format::Severity::error) << f.where << ": " << f.message;
  }
  static json::Value config_of(const std::string& directory) {
    auto config = json::parse_file(directory + "/config.json");
    EXPECT_TRUE(config.ok());
    return config.ok() ? *config : json::Value::object();
  }

  fs::path dir_;
};

TEST_F(CheckLoadsTest, a_mixture_is_written_as_its_class_loads_it) {
  for (const char* name : {"JANG_4K", "JANG_2S", "uniform_4"}) {
    const Status s = convert_to(kMixture, profile(name), path(name));
    ASSERT_TRUE(s.ok()) << s.message();
    expect_valid(path(name));
    const auto bundle = format::open_bundle(path(name));
    ASSERT_TRUE(bundle.ok());
    int stacks = 0;
    for (const format::BundleModule& m : bundle->modules) {
      EXPECT_EQ(m.path.find(".experts."), std::string::npos) << m.path;
      stacks += m.path.find("switch_mlp") != std::string::npos && m.shape.size() == 3 ? 1 : 0;
    }
    // uniform_4 is mlx-lm's own recipe: its group of 64 divides the input of down only.
    EXPECT_EQ(stacks, std::string_view(name) == "uniform_4" ? 1 : 3) << name;
  }
}

TEST_F(CheckLoadsTest, what_no_class_opens_is_refused_before_any_file) {
  for (const json::Value& keys : {json::Value{{"model_type", "nobody_knows"}}, json::Value{{"model_type", "glm"}},
                                  json::Value{{"model_type", "dbrx"}}, json::Value{{"model_type", "minimax"}}}) {
    const std::string name = keys["model_type"].get<std::string>();
    const std::string source = changed(kMixture, name, keys);
    const Status s = convert_to(source, profile("JANG_4K"), path(name + "-out"));
    if (name == "minimax") {
      EXPECT_TRUE(s.ok()) << s.message();  // the same spelling, another class that reads it
      continue;
    }
    EXPECT_EQ(s.code(), StatusCode::unsupported) << name << ": " << s.message();
    EXPECT_NE(s.message().find("mlx-lm"), std::string::npos) << s.message();
    EXPECT_FALSE(fs::exists(path(name + "-out")));
    EXPECT_FALSE(fs::exists(path(name + "-out.partial")));
  }
}

TEST_F(CheckLoadsTest, a_config_without_a_key_the_class_demands_is_refused) {
  fs::copy(kMixture, dir_ / "source", fs::copy_options::recursive);
  for (const char* key : {"rotary_dim", "shared_intermediate_size", "num_local_experts"}) {
    json::Value config = config_of(kMixture);
    config["model_type"] = "minimax";  // a class of mlx-lm that no listed family writes for
    config.erase(key);
    fs::permissions(dir_ / "source" / "config.json", fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(dir_ / "source" / "config.json") << json::dump(config);
    const Status s = convert_to(path("source"), profile("JANG_4K"), path("out"));
    EXPECT_EQ(s.code(), StatusCode::unsupported) << key;
    EXPECT_NE(s.message().find(key), std::string::npos) << s.message();
  }
}

// A directory with one packed module of this name.
void write_packed(const fs::path& directory, const std::string& model_type, const std::string& module) {
  fs::create_directories(directory);
  const std::vector<TensorInfo> infos = {
      {module + ".weight", DType::u32, {32, 4}}, {module + ".scales", DType::bf16, {32, 1}}, {module + ".biases", DType::bf16, {32, 1}}};
  std::string bytes = format::make_safetensors_header(infos, {{"format", "mlx"}});
  for (const TensorInfo& t : infos) bytes += std::string(static_cast<std::size_t>(t.bytes()), '\x3c');
  std::ofstream(directory / "model.safetensors", std::ios::binary) << bytes;
  const json::Value how = {{"group_size", 32}, {"bits", 4}, {"mode", "affine"}};
  json::Value quantization = how;
  quantization[module] = how;
  const json::Value config = {{"model_type", model_type}, {"quantization", quantization}, {"num_hidden_layers", 1}};
  std::ofstream(directory / "config.json") << json::dump(config);
}

TEST_F(CheckLoadsTest, bundles_that_mlx_lm_refuses_are_not_valid) {
  const std::pair<const char*, const char*> bad[] = {
      {"minimax", "model.layers.0.block_sparse_moe.experts.0.w1"},
      {"Klear", "model.layers.0.mlp.experts.0.gate_proj"},
      {"afmoe", "model.layers.0.mlp.experts.0.gate_proj"},
      {"nobody_knows", "model.layers.0.mlp.up_proj"},
  };
  for (const auto& [type, module] : bad) {
    write_packed(dir_ / type, type, module);
    const auto findings = validate_bundle(path(type), {});
    ASSERT_TRUE(findings.ok()) << findings.status().message();
    EXPECT_TRUE(std::ranges::any_of(*findings, [](const format::Finding& f) {
      return f.severity == format::Severity::error && f.message.find("mlx-lm refuses") != std::string::npos;
    })) << type;
  }
}

TEST_F(CheckLoadsTest, stacked_modules_are_valid) {
  write_packed(dir_ / "phimoe", "phimoe", "model.layers.0.self_attn.q_proj");
  const auto findings = validate_bundle(path("phimoe"), {});
  ASSERT_TRUE(findings.ok());
  for (const format::Finding& f : *findings) EXPECT_EQ(f.message.find("has no place"), std::string::npos) << f.where << ": " << f.message;
}

TEST_F(CheckLoadsTest, a_head_of_its_own_is_kept_against_the_flag) {
  const auto source = open_source(kTied);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_FALSE(source->model.tied);
  EXPECT_TRUE(std::ranges::any_of(source->model.warnings, [](const std::string& w) { return w.find("differs") != std::string::npos; }));
  ASSERT_TRUE(convert_to(kTied, profile("JANG_4K"), path("out")).ok());
  expect_valid(path("out"));
  EXPECT_EQ(config_of(path("out"))["tie_word_embeddings"], false);
  const auto bundle = format::open_bundle(path("out"));
  ASSERT_TRUE(bundle.ok());
  EXPECT_TRUE(std::ranges::any_of(bundle->modules, [](const format::BundleModule& m) { return m.path == "lm_head"; }));
}

// Copies a source and sets its head to the embedding, but for the last byte when `but_last`.
std::string with_equal_head(const std::string& from, const fs::path& to, bool but_last) {
  fs::copy(from, to, fs::copy_options::recursive);
  const auto checkpoint = format::Checkpoint::open(from);
  EXPECT_TRUE(checkpoint.ok());
  const format::StoredTensor& embedding = checkpoint->tensors()[static_cast<std::size_t>(checkpoint->find("model.embed_tokens.weight"))];
  const format::StoredTensor& head = checkpoint->tensors()[static_cast<std::size_t>(checkpoint->find("lm_head.weight"))];
  std::vector<std::byte> values(static_cast<std::size_t>(embedding.info.bytes()));
  EXPECT_TRUE(checkpoint->read(embedding, 0, values).ok());
  if (but_last) values.back() ^= std::byte{1};
  fs::permissions(to / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  std::fstream file(to / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(head.offset_bytes));
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size()));
  return to.string();
}

TEST_F(CheckLoadsTest, an_equal_head_is_tied_silently) {
  const auto equal = open_source(with_equal_head(kTied, dir_ / "equal", false));
  ASSERT_TRUE(equal.ok());
  EXPECT_TRUE(equal->model.tied);
  EXPECT_TRUE(equal->model.warnings.empty());
  const auto nearly = open_source(with_equal_head(kTied, dir_ / "nearly", true));
  ASSERT_TRUE(nearly.ok());
  EXPECT_FALSE(nearly->model.tied);
  const auto untied = open_source(changed(kTied, "untied", {{"tie_word_embeddings", false}}));
  ASSERT_TRUE(untied.ok());
  EXPECT_FALSE(untied->model.tied);
  EXPECT_TRUE(untied->model.warnings.empty());
}

TEST_F(CheckLoadsTest, an_activation_that_mlx_lm_ignores_is_said) {
  const auto source = open_source(kGelu);
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE(std::ranges::any_of(source->model.warnings, [](const std::string& w) { return w.find("activation") != std::string::npos; }));
}

TEST_F(CheckLoadsTest, a_model_kept_at_16_bits_is_a_valid_bundle) {
  plan::Options all_kept = profile("JANG_6M");
  const auto override_ = plan::parse_override(".=16");
  ASSERT_TRUE(override_.ok());
  all_kept.overrides.push_back(*override_);
  const std::pair<std::string, plan::Options> cases[] = {{kOdd, all_kept}, {kTied, all_kept}, {kMixture, all_kept}};
  int n = 0;
  for (const auto& [source, options] : cases) {
    const std::string out = path("out" + std::to_string(n++));
    const Status s = convert_to(source, options, out);
    ASSERT_TRUE(s.ok()) << n << " " << source << " " << options.profile << ": " << s.message();
    expect_valid(out);
    EXPECT_FALSE(config_of(out).contains("quantization")) << n;
  }
}

// Nobody asks for a bundle in which nothing is packed, unless he says so.
TEST_F(CheckLoadsTest, a_model_of_which_nothing_can_be_packed_is_refused) {
  plan::Options automatic = profile("auto");
  automatic.target_bpw = 16.5;
  for (const plan::Options& options : {profile("JANG_4K"), profile("JANG_2S"), profile("4K"), profile("uniform_4"), automatic}) {
    const Status s = convert_to(kOdd, options, path("out"));
    EXPECT_EQ(s.code(), StatusCode::unsupported) << options.profile << ": " << s.message();
    EXPECT_NE(s.message().find("would pack nothing of this model"), std::string::npos) << s.message();
    EXPECT_NE(s.message().find("inputs of "), std::string::npos) << s.message();
    EXPECT_FALSE(fs::exists(path("out")));
  }
  const Status s = convert_to(kTied, profile("uniform_4"), path("out"));  // rows of 32 and 64
  EXPECT_TRUE(s.ok()) << s.message();
}

}  // namespace
}  // namespace jang::quantize
