// SPDX-License-Identifier: Apache-2.0
// GGUF files in a comparison: the unquantized file of the bundled model is the model, a coarser one is not, and what was measured is kept.
#include "experiment/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "../support/bundled_model.h"
#include "../support/contains.h"
#include "../support/test_device.h"
#include "base/file.h"
#include "base/float16.h"
#include "experiment/gguf/dequantized.h"
#include "experiment/gguf/export.h"
#include "experiment/report_json.h"
#include "format/gguf_writer.h"
#include "quantize/source_rows.h"

namespace jang::experiment {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::kBundledModel;
using test::kBundledText;

class GgufRows : public testing::Test {
 protected:
  void SetUp() override {
    work_ = fs::path(testing::TempDir()) / ("gguf_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(work_);
    fs::create_directories(work_);
    source_.emplace(quantize::open_source(kBundledModel).value());
    plain_ = (work_ / "plain.gguf").string();
    const auto done = export_gguf(*source_, plain_, nullptr);
    ASSERT_TRUE(done.ok()) << done.status().message();
    EXPECT_EQ(done->no_text, "");
  }
  void TearDown() override { fs::remove_all(work_); }

  format::GgufHeader header_of(const std::string& path) const { return format::read_gguf_header(InputFile::open(path).value()).value(); }

  // The plain file with every large matrix in Q8_0, rounded here: d = max / 127.
  std::string write_q8_0() const {
    const format::GgufHeader from = header_of(plain_);
    format::GgufHeader to = from;
    const auto packed = [](const format::GgufTensor& t) { return t.type->name == "BF16"; };
    for (format::GgufTensor& t : to.tensors)
      if (packed(t)) t.type = codec::find_gguf_type(8);
    const std::string bytes = format::make_gguf_header(to);
    const std::string path = (work_ / "q8_0.gguf").string();
    std::ofstream out(path, std::ios::binary);
    out << bytes;
    const InputFile in = InputFile::open(plain_).value();
    for (std::size_t i = 0; i < from.tensors.size(); ++i) {
      std::vector<std::byte> raw(from.tensors[i].bytes);
      EXPECT_TRUE(in.read_at(from.tensors[i].offset_bytes, raw).ok());
      std::string stored(reinterpret_cast<const char*>(raw.data()), raw.size());
      if (packed(from.tensors[i])) stored = q8_0_of(*from.tensors[i].type, raw);
      out.seekp(static_cast<std::streamoff>(to.tensors[i].offset_bytes));
      out << stored;
    }
    return path;
  }
  static std::string q8_0_of(const codec::GgufType& type, const std::vector<std::byte>& raw) {
    std::vector<float> values(raw.size() / 2);
    codec::decode_gguf(type, raw.data(), static_cast<std::int64_t>(values.size()), values.data());
    std::string out;
    for (std::size_t i = 0; i < values.size(); i += 32) {
      float largest = 0;
      for (std::size_t k = 0; k < 32; ++k) largest = std::max(largest, std::fabs(values[i + k]));
      const std::uint16_t d = float_to_fp16(largest / 127);
      out += static_cast<char>(d & 255);
      out += static_cast<char>(d >> 8);
      for (std::size_t k = 0; k < 32; ++k)
        out += static_cast<char>(static_cast<std::int8_t>(largest > 0 ? std::lround(values[i + k] / largest * 127) : 0));
    }
    return out;
  }

  CompareOptions options(const std::string& recipes) const {
    CompareOptions o;
    o.source = kBundledModel;
    o.work = (work_ / "out").string();
    o.recipes = parse_recipes(recipes).value();
    o.text = kBundledText;
    o.max_tokens = 256;
    o.protocol = eval::make_protocol("windows", 128, {}).value();
    o.speed = true;
    o.load = test::on_test_device({.precision = kernels::Precision::exact});
    o.tool = "test";
    return o;
  }

  fs::path work_;
  std::string plain_;
  std::optional<quantize::Source> source_;
};

TEST_F(GgufRows, plain_file_is_the_source_and_q8_0_is_near) {
  const std::string q8 = write_q8_0();
  const CompareOptions o = options("gguf:" + plain_ + ",gguf:" + q8 + ",uniform_8");
  const Result<CompareReport> compared = compare(o);
  ASSERT_TRUE(compared.ok()) << compared.status().message();
  ASSERT_EQ(compared->rows.size(), 4u);
  const CompareRow &plain = compared->rows[1], &near = compared->rows[2], &ours = compared->rows[3];
  EXPECT_EQ(plain.name, "gguf:plain.gguf");
  EXPECT_TRUE(plain.is_gguf && near.is_gguf && !ours.is_gguf);
  EXPECT_EQ(plain.divergence->kld.mean, 0.0);
  EXPECT_GT(near.divergence->kld.mean, 0.0);
  EXPECT_LT(near.divergence->kld.mean, 0.02);
  EXPECT_EQ(near.file_bytes, header_of(q8).tensor_bytes());
  EXPECT_NEAR(near.stored_bits, 8.5, 0.05);
  EXPECT_FALSE(near.classes.empty());
  EXPECT_FALSE(near.gains.empty());
  EXPECT_EQ(near.decode_tokens_per_second, 0);
  EXPECT_GT(ours.decode_tokens_per_second, 0);
  EXPECT_FALSE(near.convert_seconds.has_value());
  EXPECT_TRUE(std::any_of(compared->facts.begin(), compared->facts.end(), [](const std::string& f) { return contains(f, "gguf: "); }));
  const json::Value document = to_json(*compared);
  EXPECT_EQ(document["models"][2]["is_gguf"], true);
  EXPECT_EQ(document["models"][3]["is_gguf"], false);
  EXPECT_TRUE(contains(html_report(*compared, document), "dot gguf"));
}

TEST_F(GgufRows, unchanged_file_is_not_dequantized_again_and_a_changed_one_is) {
  const CompareOptions o = options("gguf:" + plain_);
  ASSERT_TRUE(compare(o).ok());
  const fs::path values = fs::path(o.work) / "bundles/gguf-plain.gguf/model.safetensors";
  const auto first = fs::last_write_time(values);
  ASSERT_TRUE(compare(o).ok());
  EXPECT_EQ(fs::last_write_time(values), first);
  fs::last_write_time(plain_, fs::last_write_time(plain_) + std::chrono::seconds(2));
  ASSERT_TRUE(compare(o).ok());
  EXPECT_NE(fs::last_write_time(values), first);
}

TEST_F(GgufRows, values_that_are_not_finite_are_refused_by_name) {
  const format::GgufHeader header = header_of(plain_);
  const format::GgufTensor* tensor = header.find("blk.1.attn_v.weight");
  ASSERT_NE(tensor, nullptr);
  std::fstream file(plain_, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(tensor->offset_bytes + 10));
  file << '\x80' << '\x7f';  // infinity in bfloat16
  file.close();
  const auto done = write_dequantized(*source_, plain_, (work_ / "values").string(), nullptr);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.status().code(), StatusCode::corrupt);
  EXPECT_TRUE(contains(done.status().message(), "blk.1.attn_v.weight")) << done.status().message();
  const CompareOptions o = options("gguf:" + plain_);
  EXPECT_FALSE(compare(o).ok());
  EXPECT_TRUE(fs::is_empty(fs::path(o.work) / "bundles"));
}

// Programs that stand in for llama.cpp's: the quantizer copies what it is given, and each writes down its words.
class GgufPrograms : public GgufRows {
 protected:
  void SetUp() override {
    GgufRows::SetUp();
    fs::create_directories(folder());
    write_program("llama-quantize", "[ \"$1\" = --imatrix ] && { [ -s \"$2\" ] || exit 5; shift 2; }\ncp \"$1\" \"$2\"\n");
    write_program("llama-imatrix", "while [ $# -gt 1 ]; do [ \"$1\" = -o ] && echo matrix > \"$2\"; shift; done\n");
  }
  [[nodiscard]] fs::path folder() const { return work_ / "bin"; }
  [[nodiscard]] fs::path words_of(const std::string& name) const { return work_ / (name + ".words"); }
  void write_program(const std::string& name, const std::string& body) const {
    std::ofstream(folder() / name) << "#!/bin/sh\necho \"$@\" >> '" << words_of(name).string() << "'\n" << body;
    fs::permissions(folder() / name, fs::perms::owner_all);
  }
  CompareOptions tool_options(const std::string& recipes) const {
    CompareOptions o = options(recipes);
    o.speed = false;
    o.gguf.folders = folder().string();
    return o;
  }
  [[nodiscard]] std::string read(const fs::path& path) const { return read_text(path.string(), 100'000).value(); }
};

TEST_F(GgufPrograms, type_is_made_of_the_source_once) {
  CompareOptions o = tool_options("gguf:Q4_K_M,gguf:Q4_K_M:imatrix");
  o.gguf.text = kBundledText;
  for (int run = 0; run < 2; ++run) {
    const Result<CompareReport> compared = compare(o);
    ASSERT_TRUE(compared.ok()) << compared.status().message();
    EXPECT_EQ(compared->rows[1].name, "gguf:Q4_K_M");
    EXPECT_EQ(compared->rows[2].name, "gguf:Q4_K_M:imatrix");
    for (const std::size_t row : {1, 2}) {
      EXPECT_TRUE(compared->rows[row].is_gguf);
      EXPECT_EQ(compared->rows[row].divergence->kld.mean, 0.0);  // a copy of the plain file is the source
      EXPECT_GT(compared->rows[row].convert_seconds.value_or(0), 0);
    }
  }
  const std::string quantized = read(words_of("llama-quantize")), matrix = read(words_of("llama-imatrix"));
  EXPECT_EQ(std::count(quantized.begin(), quantized.end(), '\n'), 2);
  EXPECT_EQ(std::count(matrix.begin(), matrix.end(), '\n'), 1);
  EXPECT_TRUE(contains(quantized, "--imatrix "));
  EXPECT_TRUE(contains(matrix, "-f " + kBundledText));
}

TEST_F(GgufPrograms, missing_programs_and_texts_are_named) {
  const auto failure = [&](const CompareOptions& o) {
    const auto compared = compare(o);
    EXPECT_FALSE(compared.ok());
    return compared.ok() ? "" : compared.status().message();
  };
  EXPECT_TRUE(contains(failure(tool_options("gguf:Q4_K_M:imatrix")), "--gguf-text"));
  CompareOptions o = tool_options("gguf:IQ2_M");
  write_program("llama-quantize", "echo 'needs a matrix'; exit 1\n");
  EXPECT_TRUE(contains(failure(o), "code 1: needs a matrix"));
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(o.work) / "gguf"))
    EXPECT_FALSE(entry.path().filename().string().starts_with("IQ2_M") && entry.path().extension() == ".gguf") << entry.path();
  o.gguf.folders = (work_ / "nothing").string();
  EXPECT_TRUE(contains(failure(o), "llama-quantize"));
  EXPECT_TRUE(contains(failure(o), "--gguf-tools"));
}

TEST_F(GgufRows, another_model_or_no_file_fails_and_leaves_nothing) {
  for (const auto& [file, word] :
       {std::pair<std::string, std::string>{plain_, "blk.0.attn_q"}, {(work_ / "none.gguf").string(), "none.gguf"}}) {
    if (fs::exists(file)) {  // of a model with one tensor less
      format::GgufHeader header = header_of(file);
      std::erase_if(header.tensors, [](const format::GgufTensor& t) { return t.name == "blk.0.attn_q.weight"; });
      std::string bytes = format::make_gguf_header(header);
      bytes.resize(static_cast<std::size_t>(header.tensors.back().offset_bytes + header.tensors.back().bytes));
      std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    }
    const CompareOptions o = options("gguf:" + file);
    const auto compared = compare(o);
    ASSERT_FALSE(compared.ok());
    EXPECT_TRUE(contains(compared.status().message(), word)) << compared.status().message();
    EXPECT_TRUE(fs::is_empty(fs::path(o.work) / "bundles"));
  }
}

}  // namespace
}  // namespace jang::experiment
