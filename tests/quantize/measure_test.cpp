// SPDX-License-Identifier: Apache-2.0
// The divergence that squared gradients promise for rounding errors: exact where a tensor is measured whole, close where its rows are
// drawn.
#include "quantize/measure.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "codec/affine.h"
#include "format/safetensors.h"
#include "kernels/devices.h"
#include "kernels/host_ops.h"
#include "quantize/encode_rows.h"
#include "quantize/source_rows.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVocab = 40000, kHidden = 64;  // every second row of the embedding is a sample
constexpr std::int64_t kPositions = 100;

// Numbers between 0 and 1 that repeat.
class Numbers {
 public:
  float next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(state_ >> 40) * 0x1p-24f;
  }

 private:
  std::uint64_t state_ = 1;
};

class MeasureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_measure_" + std::to_string(::getpid()));
    fs::create_directories(dir_);
    write_model();
    auto source = open_source(dir_.string());
    ASSERT_TRUE(source.ok()) << source.status().message();
    source_.emplace(std::move(source).value());
    statistics_.model = fingerprint(source_->model);
    statistics_.fisher_positions = kPositions;
    for (const arch::OutTensor& t : source_->model.tensors)
      if (t.quantizable) add_gradients(t);
    options_.profile = "auto";
    options_.target_bpw = 4;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void write_model() {
    const json::Value config = {{"model_type", "llama"},        {"architectures", {"LlamaForCausalLM"}},
                                {"vocab_size", kVocab},         {"hidden_size", kHidden},
                                {"intermediate_size", kHidden}, {"num_hidden_layers", 1},
                                {"num_attention_heads", 1},     {"num_key_value_heads", 1},
                                {"head_dim", kHidden},          {"rms_norm_eps", 1e-5},
                                {"tie_word_embeddings", true},  {"torch_dtype", "float32"}};
    std::ofstream(dir_ / "config.json") << json::dump(config);
    std::vector<TensorInfo> infos = {{"model.embed_tokens.weight", DType::f32, {kVocab, kHidden}},
                                     {"model.norm.weight", DType::f32, {kHidden}},
                                     {"model.layers.0.input_layernorm.weight", DType::f32, {kHidden}},
                                     {"model.layers.0.post_attention_layernorm.weight", DType::f32, {kHidden}}};
    for (const char* map :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
      infos.push_back({"model.layers.0." + std::string(map) + ".weight", DType::f32, {kHidden, kHidden}});
    std::string bytes = format::make_safetensors_header(infos, {});
    for (const TensorInfo& t : infos) {
      std::vector<float> values(static_cast<std::size_t>(elements(t.shape)));
      for (float& v : values) v = numbers_.next() + numbers_.next() - 1;
      bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
    std::ofstream(dir_ / "model.safetensors", std::ios::binary) << bytes;
  }

  // Few rows have most of it, as rows of an embedding do.
  void add_gradients(const arch::OutTensor& t) {
    format::FisherStatistics& f = statistics_.fisher[t.canonical];
    f.n = 1;
    for (std::int64_t r = 0; r < rows(t.shape); ++r) f.rows.push_back(numbers_.next() / static_cast<float>(1 + r));
    for (std::int64_t c = 0; c < columns(t.shape); ++c) f.columns.push_back(numbers_.next());
  }

  // 1/2 sum_ij (r_i c_j / total) (W - Q)_ij^2 / positions over all rows.
  double promised(int index, plan::Choice choice) const {
    const arch::OutTensor& t = source_->model.tensors[static_cast<std::size_t>(index)];
    const format::FisherStatistics& f = statistics_.fisher.at(t.canonical);
    const std::int64_t n = rows(t.shape), in = columns(t.shape);
    std::vector<float> values(static_cast<std::size_t>(n * in)), row(static_cast<std::size_t>(in));
    std::vector<std::byte> scratch;
    EXPECT_TRUE(SourceRows(source_->checkpoint, t).read_floats(0, values, scratch).ok());
    std::vector<std::uint32_t> words(static_cast<std::size_t>(n * codec::words_per_row(in, choice.bits)));
    std::vector<std::byte> scales(static_cast<std::size_t>(n * (in / choice.group_size) * 2)), biases(scales.size());
    kernels::EncodeArgs a;
    a.weights = values.data();
    a.n_rows = n;
    a.in = in;
    a.bits = choice.bits;
    a.group_size = choice.group_size;
    a.words = words.data();
    a.scales = scales.data();
    a.biases = biases.data();
    const auto device = kernels::open_device({}, nullptr).value();
    EXPECT_GT(encode_rows(*device, plan::Method::fit, a, {index, t.shape}, {}).squared_error, 0);
    const kernels::MatrixView view{{DType::u32, choice.bits, choice.group_size, DType::bf16},
                                   n,
                                   in,
                                   reinterpret_cast<const std::byte*>(words.data()),
                                   scales.data(),
                                   biases.data()};
    const double total = std::accumulate(f.columns.begin(), f.columns.end(), 0.0);
    double sum = 0;
    for (std::int64_t r = 0; r < n; ++r) {
      kernels::dequantize_row(view, r, row.data());
      for (std::int64_t c = 0; c < in; ++c) {
        const double off =
            static_cast<double>(values[static_cast<std::size_t>(r * in + c)]) - static_cast<double>(row[static_cast<std::size_t>(c)]);
        sum += static_cast<double>(f.rows[static_cast<std::size_t>(r)]) * static_cast<double>(f.columns[static_cast<std::size_t>(c)]) *
               off * off;
      }
    }
    return 0.5 * sum / total / kPositions;
  }

  Result<plan::ErrorTable> measure(plan::CostTable* fisher) const {
    RunOptions run;
    run.n_threads = 2;
    run.statistics = &statistics_;
    return measure_errors(*source_, options_, DType::bf16, run, fisher);
  }

  fs::path dir_;
  Numbers numbers_;
  std::optional<Source> source_;
  format::Statistics statistics_;
  plan::Options options_;
};

TEST_F(MeasureTest, gradients_promise_the_weighted_sum_of_squared_errors) {
  plan::CostTable fisher;
  const auto errors = measure(&fisher);
  ASSERT_TRUE(errors.ok()) << errors.status().message();
  ASSERT_EQ(fisher.size(), 8u);
  int drawn = 0;
  for (std::size_t i = 0; i < source_->model.tensors.size(); ++i) {
    const arch::OutTensor& t = source_->model.tensors[i];
    if (!t.quantizable) continue;
    const bool whole = elements(t.shape) < 2 * kMeasureWeights;
    drawn += whole ? 0 : 1;
    ASSERT_EQ(fisher.at(t.unit).size(), errors->at(t.unit).size());
    for (const auto& [choice, divergence] : fisher.at(t.unit))
      if (choice.bits == 2 || choice.bits == 4) {
        EXPECT_NEAR(divergence / promised(static_cast<int>(i), choice), 1, whole ? 1e-6 : 0.02) << t.unit << " " << choice.bits;
      }
  }
  EXPECT_EQ(drawn, 1) << "the embedding";
}

TEST_F(MeasureTest, units_without_gradients_are_left_out_and_other_shapes_refused) {
  plan::CostTable fisher;
  statistics_.fisher.erase("model.layers.0.mlp.up_proj");
  ASSERT_TRUE(measure(&fisher).ok());
  EXPECT_EQ(fisher.size(), 7u);
  EXPECT_FALSE(fisher.contains("model.layers.0.mlp.up_proj"));
  statistics_.fisher.clear();
  statistics_.fisher_positions = 0;
  ASSERT_TRUE(measure(&fisher).ok());
  EXPECT_TRUE(fisher.empty());
  EXPECT_TRUE(measure(nullptr).ok());
  statistics_.fisher["model.layers.0.mlp.up_proj"] = {1, std::vector<float>(kHidden, 1.0f), std::vector<float>(2 * kHidden, 1.0f)};
  EXPECT_EQ(measure(&fisher).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::quantize
