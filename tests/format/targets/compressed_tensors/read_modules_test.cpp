// SPDX-License-Identifier: Apache-2.0
// Hostile directories of packed modules: every part missing, of another type or shape, a config that says something else, huge numbers.
// And what others write that is fine, or is refused by name.
#include "format/targets/compressed_tensors/read_modules.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "../../temp_folder.h"
#include "codec/column_codes.h"
#include "format/safetensors.h"
#include "format/targets/target.h"
#include "format/targets/validate.h"

namespace jang::format {
namespace {

constexpr std::int64_t kOut = 64, kIn = 128;

// One module "m" of 64 x 128 at 3 bits, group 32, with zero points, and a norm.
class PackedModules : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    tensors_ = {{"m.weight_shape", DType::i64, {2}},
                {"m.weight_packed", DType::i32, {kOut, kIn / 32 * 3}},
                {"m.weight_zero_point", DType::i32, {kOut / 32 * 3, kIn / 32}},
                {"m.weight_scale", DType::bf16, {kOut, kIn / 32}},
                {"norm.weight", DType::bf16, {8}}};
    config_ = {{"model_type", "llama"},
               {"quantization_config",
                {{"quant_method", "compressed-tensors"},
                 {"format", "pack-quantized"},
                 {"config_groups", {{"group_0", {{"targets", {"re:m$"}}, {"weights", weights(3, 32, false)}}}}},
                 {"ignore", {"lm_head"}}}}};
  }
  static json::Value weights(int bits, int group, bool symmetric) {
    return {{"num_bits", bits}, {"type", "int"}, {"symmetric", symmetric}, {"strategy", "group"}, {"group_size", group}};
  }
  json::Value& quantization() { return config_["quantization_config"]; }
  json::Value& group() { return quantization()["config_groups"]["group_0"]; }
  TensorInfo& tensor(const std::string& name) {
    for (TensorInfo& t : tensors_)
      if (t.name == name) return t;
    ADD_FAILURE() << name;
    return tensors_.front();
  }
  void drop(const std::string& name) {
    std::erase_if(tensors_, [&](const TensorInfo& t) { return t.name == name; });
  }

  void write() {
    std::string payload;
    for (const TensorInfo& t : tensors_) {
      std::string bytes(static_cast<std::size_t>(t.bytes()), '\x3c');  // 0x3c3c is finite in bf16
      if (t.name == "m.weight_shape" && bytes.size() >= 16) {
        std::memcpy(bytes.data(), &shape_[0], 8);
        std::memcpy(bytes.data() + 8, &shape_[1], 8);
      }
      payload += bytes;
    }
    put("model.safetensors", make_safetensors_header(tensors_, {{"format", "pt"}}) + payload);
    put("config.json", config_.dump());
  }
  Result<Bundle> open() {
    write();
    return open_bundle(root_.string());
  }
  // The code, and a word of the message.
  void expect_refused(StatusCode code, const std::string& word) {
    const auto bundle = open();
    ASSERT_FALSE(bundle.ok());
    EXPECT_EQ(bundle.status().code(), code) << bundle.status().message();
    EXPECT_NE(bundle.status().message().find(word), std::string::npos) << bundle.status().message();
  }

  std::vector<TensorInfo> tensors_;
  std::int64_t shape_[2] = {kOut, kIn};
  json::Value config_;
};

TEST_F(PackedModules, module_is_read_by_its_shapes) {
  const auto bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->target->name(), "vllm");
  EXPECT_TRUE(bundle->is_quantized);
  ASSERT_EQ(bundle->modules.size(), 1u);
  const BundleModule& m = bundle->modules.front();
  EXPECT_EQ(m.path, "m");
  EXPECT_EQ(m.format, codec::find_format(codec::Kind::integer_zero, 3, 32));
  EXPECT_EQ(m.shape, (Shape{kOut, kIn}));
  EXPECT_EQ(m.planes.size(), 3u);
  ASSERT_EQ(bundle->plain.size(), 1u);
  const auto findings = validate(root_.string(), {.deep = true});
  ASSERT_TRUE(findings.ok());
  for (const Finding& f : *findings) ADD_FAILURE() << f.where << ": " << f.message;
}

TEST_F(PackedModules, symmetric_module_has_no_zero_points) {
  drop("m.weight_zero_point");
  group()["weights"]["symmetric"] = true;
  const auto bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::symmetric, 3, 32));
}

TEST_F(PackedModules, every_missing_part_is_named) {
  const std::vector<TensorInfo> all = tensors_;
  for (const std::string name : {"weight_scale", "weight_shape"}) {
    tensors_ = all;
    drop("m." + name);
    expect_refused(StatusCode::corrupt, name);
  }
  tensors_ = all;
  drop("m.weight_zero_point");
  expect_refused(StatusCode::corrupt, "with zero points");
}

TEST_F(PackedModules, parts_of_other_types_and_shapes_are_corrupt) {
  const std::vector<TensorInfo> all = tensors_;
  const std::function<void()> edits[] = {
      [&] { tensor("m.weight_packed").dtype = DType::u8; },
      [&] { tensor("m.weight_packed").shape = {kOut * (kIn / 32 * 3)}; },
      [&] {
        tensor("m.weight_packed").shape = {kOut, kIn / 32 * 3 + 2};
      },
      [&] {
        tensor("m.weight_packed").shape = {kOut, 0};
      },
      [&] {
        tensor("m.weight_packed").shape = {0, kIn / 32 * 3};
      },
      [&] { tensor("m.weight_scale").dtype = DType::i16; },
      [&] {
        tensor("m.weight_scale").shape = {kOut, kIn / 32 + 1};
      },
      [&] {
        tensor("m.weight_scale").shape = {kOut / 2, kIn / 16};
      },
      [&] {
        tensor("m.weight_scale").shape = {kOut, 2, kIn / 64};
      },
      [&] { tensor("m.weight_zero_point").dtype = DType::f32; },
      [&] {
        tensor("m.weight_zero_point").shape = {kOut, kIn / 32};
      },
      [&] { tensor("m.weight_zero_point").shape = {kOut / 32 * 3 * (kIn / 32)}; },
      [&] { tensor("m.weight_shape").dtype = DType::i32; },
      [&] { tensor("m.weight_shape").shape = {3}; },
      [&] {
        tensor("m.weight_shape").shape = {1, 2};
      },
  };
  int n = 0;
  for (const auto& edit : edits) {
    tensors_ = all;
    edit();
    const auto bundle = open();
    EXPECT_EQ(bundle.status().code(), StatusCode::corrupt) << n << ": " << bundle.status().message();
    ++n;
  }
}

TEST_F(PackedModules, shapes_that_lie_are_corrupt_whatever_their_size) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const std::pair<std::int64_t, std::int64_t> lies[] = {{kOut, 0},
                                                        {kOut, -kIn},
                                                        {kOut, kIn + 1},
                                                        {kOut, kIn * 2},
                                                        {kOut, kHuge},
                                                        {kOut + 1, kIn},
                                                        {-1, kIn},
                                                        {kHuge, kHuge},
                                                        {0, 0},
                                                        {kIn, kOut},
                                                        {kOut, kIn / 32 * 3 * 32 + 1}};
  for (const auto& [out, in] : lies) {
    shape_[0] = out;
    shape_[1] = in;
    EXPECT_EQ(open().status().code(), StatusCode::corrupt) << out << " x " << in;
  }
}

TEST_F(PackedModules, config_that_declares_another_scheme_is_corrupt) {
  const json::Value good = config_;
  for (const json::Value& w : {weights(4, 32, false), weights(3, 64, false), weights(3, 32, true), weights(2, 128, true)}) {
    config_ = good;
    group()["weights"] = w;
    expect_refused(StatusCode::corrupt, "contradict");
  }
  config_ = good;
  quantization()["config_groups"] = json::Value::object();
  expect_refused(StatusCode::corrupt, "nothing");
  // By name it is told another scheme than the one that fits.
  config_ = good;
  quantization()["config_groups"]["group_1"] = {{"targets", {"m"}}, {"weights", weights(8, 128, true)}};
  expect_refused(StatusCode::corrupt, "contradict");
}

TEST_F(PackedModules, malformed_configs_are_corrupt) {
  const json::Value good = config_;
  const std::function<void()> edits[] = {
      [&] { quantization()["config_groups"] = 3; },
      [&] { quantization()["config_groups"]["group_0"]["targets"] = "re:m"; },
      [&] {
        group()["targets"] = {1, 2};
      },
      [&] { group()["weights"] = "int4"; },
      [&] { group()["weights"]["num_bits"] = 1e30; },
      [&] { group()["weights"]["num_bits"] = 0; },
      [&] { group()["weights"]["num_bits"] = "three"; },
      [&] { group()["weights"]["group_size"] = 4294967328; },
      [&] { group()["weights"]["symmetric"] = "no"; },
  };
  int n = 0;
  for (const auto& edit : edits) {
    config_ = good;
    edit();
    EXPECT_EQ(open().status().code(), StatusCode::corrupt) << n;
    ++n;
  }
}

TEST_F(PackedModules, what_is_not_read_is_refused_by_name) {
  const json::Value good = config_;
  const std::pair<const char*, std::function<void()>> edits[] = {
      {"nvfp4", [&] { quantization()["format"] = "nvfp4-pack-quantized"; }},
      {"channel", [&] { group()["weights"]["strategy"] = "channel"; }},
      {"float", [&] { group()["weights"]["type"] = "float"; }},
      {"actorder", [&] { group()["weights"]["actorder"] = "group"; }},
      {"input_activations", [&] { group()["input_activations"] = weights(8, -1, true); }},
      {"sparsity_config",
       [&] {
         quantization()["sparsity_config"] = {{"format", "sparse-bitmask"}};
       }},
      {"transform_config",
       [&] {
         quantization()["transform_config"] = {{"config_groups", {{"u", 1}}}};
       }},
      {"preset",
       [&] {
         quantization()["config_groups"] = {{"W4A16", {"Linear"}}};
       }},
  };
  for (const auto& [word, edit] : edits) {
    SCOPED_TRACE(word);
    config_ = good;
    edit();
    expect_refused(StatusCode::unsupported, word);
  }
  config_ = good;
  tensors_.push_back({"m.weight_g_idx", DType::i32, {kIn}});
  expect_refused(StatusCode::unsupported, "weight_g_idx");
}

// compressed-tensors before 0.18: ten codes of 3 bits a word.
TEST_F(PackedModules, codes_padded_to_whole_words_are_told_from_corrupt_ones) {
  tensor("m.weight_packed").shape = {kOut, (kIn + 9) / 10};
  expect_refused(StatusCode::unsupported, "0.18");
}

TEST_F(PackedModules, widths_and_groups_without_a_codec_are_unsupported) {
  group()["weights"] = weights(7, 32, false);
  tensor("m.weight_packed").shape = {kOut, kIn / 32 * 7};
  tensor("m.weight_zero_point").shape = {kOut / 32 * 7, kIn / 32};
  expect_refused(StatusCode::unsupported, "7 bits");
  group()["weights"] = weights(3, 16, false);
  tensor("m.weight_packed").shape = {kOut, kIn / 32 * 3};
  tensor("m.weight_scale").shape = {kOut, kIn / 16};
  expect_refused(StatusCode::unsupported, "group 16");
}

TEST_F(PackedModules, directories_of_another_method_are_not_recognised) {
  quantization()["quant_method"] = "gptq";
  write();
  const auto checkpoint = Checkpoint::open(root_.string());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  EXPECT_FALSE(targets::compressed_tensors::is_packed(*checkpoint));
}

// What software leaves behind that unpacked the model is no packed directory.
TEST_F(PackedModules, directories_without_packed_weights_are_left_to_the_default) {
  tensors_ = {{"norm.weight", DType::bf16, {8}}};
  auto bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->target->name(), "mlx");
  EXPECT_TRUE(bundle->modules.empty());
}

TEST_F(PackedModules, targets_that_are_not_packed_are_found) {
  group()["targets"] = {"re:m$", "model.layers.0.absent"};
  write();
  const auto findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->size(), 1u);
  EXPECT_NE(findings->front().message.find("absent"), std::string::npos);
}

TEST_F(PackedModules, a_module_has_the_scheme_of_what_names_it_most_nearly) {
  const json::Value good = config_, other = {{"targets", {"Linear"}}, {"weights", weights(8, 128, true)}};
  const auto targets = [](const char* name) { return json::Value::array({name}); };
  quantization()["config_groups"]["group_1"] = other;  // an expression is nearer than a class
  EXPECT_TRUE(open().ok()) << open().status().message();
  group()["targets"] = targets("m");  // a name is nearer than either
  quantization()["config_groups"]["group_1"]["targets"] = {"re:m", "Linear"};
  EXPECT_TRUE(open().ok()) << open().status().message();
  group()["targets"] = targets("re:.*q_proj$");
  expect_refused(StatusCode::corrupt, "8 bits, group 128");
  config_ = good;
  group()["targets"] = targets("Linear");
  EXPECT_TRUE(open().ok()) << open().status().message();
  group()["targets"] = targets("re:.*q_proj$");
  expect_refused(StatusCode::corrupt, "no group of config.json has it");
  group()["targets"] = targets("re:(m");
  expect_refused(StatusCode::corrupt, "re:(m");
}

TEST_F(PackedModules, what_is_left_out_and_packed_is_refused) {
  const json::Value good = config_;
  for (const char* entry : {"m", "re:.*m", "re:"}) {
    config_ = good;
    quantization()["ignore"] = {"lm_head", entry};
    expect_refused(StatusCode::corrupt, "ignore has");
  }
  quantization()["ignore"] = "m";
  expect_refused(StatusCode::corrupt, "ignore");
  quantization()["ignore"] = {"re:x.*", "a.absent"};
  ASSERT_TRUE(open().ok());
  auto findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->size(), 2u);
  EXPECT_EQ(findings->front().severity, Severity::warning);
  // A linear map that a group has among its targets must be packed, or left out.
  config_ = good;
  group()["targets"] = {"Linear"};
  tensors_.push_back({"a.q_proj.weight", DType::bf16, {8, 8}});
  ASSERT_TRUE(open().ok());
  findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->size(), 1u);
  EXPECT_EQ(findings->front().where, "a.q_proj.weight");
}

}  // namespace
}  // namespace jang::format
