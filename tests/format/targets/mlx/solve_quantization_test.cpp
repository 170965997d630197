// SPDX-License-Identifier: Apache-2.0
// Bundles with planted faults in what they say of their bits: every fault is solved to what the tensors are, or refused with the
// candidates.
#include "format/targets/mlx/solve_quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "../../../arch/fake_model.h"
#include "../../temp_folder.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"

namespace jang::targets::mlx {
namespace {

struct Choice {
  int bits, group;
};

// A dense llama of hidden size 128, its maps packed alternately; 8/32, 4/64 and 2/128 have the same words and scales but for their number.
class SolveQuantization : public format::TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    const arch::testing::FakeModel model = arch::testing::dense("llama");
    config_ = model.config;
    json::Value map = {{"group_size", 64}, {"bits", 4}, {"mode", "affine"}};
    constexpr Choice kChoices[] = {{4, 64}, {2, 128}, {8, 32}, {3, 64}, {6, 32}, {4, 64}};
    std::size_t n = 0;
    for (const TensorInfo& t : model.tensors) {
      if (t.shape.size() != 2) {
        tensors_.push_back(t);
        continue;
      }
      const std::string path = t.name.substr(0, t.name.rfind('.'));
      const Choice c = kChoices[n++ % std::size(kChoices)];
      truth_[path] = c;
      map[path] = entry(c);
      pack(path, t.shape, c);
    }
    config_["quantization"] = map;
  }
  static json::Value entry(Choice c) { return {{"group_size", c.group}, {"bits", c.bits}, {"mode", "affine"}}; }
  void pack(const std::string& path, Shape shape, Choice c) {
    Shape groups = shape;
    groups.back() = shape.back() / c.group;
    shape.back() = shape.back() * c.bits / 32;
    tensors_.push_back({path + ".weight", DType::u32, shape});
    for (const char* name : {".scales", ".biases"}) tensors_.push_back({path + name, DType::f16, groups});
  }
  TensorInfo& tensor(const std::string& name) {
    const auto found = std::ranges::find(tensors_, name, &TensorInfo::name);
    EXPECT_NE(found, tensors_.end()) << name;
    return *found;
  }
  json::Value& map() { return config_["quantization"]; }

  Result<SolvedQuantization> solve(const json::Value& record = nullptr) {
    std::string payload;
    for (const TensorInfo& t : tensors_) payload += std::string(static_cast<std::size_t>(t.bytes()), '\x34');
    put("model.safetensors", format::make_safetensors_header(tensors_, {{"format", "mlx"}}) + payload);
    put("config.json", config_.dump());
    JANG_ASSIGN(const format::Checkpoint checkpoint, format::Checkpoint::open(root_.string()));
    return solve_quantization(checkpoint, record);
  }
  // Solved to the truth, and the map that comes of it opens. Returns how many modules config.json had wrong.
  int expect_solved() {
    const auto solved = solve();
    EXPECT_TRUE(solved.ok()) << solved.status().message();
    if (!solved.ok()) return -1;
    EXPECT_EQ(solved->modules.size(), truth_.size());
    int wrong = 0;
    for (const SolvedModule& m : solved->modules) {
      EXPECT_EQ(m.bits, truth_[m.path].bits) << m.path << " by " << m.by;
      EXPECT_EQ(m.group_size, truth_[m.path].group) << m.path << " by " << m.by;
      wrong += m.was_right ? 0 : 1;
    }
    put("config.json", solved->config.dump());
    const auto opened = format::open_bundle(root_.string());
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    if (opened.ok()) {
      EXPECT_EQ(opened->modules.size(), truth_.size());
    }
    return wrong;
  }
  void expect_refused(StatusCode code, const std::string& word) {
    const auto solved = solve();
    ASSERT_FALSE(solved.ok()) << word;
    EXPECT_EQ(solved.status().code(), code) << solved.status().message();
    EXPECT_NE(solved.status().message().find(word), std::string::npos) << solved.status().message();
  }

  std::vector<TensorInfo> tensors_;
  json::Value config_;
  std::map<std::string, Choice> truth_;
};

TEST_F(SolveQuantization, sound_bundles_stay_as_they_are) { EXPECT_EQ(expect_solved(), 0); }

TEST_F(SolveQuantization, planted_faults_are_solved_by_the_shapes_of_the_model) {
  const json::Value good = config_;
  const int n = static_cast<int>(truth_.size());
  const auto with_bits = [&](int bits, int group) {
    return static_cast<int>(std::ranges::count_if(truth_, [&](const auto& m) { return m.second.bits == bits && m.second.group == group; }));
  };
  const std::pair<std::function<void()>, int> faults[] = {
      {[&] {
         map() = entry({2, 64});
       },
       n},  // only the least width, as older writers had it
      {[&] {
         map() = entry({4, 64});
       },
       n - with_bits(4, 64)},
      {[&] { config_.erase("quantization"); }, n},  // no key at all
      {[&] { map() = "4bit"; }, n},
      {[&] {
         map()["model.layers.0.mlp.up_proj"] = entry({5, 64});
       },
       1},  // wrong bits
      {[&] {
         map()["model.layers.0.self_attn.k_proj"] = entry({4, 32});
       },
       1},  // wrong group
      {[&] {
         map()["model.layers.0.mlp.up_proj"] = {{"bits", 1e30}, {"group_size", 64}};
       },
       1},
      {[&] {
         map()["model.layers.0.mlp.up_proj"] = {{"bits", "4"}, {"group_size", -3}};
       },
       1},
      {[&] { map()["lm_head"] = false; }, 1},  // said to be plain
      {[&] { map()["lm_head"]["mode"] = "mxfp4"; }, 1},
      {[&] {
         map()["model.layers.7.mlp.up_proj"] = entry({4, 64});
       },
       0},  // names no tensor
      {[&] {
         config_["quantization_config"] = {{"quant_method", "fp8"}};
       },
       0},
  };
  int i = 0;
  for (const auto& [fault, wrong] : faults) {
    SCOPED_TRACE(i++);
    config_ = good;
    fault();
    EXPECT_EQ(expect_solved(), wrong);
  }
}

TEST_F(SolveQuantization, says_what_an_entry_had) {
  map()["lm_head"]["mode"] = "mxfp4";
  map()["model.embed_tokens"] = false;
  map()["model.layers.0.mlp.up_proj"] = {{"bits", "4"}, {"group_size", 64}};
  const auto solved = solve();
  ASSERT_TRUE(solved.ok()) << solved.status().message();
  std::map<std::string, std::string> said;
  for (const SolvedModule& m : solved->modules) said[m.path] = m.said;
  EXPECT_NE(said["lm_head"].find("mode \"mxfp4\""), std::string::npos) << said["lm_head"];
  EXPECT_EQ(said["model.embed_tokens"], "that it is not packed");
  EXPECT_EQ(said["model.layers.0.mlp.up_proj"], "no bits and group that are whole numbers");
  config_.erase("quantization");
  const auto bare = solve();
  ASSERT_TRUE(bare.ok()) << bare.status().message();
  EXPECT_EQ(bare->modules.front().said, "nothing");
}

TEST_F(SolveQuantization, mixtures_under_the_words_of_their_class_are_solved_by_shapes) {
  int n_tried = 0;
  for (const arch::testing::NamedModel& m : arch::testing::all_models()) {
    if (m.name != "granitemoe" && m.name != "mixtral") continue;
    SCOPED_TRACE(m.name);
    ++n_tried;
    const auto spelled = targets::describe_source(m.model.config, m.model.tensors);
    ASSERT_TRUE(spelled.ok()) << spelled.status().message();
    config_ = spelled->config;
    tensors_.clear();
    truth_.clear();
    for (const arch::OutTensor& t : spelled->tensors) {
      if (!t.quantizable) {
        tensors_.push_back({t.name, DType::f16, t.shape});
        continue;
      }
      truth_[t.module] = {2, 64};
      pack(t.module, t.shape, {2, 64});
    }
    const bool has_stacks =
        std::ranges::any_of(truth_, [](const auto& row) { return row.first.find("block_sparse_moe") != std::string::npos; });
    EXPECT_TRUE(has_stacks);
    EXPECT_EQ(expect_solved(), static_cast<int>(truth_.size()));
  }
  EXPECT_EQ(n_tried, 2);
}

TEST_F(SolveQuantization, entries_that_name_nothing_go_and_plain_ones_stay) {
  map()["model.layers.7.mlp.up_proj"] = entry({4, 64});
  map()["model.norm"] = false;
  config_["quantization_config"] = {{"quant_method", "fp8"}};
  const auto solved = solve();
  ASSERT_TRUE(solved.ok()) << solved.status().message();
  EXPECT_EQ(solved->removed, std::vector<std::string>{"model.layers.7.mlp.up_proj"});
  const json::Value& q = solved->config["quantization"];
  EXPECT_FALSE(q.contains("model.layers.7.mlp.up_proj"));
  EXPECT_EQ(q["model.norm"], false);
  EXPECT_EQ(q["mode"], "affine");
  EXPECT_EQ(solved->config["quantization_config"], q);
}

// Without a family what is said decides where shapes allow it; else the candidates are named.
TEST_F(SolveQuantization, unlisted_families_are_solved_by_entries_and_the_manifest) {
  config_["model_type"] = "nobody_knows_it";
  EXPECT_EQ(expect_solved(), 0);
  const std::string path = "model.layers.0.self_attn.q_proj";
  map()[path] = entry({5, 64});  // its 128 inputs could be 256 as well, and the default is one of these pairs
  expect_refused(StatusCode::unsupported, path);
  config_.erase("quantization");
  expect_refused(StatusCode::unsupported, "8 bits, group 32");
  const auto refused = solve();
  EXPECT_NE(refused.status().message().find("more"), std::string::npos) << refused.status().message();

  json::Value record = {{"format", "jang"}, {"quantization", {{"tensor_quantization_manifest", json::Value::object()}}}};
  json::Value& manifest = record["quantization"]["tensor_quantization_manifest"];
  for (const auto& [module, choice] : truth_) manifest[module] = {{"bits", choice.bits}, {"group_size", choice.group}};
  const auto solved = solve(record);
  ASSERT_TRUE(solved.ok()) << solved.status().message();
  for (const SolvedModule& m : solved->modules) EXPECT_EQ(m.bits, truth_[m.path].bits) << m.path << " by " << m.by;
}

TEST_F(SolveQuantization, unlisted_families_are_solved_by_sizes_that_leave_one_pair) {
  tensors_.clear();
  truth_ = {{"x.up", {4, 64}}, {"x.down", {8, 32}}};
  pack("x.up", {384, 128}, truth_["x.up"]);
  pack("x.down", {128, 384}, truth_["x.down"]);
  config_ = {{"model_type", "nobody_knows_it"}, {"hidden_size", 128}, {"intermediate_size", 384}, {"quantization", entry({2, 128})}};
  EXPECT_EQ(expect_solved(), 2);
  config_["quantization"] = 4;
  EXPECT_EQ(expect_solved(), 2);
  // Without its own size the inner map would be taken for another of which the size is named.
  config_.erase("intermediate_size");
  expect_refused(StatusCode::unsupported, "x.down");
}

TEST_F(SolveQuantization, a_wrong_manifest_is_put_right) {
  json::Value record = {{"quantization", {{"tensor_quantization_manifest", {{"lm_head", {{"bits", 2}, {"group_size", 64}}}}}}}};
  const auto solved = solve(record);
  ASSERT_TRUE(solved.ok()) << solved.status().message();
  const json::Value& entry_of_head = solved->record["quantization"]["tensor_quantization_manifest"]["lm_head"];
  EXPECT_EQ(entry_of_head["bits"], truth_["lm_head"].bits);
  EXPECT_EQ(entry_of_head["group_size"], truth_["lm_head"].group);
}

TEST_F(SolveQuantization, hostile_tensors_are_refused) {
  const std::vector<TensorInfo> all = tensors_;
  const std::string path = "model.layers.0.mlp.up_proj";
  const std::pair<StatusCode, std::function<void()>> edits[] = {
      {StatusCode::corrupt, [&] { std::erase_if(tensors_, [&](const TensorInfo& t) { return t.name == path + ".biases"; }); }},
      {StatusCode::corrupt, [&] { std::erase_if(tensors_, [&](const TensorInfo& t) { return t.name == path + ".weight"; }); }},
      {StatusCode::corrupt, [&] { tensor(path + ".weight").dtype = DType::i32; }},
      {StatusCode::corrupt,
       [&] {
         tensor(path + ".weight").shape = {256, 0};
       }},
      {StatusCode::corrupt,
       [&] {
         tensor(path + ".weight").shape = {256, 11};
       }},
      {StatusCode::corrupt, [&] { tensor(path + ".weight").shape.back() *= 5; }},
      {StatusCode::corrupt, [&] { tensor(path + ".scales").shape = {256}; }},
      {StatusCode::corrupt, [&] { tensor(path + ".scales").dtype = DType::bf16; }},
      {StatusCode::unsupported, [&] { tensor(path + ".scales").dtype = DType::u8; }},
      {StatusCode::unsupported,
       [&] {
         tensors_.push_back({"model.layers.0.mlp.up_proj.qweight", DType::u8, {8}});
       }},
      {StatusCode::invalid_argument, [&] { std::erase_if(tensors_, [&](const TensorInfo& t) { return t.name.ends_with(".scales"); }); }},
  };
  int n = 0;
  for (const auto& [code, edit] : edits) {
    tensors_ = all;
    edit();
    const auto solved = solve();
    EXPECT_EQ(solved.status().code(), code) << n << ": " << solved.status().message();
    ++n;
  }
}

// Words and scales of twice the inputs that the model has.
TEST_F(SolveQuantization, shapes_that_are_not_the_models_are_refused) {
  const std::string path = "model.layers.0.mlp.up_proj";
  for (const char* name : {".weight", ".scales", ".biases"}) tensor(path + name).shape.back() *= 8;
  expect_refused(StatusCode::corrupt, "has 128 inputs");
}

}  // namespace
}  // namespace jang::targets::mlx
