// SPDX-License-Identifier: Apache-2.0
// A bundle of the bundled model written again as JANG v1 wrote it, in all three forms: it computes what the bundle computes. What
// contradicts itself is refused by name.
#include "format/targets/jang_v1.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "../../support/bundled_model.h"
#include "../../support/contains.h"
#include "base/float16.h"
#include "engine/engine.h"
#include "format/safetensors.h"
#include "format/targets/bundle.h"
#include "plan/plan.h"
#include "quantize/convert.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

enum class Form { biases, zeros, bit_map };  // 1.2, 1.1, 1.0

struct Tensor {
  DType dtype;
  Shape shape;
  std::string bytes;
};
using Tensors = std::map<std::string, Tensor>;

class JangV1 : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_v1_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    plan::Options options;
    options.profile = "uniform_3";
    options.param_dtype = DType::f16;
    options.method = plan::Method::rtn;
    const auto source = quantize::open_source(test::kBundledModel);
    const auto plan = quantize::plan_source(*source, options, "", {});
    ASSERT_TRUE(quantize::convert(*source, *plan, path("v2"), false, {}).ok());
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  static std::string flat_bytes(const Checkpoint& c, const StoredTensor& t) {
    std::string bytes(static_cast<std::size_t>(t.info.bytes()), '\0');
    EXPECT_TRUE(c.read(t, 0, std::as_writable_bytes(std::span(bytes))).ok());
    return bytes;
  }
  static std::string of_numbers(const std::vector<std::int64_t>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * 8};
  }
  // zeros such that -scale * zero is near the bias; v1 stored what it had computed with.
  static std::string zeros_of(const std::string& scales, const std::string& biases) {
    std::string out(scales.size(), '\0');
    for (std::size_t i = 0; i < out.size(); i += 2) {
      std::uint16_t s = 0, b = 0;
      std::memcpy(&s, scales.data() + i, 2);
      std::memcpy(&b, biases.data() + i, 2);
      const float scale = fp16_to_float(s);
      // Groups that are nearly constant have zeros beyond fp16, which v1 could not write.
      const std::uint16_t z = float_to_fp16(scale == 0 ? 0 : std::clamp(-fp16_to_float(b) / scale, -6e4f, 6e4f));
      std::memcpy(out.data() + i, &z, 2);
    }
    return out;
  }
  // The tensors of "v2" as v1 stored them.
  Tensors v1_tensors(Form form) const {
    const Bundle bundle = open_bundle(path("v2")).value();
    const auto& stored = bundle.checkpoint.tensors();
    Tensors out;
    for (const BundleModule& m : bundle.modules) {
      const auto bytes = [&](std::size_t plane) {
        return flat_bytes(bundle.checkpoint, stored[static_cast<std::size_t>(m.planes[plane])]);
      };
      const std::string codes = bytes(0), scales = bytes(1), biases = bytes(2);
      const auto n = static_cast<std::int64_t>(scales.size() / 2);
      out[m.path + ".qweight"] = {DType::u8, {static_cast<std::int64_t>(codes.size())}, codes};
      out[m.path + ".scales"] = {DType::f16, {n}, scales};
      if (form == Form::biases)
        out[m.path + ".biases"] = {DType::f16, {n}, biases};
      else
        out[m.path + ".zeros"] = {DType::f16, {n}, zeros_of(scales, biases)};
      if (form == Form::bit_map) {
        out[m.path + ".bit_map"] = {DType::u8, {n}, std::string(static_cast<std::size_t>(n), static_cast<char>(m.format->bits))};
        out[m.path + ".block_offsets"] = {DType::u32, {n}, std::string(static_cast<std::size_t>(n) * 4, '\0')};
      } else {
        out[m.path + ".bits"] = {DType::u8, {1}, std::string(1, static_cast<char>(m.format->bits))};
      }
      out[m.path + ".shape"] = {DType::i64, {static_cast<std::int64_t>(m.shape.size())}, of_numbers(m.shape)};
    }
    for (const int i : bundle.plain) {
      const StoredTensor& t = stored[static_cast<std::size_t>(i)];
      out[t.info.name] = {t.info.dtype, t.info.shape, flat_bytes(bundle.checkpoint, t)};
    }
    return out;
  }
  void write(const std::string& name, const Tensors& tensors) const {
    fs::create_directories(path(name));
    for (const auto& file : fs::directory_iterator(path("v2")))
      if (file.path().filename().string().starts_with("tokenizer")) fs::copy(file.path(), dir_ / name / file.path().filename());
    json::Value config = json::parse_file(path("v2") + "/config.json").value();
    config.erase("quantization");
    config.erase("quantization_config");
    std::ofstream(path(name) + "/config.json") << json::dump(config);
    std::ofstream(path(name) + "/jang_config.json") << R"({"format": "jang", "quantization": {"block_size": 64}})";
    std::vector<TensorInfo> infos;
    std::string bytes;
    for (const auto& [tensor, t] : tensors) {
      infos.push_back({tensor, t.dtype, t.shape});
      bytes += t.bytes;
    }
    std::ofstream(path(name) + "/model-00001-of-00001.jang.safetensors", std::ios::binary)
        << make_safetensors_header(infos, {{"format", "pt"}}) << bytes;
  }
  std::vector<float> logits(const std::string& name) const {
    engine::LoadOptions exact;
    exact.precision = kernels::Precision::exact;
    auto engine = engine::Engine::load(path(name), exact);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    if (!engine.ok()) return {};
    const std::vector<std::int32_t> ids = {5, 17, 300, 12};
    model::Sequence sequence = (*engine)->new_sequence({});
    std::vector<float> hidden, out(static_cast<std::size_t>(4 * (*engine)->decoder().config().vocab));
    const model::BatchItem item{&sequence, 4};
    EXPECT_TRUE((*engine)->forward({&item, 1}, ids, &hidden).ok());
    EXPECT_TRUE((*engine)->logits(hidden.data(), 4, out.data()).ok());
    return out;
  }

  fs::path dir_;
};

TEST_F(JangV1, directories_compute_what_their_bundles_do) {
  const std::vector<float> expected = logits("v2");
  ASSERT_FALSE(expected.empty());
  write("biases", v1_tensors(Form::biases));
  EXPECT_EQ(logits("biases"), expected);
  double largest = 0;
  for (const float x : expected) largest = std::max(largest, static_cast<double>(std::fabs(x)));
  for (const auto& [form, name] : {std::pair{Form::zeros, "zeros"}, {Form::bit_map, "bit_map"}}) {
    write(name, v1_tensors(form));
    const std::vector<float> found = logits(name);
    ASSERT_EQ(found.size(), expected.size()) << name;
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 0.02 * largest) << name;  // zeros were rounded
  }
  const auto opened = Checkpoint::open(path("biases"));
  ASSERT_TRUE(opened.ok());
  const Bundle bundle = open_bundle(path("biases")).value();
  EXPECT_TRUE(std::ranges::any_of(bundle.checkpoint.warnings(), [](const auto& w) { return test::contains(w, "JANG v1"); }));
}

TEST_F(JangV1, contradictions_are_refused_by_name) {
  const Tensors good = v1_tensors(Form::biases);
  const std::string base = "model.layers.0.self_attn.q_proj";
  const std::vector<std::pair<std::string, std::function<void(Tensors&)>>> hostile = {
      {"without scales", [&](Tensors& t) { t.erase(base + ".scales"); }},
      {"neither biases nor zeros", [&](Tensors& t) { t.erase(base + ".biases"); }},
      {"or both", [&](Tensors& t) { t[base + ".zeros"] = t[base + ".biases"]; }},
      {"says 4 bits", [&](Tensors& t) { t[base + ".bits"].bytes = std::string(1, '\4'); }},
      {"not one byte",
       [&](Tensors& t) {
         t[base + ".bits"] = {DType::u8, {2}, "\3\3"};
       }},
      {"fit no width",
       [&](Tensors& t) {
         t[base + ".qweight"] = {DType::u8, {5}, "12345"};
       }},
      {"not a row of F16", [&](Tensors& t) { t[base + ".scales"].dtype = DType::bf16; }},
      {"is no shape",
       [&](Tensors& t) {
         t[base + ".shape"].bytes = of_numbers({-1, 64});
       }},
      {"is no shape",
       [&](Tensors& t) {
         t[base + ".shape"].bytes = of_numbers({std::int64_t{1} << 62, std::int64_t{1} << 62});
       }},
      {"end inside a block",
       [&](Tensors& t) {
         t[base + ".shape"].bytes = of_numbers({4096, 20});
       }},
      {"its scales are",
       [&](Tensors& t) {
         t[base + ".shape"].bytes = of_numbers({1, 64});
       }},
      {"two or three",
       [&](Tensors& t) {
         t[base + ".shape"] = {DType::i64, {1}, of_numbers({64})};
       }},
      {"do not belong",
       [&](Tensors& t) {
         t[base + ".biases"] = {DType::f16, {1}, "12"};
       }},
      {"unpacked as well",
       [&](Tensors& t) {
         t[base + ".weight"] = {DType::f16, {1}, "12"};
       }},
  };
  for (const auto& [what, edit] : hostile) {
    Tensors tensors = good;
    edit(tensors);
    fs::remove_all(path("bad"));
    write("bad", tensors);
    const auto opened = open_bundle(path("bad"));
    ASSERT_FALSE(opened.ok()) << what;
    EXPECT_TRUE(test::contains(opened.status().message(), what)) << what << ": " << opened.status().message();
    EXPECT_TRUE(test::contains(opened.status().message(), base)) << opened.status().message();
  }
  // A shape that the config leaves open is refused too; one that it does not is found.
  const std::string experts = "model.layers.0.mlp.switch_mlp.up_proj";
  ASSERT_TRUE(good.contains(experts + ".shape"));
  Tensors shapeless = good;
  shapeless.erase(base + ".shape");
  write("solved", shapeless);
  const auto solved = open_bundle(path("solved"));
  ASSERT_TRUE(solved.ok()) << solved.status().message();
  shapeless.erase(experts + ".shape");
  write("open", shapeless);
  EXPECT_TRUE(test::contains(open_bundle(path("open")).status().message(), experts + " of JANG v1: the file does not say its shape"));
  Tensors mixed = v1_tensors(Form::bit_map);
  mixed[base + ".bit_map"].bytes[1] = '\2';
  write("mixed", mixed);
  EXPECT_TRUE(test::contains(open_bundle(path("mixed")).status().message(), "different bits"));
}

}  // namespace
}  // namespace jang::format
