// SPDX-License-Identifier: Apache-2.0
// Gradients of every matrix of random models of every family against differences of the loss itself, on several devices; what the sink is
// told and what it stops. Equality with torch is the oracle tests' (tests/oracle/check_gradients.py).
#include "model/backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tiny_decoder.h"

namespace jang::model {
namespace {

using namespace testing;
using arch::testing::all_models;
using arch::testing::NamedModel;

// Gradients on the host, by module, a matrix per expert.
class Collected final : public GradientSink {
 public:
  explicit Collected(HostDecoder& decoder) : decoder_(decoder) {}
  Status weight(const WeightGradient& part) override {
    const std::string module(part.module);
    const std::span<const kernels::MatrixView> views = decoder_.matrices(module);
    const auto columns = static_cast<std::size_t>(views.front().n_cols), rows = static_cast<std::size_t>(views.front().n_rows);
    std::vector<float>& all = gradients[module];
    all.resize(views.size() * rows * columns);
    const std::size_t at = (static_cast<std::size_t>(std::max(part.expert, 0)) * rows + static_cast<std::size_t>(part.first_row)) * columns;
    EXPECT_EQ(part.gradient.columns, views.front().n_cols);
    EXPECT_EQ(part.expert >= 0, views.size() > 1) << module;
    rows_seen += part.gradient.rows;
    return decoder_.device().read(part.gradient, all.data() + at);
  }
  Status behind_layer(int layer, const kernels::Tensor& gradient) override {
    layers.insert(layers.begin(), layer);
    std::vector<float>& to = behind[layer];
    to.resize(static_cast<std::size_t>(gradient.rows * gradient.columns));
    return decoder_.device().read(gradient, to.data());
  }
  std::map<std::string, std::vector<float>> gradients;
  std::map<int, std::vector<float>> behind;
  std::vector<int> layers;
  std::int64_t rows_seen = 0;

 private:
  HostDecoder& decoder_;
};

// loss = sum over tokens and ids of cotangent * logit, of two texts that know nothing of each other.
struct Loss {
  static constexpr std::int64_t kLength = 66;  // more than a block of queries
  std::vector<std::int32_t> ids = tokens(2 * kLength, 5);
  std::vector<float> cotangents;
  explicit Loss(std::int64_t vocab) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    cotangents.resize(ids.size() * static_cast<std::size_t>(vocab));
    for (float& c : cotangents) c = normal(random);
  }
  double of(HostDecoder& d) const {
    double sum = 0;
    const float* cotangent = cotangents.data();
    for (auto text = ids.begin(); text != ids.end(); text += kLength) {
      Sequence s = d.sequence();
      for (const float logit : head(d, run(d, s, {text, text + kLength})))
        sum += static_cast<double>(logit) * static_cast<double>(*cotangent++);
    }
    return sum;
  }
  Status backward(HostDecoder& d, GradientSink& sink) const {
    JANG_ASSIGN(Gradients gradients, Gradients::create(d.decoder()));
    JANG_ASSIGN(const kernels::Tensor logits, gradients.forward(ids, kLength));
    JANG_TRY(d.device().write(cotangents.data(), logits));
    return gradients.backward(logits, sink);
  }
};

double norm(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}
double dot(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return sum;
}

// A module's matrices moved along a direction.
class Moved {
 public:
  Moved(HostDecoder& d, const std::string& module) : d_(d), module_(module) {
    const auto views = d.matrices(module);
    own_.assign(views.begin(), views.end());
    for (const kernels::MatrixView& v : own_) {
      const auto* from = reinterpret_cast<const float*>(v.data);
      values_.insert(values_.end(), from, from + v.n_rows * v.n_cols);
    }
  }
  double loss(const Loss& loss, std::span<const float> direction, double step) {
    std::vector<float> moved(values_.size());
    for (std::size_t i = 0; i < moved.size(); ++i)
      moved[i] = static_cast<float>(static_cast<double>(values_[i]) + step * static_cast<double>(direction[i]));
    std::vector<kernels::MatrixView> views = own_;
    const float* at = moved.data();
    for (kernels::MatrixView& v : views) {
      v.data = reinterpret_cast<const std::byte*>(at);
      at += v.n_rows * v.n_cols;
    }
    EXPECT_TRUE(d_.replace(module_, views).ok());
    const double value = loss.of(d_);
    EXPECT_TRUE(d_.replace(module_, own_).ok());
    return value;
  }
  [[nodiscard]] const std::vector<float>& values() const { return values_; }

 private:
  HostDecoder& d_;
  std::string module_;
  std::vector<kernels::MatrixView> own_;
  std::vector<float> values_;
};

// Slope of f at zero by central differences without their error of second order; of several steps that at which the differences agree best,
// since large ones meet curvature and small ones rounding.
template <typename F>
double slope(const F& f, double step) {
  double best = 0, least = 1e300;
  for (int i = 0; i < 3; ++i, step /= 10) {
    const double near = (f(step) - f(-step)) / (2 * step), far = (f(2 * step) - f(-2 * step)) / (4 * step);
    if (std::abs(near - far) > least) continue;
    least = std::abs(near - far);
    best = (4 * near - far) / 3;
  }
  return best;
}

// Along itself and a random direction of equal length at once, so that a gradient that is too short, or long where it should not be, shows.
void check_module(HostDecoder& d, const Loss& loss, const std::string& module, const std::vector<float>& gradient) {
  Moved moved(d, module);
  const double length = norm(gradient), size = norm(moved.values());
  ASSERT_GT(length, 0) << module;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> direction(gradient.size());
  for (float& v : direction) v = normal(random);
  const double other = norm(direction);
  for (std::size_t i = 0; i < direction.size(); ++i)
    direction[i] = static_cast<float>(static_cast<double>(gradient[i]) / length + static_cast<double>(direction[i]) / other);
  const double measured = slope([&](double step) { return moved.loss(loss, direction, step); }, 1e-3 * size);
  EXPECT_NEAR(measured, dot(gradient, direction), 2e-3 * length) << module;
}

// Those whose layers can run one at a time.
std::vector<NamedModel> models_with_gradients() {
  std::vector<NamedModel> models = all_models();
  std::erase_if(models, [](const NamedModel& m) { return m.name == "gemma4_text_edge"; });
  return models;
}

class EveryDecoderBackward : public ::testing::TestWithParam<NamedModel> {};
INSTANTIATE_TEST_SUITE_P(Backward, EveryDecoderBackward, ::testing::ValuesIn(models_with_gradients()),
                         [](const auto& p) { return p.param.name; });

void expect_slopes(HostDecoder& d) {
  const Loss loss(d.config().vocab);
  Collected found(d);
  const Status s = loss.backward(d, found);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(found.gradients.size(), d.modules().size());
  for (const std::string& module : d.modules()) check_module(d, loss, module, found.gradients[module]);
}

TEST_P(EveryDecoderBackward, gradients_are_the_slopes_of_the_loss) {
  const TinyModel model(made_smooth(GetParam().model));
  auto made = model.decoder();
  ASSERT_TRUE(made.ok()) << model.error << made.status().message();
  expect_slopes(made.value());
}

// Given what the whole has before a layer and behind it, the layer alone computes what the whole computes, to the bit.
TEST_P(EveryDecoderBackward, a_layer_alone_is_the_same_as_in_the_whole) {
  const TinyModel model(GetParam().model);
  auto made = model.decoder();
  ASSERT_TRUE(made.ok()) << model.error << made.status().message();
  HostDecoder& d = made.value();
  const Loss loss(d.config().vocab);
  Collected whole(d);
  ASSERT_TRUE(loss.backward(d, whole).ok());
  std::vector<int> all(static_cast<std::size_t>(d.config().n_layers()));
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(whole.layers, all);
  const auto n = static_cast<std::int64_t>(loss.ids.size()), hidden = d.config().hidden;
  std::vector<float> states(static_cast<std::size_t>(n * hidden));
  ASSERT_TRUE(d.embed(loss.ids, states.data()).ok());
  Array before, gradient;
  ASSERT_TRUE(before.reserve(d.device(), n * hidden) && gradient.reserve(d.device(), n * hidden));
  auto gradients = Gradients::create(d.decoder()).value();
  for (const int l : all) {
    ASSERT_TRUE(d.device().write(states.data(), before.matrix(n, hidden)).ok());
    const auto after = gradients.forward_layer(l, before.matrix(n, hidden), Loss::kLength);
    ASSERT_TRUE(after.ok()) << after.status().message();
    ASSERT_TRUE(d.device().read(after.value(), states.data()).ok());
    Collected alone(d);
    ASSERT_TRUE(d.device().write(whole.behind[l].data(), gradient.matrix(n, hidden)).ok());
    ASSERT_TRUE(gradients.backward_layer(gradient.matrix(n, hidden), alone).ok());
    EXPECT_EQ(alone.gradients.size(), d.decoder().modules_of(l).size());
    for (const std::string& module : d.decoder().modules_of(l)) EXPECT_EQ(alone.gradients[module], whole.gradients[module]) << module;
  }
  Sequence first = d.sequence(), second = d.sequence();
  std::vector<float> expected = states;
  ASSERT_TRUE(d.embed(loss.ids, expected.data()).ok());
  const BatchItem batch[] = {{&first, Loss::kLength}, {&second, Loss::kLength}};
  ASSERT_TRUE(d.layers(batch, 0, d.config().n_layers(), expected.data()).ok());
  EXPECT_EQ(states, expected);
  EXPECT_EQ(gradients.forward_layer(0, before.matrix(n, hidden), Loss::kLength - 1).status().code(), StatusCode::invalid_argument);
}

TEST(Backward, layers_that_need_each_other_have_no_gradients_and_say_so) {
  const TinyModel model(arch::testing::gemma4_text(arch::testing::Gemma4::edge));
  auto made = model.decoder();
  ASSERT_TRUE(made.ok()) << model.error << made.status().message();
  const Status s = Gradients::create(made->decoder()).status();
  EXPECT_EQ(s.code(), StatusCode::unsupported);
  EXPECT_NE(s.message().find("gemma4_text"), std::string::npos) << s.message();
}

TEST(Backward, gradients_are_the_slopes_where_every_layer_is_another) {
  arch::DecoderConfig config = varied_config();
  for (arch::LayerSpec& layer : config.layers)
    if (auto* experts = std::get_if<arch::ExpertsSpec>(&layer.ffn)) experts->top_k = experts->n_experts;
  const SpecModel model(config);
  auto made = model.decoder();
  ASSERT_TRUE(made.ok()) << made.status().message();
  expect_slopes(made.value());
}

TEST(Backward, gradients_are_the_slopes_where_layers_have_one_block) {
  const SpecModel model(one_block_layers());
  auto made = model.decoder();
  ASSERT_TRUE(made.ok()) << made.status().message();
  expect_slopes(made.value());
}

TEST_P(EveryDecoderBackward, the_reference_agrees_and_threads_do_not_change_a_bit) {
  const TinyModel model(GetParam().model);
  ThreadPool pool(3);
  const auto gradients = [&](Result<std::unique_ptr<kernels::Device>> device) {
    auto made = model.decoder(std::move(device));
    EXPECT_TRUE(made.ok()) << made.status().message();
    const Loss loss(made->config().vocab);
    Collected found(made.value());
    EXPECT_TRUE(loss.backward(made.value(), found).ok());
    return found.gradients;
  };
  const auto expected = gradients(kernels::open_device("ref", nullptr)), single = gradients(jang::test::open_test_device(nullptr));
  EXPECT_EQ(single, gradients(jang::test::open_test_device(&pool)));
  for (const auto& [module, gradient] : expected) {
    std::vector<float> off = single.at(module);
    for (std::size_t i = 0; i < off.size(); ++i) off[i] -= gradient[i];
    EXPECT_LT(norm(off), 1e-4 * norm(gradient)) << module;  // a few layers of float32 sums of some hundred terms
  }
}

}  // namespace
}  // namespace jang::model
