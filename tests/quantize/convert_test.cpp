// SPDX-License-Identifier: Apache-2.0
// Whole conversions of the bundled model through the library: bytes independent of threads, errors that are the decoded errors, hostile
// sources that leave nothing behind.
#include "quantize/convert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "../support/bundled_model.h"
#include "base/float16.h"
#include "codec/affine.h"
#include "format/targets/bundle.h"
#include "format/targets/validate.h"
#include "kernels/instruction_set.h"
#include "plan/plan_json.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

using test::kBundledModel;

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream f(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}

std::map<std::string, std::string> files_of(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& e : fs::directory_iterator(directory)) files[e.path().filename().string()] = bytes_of(e.path());
  return files;
}

// The default target under another name, told in the metadata of its files.
class Relabelled final : public targets::Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "relabelled"; }
  [[nodiscard]] std::string_view loader() const override { return "its own loader"; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model&, const std::string&) const override { return {}; }
  void published(const json::Value& config, std::vector<TensorInfo>* tensors, arch::SourceFacts* facts) const override {
    mlx_.published(config, tensors, facts);
  }
  [[nodiscard]] Status spell(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) const override {
    return mlx_.spell(stored, facts, model);
  }
  [[nodiscard]] std::vector<targets::StoredPart> parts(const arch::OutTensor& tensor, const codec::WeightFormat* format,
                                                       DType params) const override {
    return mlx_.parts(tensor, format, params);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override { return {{"format", "relabelled"}}; }
  [[nodiscard]] std::vector<targets::Document> documents(const targets::Record& record) const override { return mlx_.documents(record); }
  [[nodiscard]] targets::Copying copies(std::string_view) const override { return targets::Copying::no; }
  [[nodiscard]] bool recognises(const format::Checkpoint& c) const override { return c.file_format() == "relabelled"; }
  [[nodiscard]] Status read(format::Bundle* bundle) const override { return mlx_.read(bundle); }
  void check(const format::Bundle& bundle, std::vector<format::Finding>* findings) const override { mlx_.check(bundle, findings); }

 private:
  const targets::Target& mlx_ = targets::default_target();
};

class ConvertTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_convert_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  Result<ConvertReport> run(const std::string& source_dir, const plan::Options& options, const std::string& output,
                            RunOptions run_options = {}) {
    JANG_ASSIGN(const Source source, open_source(source_dir));
    JANG_ASSIGN(const plan::Plan plan, plan_source(source, options, "", run_options));
    return convert(source, plan, output, false, run_options);
  }
  static plan::Options profile(const std::string& name, plan::Method method = plan::Method::fit) {
    plan::Options o;
    o.profile = name;
    o.method = method;
    return o;
  }
  // A copy of the model whose shard 1 has been edited by `edit`.
  std::string edited_copy(const std::function<void(std::string&)>& edit) {
    const std::string copy = path("edited");
    fs::create_directories(copy);
    for (const auto& [name, bytes] : files_of(kBundledModel)) {
      std::string b = bytes;
      if (name == "model-00001-of-00002.safetensors") edit(b);
      std::ofstream(copy + "/" + name, std::ios::binary) << b;
    }
    return copy;
  }
  void expect_nothing_left() {
    for (const auto& e : fs::directory_iterator(dir_)) EXPECT_EQ(e.path().filename(), "edited");
  }

  fs::path dir_;
};

TEST_F(ConvertTest, files_are_those_of_the_plans_target) {
  const Relabelled other;
  const auto source = open_source(kBundledModel, {}, other);
  ASSERT_TRUE(source.ok()) << source.status().message();
  plan::Options options;
  options.target = &other;
  const auto plan = plan_source(*source, options, "", {}), for_mlx = plan_source(*source, {}, "", {});
  ASSERT_TRUE(plan.ok() && for_mlx.ok());
  const auto done = convert(*source, *plan, path("out"), false, {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  const auto checkpoint = format::Checkpoint::open(path("out"));
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->file_format(), "relabelled");
  EXPECT_FALSE(fs::exists(path("out/tokenizer.json"))) << "it takes no files along";
  const Status mixed = convert(*source, *for_mlx, path("mixed"), false, {}).status();
  EXPECT_EQ(mixed.code(), StatusCode::invalid_argument) << mixed.message();
  EXPECT_NE(mixed.message().find("mlx"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("mixed")));
}

TEST_F(ConvertTest, bytes_do_not_depend_on_threads_or_backend) {
  RunOptions one;
  one.n_threads = 1;
  ASSERT_TRUE(run(kBundledModel, profile("JANG_2S"), path("one"), one).ok());
  const auto expected = files_of(path("one"));
  for (const int threads : {2, 5, 8}) {
    RunOptions r;
    r.n_threads = threads;
    ASSERT_TRUE(run(kBundledModel, profile("JANG_2S"), path("t"), r).ok());
    EXPECT_TRUE(files_of(path("t")) == expected) << threads;
    fs::remove_all(path("t"));
  }
  for (const kernels::InstructionSet& b : kernels::instruction_sets()) {
    if (!b.available() || b.name == "ref") continue;
    RunOptions r;
    r.backend = b.name;
    ASSERT_TRUE(run(kBundledModel, profile("JANG_2S"), path("b"), r).ok());
    EXPECT_TRUE(files_of(path("b")) == expected) << b.name;
    fs::remove_all(path("b"));
  }
}

TEST_F(ConvertTest, reported_errors_and_sizes_are_those_of_the_files) {
  auto report = run(kBundledModel, profile("JANG_3M"), path("out"));
  ASSERT_TRUE(report.ok()) << report.status().message();
  auto source = open_source(kBundledModel);
  auto bundle = format::open_bundle(path("out"));
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  EXPECT_EQ(bundle->checkpoint.file_bytes(), report->sizes.file_bytes);

  std::size_t n_checked = 0;
  for (std::size_t i = 0; i < source->model.tensors.size(); ++i) {
    const arch::OutTensor& t = source->model.tensors[i];
    for (const format::BundleModule& m : bundle->modules) {
      if (m.path != t.module) continue;
      ASSERT_EQ(m.shape, t.shape);
      const std::int64_t n = elements(t.shape), in = columns(t.shape);
      std::vector<float> w(static_cast<std::size_t>(n));
      std::vector<std::byte> scratch;
      ASSERT_TRUE(SourceRows(source->checkpoint, t).read_floats(0, w, scratch).ok());
      const auto payload = [&](int tensor) {
        const format::StoredTensor& s = bundle->checkpoint.tensors()[static_cast<std::size_t>(tensor)];
        std::vector<std::byte> b(static_cast<std::size_t>(s.info.bytes()));
        EXPECT_TRUE(bundle->checkpoint.read(s, 0, b).ok());
        return b;
      };
      const auto words = payload(m.planes[0]), scales = payload(m.planes[1]), biases = payload(m.planes[2]);
      std::vector<std::uint32_t> packed(words.size() / 4);
      std::memcpy(packed.data(), words.data(), words.size());
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(n));
      codec::unpack(packed.data(), m.format->bits, codes);
      double error = 0, norm = 0;
      for (std::int64_t e = 0; e < n; ++e) {
        const std::int64_t g = e / in * (in / m.format->group_size) + e % in / m.format->group_size;
        std::uint16_t s = 0, b = 0;
        std::memcpy(&s, scales.data() + g * 2, 2);
        std::memcpy(&b, biases.data() + g * 2, 2);
        const double value = static_cast<double>(codes[static_cast<std::size_t>(e)]) * bf16_to_float(s) + bf16_to_float(b);
        const double weight = w[static_cast<std::size_t>(e)];
        error += (weight - value) * (weight - value);
        norm += weight * weight;
      }
      ASSERT_TRUE(report->errors[i].has_value()) << t.name;
      EXPECT_NEAR(*report->errors[i], error / norm, 1e-9 * error / norm) << t.name;
      ++n_checked;
    }
  }
  EXPECT_EQ(n_checked, bundle->modules.size());
  EXPECT_GT(n_checked, 20u);
}

TEST_F(ConvertTest, every_profile_gives_a_valid_bundle) {
  for (const plan::ProfileRow& row : plan::profiles()) {
    plan::Options o = profile(std::string(row.name), plan::Method::rtn);
    if (row.name == "auto") o.target_bpw = 4.0;
    auto report = run(kBundledModel, o, path("out"));
    ASSERT_TRUE(report.ok()) << row.name << ": " << report.status().message();
    auto findings = format::validate(path("out"), {.deep = true});
    ASSERT_TRUE(findings.ok());
    for (const format::Finding& f : *findings)
      ADD_FAILURE() << row.name << ": " << format::severity_name(f.severity) << " " << f.where << ": " << f.message;
    fs::remove_all(path("out"));
  }
}

TEST_F(ConvertTest, nan_in_the_source_is_refused_naming_the_tensor) {
  const std::string copy = edited_copy([](std::string& b) {
    b[b.size() - 1] = '\x7f';  // the last bf16 value of the shard becomes 0x7fc0, a NaN
    b[b.size() - 2] = '\xc0';
  });
  for (const char* name : {"JANG_2S", "uniform_4"}) {
    auto report = run(copy, profile(name), path("out"));
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.status().code(), StatusCode::corrupt);
    EXPECT_NE(report.status().message().find("model."), std::string::npos) << report.status().message();
    EXPECT_NE(report.status().message().find("NaN"), std::string::npos) << report.status().message();
    expect_nothing_left();
  }
}

TEST_F(ConvertTest, truncated_source_is_corrupt_at_every_kind_of_length) {
  const std::size_t full = fs::file_size(kBundledModel + "/model-00001-of-00002.safetensors");
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100}, full / 2, full - 2, full - 1}) {
    const std::string copy = edited_copy([&](std::string& b) { b.resize(length); });
    auto report = run(copy, profile("JANG_2S"), path("out"));
    ASSERT_FALSE(report.ok()) << length;
    EXPECT_EQ(report.status().code(), StatusCode::corrupt) << length << ": " << report.status().message();
    expect_nothing_left();
  }
}

TEST_F(ConvertTest, cancelled_conversion_leaves_nothing) {
  CancelFlag cancel{true};
  RunOptions r;
  r.cancel = &cancel;
  auto report = run(kBundledModel, profile("JANG_2S"), path("out"), r);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::cancelled);
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(ConvertTest, output_equal_to_the_source_is_refused) {
  const std::string copy = edited_copy([](std::string&) {});
  auto source = open_source(copy);
  auto plan = plan_source(*source, profile("JANG_2S"), "", {});
  auto report = convert(*source, *plan, copy, true, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), StatusCode::invalid_argument);
  EXPECT_TRUE(fs::exists(copy + "/model-00001-of-00002.safetensors"));
}

TEST_F(ConvertTest, fit_has_less_error_than_rtn_at_the_same_bytes) {
  auto fit = run(kBundledModel, profile("uniform_3"), path("fit")),
       rtn = run(kBundledModel, profile("uniform_3", plan::Method::rtn), path("rtn"));
  ASSERT_TRUE(fit.ok() && rtn.ok());
  EXPECT_EQ(fit->sizes.file_bytes, rtn->sizes.file_bytes);
  for (std::size_t i = 0; i < fit->errors.size(); ++i) {
    if (!fit->errors[i]) continue;
    EXPECT_LT(*fit->errors[i], 0.8 * *rtn->errors[i]) << i;
  }
}

TEST_F(ConvertTest, plan_json_reproduces_the_bundle) {
  auto source = open_source(kBundledModel);
  plan::Options o = profile("auto");
  o.target_bpw = 3.2;
  auto plan = plan_source(*source, o, "", {});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  std::ofstream(path("plan.json")) << json::dump(plan::to_json(source->model, *plan));
  auto read = plan_source(*source, {}, path("plan.json"), {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_TRUE(convert(*source, *plan, path("a"), false, {}).ok());
  ASSERT_TRUE(convert(*source, *read, path("b"), false, {}).ok());
  auto a = files_of(path("a")), b = files_of(path("b"));
  a.erase("jang_config.json");  // says how the plan was made
  b.erase("jang_config.json");
  EXPECT_TRUE(a == b);
}

TEST(DefaultOutputName, strips_precision_and_appends_profile) {
  plan::Plan p;
  p.profile = "JANG_4K";
  EXPECT_EQ(default_output_name("/models/Qwen3-8B-BF16", p), "Qwen3-8B-JANG_4K");
  EXPECT_EQ(default_output_name("/models/Qwen3-8B/", p), "Qwen3-8B-JANG_4K");
  EXPECT_EQ(default_output_name("/hub/models--org--Tiny/snapshots/abc123", p), "Tiny-JANG_4K");
}

}  // namespace
}  // namespace jang::quantize
