// SPDX-License-Identifier: Apache-2.0
// Directories of AutoAWQ's and GPTQ's files, made here code by code from their published formulas: the values that are read are those of
// the formulas, and every part that is missing, of another type, shape or range is refused by name.
#include "format/targets/qweight_modules.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "../temp_folder.h"
#include "base/float16.h"
#include "format/safetensors.h"
#include "format/targets/target.h"
#include "format/targets/unpacked.h"
#include "format/targets/validate.h"

namespace jang::format {
namespace {

constexpr std::int64_t kRows = 64, kColumns = 128;

struct Made {
  TensorInfo info;
  std::vector<std::byte> bytes;
};

template <typename T>
Made made(const std::string& name, DType dtype, Shape shape, const std::vector<T>& values) {
  Made m{{name, dtype, std::move(shape)}, std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(m.bytes.data(), values.data(), m.bytes.size());
  return m;
}

int code_at(std::int64_t r, std::int64_t c, int bits) { return static_cast<int>((r * 5 + c * 3 + r * c) & ((1 << bits) - 1)); }
int zero_at(std::int64_t r, std::int64_t g, int bits) { return static_cast<int>((r * 3 + g) & ((1 << bits) - 1)); }
float scale_at(std::int64_t r, std::int64_t g) { return static_cast<float>(r + 2 * g + 1) / 1024.0f; }

// Bit k of code i of a stream goes to word (i*b + k) / 32.
void put_code(std::vector<std::uint32_t>* words, std::int64_t first, std::int64_t stride, std::int64_t i, int bits, std::uint32_t code) {
  for (int k = 0; k < bits; ++k) {
    const std::int64_t at = i * bits + k;
    (*words)[static_cast<std::size_t>(first + at / 32 * stride)] |= (code >> k & 1u) << (at % 32);
  }
}

class QweightModules : public TempFolder {
 protected:
  // A module "m" of 64 x 128 as AutoAWQ or GPTQ packs it, and a norm.
  void make(std::string_view method, int bits, int group, int minus = 1) {
    group_ = group;
    bits_ = bits;
    const std::int64_t n_groups = kColumns / group;
    const bool awq = method == "awq";
    constexpr int kOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
    std::vector<std::uint32_t> q(static_cast<std::size_t>(kColumns * kRows * bits / 32)),
        z(static_cast<std::size_t>(n_groups * kRows * bits / 32));
    std::vector<std::uint16_t> scales;
    for (std::int64_t g = 0; g < n_groups; ++g)
      for (std::int64_t r = 0; r < kRows; ++r) scales.push_back(float_to_fp16(scale_at(r, g)));
    const auto nibble = [&](std::int64_t r) {
      std::int64_t i = 0;
      while (kOrder[i] != r % 8) ++i;
      return r / 8 * 8 + i;
    };
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = 0; c < kColumns; ++c) {
        const auto code = static_cast<std::uint32_t>(code_at(r, c, bits));
        if (awq)
          put_code(&q, c * kRows / 8, 1, nibble(r), 4, code);
        else
          put_code(&q, r, kRows, c, bits, code);
      }
      for (std::int64_t g = 0; g < n_groups; ++g) {
        const auto zero = static_cast<std::uint32_t>(zero_at(r, g, bits));
        if (awq)
          put_code(&z, g * kRows / 8, 1, nibble(r), 4, zero);
        else
          put_code(&z, g * kRows * bits / 32, 1, r, bits, bits == 3 ? (zero - static_cast<std::uint32_t>(minus)) & 7u : zero);
      }
    }
    // GPTQModel: qzeros -= 0b00010001... of the whole word, but code by code at 3 bits.
    std::uint32_t ones = 0;
    for (int shift = 0; shift < 32; shift += bits) ones |= static_cast<std::uint32_t>(minus) << shift;
    for (std::uint32_t& word : z) word -= awq || bits == 3 ? 0 : ones;
    const Shape q_shape = awq ? Shape{kColumns, kRows / 8} : Shape{kColumns * bits / 32, kRows};
    tensors_ = {made("m.qweight", DType::i32, q_shape, q), made("m.qzeros", DType::i32, {n_groups, kRows * bits / 32}, z),
                made("m.scales", DType::f16, {n_groups, kRows}, scales),
                made("norm.weight", DType::f16, {8}, std::vector<std::uint16_t>(8, 0x3c00))};
    json::Value q_config = {{"quant_method", method}, {"bits", bits}, {"group_size", group}};
    if (awq) q_config.update({{"version", "gemm"}, {"zero_point", true}, {"modules_to_not_convert", {"lm_head"}}});
    if (!awq) q_config["checkpoint_format"] = minus == 1 ? "gptq" : "gptq_v2";
    config_ = {{"model_type", "llama"}, {"quantization_config", q_config}};
  }
  void add_group_index(const std::function<std::int32_t(std::int64_t)>& group_of) {
    std::vector<std::int32_t> index;
    for (std::int64_t c = 0; c < kColumns; ++c) index.push_back(group_of(c));
    tensors_.push_back(made("m.g_idx", DType::i32, {kColumns}, index));
  }
  Made& tensor(const std::string& name) {
    for (Made& t : tensors_)
      if (t.info.name == name) return t;
    ADD_FAILURE() << name;
    return tensors_.front();
  }
  void drop(const std::string& name) {
    std::erase_if(tensors_, [&](const Made& t) { return t.info.name == name; });
  }
  Result<Bundle> open() {
    std::vector<TensorInfo> infos;
    std::string payload;
    for (Made& t : tensors_) {
      infos.push_back(t.info);
      t.bytes.resize(static_cast<std::size_t>(t.info.bytes()));
      payload.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    }
    put("model.safetensors", make_safetensors_header(infos, {{"format", "pt"}}) + payload);
    put("config.json", config_.dump());
    return open_bundle(root_.string());
  }
  void expect_refused(StatusCode code, const std::string& word) {
    const auto bundle = open();
    ASSERT_FALSE(bundle.ok());
    EXPECT_EQ(bundle.status().code(), code) << bundle.status().message();
    EXPECT_NE(bundle.status().message().find(word), std::string::npos) << bundle.status().message();
  }
  // The values of the module are those of the formula with these groups of columns.
  void expect_values(Bundle bundle, const std::function<std::int64_t(std::int64_t)>& group_of) {
    const Checkpoint values = unpacked(std::move(bundle));
    EXPECT_EQ(json::find(values.config(), "quantization_config"), nullptr);
    const int index = values.find("m.weight");
    ASSERT_GE(index, 0);
    const StoredTensor& t = values.tensors()[static_cast<std::size_t>(index)];
    ASSERT_EQ(t.info.shape, (Shape{kRows, kColumns}));
    std::vector<float> read(static_cast<std::size_t>(kRows * kColumns)), row(static_cast<std::size_t>(kColumns));
    ASSERT_TRUE(values.read(t, 0, std::as_writable_bytes(std::span(read))).ok());
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = 0; c < kColumns; ++c) {
        const std::int64_t g = group_of(c);
        const float expected = static_cast<float>(code_at(r, c, bits_) - zero_at(r, g, bits_)) * scale_at(r, g);
        ASSERT_EQ(read[static_cast<std::size_t>(r * kColumns + c)], expected) << r << ", " << c;
      }
      ASSERT_TRUE(values.read(t, static_cast<std::uint64_t>(r * kColumns * 4), std::as_writable_bytes(std::span(row))).ok());
      ASSERT_TRUE(std::equal(row.begin(), row.end(), read.begin() + r * kColumns));
    }
  }
  void expect_valid() {
    const auto findings = validate(root_.string(), {.deep = true});
    ASSERT_TRUE(findings.ok());
    for (const Finding& f : *findings) ADD_FAILURE() << f.where << ": " << f.message;
  }

  std::vector<Made> tensors_;
  json::Value config_;
  int group_ = 0, bits_ = 0;
};

TEST_F(QweightModules, gemm_files_have_the_values_of_the_formula) {
  for (const int group : {32, 64, 128}) {
    SCOPED_TRACE(group);
    make("awq", 4, group);
    auto bundle = open();
    ASSERT_TRUE(bundle.ok()) << bundle.status().message();
    EXPECT_EQ(bundle->target->name(), "awq");
    ASSERT_EQ(bundle->modules.size(), 1u);
    EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::integer_zero, 4, group));
    EXPECT_EQ(bundle->plain.size(), 1u);
    expect_valid();
    expect_values(std::move(bundle).value(), [&](std::int64_t c) { return c / group; });
  }
}

TEST_F(QweightModules, gptq_files_have_the_values_of_the_formula) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const int minus : {0, 1}) {
      SCOPED_TRACE(bits * 10 + minus);
      make("gptq", bits, 64, minus);
      add_group_index([](std::int64_t c) { return static_cast<std::int32_t>(c / 64); });
      auto bundle = open();
      ASSERT_TRUE(bundle.ok()) << bundle.status().message();
      EXPECT_EQ(bundle->target->name(), "gptq");
      EXPECT_EQ(bundle->modules.front().format, codec::find_format(codec::Kind::integer_zero, bits, 64));
      EXPECT_EQ(bundle->plain.size(), 1u);  // g_idx says nothing
      expect_valid();
      expect_values(std::move(bundle).value(), [](std::int64_t c) { return c / 64; });
    }
  }
}

TEST_F(QweightModules, columns_ordered_by_activations_are_values) {
  make("gptq", 4, 32);
  const auto group_of = [](std::int64_t c) { return static_cast<std::int32_t>(c * 5 % 4); };
  add_group_index(group_of);
  auto bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_TRUE(bundle->modules.empty());
  EXPECT_TRUE(bundle->is_quantized);
  ASSERT_EQ(bundle->checkpoint.warnings().size(), 1u);
  EXPECT_NE(bundle->checkpoint.warnings().front().find("m.weight"), std::string::npos);
  expect_values(std::move(bundle).value(), group_of);
}

TEST_F(QweightModules, one_group_for_all_columns_is_read) {
  make("gptq", 8, kColumns);
  config_["quantization_config"]["group_size"] = -1;
  auto bundle = open();  // 128 columns: a group of the codec
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->modules.size(), 1u);
  expect_values(std::move(bundle).value(), [](std::int64_t) { return 0; });
  make("awq", 4, 16);  // none of the codec's
  bundle = open();
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_TRUE(bundle->modules.empty());
  expect_values(std::move(bundle).value(), [](std::int64_t c) { return c / 16; });
}

TEST_F(QweightModules, every_missing_part_is_named) {
  for (const char* method : {"awq", "gptq"})
    for (const char* part : {"qzeros", "scales"}) {
      make(method, 4, 64);
      drop(std::string("m.") + part);
      expect_refused(StatusCode::corrupt, part);
    }
}

TEST_F(QweightModules, types_and_shapes_that_do_not_fit_are_refused) {
  for (const char* method : {"awq", "gptq"}) {
    for (const char* part : {"m.qweight", "m.qzeros", "m.scales"}) {
      for (const std::size_t axis : {0u, 1u}) {
        for (const std::int64_t length : {std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, std::int64_t{1000}}) {
          make(method, 4, 64);
          Shape& shape = tensor(part).info.shape;
          if (shape[axis] == length) continue;
          shape[axis] = length;
          const auto bundle = open();
          EXPECT_FALSE(bundle.ok()) << method << " " << part << " " << to_string(shape);
        }
      }
      make(method, 4, 64);
      tensor(part).info.dtype = DType::u8;
      expect_refused(StatusCode::corrupt, std::string(part).substr(2));
      make(method, 4, 64);
      tensor(part).info.shape = {kRows};
      expect_refused(StatusCode::corrupt, std::string(part).substr(2));
    }
  }
}

TEST_F(QweightModules, group_index_is_checked) {
  make("gptq", 4, 64);
  add_group_index([](std::int64_t) { return 2; });
  expect_refused(StatusCode::corrupt, "names group 2 of 2");
  make("gptq", 4, 64);
  add_group_index([](std::int64_t) { return -1; });
  expect_refused(StatusCode::corrupt, "names group -1");
  make("gptq", 4, 64);
  add_group_index([](std::int64_t) { return 0; });
  tensor("m.g_idx").info.shape = {kColumns / 2};
  expect_refused(StatusCode::corrupt, "g_idx");
}

TEST_F(QweightModules, what_the_config_says_otherwise_is_refused) {
  const auto set = [&](const char* method, const char* key, const json::Value& value) {
    make(method, 4, 64);
    config_["quantization_config"][key] = value;
  };
  set("awq", "bits", 3);
  expect_refused(StatusCode::unsupported, "3 bits");
  set("awq", "version", "gemv_fast");
  expect_refused(StatusCode::unsupported, "gemv_fast");
  set("awq", "version", 7);
  expect_refused(StatusCode::corrupt, "version");
  set("awq", "group_size", 32);
  expect_refused(StatusCode::corrupt, "groups of 32");
  set("gptq", "bits", 8);
  expect_refused(StatusCode::corrupt, "4 bits by its shapes");
  set("gptq", "checkpoint_format", "marlin");
  expect_refused(StatusCode::unsupported, "marlin");
  set("gptq", "pack_dtype", "int8");
  expect_refused(StatusCode::unsupported, "int8");
  set("gptq", "dynamic", json::Value::array());
  expect_refused(StatusCode::corrupt, "dynamic");
  set("gptq", "desc_act", true);
  expect_refused(StatusCode::corrupt, "without g_idx");
  set("gptq", "desc_act", "yes");
  expect_refused(StatusCode::corrupt, "desc_act");
  set("gptq", "bits", "4");
  expect_refused(StatusCode::corrupt, "bits");
  // Declared by a rule of `dynamic` it is fine, and validate tells that no module has the bits of the whole.
  set("gptq", "bits", 8);
  config_["quantization_config"]["dynamic"] = {{"+:m", {{"bits", 4}}}};
  ASSERT_TRUE(open().ok());
  const auto findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  EXPECT_EQ(findings->size(), 1u);
}

TEST_F(QweightModules, a_module_cannot_be_packed_and_plain) {
  make("awq", 4, 64);
  tensors_.push_back(
      made("m.weight", DType::f16, {kRows, kColumns}, std::vector<std::uint16_t>(static_cast<std::size_t>(kRows * kColumns))));
  expect_refused(StatusCode::corrupt, "both");
}

// Entries of modules_to_not_convert are parts of names for AutoAWQ and vLLM, which would then look for a plain weight.
TEST_F(QweightModules, packed_modules_that_are_left_out_are_refused) {
  for (const char* entry : {"m", ""}) {
    make("awq", 4, 64);
    config_["quantization_config"]["modules_to_not_convert"] = {"lm_head", entry};
    if (*entry == '\0')
      EXPECT_TRUE(open().ok());
    else
      expect_refused(StatusCode::corrupt, "modules_to_not_convert has \"m\"");
  }
  make("awq", 4, 64);
  config_["quantization_config"]["modules_to_not_convert"] = "m";
  expect_refused(StatusCode::corrupt, "not a list of names");
  make("awq", 4, 64);
  config_["quantization_config"]["zero_point"] = false;
  expect_refused(StatusCode::unsupported, "zero_point is false");
}

TEST_F(QweightModules, rules_of_dynamic_hold_for_the_modules_that_they_match) {
  const auto set = [&](const json::Value& dynamic) {
    make("gptq", 4, 64);
    config_["quantization_config"]["dynamic"] = dynamic;
  };
  set({{"-:^m$", json::Value::object()}});
  expect_refused(StatusCode::corrupt, "dynamic has \"-:^m$\"");
  set({{"+:m", {{"bits", 8}}}});
  expect_refused(StatusCode::corrupt, "4 bits by its shapes, 8 by config.json");
  set({{"m", {{"group_size", 32}}}});  // without a sign it is "+:"
  expect_refused(StatusCode::corrupt, "groups of 32");
  set({{"+:other", {{"bits", 8}}}, {"-:.*or.+", json::Value::object()}, {"-:x.*", json::Value::object()}});
  ASSERT_TRUE(open().ok()) << open().status().message();
  const auto findings = validate(root_.string(), {});
  ASSERT_TRUE(findings.ok());
  ASSERT_EQ(findings->size(), 2u);  // the second is of norm
  EXPECT_EQ(findings->front().severity, Severity::error) << findings->front().message;
  EXPECT_EQ(findings->back().severity, Severity::warning) << findings->back().message;
  set({{"+:(m", json::Value::object()}});
  expect_refused(StatusCode::corrupt, "dynamic");
  set({{"+:m", {{"bits", 4}}}, {"+:.*", {{"bits", 8}}}});  // the first decides
  EXPECT_TRUE(open().ok());
}

// Engines read no zero points of files that call themselves symmetric.
TEST_F(QweightModules, other_zero_points_than_the_middle_of_a_symmetric_file_are_refused) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const int minus : {0, 1}) {
      make("gptq", bits, 64, minus);
      config_["quantization_config"]["sym"] = true;
      expect_refused(StatusCode::corrupt, "sym: true");
      std::vector<std::uint32_t> words(static_cast<std::size_t>(kRows * bits / 32));
      for (std::int64_t r = 0; r < kRows; ++r) put_code(&words, 0, 1, r, bits, (1u << (bits - 1)) - static_cast<unsigned>(minus));
      Made& zeros = tensor("m.qzeros");
      const std::size_t row = words.size() * 4;
      for (std::size_t at = 0; at < zeros.bytes.size(); at += row) std::memcpy(zeros.bytes.data() + at, words.data(), row);
      EXPECT_TRUE(open().ok()) << bits << " " << minus << " " << open().status().message();
      zeros.bytes.back() ^= std::byte{0x80};
      expect_refused(StatusCode::corrupt, "group 1");
    }
  }
}

TEST_F(QweightModules, a_head_is_as_the_config_says) {
  make("gptq", 4, 64);
  for (Made& t : tensors_)
    if (t.info.name.starts_with("m.")) t.info.name = "lm_head" + t.info.name.substr(1);
  ASSERT_TRUE(open().ok());
  config_["quantization_config"]["lm_head"] = false;
  expect_refused(StatusCode::corrupt, "lm_head: false");
  make("gptq", 4, 64);
  tensors_.push_back(made("lm_head.weight", DType::f16, {8, 8}, std::vector<std::uint16_t>(64)));
  config_["quantization_config"]["lm_head"] = true;
  expect_refused(StatusCode::corrupt, "lm_head: true");
}

TEST_F(QweightModules, linear_maps_that_a_loader_expects_packed_are_told) {
  for (const char* method : {"awq", "gptq"}) {
    make(method, 4, 64);
    tensors_.push_back(made("a.q_proj.weight", DType::f16, {8, 8}, std::vector<std::uint16_t>(64)));
    ASSERT_TRUE(open().ok());
    const auto findings = validate(root_.string(), {});
    ASSERT_TRUE(findings.ok());
    ASSERT_EQ(findings->size(), 1u) << method;
    EXPECT_EQ(findings->front().where, "a.q_proj.weight");
    EXPECT_EQ(findings->front().severity, Severity::error);
    if (std::string_view(method) == "awq")
      config_["quantization_config"]["modules_to_not_convert"] = {"q_proj"};
    else
      config_["quantization_config"]["dynamic"] = {{"-:a\\.qkv_proj", json::Value::object()}, {"-:.*q_proj", json::Value::object()}};
    ASSERT_TRUE(open().ok());
    expect_valid();  // engines call it qkv_proj too
  }
}

}  // namespace
}  // namespace jang::format
